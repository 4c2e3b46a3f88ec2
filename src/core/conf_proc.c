/* A process for each core of lcore_mask, as --proc-type and --proc-id say: which core is this one's. */
#include <stdio.h>
#include <string.h>

#include "core/conf.h"

#include "base/poison.h"

static uint64_t nth_core(uint64_t mask, int n)
{
    while (n-- > 0)
        mask &= mask - 1;
    return mask & -mask;
}

static int check(const struct conf *c, bool secondary, char *err, size_t n)
{
    unsigned cores = conf_members(c);

    if (secondary && (cores == 1 || c->thread_mode))
        snprintf(err, n, "--proc-type=secondary: %s makes one process: give lcore_mask a bit for each%s", c->file,
                 c->thread_mode ? ", and leave thread_mode out" : "");
    else if (secondary && c->proc_id == 0)
        snprintf(err, n, "--proc-type=secondary: expected --proc-id=1 to %u beside it", cores - 1);
    else if (!c->procs && c->proc_id > 0)
        snprintf(err, n, "--proc-id: found %d, but %s makes one process: give lcore_mask a bit for each%s", c->proc_id, c->file,
                 c->thread_mode ? ", and leave thread_mode out" : "");
    else if (c->procs && (unsigned)c->proc_id >= cores)
        snprintf(err, n, "--proc-id: found %d, but lcore_mask has %u cores: 0 to %u", c->proc_id, cores, cores - 1);
    else if (c->procs && !secondary && c->proc_id != 0)
        snprintf(err, n, "--proc-id: found %d, expected 0 with --proc-type=primary", c->proc_id);
    else
        return 0;
    return -1;
}

int conf_set_process(struct conf *c, const char *type, int id, char *err, size_t err_bytes)
{
    bool secondary;

    c->proc_id = id > 0 ? id : 0;
    if (strcmp(type, "primary") != 0 && strcmp(type, "secondary") != 0 && strcmp(type, "auto") != 0) {
        snprintf(err, err_bytes, "--proc-type: found \"%.40s\", expected primary, secondary or auto", type);
        return -1;
    }
    secondary = strcmp(type, "secondary") == 0 || (c->procs && strcmp(type, "auto") == 0 && c->proc_id != 0);
    if (check(c, secondary, err, err_bytes) != 0)
        return -1;
    if (!c->procs)
        return 0;
    c->secondary = secondary;
    snprintf(c->proc_mask, sizeof(c->proc_mask), "%llx", (unsigned long long)nth_core(c->lcore_mask, c->proc_id));
    c->eal_argv[CONF_EAL_MASK] = c->proc_mask;
    c->eal_argv[c->eal_argc++] = secondary ? (char *)(uintptr_t) "--proc-type=secondary" : (char *)(uintptr_t) "--proc-type=primary";
    c->eal_argv[c->eal_argc] = NULL;
    return 0;
}
