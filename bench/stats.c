#include "stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

void samples_add(struct samples *s, double v)
{
    if (s->n < REPS_MAX)
        s->v[s->n++] = v;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct spread samples_spread(const struct samples *s)
{
    struct samples t = *s;

    if (t.n == 0)
        return (struct spread){0};
    qsort(t.v, t.n, sizeof(t.v[0]), by_value);
    return (struct spread){
        .min = t.v[0],
        .p25 = t.v[t.n / 4],
        .median = t.v[t.n / 2],
        .p75 = t.v[t.n * 3 / 4],
        .max = t.v[t.n - 1],
    };
}

void report_open(struct report *r, const char *path)
{
    r->csv = NULL;
    if (path == NULL)
        return;
    r->csv = fopen(path, "w");
    if (r->csv == NULL)
        die(path);
    fprintf(r->csv, "bench,variant,size,connections,metric,median,p25,p75,min,max,repetitions\n");
}

void report_row(struct report *r, const char *bench, const char *variant, uint32_t size, uint32_t conns, const char *metric,
                const struct samples *s)
{
    struct spread d = samples_spread(s);

    if (r->csv == NULL)
        return;
    fprintf(r->csv, "%s,\"%s\",%u,%u,%s,%.2f,%.2f,%.2f,%.2f,%.2f,%u\n", bench, variant, size, conns, metric, d.median, d.p25, d.p75, d.min,
            d.max, s->n);
}
