#include "link/resolve.h"

#include <errno.h>
#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"
#include "ip/nd.h"
#include "link/arp.h"
#include "link/eth.h"
#include "link/neigh.h"
#include "wire/eth.h"

#include "base/poison.h"

_Static_assert(NEIGH_NETIFS == STACK_MAX_NETIFS, "times for every interface");

static uint16_t ether_type(const struct neigh *n)
{
    return inaddr_is_v4(&n->addr) ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6;
}

/* mac NULL: everybody is asked */
static void ask(struct z_stack *s, struct netif *nif, const struct neigh *n, const uint8_t *mac)
{
    if (inaddr_is_v4(&n->addr))
        arp_request(s, nif, inaddr_to_v4(&n->addr), mac);
    else
        nd_solicit(s, nif, &n->addr, mac);
}

/* Takes out the oldest datagrams, whole, until count packets have room. */
static bool make_room(struct z_stack *s, struct neigh *n, unsigned count)
{
    if (count > s->neigh->conf.queue_limit)
        return false;
    while (neigh_park_room(s->neigh, n) < count)
        for (bool more = true; more;)
            pkt_drop(s, neigh_unpark(s->neigh, &n->parked, &more), DROP_NEIGH_QUEUE);
    return neigh_park_reserve(s->neigh, n, count);
}

bool neigh_make_room(struct z_stack *s, struct netif *nif, const struct inaddr *next_hop, unsigned count)
{
    struct neigh *n = neigh_get(s->neigh, nif->index, next_hop);

    if (!n || n->state != NEIGH_INCOMPLETE || make_room(s, n, count))
        return true;
    if (neigh_use(s->neigh, n, s->now_ns) == NEIGH_PARK_ASK) /* so that the next one finds the answer */
        ask(s, nif, n, NULL);
    return false;
}

static void park(struct z_stack *s, struct neigh *n, struct rte_mbuf *m, bool more)
{
    if (make_room(s, n, 1))
        neigh_park(n, m, more);
    else
        pkt_drop(s, m, DROP_NEIGH_QUEUE);
}

struct neigh *neigh_output(struct z_stack *s, struct netif *nif, const struct inaddr *next_hop, struct rte_mbuf *m, bool more)
{
    struct neigh *n = neigh_get(s->neigh, nif->index, next_hop);

    if (!n) {
        pkt_drop(s, m, DROP_NEIGH_FULL);
        return NULL;
    }
    switch (neigh_use(s->neigh, n, s->now_ns)) {
    case NEIGH_SEND_PROBE:
        ask(s, nif, n, n->mac);
        /* fall through */
    case NEIGH_SEND:
        eth_output(s, nif, n->mac, ether_type(n), m);
        break;
    case NEIGH_PARK_ASK:
        ask(s, nif, n, NULL);
        /* fall through */
    case NEIGH_PARK:
        park(s, n, m, more);
        break;
    case NEIGH_DROP:
        pkt_drop(s, m, DROP_NEIGH_FAILED);
        break;
    }
    return n;
}

void neigh_send_parked(struct z_stack *s, struct netif *nif, struct neigh *n)
{
    struct rte_mbuf *m;

    while (n && (m = neigh_unpark(s->neigh, &n->parked, NULL)))
        eth_output(s, nif, n->mac, ether_type(n), m);
}

/* The queue is taken first: what the transports of its packets do about it may recycle the entry. */
static void give_up(struct z_stack *s, struct neigh *n)
{
    struct netif *nif = s->netif[n->nif];
    struct neigh_queue parked = n->parked;
    bool v4 = inaddr_is_v4(&n->addr);
    struct rte_mbuf *m;

    n->parked = (struct neigh_queue){0};
    ip_route_gateway_failed(s, nif, &n->addr);
    if (!v4)
        nd_neigh_failed(s, nif, &n->addr);
    while ((m = neigh_unpark(s->neigh, &parked, NULL))) {
        if (v4)
            icmp_neigh_failed(s, m);
        else
            icmp6_neigh_failed(s, nif, m);
        pkt_drop(s, m, DROP_NEIGH_FAILED);
    }
}

void neigh_timer(struct z_stack *s, struct wheel_node *w)
{
    struct neigh *n = neigh_of_timer(w);

    switch (neigh_expire(s->neigh, n, s->now_ns)) {
    case NEIGH_DUE_ASK:
        ask(s, s->netif[n->nif], n, NULL);
        break;
    case NEIGH_DUE_PROBE:
        ask(s, s->netif[n->nif], n, n->mac);
        break;
    case NEIGH_DUE_FAILED:
        give_up(s, n);
        break;
    case NEIGH_DUE_NOTHING:
        break;
    }
}

int link_init(struct z_stack *s)
{
    struct neigh_conf c = {.limit = s->conf.neigh_limit,
                           .queue_limit = s->conf.neigh_queue_limit,
                           .max_tries = s->conf.arp_max_tries,
                           .reachable_ns = s->conf.arp_reachable_ns,
                           .retry_ns = s->conf.arp_retry_ns,
                           .delay_ns = s->conf.nd_delay_ns,
                           .timer_kind = TIMER_NEIGH};
    int err;

    memcpy(c.key, s->hash_key, sizeof(c.key));
    s->neigh = arena_alloc(&s->arena, sizeof(*s->neigh));
    if (!s->neigh)
        return -ENOMEM;
    err = neigh_table_init(s->neigh, &s->arena, &s->wheel, &c);
    if (err) {
        arena_free(&s->arena, s->neigh, sizeof(*s->neigh));
        s->neigh = NULL;
    }
    return err;
}

void link_fini(struct z_stack *s)
{
    struct rte_mbuf *m;
    struct neigh *n;

    if (!s->neigh)
        return;
    for (uint32_t i = 0; (n = neigh_next(s->neigh, &i));)
        while ((m = neigh_unpark(s->neigh, &n->parked, NULL)))
            pkt_unref_chain(m);
    neigh_table_fini(s->neigh);
    arena_free(&s->arena, s->neigh, sizeof(*s->neigh));
    s->neigh = NULL;
}
