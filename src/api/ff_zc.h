/* F-Stack's zero-copy handles: addresses in a range that nothing is mapped to. */
#ifndef API_FF_ZC_H
#define API_FF_ZC_H

#include <stdbool.h>
#include <stdint.h>

#define ZC_HANDLES 65536u
#define ZC_STRIDE 16u /* bytes of address per handle */

extern char *zc_range; /* ZC_HANDLES * ZC_STRIDE bytes; NULL until the first handle is made */

static inline bool zc_is_handle(const void *p)
{
    const char *range = __atomic_load_n(&zc_range, __ATOMIC_RELAXED);

    return range != 0 && (uintptr_t)p - (uintptr_t)range < (uintptr_t)ZC_HANDLES * ZC_STRIDE;
}

#endif
