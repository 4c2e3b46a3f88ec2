/* The socket side of a script: calls on descriptors, handshakes, states. */
#include "script_priv.h"

#include <string.h>

static int add_fd(int fd)
{
    if (fd < 0 || S.n_fds == SCRIPT_FDS)
        script_fail(__FILE__, __LINE__, "no descriptor: %d", fd);
    S.fd[S.n_fds] = fd;
    S.snd_pos[S.n_fds] = S.rcv_pos[S.n_fds] = 1;
    return (int)S.n_fds++;
}

static struct sock *sock_of(int h)
{
    return sock_get(S.s, S.fd[h]);
}

struct tcp_conn *script_conn(int h)
{
    return sock_of(h)->tcp;
}

int script_sock(void)
{
    struct sock *sk;

    script_start();
    return add_fd(sock_new_tcp(S.s, tcp_create(S.s), &sk));
}

int script_bind(int h, uint16_t port)
{
    struct inaddr any = script_addr(0);

    return tcp_bind(S.s, script_conn(h), &any, port);
}

int script_relisten(int h, int backlog)
{
    return tcp_listen(S.s, script_conn(h), backlog);
}

int script_listen(const char *file, int line, uint16_t port, int backlog)
{
    int h = script_sock();

    script_eq(file, line, "bind", script_bind(h, port), 0);
    script_eq(file, line, "listen", script_relisten(h, backlog), 0);
    S.listener = h;
    S.listener_port = port;
    return h;
}

int script_connect(int h, uint32_t addr, uint16_t port)
{
    struct inaddr a = script_addr(addr);
    int ret = tcp_connect(S.s, script_conn(h), &a, port);

    script_log("             connect = %d", ret);
    script_turn();
    return ret;
}

int script_accept(int lh)
{
    struct sock *sk;
    int err, fd;
    struct tcp_conn *tc = tcp_accept(S.s, script_conn(lh), &err);

    if (tc == NULL)
        return err;
    fd = sock_new_tcp(S.s, tc, &sk);
    return fd < 0 ? fd : add_fd(fd);
}

long script_send(int h, uint32_t n, int flags)
{
    static uint8_t buf[1 << 20];
    struct iovec iov = {buf, n};
    ssize_t ret;

    for (uint32_t i = 0; i < n; i++)
        buf[i] = script_pattern(false, S.snd_pos[h] + i);
    ret = tcp_send_copy(S.s, script_conn(h), &iov, 1, flags);
    script_log("             send(%u%s%s) = %zd", n, flags & MSG_OOB ? ", OOB" : "", flags & MSG_MORE ? ", MORE" : "", ret);
    if (ret > 0)
        S.snd_pos[h] += (uint32_t)ret;
    script_turn();
    return ret;
}

long script_recv(int h, uint32_t n, int flags)
{
    static uint8_t buf[1 << 20];
    struct iovec iov = {buf, n};
    ssize_t ret = tcp_recv_copy(S.s, script_conn(h), &iov, 1, flags);

    script_log("             recv(%u%s) = %zd", n, flags & MSG_PEEK ? ", PEEK" : "", ret);
    for (ssize_t i = 0; i < ret; i++)
        if (buf[i] != script_pattern(true, S.rcv_pos[h] + (uint32_t)i))
            script_fail(__FILE__, __LINE__, "recv: byte %zd of %zd differs", i, ret);
    if (ret > 0 && (flags & MSG_PEEK) == 0)
        S.rcv_pos[h] += (uint32_t)ret;
    script_turn();
    return ret;
}

/* The urgent byte; the reader's position passes it later, in the stream. */
int script_oob(int h, int flags)
{
    uint8_t b;
    struct iovec iov = {&b, 1};
    ssize_t ret = tcp_recv_copy(S.s, script_conn(h), &iov, 1, MSG_OOB | flags);

    script_log("             recv(OOB) = %zd", ret);
    return ret == 1 ? b : (int)ret;
}

