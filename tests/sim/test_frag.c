/*
 * A link with a router that cuts every packet in small pieces, whatever it says about fragments, and delivers them shuffled, some of
 * them twice and some never: TCP and UDP through it arrive by content, by reference, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ip/ip_state.h"
#include "sim_flow.h"
#include "udp/udp.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#define PIECE 200u /* payload bytes */
#define PIECES_MAX 16u

struct router {
    struct rng rng;
    uint32_t loss_ppm, dup_ppm;
    uint32_t cut, lost;
};

static void send_piece(struct sim_end *from, const struct mem_frame *f, const struct ipv4_hdr *h, uint32_t off, uint32_t len)
{
    struct mem_frame *p = mem_frame_get(f->pool);
    struct ipv4_hdr ph = *h;

    assert_non_null(p);
    ph.df = false;
    ph.frag_off = (uint16_t)off;
    ph.mf = h->hlen + off + len < h->total_len;
    ph.total_len = (uint16_t)(IPV4_HLEN + len);
    memcpy(p->data, f->data, ETH_HLEN);
    ipv4_build(p->data + ETH_HLEN, &ph, true);
    memcpy(p->data + ETH_HLEN + IPV4_HLEN, f->data + ETH_HLEN + h->hlen + off, len);
    p->len = ETH_HLEN + IPV4_HLEN + len;
    for (uint32_t i = 0; i < from->sim->n_ends; i++) {
        struct sim_end *to = from->sim->end[i];

        if (to == from || to->segment != from->segment)
            continue;
        sim_kick(from->sim, to->node);
        (void)port_mem_deliver(to->port, p);
        return;
    }
    mem_frame_put(p);
}

static enum sim_verdict cut(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f)
{
    static uint16_t id; /* a router has none of its own to give, but packets that may not be cut have none */
    uint32_t order[PIECES_MAX], n = 0, payload;
    struct router *r = arg;
    struct ipv4_hdr h;

    (void)index;
    if (f->len < ETH_HLEN + IPV4_HLEN || get16(f->data + 12) != ETH_TYPE_IPV4 ||
        ipv4_parse(f->data + ETH_HLEN, f->len - ETH_HLEN, f->len - ETH_HLEN, false, &h) != IPV4_OK || h.total_len <= h.hlen + PIECE)
        return SIM_PASS;
    payload = (uint32_t)h.total_len - h.hlen;
    h.id = ++id;
    while (n * PIECE < payload) {
        uint32_t at = (uint32_t)(rng_next(&r->rng) % (n + 1));

        order[n] = at < n ? order[at] : n;
        order[at] = n++;
    }
    r->cut++;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t off = order[i] * PIECE, len = MIN(PIECE, payload - off);

        if (rng_next(&r->rng) % SIM_PPM < r->loss_ppm) {
            r->lost++;
            continue;
        }
        send_piece(e, f, &h, off, len);
        if (rng_next(&r->rng) % SIM_PPM < r->dup_ppm)
            send_piece(e, f, &h, off, len);
    }
    return SIM_DROP;
}

static void pair_conf(struct sim_pair_conf *pc, struct router *r)
{
    *pc = (struct sim_pair_conf){.sim = {.seed = 11}};
    rng_seed(&r->rng, 5);
    for (int i = 0; i < 2; i++)
        pc->side[i].link = (struct sim_link_conf){.delay_ns = NS_PER_MS, .bits_per_sec = 100000000, .hook = cut, .hook_arg = r};
}

static void a_stream(uint32_t loss_ppm, uint32_t dup_ppm, enum flow_mode mode)
{
    struct router r = {.loss_ppm = loss_ppm, .dup_ppm = dup_ppm};
    struct flow_conf fc = {.n = 2, .bytes_a = 300000, .bytes_b = 100000, .mode = mode, .max_io = 20000, .seed = 3};
    struct flow_net fn = {0};
    struct sim_pair_conf pc;
    struct z_stack *s;

    pair_conf(&pc, &r);
    assert_true(sim_pair_create(&fn.pair, &pc));
    assert_true(flow_net_start_conf(&fn, &fc));
    assert_true(sim_run_until(fn.pair.sim, flow_net_done, &fn, 200 * NS_PER_SEC));
    assert_false(flow_net_failed(&fn));
    s = fn.pair.b->s;
    assert_true(s->ctr.v[CTR_FRAG_REASSEMBLED] > 200);
    assert_int_equal(s->ctr.v[CTR_COPY_STACK], 0);
    if (loss_ppm == 0)
        assert_int_equal(s->ctr.v[CTR_FRAG_GIVEN_UP], 0);
    else
        assert_true(r.lost > 0 && s->ctr.v[CTR_FRAG_GIVEN_UP] + s->ip->reass.n > 0);
    flow_net_stop(&fn);
    assert_true(sim_run_for(fn.pair.sim, 1000 * NS_PER_SEC));
    assert_int_equal(s->ip->reass.n, 0);
    assert_true(sim_stack_conserved(fn.pair.a) && sim_stack_conserved(fn.pair.b));
    assert_true(flow_net_destroy(&fn));
}

static void tcp_in_pieces(void **state)
{
    (void)state;
    a_stream(0, 0, FLOW_REF);
    a_stream(0, 0, FLOW_MIXED);
}

static void tcp_in_pieces_with_loss(void **state)
{
    (void)state;
    a_stream(10000, 50000, FLOW_REF);
}

static void udp_in_pieces(void **state)
{
    static uint8_t data[1472], got[2048];
    struct router r = {.loss_ppm = 20000, .dup_ppm = 100000};
    const struct inaddr any = INADDR_ANY_V4;
    struct sim_pair_conf pc;
    struct sim_pair p;
    struct udp_pcb *a, *b;
    uint32_t arrived = 0;
    struct udp_dest to = UDP_DEST_INIT;
    struct inaddr dst;
    int flags = 0;

    (void)state;
    pair_conf(&pc, &r);
    assert_true(sim_pair_create(&p, &pc));
    a = udp_create(p.a->s, NULL);
    b = udp_create(p.b->s, NULL);
    assert_int_equal(udp_bind(p.b->s, b, &any, 9), 0);
    dst = inaddr_v4(p.b->nif->addr[0].addr);
    to.addr = &dst;
    to.port = 9;
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t len = 4 + i * 7 % 1400;
        struct iovec iov = {data, len}, in = {got, sizeof(got)};
        ssize_t n;

        for (uint32_t k = 0; k < len; k++)
            data[k] = (uint8_t)(i + k * 3);
        (void)udp_sendto(p.a->s, a, &iov, 1, 0, &to);
        assert_true(sim_run_for(p.sim, 10 * NS_PER_MS));
        while ((n = udp_recvfrom(p.b->s, b, &in, 1, &flags, NULL)) >= 0) {
            assert_int_equal(n, len);
            assert_memory_equal(got, data, len);
            arrived++;
        }
    }
    assert_true(arrived > 350 && arrived < 500 + 150);
    assert_true(r.lost > 0 && r.cut > 300);
    udp_close(p.a->s, a);
    udp_close(p.b->s, b);
    assert_true(sim_run_for(p.sim, 100 * NS_PER_SEC));
    assert_true(sim_stack_conserved(p.a) && sim_stack_conserved(p.b));
    sim_pair_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_in_pieces),
        cmocka_unit_test(tcp_in_pieces_with_loss),
        cmocka_unit_test(udp_in_pieces),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
