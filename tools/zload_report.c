/* Results: as text, JSON or CSV; and the line of progress. */
#include <stdlib.h>

#include "zload.h"

static const char *const error_names[ERRORS] = {
    [ERR_REFUSED] = "refused",   [ERR_CONNECT] = "connect", [ERR_CONNECT_TIMEOUT] = "connect_timeout",
    [ERR_RESET] = "reset",       [ERR_CLOSED] = "closed",   [ERR_TIMEOUT] = "timeout",
    [ERR_STATUS] = "status",     [ERR_LENGTH] = "length",   [ERR_CONTENT] = "content",
    [ERR_RESPONSE] = "response", [ERR_SEND] = "send",       [ERR_LOCAL] = "local",
};

static const double percents[] = {50, 90, 99, 99.9, 99.99};

#define PERCENTS (sizeof(percents) / sizeof(percents[0]))

/* What is printed of a window, or of all. */
struct row {
    double seconds, rate, rx_mb, tx_mb, opened_rate; /* MB: millions of bytes, per second */
    uint64_t responses, opened;
    double mean, stddev, min, max, at[PERCENTS]; /* microseconds */
    double own_cpu, busy, batch, own_cycles;     /* seconds; 0 to 1; responses per turn that was not idle; per response */
    double server_cpu, server_user, server_cycles;
    double stolen;
};

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static double per_response(const struct load *l, double cpu, uint64_t responses)
{
    return responses == 0 || cpu < 0 ? -1 : cpu * (double)ns_to_tsc(l, NS_PER_SEC) / (double)responses;
}

static struct row make_row(const struct load *l, const struct window *w)
{
    const struct hist *h = &w->latency_ns;
    uint64_t tsc = w->end_tsc - w->begin_tsc;
    double s = (double)tsc_to_ns(l, tsc) / 1e9;
    struct row r = {
        .seconds = s,
        .responses = h->count,
        .rate = (double)h->count / s,
        .rx_mb = (double)w->rx_bytes / s / 1e6,
        .tx_mb = (double)w->tx_bytes / s / 1e6,
        .opened = w->opened,
        .opened_rate = (double)w->opened / s,
        .mean = hist_mean(h) / 1e3,
        .stddev = hist_stddev(h) / 1e3,
        .min = h->count != 0 ? us(h->min) : 0,
        .max = us(h->max),
        .own_cpu = w->own.user + w->own.system,
        .busy = 1 - (double)w->idle_tsc / (double)tsc,
        .batch = w->turns != 0 ? (double)h->count / (double)w->turns : 0,
        .server_cpu = w->server.user < 0 ? -1 : w->server.user + w->server.system,
        .server_user = w->server.user,
        .stolen = w->stolen,
    };

    for (unsigned i = 0; i < PERCENTS; i++)
        r.at[i] = us(hist_percentile(h, percents[i]));
    r.own_cycles = per_response(l, r.own_cpu, h->count);
    r.server_cycles = per_response(l, r.server_cpu, h->count);
    return r;
}

/* All windows as one. The time between two of them, a few microseconds for their statistics, is left out. */
static void merge(const struct load *l, struct window *all)
{
    double stolen = 0;

    *all = (struct window){0};
    hist_clear(&all->latency_ns);
    for (unsigned i = 0; i < l->n_windows; i++) {
        const struct window *w = &l->window[i];

        hist_merge(&all->latency_ns, &w->latency_ns);
        all->rx_bytes += w->rx_bytes;
        all->tx_bytes += w->tx_bytes;
        all->opened += w->opened;
        all->idle_tsc += w->idle_tsc;
        all->turns += w->turns;
        all->end_tsc += w->end_tsc - w->begin_tsc;
        all->own.user += w->own.user;
        all->own.system += w->own.system;
        all->server.user += w->server.user;
        all->server.system += w->server.system;
        stolen += w->stolen;
    }
    all->stolen = l->n_windows != 0 ? stolen / l->n_windows : -1;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of a member over the windows; at: its offset in struct row. */
static double median(const struct row *rows, unsigned n, size_t at)
{
    static double v[ARGS_WINDOWS_MAX];

    for (unsigned i = 0; i < n; i++)
        v[i] = *(const double *)((const char *)&rows[i] + at);
    qsort(v, n, sizeof(v[0]), by_value);
    return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

uint64_t report_errors(const struct load *l)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < ERRORS; i++)
        n += l->errors[i];
    return n;
}

