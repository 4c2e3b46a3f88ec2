/* UDP header (RFC 768). */
#ifndef WIRE_UDP_H
#define WIRE_UDP_H

#include <stdbool.h>
#include <stdint.h>

#define UDP_HLEN 8u
#define UDP_CKSUM_OFFSET 6u

struct udp_hdr {
    uint16_t sport, dport, len;
    bool has_cksum;
};

/* l4_len: bytes of the datagram behind the IP header; false when truncated or the length field lies. */
bool udp_parse(const uint8_t *p, uint32_t l4_len, struct udp_hdr *h);
void udp_build(uint8_t *p, const struct udp_hdr *h); /* writes UDP_HLEN bytes, checksum zero */

#endif
