/* Medians and spreads of repetitions, as a table on stdout and rows of a CSV file. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdint.h>
#include <stdio.h>

#define REPS_MAX 201u

struct samples {
    uint32_t n;
    double v[REPS_MAX];
};

struct spread {
    double min, p25, median, p75, max;
};

void samples_add(struct samples *s, double v);
struct spread samples_spread(const struct samples *s);

struct report {
    FILE *csv; /* NULL: none */
};

void report_open(struct report *r, const char *path);

/* One row: what was measured, under which conditions, and its spread. */
void report_row(struct report *r, const char *bench, const char *variant, uint32_t size, uint32_t conns, const char *metric,
                const struct samples *s);

#endif
