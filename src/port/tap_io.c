/*
 * Frames between a TAP device and mbufs, one system call each: readv(2), write(2) or writev(2), never blocking. io_uring was measured
 * against them (docs/design/tap.md) and saves nothing: the kernel's work behind the call is what takes the time.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "base/units.h"
#include "port/tap_priv.h"
#include "port/tap_vnet.h"

bool tap_rx_init(struct tap_port *t, struct rte_mempool *pool)
{
    uint32_t room = (uint32_t)rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;

    if (room < TAP_RX_ROOM_MIN)
        return false;
    t->rx_pool = pool;
    t->rx_room = room;
    t->rx_segs = t->rx_used = (uint16_t)((TAP_FRAME_MAX + room - 1) / room);
    t->rx_iov[0] = (struct iovec){&t->rx_hdr, sizeof(t->rx_hdr)};
    return true;
}

void tap_rx_fini(struct tap_port *t)
{
    rte_pktmbuf_free_bulk(t->rx_seg + t->rx_used, (unsigned)(t->rx_segs - t->rx_used));
}

/* Only the buffers that the last frame took are replaced. False: there are none; the frame waits in the device's queue. */
static bool refill(struct tap_port *t)
{
    if (t->rx_used == 0)
        return true;
    if (unlikely(rte_pktmbuf_alloc_bulk(t->rx_pool, t->rx_seg, t->rx_used) != 0)) {
        t->p.ctr->v[CTR_NO_MBUF]++;
        return false;
    }
    for (uint16_t i = 0; i < t->rx_used; i++)
        t->rx_iov[1 + i] = (struct iovec){rte_pktmbuf_mtod(t->rx_seg[i], void *), t->rx_room};
    t->rx_used = 0;
    return true;
}

/* The frame of len bytes that is in the buffers. */
static struct rte_mbuf *take(struct tap_port *t, uint32_t len)
{
    struct rte_mbuf *m = t->rx_seg[0];
    uint16_t n = 0;

    m->pkt_len = len;
    do {
        struct rte_mbuf *seg = t->rx_seg[n];

        seg->data_len = (uint16_t)MIN(len, t->rx_room);
        len -= seg->data_len;
        seg->next = len > 0 ? t->rx_seg[n + 1] : NULL;
        n++;
    } while (len > 0);
    m->nb_segs = n;
    t->rx_used = n;
    tap_vnet_rx(&t->rx_hdr, m);
    return m;
}

uint16_t tap_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct tap_port *t = tap_of(p);
    uint16_t got = 0;

    while (got < n && refill(t)) {
        ssize_t len = readv(t->fd, t->rx_iov, 1 + t->rx_segs);

        if (len < (ssize_t)sizeof(t->rx_hdr)) /* EAGAIN: there is none; EBADFD: there will not be any */
            break;
        m[got++] = take(t, (uint32_t)len - (uint32_t)sizeof(t->rx_hdr));
    }
    return got;
}

/* Its header goes where the frame's own headers are: a call with one piece of memory takes 70 ns less than one with a list of pieces. */
static ssize_t write_flat(struct tap_port *t, struct rte_mbuf *m, const struct virtio_net_hdr *h)
{
    uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *) - sizeof(*h);

    memcpy(at, h, sizeof(*h));
    return write(t->fd, at, sizeof(*h) + m->data_len);
}

/* 0, or -errno. The kernel has copied the frame when the call returns. */
static int send_frame(struct tap_port *t, struct rte_mbuf *m)
{
    struct virtio_net_hdr h;
    struct iovec iov[1 + TAP_TX_SEGS];
    int n = 1;

    tap_vnet_tx(m, &h);
    if (m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_pktmbuf_headroom(m) >= sizeof(h))
        return write_flat(t, m, &h) >= 0 ? 0 : -errno;
    iov[0] = (struct iovec){&h, sizeof(h)};
    for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next)
        iov[n++] = (struct iovec){rte_pktmbuf_mtod(seg, void *), seg->data_len};
    return writev(t->fd, iov, n) >= 0 ? 0 : -errno;
}

/* True: the frame stays with the caller and is offered again. Nothing else is, or a frame that cannot go would be offered for ever. */
static bool stays(struct tap_port *t, int error)
{
    switch (error) {
    case 0:
        t->down = false;
        return false;
    case -EAGAIN:
    case -EINTR:
    case -ENOMEM:
    case -ENOBUFS:
        return true;
    case -EIO:    /* down */
    case -EBADFD: /* removed */
        t->down = true;
        t->p.ctr->v[CTR_TX_LINK_DOWN]++;
        return false;
    default:
        t->p.ctr->v[CTR_TX_REFUSED]++;
        return false;
    }
}

uint16_t tap_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct tap_port *t = tap_of(p);
    uint16_t sent = 0;

    while (sent < n && !stays(t, send_frame(t, m[sent])))
        rte_pktmbuf_free(m[sent++]);
    return sent;
}

int tap_listen(struct port *p)
{
    return tap_of(p)->fd;
}
