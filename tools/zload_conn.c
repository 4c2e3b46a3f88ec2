/* Connections: opening, events, failures, timeouts. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "ff_event.h"
#include "zload.h"

#define EVENTS 256
#define READS 32
#define OPENING_MAX 64u /* handshakes under way while connections are opened for the first time */
#define PAUSE_MS 100    /* before a connection that failed is opened again */

static uint64_t conn_index(const struct load *l, const struct conn *c)
{
    return (uint64_t)(c - l->conn);
}

void conn_init(struct load *l)
{
    l->n_conns = (uint32_t)l->args.connections;
    l->depth = (uint32_t)l->args.depth;
    l->conn = calloc(l->n_conns, sizeof(*l->conn));
    l->ring = calloc((size_t)l->n_conns * l->depth, sizeof(*l->ring));
    l->kq = ff_kqueue();
    if (l->conn == NULL || l->ring == NULL || l->kq < 0)
        die(1, "no memory for %u connections of depth %u", l->n_conns, l->depth);
    for (uint32_t i = 0; i < l->n_conns; i++)
        l->conn[i] = (struct conn){.fd = -1, .next = i, .owed = l->open_loop ? 0 : l->depth};
    STAILQ_INIT(&l->soon);
    STAILQ_INIT(&l->again);
    l->timeout_tsc = ns_to_tsc(l, l->args.timeout_ns);
    l->pause_tsc = ns_to_tsc(l, PAUSE_MS * NS_PER_SEC / 1000);
    /* all of them eight times within a timeout, one after the other rather than in one go, which would be a pause for many */
    l->scan_step_tsc = l->timeout_tsc / 8 / l->n_conns + 1;
    l->scan_tsc = rte_rdtsc() + l->timeout_tsc / 8;
}

static bool change(struct load *l, struct conn *c, short filter, unsigned short flags)
{
    struct kevent ev;

    EV_SET(&ev, (uintptr_t)c->fd, filter, flags, 0, 0, c);
    return ff_kevent(l->kq, &ev, 1, NULL, 0, NULL) >= 0;
}

/* ending ------------------------------------------------------------------------------------------------------- */

void conn_end(struct load *l, struct conn *c)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (c->fd < 0)
        return;
    if (l->args.reset)
        ff_setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    ff_close(c->fd); /* takes its events off the kqueue */
    c->fd = -1;
    if (c->state == CONN_OPENING)
        l->n_opening--;
    else
        l->n_ready--;
    c->state = CONN_CLOSED;
    l->outstanding -= c->outstanding;
    c->outstanding = 0;
    c->ring_head = 0;
    c->blocked = false;
}

/* Opens it in a later turn: events of the old one may still be among those of this turn. */
static void queue(struct conn_queue *q, struct conn *c)
{
    c->queued = true;
    STAILQ_INSERT_TAIL(q, c, again);
}

/* In the closed loop what was lost is asked for again. In the open loop it was an error, and its time has passed. */
static void conn_fail(struct load *l, struct conn *c)
{
    if (!l->open_loop)
        c->owed += c->outstanding;
    conn_end(l, c);
    c->since_tsc = l->now_tsc + l->pause_tsc;
    queue(&l->again, c);
}

/* The server closed it after a response, as it may; what was outstanding besides it did not take. */
static void conn_done(struct load *l, struct conn *c)
{
    if (!l->open_loop)
        c->owed += c->outstanding;
    else if (c->outstanding != 0)
        load_error(l, ERR_CLOSED, c->outstanding, "connection %lu: closed by the server", conn_index(l, c));
    conn_end(l, c);
    queue(&l->soon, c);
}

static void conn_failed(struct load *l, struct conn *c, enum load_error e, int error)
{
    uint64_t lost = c->outstanding > 1 ? c->outstanding : 1;

    if (c->state == CONN_OPENING) {
        l->connect_error = error;
        load_error(l, error == ECONNREFUSED ? ERR_REFUSED : e, lost, "connection %lu: connect: %s", conn_index(l, c), strerror(error));
    } else {
        load_error(l, error == ECONNRESET ? ERR_RESET : e, lost, "connection %lu: %s", conn_index(l, c),
                   e == ERR_CLOSED ? "closed by the server" : strerror(error));
    }
    conn_fail(l, c);
}

/* opening ------------------------------------------------------------------------------------------------------ */

