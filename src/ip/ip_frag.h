/*
 * Fragments, of both families. Input puts datagrams together from the received buffers, without a copy; output cuts a packet by
 * references to its bytes. Only our own packets are cut: a host forwards nothing.
 */
#ifndef IP_IP_FRAG_H
#define IP_IP_FRAG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "ip/ip.h"

struct wheel_node;
struct z_stack;

/* At most so many frames are made of one packet: 64 KB over the smallest MTU that a port may have. */
#define FRAG_OUT_MAX 128u

/* What the header of a fragment says. */
struct ip_frag {
    uint32_t id;
    uint32_t off; /* bytes */
    bool mf;
};

/* Memory from s->arena. 0 or -ENOMEM. */
int ip_frag_init(struct z_stack *s);
void ip_frag_fini(struct z_stack *s);

/*
 * A fragment has come. m begins behind its IP header (of IPv6: behind its fragment header), which with everything before it stands in
 * the headroom, in->ip_hlen bytes; in->proto is what follows the header, in->l4_len are all bytes of m. An atomic fragment
 * (RFC 6946) is none: do not ask.
 *
 * Returns NULL while the datagram is incomplete or refused; else the whole payload, a chain of the buffers received, with *in of its
 * first fragment, in->fragmented set, in->l4_len the new length and in->l4_cksum_good false. The IP header in the headroom then
 * says what a single packet would: the new length, no fragmentation; the fragment header of IPv6 stays, as an atomic one.
 *
 * What RFC 7112 asks of the first fragment of an IPv6 datagram was checked before (wire/ipv6.h).
 */
struct rte_mbuf *ip_frag_input(struct z_stack *s, struct ip_in *in, const struct ip_frag *f, struct rte_mbuf *m /* consumed */);

/* A wheel node of kind TIMER_FRAG expired. */
void ip_frag_timer(struct z_stack *s, struct wheel_node *w);

/*
 * Cuts a packet that is larger than path->mtu; m begins at its transport header, as for ip_output. A transport checksum that the
 * packet asks a port for is computed here.
 */
void ip_frag_output(struct z_stack *s, struct ip_path *path, const struct ip_out *o, struct rte_mbuf *m /* consumed */);

/* The end of ip_output for one frame of ip_frag_output: an IPv4 fragment that fits. */
void ip_output_fragment(struct z_stack *s, struct ip_path *path, const struct ip_out *o, const struct ip_frag *f,
                        struct rte_mbuf *m /* consumed */);

/*
 * The identification of a packet that is or may be cut: counts on from a secret place per pair of addresses and protocol, so that it
 * does not repeat soon (RFC 6864 section 4.3) and cannot be guessed (RFC 7739 section 5.3). IPv4 takes the low 16 bits.
 */
uint32_t ip_frag_id(struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint8_t proto);

#endif
