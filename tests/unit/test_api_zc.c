/* Buffers through the public calls: who owns what after each outcome, and that every buffer comes back. */
#include "api_buffers.h"

#include <sys/mman.h>

static void test_alloc(void **state)
{
    static const size_t sizes[] = {1, 100, 2048, 2049, 9216, 9217, Z_BUF_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct z_buf *b = z_alloc(sizes[i]);

        assert_non_null(b);
        assert_int_equal(z_len(b), sizes[i]);
        assert_int_equal(z_chain_len(b), sizes[i]);
        assert_null(z_next(b));
        memset(z_data(b), 1, sizes[i]);
        z_free(b);
    }
    errno = 0;
    assert_null(z_alloc(0));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(z_alloc(Z_BUF_MAX + 1));
    assert_int_equal(errno, EINVAL);
    z_free(NULL);
}

static void test_alloc_exhausted(void **state)
{
    struct z_buf *b[32];
    unsigned n = 0;

    (void)state;
    while (n < 32 && (b[n] = z_alloc(Z_BUF_MAX)) != NULL)
        n++;
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(n, 16); /* app_buffers_64k */
    while (n > 0)
        z_free(b[--n]);
}

static void test_cut_and_share(void **state)
{
    struct z_buf *b = z_alloc(100);
    uint8_t *p = z_data(b);

    (void)state;
    assert_errno(z_trim(b, 101), EINVAL);
    assert_errno(z_adj(b, 101), EINVAL);
    assert_int_equal(z_trim(b, 10), 0);
    assert_int_equal(z_adj(b, 20), 0);
    assert_int_equal(z_len(b), 70);
    assert_ptr_equal(z_data(b), p + 20);
    assert_ptr_equal(z_ref(b), b);
    assert_errno(z_trim(b, 1), EBUSY);
    assert_errno(z_adj(b, 1), EBUSY);
    z_free(b);
    assert_int_equal(z_trim(b, 1), 0);
    z_free(b);
}

static void test_append(void **state)
{
    static uint8_t outside[100];
    struct z_buf *b = z_alloc(100), *wrapped = z_wrap(outside, 100, NULL, NULL);
    uint8_t *p = z_data(b), *end = z_append(b, 50);
    size_t room;

    (void)state;
    assert_ptr_equal(end, p + 100);
    assert_int_equal(z_len(b), 150);
    assert_non_null(z_append(b, 0));
    assert_ptr_equal(z_ref(b), b);
    assert_null(z_append(b, 1));
    assert_int_equal(errno, EBUSY);
    z_free(b);
    room = rte_pktmbuf_tailroom(z_buf_mbuf(b));
    assert_null(z_append(b, room + 1));
    assert_int_equal(errno, ENOBUFS);
    assert_null(z_append(b, SIZE_MAX));
    assert_int_equal(errno, ENOBUFS);
    assert_null(z_append(NULL, 1));
    assert_int_equal(errno, EINVAL);
    assert_errno(z_trim(NULL, 1), EINVAL);
    assert_errno(z_adj(NULL, 1), EINVAL);
    assert_int_equal(z_len(b), 150);
    assert_ptr_equal(z_append(b, room), p + 150);
    assert_null(z_append(b, 1));
    z_free(b);
    assert_int_equal(z_trim(wrapped, 10), 0);
    assert_null(z_append(wrapped, 10));
    assert_int_equal(errno, EBUSY);
    z_free(wrapped);
}

static void test_make_writable(void **state)
{
    struct z_buf *b = z_alloc(100), *w;
    uint64_t copied = ctr(CTR_COPY_WRITABLE);

    (void)state;
    fill(z_data(b), 100, 0);
    assert_ptr_equal(z_make_writable(b), b);
    assert_int_equal(ctr(CTR_COPY_WRITABLE), copied);
    z_ref(b);
    w = z_make_writable(b); /* takes one of the two handles */
    assert_ptr_not_equal(w, b);
    assert_int_equal(ctr(CTR_COPY_WRITABLE), copied + 100);
    assert_memory_equal(z_data(w), z_data(b), 100);
    assert_ptr_equal(z_make_writable(b), b);
    z_free(w);
    z_free(b);
    errno = 0;
    assert_null(z_make_writable(NULL));
    assert_int_equal(errno, EINVAL);
}

