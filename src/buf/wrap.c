#include "buf/wrap.h"

#include <errno.h>

#include <rte_eal.h>
#include <rte_memory.h>

#include "buf/sndq.h"
#include "core/stack.h"

#include "base/poison.h"

struct wrap {
    struct rte_mbuf_ext_shared_info sh;
    struct wrap *next; /* in the release queue */
    struct z_stack *s;
    wrap_release_fn release;
    void *arg;
    unsigned flags;
};

/* Many producers (drivers, any thread), one consumer that takes the whole list: a push-only stack has no ABA problem. */
struct release_queue {
    struct wrap *due; /* atomic; newest first */
};

int release_queue_init(struct z_stack *s)
{
    s->releases = arena_alloc(&s->arena, sizeof(struct release_queue));
    return s->releases != NULL ? 0 : -ENOMEM;
}

void release_queue_fini(struct z_stack *s)
{
    if (s->releases == NULL)
        return;
    release_run(s);
    arena_free(&s->arena, s->releases, sizeof(struct release_queue));
    s->releases = NULL;
}

/* The last mbuf over the memory is gone. Pairs with the exchange in release_run: the record is whole before it is seen. */
static void wrap_last_ref(void *addr, void *opaque)
{
    struct wrap *w = opaque;
    struct release_queue *q = w->s->releases;

    (void)addr;
    w->next = __atomic_load_n(&q->due, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&q->due, &w->next, w, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

static int wrap_iova(void *p, size_t len, rte_iova_t *iova)
{
    if (rte_eal_iova_mode() == RTE_IOVA_VA) {
        *iova = (rte_iova_t)(uintptr_t)p;
        return 0;
    }
    /* physical addresses: only memory whose pages EAL knows, and contiguous */
    *iova = rte_mem_virt2iova(p);
    if (*iova == RTE_BAD_IOVA || rte_mem_virt2iova((char *)p + len - 1) != *iova + len - 1)
        return -ENOTSUP;
    return 0;
}

static struct rte_mbuf *wrap_piece(struct z_stack *s, struct wrap *w, void *p, uint16_t len, int *err)
{
    struct rte_mbuf *m;
    rte_iova_t iova;

    *err = wrap_iova(p, len, &iova);
    if (*err != 0)
        return NULL;
    m = rte_pktmbuf_alloc(s->pools.ind);
    if (m == NULL) {
        stack_count(s, CTR_NO_MBUF);
        *err = -ENOMEM;
        return NULL;
    }
    rte_pktmbuf_attach_extbuf(m, p, iova, len, &w->sh);
    rte_mbuf_ext_refcnt_update(&w->sh, 1);
    m->data_off = 0;
    m->data_len = len;
    m->pkt_len = len;
    *pkt_meta(m) = (struct pkt_meta){.flags = PKT_F_WRAP};
    return m;
}

struct rte_mbuf *wrap_create(struct z_stack *s, void *p, size_t len, wrap_release_fn release, void *arg, int *err)
{
    struct rte_mbuf *head = NULL, **link = &head;
    uint16_t segs = 0;
    struct wrap *w;

    if (p == NULL || len == 0 || len > SNDQ_DESC_MAX * (size_t)PKT_BUF_MAX) {
        *err = -EINVAL;
        return NULL;
    }
    w = arena_alloc(&s->arena, sizeof(*w));
    if (w == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    w->s = s;
    w->release = release;
    w->arg = arg;
    w->sh.free_cb = wrap_last_ref;
    w->sh.fcb_opaque = w;
    rte_mbuf_ext_refcnt_set(&w->sh, 1); /* ours, until the chain is whole */
    for (size_t off = 0; off < len; segs++) {
        uint16_t n = (uint16_t)MIN(len - off, (size_t)PKT_BUF_MAX);
        struct rte_mbuf *m = wrap_piece(s, w, (char *)p + off, n, err);

        if (m == NULL) {
            /* the caller keeps its memory: no callback. Our own reference keeps the record from being queued. */
            pkt_unref_chain(head);
            arena_free(&s->arena, w, sizeof(*w));
            return NULL;
        }
        *link = m;
        link = &m->next;
        off += n;
    }
    rte_mbuf_ext_refcnt_update(&w->sh, -1);
    head->nb_segs = segs;
    head->pkt_len = (uint32_t)len;
    *err = 0;
    return head;
}

void wrap_note(struct rte_mbuf *m, unsigned flag)
{
    struct wrap *w;

    if (!RTE_MBUF_HAS_EXTBUF(m) || m->shinfo == NULL || m->shinfo->free_cb != wrap_last_ref)
        return;
    w = m->shinfo->fcb_opaque;
    w->flags |= flag;
}

unsigned release_run(struct z_stack *s)
{
    struct wrap *w, *fifo = NULL;
    unsigned n = 0;

    if (likely(__atomic_load_n(&s->releases->due, __ATOMIC_RELAXED) == NULL))
        return 0;
    w = __atomic_exchange_n(&s->releases->due, NULL, __ATOMIC_ACQUIRE);
    while (w != NULL) { /* oldest first */
        struct wrap *next = w->next;

        w->next = fifo;
        fifo = w;
        w = next;
    }
    while (fifo != NULL) {
        struct wrap done = *fifo;

        arena_free(&s->arena, fifo, sizeof(*fifo));
        fifo = done.next;
        stack_count(s, CTR_RELEASES);
        n++;
        if ((done.flags & WRAP_ABORTED) != 0)
            done.flags &= ~WRAP_ACKED; /* a piece of it was, or on another connection: not all */
        if (done.release != NULL)
            done.release(done.arg, done.flags);
    }
    return n;
}
