#include "unit.h"

#include "wire/tcp_hdr.h"

static bool parse(const uint8_t *p, size_t len, struct tcp_opts *o)
{
    uint8_t *c = malloc(len ? len : 1);

    memcpy(c, p, len);
    bool ok = tcp_opts_parse(c, len, o);
    free(c);
    return ok;
}

static void header_round_trip(void **state)
{
    (void)state;
    static const uint8_t seg[20] = {0x12, 0x34, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
                                    0x07, 0x08, 0x50, 0x18, 0xfa, 0xf0, 0,    0,    0,    9};
    struct tcp_hdr h;
    uint8_t out[20];

    assert_int_equal(tcp_hdr_parse(seg, 20, &h), TCP_PARSE_OK);
    assert_int_equal(h.sport, 0x1234);
    assert_int_equal(h.dport, 80);
    assert_int_equal(h.seq, 0x01020304);
    assert_int_equal(h.ack, 0x05060708);
    assert_int_equal(h.hlen, 20);
    assert_int_equal(h.flags, TH_PSH | TH_ACK);
    assert_int_equal(h.wnd, 64240);
    assert_int_equal(h.urp, 9);
    tcp_hdr_build(out, &h);
    assert_memory_equal(out, seg, 20);
}

static void header_lengths(void **state)
{
    (void)state;
    uint8_t seg[60] = {0};
    struct tcp_hdr h;

    for (uint32_t len = 0; len <= 60; len++) {
        for (unsigned words = 0; words < 16; words++) {
            uint8_t *c = malloc(len ? len : 1);
            enum tcp_parse_err want = len < 20 ? TCP_PARSE_ESHORT : words < 5 || words * 4 > len ? TCP_PARSE_EHLEN : TCP_PARSE_OK;

            seg[12] = (uint8_t)(words << 4 | 0x0f); /* reserved bits are ignored */
            memcpy(c, seg, len);
            assert_int_equal(tcp_hdr_parse(c, len, &h), want);
            if (want == TCP_PARSE_OK)
                assert_int_equal(h.hlen, words * 4);
            free(c);
        }
    }
}

/* The SYN of Linux. */
static const uint8_t linux_syn[20] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};

static void options_of_a_syn(void **state)
{
    (void)state;
    struct tcp_opts o;
    uint8_t out[TCP_OPT_MAX];

    assert_true(parse(linux_syn, sizeof(linux_syn), &o));
    assert_true(o.has_mss && o.mss == 1460);
    assert_true(o.sack_ok);
    assert_true(o.has_ts && o.ts_val == 1 && o.ts_ecr == 0);
    assert_true(o.has_ws && o.ws == 7);
    assert_int_equal(o.n_sack, 0);
    assert_int_equal(tcp_opts_len(&o), sizeof(linux_syn));
    assert_int_equal(tcp_opts_build(out, &o), sizeof(linux_syn));
    assert_memory_equal(out, linux_syn, sizeof(linux_syn));
}

static void options_of_data_segments(void **state)
{
    (void)state;
    static const uint8_t ts_sack[] = {1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6, 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};
    struct tcp_opts o;
    uint8_t out[TCP_OPT_MAX];
    uint32_t val, ecr;

    assert_true(parse(ts_sack, sizeof(ts_sack), &o));
    assert_int_equal(o.n_sack, 2);
    assert_int_equal(o.sack[0].start, 1);
    assert_int_equal(o.sack[0].end, 2);
    assert_int_equal(o.sack[1].start, 3);
    assert_int_equal(o.sack[1].end, 4);
    assert_int_equal(tcp_opts_build(out, &o), sizeof(ts_sack));
    assert_memory_equal(out, ts_sack, sizeof(ts_sack));

    assert_true(tcp_opts_parse_ts_only(ts_sack, 12, &val, &ecr));
    assert_int_equal(val, 5);
    assert_int_equal(ecr, 6);
    assert_false(tcp_opts_parse_ts_only(ts_sack, sizeof(ts_sack), &val, &ecr));
    assert_false(tcp_opts_parse_ts_only(ts_sack, 11, &val, &ecr));
    for (size_t i = 0; i < 4; i++) {
        memcpy(out, ts_sack, 12);
        out[i] ^= 1;
        assert_false(tcp_opts_parse_ts_only(out, 12, &val, &ecr));
    }
}

/* Every combination of options: the exact length, a multiple of four, what is parsed is what was built. */
static void every_combination_fits(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 16; bits++) {
        for (uint8_t n = 0; n <= TCP_SACK_BLOCKS_MAX; n++) {
            struct tcp_opts o = {.has_mss = bits & 1, .has_ws = bits & 2, .has_ts = bits & 4, .sack_ok = bits & 8, .n_sack = n}, q;

            o.mss = o.has_mss ? 9000 : 0;
            o.ws = o.has_ws ? 14 : 0;
            o.ts_val = o.has_ts ? 0xdeadbeef : 0;
            o.ts_ecr = o.has_ts ? 0xfeedface : 0;
            for (uint32_t i = 0; i < n; i++)
                o.sack[i] = (struct tcp_sack_block){.start = i * 100 + 1, .end = i * 100 + 51};
            unsigned len = tcp_opts_len(&o);
            uint8_t *p = malloc(len ? len : 1);

            assert_int_equal(len % 4, 0);
            assert_true(len <= TCP_OPT_MAX);
            assert_int_equal(tcp_opts_build(p, &o), len);
            assert_true(parse(p, len, &q));
            free(p);
            unsigned room = (40 - (len - (q.n_sack ? 4u + 8u * q.n_sack : 0)) - 4) / 8;
            assert_int_equal(q.n_sack, n < room ? n : room); /* as many blocks as fit */
            memset(o.sack + q.n_sack, 0, sizeof(o.sack[0]) * (size_t)(TCP_SACK_BLOCKS_MAX - q.n_sack));
            o.n_sack = q.n_sack;
            assert_memory_equal(&o, &q, sizeof(o));
        }
    }
}

