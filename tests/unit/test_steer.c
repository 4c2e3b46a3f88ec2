/* Several stacks behind one device: the table, who is asked for a socket, messages, and the ports (src/port/steer*.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pkt/pkt.h"
#include "port/steer.h"
#include "sim.h"
#include "wire/bytes.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#define US 0x0a000002u
#define QUEUE_FRAMES 64

static struct rte_mempool *rx_pool, *ind_pool;

/* A device queue that the test fills; what is sent is counted and freed. */
struct fake {
    struct port p;
    unsigned n, sent, closed;
    struct rte_mbuf *frame[256];
};

static uint16_t fake_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct fake *f = (struct fake *)(void *)p;
    uint16_t got = (uint16_t)MIN(n, f->n);

    memcpy(m, f->frame, got * sizeof(m[0]));
    f->n -= got;
    memmove(f->frame, f->frame + got, f->n * sizeof(m[0]));
    return got;
}

static uint16_t fake_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    ((struct fake *)(void *)p)->sent += n;
    rte_pktmbuf_free_bulk(m, n);
    return n;
}

static bool fake_link_up(struct port *p)
{
    (void)p;
    return true;
}

static void fake_close(struct port *p)
{
    struct fake *f = (struct fake *)(void *)p;

    rte_pktmbuf_free_bulk(f->frame, f->n);
    f->n = 0;
    f->closed++;
}

static const struct port_ops fake_ops = {.rx = fake_rx, .tx = fake_tx, .link_up = fake_link_up, .close = fake_close};

static struct rte_mbuf *frame(const uint8_t dst[6], uint32_t src, uint16_t sport, uint16_t dport, uint16_t frag_off)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(rx_pool);
    struct eth_hdr e = {.src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_IPV4};
    struct ipv4_hdr h = {.proto = 6, .total_len = 40, .ttl = 64, .src = src, .dst = US, .frag_off = frag_off};
    uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, 60);

    memcpy(e.dst, dst, 6);
    memset(p, 0, 60);
    eth_build(p, &e);
    ipv4_build(p + ETH_HLEN, &h, true);
    put16(p + ETH_HLEN + IPV4_HLEN, sport);
    put16(p + ETH_HLEN + IPV4_HLEN + 2, dport);
    return m;
}

static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1}, all[6] = {255, 255, 255, 255, 255, 255};

static unsigned home(const struct steer *g, uint32_t src, uint16_t sport, uint16_t dport)
{
    struct inaddr l = inaddr_v4(US), r = inaddr_v4(src);

    return steer_home(g, &l, &r, dport, sport);
}

/* The key on the wire and the home that a connection computes are the same thing, for both families. */
static void table(void **state)
{
    struct steer *g = steer_create("t_table", 5, false);
    unsigned n[5] = {0};

    (void)state;
    assert_non_null(g);
    assert_int_equal(steer_count(g), 5);
    for (unsigned i = 0; i < STEER_RETA; i++) {
        assert_int_equal(steer_reta(g, i), i % 5);
        assert_int_equal(steer_of_hash(g, i + 7 * STEER_RETA), i % 5);
    }
    /* 66.9.149.187:2794 to 161.142.100.80:1766 hashes to 51ccc178 */
    assert_int_equal(steer_home(g, &(struct inaddr){.w = {0, 0, htobe32(0xffff), htobe32(0xa18e6450)}},
                                &(struct inaddr){.w = {0, 0, htobe32(0xffff), htobe32(0x420995bb)}}, 1766, 2794),
                     (0x51ccc178 % STEER_RETA) % 5);
    for (uint16_t port = 1024; port < 3024; port++)
        n[home(g, 0xc0000201u, port, 80)]++;
    for (unsigned i = 0; i < 5; i++)
        assert_in_range(n[i], 300, 500);
    steer_free(g);
}

