/*
 * Something else has the core for a while, in the middle of a turn: what has come in meanwhile is heard before timers say that it has not.
 * Two stacks in turns by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "ip/nd_state.h"
#include "sim_conn.h"
#include "tcp/conn.h"

#define TURN_NS (20 * NS_PER_US)
#define STOPPED_NS (70 * NS_PER_MS)
#define BYTES 100u

static struct sim sim;
static struct sim_stack side[2];
static struct sock *sk[2];
static uint64_t now;

static void make_side(int i, struct port_mem_join_conf *jc)
{
    struct stack_conf c;
    int err;

    sim_stack_defaults(&c, (uint64_t)i + 1);
    side[i] = (struct sim_stack){.sim = &sim, .s = stack_create(&c, i == 0 ? "stop0" : "stop1", now, &err)};
    assert_non_null(side[i].s);
    jc->ind_pool[i] = side[i].s->pools.ind;
}

static void turn(int i)
{
    stack_input(side[i].s, now);
    stack_output(side[i].s, now);
}

static void turns(unsigned n)
{
    for (; n > 0; n--, now += TURN_NS)
        for (int i = 0; i < 2; i++)
            turn(i);
}

static void send_some(int i)
{
    static char some[BYTES];
    struct iovec v = {.iov_base = some, .iov_len = sizeof(some)};

    assert_int_equal(tcp_send_copy(side[i].s, sk[i]->tcp, &v, 1, 0), sizeof(some));
}

static void take(int i)
{
    struct rte_mbuf *m;

    while (tcp_recv_ref(side[i].s, sk[i]->tcp, SIZE_MAX, &m) > 0) {
        tcp_loan_return(side[i].s, m);
        pkt_unref(m);
    }
}

/* Each asks and answers for a while, so that round trips are known and are short. */
static int setup(void **state)
{
    struct port_mem_join_conf jc = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500};
    struct sock *listener;
    struct port *p[2];
    int fd;

    (void)state;
    now = NS_PER_SEC;
    for (int i = 0; i < 2; i++)
        make_side(i, &jc);
    assert_int_equal(port_mem_join(&jc, p), 0);
    for (int i = 0; i < 2; i++) {
        struct netif *nif = stack_add_netif(side[i].s, p[i], "mem0");

        assert_int_equal(stack_add_addr(side[i].s, nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u, 0), 0);
        assert_true(sim_add_v6(side[i].s, nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u));
    }
    turns(1000); /* addresses of IPv6 are tested first */
    listener = sim_listen(&side[1], 80, 4, &fd);
    sk[0] = sim_connect(&side[0], SIM_ADDR_B, 80, &fd);
    turns(100);
    sk[1] = sim_accept(&side[1], listener, &fd);
    assert_non_null(sk[1]);
    for (int i = 0; i < 20; i++) {
        send_some(i & 1);
        turns(10);
        take(~i & 1);
    }
    turns(1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        stack_destroy(side[i].s);
    return 0;
}

static uint64_t sent_again(void)
{
    return side[0].s->ctr.v[CTR_TCP_RETRANS];
}

/* The other side answers what side 0 has sent, which is stopped in the middle of its turn, and nothing is sent twice. */
static void stopped_while_answered(void)
{
    stack_input(side[0].s, now);
    turn(1);
    send_some(1);
    turn(1);
    now += STOPPED_NS;
    stack_output(side[0].s, now);
    assert_int_equal(tcp_rcv_avail(sk[0]->tcp), 0); /* it is waiting */
    turns(100);
    assert_int_equal(tcp_rcv_avail(sk[0]->tcp), BYTES);
    assert_int_equal(sent_again(), 0);
}

/* The answer, with the acknowledgement, is in the receive ring when the timer of the request is due. */
static void what_has_come_in_is_heard_first(void **state)
{
    (void)state;
    send_some(0);
    turn(0);
    stopped_while_answered();
}

/* Nothing has come in: the timer fires, one turn later. */
static void what_has_not_come_in_is_sent_again(void **state)
{
    (void)state;
    send_some(0);
    turn(0);
    now += 10 * STOPPED_NS;
    stack_output(side[0].s, now);
    assert_int_equal(sent_again(), 0);
    turn(0);
    assert_int_equal(sent_again(), 1);
}

/*
 * A timer of the connection is due that stands for nothing any more: what it finds due at that moment, but was not when something was heard
 * last, waits all the same.
 */
static void nor_does_an_old_timer_bring_a_later_one(void **state)
{
    (void)state;
    send_some(0);
    turns(5);
    send_some(1);
    turns(20);
    take(0);
    send_some(0);
    turn(0);
    assert_true(sk[0]->tcp->timer.deadline_ns > now);
    now = sk[0]->tcp->timer.deadline_ns;
    stopped_while_answered();
}