static bool prepare(struct load *l, struct conn *c)
{
    const struct args *a = &l->args;
    struct kevent ev[2];
    int on = 1;

    if (ff_setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        return false;
    if (a->n_local != 0) {
        const struct address *local = &a->local[conn_index(l, c) % a->n_local];

        if (ff_bind(c->fd, (const struct linux_sockaddr *)&local->sa, local->len) < 0)
            return false;
    }
    if (ff_connect(c->fd, (const struct linux_sockaddr *)&a->server.sa, a->server.len) < 0 && errno != EINPROGRESS)
        return false;
    EV_SET(&ev[0], (uintptr_t)c->fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 0, c);
    EV_SET(&ev[1], (uintptr_t)c->fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, c);
    return ff_kevent(l->kq, ev, 2, NULL, 0, NULL) >= 0;
}

bool conn_local_usable(struct load *l)
{
    for (unsigned i = 0; i < l->args.n_local; i++) {
        const struct address *local = &l->args.local[i];
        int fd = ff_socket(local->sa.ss_family, SOCK_STREAM, 0), r = fd < 0 ? -1 : ff_bind(fd, (const void *)&local->sa, local->len);

        l->connect_error = r < 0 ? errno : 0;
        if (fd >= 0)
            ff_close(fd);
        if (r < 0)
            return false;
    }
    return true;
}

void conn_open(struct load *l, struct conn *c)
{
    c->fd = ff_socket(l->args.server.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    c->state = CONN_OPENING;
    c->since_tsc = l->now_tsc;
    l->n_opening++;
    if (likely(c->fd >= 0 && prepare(l, c)))
        return;
    l->connect_error = errno;
    load_error(l, ERR_LOCAL, 1, "connection %lu: %s%s", conn_index(l, c), strerror(errno),
               errno == EADDRNOTAVAIL ? " (every local port is in use, or waits in TIME-WAIT: --reset, --local)" : "");
    if (c->fd < 0) { /* nothing to close */
        l->n_opening--;
        c->state = CONN_CLOSED;
    }
    conn_fail(l, c);
}

void conn_open_first(struct load *l)
{
    uint64_t ramp_tsc = ns_to_tsc(l, l->args.ramp_ns), passed = l->now_tsc - l->open_tsc;
    uint64_t allowed = passed >= ramp_tsc ? l->n_conns : (uint64_t)((double)l->n_conns * (double)passed / (double)ramp_tsc) + 1;

    while (l->n_first < l->n_conns && l->n_first < allowed && l->n_opening < OPENING_MAX) {
        struct conn *c = &l->conn[l->n_first++];

        if (c->state == CONN_CLOSED) /* the probe has been open before */
            conn_open(l, c);
    }
}

void conn_open_again(struct load *l)
{
    struct conn *c;

    while ((c = STAILQ_FIRST(&l->again)) != NULL && c->since_tsc <= l->now_tsc) {
        STAILQ_REMOVE_HEAD(&l->again, again);
        STAILQ_INSERT_TAIL(&l->soon, c, again);
    }
    while ((c = STAILQ_FIRST(&l->soon)) != NULL) {
        STAILQ_REMOVE_HEAD(&l->soon, again);
        c->queued = false;
        if (!l->args.brief || c->owed != 0 || l->probing)
            conn_open(l, c);
    }
}

static void conn_opened(struct load *l, struct conn *c)
{
    c->state = CONN_READY;
    l->n_opening--;
    l->n_ready++;
    l->w->opened++;
    msg_begin(l, c);
    conn_send(l, c);
}

/* requests and responses --------------------------------------------------------------------------------------- */

void conn_send(struct load *l, struct conn *c)
{
    uint32_t n = l->depth - c->outstanding, sent, slot;

    if (c->owed < n)
        n = (uint32_t)c->owed;
    if (n == 0 || c->blocked || c->state != CONN_READY || !l->issue)
        return;
    if (c->outstanding == 0)
        c->since_tsc = l->now_tsc;
    sent = msg_send(l, c, n);
    slot = c->ring_head + c->outstanding;
    for (uint32_t i = 0; i < sent; i++, slot++) {
        uint64_t *intended = &l->ring[conn_index(l, c) * l->depth + (slot >= l->depth ? slot - l->depth : slot)];

        *intended = l->now_tsc;
        if (l->open_loop) {
            *intended = load_due_tsc(l, c->next);
            c->next += l->n_conns;
        }
    }
    c->outstanding += sent;
    c->owed -= sent;
    l->outstanding += sent;
    if (likely(sent == n))
        return;
    if (errno != EAGAIN && errno != ENOMEM) {
        conn_failed(l, c, ERR_SEND, errno);
        return;
    }
    c->blocked = true;
    if (!change(l, c, EVFILT_WRITE, EV_ADD | EV_ONESHOT))
        conn_failed(l, c, ERR_LOCAL, errno);
}

static void conn_eof(struct load *l, struct conn *c)
{
    if (msg_eof(l, c) || c->state == CONN_ENDING)
        conn_done(l, c);
    else
        conn_failed(l, c, ERR_CLOSED, ECONNABORTED);
}

/* False: the connection is gone. */
static bool take(struct load *l, struct conn *c, struct z_buf **b, int n)
{
    bool ok = true;

    for (int i = 0; i < n; i++) {
        if (ok) {
            size_t len = z_len(b[i]);

            l->w->rx_bytes += len;
            ok = msg_receive(l, c, z_data(b[i]), len);
        }
        z_free(b[i]);
    }
    if (unlikely(!ok))
        conn_fail(l, c);
    return ok;
}

static void conn_readable(struct load *l, struct conn *c, bool eof)
{
    struct z_buf *b[READS];
    int n;

    do {
        n = z_readv(c->fd, b, READS);
        if (unlikely(n <= 0)) {
            if (n == 0)
                conn_eof(l, c);
            else if (errno != EAGAIN)
                conn_failed(l, c, ERR_RESET, errno);
            break;
        }
        l->now_tsc = rte_rdtsc();
        c->since_tsc = l->now_tsc;
        if (!take(l, c, b, n))
            return;
    } while (n == READS || eof);
    if (c->state == CONN_ENDING && (l->args.protocol == PROTOCOL_ECHO || l->args.reset))
        conn_done(l, c); /* the server will not close first, or shall not */
    else if (c->owed != 0)
        conn_send(l, c);
}

static void conn_event(struct load *l, struct conn *c, const struct kevent *ev)
{
    if (unlikely((int)ev->ident != c->fd))
        return; /* it was closed earlier in this turn */
    if (ev->filter == EVFILT_READ) {
        if (c->state == CONN_OPENING && !(ev->flags & EV_EOF))
            conn_opened(l, c); /* the response cannot be here, but a banner may */
        if (c->state != CONN_OPENING)
            conn_readable(l, c, (ev->flags & EV_EOF) != 0);
        return;
    }
    if (c->state == CONN_OPENING) {
        if (ev->flags & EV_EOF)
            conn_failed(l, c, ERR_CONNECT, (int)ev->fflags);
        else
            conn_opened(l, c);
        return;
    }
    c->blocked = false;
    conn_send(l, c);
}

unsigned conn_events(struct load *l)
{
    static struct kevent ev[EVENTS];
    int n = ff_kevent(l->kq, NULL, 0, ev, EVENTS, NULL); /* inside the callback of ff_run it does not wait */

    for (int i = 0; i < n; i++) {
        if (i + 2 < n)
            __builtin_prefetch(ev[i + 2].udata);
        conn_event(l, ev[i].udata, &ev[i]);
    }
    return n > 0 ? (unsigned)n : 0;
}

static void conn_timed_out(struct load *l, struct conn *c)
{
    if (c->state == CONN_OPENING) {
        conn_failed(l, c, ERR_CONNECT_TIMEOUT, ETIMEDOUT);
        return;
    }
    load_error(l, ERR_TIMEOUT, c->outstanding > 1 ? c->outstanding : 1, "connection %lu: %s within %.3g s", conn_index(l, c),
               c->state == CONN_ENDING ? "not closed by the server" : "no response", (double)l->args.timeout_ns / 1e9);
    conn_fail(l, c);
}

void conn_timeouts(struct load *l)
{
    for (int i = 0; i < 64 && l->scan_tsc <= l->now_tsc; i++) {
        struct conn *c = &l->conn[l->scan];

        if (c->state != CONN_CLOSED && (c->outstanding != 0 || c->state != CONN_READY) && l->now_tsc > c->since_tsc + l->timeout_tsc)
            conn_timed_out(l, c);
        l->scan = l->scan + 1 == l->n_conns ? 0 : l->scan + 1;
        l->scan_tsc += l->scan_step_tsc;
    }
}
