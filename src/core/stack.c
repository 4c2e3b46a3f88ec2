/* A stack's life and the two halves of a turn of its loop. Follow a packet from here. */
#include "core/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bigtab.h"
#include "base/leakroot.h"
#include "base/siphash.h"
#include "buf/wrap.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_frag.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "ip/mcast.h"
#include "ip/nd.h"
#include "link/acd.h"
#include "link/eth.h"
#include "link/resolve.h"
#include "sock/event.h"
#include "sock/sock.h"
#include "tcp/ahead.h"
#include "wire/eth.h"

#include "base/poison.h"

#define BURST_MAX 64u
/*
 * Frames of one turn and port. Less is sent than received: some devices hand a frame to the peer while it is being sent (af_packet, tap),
 * and what it answers must find room in the receive ring, turn after turn. A ring that overflows costs the peer a timeout.
 */
#define TURN_RX 128u
#define TURN_TX 64u
/* After so long without a turn what has passed is dealt with before anything comes in: a process was stopped, a machine was asleep. */
#define PAUSE_NS (12 * 3600 * NS_PER_SEC)
#define DIRTY_RETRY_NS (50 * NS_PER_US) /* output that was put off for want of buffers or room */

/* What the network sees of it must be the same whichever stack answers: sequence numbers, cookies, interface identifiers. */
static void shared_secrets(struct z_stack *s)
{
    memcpy(s->secret_key, steer_secret(s->steer), sizeof(s->secret_key));
    if (memcmp(s->conf.ip6_secret, (const uint8_t[16]){0}, 16) == 0)
        memcpy(s->conf.ip6_secret, steer_secret(s->steer) + sizeof(s->secret_key), sizeof(s->conf.ip6_secret));
}

static void secrets(struct z_stack *s)
{
    uint64_t seed = s->conf.seed;

    if (seed == 0)
        port_entropy(&seed, sizeof(seed));
    rng_seed(&s->rng, seed);
    if (s->conf.seed == 0) {
        port_entropy(s->hash_key, sizeof(s->hash_key));
        port_entropy(s->secret_key, sizeof(s->secret_key));
        if (memcmp(s->conf.ip6_secret, (const uint8_t[16]){0}, 16) == 0 && !port_machine_secret(s->conf.ip6_secret) && s->steer == NULL)
            port_entropy(s->conf.ip6_secret, sizeof(s->conf.ip6_secret));
    } else {
        for (unsigned i = 0; i < sizeof(s->hash_key); i++) {
            s->hash_key[i] = (uint8_t)rng_next(&s->rng);
            s->secret_key[i] = (uint8_t)rng_next(&s->rng);
        }
    }
    if (s->steer != NULL)
        shared_secrets(s);
}

static void derive_flow_key(struct z_stack *s)
{
    for (uint64_t i = 0; i < ARRAY_LEN(s->flow_key.k); i++)
        s->flow_key.k[i] = siphash24(s->hash_key, &i, sizeof(i));
}

static int init_modules(struct z_stack *s, const char *name)
{
    int ret = arena_init(&s->arena, s->conf.conn_memory_bytes);

    if (ret == 0)
        ret = pkt_pools_create(&s->pools, name, &s->conf.pools, s->conf.rx_pool, SOCKET_ID_ANY);
    if (ret == 0)
        ret = release_queue_init(s);
    if (ret == 0)
        ret = link_init(s);
    if (ret == 0)
        ret = ip_init(s);
    if (ret == 0)
        ret = udp_state_init(s);
    if (ret == 0)
        ret = tcp_state_init(s);
    if (ret == 0)
        ret = sock_table_init(s);
    return ret;
}

struct z_stack *stack_create(const struct stack_conf *conf, const char *name, uint64_t now_ns, int *err)
{
    struct z_stack *s = bigtab_alloc(1, sizeof(*s));