/* The same of SYNs: of one that was answered long ago the timer is left, of another one the answer has come in and waits. */
static void nor_the_answer_to_a_syn(void **state)
{
    struct z_stack *s = side[1].s;
    int fd;

    (void)state;
    sim_connect(&side[0], SIM_ADDR_B, 80, &fd);
    turns(100);
    sim_connect(&side[0], SIM_ADDR_B, 80, &fd);
    turn(0);
    turn(1);
    assert_int_equal(s->tcp.syn.n, 1);
    now = s->tcp.syn.timer.deadline_ns + 100 * NS_PER_US; /* and a tick of the wheel */
    stack_input(s, now);
    turn(0);
    now += STOPPED_NS;
    stack_output(s, now);
    assert_int_equal(s->tcp.syn.n, 1);
    turns(100);
    assert_int_equal(s->tcp.syn.n, 0);
    assert_int_equal(s->ctr.v[CTR_TCP_SYNACK_RETRANS], 0);
}

#define ADDR_OTHER (SIM_ADDR_A + 40)

static const struct acd *claim_of(const struct netif *nif, uint32_t addr)
{
    const struct acd *c = nif->claim;

    while (c->a.addr != addr)
        c++;
    return c;
}

/* The same of the test of an address (RFC 5227 2.1.1): another address is due, and the objection to this one waits. */
static void nor_an_objection_to_an_address(void **state)
{
    struct z_stack *s = side[0].s;
    struct netif *nif = s->netif[0];
    const struct acd *taken, *other;

    (void)state;
    s->conf.arp_probe = ARP_PROBE_FIRST;
    assert_int_equal(stack_add_addr(s, nif, SIM_ADDR_B, 0xffffff00u, 0), 0);
    assert_int_equal(stack_add_addr(s, nif, ADDR_OTHER, 0xffffff00u, 0), 0);
    taken = claim_of(nif, SIM_ADDR_B);
    other = claim_of(nif, ADDR_OTHER);
    while (taken->state != ACD_LISTEN || other->next_ns >= taken->next_ns) {
        assert_true(taken->state == ACD_PROBE || taken->state == ACD_LISTEN);
        now += NS_PER_MS;
        turn(0);
    }
    now = other->next_ns + 100 * NS_PER_US;
    stack_input(s, now);
    turn(1);
    now += 3 * NS_PER_SEC;
    stack_output(s, now);
    assert_false(taken->in_use);
    turns(100);
    assert_int_equal(taken->state, ACD_TAKEN);
}

/* IPv6, with tests of addresses: the simulations do without them. */
static void test_addresses(struct stack_conf *c)
{
    c->dad_transmits = 1;
    c->ipv6 = c->ipv6 == IPV6_OFF ? IPV6_ASKED : c->ipv6;
}

/* The test of an address has this long to go; NS_NEVER: it has not come so far. */
static uint64_t test_left_ns(const struct nd_if *n, const struct inaddr *a)
{
    for (uint16_t i = 0; i < n->n_dad; i++)
        if (inaddr_eq(&n->dad[i].addr, a) && n->dad[i].left == 0)
            return n->dad[i].next_ns - now;
    return NS_NEVER;
}

/* The same of IPv6 (RFC 4862 5.4.4): another address is added. */
static void nor_an_objection_to_an_address_of_ipv6(void **state)
{
    const struct inaddr taken = {.b = {0xfd, [15] = 1}}, other = {.b = {0xfd, [15] = 2}}, third = {.b = {0xfd, [15] = 3}};
    struct z_stack *s = side[0].s;
    struct netif *nif = s->netif[0];

    (void)state;
    for (int i = 0; i < 2; i++) {
        test_addresses(&side[i].s->conf);
        assert_int_equal(stack_add_addr6(side[i].s, side[i].s->netif[0], i == 1 ? &taken : &other, 64), 0);
    }
    for (int i = 0; i < 5000; i++, now += NS_PER_MS)
        turns(1);
    assert_int_equal(ip6_addr_find(side[1].s->netif[0], &taken)->state, ADDR6_PREFERRED);
    assert_int_equal(stack_add_addr6(s, nif, &taken, 64), 0);
    for (int i = 0; test_left_ns(nd_if_of(s, nif), &taken) > 10 * NS_PER_MS; i++, now += NS_PER_MS) {
        assert_true(i < 5000);
        turn(0);
    }
    assert_int_equal(stack_add_addr6(s, nif, &third, 64), 0);
    now += 100 * NS_PER_US;
    stack_input(s, now);
    turn(1);
    now += STOPPED_NS;
    stack_output(s, now);
    assert_int_equal(ip6_addr_find(nif, &taken)->state, ADDR6_TENTATIVE);
    turns(100);
    assert_int_equal(ip6_addr_find(nif, &taken)->state, ADDR6_DUPLICATED);
}

/* A machine that was asleep for longer deals with what has passed first, also where a turn begins with output. */
static void after_half_a_day_time_comes_first(void **state)
{
    (void)state;
    send_some(0);
    turn(0);
    turn(1);
    send_some(1);
    turn(1);
    now += 13 * 3600 * NS_PER_SEC;
    stack_output(side[0].s, now);
    assert_int_equal(sent_again(), 0);
    stack_input(side[0].s, now);
    stack_output(side[0].s, now);
    assert_int_equal(sent_again(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_has_come_in_is_heard_first, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_not_come_in_is_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_does_an_old_timer_bring_a_later_one, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_the_answer_to_a_syn, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_an_objection_to_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_an_objection_to_an_address_of_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(after_half_a_day_time_comes_first, setup, teardown),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
