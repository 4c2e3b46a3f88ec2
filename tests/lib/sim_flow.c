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
    if (e->received == e->to_recv) /* the other end may wait for just that */
        sim_kick(e->ss->sim, e->is_client ? e->flow->server.ss->node : e->flow->client.ss->node);
}

/* An error that the socket reports: a failure of the test unless the flow may end so. */
static void end_error(struct flow_end *e, const char *what, int err)
{
    bool reset = err == ECONNRESET || err == EPIPE;

    e->error = err;
    if (!(e->may_fail || (e->may_reset && reset)))
        fail(e, what, -err);
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

        if (m == NULL) {
            e->starved = true;
            return false;
        }
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
        end_error(e, "write failed", (int)-ret);
    e->starved = true;
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
        if (e->received != e->to_recv && !e->may_fail && !e->may_reset)
            fail(e, "end of file early", 0);
    } else if (ret < 0 && ret != -EAGAIN) {
        end_error(e, "read failed", (int)-ret);
    }
    return ret > 0;
}

/* Both ends have all that the other one was to send. */
static bool all_there(const struct flow *f)
{
    return f->client.received == f->client.to_recv && f->server.received == f->server.to_recv;
}

static void close_end(struct flow_end *e)
{
    if (e->sk != NULL)
        sock_close(e->ss->s, e->fd);
    e->sk = NULL;
    e->fd = -1;
    e->closed = true;
}

/* May it shut down its sending side now? */
static bool wants_shutdown(const struct flow_end *e)
{
    if (e->sent < e->to_send || e->shut)
        return false;
    switch (e->close) {
    case FLOW_CLOSE_EACH:
        return true;
    case FLOW_CLOSE_CLIENT:
    case FLOW_CLOSE_HALF:
        return e->is_client || e->eof;
    case FLOW_CLOSE_SERVER:
        return !e->is_client || e->eof;
    case FLOW_CLOSE_RESET:
    case FLOW_CLOSE_UNREAD:
        return !e->is_client && e->flow->client.closed; /* in case the reset is lost */
    default:
        return false;
    }
}

static bool wants_close(const struct flow_end *e)
{
    switch (e->close) {
    case FLOW_CLOSE_BOTH:
        return all_there(e->flow);
    case FLOW_CLOSE_RESET:
        return e->is_client ? all_there(e->flow) : e->eof;
    case FLOW_CLOSE_UNREAD:
        return e->is_client ? e->sent == e->to_send && e->received >= e->to_recv / 2 : e->eof;
    default:
        return e->shut && e->eof;
    }
}

static void shut_down(struct flow_end *e)
{
    int ret = tcp_shutdown(e->ss->s, e->sk->tcp, SHUT_WR);

    if (ret != 0 && !e->may_fail && !e->may_reset)
        fail(e, "shutdown", ret);
    e->shut = true;
}