/* progress ----------------------------------------------------------------------------------------------------- */

void report_progress(const struct load *l, struct progress *p, const char *phase)
{
    uint64_t tsc = rte_rdtsc();
    double s = (double)tsc_to_ns(l, tsc - p->tsc) / 1e9;

    if (p->tsc == 0)
        s = 1;
    fprintf(stderr, "zload: %s: %u connections, %.0f requests/s, p99 %.1f us, %llu errors\n", phase, l->n_ready,
            (double)(l->responses - p->responses) / s, us(hist_percentile(&l->w->latency_ns, 99)), (unsigned long long)report_errors(l));
    p->tsc = tsc;
    p->responses = l->responses;
}

/* text --------------------------------------------------------------------------------------------------------- */

/* A few that are due at the end are always there: one in a hundred says something. */
static void text_errors(const struct load *l, const struct row *all, FILE *out)
{
    const char *sep = "  errors       ";

    if (report_errors(l) == 0)
        fprintf(out, "  errors       none%s", l->unanswered != 0 ? " in what was answered" : "");
    for (unsigned i = 0; i < ERRORS; i++) {
        if (l->errors[i] == 0)
            continue;
        fprintf(out, "%s%s %llu", sep, error_names[i], (unsigned long long)l->errors[i]);
        sep = ", ";
    }
    fputc('\n', out);
    if (l->first_error[0] != '\0')
        fprintf(out, "  the first    %s\n", l->first_error);
    if (l->unsent != 0)
        fprintf(out, "  not sent     %llu requests were due at the end, the oldest for %.1f ms%s\n", (unsigned long long)l->unsent,
                us(tsc_to_ns(l, l->late_tsc)) / 1e3, l->unsent > all->responses / 100 ? ": the rate was not reached" : "");
    if (l->unanswered != 0)
        fprintf(out, "  not answered %llu requests within a second after the end\n", (unsigned long long)l->unanswered);
}

static void text_cycles(double cycles, FILE *out)
{
    if (cycles < 0)
        fputs("n/a cycles a request\n", out);
    else
        fprintf(out, "%.0f cycles a request\n", cycles);
}

static void text_cpu(const struct row *r, FILE *out)
{
    fprintf(out, "  this side    %.2f s of CPU time, busy %.1f %%, %.1f responses a turn, ", r->own_cpu, 100 * r->busy, r->batch);
    text_cycles(r->own_cycles, out);
    if (r->server_cpu >= 0) {
        fprintf(out, "  server       %.2f s of CPU time (%.1f %%; user %.2f s), ", r->server_cpu, 100 * r->server_cpu / r->seconds,
                r->server_user);
        text_cycles(r->server_cycles, out);
    }
    if (r->stolen >= 0)
        fprintf(out, "  stolen       %.2f %% of the machine\n", 100 * r->stolen);
}

static void text_latency(const struct row *r, FILE *out)
{
    if (r->responses == 0)
        fputs("  latency us   n/a: no response was measured\n", out);
    else
        fprintf(out, "  latency us   p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, p99.99 %.1f, max %.1f, mean %.1f, stddev %.1f\n", r->at[0],
                r->at[1], r->at[2], r->at[3], r->at[4], r->max, r->mean, r->stddev);
}

