/* What the applications share: sockets, accepting, closing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bench.h"
#include "port/port.h"
#include "tcp/conn.h"

#define SERVER 0x0a000002u
#define TURNS_MAX 100000000u
#define PER_PORT 16384u
#define PORTS 1000u

const char *const way_names[WAYS] = {
    [WAY_REF] = "zero-copy", [WAY_FRESH] = "zero-copy, fresh", [WAY_ECHO] = "zero-copy, echo", [WAY_COPY] = "copying"};

void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

void app_watch(struct side *e, int fd, short filter, unsigned short flags)
{
    struct kevent change;

    EV_SET(&change, (uintptr_t)fd, filter, flags, 0, 0, NULL);
    if (ff_kevent(e->kq, &change, 1, NULL, 0, NULL) < 0)
        die("kevent");
}

static int new_socket(void)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || ff_ioctl(fd, FIONBIO, &on) < 0)
        die("socket");
    return fd;
}

int app_listen(struct side *e, uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd, on = 1;

    pair_enter(e);
    fd = new_socket();
    if (ff_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        ff_bind(fd, (const struct linux_sockaddr *)(void *)&addr, sizeof(addr)) < 0 || ff_listen(fd, 4096) < 0)
        die("listen");
    return fd;
}

int app_connect(struct side *e, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(SERVER)};
    int fd = new_socket();

    if (ff_connect(fd, (const struct linux_sockaddr *)(void *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        die("connect");
    e->conn[fd - BENCH_FD_FIRST] = (struct peer_state){.open = true};
    return fd;
}

int app_accept(struct side *e, int listener)
{
    int fd = ff_accept(listener, NULL, NULL);

    if (fd < 0)
        return -1;
    e->conn[fd - BENCH_FD_FIRST] = (struct peer_state){.open = true};
    app_watch(e, fd, EVFILT_READ, EV_ADD);
    return fd;
}

/* opening: the server's application of the moment */
struct opening {
    int listener;
    uint32_t accepted;
};

static void accept_app(struct side *e)
{
    struct opening *o = e->arg;

    while (app_accept(e, o->listener) >= 0)
        o->accepted++;
}

static void no_app(struct side *e)
{
    (void)e;
}

/* As many as a client's ports have room for at one port of the server's. */
static void open_some(struct pair *p, uint32_t n, uint16_t port, int *fds)
{
    struct opening o = {.listener = app_listen(&p->side[1], port)};

    p->side[0].app = no_app;
    p->side[1].app = accept_app;
    p->side[1].arg = &o;
    for (uint32_t i = 0; i < n; i++) {
        pair_enter(&p->side[0]);
        fds[i] = app_connect(&p->side[0], port);
        app_watch(&p->side[0], fds[i], EVFILT_READ, EV_ADD);
        if (i % 16 == 15) /* no more than a burst per turn, or SYNs are lost for want of room */
            pair_turn(p);
    }
    for (uint32_t turns = 0; o.accepted < n; turns++) {
        pair_turn(p);
        if (turns == TURNS_MAX) {
            errno = ETIMEDOUT;
            die("opening connections");
        }
    }
    pair_settle(p);
    pair_enter(&p->side[1]);
    ff_close(o.listener);
}

void app_open(struct pair *p, uint32_t n, int *fds)
{
    for (uint32_t done = 0; done < n; done += MIN(n - done, PER_PORT))
        open_some(p, MIN(n - done, PER_PORT), (uint16_t)(BENCH_PORT + p->ports++ % PORTS), fds + done);
}

void app_wait(struct pair *p, uint64_t ns)
{
    uint64_t end = port_clock_ns() + ns;

    for (int i = 0; i < 2; i++)
        p->side[i].app = no_app;
    while (port_clock_ns() < end)
        pair_turn(p);
}

void app_close(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        struct side *e = &p->side[i];

        e->app = no_app;
        pair_enter(e);
        for (uint32_t c = 0; c < p->conns_max + 64; c++) {
            if (e->conn[c].open)
                ff_close(BENCH_FD_FIRST + (int)c);
            e->conn[c].open = false;
        }
    }
    pair_settle(p);
}

void print_places(const struct pair *p, const char *name, uintptr_t function)
{
    printf("%s() at %#lx\n", name, (unsigned long)function);
    for (int i = 0; i < 2; i++) {
        const struct tcp_state *t = &p->side[i].s->tcp;

        for (uint32_t k = 0; k <= t->id_mask; k++)
            if (t->id_tab[k] != NULL && t->id_tab[k]->state == TCPS_ESTABLISHED)
                printf("connection at %#lx\n", (unsigned long)(uintptr_t)t->id_tab[k]);
    }
    fflush(stdout); /* before what is traced */
}
