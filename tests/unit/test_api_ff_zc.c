/* Buffers by the names that others gave the calls: the paper's and F-Stack's (ff_zc.h). */
#include "api_buffers.h"

/* The paper's second listing, and its example's sequence that turns the request into the reply. */
static void test_paper_names(void **state)
{
    struct rte_mempool *pool = pktmbuf_pool[lcore_conf.socket_id];
    struct rte_mbuf *rte_mb = rte_pktmbuf_alloc(pool), *rte;
    void *mb, *next, *data;
    unsigned len;
    char out[16];
    int p[2];

    (void)state;
    api_pair(p);
    memcpy(rte_pktmbuf_mtod(rte_mb, char *), "listing two", 11);
    rte_mb->data_len = 11;
    rte_mb->pkt_len = 11;
    mb = ff_mbuf_get(NULL, rte_mb, rte_pktmbuf_mtod(rte_mb, void *), rte_mb->data_len);
    assert_non_null(mb);
    assert_int_equal(z_write(p[0], mb, rte_mb->data_len), 11);

    assert_int_equal(z_read(p[1], &mb, 4096), 11);
    assert_memory_equal(ff_mbuf_mtod(mb), "listing two", 11);
    assert_int_equal(ff_mbuf_copydata(mb, out, 8, 3), 0);
    assert_memory_equal(out, "two", 3);
    assert_errno(ff_mbuf_copydata(mb, out, 8, 4), EINVAL);
    next = mb;
    assert_int_equal(ff_next_mbuf(&next, &data, &len), 0);
    assert_ptr_equal(data, ff_mbuf_mtod(mb));
    assert_int_equal(len, 11);
    assert_null(next);
    assert_int_equal(ff_next_mbuf(&next, &data, &len), -1);

    rte = ff_rte_frm_extcl(mb);
    assert_non_null(rte);
    ff_mbuf_detach_rte(mb);
    ff_mbuf_free(mb);
    rte_pktmbuf_reset(rte);
    data = rte_pktmbuf_mtod(rte, void *);
    memcpy(data, "reply", 5);
    rte->data_len = 5;
    rte->pkt_len = 5;
    mb = ff_mbuf_get(NULL, rte, data, 5);
    assert_int_equal(z_write(p[1], mb, 5), 5);
    assert_int_equal(ff_recv(p[0], out, 5, MSG_WAITALL), 5);
    assert_memory_equal(out, "reply", 5);

    errno = 0;
    rte = rte_pktmbuf_alloc(pool);
    assert_null(ff_mbuf_get(NULL, rte, (char *)rte->buf_addr - 1, 5));
    assert_int_equal(errno, EINVAL);
    assert_null(ff_mbuf_get(NULL, rte, (char *)rte->buf_addr + rte->buf_len - 4, 5));
    assert_null(ff_mbuf_get(NULL, NULL, out, 5));
    rte_pktmbuf_free(rte);
    assert_null(ff_mbuf_mtod(NULL));
    assert_null(ff_rte_frm_extcl(NULL));
    ff_mbuf_free(NULL);
    ff_mbuf_detach_rte(NULL);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* Where the bytes are shared, ff_rte_frm_extcl gives a copy, and nothing leaks whether it is detached or not. */
static void test_paper_names_shared(void **state)
{
    int p[2];
    uint64_t copied = ctr(CTR_COPY_WRITABLE);

    (void)state;
    api_pair(p);
    for (int detach = 0; detach < 3; detach++) {
        struct z_buf *w = z_alloc(1000), *a, *b;
        struct rte_mbuf *rte;

        fill(z_data(w), 1000, 0);
        assert_int_equal(z_write(p[0], w, 1000), 1000);
        a = read_one(p[1], 400);
        b = read_one(p[1], 600);
        rte = ff_rte_frm_extcl(a);
        assert_ptr_not_equal(rte, a);
        assert_ptr_equal(ff_rte_frm_extcl(a), rte);
        assert_true(pkt_sole_owner(rte));
        assert_memory_equal(rte_pktmbuf_mtod(rte, void *), z_data(a), 400);
        copied += 400;
        assert_int_equal(ctr(CTR_COPY_WRITABLE), copied);
        if (detach == 1) {
            ff_mbuf_detach_rte(a);
            ff_mbuf_free(a);
            rte_pktmbuf_free(rte);
        } else if (detach == 0) {
            ff_mbuf_free(a); /* and the copy with it */
        } else {
            assert_int_equal(z_write(p[1], a, 400), 400);
            expect_bytes(p[0], 400, 0);
        }
        ff_mbuf_free(b);
        polls(5);
    }
    ff_close(p[0]);
    ff_close(p[1]);
}

static void test_chain_of_mbufs(void **state)
{
    struct rte_mbuf *m[3];
    void *head = NULL, *prev = NULL;
    int p[2];

    (void)state;
    api_pair(p);
    for (unsigned i = 0; i < 3; i++) {
        m[i] = rte_pktmbuf_alloc(pktmbuf_pool[0]);
        fill(rte_pktmbuf_mtod(m[i], void *), 500, i * 500);
        prev = ff_mbuf_get(prev, m[i], rte_pktmbuf_mtod(m[i], void *), 500);
        if (head == NULL)
            head = prev;
    }
    assert_int_equal(z_chain_len(head), 1500);
    assert_errno(z_write(p[0], head, 500), EINVAL);
    assert_int_equal(z_write(p[0], head, 1500), 1500);
    expect_bytes(p[1], 1500, 0);
    ff_close(p[0]);
    ff_close(p[1]);
}

static void test_fstack_zero_copy(void **state)
{
    struct ff_zc_mbuf zm, rm;
    char text[3000], out[3000];
    void *seg;
    int p[2], len, total = 0;

    (void)state;
    fill(text, sizeof(text), 0);
    api_pair(p);
    assert_errno(ff_zc_mbuf_get(NULL, 1), EINVAL);
    assert_errno(ff_zc_mbuf_get(&zm, 0), EINVAL);
    assert_int_equal(ff_zc_mbuf_get(&zm, 3000), 0);
    assert_int_equal(ff_zc_mbuf_write(&zm, text, 1000), 1000);
    assert_int_equal(ff_zc_mbuf_write(&zm, text + 1000, 2000), 2000);
    assert_errno(ff_zc_mbuf_write(&zm, text, 1), EINVAL);
    assert_errno(ff_write(p[0], zm.bsd_mbuf, 3001), EINVAL);
    assert_errno(ff_write(-1, zm.bsd_mbuf, 3000), EBADF); /* still ours */
    assert_int_equal(ff_write(p[0], zm.bsd_mbuf, 3000), 3000);
    assert_errno(ff_write(p[0], zm.bsd_mbuf, 3000), EINVAL); /* gone */
    assert_errno(ff_zc_mbuf_write(&zm, text, 1), EINVAL);
    polls(5);

    assert_int_equal(ff_zc_recv(p[1], &rm, 2500), 2500);
    assert_int_equal(rm.len, 2500);
    assert_int_equal(ff_zc_mbuf_read(&rm, out, 100), 100);
    assert_memory_equal(out, text, 100);
    while (ff_zc_mbuf_segment(&rm, &seg, &len) == 1) {
        assert_memory_equal(seg, text + 100 + total, (size_t)len);
        total += len;
    }
    assert_int_equal(total, 2400);
    assert_int_equal(ff_zc_mbuf_read(&rm, out, 1), 0);
    assert_int_equal(ff_zc_send(p[1], rm.bsd_mbuf, 2000), 2000); /* forwarded, cut */
    expect_bytes(p[0], 2000, 0);
    assert_int_equal(ff_zc_recv(p[1], &rm, 10000), 500);
    ff_zc_recv_free(&rm);
    ff_zc_recv_free(&rm);
    ff_zc_recv_free(NULL);
    assert_int_equal(ff_zc_mbuf_get(&zm, 200000), 0); /* given up unsent */
    ff_zc_recv_free(&zm);
    ff_close(p[0]);
    assert_int_equal(ff_zc_recv(p[1], &rm, 10), 0);
    assert_null(rm.bsd_mbuf);
    ff_close(p[1]);
}

/* Sending a part cuts the rest off only when the part was taken. */
static void test_fstack_refused(void **state)
{
    struct ff_zc_mbuf zm;
    static char text[70000];
    int p[2];

    (void)state;
    fill(text, sizeof(text), 0);
    api_pair(p);
    assert_int_equal(ff_zc_mbuf_get(&zm, sizeof(text)), 0);
    assert_int_equal(ff_zc_mbuf_write(&zm, text, sizeof(text)), sizeof(text));
    assert_errno(ff_write(-1, zm.bsd_mbuf, 1000), EBADF);
    assert_int_equal(ff_write(p[0], zm.bsd_mbuf, sizeof(text)), sizeof(text));
    expect_bytes(p[1], sizeof(text), 0);
    ff_close(p[0]);
    ff_close(p[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_paper_names), T(test_paper_names_shared), T(test_chain_of_mbufs), T(test_fstack_zero_copy), T(test_fstack_refused),
    };

    return cmocka_run_group_tests_name("api_ff_zc", tests, start, NULL);
}