    if (s == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    leakroot_add(s, sizeof(*s));
    s->conf = *conf;
    s->index = conf->index;
    s->member = conf->member;
    s->steer = conf->steer;
    s->now_ns = s->heard_ns = now_ns;
    secrets(s);
    derive_flow_key(s);
    wheel_init(&s->wheel, now_ns);
    *err = init_modules(s, name);
    if (*err != 0) {
        stack_destroy(s);
        return NULL;
    }
    return s;
}

void stack_drop_unsent(struct z_stack *s)
{
    for (unsigned i = 0; i < s->n_netifs; i++) {
        struct txq *q = &s->netif[i]->txq;

        while (txq_count(q) > 0)
            rte_pktmbuf_free(q->slot[q->head++ & (TXQ_SLOTS - 1)]);
        q->bytes = 0;
        port_tx_abandon(s->netif[i]->port);
    }
}

void stack_destroy(struct z_stack *s)
{
    if (s->socks != NULL)
        sock_table_fini(s);
    tcp_state_fini(s);
    udp_state_fini(s);
    stack_drop_unsent(s);
    for (unsigned i = 0; i < s->n_netifs; i++)
        acd_stop(s, s->netif[i]);
    for (unsigned i = 0; i < s->n_netifs; i++)
        if (s->netif[i]->parent == NULL)
            port_close(s->netif[i]->port);
    if (s->ip != NULL)
        ip_fini(s);
    if (s->neigh != NULL)
        link_fini(s);
    release_queue_fini(s);
    for (unsigned i = 0; i < s->n_netifs; i++) {
        leakroot_remove(s->netif[i], sizeof(*s->netif[i]));
        bigtab_free(s->netif[i], 1, sizeof(*s->netif[i]));
    }
    pkt_pools_free(&s->pools);
    arena_fini(&s->arena);
    leakroot_remove(s, sizeof(*s));
    bigtab_free(s, 1, sizeof(*s));
}

static void note_copied(struct rte_mbuf *seg)
{
    wrap_note(seg, WRAP_COPIED);
}

static struct netif *add_netif(struct z_stack *s, struct port *p, const char *name)
{
    struct netif *nif;

    if (s->n_netifs == STACK_MAX_NETIFS || (nif = bigtab_alloc(1, sizeof(*nif))) == NULL)
        return NULL;
    leakroot_add(nif, sizeof(*nif));
    nif->port = p;
    memcpy(nif->mac, p->mac, sizeof(nif->mac));
    nif->mtu = p->mtu;
    nif->index = (uint8_t)s->n_netifs;
    snprintf(nif->name, sizeof(nif->name), "%s", name);
    s->netif[s->n_netifs++] = nif;
    return nif;
}

static void netif_up(struct z_stack *s, struct netif *nif)
{
    if (s->conf.ipv6 == IPV6_ON)
        (void)ip6_netif_up(s, nif); /* an empty table takes the address, a full routing table is the user's (route_limit) */
}

/* The configuration wants IPv6 here. */
static void ask_for_ip6(struct z_stack *s, struct netif *nif)
{
    if (s->conf.ipv6 == IPV6_ASKED && !nif->ip6)
        (void)ip6_netif_up(s, nif);
}

struct netif *stack_add_netif(struct z_stack *s, struct port *p, const char *name)
{
    struct netif *nif = add_netif(s, p, name);

    if (nif == NULL)
        return NULL;
    p->ctr = &s->ctr;
    p->hdr_pool = s->pools.hdr;
    p->ind_pool = s->pools.ind;
    p->gro = s->conf.gro;
    p->copied = note_copied;
    p->dispatch.pool = s->pools.rx;
    p->dispatch.answers = &nif->txq;
    if (s->conf.time_ports)
        port_time(p);
    netif_up(s, nif);
    return nif;
}

struct netif *stack_add_vlan(struct z_stack *s, struct netif *parent, uint16_t vid, const char *name)
{
    struct netif *nif;