static void text_windows(const struct row *w, unsigned n, FILE *out)
{
    static const size_t columns[] = {offsetof(struct row, rate),  offsetof(struct row, at[0]), offsetof(struct row, at[1]),
                                     offsetof(struct row, at[2]), offsetof(struct row, at[3]), offsetof(struct row, at[4]),
                                     offsetof(struct row, max),   offsetof(struct row, stolen)};

    fprintf(out, "%9s %12s %9s %9s %9s %9s %9s %9s %8s\n", "window", "requests/s", "p50 us", "p90", "p99", "p99.9", "p99.99", "max",
            "stolen %");
    for (unsigned i = 0; i <= n; i++) {
        double v[8];

        for (unsigned k = 0; k < 8; k++)
            v[k] = i < n ? *(const double *)((const char *)&w[i] + columns[k]) : median(w, n, columns[k]);
        if (i < n)
            fprintf(out, "%9u", i + 1);
        else
            fprintf(out, "%9s", "median");
        fprintf(out, " %12.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %8.2f\n", v[0], v[1], v[2], v[3], v[4], v[5], v[6], 100 * v[7]);
    }
}

static void print_text(const struct load *l, const struct row *all, const struct row *w, FILE *out)
{
    const struct args *a = &l->args;

    fprintf(out, "%s: %u connections, depth %u, ", a->target, l->n_conns, l->depth);
    if (l->open_loop)
        fprintf(out, "open loop at %.0f requests/s", a->rate);
    else
        fprintf(out, "closed loop");
    fprintf(out, "%s, %.2f s\n", a->brief ? ", a connection per request" : "", all->seconds);
    fprintf(out, "  requests     %llu, %.1f per second\n", (unsigned long long)all->responses, all->rate);
    fprintf(out, "  payload      received %.1f MB/s, sent %.1f MB/s\n", all->rx_mb, all->tx_mb);
    text_latency(all, out);
    if (all->opened != 0)
        fprintf(out, "  connections  %llu opened, %.1f per second\n", (unsigned long long)all->opened, all->opened_rate);
    text_errors(l, all, out);
    text_cpu(all, out);
    if (a->windows > 1 && l->n_windows > 0)
        text_windows(w, l->n_windows, out);
}

/* JSON and CSV ------------------------------------------------------------------------------------------------- */

