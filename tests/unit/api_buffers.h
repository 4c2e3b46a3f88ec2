/* For tests of buffers through the public calls: a stack, and that every test leaves no buffer and no loan behind. */
#ifndef TESTS_UNIT_API_BUFFERS_H
#define TESTS_UNIT_API_BUFFERS_H

#include "api_fixture.h"

/* White box: pools and counters of the stack behind the calls. */
#include "api/api.h"

static inline int start(void **state)
{
    (void)state;
    api_start("");
    return 0;
}

static inline void polls(unsigned n)
{
    while (n-- > 0)
        assert_true(z_poll() >= 0);
}

static inline uint32_t in_use(void)
{
    return pkt_pools_in_use(&api.core[0]->stack->pools);
}

static inline uint64_t ctr(enum ctr c)
{
    return api.core[0]->stack->ctr.v[c];
}

/* Every test leaves no buffer and no loan behind. */
static inline int setup(void **state)
{
    polls(10);
    *state = (void *)(uintptr_t)in_use();
    return 0;
}

static inline int teardown(void **state)
{
    for (unsigned i = 0; i < 1000 && in_use() != (uint32_t)(uintptr_t)*state; i++)
        polls(10);
    assert_int_equal(in_use(), (uint32_t)(uintptr_t)*state);
    assert_int_equal(api.core[0]->stack->tcp.loan_bytes, 0);
    return 0;
}

/* n bytes of a pattern, received by the copying call. */
static inline void expect_bytes(int fd, size_t n, unsigned start_at)
{
    static uint8_t buf[70000];

    assert_true(n <= sizeof(buf));
    assert_int_equal(ff_recv(fd, buf, n, MSG_WAITALL), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf[i], (uint8_t)((start_at + i) * 13));
}

static inline void fill(void *p, size_t n, unsigned start_at)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)((start_at + i) * 13);
}

/* The next n bytes as one buffer per call. */
static inline void *read_one(int fd, size_t n)
{
    void *b;

    assert_int_equal(z_read(fd, &b, n), n);
    assert_int_equal(z_len(b), n);
    return b;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