/* With the symmetric key an answer has the hash of the question. */
static void symmetric(void **state)
{
    struct steer *sym = steer_create("t_sym", 64, true), *usual = steer_create("t_usual", 64, false);
    struct inaddr a = inaddr_v4(0x0a000001u), b = inaddr_v4(0xc0a80105u);
    unsigned same = 0;

    (void)state;
    for (uint16_t port = 1000; port < 1500; port++) {
        assert_int_equal(steer_home(sym, &a, &b, port, 80), steer_home(sym, &b, &a, 80, port));
        same += steer_home(usual, &a, &b, port, 80) == steer_home(usual, &b, &a, 80, port);
    }
    assert_true(same < 100);
    steer_free(sym);
    steer_free(usual);
}

/* A stack that ends leaves its entries to the others, evenly, and moves nobody else's. */
static void leaving(void **state)
{
    struct steer *g = steer_create("t_leave", 4, false);
    unsigned before[STEER_RETA], n[4] = {0};

    (void)state;
    for (unsigned i = 0; i < STEER_RETA; i++)
        before[i] = steer_reta(g, i);
    assert_true(steer_speaks(g, 0));
    assert_false(steer_speaks(g, 1));
    steer_listen(g, 0, STEER_TCP, 80, true);
    steer_leave(g, 0);
    for (unsigned i = 0; i < STEER_RETA; i++) {
        unsigned now = steer_reta(g, i);

        assert_int_not_equal(now, 0);
        if (before[i] != 0)
            assert_int_equal(now, before[i]);
        n[now]++;
    }
    for (unsigned i = 1; i < 4; i++)
        assert_in_range(n[i], 42, 43);
    assert_true(steer_speaks(g, 1));
    assert_false(steer_tell(g, 0, &(struct steer_msg){0}));
    for (uint16_t port = 1000; port < 1100; port++)
        assert_int_equal(steer_next(g, home(g, 5, port, 80), STEER_TCP, &(struct inaddr){.w = {0, 0, htobe32(0xffff), htobe32(US)}},
                                    &(struct inaddr){.w = {0, 0, htobe32(0xffff), htobe32(5)}}, 80, port),
                         -1);
    steer_free(g);
}

/* Whoever has no socket passes on; everybody who has one on the port is asked once, and the home never again. */
static void each_is_asked_once(void **state)
{
    struct steer *g = steer_create("t_next", 7, false);
    const uint64_t sets[] = {0x00, 0x01, 0x7f, 0x2a, 0x44};
    struct inaddr l = inaddr_v4(US), r = inaddr_v4(0xc0000201u);
    unsigned firsts[7] = {0};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(sets); k++) {
        for (unsigned i = 0; i < 7; i++) {
            steer_listen(g, i, STEER_TCP, 80, (sets[k] >> i & 1) != 0);
            steer_listen(g, i, STEER_UDP, 80, (sets[k] >> i & 1) == 0);
        }
        for (uint16_t port = 1; port < 500; port++) {
            unsigned h = steer_home(g, &l, &r, 80, port), me = h;
            uint64_t asked = 0;
            int next = steer_next(g, h, STEER_TCP, &l, &r, 80, port);

            assert_int_equal(steer_taker(g, STEER_TCP, &l, &r, 80, port), (sets[k] >> h & 1) != 0 ? (int)h : next);
            while ((next = steer_next(g, me, STEER_TCP, &l, &r, 80, port)) >= 0) {
                if (asked == 0 && sets[k] == 0x7f)
                    firsts[next]++;
                assert_true((asked >> next & 1) == 0);
                asked |= 1ull << next;
                me = (unsigned)next;
            }
            assert_int_equal(asked, sets[k] & ~(1ull << h));
        }
    }
    for (unsigned i = 0; i < 7; i++) /* the load of one that has closed is everybody's */
        assert_in_range(firsts[i], 35, 110);
    steer_free(g);
}

static void messages(void **state)
{
    struct steer *g = steer_create("t_msg", 2, false);
    struct steer_msg msg = {.kind = STEER_CLAIM}, got;
    unsigned n = 0;

    (void)state;
    assert_false(steer_hear(g, 1, &got));
    for (uint16_t i = 0; i < 2000; i++) {
        msg.lport = i;
        n += steer_tell(g, 1, &msg);
    }
    assert_in_range(n, 1000, 1024); /* the rest is lost */
    for (uint16_t i = 0; i < n; i++) {
        assert_true(steer_hear(g, 1, &got));
        assert_int_equal(got.lport, i);
    }
    assert_false(steer_hear(g, 1, &got));
    assert_false(steer_hear(g, 0, &got));
    steer_free(g);
}

