/*
 * A host that a dispatcher plays, with the server's Ethernet address and an IPv4 address that no stack has (the server's network, .99):
 *
 *  ARP         asked for it, it says so: the question is rewritten (FF_DISPATCH_RESPONSE)
 *  ping        answered by a frame of its own (ff_dpdk_raw_packet_send); the request is dropped
 *  UDP to 7    echoed, twice as long
 *  UDP to 80   diverted: the frame goes to the stack under the server's own address, port 9
 *  the rest    dropped, without a word
 *
 * Frames to others are the stack's.
 */
#include "ghost.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>

#include "ff_api.h"

#define GHOST_HOST 99u
#define SERVER_HOST 2u
#define DIVERTED_TO 9u

struct frame {
    struct ether_header eth;
    union {
        struct ether_arp arp;
        struct {
            struct iphdr ip; /* without options, as all that is for the ghost */
            union {
                struct icmphdr icmp;
                struct udphdr udp;
            };
        };
    };
} __attribute__((packed));

static uint16_t sum(const void *data, size_t len)
{
    const uint8_t *b = data;
    uint32_t s = 0;

    for (size_t i = 0; i < len; i++)
        s += i % 2 == 0 ? (uint32_t)b[i] << 8 : b[i];
    s = (s & 0xffff) + (s >> 16);
    return htons((uint16_t) ~((s & 0xffff) + (s >> 16)));
}

static bool is_ghost(uint32_t addr)
{
    return (ntohl(addr) & 0xff) == GHOST_HOST;
}

static void back_to_sender(struct frame *f)
{
    struct ether_header e = f->eth;

    memcpy(f->eth.ether_dhost, e.ether_shost, ETH_ALEN);
    memcpy(f->eth.ether_shost, e.ether_dhost, ETH_ALEN);
}

static void swap_addresses(struct frame *f)
{
    struct iphdr ip;

    back_to_sender(f);
    memcpy(&ip, &f->ip, sizeof(ip));
    f->ip.saddr = ip.daddr;
    f->ip.daddr = ip.saddr;
}

static void ip_length(struct frame *f, size_t len)
{
    f->ip.tot_len = htons((uint16_t)len);
    f->ip.check = 0;
    f->ip.check = sum(&f->ip, sizeof(f->ip));
}

static uint8_t mac[ETH_ALEN]; /* the port's, learned from what comes to it */

static int arp(struct frame *f)
{
    uint8_t asked[4];

    memcpy(asked, f->arp.arp_tpa, 4);
    memcpy(f->arp.arp_tha, f->arp.arp_sha, ETH_ALEN);
    memcpy(f->arp.arp_tpa, f->arp.arp_spa, 4);
    memcpy(f->arp.arp_sha, mac, ETH_ALEN);
    memcpy(f->arp.arp_spa, asked, 4);
    f->arp.ea_hdr.ar_op = htons(ARPOP_REPLY);
    memcpy(f->eth.ether_dhost, f->arp.arp_tha, ETH_ALEN);
    memcpy(f->eth.ether_shost, mac, ETH_ALEN);
    return FF_DISPATCH_RESPONSE;
}

static int ping(const struct frame *f, uint16_t len)
{
    size_t icmp_len = ntohs(f->ip.tot_len) - sizeof(f->ip);
    uint8_t bytes[2048];
    struct frame *out = (struct frame *)bytes;

    memcpy(bytes, f, len);
    swap_addresses(out);
    out->icmp.type = ICMP_ECHOREPLY;
    out->icmp.checksum = 0;
    out->icmp.checksum = sum(&bytes[ETH_HLEN + sizeof(f->ip)], icmp_len);
    ff_dpdk_raw_packet_send(bytes, len, 0);
    return FF_DISPATCH_ERROR;
}

/* The checksum of UDP may be left out over IPv4 (RFC 768); a virtual link has perhaps not made it. */
static int twice(struct frame *f, uint16_t *len)
{
    uint16_t data_len = (uint16_t)(ntohs(f->udp.len) - sizeof(f->udp)), port = f->udp.source;
    uint8_t *data = (uint8_t *)f + ETH_HLEN + sizeof(f->ip) + sizeof(f->udp);

    memcpy(data + data_len, data, data_len);
    swap_addresses(f);
    f->udp.source = f->udp.dest;
    f->udp.dest = port;
    f->udp.len = htons((uint16_t)(sizeof(f->udp) + 2u * data_len));
    f->udp.check = 0;
    ip_length(f, sizeof(f->ip) + sizeof(f->udp) + 2u * data_len);
    *len = (uint16_t)(ETH_HLEN + ntohs(f->ip.tot_len));
    return FF_DISPATCH_RESPONSE;
}

static int divert(struct frame *f)
{
    f->ip.daddr = htonl((ntohl(f->ip.daddr) & ~0xffu) | SERVER_HOST);
    f->udp.dest = htons(DIVERTED_TO);
    f->udp.check = 0;
    ip_length(f, ntohs(f->ip.tot_len));
    return 0;
}

static int dispatch(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues)
{
    struct frame *f = data;
    uint16_t type = ntohs(f->eth.ether_type);
    uint32_t tpa;

    (void)nb_queues;
    memcpy(&tpa, f->arp.arp_tpa, sizeof(tpa));
    if ((f->eth.ether_dhost[0] & 1) == 0)
        memcpy(mac, f->eth.ether_dhost, ETH_ALEN);
    if (type == ETHERTYPE_ARP && *len >= ETH_HLEN + sizeof(f->arp) && ntohs(f->arp.ea_hdr.ar_op) == ARPOP_REQUEST && is_ghost(tpa))
        return arp(f);
    if (type != ETHERTYPE_IP || *len < ETH_HLEN + sizeof(f->ip) + sizeof(f->icmp) || !is_ghost(f->ip.daddr))
        return queue_id;
    if (f->ip.protocol == IPPROTO_ICMP && f->icmp.type == ICMP_ECHO)
        return ping(f, *len);
    if (f->ip.protocol == IPPROTO_UDP && f->udp.dest == htons(7))
        return twice(f, len);
    return f->ip.protocol == IPPROTO_UDP && f->udp.dest == htons(80) ? divert(f) : FF_DISPATCH_ERROR;
}

void ghost_appear(void)
{
    ff_regist_packet_dispatcher(dispatch);
}
