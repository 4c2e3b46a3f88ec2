/* What input and output of fragments share: their memory, and identifications. */
#include "ip/ip_frag.h"

#include <errno.h>
#include <string.h>

#include "base/siphash.h"
#include "core/stack.h"
#include "ip/ip_state.h"

#include "base/poison.h"

#define FRAG_ID_SLOTS 1024u
/* RFC 1122 3.3.2 says 60 to 120 s, Linux does 30 s: an identification of 16 bits may be used again before (RFC 4963). */
#define FRAG_TIMEOUT_V4_NS (30 * NS_PER_SEC)
#define FRAG_TIMEOUT_V6_NS (60 * NS_PER_SEC) /* RFC 8200 section 4.5 */

int ip_frag_init(struct z_stack *s)
{
    struct ip_state *ip = s->ip;
    struct frag_conf c = {.limit = s->conf.frag_limit,
                          .pieces = s->conf.frag_pieces,
                          .memory_bytes = s->conf.frag_memory_bytes,
                          .timeout_v4_ns = FRAG_TIMEOUT_V4_NS,
                          .timeout_v6_ns = FRAG_TIMEOUT_V6_NS};

    memcpy(c.key, s->hash_key, sizeof(c.key));
    ip->frag_timer.kind = TIMER_FRAG;
    ip->frag_id = arena_alloc(&s->arena, FRAG_ID_SLOTS * sizeof(*ip->frag_id));
    if (!ip->frag_id || frag_init(&ip->reass, &s->arena, &c) != 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < FRAG_ID_SLOTS; i++)
        ip->frag_id[i] = (uint32_t)rng_next(&s->rng);
    return 0;
}

void ip_frag_fini(struct z_stack *s)
{
    struct ip_state *ip = s->ip;
    struct frag_dgram *d;
    struct rte_mbuf *m;

    wheel_cancel(&s->wheel, &ip->frag_timer);
    if (ip->reass.bucket) {
        while ((d = frag_oldest(&ip->reass, NULL))) {
            while ((m = frag_pop(&ip->reass, d)))
                pkt_unref_chain(m);
            frag_free(&ip->reass, d);
        }
        frag_fini(&ip->reass);
    }
    arena_free(&s->arena, ip->frag_id, FRAG_ID_SLOTS * sizeof(*ip->frag_id));
    ip->frag_id = NULL;
}

uint32_t ip_frag_id(struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint8_t proto)
{
    struct {
        struct inaddr src, dst;
        uint64_t proto;
    } tuple = {*src, *dst, proto};
    uint64_t place = siphash24(s->secret_key, &tuple, sizeof(tuple));
    uint32_t id, stacks = s->steer ? steer_count(s->steer) : 1; /* each counts numbers of its own */

    do
        id = (uint32_t)(place >> 32) + s->ip->frag_id[place & (FRAG_ID_SLOTS - 1)]++ * stacks + s->member;
    while ((id & 0xffff) == 0); /* 0 looks like "none" to some */
    return id;
}