#define FLOWS 50

static uint8_t seen[FLOWS]; /* frames of each flow so far: they are numbered in the last byte */

static void drain(struct port *p, unsigned *n)
{
    struct rte_mbuf *m[32];
    uint16_t got;

    while ((got = p->ops->rx(p, m, 32)) != 0) {
        for (uint16_t i = 0; i < got; i++) {
            uint16_t sport = get16(rte_pktmbuf_mtod_offset(m[i], uint8_t *, ETH_HLEN + IPV4_HLEN));

            assert_int_equal(*rte_pktmbuf_mtod_offset(m[i], uint8_t *, 59), seen[sport % FLOWS]++);
        }
        *n += got;
        rte_pktmbuf_free_bulk(m, got);
    }
}

/* The last port closes the device's queues, once each, and nothing is left of the buffers. */
static void close_all(struct steer *g, struct port *const p[], unsigned n_stacks, const struct fake fake[], unsigned n_queues)
{
    for (unsigned i = 0; i < n_stacks; i++)
        port_close(p[i]);
    for (unsigned i = 0; i < n_queues; i++)
        assert_int_equal(fake[i].closed, 1);
    steer_free(g);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

/* Whatever the number of queues, every frame arrives once, at its home, in its flow's order. */
static void frames_come_home(unsigned n_stacks, unsigned n_queues)
{
    struct steer *g = steer_create("t_ports", n_stacks, false);
    static struct fake fake[8];
    struct port *q[8], *p[8];
    struct steer_dev *d;
    unsigned got[8] = {0}, want[8] = {0};

    memset(seen, 0, sizeof(seen));
    memset(fake, 0, sizeof(fake));
    for (unsigned i = 0; i < n_queues; i++) {
        fake[i].p.ops = &fake_ops;
        q[i] = &fake[i].p;
    }
    d = steer_dev_create(g, "t_dev", q, n_queues, QUEUE_FRAMES);
    assert_non_null(d);
    for (unsigned i = 0; i < n_stacks; i++)
        assert_non_null(p[i] = steer_port_open(d, i, ind_pool));
    for (unsigned k = 0; k < 1000; k++) {
        uint16_t sport = (uint16_t)(1000 + k % FLOWS);
        struct fake *f = &fake[sport * 7 % n_queues]; /* a card that spreads flows its own way */
        struct rte_mbuf *m = frame(ours, 0xc0000201u, sport, 80, 0);

        *rte_pktmbuf_mtod_offset(m, uint8_t *, 59) = (uint8_t)(k / FLOWS);
        f->frame[f->n++] = m;
        want[home(g, 0xc0000201u, sport, 80)]++;
        if (k % 23 == 22) /* now one polls, now the other */
            for (unsigned i = 0; i < n_stacks; i++)
                drain(p[(i + k) % n_stacks], &got[(i + k) % n_stacks]);
    }
    for (unsigned i = 0; i < 2 * n_stacks; i++)
        drain(p[i % n_stacks], &got[i % n_stacks]);
    for (unsigned i = 0; i < n_stacks; i++) {
        assert_int_equal(got[i], want[i]);
        assert_int_equal(p[i]->ctr->v[DROP_STEER_FULL], 0);
    }
    close_all(g, p, n_stacks, fake, n_queues);
}

static void one_queue(void **state)
{
    (void)state;
    frames_come_home(4, 1);
}

static void a_queue_each(void **state)
{
    (void)state;
    frames_come_home(4, 4);
}

static void fewer_queues(void **state)
{
    (void)state;
    frames_come_home(5, 2);
}

static unsigned take(struct port *p)
{
    struct rte_mbuf *m[64];
    unsigned n = 0;
    uint16_t got;

    while ((got = p->ops->rx(p, m, 64)) != 0) {
        rte_pktmbuf_free_bulk(m, got);
        n += got;
    }
    return n;
}

static void arrive(struct fake *f, unsigned n)
{
    for (uint16_t port = 1; port <= n; port++)
        f->frame[f->n++] = frame(ours, 0xc0000201u, port, 80, 0);
}

/* What the application says of frames, by their source port: the home, the next one, drop, answer, nonsense. */
enum { AS_IT_IS, ANOTHER, DROP, ANSWER, NONSENSE, RULES };

static const struct steer *asked_of;
static unsigned asked_times;
static int says_always = -3; /* -3: by the port */

static int named(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    uint16_t sport = get16(data + ETH_HLEN + IPV4_HLEN);

    asked_times++;
    assert_int_equal(*len, 60);
    assert_int_equal(about->n_queues, steer_count(asked_of));
    if (says_always != -3)
        return says_always;
    assert_int_equal(about->queue, home(asked_of, 0xc0000201u, sport, 80)); /* wherever it is polled */
    switch (sport % RULES) {
    case AS_IT_IS:
        return about->queue;
    case ANOTHER:
        return (about->queue + 1) % about->n_queues;
    case DROP:
        return DISPATCH_DROP;
    case ANSWER:
        return DISPATCH_ANSWER;
    default:
        return 99;
    }
}

static dispatch_ask *ask_named = named;

static unsigned take_answers(struct txq *q)
{
    unsigned n = txq_count(q);

    for (; txq_count(q) > 0; q->head++)
        rte_pktmbuf_free(q->slot[q->head & (TXQ_SLOTS - 1)]);
    q->bytes = 0;
    return n;
}

/* Each frame is asked about once, and is where the application wants it: in its flow's order. */
static void frames_go_where_named(unsigned n_stacks, unsigned n_queues)
{
    struct steer *g = steer_create("t_named", n_stacks, false);
    static struct fake fake[8];
    static struct txq txq[8];
    struct port *q[8], *p[8];
    unsigned got[8] = {0}, want[8] = {0}, fate[RULES] = {0}, answers = 0, dropped = 0, bad = 0, moved = 0, counted = 0;
    struct steer_dev *d;

    memset(seen, 0, sizeof(seen));
    memset(fake, 0, sizeof(fake));
    memset(txq, 0, sizeof(txq));
    asked_of = g;
    asked_times = 0;
    for (unsigned i = 0; i < n_queues; i++) {
        fake[i].p = (struct port){.ops = &fake_ops, .mtu = 1500};
        q[i] = &fake[i].p;
    }
    d = steer_dev_create(g, "t_named_dev", q, n_queues, QUEUE_FRAMES);
    for (unsigned i = 0; i < n_stacks; i++) {
        assert_non_null(p[i] = steer_port_open(d, i, ind_pool));
        p[i]->dispatch = (struct dispatch){.ask = &ask_named, .pool = rx_pool, .answers = &txq[i]};
    }
    for (unsigned k = 0; k < 1000; k++) {
        uint16_t sport = (uint16_t)(1000 + k % FLOWS);
        struct fake *f = &fake[sport * 7 % n_queues];
        struct rte_mbuf *m = frame(ours, 0xc0000201u, sport, 80, 0);
        unsigned h = home(g, 0xc0000201u, sport, 80);

        *rte_pktmbuf_mtod_offset(m, uint8_t *, 59) = (uint8_t)(k / FLOWS);
        f->frame[f->n++] = m;
        fate[sport % RULES]++;
        want[h] += sport % RULES == AS_IT_IS;
        want[(h + 1) % n_stacks] += sport % RULES == ANOTHER;
        if (k % 23 == 22)
            for (unsigned i = 0; i < n_stacks; i++)
                drain(p[(i + k) % n_stacks], &got[(i + k) % n_stacks]);
    }
    for (unsigned i = 0; i < 2 * n_stacks; i++)
        drain(p[i % n_stacks], &got[i % n_stacks]);
    for (unsigned i = 0; i < n_stacks; i++) {
        assert_int_equal(got[i], want[i]);
        assert_int_equal(p[i]->ctr->v[DROP_STEER_FULL], 0);
        answers += take_answers(&txq[i]);
        dropped += (unsigned)p[i]->ctr->v[DROP_DISPATCHED];
        bad += (unsigned)p[i]->ctr->v[DROP_DISPATCH_BAD];
        moved += (unsigned)p[i]->ctr->v[CTR_STEER_OUT];
        counted += (unsigned)p[i]->ctr->v[CTR_RX_PACKETS];
    }
    assert_int_equal(asked_times, 1000);
    assert_int_equal(answers, fate[ANSWER]);
    assert_int_equal(dropped, fate[DROP]);
    assert_int_equal(bad, fate[NONSENSE]);
    assert_int_equal(counted, answers + dropped + bad); /* the others are counted by the stack that gets them */
    assert_true(moved > 0 || n_stacks == 1);
    close_all(g, p, n_stacks, fake, n_queues);
}

static void named_frames(void **state)
{
    (void)state;
    frames_go_where_named(4, 1);
    frames_go_where_named(4, 4);
    frames_go_where_named(5, 2);
    frames_go_where_named(1, 1);
}

static void expect_one_each(struct port *p[3], unsigned first, unsigned second, unsigned third)
{
    assert_int_equal(take(p[0]), first);
    assert_int_equal(take(p[1]), second);
    assert_int_equal(take(p[2]), third);
}

/* What concerns all reaches all, whoever is named, unless it is dropped; a stack that is not there is not named. */
static void named_for_all_and_for_the_dead(void **state)
{
    struct steer *g = steer_create("t_dead", 3, false);
    static struct fake fake[3];
    static struct txq txq;
    struct port *q[3], *p[3];
    struct steer_dev *d;

    (void)state;
    memset(fake, 0, sizeof(fake));
    asked_of = g;
    for (unsigned i = 0; i < 3; i++) {
        fake[i].p = (struct port){.ops = &fake_ops, .mtu = 1500};
        q[i] = &fake[i].p;
    }
    d = steer_dev_create(g, "t_dead_dev", q, 3, QUEUE_FRAMES);
    for (unsigned i = 0; i < 3; i++) {
        p[i] = steer_port_open(d, i, ind_pool);
        p[i]->dispatch = (struct dispatch){.ask = &ask_named, .pool = rx_pool, .answers = &txq};
    }
    for (says_always = 0; says_always < 3; says_always++) {
        fake[0].frame[fake[0].n++] = frame(all, 1, 2, 3, 0);
        expect_one_each(p, 1, 1, 1);
    }
    says_always = DISPATCH_DROP;
    fake[0].frame[fake[0].n++] = frame(all, 1, 2, 3, 0);
    expect_one_each(p, 0, 0, 0);
    says_always = DISPATCH_ANSWER;
    fake[0].frame[fake[0].n++] = frame(all, 1, 2, 3, 0);
    expect_one_each(p, 0, 0, 0);
    assert_int_equal(take_answers(&txq), 1);
    says_always = 2;
    arrive(&fake[0], 5);
    expect_one_each(p, 0, 0, 5);
    steer_leave(g, 2);
    arrive(&fake[0], 5);
    expect_one_each(p, 0, 0, 0);
    assert_int_equal(p[0]->ctr->v[DROP_DISPATCH_BAD], 5);
    says_always = -3;
    for (unsigned i = 0; i < 3; i++)
        port_close(p[i]);
    steer_free(g);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

/* Processes: the table follows those who live, in two steps, of which the second waits until all have agreed, or a second has passed. */
static void processes_change_the_table(void **state)
{
    struct steer *g = steer_create_procs("t_change", 3, false);
    struct inaddr l = inaddr_v4(US), r = inaddr_v4(0xc0000201u);
    unsigned moved = 0;

    (void)state;
    for (uint16_t port = 1; port < 300; port++)
        assert_int_equal(home(g, 0xc0000201u, port, 80), 0);
    assert_false(steer_is_alive(g, 2));
    assert_false(steer_change(g, 0));
    assert_false(steer_is_changing(g));
    steer_join(g, 2);
    assert_true(steer_is_alive(g, 2));
    assert_false(steer_change(g, 5));
    assert_true(steer_is_changing(g));
    for (uint16_t port = 1; port < 300; port++) { /* announced, but not valid */
        assert_int_equal(home(g, 0xc0000201u, port, 80), 0);
        moved += steer_home_next(g, &l, &r, 80, port) == 2;
    }
    assert_in_range(moved, 100, 200);
    steer_agree(g, 0, steer_announced(g));
    assert_false(steer_change(g, 6));
    steer_agree(g, 2, steer_announced(g));
    assert_true(steer_change(g, 7));
    assert_false(steer_is_changing(g));
    for (uint16_t port = 1; port < 300; port++)
        assert_int_equal(home(g, 0xc0000201u, port, 80), steer_home_next(g, &l, &r, 80, port));
    steer_listen(g, 2, STEER_TCP, 80, true);
    steer_retire(g, 2);
    assert_false(steer_is_listened(g, STEER_TCP, 80));
    assert_false(steer_change(g, 8));
    assert_false(steer_change(g, 8 + NS_PER_SEC - 1)); /* the first does not agree */
    assert_true(steer_change(g, 8 + NS_PER_SEC));
    for (unsigned i = 0; i < STEER_RETA; i++)
        assert_int_equal(steer_reta(g, i), 0);
    steer_free(g);
}

/* A number is one process's; its successor knows whether it has died, and that is told once. */
static void processes_have_seats(void **state)
{
    struct steer *g = steer_create_procs("t_seats", 2, false);
    struct steer_msg msg = {.kind = STEER_CLAIM}, got;
    struct counters ctr = {.v = {[CTR_RX_PACKETS] = 9}};
    bool died;

    (void)state;
    assert_null(steer_find("t_seats"));
    steer_open(g);
    assert_ptr_equal(steer_find("t_seats"), g);
    assert_null(steer_find("t_nothing"));
    assert_int_equal(steer_seat_take(g, 1, &died), 0);
    assert_false(died);
    steer_seat_leave(g, 1);
    assert_false(steer_seat_bury(g, 1));
    assert_int_equal(steer_seat_take(g, 1, &died), 0); /* in order */
    steer_join(g, 1);
    assert_true(steer_tell(g, 1, &msg));
    assert_true(steer_seat_bury(g, 1));
    assert_false(steer_is_alive(g, 1));
    assert_false(steer_seat_is_taken(g, 1));
    assert_int_equal(steer_seat_take(g, 1, &died), 1);
    assert_false(died); /* it was told of */
    assert_false(steer_hear(g, 1, &got));
    assert_int_equal(steer_seat_take(g, 1, &died), 2); /* before anybody saw that */
    assert_true(died);
    steer_show_counters(g, 1, &ctr);
    assert_int_equal(steer_counters_of(g, 1)->v[CTR_RX_PACKETS], 9);
    steer_free(g);
}

static uint16_t send_one(struct port *p)
{
    struct rte_mbuf *m = frame(ours, 1, 1, 1, 0);

    return p->ops->tx(p, &m, 1);
}

/*
 * Three processes and a device with two queues: the first polls what is nobody's, sends for who has no queue, and lets go of the second
 * queue when its process comes.
 */
static void queues_of_processes(void **state)
{
    struct steer *g = steer_create_procs("t_procs", 3, false);
    static struct fake fake[2];
    struct port *q[2] = {&fake[0].p, &fake[1].p}, *p[3];
    unsigned n_q = 0, n[3] = {0};
    struct steer_dev *d;

    (void)state;
    memset(fake, 0, sizeof(fake));
    for (unsigned i = 0; i < 2; i++)
        fake[i].p = (struct port){.ops = &fake_ops, .mtu = 1234, .caps = {.tx_external = true}};
    d = steer_dev_create(g, "t_procs", q, 2, QUEUE_FRAMES);
    assert_int_equal(steer_dev_face("t_procs", &n_q)->mtu, 1234);
    assert_int_equal(n_q, 2);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(p[i] = steer_port_open(d, i, ind_pool));
    assert_true(p[0]->caps.tx_external && !p[1]->caps.tx_external && !p[2]->caps.tx_external);
    arrive(&fake[1], 20);
    assert_int_equal(take(p[1]), 0); /* it has not come yet */
    assert_int_equal(fake[1].n, 20);
    assert_int_equal(take(p[0]), 20);

    steer_join(g, 1);
    steer_join(g, 2);
    steer_change(g, 0);
    assert_true(steer_change(g, NS_PER_SEC));
    take(p[0]); /* lets go */
    arrive(&fake[1], 60);
    assert_int_equal(take(p[0]), 0);
    assert_int_equal(fake[1].n, 60);
    n[1] = take(p[1]);
    assert_int_equal(fake[1].n, 0);
    n[0] = take(p[0]);
    n[2] = take(p[2]);
    assert_int_equal(n[0] + n[1] + n[2], 60);
    assert_true(n[0] > 10 && n[1] > 10 && n[2] > 10);

    assert_int_equal(send_one(p[1]), 1);
    assert_int_equal(fake[1].sent, 1);
    assert_int_equal(send_one(p[2]), 1);
    assert_int_equal(fake[0].sent, 0);
    take(p[0]);
    assert_int_equal(fake[0].sent, 1);
    assert_int_equal(p[0]->ctr->v[CTR_STEER_RELAYED], 1);

    /* the second dies: what waits for it is freed, its queue is polled again */
    arrive(&fake[0], 60);
    take(p[0]);
    assert_true(rte_mempool_in_use_count(rx_pool) > 20);
    steer_retire(g, 1);
    steer_port_clear(p[0], 1);
    take(p[2]);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
    take(p[0]); /* takes it back */
    arrive(&fake[1], 20);
    take(p[0]);
    assert_int_equal(fake[1].n, 0);
    for (unsigned i = 0; i < 3; i++)
        port_close(p[i]);
    assert_int_equal(fake[0].closed + fake[1].closed, 2);
    steer_free(g);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

struct two {
    struct steer *g;
    struct fake fake;
    struct port *p[2];
};

static void open_two(struct two *t)
{
    struct port *q = &t->fake.p;
    struct steer_dev *d;

    memset(t, 0, sizeof(*t));
    t->g = steer_create("t_two", 2, false);
    t->fake.p.ops = &fake_ops;
    d = steer_dev_create(t->g, "t_dev2", &q, 1, QUEUE_FRAMES);
    for (unsigned i = 0; i < 2; i++)
        t->p[i] = steer_port_open(d, i, ind_pool);
}

static void close_two(struct two *t)
{
    port_close(t->p[0]);
    port_close(t->p[1]);
    steer_free(t->g);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

/* A broadcast reaches both, without a copy; nobody may write to it. */
static void broadcast(void **state)
{
    struct rte_mbuf *m[2][4];
    static struct two t;

    (void)state;
    open_two(&t);
    t.fake.frame[t.fake.n++] = frame(all, 0xc0000201u, 1, 2, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(t.p[i]->ops->rx(t.p[i], m[i], 4), 1);
    assert_ptr_equal(pkt_data(m[0][0]), pkt_data(m[1][0]));
    assert_false(pkt_sole_owner(m[0][0]));
    assert_false(pkt_sole_owner(m[1][0]));
    assert_int_equal(t.p[0]->ctr->v[CTR_STEER_ALL], 1);
    rte_pktmbuf_free(m[0][0]);
    rte_pktmbuf_free(m[1][0]);
    close_two(&t);
}

/* A stack that does not poll loses its own frames, not those of others; what waits when all is closed is freed. */
static void full_queue(void **state)
{
    unsigned got = 0, theirs = 0, mine = 0;
    uint8_t n_of[FLOWS] = {0};
    static struct two t;

    (void)state;
    memset(seen, 0, sizeof(seen));
    open_two(&t);
    for (uint16_t sport = 1; sport < 400; sport++) {
        struct rte_mbuf *m = frame(ours, 0xc0000201u, sport, 80, 0);

        *rte_pktmbuf_mtod_offset(m, uint8_t *, 59) = n_of[sport % FLOWS];
        t.fake.frame[t.fake.n++] = m;
        if (home(t.g, 0xc0000201u, sport, 80) == 0)
            n_of[sport % FLOWS]++;
        if (home(t.g, 0xc0000201u, sport, 80) == 0)
            mine++;
        else
            theirs++;
        if (sport % 16 == 0)
            drain(t.p[0], &got);
    }
    drain(t.p[0], &got);
    assert_int_equal(got, mine);
    assert_int_equal(t.p[0]->ctr->v[DROP_STEER_FULL], theirs - QUEUE_FRAMES);
    close_two(&t);
}

static void handing_over(void **state)
{
    struct rte_mbuf *m[4];
    static struct two t;
    unsigned sent;

    (void)state;
    open_two(&t);
    t.p[0]->ops->hand_over(t.p[0], 1, frame(ours, 5, 6, 7, 0));
    assert_int_equal(t.p[1]->ops->rx(t.p[1], m, 4), 1);
    assert_int_equal(t.p[1]->ops->tx(t.p[1], m, 1), 1);
    sent = t.fake.sent;
    assert_int_equal(sent, 1);
    close_two(&t);
}

/* A card that tells its hash is believed, but not about what is inside an ICMP error or has no ports. */
static void hash_of_the_card(void **state)
{
    struct steer *g = steer_create("t_card", 2, false);
    static struct fake fake[2];
    struct port *q[2] = {&fake[0].p, &fake[1].p}, *p[2];
    struct rte_mbuf *m[4];
    struct steer_dev *d;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        fake[i].p.ops = &fake_ops;
        fake[i].p.caps.rx_flow_hash = true;
    }
    d = steer_dev_create(g, "t_card", q, 2, QUEUE_FRAMES);
    for (unsigned i = 0; i < 2; i++)
        p[i] = steer_port_open(d, i, ind_pool);
    for (uint32_t hash = 0; hash < 2; hash++) {
        fake[0].frame[0] = frame(ours, 0xc0000201u, 1000, 80, 0);
        fake[0].frame[0]->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
        fake[0].frame[0]->hash.rss = hash;
        fake[0].frame[1] = frame(ours, 0xc0000201u, 1000, 80, 80); /* a fragment */
        fake[0].frame[1]->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
        fake[0].frame[1]->hash.rss = hash;
        fake[0].n = 2;
        for (unsigned i = 0; i < 2; i++) {
            uint16_t n = p[i]->ops->rx(p[i], m, 4), whole = 0;

            for (uint16_t k = 0; k < n; k++)
                whole = (uint16_t)(whole + (get16(rte_pktmbuf_mtod_offset(m[k], uint8_t *, ETH_HLEN + 6)) == 0));
            assert_int_equal(whole, i == hash);
            rte_pktmbuf_free_bulk(m, n);
        }
    }
    port_close(p[0]);
    port_close(p[1]);
    steer_free(g);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0)
        return -1;
    rx_pool = rte_pktmbuf_pool_create("t_rx", 1023, 0, 0, 2048, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("t_ind", 255, 0, 0, 0, SOCKET_ID_ANY);
    return rx_pool != NULL && ind_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(symmetric),
        cmocka_unit_test(leaving),
        cmocka_unit_test(each_is_asked_once),
        cmocka_unit_test(messages),
        cmocka_unit_test(processes_change_the_table),
        cmocka_unit_test(processes_have_seats),
        cmocka_unit_test(queues_of_processes),
        cmocka_unit_test(one_queue),
        cmocka_unit_test(a_queue_each),
        cmocka_unit_test(fewer_queues),
        cmocka_unit_test(named_frames),
        cmocka_unit_test(named_for_all_and_for_the_dead),
        cmocka_unit_test(broadcast),
        cmocka_unit_test(full_queue),
        cmocka_unit_test(handing_over),
        cmocka_unit_test(hash_of_the_card),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
