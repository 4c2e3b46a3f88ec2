/*
 * Path MTUs that routers reported (RFC 1191, RFC 8201), by destination address. Bounded: sets of a few entries, of which the one
 * that ends first gives way. An entry only ever goes down while it lives; when it ends the link's MTU is tried again. A mechanism.
 */
#ifndef IP_PMTU_H
#define IP_PMTU_H

#include <stdint.h>

#include "base/arena.h"
#include "base/inaddr.h"

#define PMTU_WAYS 4u

struct pmtu_entry {
    struct inaddr dst;
    uint64_t expires_ns; /* 0: free */
    uint16_t mtu;
};

struct pmtu_table {
    struct pmtu_entry *entry; /* n_sets * PMTU_WAYS */
    uint32_t n_sets;          /* power of two */
    uint32_t n;
    uint64_t lifetime_ns;
    uint8_t key[16];
};

enum pmtu_change { PMTU_NONE, PMTU_LOWERED, PMTU_LOWERED_EVICTED /* at the cost of another destination's entry */ };

/* Room for at least limit entries. 0 or -ENOMEM. */
int pmtu_init(struct pmtu_table *t, struct arena *a, uint32_t limit, uint64_t lifetime_ns, const uint8_t key[16]);
void pmtu_fini(struct pmtu_table *t, struct arena *a);

/* The MTU that is known for the path to dst; 0: none. */
uint16_t pmtu_get(const struct pmtu_table *t, const struct inaddr *dst, uint64_t now_ns);

/* A router says that mtu is all that goes through. The same number again prolongs the entry's life, a larger one is ignored. */
enum pmtu_change pmtu_set(struct pmtu_table *t, const struct inaddr *dst, uint16_t mtu, uint64_t now_ns);

/* Frees what has ended by now; returns how many. Linear in the size of the table. */
uint32_t pmtu_expire(struct pmtu_table *t, uint64_t now_ns);

/* RFC 1191 section 7.1: the size to try next when a router refused a packet of len bytes and named no MTU. */
uint16_t pmtu_plateau_below(uint32_t len);

#endif
