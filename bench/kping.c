/*
 * Round trips of ICMP echo from the kernel's sockets, one after the other, each from the call that sends to the return of the call that
 * receives: what wrk's latency on one connection is compared with. Contents are checked.
 *
 * usage: kping ADDRESS SECONDS     prints one line of JSON
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tools/zload_hist.h"
#include "ktime.h"

#define WARMUP_NS (NS_PER_SEC / 4)
#define DATA_BYTES 56u

struct echo {
    struct icmphdr h;
    uint8_t data[DATA_BYTES];
};

static uint64_t lost;

static uint16_t sum(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t s = 0;

    for (size_t i = 0; i + 1 < n; i += 2)
        s += (uint32_t)(p[i] << 8 | p[i + 1]);
    s = (s & 0xffff) + (s >> 16);
    return htons((uint16_t) ~(s + (s >> 16)));
}

/* Nanoseconds; 0: no answer in time. */
static uint64_t round_trip(int fd, uint16_t number)
{
    struct echo e = {.h = {.type = ICMP_ECHO, .un.echo = {.id = htons((uint16_t)getpid()), .sequence = htons(number)}}};
    uint8_t got[256];
    const struct iphdr *ip = (const void *)got;
    uint64_t start;

    memset(e.data, number & 0xff, sizeof(e.data));
    e.h.checksum = sum(&e, sizeof(e));
    start = now_ns();
    if (send(fd, &e, sizeof(e), 0) != (ssize_t)sizeof(e))
        return 0;
    for (;;) {
        ssize_t n = recv(fd, got, sizeof(got), 0);
        const struct echo *a = (const void *)(got + ip->ihl * 4u);

        if (n < 0)
            return 0;
        if (n < (ssize_t)(ip->ihl * 4u + sizeof(*a)) || a->h.type != ICMP_ECHOREPLY || a->h.un.echo.id != e.h.un.echo.id ||
            a->h.un.echo.sequence != e.h.un.echo.sequence)
            continue; /* another's, or too late */
        if (memcmp(a->data, e.data, sizeof(e.data)) != 0)
            errx(1, "an answer with other data than the question");
        return now_ns() - start;
    }
}

static void run(int fd, struct hist *h, uint64_t end_ns)
{
    static uint16_t number;

    while (now_ns() < end_ns) {
        uint64_t ns = round_trip(fd, number++);

        if (ns != 0)
            hist_add(h, ns);
        else
            lost++;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval wait = {.tv_usec = 200000};
    static struct hist h;
    double seconds;
    int fd;

    if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || !((seconds = strtod(argv[2], NULL)) > 0))
        errx(1, "usage: kping ADDRESS SECONDS");
    fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
        err(1, NULL);
    hist_clear(&h);
    run(fd, &h, now_ns() + WARMUP_NS);
    hist_clear(&h);
    lost = 0;
    run(fd, &h, now_ns() + (uint64_t)(seconds * 1e9));
    if (h.count == 0)
        errx(1, "%s does not answer", argv[1]);
    printf("{\"answers\": %llu, \"lost\": %llu, \"p50_us\": %.3f, \"p99_us\": %.3f}\n", (unsigned long long)h.count,
           (unsigned long long)lost, (double)hist_percentile(&h, 50) / 1e3, (double)hist_percentile(&h, 99) / 1e3);
    return 0;
}
