/*
 * A rude dispatcher on two threads: it answers, drops and names stacks in turn, takes itself off, sends more, and polls, while threads that
 * own nothing send as fast as they can, until there is no stack any more. A run ends when both stacks have done enough, however late or
 * slow one of their threads is, and then every buffer is back.
 */
#include "api_fixture.h"

#include <pthread.h>

#include "api/api.h"

#define SENDERS 3
#define WIRE_FRAMES 1023 /* of net_ring: what is in its ring when it is closed is gone with it */
#define ENOUGH 1000u

static bool doubles; /* every frame comes back twice: the transmit queues fill up */
static bool exits;   /* from the callback of core 0, when both have done enough */
static bool leaves;  /* the dispatcher of core 1 ends the process */

static unsigned asked[2]; /* atomic, of each core: how often it was asked about frames of the test */

static bool is_test(const uint8_t *f)
{
    return f[12] == 0x88 && f[13] == 0xb5;
}

static int rude(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues)
{
    unsigned me = api_here->stack->index, turn;

    if (!is_test(data))
        return queue_id;
    turn = __atomic_fetch_add(&asked[me], 1, __ATOMIC_RELAXED);
    if (leaves && me == 1 && turn == ENOUGH)
        exit(0);
    if (doubles) {
        ff_dpdk_raw_packet_send(data, *len, 0); /* no room is an answer, too */
        return FF_DISPATCH_RESPONSE;
    }
    switch (turn % 8) {
    case 0:
        return FF_DISPATCH_ERROR;
    case 1:
        ff_dpdk_raw_packet_send(data, *len, 0);
        return queue_id;
    case 2:
        ff_regist_packet_dispatcher(NULL);
        ff_regist_packet_dispatcher(rude);
        return nb_queues - 1;
    case 3:
        CHILD_CHECK(z_poll() == -1 && errno == EDEADLK);
        *len = (uint16_t)(turn * 97);
        return FF_DISPATCH_RESPONSE;
    default:
        return FF_DISPATCH_RESPONSE;
    }
}

static bool sends(uint32_t len)
{
    static const uint8_t f[1000] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
    int r = ff_dpdk_raw_packet_send((void *)(uintptr_t)f, (int)len, 0);

    CHILD_CHECK(r == 0 || errno == ENOBUFS || errno == EBADF);
    return r == 0 || errno == ENOBUFS;
}

static void *sends_until_the_end(void *arg)
{
    (void)arg;
    while (sends(1000))
        ;
    return NULL;
}

static pthread_t senders[SENDERS];

/* Behind the library's own exit handler: no call waits for a stack that has ended. */
static void join_senders(void)
{
    for (int i = 0; i < SENDERS; i++)
        CHILD_CHECK(pthread_join(senders[i], NULL) == 0);
}

static bool has_done_enough(const struct z_stack *s)
{
    return s->ctr.v[CTR_DISPATCH_ANSWERED] > ENOUGH && (!doubles || s->ctr.v[DROP_TXQ_FULL] > ENOUGH);
}

static int sends_more(void *arg)
{
    static unsigned done; /* atomic: a bit of each core */
    const struct z_stack *s = api_here->stack;

    (void)arg;
    CHILD_CHECK(sends(60));
    if (leaves)
        return 0;
    if (has_done_enough(s))
        __atomic_fetch_or(&done, 1u << s->index, __ATOMIC_RELAXED);
    if (s->index == 0 && __atomic_load_n(&done, __ATOMIC_RELAXED) == 3) {
        if (exits)
            exit(0);
        ff_stop_run();
    }
    return 0;
}

static void body(void)
{
    ff_regist_packet_dispatcher(rude);
    CHILD_CHECK(atexit(join_senders) == 0);
    api_start_on("net_ring0", API_TWO_CORES, "exit_drain_ms=200\napp_buffers_2k=8192");
    for (int i = 0; i < SENDERS; i++)
        CHILD_CHECK(pthread_create(&senders[i], NULL, sends_until_the_end, NULL) == 0);
    ff_run(sends_more, NULL);
    CHILD_CHECK(!exits && !leaves && api_get_state() == API_STOPPED);
    for (int i = 0; i < 2; i++) {
        const struct pkt_pools *p = &api.core[i]->stack->pools;

        CHILD_CHECK(rte_mempool_in_use_count(p->rx) == 0 && rte_mempool_in_use_count(p->ind) == 0);
        CHILD_CHECK(rte_mempool_in_use_count(p->app[0]) + rte_mempool_in_use_count(p->hdr) <= WIRE_FRAMES);
    }
}

static void test_stops(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body), 0);
}

static void test_exits(void **state)
{
    (void)state;
    exits = true;
    assert_int_equal(api_in_child(body), 0);
    exits = false;
}

static void test_full_queues(void **state)
{
    (void)state;
    doubles = true;
    assert_int_equal(api_in_child(body), 0);
    doubles = false;
}

static void test_exits_from_the_dispatcher(void **state)
{
    (void)state;
    leaves = true;
    assert_int_equal(api_in_child(body), 0);
    leaves = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_exits),
        cmocka_unit_test(test_full_queues),
        cmocka_unit_test(test_exits_from_the_dispatcher),
    };

    if (!api_has_two_cpus()) {
        printf("skipped: the cores 0 and 1 are not this process's\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