static void test_write_contract(void **state)
{
    int p[2];
    struct z_buf *b = z_alloc(1000), *chain = z_alloc(10), *vec[2];
    void *none;

    (void)state;
    fill(z_data(b), 1000, 0);
    api_pair(p);
    assert_errno(z_write(p[0], NULL, 1), EFAULT);
    assert_errno(z_write(p[0], b, 0), EINVAL);
    assert_errno(z_write(p[0], b, 999), EINVAL);
    assert_errno(z_write(p[0], b, 1001), EINVAL);
    assert_int_equal(z_write(p[0], b, 1000), 1000);
    expect_bytes(p[1], 1000, 0);

    vec[0] = chain;
    vec[1] = z_alloc(20);
    fill(z_data(vec[0]), 10, 0);
    fill(z_data(vec[1]), 20, 10);
    assert_errno(z_writev(p[0], vec, 0), EINVAL);
    assert_errno(z_writev(p[0], NULL, 1), EFAULT);
    assert_int_equal(z_writev(p[0], vec, 2), 2);
    expect_bytes(p[1], 30, 0);

    assert_errno(z_read(p[1], NULL, 1), EFAULT);
    assert_errno(z_read(p[1], &none, 0), EINVAL);
    api_nonblock(p[1], 1);
    none = p;
    assert_errno(z_read(p[1], &none, 1), EAGAIN);
    assert_null(none);

    b = z_alloc(5);
    assert_int_equal(ff_shutdown(p[0], SHUT_WR), 0);
    assert_errno(z_write(p[0], b, 5), EPIPE); /* still ours */
    polls(5);
    none = p;
    assert_int_equal(z_read(p[1], &none, 1), 0);
    assert_null(none);
    assert_int_equal(z_write(p[1], b, 5), 5);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* A z_write is refused exactly when the queue is at its limit, and the buffer stays ours. */
static void test_write_until_full(void **state)
{
    int p[2], taken = 0, size = 16384;
    struct z_buf *b = NULL;

    (void)state;
    api_pair(p);
    api_nonblock(p[0], 1);
    assert_int_equal(ff_setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    for (;;) {
        b = z_alloc(2000);
        assert_non_null(b);
        fill(z_data(b), 2000, (unsigned)taken * 2000);
        if (z_write(p[0], b, 2000) < 0)
            break;
        taken++;
        assert_true(taken < 300);
    }
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(z_len(b), 2000);
    for (int i = 0; i < taken; i++)
        expect_bytes(p[1], 2000, (unsigned)i * 2000);
    polls(10);
    assert_int_equal(z_write(p[0], b, 2000), 2000);
    expect_bytes(p[1], 2000, (unsigned)taken * 2000);
    ff_close(p[0]);
    ff_close(p[1]);
}

static void test_blocking_write(void **state)
{
    int p[2], size = 16384;
    struct timeval tv = {0, 20000};
    struct z_buf *b;

    (void)state;
    api_pair(p);
    assert_int_equal(ff_setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
    for (;;) {
        uint64_t t0 = api_now_ms();

        b = z_alloc(2000);
        assert_non_null(b);
        if (z_write(p[0], b, 2000) == 2000)
            continue;
        assert_int_equal(errno, EAGAIN);
        assert_true(api_now_ms() - t0 >= 19);
        break;
    }
    z_free(b);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* What was received goes out as it is, to the connection it came from and to others. */
static void test_forward(void **state)
{
    int p[2], q[2];
    uint64_t api_copies;
    struct z_buf *b = z_alloc(1400);

    (void)state;
    api_pair(p);
    api_pair(q);
    fill(z_data(b), 1400, 5);
    assert_int_equal(z_write(p[0], b, 1400), 1400);
    api_copies = ctr(CTR_COPY_API);
    b = read_one(p[1], 1400);
    assert_true(api.core[0]->stack->tcp.loan_bytes >= 1400);
    z_ref(b);
    z_ref(b);
    assert_int_equal(z_write(p[1], b, 1400), 1400);
    assert_int_equal(z_write(q[0], b, 1400), 1400);
    assert_int_equal(z_write(q[0], b, 1400), 1400);
    assert_int_equal(api.core[0]->stack->tcp.loan_bytes, 0); /* the loan ended with the first acceptance */
    assert_int_equal(ctr(CTR_COPY_API), api_copies);
    expect_bytes(p[0], 1400, 5);
    expect_bytes(q[1], 1400, 5);
    expect_bytes(q[1], 1400, 5);
    for (int i = 0; i < 2; i++) {
        ff_close(p[i]);
        ff_close(q[i]);
    }
}

static void test_split_read(void **state)
{
    int p[2];
    struct z_buf *a, *b, *w;
    struct z_buf *v[4];

    (void)state;
    api_pair(p);
    w = z_alloc(1000);
    fill(z_data(w), 1000, 0);
    assert_int_equal(z_write(p[0], w, 1000), 1000);
    a = read_one(p[1], 300);
    b = read_one(p[1], 700);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(((uint8_t *)z_data(a))[i], (uint8_t)(i * 13));
    /* writing to one part must not reach the other */
    w = z_make_writable(a);
    memset(z_data(w), 0xff, 300);
    for (size_t i = 0; i < 700; i++)
        assert_int_equal(((uint8_t *)z_data(b))[i], (uint8_t)((300 + i) * 13));
    z_free(w);
    z_free(b);

    assert_int_equal(ff_write(p[0], "abc", 3), 3);
    assert_int_equal(z_readv(p[1], v, 4), 1);
    assert_memory_equal(z_data(v[0]), "abc", 3);
    z_free(v[0]);
    assert_errno(z_readv(p[1], v, 0), EINVAL);
    assert_errno(z_readv(p[1], NULL, 1), EFAULT);
    ff_close(p[0]);
    assert_int_equal(z_readv(p[1], v, 4), 0);
    ff_close(p[1]);
}

static struct {
    unsigned calls, flags;
    void *arg;
} released;

static void on_release(void *arg, unsigned flags)
{
    released.calls++;
    released.flags = flags;
    released.arg = arg;
}

static void test_wrap(void **state)
{
    static uint8_t page[200000] __attribute__((aligned(4096)));
    struct z_buf *b;
    int p[2];

    (void)state;
    memset(&released, 0, sizeof(released));
    fill(page, sizeof(page), 0);
    assert_errno(z_register(NULL, 1), EINVAL);
    assert_errno(z_register(page, 0), EINVAL);
    assert_int_equal(z_register(page, sizeof(page)), 0);
    errno = 0;
    assert_null(z_wrap(NULL, 1, on_release, NULL));
    assert_int_equal(errno, EINVAL);
    assert_null(z_wrap(page, 0, on_release, NULL));

    b = z_wrap(page, 5000, on_release, &page); /* given up unsent */
    assert_ptr_equal(z_data(b), page);
    z_free(b);
    assert_int_equal(released.calls, 0); /* not inside the call */
    polls(1);
    assert_int_equal(released.calls, 1);
    assert_ptr_equal(released.arg, &page);

    api_pair(p);
    b = z_wrap(page, sizeof(page), on_release, p); /* a chain */
    assert_non_null(z_next(b));
    assert_int_equal(z_chain_len(b), sizeof(page));
    assert_int_equal(z_write(p[0], b, sizeof(page)), sizeof(page));
    for (unsigned at = 0; at < sizeof(page); at += 20000)
        expect_bytes(p[1], 20000, at);
    polls(20);
    assert_int_equal(released.calls, 2);
    assert_ptr_equal(released.arg, p);
    assert_int_equal(released.flags, Z_REL_ACKED);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* Bytes that somebody else has, too, are not followed by others: on this path the sender has what is received. */
static void test_append_to_shared(void **state)
{
    struct z_buf *b = z_alloc(100);
    void *part, *rest;
    int p[2];

    (void)state;
    api_pair(p);
    assert_int_equal(z_write(p[0], b, 100), 100);
    polls(2);
    assert_int_equal(z_read(p[1], &part, 40), 40);
    assert_null(z_append(part, 1));
    assert_int_equal(errno, EBUSY);
    assert_int_equal(z_read(p[1], &rest, 100), 60);
    assert_null(z_append(rest, 1));
    assert_int_equal(errno, EBUSY);
    b = z_make_writable(rest);
    assert_non_null(z_append(b, 400));
    assert_int_equal(z_len(b), 460);
    z_free(part);
    z_free(b);
    ff_close(p[0]);
    ff_close(p[1]);
}

static void *free_elsewhere(void *arg)
{
    z_free(arg);
    return NULL;
}

static void test_free_on_another_thread(void **state)
{
    pthread_t t;
    int p[2];
    struct z_buf *b = z_alloc(1000);

    (void)state;
    api_pair(p);
    assert_int_equal(z_write(p[0], b, 1000), 1000);
    b = read_one(p[1], 1000);
    assert_int_equal(pthread_create(&t, NULL, free_elsewhere, b), 0);
    assert_int_equal(pthread_join(t, NULL), 0); /* does not wait for a poll */
    assert_true(api.core[0]->stack->tcp.loan_bytes > 0);
    polls(1);
    assert_int_equal(api.core[0]->stack->tcp.loan_bytes, 0);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* A loan of which nothing is left ends with the chain that it is in, as any other. */
static void test_empty_loan(void **state)
{
    struct z_buf *body;
    void *a, *b;
    int p[2];

    (void)state;
    api_pair(p);
    for (int i = 0; i < 2; i++) {
        body = z_alloc(500);
        fill(z_data(body), 500, 0);
        assert_int_equal(z_write(p[0], body, 500), 500);
    }
    a = read_one(p[1], 500);
    b = read_one(p[1], 500);
    assert_int_equal(z_trim(a, 500), 0);
    assert_ptr_equal(ff_mbuf_get(a, b, z_data(b), 500), b);
    assert_int_equal(z_write(p[1], a, 500), 500);
    assert_int_equal(api.core[0]->stack->tcp.loan_bytes, 0);
    expect_bytes(p[0], 500, 0);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* A write that is refused leaves the buffer as it was: loans, a copy that was handed out, the mark of a detached one. */
static void test_refused_write(void **state)
{
    void *piece[80];
    struct rte_mbuf *rte;
    uint64_t lent;
    int p[2];

    (void)state;
    api_pair(p);
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(ff_write(p[0], "abcd", 4), 4);
    for (unsigned i = 0; i < 80; i++) {
        piece[i] = read_one(p[1], 2);
        z_free(read_one(p[1], 2));
        if (i > 0)
            z_buf_mbuf(piece[i - 1])->next = piece[i];
    }
    assert_int_equal(ff_shutdown(p[1], SHUT_WR), 0);
    lent = api.core[0]->stack->tcp.loan_bytes;
    rte = ff_rte_frm_extcl(piece[1]);
    assert_ptr_not_equal(rte, piece[1]);
    assert_errno(z_write(p[1], piece[0], 160), EPIPE);
    assert_int_equal(api.core[0]->stack->tcp.loan_bytes, lent);
    assert_ptr_equal(ff_rte_frm_extcl(piece[1]), rte);
    assert_memory_equal(rte_pktmbuf_mtod(rte, void *), "ab", 2);
    z_buf_mbuf(piece[78])->next = NULL;
    z_free(piece[0]);

    ff_mbuf_detach_rte(piece[79]);
    assert_errno(z_write(p[1], piece[79], 2), EPIPE);
    ff_mbuf_free(piece[79]); /* only forgets it */
    rte_pktmbuf_free(piece[79]);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* The last step of an exit lets go of what was not delivered, whether or not the peer answers the reset. */
static void test_reset_all(void **state)
{
    static char data[3000000];
    struct z_buf *b;
    int p[2];

    (void)state;
    memset(&released, 0, sizeof(released));
    api_pair(p);
    b = z_wrap(data, sizeof(data), on_release, NULL);
    assert_int_equal(z_write(p[0], b, sizeof(data)), sizeof(data));
    polls(20);
    tcp_close_all(api.core[0]->stack);
    tcp_reset_all(api.core[0]->stack);
    assert_int_equal(tcp_snd_queued(sock_get(api.core[0]->stack, p[0])->tcp), 0);
    ff_close(p[0]);
    ff_close(p[1]);
    polls(20);
    assert_int_equal(released.calls, 1);
    assert_int_equal(released.flags, Z_REL_ABORTED);
}

static struct rte_mbuf *tiny(struct rte_mempool *pool)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

    assert_non_null(m);
    m->data_off = 0;
    m->data_len = 1;
    return m;
}

/* Many tiny pieces: a chain that never fits is told so, and a queue that is full by number is full, not out of memory. */
static void test_many_pieces(void **state)
{
    struct rte_mempool *pool = rte_pktmbuf_pool_create("many_pieces", 40000, 0, 0, 16, SOCKET_ID_ANY);
    struct rte_mbuf *head = NULL, *m = NULL;
    int p[2], size = 64 << 20;
    struct pollfd pf;
    unsigned n = 0;

    (void)state;
    assert_non_null(pool);
    api_pair(p);
    api_nonblock(p[0], 1);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    for (unsigned i = 0; i < 16385; i++) {
        m = tiny(pool);
        m->next = head;
        head = m;
    }
    assert_errno(z_write(p[0], z_buf_from_mbuf(head), 16385), EMSGSIZE);
    m = head->next;
    head->next = NULL;
    rte_pktmbuf_free_seg(head);
    head = m; /* 16 384 */
    for (;;) {
        m = tiny(pool);
        if (z_write(p[0], z_buf_from_mbuf(m), 1) != 1)
            break;
        if (++n == 16000) { /* there is room: taken whole */
            assert_int_equal(z_write(p[0], z_buf_from_mbuf(head), 16384), 16384);
            head = NULL;
        }
        assert_true(n < 20000);
    }
    assert_int_equal(errno, EAGAIN);
    assert_null(head);
    pf = (struct pollfd){.fd = p[0], .events = POLLOUT};
    assert_int_equal(ff_poll(&pf, 1, 0), 0);
    z_free(z_buf_from_mbuf(m));
    ff_close(p[0]);
    ff_close(p[1]);
    for (unsigned i = 0; i < 100 && rte_mempool_in_use_count(pool) != 0; i++)
        polls(10);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    rte_mempool_free(pool);
}

/* No mbuf for the second reference of a read that cuts: the bytes come in a copy. */
static void test_no_indirect(void **state)
{
    struct rte_mbuf *all[2048];
    unsigned n = 0;
    struct z_buf *b;
    int p[2];

    (void)state;
    api_pair(p);
    assert_int_equal(ff_write(p[0], "abcd", 4), 4);
    polls(5);
    while (n < 2048 && (all[n] = rte_pktmbuf_alloc(api.core[0]->stack->pools.ind)) != NULL)
        n++;
    b = read_one(p[1], 2);
    assert_memory_equal(z_data(b), "ab", 2);
    z_free(b);
    while (n > 0)
        rte_pktmbuf_free(all[--n]);
    b = read_one(p[1], 2);
    assert_memory_equal(z_data(b), "cd", 2);
    z_free(b);
    ff_close(p[0]);
    ff_close(p[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_alloc),
        T(test_alloc_exhausted),
        T(test_cut_and_share),
        T(test_append),
        T(test_append_to_shared),
        T(test_make_writable),
        T(test_write_contract),
        T(test_write_until_full),
        T(test_blocking_write),
        T(test_forward),
        T(test_split_read),
        T(test_wrap),
        T(test_free_on_another_thread),
        T(test_empty_loan),
        T(test_refused_write),
        T(test_many_pieces),
        T(test_no_indirect),
        T(test_reset_all),
    };

    return cmocka_run_group_tests_name("api_zc", tests, start, NULL);
}
