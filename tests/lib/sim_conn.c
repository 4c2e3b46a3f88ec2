#include "sim_conn.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/check.h"
#include "udp/udp.h"

struct sock *sim_sock(struct sim_stack *ss, int *fd)
{
    struct tcp_conn *tc = tcp_create(ss->s);
    struct sock *sk;

    Z_CHECK(tc != NULL);
    *fd = sock_new_tcp(ss->s, tc, &sk);
    Z_CHECK(*fd >= 0);
    return sk;
}

struct sock *sim_listen(struct sim_stack *ss, uint16_t port, int backlog, int *fd)
{
    struct inaddr any = sim_addr(0);
    struct sock *sk = sim_sock(ss, fd);
    int on = 1;

    Z_CHECK(tcp_setopt(ss->s, sk->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
    Z_CHECK(tcp_bind(ss->s, sk->tcp, &any, port) == 0 && tcp_listen(ss->s, sk->tcp, backlog) == 0);
    return sk;
}

struct sock *sim_connect(struct sim_stack *ss, uint32_t addr, uint16_t port, int *fd)
{
    struct inaddr to = sim_addr(addr);
    struct sock *sk = sim_sock(ss, fd);

    Z_CHECK(tcp_connect(ss->s, sk->tcp, &to, port) == -EINPROGRESS);
    sim_kick(ss->sim, ss->node);
    return sk;
}

struct sock *sim_accept(struct sim_stack *ss, struct sock *listener, int *fd)
{
    struct tcp_conn *tc;
    struct sock *sk;
    int err;

    tc = tcp_accept(ss->s, listener->tcp, &err);
    if (tc == NULL)
        return NULL;
    *fd = sock_new_tcp(ss->s, tc, &sk);
    Z_CHECK(*fd >= 0);
    return sk;
}

struct opening {
    struct sim_pair *p;
    struct sim_conn *c;
    struct sock *listener;
};

static bool established(void *arg)
{
    struct opening *o = arg;

    if (o->c->b == NULL)
        o->c->b = sim_accept(o->p->b, o->listener, &o->c->fd_b);
    return o->c->b != NULL && (tcp_poll(o->c->a->tcp) & SOCK_OUT) != 0;
}

bool sim_conn_open(struct sim_pair *p, struct sim_conn *c, uint16_t port)
{
    struct opening o = {.p = p, .c = c};
    int fd;
    bool ok;

    *c = (struct sim_conn){0};
    o.listener = sim_listen(p->b, port, 8, &fd);
    c->a = sim_connect(p->a, SIM_ADDR_B, port, &c->fd_a);
    ok = sim_run_until(p->sim, established, &o, 300 * NS_PER_SEC);
    sock_close(p->b->s, fd);
    return ok;
}

bool sim_conn_close(struct sim_pair *p, struct sim_conn *c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (c[i].a != NULL)
            sock_close(p->a->s, c[i].fd_a);
        if (c[i].b != NULL)
            sock_close(p->b->s, c[i].fd_b);
        c[i].a = c[i].b = NULL;
    }
    sim_kick(p->sim, p->a->node);
    sim_kick(p->sim, p->b->node);
    return sim_run_for(p->sim, 1000 * NS_PER_SEC) && sim_stack_conserved(p->a) && sim_stack_conserved(p->b);
}

struct udp_pcb *sim_udp(struct sim_stack *ss, uint16_t port)
{
    struct udp_pcb *u = udp_create(ss->s, NULL);
    struct inaddr any = sim_addr(0);

    Z_CHECK(u != NULL);
    if (sim_v6())
        udp_set_inet6(u);
    if (port != 0)
        Z_CHECK(udp_bind(ss->s, u, &any, port) == 0);
    return u;
}
