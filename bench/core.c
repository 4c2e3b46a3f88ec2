/*
 * Cycles of the stack alone. Usage:
 *     core [--only rr|cold|size|bulk|open|many] [--size BYTES] [--conns N] [--variant NAME] [--reps N] [--requests N] [--mtu N]
 *          [--tso 0|1] [--gro 0|1] [--copy 0|1|2] [--kernel-calls N] [--csv FILE] [--count]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char *const parts[] = {"rr", "cold", "size", "bulk", "open", "many"};

/* One of the n names, or a usage error. */
static const char *one_of(const char *name, const char *value, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(value, names[i]) == 0)
            return value;
    fprintf(stderr, "core: %s: found \"%s\", expected one of:", name, value);
    for (int i = 0; i < n; i++)
        fprintf(stderr, " \"%s\"", names[i]);
    fputc('\n', stderr);
    exit(2);
}

static bool chosen(const struct bench_conf *c, const char *name)
{
    return c->only == NULL || strcmp(c->only, name) == 0;
}

__attribute__((noreturn)) static void usage(const char *what)
{
    fprintf(stderr,
            "core: %s\nusage: core [--only rr|cold|size|bulk|open|many] [--size 1-%d] [--conns 1-%u] [--variant NAME] [--reps 1-%u]"
            " [--requests N] [--mtu N] [--tso 0|1] [--gro 0|1] [--copy 0|1|2] [--kernel-calls N] [--csv FILE] [--count]\n",
            what, Z_BUF_MAX, CONNS_MAX, REPS_MAX - 2);
    exit(2);
}

static uint32_t number(const char *name, const char *text, uint32_t low, uint32_t high)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || n < low || n > high) {
        fprintf(stderr, "core: %s: found \"%s\", expected a number from %u to %u\n", name, text, low, high);
        exit(2);
    }
    return (uint32_t)n;
}

static const char *parse(int argc, char **argv, struct bench_conf *c)
{
    const char *csv = NULL;

    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];

        if (strcmp(name, "--count") == 0) {
            c->only = c->only != NULL ? c->only : "rr";
            c->count = true;
            i--;
            continue;
        }
        if (value == NULL)
            usage(name);
        if (strcmp(name, "--only") == 0)
            c->only = one_of(name, value, parts, sizeof(parts) / sizeof(parts[0]));
        else if (strcmp(name, "--variant") == 0)
            c->variant = one_of(name, value, way_names, WAYS);
        else if (strcmp(name, "--csv") == 0)
            csv = value;
        else if (strcmp(name, "--size") == 0)
            c->size = number(name, value, 1, Z_BUF_MAX);
        else if (strcmp(name, "--conns") == 0)
            c->conns = number(name, value, 1, CONNS_MAX);
        else if (strcmp(name, "--reps") == 0)
            c->reps = number(name, value, 1, REPS_MAX - 2);
        else if (strcmp(name, "--requests") == 0)
            c->requests = number(name, value, 1, 100000000);
        else if (strcmp(name, "--mtu") == 0)
            c->mtu = (uint16_t)number(name, value, 576, 9000);
        else if (strcmp(name, "--kernel-calls") == 0)
            c->calls = number(name, value, 0, 100);
        else if (strcmp(name, "--gro") == 0)
            c->gro = number(name, value, 0, 1) != 0;
        else if (strcmp(name, "--copy") == 0)
            c->copy = number(name, value, 0, 2);
        else if (strcmp(name, "--tso") == 0)
            c->tso = number(name, value, 0, 1) != 0;
        else
            usage(name);
    }
    return csv;
}

static enum pair_wire wire_of(const struct bench_conf *c)
{
    if (c->copy != 0)
        return c->copy == 1 ? WIRE_COPY : WIRE_FLAT;
    return c->tso ? WIRE_LARGE : WIRE_SEGMENTS;
}

int main(int argc, char **argv)
{
    struct bench_conf c = {.reps = 31, .mtu = 1500, .tso = true, .gro = true};
    const char *csv = parse(argc, argv, &c);
    static struct pair p;
    struct report rep;

    report_open(&rep, csv);
    p.kernel_calls = c.calls;
    pair_start(&p, c.mtu, wire_of(&c), c.gro, chosen(&c, "many") ? CONNS_MAX : CONNS_USUAL);
    if (chosen(&c, "rr"))
        bench_rr(&p, &c, &rep);
    if (chosen(&c, "cold"))
        bench_cold(&p, &c, &rep);
    if (chosen(&c, "size"))
        bench_size(&p, &c, &rep);
    if (chosen(&c, "bulk"))
        bench_bulk(&p, &c, &rep);
    if (chosen(&c, "open"))
        bench_open(&p, &c, &rep);
    if (chosen(&c, "many"))
        bench_many(&p, &c, &rep);
    if (rep.csv != NULL)
        fclose(rep.csv);
    return 0;
}
