/*
 * UDP echo server without a copy, for IPv4 and IPv6: the buffer that arrived is the buffer that leaves. What comes to one of the
 * groups goes back to the group.
 * Usage: udp_echo --conf config.ini [-- PORT [GROUP[%INTERFACE]]...]     e.g. 7 239.1.2.3 ff02::1234%1
 */
#include "example.h"

#define MAX_SOCKETS 16
#define MAX_EVENTS 16
#define BURST 64 /* datagrams of one socket before the others are looked at */

struct server {
    int fd;
    struct sockaddr_storage group; /* of a socket that serves one */
    socklen_t group_len;
};

static int kq, n_servers;
static struct server servers[MAX_SOCKETS];

static void serve(struct server *s)
{
    for (int i = 0; i < BURST; i++) {
        struct sockaddr_storage from;
        unsigned len = sizeof(from);
        struct z_buf *b;
        ssize_t n = z_recvfrom(s->fd, &b, 65535, 0, (struct linux_sockaddr *)&from, &len);
        const void *to = s->group_len != 0 ? &s->group : &from;

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            continue; /* empty, or an error that came for an answer of ours */
        if (z_sendto(s->fd, b, (size_t)n, 0, to, s->group_len != 0 ? s->group_len : len) < 0)
            z_free(b); /* datagrams may be lost */
    }
}

static struct server *add_server(const struct sockaddr *addr, socklen_t len)
{
    struct server *s = &servers[n_servers++];
    int on = 1;

    s->fd = ff_socket(addr->sa_family, SOCK_DGRAM, 0);
    if (s->fd < 0)
        die("socket");
    example_nonblocking(s->fd);
    if (ff_setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || ff_bind(s->fd, (const struct linux_sockaddr *)addr, len) < 0)
        die("bind");
    if (!example_watch(kq, s->fd, EVFILT_READ, EV_ADD))
        die("kevent");
    return s;
}

static void serve_group4(struct in_addr group, uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = group};
    struct server *s = add_server((struct sockaddr *)&addr, sizeof(addr));
    struct ip_mreq r = {.imr_multiaddr = group};
    int off = 0;

    memcpy(&s->group, &addr, s->group_len = sizeof(addr));
    if (ff_setsockopt(s->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof(r)) < 0 ||
        ff_setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)) < 0)
        die("join");
}

static void serve_group6(const struct in6_addr *group, uint16_t port, unsigned interface)
{
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *group, .sin6_scope_id = interface};
    struct server *s = add_server((struct sockaddr *)&addr, sizeof(addr));
    struct ipv6_mreq r = {.ipv6mr_multiaddr = *group, .ipv6mr_interface = interface};
    int off = 0;

    memcpy(&s->group, &addr, s->group_len = sizeof(addr));
    if (ff_setsockopt(s->fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof(r)) < 0 ||
        ff_setsockopt(s->fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off)) < 0)
        die("join");
}

static void serve_group(char *text, uint16_t port)
{
    char *interface = strchr(text, '%');
    struct in_addr g4;
    struct in6_addr g6;

    if (interface != NULL)
        *interface++ = '\0';
    if (inet_pton(AF_INET, text, &g4) == 1)
        serve_group4(g4, port);
    else if (inet_pton(AF_INET6, text, &g6) == 1)
        serve_group6(&g6, port, interface != NULL ? (unsigned)strtoul(interface, NULL, 10) : 0);
    else
        die(text);
}

static int loop(void *arg)
{
    struct kevent ev[MAX_EVENTS];
    int n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, NULL);

    (void)arg;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n_servers; k++)
            if (servers[k].fd == (int)ev[i].ident)
                serve(&servers[k]);
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);
    uint16_t port = example_port(argc, argv, arg, 7);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    kq = ff_kqueue();
    if (kq < 0)
        die("kqueue");
    add_server((struct sockaddr *)&any, sizeof(any));
    for (int i = arg + 1; i < argc && n_servers < MAX_SOCKETS; i++)
        serve_group(argv[i], port);
    printf("udp_echo: port %u, %d sockets\n", port, n_servers);
    fflush(stdout);
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
