/* Buffers of the application: made, cut, shared, freed. No sockets here. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "api/zc.h"
#include "buf/wrap.h"

#include "base/poison.h"

_Static_assert(Z_BUF_MAX == PKT_BUF_MAX, "the public limit is the stack's");

struct z_buf *z_alloc(size_t len)
{
    struct z_stack *s = api_any_stack();
    struct rte_mbuf *m;

    if (s == NULL) {
        errno = EBADF;
        return NULL;
    }
    if (len == 0 || len > PKT_BUF_MAX) {
        errno = EINVAL;
        return NULL;
    }
    m = pkt_alloc_app(s, (uint32_t)len);
    if (unlikely(m == NULL)) {
        errno = ENOMEM;
        return NULL;
    }
    m->data_len = (uint16_t)len;
    m->pkt_len = (uint32_t)len;
    return zc_handle(m);
}

/* wrapping ----------------------------------------------------------------------------------------------------- */

struct wrap_op {
    struct api_op op;
    void *p, *arg;
    size_t len;
    void (*release)(void *, unsigned);
    struct rte_mbuf *m;
};

static int64_t do_wrap(struct z_stack *s, struct api_op *op)
{
    struct wrap_op *a = (struct wrap_op *)op;
    int err = 0;

    a->m = wrap_create(s, a->p, a->len, a->release, a->arg, &err);
    return a->m != NULL ? 0 : err;
}

struct z_buf *z_wrap(void *p, size_t len, void (*release)(void *arg, unsigned flags), void *arg)
{
    struct wrap_op a = {.p = p, .len = len, .release = release, .arg = arg};

    return api_ret(api_call(&a.op, do_wrap)) == 0 ? zc_handle(a.m) : NULL;
}

/* Under IOVA=PA a device reaches a page only where EAL can find its physical address, and pages must not move. */
static bool has_physical_addresses(const char *p, size_t len, size_t page)
{
    for (size_t off = 0; off < len; off += page)
        if (rte_mem_virt2iova(p + off) == RTE_BAD_IOVA)
            return false;
    return true;
}

/* Every device that maps memory for itself gets this. Virtual devices do not, and say ENOTSUP. */
static int dma_map(struct z_stack *s, void *p, size_t len)
{
    for (unsigned i = 0; i < s->n_netifs; i++) {
        struct port *port = s->netif[i]->port;
        int err =
            s->netif[i]->parent == NULL && port->ops->dma_map != NULL ? port->ops->dma_map(port, p, rte_mem_virt2iova(p), len) : -ENOTSUP;

        if (err != 0 && err != -ENOTSUP)
            return err;
    }
    return 0;
}

int z_register(void *p, size_t len)
{
    int err;

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)p & ~(page - 1), end = ((uintptr_t)p + len + page - 1) & ~(page - 1);

    if (api_get_state() != API_RUNNING)
        return (int)api_ret(-EBADF);
    if (p == NULL || len == 0 || end <= first)
        return (int)api_ret(-EINVAL);
    if (rte_eal_iova_mode() != RTE_IOVA_VA && !has_physical_addresses(p, len, page))
        return (int)api_ret(-ENOTSUP);
    if (rte_extmem_register((void *)first, end - first, NULL, 0, page) != 0 && rte_errno != EEXIST)
        return (int)api_ret(-rte_errno);
    err = dma_map(api.core[0]->stack, (void *)first, end - first);
    if (err != 0)
        rte_extmem_unregister((void *)first, end - first);
    return (int)api_ret(err);
}

/* looking and cutting ------------------------------------------------------------------------------------------ */

void *z_data(struct z_buf *b)
{
    return pkt_data(zc_mbuf(b));
}

size_t z_len(const struct z_buf *b)
{
    return ((const struct rte_mbuf *)(const void *)b)->data_len;
}

size_t z_chain_len(const struct z_buf *b)
{
    size_t n = 0;

    for (const struct rte_mbuf *m = (const void *)b; m != NULL; m = m->next)
        n += m->data_len;
    return n;
}

struct z_buf *z_next(struct z_buf *b)
{
    return zc_handle(zc_mbuf(b)->next);
}

static int may_cut(struct rte_mbuf *m, size_t n)
{
    if (zc_hands_off())
        return -EBADF;
    if (m == NULL)
        return -EINVAL;
    if (pkt_is_shared(m))
        return -EBUSY;
    return n > m->data_len ? -EINVAL : 0;
}

int z_trim(struct z_buf *b, size_t n)
{
    struct rte_mbuf *m = zc_mbuf(b);
    int err = may_cut(m, n);

    if (err == 0)
        m->data_len = (uint16_t)(m->data_len - n);
    return (int)api_ret(err);
}

int z_adj(struct z_buf *b, size_t n)
{
    struct rte_mbuf *m = zc_mbuf(b);
    int err = may_cut(m, n);

    if (err == 0) {
        m->data_off = (uint16_t)(m->data_off + n);
        m->data_len = (uint16_t)(m->data_len - n);
    }
    return (int)api_ret(err);
}

static int may_append(struct rte_mbuf *m, size_t n)
{
    if (zc_hands_off())
        return -EBADF;
    if (m == NULL)
        return -EINVAL;
    if (!pkt_sole_owner(m))
        return -EBUSY;
    return n > rte_pktmbuf_tailroom(m) ? -ENOBUFS : 0;
}

void *z_append(struct z_buf *b, size_t n)
{
    struct rte_mbuf *m = zc_mbuf(b);
    int err = may_append(m, n);
    char *end;

    if (err != 0) {
        errno = -err;
        return NULL;
    }
    end = (char *)pkt_data(m) + m->data_len;
    m->data_len = (uint16_t)(m->data_len + n);
    return end;
}

