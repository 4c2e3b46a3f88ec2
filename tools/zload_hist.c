#include "zload_hist.h"

#include <math.h>
#include <string.h>

void hist_clear(struct hist *h)
{
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    into->count += from->count;
    into->sum += from->sum;
    into->beyond += from->beyond;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

/* How far the values of a bucket are shifted: the inverse of hist_index. */
static unsigned shift_of(unsigned index)
{
    return index < 2 * HIST_SUB ? 0 : (index >> HIST_SUB_BITS) - 1;
}

uint64_t hist_low(unsigned index)
{
    unsigned shift = shift_of(index);

    return (uint64_t)(index - (shift << HIST_SUB_BITS)) << shift;
}

uint64_t hist_high(unsigned index)
{
    return hist_low(index) + (1ull << shift_of(index)) - 1;
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
    uint64_t seen = 0, rank;

    if (h->count == 0)
        return 0;
    rank = (uint64_t)ceil(percent / 100 * (double)h->count);
    if (rank < 1)
        rank = 1;
    if (rank >= h->count)
        return h->max;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen < rank)
            continue;
        if (i == HIST_BUCKETS - 1 && h->beyond != 0)
            return h->max; /* nothing more is known of those */
        return hist_high(i) < h->max ? hist_high(i) : h->max;
    }
    return h->max;
}

double hist_mean(const struct hist *h)
{
    return h->count == 0 ? 0 : (double)h->sum / (double)h->count;
}

double hist_stddev(const struct hist *h)
{
    double mean = hist_mean(h), squares = 0;

    if (h->count == 0)
        return 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        double off = ((double)hist_low(i) + (double)hist_high(i)) / 2 - mean;

        squares += (double)h->bucket[i] * off * off;
    }
    return sqrt(squares / (double)h->count);
}
