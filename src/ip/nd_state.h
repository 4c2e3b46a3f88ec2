/* What neighbour discovery keeps for each interface, and the calls between its files. */
#ifndef IP_ND_STATE_H
#define IP_ND_STATE_H

#include "base/wheel.h"
#include "core/stack.h"
#include "ip/ip6.h"
#include "ip/nd.h"
#include "wire/nd.h"

/* RFC 4861 section 10, RFC 4862 section 5.1, RFC 7559 section 2 */
#define ND_RTR_SOLICITATION_DELAY_NS NS_PER_SEC
#define ND_RTR_SOLICITATION_INTERVAL_NS (4 * NS_PER_SEC)
#define ND_RTR_SOLICITATION_MAX_NS (3600 * NS_PER_SEC)
#define ND_DELAY_FIRST_PROBE_NS (5 * NS_PER_SEC)
#define ND_MULTICAST_SOLICIT 3u

#define ND_ROUTERS_MAX 16u
#define ND_PREFIX_TABLE_MAX 32u
#define ND_REDIRECTS_MAX 64u

/* An address whose uniqueness is being tested. Found by the address: the interface's table moves its entries. */
struct nd_dad {
    struct inaddr addr;
    uint64_t next_ns; /* the next solicitation, or the end of the wait after the last */
    uint16_t sent;    /* solicitations; each has a nonce of its own */
    uint16_t left;
    bool joined; /* its solicited-node group */
    bool looped; /* one of them came back to us (RFC 7527) */
};

struct nd_router {
    struct inaddr addr;
    uint64_t expires_ns;
};

struct nd_prefix {
    struct inaddr prefix;
    uint64_t expires_ns;
    uint8_t plen;
};

struct nd_redirect {
    struct inaddr dest, gateway; /* gateway any: dest is a neighbour */
    uint64_t expires_ns;
};

struct nd_if {
    struct wheel_node timer; /* the earliest of all that follows */
    uint8_t nif;

    uint16_t n_dad;
    struct nd_dad dad[NETIF_MAX_ADDRS6];
    uint8_t iid_counter;     /* of RFC 7217: identifiers that turned out to be in use */
    struct inaddr duplicate; /* the last one found, for whoever prints it */

    uint64_t rs_next_ns;     /* NS_NEVER: none is due */
    uint64_t rs_interval_ns; /* before it; 0: none was sent yet */
    uint64_t base_reachable_ns, reachable_renew_ns;
    uint64_t reply_tat_ns; /* rate limit of advertisements (nd_reply_rate) */

    uint16_t n_routers, n_prefixes, n_redirects;
    struct nd_router router[ND_ROUTERS_MAX];
    struct nd_prefix prefix[ND_PREFIX_TABLE_MAX];
    struct nd_redirect redirect[ND_REDIRECTS_MAX];
};

struct nd_state {
    struct nd_if nif[STACK_MAX_NETIFS];
};

static inline struct nd_if *nd_if_of(const struct z_stack *s, const struct netif *nif)
{
    return &s->nd->nif[nif->index];
}

/* The solicited-node group of an address, with the zone of the interface. */
static inline struct inaddr nd_group(const struct netif *nif, const struct inaddr *a)
{
    struct inaddr g = nd_solicited_node(a);

    inaddr_set_zone(&g, ip6_zone(nif));
    return g;
}

/* Something with a time has changed: the timer is set to what is earliest. */
void nd_rearm(struct z_stack *s, struct nd_if *n);

/* nd_output.c: messages. dst and target with their zones; mac NULL: resolved. */
void nd_send(struct z_stack *s, struct netif *nif, const struct inaddr *src, const struct inaddr *dst, const uint8_t *mac,
             struct nd_msg *msg);
void nd_send_advert(struct z_stack *s, struct netif *nif, const struct inaddr *dst, const struct inaddr *target, bool solicited);

/* nd_neigh.c */
void nd_solicit_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg);
void nd_advert_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg);

/* A link address that came with a message; packets that waited for it go. */
void nd_hear(struct z_stack *s, struct netif *nif, const struct inaddr *addr, const uint8_t mac[6]);
void nd_note_router(struct z_stack *s, const struct netif *nif, const struct inaddr *addr);

/* nd_dad.c. A message shows that another host has, or wants, an address of ours that is still tentative. */
void nd_dad_heard(struct z_stack *s, struct netif *nif, const struct inaddr *addr, const struct nd_msg *msg);
uint64_t nd_dad_run(struct z_stack *s, struct nd_if *n); /* what is due; returns when the next is */

/* nd_router.c */
void nd_router_advert_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg);
void nd_router_start(struct z_stack *s, struct netif *nif); /* there is an address to ask from */
void nd_router_gone(struct z_stack *s, struct netif *nif, const struct inaddr *addr);
uint64_t nd_router_run(struct z_stack *s, struct nd_if *n);

/* nd_redirect.c */
void nd_redirect_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg);
void nd_redirect_forget(struct z_stack *s, struct netif *nif, const struct inaddr *gateway);
uint64_t nd_redirect_run(struct z_stack *s, struct nd_if *n);

/* nd_slaac.c */
void nd_slaac_prefix(struct z_stack *s, struct netif *nif, const struct nd_prefix_info *p);
void nd_slaac_duplicate(struct z_stack *s, struct netif *nif, const struct inaddr *addr); /* another identifier is tried */
uint64_t nd_slaac_run(struct z_stack *s, struct nd_if *n);

#endif
