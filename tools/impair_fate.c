/*
 * What happens to a frame, decided when it arrives: lost, damaged, doubled, and when it leaves. Random numbers are drawn only
 * for what is asked for, in the order of arrival, so that a seed gives the same decisions for the same frames.
 */
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "impair.h"

#define PPM 1000000u

/* xorshift128+, seeded by splitmix64 */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15ull);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void rng_init(struct direction *d, uint64_t *seed)
{
    d->rng[0] = splitmix(seed);
    d->rng[1] = splitmix(seed);
}

static uint64_t rnd(struct direction *d)
{
    uint64_t a = d->rng[0], b = d->rng[1];

    d->rng[0] = b;
    a ^= a << 23;
    d->rng[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
    return d->rng[1] + b;
}

static uint64_t rnd_below(struct direction *d, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)rnd(d) * n) >> 64);
}

static bool chance(struct direction *d, uint32_t ppm)
{
    return ppm != 0 && rnd_below(d, PPM) < ppm;
}

uint8_t *slot_at(uint32_t slot)
{
    return pool.mem + (size_t)slot * pool.slot_bytes;
}

void slot_free(uint32_t slot)
{
    pool.free[pool.n_free++] = slot;
}

static bool before(const struct frame *a, const struct frame *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

void heap_put(struct direction *d, struct frame f)
{
    uint32_t i = d->n_heap++;

    for (; i > 0 && before(&f, &d->heap[(i - 1) / 2]); i = (i - 1) / 2)
        d->heap[i] = d->heap[(i - 1) / 2];
    d->heap[i] = f;
}

struct frame heap_take(struct direction *d)
{
    struct frame first = d->heap[0], last = d->heap[--d->n_heap];
    uint32_t i = 0;

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= d->n_heap)
            break;
        if (child + 1 < d->n_heap && before(&d->heap[child + 1], &d->heap[child]))
            child++;
        if (!before(&d->heap[child], &last))
            break;
        d->heap[i] = d->heap[child];
        i = child;
    }
    d->heap[i] = last;
    return first;
}

/* The rate: the time when the last bit has left the queue, or NEVER when the queue is full. */
static uint64_t serialise(struct direction *d, uint32_t len, uint64_t now)
{
    const struct settings *s = &d->set;
    uint64_t start;

    if (s->rate_bps == 0)
        return now;
    for (; d->line_head != d->line_tail && d->line[d->line_head % pool.n].due_ns <= now; d->line_head++)
        d->line_bytes -= d->line[d->line_head % pool.n].len;
    if ((s->queue_frames != 0 && d->line_tail - d->line_head >= s->queue_frames) ||
        (s->queue_bytes != 0 && d->line_bytes + len > s->queue_bytes) || d->line_tail - d->line_head == pool.n)
        return NEVER;
    start = d->link_free_ns > now ? d->link_free_ns : now;
    d->link_free_ns = start + (uint64_t)((unsigned __int128)len * 8 * NS_PER_SEC / s->rate_bps);
    d->line[d->line_tail++ % pool.n] = (struct frame){.due_ns = d->link_free_ns, .len = len};
    d->line_bytes += len;
    return d->link_free_ns;
}

/* Order is kept but for frames that are displaced: those leave later than what came after them. */
static uint64_t departure(struct direction *d, uint64_t at)
{
    const struct settings *s = &d->set;
    uint64_t due = at + s->delay_ns;

    if (s->jitter_ns != 0) {
        uint64_t j = rnd_below(d, 2 * s->jitter_ns + 1);

        due = due + j > s->jitter_ns + at ? due + j - s->jitter_ns : at;
    }
    if (chance(d, s->reorder_ppm)) {
        uint64_t extra = s->reorder_ns != 0 ? s->reorder_ns : s->delay_ns / 4 + 1000000;

        d->st.reordered++;
        return due + extra / 2 + rnd_below(d, extra / 2 + 1);
    }
    if (due < d->last_due_ns)
        due = d->last_due_ns;
    d->last_due_ns = due;
    return due;
}

/* One bit behind the addresses and the type, so that the frame still arrives where somebody checks it. */
static void corrupt(struct direction *d, uint8_t *p, uint32_t len)
{
    if (len <= ETH_HLEN)
        return;
    p[ETH_HLEN + rnd_below(d, len - ETH_HLEN)] ^= (uint8_t)(1u << rnd_below(d, 8));
    d->st.corrupted++;
}

static void pass(struct direction *d, uint32_t slot, uint32_t len, uint64_t at)
{
    bool twice = chance(d, d->set.dup_ppm);

    if (twice && pool.n_free > 0) {
        uint32_t copy = pool.free[--pool.n_free];

        memcpy(slot_at(copy), slot_at(slot), len);
        d->st.duplicated++;
        heap_put(d, (struct frame){.due_ns = departure(d, at), .seq = d->seq++, .slot = copy, .len = len});
    } else if (twice) {
        d->st.no_buffer++;
    }
    if (chance(d, d->set.corrupt_ppm))
        corrupt(d, slot_at(slot), len);
    heap_put(d, (struct frame){.due_ns = departure(d, at), .seq = d->seq++, .slot = slot, .len = len});
}

void arrive(struct direction *d, uint32_t slot, uint32_t len, uint64_t now)
{
    uint64_t at;

    d->st.rx_frames++;
    d->st.rx_bytes += len;
    if (len > d->max_len) {
        if (d->st.oversize++ == 0)
            fprintf(
                stderr,
                "impair: %s: a frame of %u bytes, more than the smaller MTU of the two, is dropped and counted. Turn segmentation offloads "
                "off where the frames are made: ethtool -K IF tso off gso off tx off\n",
                d->from, len);
        slot_free(slot);
        return;
    }
    at = serialise(d, len, now);
    if (at == NEVER) {
        d->st.queue_full++;
        slot_free(slot);
        return;
    }
    if (chance(d, d->set.loss_ppm)) {
        d->st.lost++;
        slot_free(slot);
        return;
    }
    pass(d, slot, len, at);
}
