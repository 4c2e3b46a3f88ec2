/* The two functions of src/pkt/pkt.c that the queues need, for a tree that has no pkt.c. */
#include <errno.h>

#include <rte_errno.h>

#include "pkt/pkt.h"

__typeof__(pkt_meta_offset) pkt_meta_offset;

int pkt_init(void)
{
    static const struct rte_mbuf_dynfield field = {
        .name = "zstack_test_meta", .size = sizeof(struct pkt_meta), .align = __alignof__(struct pkt_meta)};
    int off = rte_mbuf_dynfield_register(&field);

    if (off < 0)
        return -rte_errno;
    pkt_meta_offset = (__typeof__(pkt_meta_offset))off;
    return 0;
}

void pkt_unref(struct rte_mbuf *m)
{
    if (pkt_meta(m)->extra_refs > 0)
        pkt_meta(m)->extra_refs--;
    else
        rte_pktmbuf_free_seg(m);
}