size_t zc_seal(struct rte_mbuf *m)
{
    size_t len = 0;
    uint32_t segs = 0;

    for (struct rte_mbuf *p = m; p != NULL; p = p->next) {
        len += p->data_len;
        segs++;
    }
    m->pkt_len = (uint32_t)len;
    m->nb_segs = (uint16_t)segs;
    return len;
}

struct rte_mbuf *z_buf_mbuf(struct z_buf *b)
{
    return zc_mbuf(b);
}

struct z_buf *z_buf_from_mbuf(struct rte_mbuf *m)
{
    for (struct rte_mbuf *p = m; p != NULL && !zc_hands_off(); p = p->next)
        pkt_meta(p)->flags = 0;
    return zc_handle(m);
}

/* sharing and freeing ------------------------------------------------------------------------------------------ */

struct z_buf *z_ref(struct z_buf *b)
{
    if (zc_hands_off()) {
        errno = EBADF;
        return NULL;
    }
    for (struct rte_mbuf *m = zc_mbuf(b); m != NULL; m = m->next)
        pkt_ref(m);
    return b;
}

void zc_set_copy(struct rte_mbuf *m, struct rte_mbuf *copy)
{
    m->tx_offload = (uint64_t)(uintptr_t)copy;
    pkt_meta(m)->flags |= PKT_F_COPIED;
}

struct rte_mbuf *zc_take_copy(struct rte_mbuf *m)
{
    struct rte_mbuf *copy = zc_copy_of(m);

    if (copy != NULL) {
        pkt_meta(m)->flags &= (uint16_t)~PKT_F_COPIED;
        m->tx_offload = 0;
    }
    return copy;
}

void zc_leave_application(struct z_stack *s, struct rte_mbuf *m)
{
    for (; m != NULL; m = m->next) {
        struct rte_mbuf *copy = zc_take_copy(m);

        if (copy != NULL)
            pkt_unref(copy);
        pkt_meta(m)->flags &= (uint16_t)~PKT_F_DETACHED;
        if ((pkt_meta(m)->flags & PKT_F_LOAN) != 0)
            zc_loan_return(s, m);
    }
}

/*
 * Loans are counted by their owner alone: a loan freed by another thread goes there whatever its number of holders, so
 * that the last holder is seen by one thread.
 */
void zc_free_piece(struct rte_mbuf *m)
{
    struct rte_mbuf *copy = zc_take_copy(m);

    if (copy != NULL)
        pkt_unref(copy);
    if ((zc_flags(m) & PKT_F_LOAN) != 0) {
        if (!zc_is_lender(m)) {
            zc_return_put(m);
            return;
        }
        if (!pkt_is_shared(m))
            zc_loan_return(api_here->stack, m);
    }
    pkt_unref(m);
}

/* When there is no owner any more whose turn it would be, memory comes back on the thread that lets go of it. */
static void release_after_the_end(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    if (likely(api_get_state() != API_STOPPED) || pthread_mutex_trylock(&lock) != 0)
        return; /* a callback that frees more, or another thread: who has the lock goes on until there is nothing left */
    for (unsigned i = 0; i < api.n_cores; i++)
        while (release_run(api.core[i]->stack) != 0)
            ;
    pthread_mutex_unlock(&lock);
}

void z_free(struct z_buf *b)
{
    struct rte_mbuf *m = zc_mbuf(b);

    if (zc_hands_off())
        return;
    while (m != NULL) {
        struct rte_mbuf *next = m->next;

        zc_free_piece(m);
        m = next;
    }
    release_after_the_end();
}

/* copying ------------------------------------------------------------------------------------------------------ */

struct rte_mbuf *zc_copy_piece(struct rte_mbuf *m)
{
    struct z_stack *s = api_any_stack();
    struct rte_mbuf *copy = s != NULL ? pkt_alloc_app(s, m->data_len) : NULL;

    if (copy == NULL)
        return NULL;
    memcpy(pkt_data(copy), pkt_data(m), m->data_len);
    copy->data_len = m->data_len;
    copy->pkt_len = m->data_len;
    __atomic_fetch_add(&s->ctr.v[CTR_COPY_WRITABLE], m->data_len, __ATOMIC_RELAXED); /* any thread */
    return copy;
}

/* Copies of all pieces that others hold too, each marked with the piece it is for. False: no buffer, nothing is left over. */
static bool copy_shared(struct rte_mbuf *m, struct rte_mbuf **copies)
{
    struct rte_mbuf **link = copies;

    for (*copies = NULL; m != NULL; m = m->next) {
        if (pkt_sole_owner(m))
            continue;
        *link = zc_copy_piece(m);
        if (*link == NULL) {
            pkt_unref_chain(*copies);
            return false;
        }
        (*link)->tx_offload = (uint64_t)(uintptr_t)m;
        link = &(*link)->next;
    }
    return true;
}

struct z_buf *z_make_writable(struct z_buf *b)
{
    struct rte_mbuf *copies, *next, *head = NULL, **link = &head;

    if (b == NULL || zc_hands_off()) {
        errno = b == NULL ? EINVAL : EBADF;
        return NULL;
    }
    if (!copy_shared(zc_mbuf(b), &copies)) {
        errno = ENOMEM;
        return NULL;
    }
    for (struct rte_mbuf *m = zc_mbuf(b); m != NULL; m = next) {
        struct rte_mbuf *c = copies;

        next = m->next;
        if (c != NULL && c->tx_offload == (uint64_t)(uintptr_t)m) {
            copies = c->next;
            c->tx_offload = 0;
            zc_free_piece(m);
            m = c;
        }
        *link = m;
        link = &m->next;
    }
    *link = NULL;
    zc_seal(head);
    return zc_handle(head);
}
