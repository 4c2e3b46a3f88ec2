/*
 * /zstack/counters and, since a dictionary has no room for all, /zstack/drops for dpdk-telemetry.py: read by DPDK's telemetry thread, so
 * values may be a poll old.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "core/stack.h"
#include "mon/mon.h"

#include "base/poison.h"

static struct {
    pthread_mutex_t lock; /* counters may not go while the telemetry thread reads it */
    bool registered;
    unsigned number[MON_STACKS_MAX];
    const struct counters *ctr[MON_STACKS_MAX];
} shown = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define COUNTERS "/zstack/counters"
#define DROPS "/zstack/drops"

static bool is_drop(int i)
{
    return strncmp(ctr_names[i], "drop.", 5) == 0;
}

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

/* Those with the number, or all. */
static void find_locked(long number, struct mon_stacks *m)
{
    m->n = 0;
    for (unsigned i = 0; i < MON_STACKS_MAX; i++)
        if (shown.ctr[i] != NULL && (number < 0 || shown.number[i] == (unsigned long)number))
            m->ctr[m->n++] = shown.ctr[i];
}

static void add_summary(struct rte_tel_data *d, const struct mon_stacks *m)
{
    uint64_t copied = 0, deliberate = 0;

    for (unsigned i = 0; i < m->n; i++) {
        copied += mon_copied_bytes(m->ctr[i]);
        deliberate += mon_copied_deliberate_bytes(m->ctr[i]);
    }
    add_value(d, "stacks", m->n);
    add_value(d, "copied_bytes", copied);
    add_value(d, "copied_deliberate_bytes", deliberate);
}

static void add_counters(struct rte_tel_data *d, const struct mon_stacks *m, bool drops)
{
    rte_tel_data_start_dict(d);
    if (!drops)
        add_summary(d, m);
    for (int i = 0; i < CTR_COUNT; i++)
        if (is_drop(i) == drops)
            add_value(d, ctr_names[i], mon_sum(m, i));
}

static int show_counters(const char *cmd, const char *params, struct rte_tel_data *d)
{
    struct mon_stacks m;
    long index = -1;

    if (params != NULL && params[0] != '\0') {
        char *end;

        index = strtol(params, &end, 10);
        if (*end != '\0' || index < 0 || index > UINT16_MAX)
            return -EINVAL;
    }
    pthread_mutex_lock(&shown.lock);
    find_locked(index, &m);
    if (m.n != 0)
        add_counters(d, &m, strcmp(cmd, DROPS) == 0);
    pthread_mutex_unlock(&shown.lock);
    return m.n != 0 ? 0 : -ENOENT;
}

static int register_commands(void)
{
    int r = rte_telemetry_register_cmd(COUNTERS, show_counters,
                                       "Counters but those of drops, of all stacks together. Parameter: the number of one, from 0");

    return r != 0 ? r : rte_telemetry_register_cmd(DROPS, show_counters, "Drops by their reason. Parameter: as of " COUNTERS);
}

int mon_telemetry_add(unsigned number, const struct counters *c)
{
    unsigned i = 0;
    int r = 0;

    pthread_mutex_lock(&shown.lock);
    while (i < MON_STACKS_MAX && shown.ctr[i] != NULL)
        i++;
    if (i == MON_STACKS_MAX)
        r = -ENOSPC;
    else if (!shown.registered)
        r = register_commands();
    if (r == 0) {
        shown.registered = true;
        shown.number[i] = number;
        shown.ctr[i] = c;
    }
    pthread_mutex_unlock(&shown.lock);
    return r;
}

void mon_telemetry_remove(const struct counters *c)
{
    pthread_mutex_lock(&shown.lock);
    for (unsigned i = 0; i < MON_STACKS_MAX; i++)
        if (shown.ctr[i] == c)
            shown.ctr[i] = NULL;
    pthread_mutex_unlock(&shown.lock);
}
