/* /zstack/counters for dpdk-telemetry.py: read by DPDK's telemetry thread, so values may be a poll old. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_telemetry.h>

#include "core/stack.h"
#include "mon/mon.h"

#include "base/poison.h"

#define MAX_STACKS 64

static struct {
    pthread_mutex_t lock; /* a stack may not go while the telemetry thread reads it */
    bool registered;
    const struct z_stack *stack[MAX_STACKS];
} shown = {.lock = PTHREAD_MUTEX_INITIALIZER};

_Static_assert(CTR_COUNT + 3 <= RTE_TEL_MAX_DICT_ENTRIES, "a telemetry dictionary takes all counters");

/* Telemetry names have letters, digits, '_' and '/' only. */
static void add_value(struct rte_tel_data *d, const char *name, uint64_t v)
{
    char key[RTE_TEL_MAX_STRING_LEN];
    unsigned n = 0;

    for (; name[n] != '\0' && n < sizeof(key) - 1; n++)
        key[n] = name[n] == '.' ? '_' : name[n];
    key[n] = '\0';
    rte_tel_data_add_dict_u64(d, key, v);
}

static const struct z_stack *find_locked(unsigned index)
{
    for (unsigned i = 0; i < MAX_STACKS; i++)
        if (shown.stack[i] != NULL && shown.stack[i]->index == index)
            return shown.stack[i];
    return NULL;
}

static int show_counters(const char *cmd, const char *params, struct rte_tel_data *d)
{
    const struct z_stack *s;
    unsigned long index = 0;

    (void)cmd;
    if (params != NULL && params[0] != '\0') {
        char *end;

        index = strtoul(params, &end, 10);
        if (*end != '\0' || index > UINT16_MAX)
            return -EINVAL;
    }
    pthread_mutex_lock(&shown.lock);
    s = find_locked((unsigned)index);
    if (s != NULL) {
        rte_tel_data_start_dict(d);
        add_value(d, "stack", s->index);
        add_value(d, "copied_bytes", mon_copied_bytes(s));
        add_value(d, "copied_deliberate_bytes", mon_copied_deliberate_bytes(s));
        for (int i = 0; i < CTR_COUNT; i++)
            add_value(d, ctr_names[i], s->ctr.v[i]);
    }
    pthread_mutex_unlock(&shown.lock);
    return s != NULL ? 0 : -ENOENT;
}

int mon_telemetry_add(const struct z_stack *s)
{
    unsigned i = 0;
    int r = 0;

    pthread_mutex_lock(&shown.lock);
    while (i < MAX_STACKS && shown.stack[i] != NULL)
        i++;
    if (i == MAX_STACKS)
        r = -ENOSPC;
    else if (!shown.registered)
        r = rte_telemetry_register_cmd("/zstack/counters", show_counters, "Counters of a stack. Parameter: its number (0)");
    if (r == 0) {
        shown.registered = true;
        shown.stack[i] = s;
    }
    pthread_mutex_unlock(&shown.lock);
    return r;
}

void mon_telemetry_remove(const struct z_stack *s)
{
    pthread_mutex_lock(&shown.lock);
    for (unsigned i = 0; i < MAX_STACKS; i++)
        if (shown.stack[i] == s)
            shown.stack[i] = NULL;
    pthread_mutex_unlock(&shown.lock);
}