    for (unsigned i = 0; i < s->n_netifs; i++)
        if (s->netif[i]->parent == parent && s->netif[i]->vid == vid)
            return NULL;
    if (vid == 0 || vid > VLAN_VID_MAX || parent->parent != NULL || (nif = add_netif(s, parent->port, name)) == NULL)
        return NULL;
    nif->parent = parent;
    nif->vid = vid;
    netif_up(s, nif);
    return nif;
}

int stack_add_addr(struct z_stack *s, struct netif *nif, uint32_t addr, uint32_t mask, uint32_t broadcast)
{
    return ip_add_addr(s, nif, addr, mask, broadcast);
}

int stack_add_addr6(struct z_stack *s, struct netif *nif, const struct inaddr *addr, uint8_t plen)
{
    ask_for_ip6(s, nif);
    return ip6_add_addr(s, nif, addr, plen, ADDR6_STATIC);
}

int stack_add_route(struct z_stack *s, struct netif *nif, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway,
                    uint32_t metric)
{
    struct route r = {
        .prefix = *prefix, .plen = plen, .gateway = *gateway, .nif = nif, .metric = metric, .origin = ROUTE_STATIC, .expires_ns = NS_NEVER};

    if (!inaddr_is_v4(prefix))
        ask_for_ip6(s, nif);
    inaddr_set_zone(&r.prefix, ip6_zone(nif));
    inaddr_set_zone(&r.gateway, ip6_zone(nif));
    return ip_route_set(s, &r, true);
}

int stack_set_gateway(struct z_stack *s, struct netif *nif, uint32_t gateway)
{
    return ip_add_gateway(s, nif, gateway);
}

/* The application's marks on a buffer end with its life: a driver's pool hands out what it got back. */
static inline void fresh_meta(struct rte_mbuf *m)
{
    pkt_meta(m)->flags = 0;
    if (likely(m->nb_segs == 1)) /* without a look at the second line of the mbuf, which may still be on its way */
        return;
    while ((m = m->next) != NULL)
        pkt_meta(m)->flags = 0;
}

static inline void input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m)
{
    fresh_meta(m);
    eth_input(s, nif, m);
}

/* The same as one input() after the other, with what they need in memory asked for ahead (tcp/ahead.h). */
static void input_ahead(struct z_stack *s, struct netif *nif, struct rte_mbuf *m[], unsigned n)
{
    enum { STEP = TCP_AHEAD_STEP };
    uint32_t hash[BURST_MAX];

    for (unsigned i = 0; i < n + 2 * STEP; i++) {
        if (i + STEP < n)
            rte_prefetch0(rte_pktmbuf_mtod(m[i + STEP], void *));
        if (i < n)
            hash[i] = tcp_ahead_frame(s, m[i]);
        if (i >= STEP && i - STEP < n)
            tcp_ahead_entry(s, hash[i - STEP]);
        if (i >= 2 * STEP)
            input(s, nif, m[i - 2 * STEP]);
    }
}

/* How many frames the port had. Those that the application keeps from the stack are work all the same. */
static inline unsigned receive_burst(struct z_stack *s, struct netif *nif, uint16_t burst)
{
    struct rte_mbuf *m[BURST_MAX];
    uint16_t got = port_rx(nif->port, m, burst), n = port_merge(nif->port, m, got);
    unsigned had = (unsigned)got + nif->port->dispatch.gone;

    if (unlikely(s->steer != NULL))
        tcp_forward_hear(s); /* who gave these frames may have said something about them before */
    if (n > 1 && tcp_ahead_pays(s)) {
        input_ahead(s, nif, m, n);
        return had;
    }
    for (uint16_t i = 0; i < n; i++) {
        if (i + 1 < n)
            rte_prefetch0(rte_pktmbuf_mtod(m[i + 1], void *));
        input(s, nif, m[i]);
    }
    return had;
}

static inline unsigned receive(struct z_stack *s, struct netif *nif)
{
    uint16_t burst = (uint16_t)MIN(s->conf.burst, BURST_MAX);
    unsigned n = 0, got;

    do {
        got = receive_burst(s, nif, burst);
        n += got;
    } while (got >= burst && n < TURN_RX);
    return n;
}

/* Frames that the port makes of one: those that are cut on the way to it are many. */
static unsigned wire_frames(const struct port *p, const struct rte_mbuf *m)
{
    bool cut = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 && !p->caps.tx_tso;

    return unlikely(cut) ? (m->pkt_len + m->tso_segsz - 1u) / m->tso_segsz : 1;
}

static uint32_t bytes_of(struct rte_mbuf *const *m, unsigned n)
{
    uint32_t bytes = 0;

    for (unsigned i = 0; i < n; i++)
        bytes += m[i]->pkt_len;
    return bytes;
}

