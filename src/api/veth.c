/* The paper's names for buffers: a handle is the rte_mbuf. */
#include <string.h>

#include "api/zc.h"
#pragma GCC visibility push(default)
#include "zstack/ff_veth.h"
#pragma GCC visibility pop

#include "base/poison.h"

void *ff_mbuf_get(void *prev, void *rte_mb, void *data, uint16_t len)
{
    struct rte_mbuf *m = rte_mb;
    char *first, *p = data;

    if (m == NULL || p == NULL || zc_hands_off()) {
        errno = EINVAL;
        return NULL;
    }
    first = m->buf_addr;
    if (p < first || p + len > first + m->buf_len) {
        errno = EINVAL;
        return NULL;
    }
    pkt_meta(m)->flags &= (uint16_t)~PKT_F_DETACHED;
    m->data_off = (uint16_t)(p - first);
    m->data_len = len;
    zc_seal(m);
    if (prev != NULL)
        ((struct rte_mbuf *)prev)->next = m;
    return m;
}

void *ff_mbuf_gethdr(void *pkt, uint16_t total, void *data, uint16_t len, uint8_t rx_csum)
{
    (void)total, (void)rx_csum; /* the length is that of the pieces; received packets come checked */
    return ff_mbuf_get(NULL, pkt, data, len);
}

void *ff_mbuf_mtod(void *mb)
{
    return mb != NULL ? z_data(mb) : NULL;
}

void ff_mbuf_free(void *mb)
{
    struct rte_mbuf *m = mb, *next;

    for (; m != NULL && !zc_hands_off(); m = next) {
        next = m->next;
        if ((zc_flags(m) & PKT_F_DETACHED) != 0) {
            pkt_meta(m)->flags &= (uint16_t)~PKT_F_DETACHED;
            return; /* what hangs on it is the caller's as well */
        }
        zc_free_piece(m);
    }
}

void *ff_rte_frm_extcl(void *mb)
{
    struct rte_mbuf *m = mb, *copy;

    if (m == NULL || zc_hands_off()) {
        errno = EINVAL;
        return NULL;
    }
    copy = zc_copy_of(m);
    if (copy != NULL)
        return copy;
    if (pkt_sole_owner(m))
        return m;
    copy = zc_copy_piece(m);
    if (copy == NULL)
        errno = ENOMEM;
    else
        zc_set_copy(m, copy);
    return copy;
}

void ff_mbuf_detach_rte(void *mb)
{
    if (mb == NULL || zc_hands_off())
        return;
    if (zc_take_copy(mb) != NULL)
        return; /* the copy is the caller's; mb itself is freed as ever */
    if ((zc_flags(mb) & PKT_F_LOAN) != 0)
        zc_loan_end(mb);
    pkt_meta(mb)->flags |= PKT_F_DETACHED;
}

int ff_next_mbuf(void **mb, void **data, unsigned *len)
{
    struct rte_mbuf *m = mb != NULL ? *mb : NULL;

    if (m == NULL)
        return -1;
    if (data != NULL)
        *data = pkt_data(m);
    if (len != NULL)
        *len = m->data_len;
    *mb = m->next;
    return 0;
}

int ff_mbuf_copydata(void *mb, void *data, int off, int len)
{
    size_t skip = (size_t)off, left = (size_t)len;
    char *out = data;

    if (mb == NULL || data == NULL || off < 0 || len < 0 || skip + left > z_chain_len(mb))
        return (int)api_ret(-EINVAL);
    for (struct rte_mbuf *m = mb; left != 0; m = m->next) {
        size_t n;

        if (skip >= m->data_len) {
            skip -= m->data_len;
            continue;
        }
        n = MIN(left, m->data_len - skip);
        memcpy(out, pkt_data(m) + skip, n);
        out += n;
        left -= n;
        skip = 0;
    }
    return 0;
}
