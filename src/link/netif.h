/* A network interface of a stack: a port, its addresses, its transmit queue. */
#ifndef LINK_NETIF_H
#define LINK_NETIF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"
#include "base/wheel.h"
#include "pkt/txq.h"
#include "port/port.h"

#define NETIF_MAX_ADDRS 64
#define NETIF_MAX_ADDRS6 16
#define STACK_MAX_NETIFS 64 /* ports and VLANs */

struct ifaddr {
    uint32_t addr, mask, broadcast; /* IPv4, host order */
};

/* How far the test of an IPv4 address is (RFC 5227; src/link/acd.h). */
enum acd_state { ACD_QUIET, ACD_PROBE, ACD_LISTEN, ACD_ANNOUNCE, ACD_TAKEN };

/* An IPv4 address that the interface was given, in use or not. */
struct acd {
    struct ifaddr a;
    uint8_t state, left; /* left: probes or announcements to send */
    bool in_use;
    uint64_t next_ns;     /* the next step; NS_NEVER: none */
    uint64_t conflict_ns; /* when another host claimed it last; 0: never */
};

/* States of an IPv6 address (RFC 4862 section 2): whether it is ours is unknown; use it; do not choose it any more; another host has it. */
enum addr6_state { ADDR6_TENTATIVE, ADDR6_PREFERRED, ADDR6_DEPRECATED, ADDR6_DUPLICATED };
enum addr6_origin { ADDR6_LINKLOCAL, ADDR6_STATIC, ADDR6_SLAAC };

struct ifaddr6 {
    struct inaddr addr;                          /* with its zone when it is link-local */
    uint64_t preferred_until_ns, valid_until_ns; /* NS_NEVER: for ever */
    uint8_t plen, state, origin;
};

struct netif {
    struct port *port;
    uint8_t mac[6];
    uint8_t index;        /* in the stack's table */
    struct netif *parent; /* of a VLAN: the interface of its port; NULL: this is one */
    uint16_t vid;         /* of a VLAN: 1 to VLAN_VID_MAX */
    uint16_t mtu;
    uint16_t n_addrs;
    struct ifaddr addr[NETIF_MAX_ADDRS]; /* in use; the first one is the primary */
    uint16_t n_claims;
    struct acd claim[NETIF_MAX_ADDRS]; /* all that were given */
    struct wheel_node acd_timer;
    uint16_t n_addrs6;
    bool ip6;           /* speaks IPv6 */
    uint8_t hop_limit6; /* what a router said (RFC 4861 6.3.4: CurHopLimit); 0: the key ttl */
    uint16_t mtu6;      /* what a router said (RFC 4861 4.6.4), at most mtu; 0: mtu */
    struct ifaddr6 addr6[NETIF_MAX_ADDRS6];
    uint32_t arp_conflict;     /* the last of our addresses that another host claimed, 0: none */
    uint64_t arp_reply_tat_ns; /* rate limit of replies (arp_reply_rate) */
    char name[16];
    struct txq txq;
};

#endif