/* A text as a JSON string (RFC 8259 section 7), or as a CSV field (RFC 4180). */
static void put_string(const char *s, bool json, FILE *out)
{
    fputc('"', out);
    for (; *s != '\0'; s++) {
        if (json && (*s == '"' || *s == '\\'))
            fprintf(out, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            fprintf(out, json ? "\\u%04x" : " ", (unsigned char)*s);
        else if (*s == '"')
            fputs("\"\"", out);
        else
            fputc(*s, out);
    }
    fputc('"', out);
}

struct field {
    const char *name;
    size_t at;     /* in struct row */
    bool optional; /* negative values mean that it is not known */
};

#define FIELD(name, member, optional)                                                                                                      \
    {                                                                                                                                      \
        name, offsetof(struct row, member), optional                                                                                       \
    }

static const struct field fields[] = {
    FIELD("seconds", seconds, false),
    FIELD("requests_per_second", rate, false),
    FIELD("received_mb_per_second", rx_mb, false),
    FIELD("sent_mb_per_second", tx_mb, false),
    FIELD("connections_per_second", opened_rate, false),
    FIELD("p50_us", at[0], false),
    FIELD("p90_us", at[1], false),
    FIELD("p99_us", at[2], false),
    FIELD("p99_9_us", at[3], false),
    FIELD("p99_99_us", at[4], false),
    FIELD("min_us", min, false),
    FIELD("max_us", max, false),
    FIELD("mean_us", mean, false),
    FIELD("stddev_us", stddev, false),
    FIELD("client_cpu_seconds", own_cpu, true),
    FIELD("client_busy", busy, false),
    FIELD("client_batch", batch, false),
    FIELD("client_cycles_per_request", own_cycles, true),
    FIELD("server_cpu_seconds", server_cpu, true),
    FIELD("server_user_seconds", server_user, true),
    FIELD("server_cycles_per_request", server_cycles, true),
    FIELD("stolen", stolen, true),
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static void put_fields(const struct row *r, const char *before, bool json, FILE *out)
{
    for (unsigned i = 0; i < FIELDS; i++) {
        double v = *(const double *)((const char *)r + fields[i].at);

        fputs(before, out);
        if (json)
            fprintf(out, "\"%s\": ", fields[i].name);
        if (fields[i].optional && v < 0)
            fputs(json ? "null" : "", out);
        else
            fprintf(out, "%.9g", v);
    }
}

static void print_json(const struct load *l, const struct row *all, const struct row *w, FILE *out)
{
    fputs("{\"target\": ", out);
    put_string(l->args.target, true, out);
    fprintf(out, ", \"connections\": %u, \"depth\": %u, \"rate\": ", l->n_conns, l->depth);
    if (l->open_loop)
        fprintf(out, "%.9g", l->args.rate);
    else
        fputs("null", out);
    fprintf(out, ", \"short\": %s,\n \"requests\": %llu, \"opened\": %llu, \"tsc_hz\": %llu", l->args.brief ? "true" : "false",
            (unsigned long long)all->responses, (unsigned long long)all->opened, (unsigned long long)ns_to_tsc(l, NS_PER_SEC));
    put_fields(all, ", ", true, out);
    fprintf(out, ",\n \"unsent\": %llu, \"unanswered\": %llu, \"first_error\": ", (unsigned long long)l->unsent,
            (unsigned long long)l->unanswered);
    put_string(l->first_error, true, out);
    fprintf(out, ",\n \"errors\": {\"all\": %llu", (unsigned long long)report_errors(l));
    for (unsigned i = 0; i < ERRORS; i++)
        fprintf(out, ", \"%s\": %llu", error_names[i], (unsigned long long)l->errors[i]);
    fputs("},\n \"windows\": [", out);
    for (unsigned i = 0; i < l->n_windows; i++) {
        fprintf(out, "%s\n  {\"requests\": %llu", i != 0 ? "," : "", (unsigned long long)w[i].responses);
        put_fields(&w[i], ", ", true, out);
        fputc('}', out);
    }
    fputs("]}\n", out);
}

/* A line for each window when there are several, and one for all, which alone has the errors: they are of the whole run. */
static void print_csv(const struct load *l, const struct row *all, const struct row *w, FILE *out)
{
    unsigned n = l->n_windows > 1 ? l->n_windows : 0;

    fputs("target,connections,depth,rate,window,requests", out);
    for (unsigned i = 0; i < FIELDS; i++)
        fprintf(out, ",%s", fields[i].name);
    fputs(",unsent,unanswered,errors", out);
    for (unsigned i = 0; i < ERRORS; i++)
        fprintf(out, ",error_%s", error_names[i]);
    fputc('\n', out);
    for (unsigned i = 0; i <= n; i++) {
        const struct row *r = i < n ? &w[i] : all;

        put_string(l->args.target, false, out);
        fprintf(out, ",%u,%u,%.9g,", l->n_conns, l->depth, l->args.rate);
        if (i < n)
            fprintf(out, "%u", i + 1);
        else
            fputs("all", out);
        fprintf(out, ",%llu", (unsigned long long)r->responses);
        put_fields(r, ",", false, out);
        if (i == n)
            fprintf(out, ",%llu,%llu,%llu", (unsigned long long)l->unsent, (unsigned long long)l->unanswered,
                    (unsigned long long)report_errors(l));
        else
            fputs(",,,", out);
        for (unsigned k = 0; k < ERRORS; k++)
            fprintf(out, i == n ? ",%llu" : ",", (unsigned long long)l->errors[k]);
        fputc('\n', out);
    }
}

void report_print(const struct load *l, FILE *out)
{
    static struct window sum;
    static struct row windows[ARGS_WINDOWS_MAX];
    struct row all;

    merge(l, &sum);
    all = make_row(l, &sum);
    for (unsigned i = 0; i < l->n_windows; i++)
        windows[i] = make_row(l, &l->window[i]);
    switch (l->args.format) {
    case FORMAT_TEXT:
        print_text(l, &all, windows, out);
        break;
    case FORMAT_JSON:
        print_json(l, &all, windows, out);
        break;
    case FORMAT_CSV:
        print_csv(l, &all, windows, out);
        break;
    }
}