int script_shutdown(int h, int how)
{
    int ret = tcp_shutdown(S.s, script_conn(h), how);

    script_log("             shutdown(%d) = %d", how, ret);
    script_turn();
    return ret;
}

int script_close(int h)
{
    int ret = sock_close(S.s, S.fd[h]);

    script_log("             close = %d", ret);
    S.fd[h] = -1;
    script_turn();
    return ret;
}

/* The options of IPPROTO_IP that have a namesake there. */
static void over_v6(int *level, int *name)
{
    if (!v6() || *level != IPPROTO_IP)
        return;
    *level = IPPROTO_IPV6;
    *name = *name == IP_TTL ? IPV6_UNICAST_HOPS : *name == IP_TOS ? IPV6_TCLASS : *name == IP_RECVERR ? IPV6_RECVERR : *name;
}

int script_setopt(int h, int level, int name, int val)
{
    over_v6(&level, &name);

    int ret = tcp_setopt(S.s, script_conn(h), level, name, &val, sizeof(val));

    script_turn();
    return ret;
}

int script_getopt(int h, int level, int name)
{
    int v = -1;
    unsigned len = sizeof(v);

    over_v6(&level, &name);

    int ret = tcp_getopt(S.s, script_conn(h), level, name, &v, &len);

    return ret != 0 ? ret : v;
}

