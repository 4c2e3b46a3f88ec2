/* How a row of a key table is written. */
#ifndef CORE_CONF_TABLE_H
#define CORE_CONF_TABLE_H

#include "base/units.h"
#include "core/conf_priv.h"

#define FIELD(f) .offset = offsetof(struct conf, f), .bytes = sizeof(((struct conf *)0)->f)
#define NUM(sec, key, f, lo, hi)                                                                                                           \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_NUM, FIELD(f), .min = lo, .max = hi, .scale = 1                                          \
    }
#define SIZE(sec, key, f, lo, hi)                                                                                                          \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_SIZE, FIELD(f), .min = lo, .max = hi, .scale = 1                                         \
    }
#define MSEC(sec, key, f, lo, hi)                                                                                                          \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_TIME, FIELD(f), .min = lo, .max = hi, .scale = NS_PER_MS                                 \
    }
#define BOOL(sec, key, f)                                                                                                                  \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_BOOL, FIELD(f), .min = 0, .max = 1, .scale = 1                                           \
    }
#define SPECIAL(sec, key, fn)                                                                                                              \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_SPECIAL, .set = fn                                                                       \
    }
#define IN_SECTION(sec, key)                                                                                                               \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_IN_SECTION                                                                               \
    }
#define NO_EFFECT(sec, key)                                                                                                                \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_NO_EFFECT                                                                                \
    }
#define NOT_YET(sec, key)                                                                                                                  \
    {                                                                                                                                      \
        .section = sec, .name = key, .type = CONF_NOT_YET                                                                                  \
    }

#endif
