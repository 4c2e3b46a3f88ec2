/* A rate limit as a virtual schedule (GCRA): events are due one every 1/rate seconds, up to a second's worth may come early. */
#ifndef BASE_GCRA_H
#define BASE_GCRA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

/* *tat_ns: when the next event would be exactly on time; 0 at first. */
static inline bool gcra_allows(uint64_t *tat_ns, uint32_t rate, uint64_t now_ns)
{
    uint64_t due = MAX(*tat_ns, now_ns);

    if (rate == 0 || due + NS_PER_SEC / rate > now_ns + NS_PER_SEC)
        return false;
    *tat_ns = due + NS_PER_SEC / rate;
    return true;
}

#endif