void script_linger(int h, int on, int seconds)
{
    struct linger l = {on, seconds};

    script_eq(__FILE__, __LINE__, "SO_LINGER", tcp_setopt(S.s, script_conn(h), SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
}

unsigned script_poll(int h)
{
    return sock_poll(S.s, sock_of(h));
}

/* Handshakes --------------------------------------------------------------------------------------------------------------- */

static void offer(struct opt *o, const struct hs *h, uint32_t ts)
{
    int n = 0;

    if (h->mss != 1)
        o[n++] = (struct opt)MSS(h->mss != 0 ? h->mss : 1460u);
    if (h->sack)
        o[n++] = (struct opt)SACKOK;
    if (h->ts)
        o[n++] = (struct opt)TS(ts);
    if (h->ws_plus1 != 0)
        o[n++] = (struct opt)WS(h->ws_plus1 - 1u);
}

int script_passive(const char *file, int line, struct hs h)
{
    struct seg syn = {"S", 0, 0, .port = h.port, .win = h.win > 0 && h.ws_plus1 == 0 ? h.win : 0}, reply = {"SA", 0, 1, .port = h.port};
    int fd, n = 1;

    if (S.listener < 0)
        script_listen(file, line, 80, 16);
    script_flow(h.port)->lport = S.listener_port;
    offer(syn.o, &h, 1000 + (uint32_t)now_ms());
    script_in(file, line, syn);
    reply.o[0] = (struct opt)MSS(1460);
    if (h.sack)
        reply.o[n++] = (struct opt)SACKOK;
    if (h.ts)
        reply.o[n++] = (struct opt)ECHO(1000 + (uint32_t)now_ms());
    if (h.ws_plus1 != 0)
        reply.o[n++] = (struct opt)WS(7);
    script_out(file, line, reply);
    script_flow(h.port)->ts_on = h.ts;
    if (h.rtt_ms > 0)
        script_quiet(file, line, h.rtt_ms);
    script_in(file, line, (struct seg){"A", 1, 1, .win = h.win, .port = h.port});
    script_nothing(file, line);
    fd = script_accept(S.listener);
    if (fd < 0)
        script_fail(file, line, "accept: %d", fd);
    return fd;
}

int script_active_on(const char *file, int line, int fd, struct hs h)
{
    struct seg reply = {"SA", 0, 1, .win = h.win};

    script_flow(0)->iss_known = false;
    script_eq(file, line, "connect", script_connect(fd, PEER_ADDR, PEER_PORT), -EINPROGRESS);
    script_out(file, line, (struct seg){"S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)}});
    offer(reply.o, &h, 1000 + (uint32_t)now_ms());
    script_in(file, line, reply);
    script_flow(0)->ts_on = h.ts;
    script_out(file, line, (struct seg){"A", 1, 1});
    script_nothing(file, line);
    script_eq(file, line, "connect again", script_connect(fd, PEER_ADDR, PEER_PORT), 0);
    return fd;
}

int script_active(const char *file, int line, struct hs h)
{
    return script_active_on(file, line, script_sock(), h);
}

uint32_t snd_nxt_in(enum tcp_st st)
{
    return st == TCPS_SYN_SENT || st == TCPS_SYN_RCVD || st == TCPS_ESTABLISHED || st == TCPS_CLOSE_WAIT ? 1 : 2;
}

uint32_t rcv_nxt_in(enum tcp_st st)
{
    return st == TCPS_CLOSE_WAIT || st == TCPS_LAST_ACK || st == TCPS_CLOSING || st == TCPS_TIME_WAIT ? 2 : 1;
}

static void onward(const char *file, int line, int fd, enum tcp_st st)
{
    bool passive_close = st == TCPS_CLOSE_WAIT || st == TCPS_LAST_ACK;

    if (passive_close) {
        script_in(file, line, (struct seg){"FA", 1, 1});
        script_out(file, line, (struct seg){"A", 1, 2});
        if (st == TCPS_LAST_ACK) {
            script_shutdown(fd, SHUT_WR);
            script_out(file, line, (struct seg){"FA", 1, 2});
        }
    } else if (st != TCPS_ESTABLISHED) {
        script_shutdown(fd, SHUT_WR);
        script_out(file, line, (struct seg){"FA", 1, 1});
        if (st == TCPS_FIN_WAIT_2 || st == TCPS_TIME_WAIT)
            script_in(file, line, (struct seg){"A", 1, 2});
        if (st == TCPS_CLOSING) {
            script_in(file, line, (struct seg){"FA", 1, 1});
            script_out(file, line, (struct seg){"A", 2, 2});
        } else if (st == TCPS_TIME_WAIT) {
            script_in(file, line, (struct seg){"FA", 1, 2});
            script_out(file, line, (struct seg){"A", 2, 2});
        }
    }
    script_state(file, line, PEER_PORT, st);
}

int script_reach(const char *file, int line, enum tcp_st st)
{
    int fd;

    fresh();
    note("%s", tcp_state_names[st]);
    switch (st) {
    case TCPS_CLOSED:
        return script_sock();
    case TCPS_LISTEN:
        return script_listen(file, line, 80, 16);
    case TCPS_SYN_SENT:
        fd = script_sock();
        script_eq(file, line, "connect", script_connect(fd, PEER_ADDR, PEER_PORT), -EINPROGRESS);
        script_out(file, line, (struct seg){"S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)}});
        return fd;
    case TCPS_SYN_RCVD:
        fd = script_listen(file, line, 80, 16);
        script_in(file, line, (struct seg){"S", 0, 0, .o = {MSS(1460)}});
        script_out(file, line, (struct seg){"SA", 0, 1, .o = {MSS(1460)}});
        return fd;
    default:
        fd = script_passive(file, line, (struct hs){0});
        onward(file, line, fd, st);
        return fd;
    }
}

int script_reach_active(const char *file, int line, enum tcp_st st)
{
    int fd;

    if (st == TCPS_SYN_RCVD) { /* by simultaneous open */
        fd = script_reach(file, line, TCPS_SYN_SENT);
        script_in(file, line, (struct seg){"S", 0, 0, .o = {MSS(1460)}});
        script_out(file, line, (struct seg){"SA", 0, 1, .o = {MSS(1460)}});
        return fd;
    }
    if (st < TCPS_ESTABLISHED)
        return script_reach(file, line, st);
    fresh();
    note("%s, after an active open", tcp_state_names[st]);
    fd = script_active(file, line, (struct hs){0});
    onward(file, line, fd, st);
    return fd;
}
