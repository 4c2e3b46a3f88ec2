/*
 * Sends echo requests through the stack and prints what comes back: replies, and what routers say instead. The main loop is the program's
 * own, and its calls wait.
 * Usage: ping --conf config.ini [-- [raw] ADDRESS [COUNT [BYTES [HOPS]]]]     raw: with a raw socket, else with one of echo requests
 */
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <time.h>

#include <linux/errqueue.h>

#include "example.h"

#define BYTES_MAX 65000
#define REPLY_MS 1000
#define RAW_ID 0x5a53 /* of a raw socket; one of echo requests has its own */

static struct sockaddr_storage to;
static socklen_t to_len;
static int fd;
static int v6, raw;
static unsigned char out[BYTES_MAX + 8], in[BYTES_MAX + 100];

/* Type, code, checksum, identifier and number are at the same places in both families. */
static uint16_t cksum(const unsigned char *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < n; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    if (n % 2 != 0)
        sum += (uint32_t)p[n - 1] << 8;
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

static const char *text_of(const void *sa)
{
    static char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *a = sa;
    const struct sockaddr_in6 *a6 = sa;

    if (a->sin_family == AF_INET6)
        return inet_ntop(AF_INET6, &a6->sin6_addr, text, sizeof(text));
    return a->sin_family == AF_INET ? inet_ntop(AF_INET, &a->sin_addr, text, sizeof(text)) : "this host";
}

static void open_socket(int hops)
{
    struct timeval wait = {.tv_sec = REPLY_MS / 1000, .tv_usec = REPLY_MS % 1000 * 1000};
    int on = 1, level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;

    fd = ff_socket(v6 ? AF_INET6 : AF_INET, raw ? SOCK_RAW : SOCK_DGRAM, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    if (fd < 0)
        die("socket");
    if (ff_setsockopt(fd, level, v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)) < 0 ||
        ff_setsockopt(fd, level, v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof(on)) < 0 ||
        ff_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
        die("setsockopt");
    if (hops > 0 && ff_setsockopt(fd, level, v6 ? IPV6_UNICAST_HOPS : IP_TTL, &hops, sizeof(hops)) < 0)
        die("setsockopt");
}

static void request(unsigned seq, size_t bytes)
{
    out[0] = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    put16(out + 2, 0);
    put16(out + 4, RAW_ID);
    put16(out + 6, seq);
    for (size_t i = 0; i < bytes; i++)
        out[8 + i] = (unsigned char)(seq + i);
    if (raw && !v6) /* nobody else does it */
        put16(out + 2, cksum(out, 8 + bytes));
    if (ff_sendto(fd, out, 8 + bytes, 0, (struct linux_sockaddr *)&to, to_len) < 0)
        perror("sendto");
}

/* What is in the queue of errors: a report of the address that sent it, about a request of ours. */
static void report(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        const struct sock_extended_err *e = (const void *)CMSG_DATA(c);

        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            printf("from %s: %s (type %u code %u info %u)\n", text_of(SO_EE_OFFENDER(e)), strerror((int)e->ee_errno), e->ee_type,
                   e->ee_code, e->ee_info);
    }
}

static int hops_of(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_type == IP_TTL || c->cmsg_type == IPV6_HOPLIMIT)
            return *(const int *)(const void *)CMSG_DATA(c);
    return -1;
}

/* The reply to request seq, or a report. 1: that was it; 0: nothing came in time; others are passed over. */
static int answer(unsigned seq, size_t bytes)
{
    struct sockaddr_storage from;
    char control[256];
    struct iovec iov = {in, sizeof(in)};

    for (;;) {
        struct msghdr m = {.msg_name = &from,
                           .msg_namelen = sizeof(from),
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        ssize_t n = ff_recvmsg(fd, &m, 0);
        size_t off = raw && !v6 && n > 0 ? (size_t)(in[0] & 15) * 4 : 0; /* behind the IP header */

        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0) {
            m.msg_controllen = sizeof(control);
            if (ff_recvmsg(fd, &m, MSG_ERRQUEUE) < 0)
                die("recvmsg");
            report(&m);
            return 1;
        }
        if ((size_t)n != off + 8 + bytes || in[off] != (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
            memcmp(in + off + 6, out + 6, 2 + bytes) != 0)
            continue;
        printf("%zd bytes from %s: seq=%u hops=%d\n", n - (ssize_t)off, text_of(&from), seq, hops_of(&m));
        return 1;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in *a = (void *)&to;
    struct sockaddr_in6 *a6 = (void *)&to;
    int at = example_init(argc, argv), answered = 0;
    unsigned count;
    size_t bytes;

    raw = at < argc && strcmp(argv[at], "raw") == 0;
    at += raw;
    if (at >= argc) {
        fprintf(stderr, "usage: ping --conf config.ini -- [raw] ADDRESS [COUNT [BYTES [HOPS]]]\n");
        return 1;
    }
    v6 = strchr(argv[at], ':') != NULL;
    to_len = v6 ? sizeof(*a6) : sizeof(*a);
    to.ss_family = v6 ? AF_INET6 : AF_INET;
    if (inet_pton(to.ss_family, argv[at], v6 ? (void *)&a6->sin6_addr : (void *)&a->sin_addr) != 1) {
        fprintf(stderr, "ping: %s: not an address\n", argv[at]);
        return 1;
    }
    count = (unsigned)example_arg(argc, argv, at + 1, "count", 1, 1000000000, 4);
    bytes = (size_t)example_arg(argc, argv, at + 2, "bytes", 0, BYTES_MAX, 56);
    open_socket((int)example_arg(argc, argv, at + 3, "hops", 0, 255, 0));
    for (unsigned seq = 1; seq <= count && !example_stop; seq++) {
        request(seq, bytes);
        answered += answer(seq, bytes);
        fflush(stdout);
    }
    printf("%u sent, %d answered\n", count, answered);
    ff_close(fd);
    return 0;
}