static void sack_blocks_that_fit(void **state)
{
    (void)state;
    struct tcp_opts o = {.n_sack = 4};

    assert_int_equal(tcp_opts_len(&o), 36);
    o.has_ts = true;
    assert_int_equal(tcp_opts_len(&o), 40); /* three with timestamps (RFC 2018 section 3) */
    o.n_sack = 200;
    assert_int_equal(tcp_opts_len(&o), 40);
    o.n_sack = 1;
    assert_int_equal(tcp_opts_len(&o), 24);
}

/* RFC 9293 section 3.1: MUST-6 unknown options, MUST-7 illegal lengths, MUST-64 any alignment. */
static void odd_lists(void **state)
{
    (void)state;
    static const struct {
        uint8_t len, bytes[16];
        bool ok;
        uint16_t mss; /* 0: none */
    } t[] = {
        {0, {0}, true, 0},
        {6, {254, 2, 2, 4, 1, 0}, true, 256},
        {8, {253, 4, 9, 9, 2, 4, 1, 0}, true, 256},
        {5, {1, 2, 4, 1, 0}, true, 256},
        {7, {1, 1, 1, 2, 4, 1, 0}, true, 256},
        {6, {0, 0, 2, 4, 1, 0}, true, 0}, /* behind the end of the list */
        {4, {2, 0, 1, 0}, false, 0},      /* length 0 */
        {4, {2, 1, 1, 0}, false, 0},      /* length 1 */
        {4, {2, 5, 1, 0}, false, 0},      /* past the header */
        {3, {2, 4, 1}, false, 0},
        {1, {2}, false, 0},               /* no length byte */
        {5, {2, 4, 1, 0, 8}, false, 256}, /* what came before counts */
        {8, {2, 4, 1, 0, 8, 0, 2, 4}, false, 256},
        {8, {2, 4, 1, 0, 2, 4, 2, 0}, true, 256},    /* the first one counts */
        {9, {2, 5, 1, 0, 0, 2, 4, 1, 0}, true, 256}, /* a length that this option never has: skipped */
        {6, {3, 2, 2, 4, 1, 0}, true, 256},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct tcp_opts o;

        assert_int_equal(parse(t[i].bytes, t[i].len, &o), t[i].ok);
        assert_int_equal(o.has_mss, t[i].mss != 0);
        assert_int_equal(o.mss, t[i].mss);
        assert_false(o.has_ws || o.has_ts || o.sack_ok || o.n_sack);
    }
}

static void window_scale_is_not_judged(void **state)
{
    (void)state;
    static const uint8_t p[] = {3, 3, 255};
    struct tcp_opts o;

    assert_true(parse(p, sizeof(p), &o));
    assert_true(o.has_ws);
    assert_int_equal(o.ws, 255);
}

/* RFC 7413 section 4.1.1: no bytes, or an even number of 4 to 16. */
static void fast_open_cookies(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= 20; n++) {
        bool good = n == 0 || (n >= 4 && n <= 16 && n % 2 == 0);
        uint8_t list[24] = {34, (uint8_t)(n + 2)}, out[TCP_OPT_MAX];
        struct tcp_opts o, again;

        for (unsigned i = 0; i < n; i++)
            list[2 + i] = (uint8_t)(i + 1);
        assert_true(tcp_opts_parse(list, n + 2, &o));
        assert_int_equal(o.has_tfo, good);
        if (!good)
            continue;
        assert_int_equal(o.tfo_len, n);
        assert_memory_equal(o.tfo, list + 2, n);
        o.has_mss = o.has_ts = o.has_ws = o.sack_ok = true;
        o.n_sack = 4; /* no room is left for these when the cookie is long */
        assert_int_equal(tcp_opts_len(&o) % 4, 0);
        assert_true(tcp_opts_len(&o) <= TCP_OPT_MAX);
        assert_int_equal(tcp_opts_build(out, &o), tcp_opts_len(&o));
        assert_true(tcp_opts_parse(out, tcp_opts_len(&o), &again));
        assert_int_equal(again.tfo_len, n);
        assert_memory_equal(again.tfo, o.tfo, n);
    }
}

static void sack_lengths(void **state)
{
    (void)state;
    uint8_t p[40] = {0};

    for (unsigned len = 2; len <= 40; len++) {
        struct tcp_opts o;

        p[0] = 5;
        p[1] = (uint8_t)len;
        assert_true(parse(p, len, &o));
        assert_int_equal(o.n_sack, (len - 2) % 8 == 0 ? (len - 2) / 8 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_round_trip),
        cmocka_unit_test(header_lengths),
        cmocka_unit_test(options_of_a_syn),
        cmocka_unit_test(options_of_data_segments),
        cmocka_unit_test(every_combination_fits),
        cmocka_unit_test(sack_blocks_that_fit),
        cmocka_unit_test(odd_lists),
        cmocka_unit_test(window_scale_is_not_judged),
        cmocka_unit_test(sack_lengths),
        cmocka_unit_test(fast_open_cookies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
