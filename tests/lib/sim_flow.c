#include "sim_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "buf/wrap.h"
#include "sock/sock.h"

#define PORT 80
#define IO_PER_TURN 64

uint8_t flow_byte(uint32_t salt, uint64_t at)
{
    uint64_t x = (at >> 3) * 0x9e3779b97f4a7c15ull + salt;

    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9ull;
    return (uint8_t)(x >> (8 * (at & 7)));
}

static void fill(uint8_t *p, uint32_t salt, uint64_t at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        p[i] = flow_byte(salt, at + i);
}

static void fail(struct flow_end *e, const char *what, long v)
{
    if (!e->failed)
        sim_fail(e->ss->sim, "flow: %s (%ld) after %llu sent, %llu received", what, v, (unsigned long long)e->sent,
                 (unsigned long long)e->received);
    e->failed = true;
}

static void check(struct flow_end *e, const uint8_t *p, uint32_t n)
{
    if (e->received + n > e->to_recv) {
        fail(e, "more bytes than were sent", (long)n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (p[i] != flow_byte(e->salt_in, e->received + i)) {
            fail(e, "wrong byte at offset", (long)(e->received + i));
            return;
        }
    e->received += n;
}

static enum flow_mode pick(struct flow_end *e, enum flow_mode m)
{
    return m == FLOW_MIXED ? (enum flow_mode)rng_below(&e->rng, 3) : m;
}

struct wrapped {
    struct flow_end *e;
    uint8_t data[];
};

static void released(void *arg, unsigned flags)
{
    struct wrapped *w = arg;

    (void)flags;
    w->e->releases_due--;
    free(w);
}

static struct rte_mbuf *make(struct flow_end *e, enum flow_mode mode, uint32_t n)
{
    struct wrapped *w;
    struct rte_mbuf *m;
    int err;

    if (mode == FLOW_REF) {
        m = pkt_alloc_app(e->ss->s, n);
        if (m == NULL)
            return NULL;
        fill(pkt_data(m), e->salt_out, e->sent, n);
        m->data_len = (uint16_t)n;
        m->pkt_len = n;
        return m;
    }
    w = malloc(sizeof(*w) + n);
    w->e = e;
    fill(w->data, e->salt_out, e->sent, n);
    m = wrap_create(e->ss->s, w->data, n, released, w, &err);
    if (m == NULL)
        free(w);
    else
        e->releases_due++;
    return m;
}

/* false: no more now */
static bool write_some(struct flow_end *e)
{
    struct z_stack *s = e->ss->s;
    uint64_t want = 1 + rng_below(&e->rng, e->max_write);
    uint32_t n = (uint32_t)MIN(e->to_send - e->sent, want);
    enum flow_mode mode = pick(e, e->write_mode);
    static uint8_t buf[PKT_BUF_MAX];
    ssize_t ret;

    n = MIN(n, PKT_BUF_MAX);
    if (mode == FLOW_COPY) {
        struct iovec iov = {buf, n};

        fill(buf, e->salt_out, e->sent, n);
        ret = tcp_send_copy(s, e->sk->tcp, &iov, 1, 0);
    } else {
        struct rte_mbuf *m = make(e, mode, n);

        if (m == NULL)
            return false;
        ret = tcp_send_ref(s, e->sk->tcp, m);
        if (ret == 0)
            ret = n;
        else
            pkt_unref_chain(m);
    }
    if (ret > 0) {
        e->sent += (uint64_t)ret;
        return true;
    }
    if (ret != -EAGAIN && ret != -ENOMEM)
        fail(e, "write failed", (long)ret);
    return false;
}

static bool read_some(struct flow_end *e)
{
    struct z_stack *s = e->ss->s;
    uint32_t n = 1 + rng_below(&e->rng, e->max_read);
    static uint8_t buf[PKT_BUF_MAX];
    ssize_t ret;

    n = MIN(n, PKT_BUF_MAX);
    if (pick(e, e->read_mode) == FLOW_COPY) {
        struct iovec iov = {buf, n};

        ret = tcp_recv_copy(s, e->sk->tcp, &iov, 1, 0);
        if (ret > 0)
            check(e, buf, (uint32_t)ret);
    } else {
        struct rte_mbuf *m;

        ret = tcp_recv_ref(s, e->sk->tcp, n, &m);
        if (ret > 0) {
            if (m->data_len != ret)
                fail(e, "length of the buffer", m->data_len);
            check(e, pkt_data(m), (uint32_t)ret);
            tcp_loan_return(s, m);
            pkt_unref(m);
        }
    }
    if (ret == 0) {
        e->eof = true;
        if (e->received != e->to_recv)
            fail(e, "end of file early", 0);
    } else if (ret < 0 && ret != -EAGAIN) {
        e->error = (int)-ret;
        fail(e, "read failed", (long)ret);
    }
    return ret > 0;
}

static void step(struct flow_end *e)
{
    if (e->fd < 0 || e->closed || e->failed)
        return;
    if (tcp_poll(e->sk->tcp) & SOCK_OUT)
        for (int i = 0; i < IO_PER_TURN && e->sent < e->to_send && write_some(e); i++)
            ;
    for (int i = 0; i < IO_PER_TURN && !e->eof && read_some(e); i++)
        ;
    if (e->sent == e->to_send && !e->shut && (tcp_poll(e->sk->tcp) & SOCK_OUT) != 0) {
        int ret = tcp_shutdown(e->ss->s, e->sk->tcp, SHUT_WR);

        if (ret != 0)
            fail(e, "shutdown", ret);
        e->shut = true;
    }
    if (e->shut && e->eof) {
        sock_close(e->ss->s, e->fd);
        e->sk = NULL;
        e->closed = true;
    }
    /* data that did not fit in this turn's share waits for the next one */
    if (!e->closed && (tcp_poll(e->sk->tcp) & (SOCK_IN | (e->sent < e->to_send ? SOCK_OUT : 0u))) != 0)
        e->ss->app_wake_ns = MIN(e->ss->app_wake_ns, e->ss->sim->now_ns + 10 * NS_PER_US);
}

static void client_app(struct sim_stack *ss, void *arg)
{
    struct flow_net *fn = arg;

    (void)ss;
    for (uint32_t i = 0; i < fn->n; i++)
        step(&fn->flow[i].client);
}

static void accept_all(struct flow_net *fn)
{
    struct z_stack *s = fn->pair.b->s;
    struct tcp_conn *tc;
    int err;

    while ((tc = tcp_accept(s, fn->listener->tcp, &err)) != NULL) {
        struct inaddr a;
        uint16_t port;
        struct flow_end *e;
        struct sock *sk;

        Z_CHECK(tcp_getpeer(tc, &a, &port) == 0);
        for (uint32_t i = 0; i < fn->n; i++) {
            struct inaddr ca;
            uint16_t cport = 0;

            if (fn->flow[i].client.sk == NULL)
                continue;
            tcp_getname(fn->flow[i].client.sk->tcp, &ca, &cport);
            if (cport != port)
                continue;
            e = &fn->flow[i].server;
            e->fd = sock_new(s, SOCK_TCP, &sk);
            Z_CHECK(e->fd >= 0);
            sk->tcp = tc;
            tcp_attach(tc, sk);
            e->sk = sk;
            fn->n_accepted++;
            break;
        }
    }
}

static void server_app(struct sim_stack *ss, void *arg)
{
    struct flow_net *fn = arg;

    (void)ss;
    accept_all(fn);
    for (uint32_t i = 0; i < fn->n; i++)
        step(&fn->flow[i].server);
}

static struct sock *tcp_sock(struct z_stack *s, int *fd)
{
    struct sock *sk;

    *fd = sock_new(s, SOCK_TCP, &sk);
    Z_CHECK(*fd >= 0);
    sk->tcp = tcp_create(s, sk);
    Z_CHECK(sk->tcp != NULL);
    return sk;
}

static void init_end(struct flow_end *e, struct sim_stack *ss, uint64_t out, uint64_t in, enum flow_mode mode, uint32_t max_io, uint64_t seed)
{
    *e = (struct flow_end){.ss = ss, .fd = -1, .to_send = out, .to_recv = in, .write_mode = mode, .read_mode = mode, .max_write = max_io, .max_read = max_io};
    rng_seed(&e->rng, seed);
}

bool flow_net_start(struct flow_net *fn, uint32_t n, uint64_t bytes_a, uint64_t bytes_b, enum flow_mode mode, uint32_t max_io, uint64_t seed)
{
    struct z_stack *a = fn->pair.a->s, *b = fn->pair.b->s;
    struct inaddr any = INADDR_ANY_V4, server = inaddr_v4(0x0a000002u);

    fn->n = n;
    fn->flow = calloc(n, sizeof(*fn->flow));
    fn->listener = tcp_sock(b, &fn->listen_fd);
    if (tcp_bind(b, fn->listener->tcp, &any, PORT) != 0 || tcp_listen(b, fn->listener->tcp, (int)n) != 0)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        struct flow *f = &fn->flow[i];

        init_end(&f->client, fn->pair.a, bytes_a, bytes_b, mode, max_io, seed + i);
        init_end(&f->server, fn->pair.b, bytes_b, bytes_a, mode, max_io, seed + i + 7777);
        f->client.salt_out = f->server.salt_in = i * 2 + 1;
        f->server.salt_out = f->client.salt_in = i * 2 + 2;
        f->client.sk = tcp_sock(a, &f->client.fd);
        if (tcp_connect(a, f->client.sk->tcp, &server, PORT) != -EINPROGRESS)
            return false;
    }
    fn->pair.a->app = client_app;
    fn->pair.a->app_arg = fn;
    fn->pair.b->app = server_app;
    fn->pair.b->app_arg = fn;
    sim_kick(fn->pair.sim, fn->pair.a->node);
    return true;
}

bool flow_net_failed(const struct flow_net *fn)
{
    for (uint32_t i = 0; i < fn->n; i++)
        if (fn->flow[i].client.failed || fn->flow[i].server.failed)
            return true;
    return false;
}

bool flow_net_done(void *arg)
{
    struct flow_net *fn = arg;

    if (flow_net_failed(fn))
        return true;
    for (uint32_t i = 0; i < fn->n; i++)
        if (!fn->flow[i].client.closed || !fn->flow[i].server.closed)
            return false;
    return true;
}

void flow_net_stop(struct flow_net *fn)
{
    sock_close(fn->pair.b->s, fn->listen_fd);
    fn->pair.a->app = NULL;
    fn->pair.b->app = NULL;
    free(fn->flow);
    fn->flow = NULL;
}
