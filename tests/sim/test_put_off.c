/*
 * More connections with a response to send than the transmit queue takes of them in a turn, each of which sends the next when one is
 * acknowledged: who was put off is not overtaken for ever by who was not even tried, or comes anew. Two stacks take turns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "sim_conn.h"
#include "tcp/conn.h"
#include "tcp/syncache.h"

#define CONNS 112u
#define RESPONSE 65000u
#define TURN_NS (20 * NS_PER_US)
#define WARM_UP_TURNS 1000u /* congestion windows grow */
#define TURNS 1000u

struct side {
    struct z_stack *s;
    struct sim_stack ss;
    struct sock *sk[CONNS];
    int fd[CONNS];
    uint32_t n;
};

static struct sim sim;
static struct side side[2]; /* 1 answers */
static uint64_t now = NS_PER_SEC;
static struct sock *listener;
static struct rte_mbuf *response;
static uint32_t responses[CONNS];

static void make_sides(void)
{
    struct port_mem_join_conf jc = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500, .tso = true};
    struct port *p[2];
    int err, fd;

    for (int i = 0; i < 2; i++) {
        struct stack_conf c;

        sim_stack_defaults(&c, (uint64_t)i + 1);
        c.pools.ind = 4096;
        side[i].s = stack_create(&c, i == 0 ? "put0" : "put1", now, &err);
        assert_non_null(side[i].s);
        side[i].ss = (struct sim_stack){.sim = &sim, .s = side[i].s};
        jc.ind_pool[i] = side[i].s->pools.ind;
    }
    assert_int_equal(port_mem_join(&jc, p), 0);
    for (int i = 0; i < 2; i++) {
        struct netif *nif = stack_add_netif(side[i].s, p[i], "mem0");

        assert_int_equal(stack_add_addr(side[i].s, nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u, 0), 0);
        assert_true(sim_add_v6(side[i].s, nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u));
    }
    listener = sim_listen(&side[1].ss, 80, CONNS, &fd);
}

static void take(struct side *e)
{
    struct rte_mbuf *m;

    for (uint32_t i = 0; i < e->n; i++) {
        while (tcp_recv_ref(e->s, e->sk[i]->tcp, SIZE_MAX, &m) > 0) {
            tcp_loan_return(e->s, m);
            pkt_unref(m);
        }
    }
}

static void answer(struct side *e)
{
    while (e->n < CONNS && (e->sk[e->n] = sim_accept(&e->ss, listener, &e->fd[e->n])) != NULL)
        e->n++;
    for (uint32_t i = 0; i < e->n && response != NULL; i++) {
        if (tcp_snd_queued(e->sk[i]->tcp) > 0)
            continue;
        pkt_ref(response);
        assert_int_equal(tcp_send_ref(e->s, e->sk[i]->tcp, response), 0);
        responses[i]++;
    }
}

static void turns(uint32_t n)
{
    for (; n > 0; n--, now += TURN_NS) {
        for (int i = 0; i < 2; i++) {
            stack_input(side[i].s, now);
            i == 0 ? take(&side[0]) : answer(&side[1]);
            stack_output(side[i].s, now);
        }
    }
}

static void begin(void)
{
    response = NULL;
    memset(side, 0, sizeof(side));
    make_sides();
    turns(1000); /* addresses of IPv6 are tested first */
    for (; side[0].n < CONNS; side[0].n++)
        side[0].sk[side[0].n] = sim_connect(&side[0].ss, SIM_ADDR_B, 80, &side[0].fd[side[0].n]);
    turns(1000);
    assert_int_equal(side[1].n, CONNS);
}

static void send_some(struct side *e, struct sock *sk)
{
    static char some[100];
    struct iovec v = {.iov_base = some, .iov_len = sizeof(some)};

    assert_int_equal(tcp_send_copy(e->s, sk->tcp, &v, 1, 0), sizeof(some));
}

/* The handshake that the last input has begun: its SYN,ACK is as if it had found no buffer. */
static void put_off_syn_ack(struct z_stack *s)
{
    struct tcp_synent *e = TAILQ_FIRST(&s->tcp.syn.rexmt[0]);

    assert_non_null(e);
    TAILQ_REMOVE(&s->tcp.syn.rexmt[0], e, link);
    e->unsent = true;
    TAILQ_INSERT_TAIL(&s->tcp.syn.unsent, e, link);
}

/* A port takes nothing, and handshakes of another one are answered in every turn: its connections have their turn too. */
static void who_is_stuck_does_not_stay_first(void **state)
{
    struct sock *local, *peer;
    struct txq *q;
    int fd;

    (void)state;
    begin();
    local = sim_connect(&side[1].ss, SIM_ADDR_B, 80, &fd);
    turns(100);
    peer = sim_accept(&side[1].ss, listener, &fd);
    assert_non_null(peer);
    q = &side[1].sk[0]->tcp->path.nif->txq;
    q->bytes += TXQ_BYTES;
    for (uint32_t i = 0; i < CONNS; i++)
        send_some(&side[1], side[1].sk[i]);
    send_some(&side[1], local);
    for (uint32_t i = 0; i < 20; i++, now += TURN_NS) {
        sim_connect(&side[1].ss, SIM_ADDR_B, 80, &fd);
        stack_input(side[1].s, now);
        put_off_syn_ack(side[1].s);
        stack_output(side[1].s, now);
    }
    q->bytes -= TXQ_BYTES;
    assert_int_equal(tcp_rcv_avail(peer->tcp), 100);
    for (int i = 0; i < 2; i++)
        stack_destroy(side[i].s);
}

static void nobody_is_overtaken_for_ever(void **state)
{
    uint32_t least = UINT32_MAX, most = 0;

    (void)state;
    begin();
    response = pkt_alloc_app(side[1].s, RESPONSE);
    assert_non_null(response);
    response->data_len = RESPONSE;
    response->pkt_len = RESPONSE;
    turns(WARM_UP_TURNS);
    memset(responses, 0, sizeof(responses));
    turns(TURNS);
    for (uint32_t i = 0; i < CONNS; i++) {
        least = MIN(least, responses[i]);
        most = MAX(most, responses[i]);
    }
    print_message("%u connections: %u to %u responses\n", CONNS, least, most);
    assert_true(least > 0 && most <= 2 * least);
    for (int i = 0; i < 2; i++)
        stack_destroy(side[i].s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_overtaken_for_ever),
        cmocka_unit_test(who_is_stuck_does_not_stay_first),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
