/*
 * What a frame and its struct virtio_net_hdr say about checksums and segments, in both directions: the header that a TAP device with
 * IFF_VNET_HDR puts before every frame (virtio 1.2 section 5.1.6; the kernel's Documentation/networking/tuntap.rst).
 */
#ifndef PORT_TAP_VNET_H
#define PORT_TAP_VNET_H

#include <linux/virtio_net.h>

#include <rte_mbuf.h>

/*
 * Turns the header of a received frame into the flags of its first mbuf, which has pkt_len; its bytes are not looked at. Any bytes may be
 * in the header: what makes no sense for a frame of this length claims nothing, and then the stack finds out by itself.
 */
void tap_vnet_rx(const struct virtio_net_hdr *h, struct rte_mbuf *m);

/*
 * The header for a frame that asks for what port_tx asks of a port with checksum offload and segmentation (port.h). Completes the
 * pseudo-header sum of a frame to be cut: the kernel wants the length in it, ethdev does not.
 */
void tap_vnet_tx(struct rte_mbuf *m, struct virtio_net_hdr *h);

#endif
