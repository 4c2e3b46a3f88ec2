/*
 * A histogram of times in the manner of HdrHistogram: exact below 128, above that 128 buckets for each power of two, so that a
 * value is known to within 1/128. A fixed 35 KB hold everything from 1 ns to 18 minutes.
 */
#ifndef ZLOAD_HIST_H
#define ZLOAD_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 7u
#define HIST_SUB (1u << HIST_SUB_BITS)
#define HIST_MAX_BITS 40u
#define HIST_MAX ((1ull << HIST_MAX_BITS) - 1)
#define HIST_BUCKETS ((HIST_MAX_BITS - HIST_SUB_BITS + 1) * HIST_SUB)

struct hist {
    uint64_t count;
    uint64_t sum;
    uint64_t min, max; /* exact, also beyond HIST_MAX; of an empty histogram UINT64_MAX and 0 */
    uint64_t beyond;   /* values above HIST_MAX, which are in the last bucket */
    uint64_t bucket[HIST_BUCKETS];
};

/*
 * Of v from HIST_SUB on the highest HIST_SUB_BITS + 1 bits select the bucket: the position of the highest one the group of
 * HIST_SUB buckets, the bits behind it the bucket within the group.
 */
static inline unsigned hist_index(uint64_t v)
{
    unsigned shift;

    if (v < HIST_SUB)
        return (unsigned)v;
    shift = 63u - (unsigned)__builtin_clzll(v) - HIST_SUB_BITS;
    return (shift << HIST_SUB_BITS) + (unsigned)(v >> shift);
}

static inline void hist_add(struct hist *h, uint64_t v)
{
    h->count++;
    h->sum += v;
    if (v < h->min)
        h->min = v;
    if (v > h->max)
        h->max = v;
    if (__builtin_expect(v > HIST_MAX, 0)) {
        h->beyond++;
        v = HIST_MAX;
    }
    h->bucket[hist_index(v)]++;
}

void hist_clear(struct hist *h);
void hist_merge(struct hist *into, const struct hist *from);

/* The least and the greatest value that fall in a bucket. */
uint64_t hist_low(unsigned index);
uint64_t hist_high(unsigned index);

/*
 * The value that percent of all values do not exceed: the upper end of its bucket, at most 1/128 too high, and never more than the
 * maximum. 0 when the histogram is empty.
 */
uint64_t hist_percentile(const struct hist *h, double percent);

double hist_mean(const struct hist *h);
double hist_stddev(const struct hist *h); /* from the middles of the buckets */

#endif
