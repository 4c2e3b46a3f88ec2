#include "base/counters.h"

#include "base/poison.h"

const char *const ctr_names[CTR_COUNT] = {
#define X(id, name, help) [id] = name,
    COUNTERS_ALL(X)
#undef X
};

const char *const ctr_help[CTR_COUNT] = {
#define X(id, name, help) [id] = help,
    COUNTERS_ALL(X)
#undef X
};