static inline unsigned transmit(struct netif *nif)
{
    struct txq *q = &nif->txq;
    unsigned sent = 0, frames = 0;

    while (txq_count(q) > 0 && frames < TURN_TX) {
        struct rte_mbuf **m = &q->slot[q->head & (TXQ_SLOTS - 1)];
        unsigned most = MIN(txq_count(q), TXQ_SLOTS - (q->head & (TXQ_SLOTS - 1))), run = 0, n;
        uint32_t bytes;

        while (run < most && frames < TURN_TX)
            frames += wire_frames(nif->port, m[run++]);
        bytes = bytes_of(m, run); /* before: what the port took may be gone */
        n = port_tx(nif->port, m, (uint16_t)run);
        q->bytes -= bytes - bytes_of(m + n, run - n);
        q->head += n;
        sent += n;
        if (n < run) /* the ring is full: the rest stays */
            break;
    }
    return sent;
}

unsigned stack_flush(struct z_stack *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->n_netifs; i++)
        if (txq_count(&s->netif[i]->txq) > 0)
            n += transmit(s->netif[i]);
    if (unlikely(s->udp.tx_blocked != NULL))
        udp_tx_resume(s);
    return n;
}

static void expired_timers(struct z_stack *s, uint64_t until_ns)
{
    struct wheel_node *n;

    while ((n = wheel_expire(&s->wheel, until_ns)) != NULL) {
        stack_count(s, CTR_TIMERS);
        switch (n->kind) {
        case TIMER_TCP:
            tcp_timer(s, n);
            break;
        case TIMER_SYN:
            tcp_syn_timer(s);
            break;
        case TIMER_NEIGH:
            neigh_timer(s, n);
            break;
        case TIMER_ACD:
            acd_timer(s, n);
            break;
        case TIMER_ND:
            nd_timer(s, n);
            break;
        case TIMER_MCAST:
            mcast_timer(s, n);
            break;
        case TIMER_TW:
            tcp_timewait_timer(s);
            break;
        case TIMER_PMTU:
            ip_pmtu_timer(s);
            break;
        case TIMER_KEVENT:
            event_timer(s, n);
            break;
        case TIMER_FRAG:
            ip_frag_timer(s, n);
            break;
        case TIMER_ROUTE:
            ip_route_timer(s, n);
            break;
        default:
            break;
        }
    }
}

unsigned stack_input(struct z_stack *s, uint64_t now_ns)
{
    bool paused = now_ns - s->heard_ns > PAUSE_NS; /* now_ns may have been set since: output comes first, or a call sent at once */
    unsigned n;

    s->now_ns = s->heard_ns = now_ns;
    if (unlikely(paused))
        expired_timers(s, now_ns);
    n = ip_loopback_poll(s);
    for (unsigned i = 0; i < s->n_netifs; i++)
        n += s->netif[i]->parent == NULL ? receive(s, s->netif[i]) : 0;
    release_run(s);
    stack_count(s, CTR_POLLS);
    if (n == 0)
        stack_count(s, CTR_IDLE_POLLS);
    return n;
}

/*
 * Timers end what nothing was heard of until they were due: where the application has taken long since the last input, or something else
 * had the core, what ends them may have come meanwhile.
 */
unsigned stack_output(struct z_stack *s, uint64_t now_ns)
{
    s->now_ns = now_ns;
    if (wheel_turns(&s->wheel, s->heard_ns)) /* not in most turns: a tick is longer than one */
        expired_timers(s, s->heard_ns);
    tcp_output_pending(s);
    return stack_flush(s);
}

uint64_t stack_next_deadline(const struct z_stack *s)
{
    uint64_t next = wheel_next_ns(&s->wheel);

    if (tcp_output_waits(s))
        next = MIN(next, s->now_ns + DIRTY_RETRY_NS);
    for (unsigned i = 0; i < s->n_netifs; i++)
        if (txq_count(&s->netif[i]->txq) > 0)
            next = MIN(next, s->now_ns + DIRTY_RETRY_NS);
    if (s->ip->lo_head != s->ip->lo_tail || (s->steer != NULL && tcp_forward_is_due(s)))
        next = s->now_ns;
    return next;
}
