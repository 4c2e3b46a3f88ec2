/*
 * Datagrams of which some fragments have come (RFC 791 section 3.2, RFC 8200 section 4.5). A mechanism: it keeps the pieces in order,
 * knows when one is whole, and tells its caller what to refuse. The pieces are the received packets themselves.
 *
 * Bounded in datagrams, in pieces of one, and in memory of all: the caller makes room by giving up the oldest ones before it adds.
 */
#ifndef IP_IP_REASS_H
#define IP_IP_REASS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/inaddr.h"
#include "ip/ip.h"

struct rte_mbuf;

struct frag_key {
    struct inaddr src, dst;
    uint32_t id;
    uint32_t proto; /* of IPv4; 0 for IPv6, which has no part for it (RFC 8200 section 4.5) */
};

struct frag_piece {
    struct rte_mbuf *m; /* a packet: its data is the payload of the fragment */
    uint16_t off, len;
};

struct frag_dgram {
    struct frag_key key;
    struct ip_in first; /* of the fragment with offset 0, once it is there */
    uint64_t born_ns, deadline_ns;
    uint32_t total; /* payload bytes of the whole; 0: the last fragment is not there yet */
    uint32_t bytes; /* there so far */
    uint32_t truesize;
    uint16_t n, slots;
    uint8_t ecn;              /* codepoints seen, one bit each (RFC 3168 section 5.3) */
    bool dead;                /* pieces overlapped: nothing more of it is taken (RFC 5722 section 4) */
    struct frag_piece *piece; /* in the order of offsets */
    struct frag_dgram *hash_next;
    TAILQ_ENTRY(frag_dgram) age;
};

TAILQ_HEAD(frag_list, frag_dgram);

struct frag_conf {
    uint32_t limit;  /* datagrams */
    uint32_t pieces; /* of one */
    uint64_t memory_bytes;
    uint64_t timeout_v4_ns, timeout_v6_ns;
    uint8_t key[16]; /* of the hash */
};

struct frag_table {
    struct frag_conf conf;
    struct arena *arena;
    struct frag_dgram **bucket;
    uint32_t n_buckets; /* power of two */
    uint32_t n;
    uint64_t bytes;          /* memory of all pieces (pkt_truesize) */
    struct frag_list age[2]; /* per family, oldest first: all of one have the same timeout */
};

enum frag_verdict {
    FRAG_KEPT,
    FRAG_COMPLETE,  /* kept, and now all are there: frag_take */
    FRAG_DUPLICATE, /* all of it is there already: the packet is still the caller's, as after all that follow */
    FRAG_OVERLAP,   /* of another piece, or of the end */
    FRAG_MANY,      /* more pieces than one may have */
    FRAG_NOMEM,
};

/* 0 or -ENOMEM. */
int frag_init(struct frag_table *t, struct arena *a, const struct frag_conf *conf);
void frag_fini(struct frag_table *t); /* there is none left */

struct frag_dgram *frag_find(const struct frag_table *t, const struct frag_key *k);

/* NULL: no memory, or the limit. */
struct frag_dgram *frag_new(struct frag_table *t, const struct frag_key *k, uint64_t now_ns);

/* Memory of a packet, all segments. */
uint32_t frag_truesize(const struct rte_mbuf *m);

/* May truesize bytes more be kept, and is there room for one more datagram if create? */
bool frag_has_room(const struct frag_table *t, uint32_t truesize, bool create);

/* The oldest one but for except (may be NULL); NULL when there is none. */
struct frag_dgram *frag_oldest(const struct frag_table *t, const struct frag_dgram *except);

/* One whose time is over, or NULL. */
struct frag_dgram *frag_expired(const struct frag_table *t, uint64_t now_ns);
uint64_t frag_deadline_ns(const struct frag_table *t); /* of the next one; NS_NEVER when there is none */

/* len > 0 bytes at off, the last ones unless more. */
enum frag_verdict frag_add(struct frag_table *t, struct frag_dgram *d, uint32_t off, uint32_t len, bool more, struct rte_mbuf *m);

/* The whole payload as one packet; d is gone. */
struct rte_mbuf *frag_take(struct frag_table *t, struct frag_dgram *d);

/* The next of its pieces, in order, for whoever gives it up; NULL when none is left. */
struct rte_mbuf *frag_pop(struct frag_table *t, struct frag_dgram *d);

/* Without pieces. */
void frag_free(struct frag_table *t, struct frag_dgram *d);

#endif
