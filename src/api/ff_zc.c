/*
 * F-Stack's zero copy (ff_zc_mbuf_get, then ff_write(fd, zm.bsd_mbuf, n)): the application passes a buffer where data is
 * expected, so a handle must be an address that data never has. Handles are numbers in a reserved, inaccessible range of
 * addresses; a table maps them to chains.
 */
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "api/ff_zc.h"
#include "api/zc.h"

#include "base/poison.h"

/* Pieces of one received chain at most. */
#define RECV_PIECES 64

char *zc_range;

static struct {
    pthread_mutex_t lock;
    struct rte_mbuf **chain; /* by handle; NULL: free */
    uint32_t *next_free;     /* list of free handles, ends with ZC_HANDLES */
    uint32_t first_free;
} tab = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool tab_create(void)
{
    size_t bytes = ZC_HANDLES * (sizeof(struct rte_mbuf *) + sizeof(uint32_t));
    char *range = mmap(NULL, (size_t)ZC_HANDLES * ZC_STRIDE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (range == MAP_FAILED || mem == MAP_FAILED)
        return false;
    tab.chain = (struct rte_mbuf **)(void *)mem;
    tab.next_free = (uint32_t *)(void *)(mem + ZC_HANDLES * sizeof(struct rte_mbuf *));
    for (uint32_t i = 0; i < ZC_HANDLES; i++)
        tab.next_free[i] = i + 1;
    __atomic_store_n(&zc_range, range, __ATOMIC_RELAXED);
    return true;
}

/* A handle on the chain, or NULL: none free. */
static void *handle_new(struct rte_mbuf *chain)
{
    void *h = NULL;

    pthread_mutex_lock(&tab.lock);
    if ((zc_range != NULL || tab_create()) && tab.first_free < ZC_HANDLES) {
        uint32_t i = tab.first_free;

        tab.first_free = tab.next_free[i];
        tab.chain[i] = chain;
        h = zc_range + (size_t)i * ZC_STRIDE;
    }
    pthread_mutex_unlock(&tab.lock);
    return h;
}

/* The chain of a handle; NULL for what is none (any more). end: the handle is free from here on. */
static struct rte_mbuf *handle_chain(const void *h, bool end)
{
    struct rte_mbuf *chain;
    uintptr_t off = (uintptr_t)h - (uintptr_t)zc_range;
    uint32_t i = (uint32_t)(off / ZC_STRIDE);

    if (!zc_is_handle(h) || off % ZC_STRIDE != 0)
        return NULL;
    pthread_mutex_lock(&tab.lock);
    chain = tab.chain[i];
    if (end && chain != NULL) {
        tab.chain[i] = NULL;
        tab.next_free[i] = tab.first_free;
        tab.first_free = i;
    }
    pthread_mutex_unlock(&tab.lock);
    return chain;
}

/* sending ------------------------------------------------------------------------------------------------------ */

static struct rte_mbuf *alloc_chain(size_t len)
{
    struct rte_mbuf *head = NULL, **link = &head;

    while (len != 0) {
        size_t n = MIN(len, (size_t)PKT_BUF_MAX);

        *link = zc_mbuf(z_alloc(n));
        if (*link == NULL) {
            z_free(zc_handle(head));
            return NULL;
        }
        link = &(*link)->next;
        len -= n;
    }
    return head;
}

int ff_zc_mbuf_get(struct ff_zc_mbuf *m, int len)
{
    struct rte_mbuf *chain;

    if (m == NULL || len <= 0)
        return (int)api_ret(-EINVAL);
    chain = alloc_chain((size_t)len);
    if (chain == NULL)
        return -1;
    m->bsd_mbuf = handle_new(chain);
    if (m->bsd_mbuf == NULL) {
        z_free(zc_handle(chain));
        return (int)api_ret(-ENOMEM);
    }
    m->bsd_mbuf_off = m->bsd_mbuf;
    m->off = 0;
    m->len = len;
    return 0;
}

/* Copies between the application and the chain, from the byte m->off on; moves on. */
static void chain_copy(struct rte_mbuf *seg, struct ff_zc_mbuf *m, char *out, const char *in, size_t len)
{
    size_t skip = (size_t)m->off;

    m->off += (int)len;
    for (; len != 0; seg = seg->next) {
        size_t n;

        if (skip >= seg->data_len) {
            skip -= seg->data_len;
            continue;
        }
        n = MIN(len, seg->data_len - skip);
        if (in != NULL) {
            memcpy(pkt_data(seg) + skip, in, n);
            in += n;
        } else {
            memcpy(out, pkt_data(seg) + skip, n);
            out += n;
        }
        len -= n;
        skip = 0;
    }
}

static void count_copied(size_t n)
{
    __atomic_fetch_add(&api_any_stack()->ctr.v[CTR_COPY_API], n, __ATOMIC_RELAXED); /* any thread */
}

int ff_zc_mbuf_write(struct ff_zc_mbuf *m, const char *data, int len)
{
    struct rte_mbuf *chain = m != NULL ? handle_chain(m->bsd_mbuf, false) : NULL;

    if (chain == NULL || zc_hands_off() || data == NULL || len < 0 || m->off < 0 || m->off > m->len || len > m->len - m->off)
        return (int)api_ret(-EINVAL);
    if ((size_t)m->off + (size_t)len > z_chain_len(zc_handle(chain)))
        return (int)api_ret(-EINVAL);
    chain_copy(chain, m, NULL, data, (size_t)len);
    count_copied((size_t)len);
    return len;
}

/* Where a chain was cut: enough to undo it. */
struct cut {
    struct rte_mbuf *last, *rest;
    uint16_t len;
};

/* Cuts a chain that is solely ours to n bytes. */
static struct cut chain_cut(struct rte_mbuf *m, size_t n)
{
    struct cut c;

    for (; n > m->data_len; m = m->next)
        n -= m->data_len;
    c = (struct cut){.last = m, .rest = m->next, .len = m->data_len};
    m->data_len = (uint16_t)n;
    m->next = NULL;
    return c;
}

ssize_t ff_zc_send(int fd, const void *mb, size_t n)
{
    struct rte_mbuf *chain = handle_chain(mb, false);
    struct cut c;
    ssize_t r;

    if (chain == NULL || zc_hands_off())
        return (ssize_t)api_ret(-EINVAL);
    if (n == 0 || n > z_chain_len(zc_handle(chain)))
        return (ssize_t)api_ret(-EINVAL);
    c = chain_cut(chain, n);
    r = z_write(fd, zc_handle(chain), n);
    if (r >= 0) {
        handle_chain(mb, true);
        z_free(zc_handle(c.rest));
    } else { /* still the caller's, all of it */
        c.last->data_len = c.len;
        c.last->next = c.rest;
    }
    return r;
}

/* receiving ---------------------------------------------------------------------------------------------------- */

struct recv_op {
    struct api_op op;
    size_t n, done;
    struct rte_mbuf *head;
};

/* As many pieces as are there, up to n bytes; waits for the first one only. */
static int64_t do_zc_recv(struct z_stack *s, struct api_op *op)
{
    struct recv_op *a = (struct recv_op *)op;
    struct rte_mbuf **link = &a->head;
    int err;
    struct sock *sk = api_tcp_sock(s, op, op->fd, &err);

    if (sk == NULL)
        return err;
    for (int pieces = 0; a->done < a->n && pieces < RECV_PIECES; pieces++) {
        ssize_t r;

        if (a->done != 0 && (tcp_rcv_avail(sk->tcp) == 0 || tcp_peek_error(sk->tcp) != 0))
            break;
        r = tcp_recv_ref(s, sk->tcp, a->n - a->done, link);
        if (r == -EAGAIN && a->done == 0 && !sk->nonblock)
            return api_wait(s, op, api_timeo(sk->rcvtimeo_ns), -EAGAIN);
        if (r <= 0)
            return a->done != 0 ? (int64_t)a->done : r;
        link = &(*link)->next;
        a->done += (size_t)r;
    }
    return (int64_t)a->done;
}

ssize_t ff_zc_recv(int fd, struct ff_zc_mbuf *zm, size_t n)
{
    struct recv_op a = {.op.fd = fd, .n = MIN(n, (size_t)INT_MAX)};
    ssize_t r;

    if (zm == NULL)
        return (ssize_t)api_ret(-EFAULT);
    *zm = (struct ff_zc_mbuf){0};
    if (n == 0)
        return (ssize_t)api_ret(-EINVAL);
    /* the handle comes first: bytes taken off the connection must not be lost for want of one */
    zm->bsd_mbuf = handle_new((struct rte_mbuf *)&a);
    if (zm->bsd_mbuf == NULL)
        return (ssize_t)api_ret(-ENOMEM);
    r = (ssize_t)api_ret(api_call(&a.op, do_zc_recv));
    if (r <= 0) {
        handle_chain(zm->bsd_mbuf, true);
        *zm = (struct ff_zc_mbuf){0};
        return r;
    }
    pthread_mutex_lock(&tab.lock);
    tab.chain[((uintptr_t)zm->bsd_mbuf - (uintptr_t)zc_range) / ZC_STRIDE] = a.head;
    pthread_mutex_unlock(&tab.lock);
    zm->len = (int)r;
    return r;
}

int ff_zc_mbuf_segment(struct ff_zc_mbuf *zm, void **seg, int *len)
{
    struct rte_mbuf *m = zm != NULL ? handle_chain(zm->bsd_mbuf, false) : NULL;
    size_t skip;

    if (m == NULL || seg == NULL || len == NULL || zm->off < 0)
        return (int)api_ret(-EINVAL);
    for (skip = (size_t)zm->off; m != NULL && skip >= m->data_len; m = m->next)
        skip -= m->data_len;
    if (m == NULL)
        return 0;
    *seg = pkt_data(m) + skip;
    *len = (int)(m->data_len - skip);
    zm->off += *len;
    return 1;
}

int ff_zc_mbuf_read(struct ff_zc_mbuf *m, char *out, int len)
{
    struct rte_mbuf *chain = m != NULL ? handle_chain(m->bsd_mbuf, false) : NULL;
    size_t total;

    if (chain == NULL || out == NULL || len < 0 || m->off < 0)
        return (int)api_ret(-EINVAL);
    total = z_chain_len(zc_handle(chain));
    if ((size_t)m->off >= total)
        return 0;
    len = (int)MIN((size_t)len, total - (size_t)m->off);
    chain_copy(chain, m, out, NULL, (size_t)len);
    count_copied((size_t)len);
    return len;
}

void ff_zc_recv_free(struct ff_zc_mbuf *zm)
{
    if (zm == NULL)
        return;
    z_free(zc_handle(handle_chain(zm->bsd_mbuf, true)));
    *zm = (struct ff_zc_mbuf){0};
}