static void close_now(struct flow_end *e)
{
    struct linger l = {.l_onoff = 1};

    if (e->is_client && e->close == FLOW_CLOSE_RESET)
        Z_CHECK(tcp_setopt(e->ss->s, e->sk->tcp, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
    if (e->close == FLOW_CLOSE_BOTH) /* the other one in the same instant, when its turn comes */
        sim_kick(e->ss->sim, e->is_client ? e->flow->server.ss->node : e->flow->client.ss->node);
    close_end(e);
    if (e->is_client && (e->close == FLOW_CLOSE_RESET || e->close == FLOW_CLOSE_UNREAD))
        sim_kick(e->ss->sim, e->flow->server.ss->node);
}

static bool may_write(const struct flow_end *e)
{
    return e->sent < e->to_send && (e->close != FLOW_CLOSE_HALF || e->is_client || e->eof);
}

static bool done_reading(const struct flow_end *e)
{
    return e->eof || (e->close == FLOW_CLOSE_UNREAD && e->is_client && e->received >= e->to_recv / 2);
}

/* Does it read in this turn, and how often? */
static int reads_now(struct flow_end *e)
{
    uint64_t now = e->ss->sim->now_ns;

    if (done_reading(e))
        return 0;
    if (e->read_every_ns == 0)
        return IO_PER_TURN;
    if (now < e->next_read_ns)
        return 0;
    e->next_read_ns = now + e->read_every_ns;
    return 1;
}

static void wake(struct flow_end *e, uint64_t at_ns)
{
    e->ss->app_wake_ns = MIN(e->ss->app_wake_ns, at_ns);
}

/* When an end needs a turn though nothing arrives: data that did not fit in this turn's share waits for the next one. */
static void next_turn(struct flow_end *e)
{
    uint64_t now = e->ss->sim->now_ns;
    unsigned ready = tcp_poll(e->sk->tcp);

    wake(e, now + NS_PER_SEC); /* a connection that a timer ended brings no frame */
    if (!done_reading(e) && e->read_every_ns != 0)
        wake(e, e->next_read_ns);
    else if ((ready & SOCK_IN) != 0 && !done_reading(e))
        wake(e, now + 10 * NS_PER_US);
    if ((ready & SOCK_OUT) != 0 && may_write(e))
        wake(e, now + (e->starved ? NS_PER_MS : 10 * NS_PER_US));
}

static void step(struct flow_end *e)
{
    int reads;

    if (e->fd < 0 || e->closed || e->failed)
        return;
    e->starved = false;
    if (tcp_poll(e->sk->tcp) & SOCK_OUT)
        for (int i = 0; i < IO_PER_TURN && may_write(e) && e->error == 0 && write_some(e); i++)
            ;
    reads = reads_now(e);
    for (int i = 0; i < reads && !e->eof && e->error == 0 && read_some(e); i++)
        ;
    if (e->error != 0 && !e->failed) { /* a permitted one */
        close_end(e);
        return;
    }
    if (wants_shutdown(e) && (tcp_poll(e->sk->tcp) & SOCK_OUT) != 0)
        shut_down(e);
    if (wants_close(e))
        close_now(e);
    else
        next_turn(e);
}

static void client_app(struct sim_stack *ss, void *arg)
{
    struct flow_net *fn = arg;

    (void)ss;
    for (uint32_t i = 0; i < fn->n; i++)
        step(&fn->flow[i].client);
}

/* The flow whose client has this port. */
static struct flow *flow_of(struct flow_net *fn, uint16_t port)
{
    for (uint32_t i = 0; i < fn->n; i++)
        if (fn->flow[i].client_port == port && fn->flow[i].server.fd < 0 && !fn->flow[i].server.closed)
            return &fn->flow[i];
    return NULL;
}

static void accept_all(struct flow_net *fn)
{
    struct z_stack *s = fn->pair.b->s;
    struct tcp_conn *tc;
    int err;

    while ((tc = tcp_accept(s, fn->listener->tcp, &err)) != NULL) {
        struct inaddr a;
        uint16_t port = 0;
        struct flow *f;
        struct sock *sk;
        int fd;

        f = tcp_getpeer(tc, &a, &port) == 0 ? flow_of(fn, port) : NULL;
        fd = f != NULL ? sock_new_tcp(s, tc, &sk) : -1;
        if (fd < 0) { /* reset before it was accepted, or no memory */
            if (!fn->may_fail)
                sim_fail(fn->pair.sim, "a connection could not be accepted");
            tcp_close(s, tc);
            continue;
        }
        f->server.fd = fd;
        f->server.sk = sk;
        fn->n_accepted++;
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

/* NULL: no memory; nothing is left behind. */
static struct sock *tcp_sock(struct z_stack *s, int *fd)
{
    struct tcp_conn *tc = tcp_create(s);
    struct sock *sk;

    *fd = tc != NULL ? sock_new_tcp(s, tc, &sk) : -1;
    if (*fd >= 0)
        return sk;
    if (tc != NULL)
        tcp_close(s, tc);
    return NULL;
}

static void init_end(struct flow *f, struct flow_end *e, struct sim_stack *ss, const struct flow_conf *c, uint32_t i)
{
    bool client = e == &f->client;

    *e = (struct flow_end){
        .ss = ss,
        .fd = -1,
        .flow = f,
        .is_client = client,
        .to_send = client ? c->bytes_a : c->bytes_b,
        .to_recv = client ? c->bytes_b : c->bytes_a,
        .salt_out = i * 2 + (client ? 1 : 2),
        .salt_in = i * 2 + (client ? 2 : 1),
        .write_mode = c->mode,
        .read_mode = c->mode,
        .max_write = c->max_io,
        .max_read = c->read_every_ns[client ? 0 : 1] != 0 ? MAX(c->max_io, 1000u) : c->max_io, /* slow, not dead */
        .close = c->close,
        .read_every_ns = c->read_every_ns[client ? 0 : 1],
        .may_fail = c->may_fail,
        .may_reset = !client && (c->close == FLOW_CLOSE_RESET || c->close == FLOW_CLOSE_UNREAD),
    };
    rng_seed(&e->rng, c->seed + i + (client ? 0 : 7777));
}

static bool start_client(struct flow_net *fn, struct flow *f)
{
    struct z_stack *a = fn->pair.a->s;
    struct inaddr server = sim_addr(0x0a000002u), own;

    f->client.sk = tcp_sock(a, &f->client.fd);
    if (f->client.sk == NULL || tcp_connect(a, f->client.sk->tcp, &server, PORT) != -EINPROGRESS) {
        f->client.error = ENOMEM;
        close_end(&f->client);
        return fn->may_fail;
    }
    tcp_getname(f->client.sk->tcp, &own, &f->client_port);
    return true;
}

bool flow_net_start_conf(struct flow_net *fn, const struct flow_conf *c)
{
    struct z_stack *b = fn->pair.b->s;
    struct inaddr any = sim_addr(0);

    fn->n = c->n;
    fn->may_fail = c->may_fail;
    fn->flow = calloc(c->n, sizeof(*fn->flow));
    fn->listener = tcp_sock(b, &fn->listen_fd);
    if (fn->listener == NULL || tcp_bind(b, fn->listener->tcp, &any, PORT) != 0 || tcp_listen(b, fn->listener->tcp, (int)c->n) != 0)
        return false;
    for (uint32_t i = 0; i < c->n; i++) {
        struct flow *f = &fn->flow[i];

        init_end(f, &f->client, fn->pair.a, c, i);
        init_end(f, &f->server, fn->pair.b, c, i);
        if (!start_client(fn, f))
            return false;
    }
    fn->pair.a->app = client_app;
    fn->pair.a->app_arg = fn;
    fn->pair.b->app = server_app;
    fn->pair.b->app_arg = fn;
    sim_kick(fn->pair.sim, fn->pair.a->node);
    return true;
}

bool flow_net_start(struct flow_net *fn, uint32_t n, uint64_t bytes_a, uint64_t bytes_b, enum flow_mode mode, uint32_t max_io,
                    uint64_t seed)
{
    struct flow_conf c = {.n = n, .bytes_a = bytes_a, .bytes_b = bytes_b, .mode = mode, .max_io = max_io, .seed = seed};

    return flow_net_start_conf(fn, &c);
}

bool flow_net_failed(const struct flow_net *fn)
{
    for (uint32_t i = 0; i < fn->n; i++)
        if (fn->flow[i].client.failed || fn->flow[i].server.failed)
            return true;
    return false;
}

/* A client that failed may never have been seen by the server. */
static bool finished(const struct flow *f)
{
    bool unseen = f->server.fd < 0 && f->client.error != 0;

    return f->client.closed && (f->server.closed || unseen);
}

bool flow_net_done(void *arg)
{
    struct flow_net *fn = arg;

    if (flow_net_failed(fn))
        return true;
    for (uint32_t i = 0; i < fn->n; i++)
        if (!finished(&fn->flow[i]))
            return false;
    return true;
}

void flow_net_stop(struct flow_net *fn)
{
    if (fn->listener != NULL)
        sock_close(fn->pair.b->s, fn->listen_fd);
    fn->pair.a->app = NULL;
    fn->pair.b->app = NULL;
    for (uint32_t i = 0; i < fn->n && fn->flow != NULL; i++) {
        close_end(&fn->flow[i].client);
        close_end(&fn->flow[i].server);
    }
}

bool flow_net_destroy(struct flow_net *fn)
{
    bool ok;

    for (uint32_t i = 0; i < fn->n && fn->flow != NULL; i++)
        if (fn->flow[i].client.releases_due != 0 || fn->flow[i].server.releases_due != 0)
            sim_fail(fn->pair.sim, "flow %u: wrapped memory was not released", i);
    ok = !fn->pair.sim->failed;
    sim_pair_destroy(&fn->pair); /* may still release what a failed run left */
    free(fn->flow);
    fn->flow = NULL;
    return ok;
}
