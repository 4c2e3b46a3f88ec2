/*
 * zload: a load generator on the stack, for any server that a DPDK port reaches. docs/man/zload.1 explains its options.
 *
 * A run has phases: one connection tries until the server answers, then all are opened, requests are sent for a while without being
 * measured, then they are measured, and what is outstanding at the end is given a second.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zload.h"

#define TICK_NS 1000000ull
#define DRAIN_NS NS_PER_SEC
#define CLOSE_NS (NS_PER_SEC / 20) /* for the peer's side of closing, which nobody would answer later */
#define DUE_MAX 256                /* requests sent between two looks at the network */

enum phase { PHASE_WAIT, PHASE_OPEN, PHASE_WARMUP, PHASE_MEASURE, PHASE_DRAIN, PHASE_CLOSE };

static const char *const phase_names[] = {"waiting for the server", "opening", "warming up", "measuring", "draining", "closing"};

static struct load load;
static enum phase phase;
static uint64_t phase_end_tsc, tick_tsc, progress_tsc, turn_tsc, second_tsc;
static bool worked; /* in the last turn there was something to do */
static struct progress progress;
static struct steal steal_before;
static volatile sig_atomic_t stop_asked;
static int exit_status;

void die(int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("zload: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(status);
}

void load_error(struct load *l, enum load_error e, uint64_t n, const char *fmt, ...)
{
    va_list ap;

    if (l->probing)
        return;
    l->errors[e] += n;
    if (l->first_error[0] != '\0')
        return;
    va_start(ap, fmt);
    vsnprintf(l->first_error, sizeof(l->first_error), fmt, ap);
    va_end(ap);
}

void load_answered(struct load *l, struct conn *c)
{
    uint64_t intended = l->ring[(uint64_t)(c - l->conn) * l->depth + c->ring_head];

    c->ring_head = (uint16_t)(c->ring_head + 1u == l->depth ? 0 : c->ring_head + 1u);
    c->outstanding--;
    l->outstanding--;
    if (!l->open_loop)
        c->owed++;
    if (unlikely(l->args.brief || c->last))
        c->state = CONN_ENDING;
    if (unlikely(c->wrong))
        return;
    l->responses++;
    hist_add(&l->w->latency_ns, tsc_to_ns(l, l->now_tsc - intended));
}

/* windows ------------------------------------------------------------------------------------------------------ */

static void window_begin(struct load *l)
{
    struct window *w = &l->window[l->n_windows];

    hist_clear(&w->latency_ns);
    w->own = sys_own_cpu();
    w->server = sys_process_cpu(l->args.server_pid);
    steal_before = sys_steal();
    w->begin_tsc = turn_tsc = rte_rdtsc(); /* the turn under way counts from here */
    l->w = w;
}

static struct cpu_time spent(struct cpu_time before, struct cpu_time after)
{
    if (before.user < 0 || after.user < 0)
        return (struct cpu_time){-1, -1};
    return (struct cpu_time){after.user - before.user, after.system - before.system};
}

static void window_end(struct load *l)
{
    struct window *w = l->w;
    struct steal after = sys_steal();

    w->end_tsc = rte_rdtsc();
    w->own = spent(w->own, sys_own_cpu());
    w->server = spent(w->server, sys_process_cpu(l->args.server_pid));
    w->stolen = after.all > steal_before.all ? (double)(after.stolen - steal_before.stolen) / (double)(after.all - steal_before.all) : -1;
    l->n_windows++;
    l->w = &l->window[l->args.windows]; /* what comes now is not measured */
}

/* phases ------------------------------------------------------------------------------------------------------- */

static void enter(struct load *l, enum phase p, uint64_t ns)
{
    phase = p;
    phase_end_tsc = l->now_tsc + ns_to_tsc(l, ns);
}

static void begin_opening(struct load *l)
{
    l->probing = false;
    l->open_tsc = l->now_tsc;
    if (l->args.brief) {
        conn_end(l, &l->conn[0]);
        l->n_first = l->n_conns;
    }
    enter(l, PHASE_OPEN, l->args.ramp_ns + 2 * l->args.timeout_ns);
}

static void begin_load(struct load *l)
{
    l->issue = true;
    l->schedule_tsc = l->due_tsc = l->now_tsc;
    enter(l, PHASE_WARMUP, l->args.warmup_ns);
    if (l->open_loop)
        return;
    for (uint32_t i = 0; i < l->n_conns; i++) {
        struct conn *c = &l->conn[i];

        if (l->args.brief && c->state == CONN_CLOSED && !c->queued)
            conn_open(l, c);
        else
            conn_send(l, c);
    }
}

/* Open loop: what was due and is not sent, because the server, or this program, was behind. */
static void count_unsent(struct load *l)
{
    uint64_t late, due = (uint64_t)(((unsigned __int128)(l->now_tsc - l->schedule_tsc) << 16) / l->period_tsc16) + 1;

    if (due > l->due) {
        l->unsent = due - l->due;
        l->late_tsc = l->now_tsc - l->due_tsc;
    }
    for (uint32_t i = 0; i < l->n_conns; i++) {
        const struct conn *c = &l->conn[i];

        if (c->owed == 0)
            continue;
        l->unsent += c->owed;
        late = l->now_tsc - load_due_tsc(l, c->next);
        l->late_tsc = late > l->late_tsc ? late : l->late_tsc;
    }
}

static void begin_draining(struct load *l)
{
    if (phase == PHASE_MEASURE)
        window_end(l);
    if (l->open_loop && l->issue)
        count_unsent(l);
    l->issue = false;
    enter(l, PHASE_DRAIN, DRAIN_NS);
}

/* Was anything measured? */
static bool has_results(const struct load *l)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < l->n_windows; i++)
        n += l->window[i].latency_ns.count;
    return n != 0;
}

static void finish(struct load *l)
{
    l->unanswered = l->outstanding;
    if (l->n_windows != 0) {
        report_print(l, stdout);
        fflush(stdout);
    }
    if (report_errors(l) != 0 || !has_results(l))
        exit_status = 2;
    if (l->n_windows == 0)
        fprintf(stderr, "zload: ended before anything was measured\n");
    for (uint32_t i = 0; i < l->n_conns; i++)
        conn_end(l, &l->conn[i]);
    STAILQ_INIT(&l->soon);
    STAILQ_INIT(&l->again);
    enter(l, PHASE_CLOSE, CLOSE_NS);
}

static void wait_for_server(struct load *l)
{
    struct conn *c = &l->conn[0];

    l->local_usable = l->local_usable || conn_local_usable(l);
    if (l->local_usable && c->state == CONN_CLOSED && !c->queued)
        conn_open(l, c);
    if (c->state == CONN_READY)
        begin_opening(l);
    else if (l->now_tsc < phase_end_tsc)
        return;
    else if (!l->local_usable)
        die(2, "--local: an address cannot be used after %.3g s (%s): give those of the port in the configuration",
            (double)l->args.wait_ns / 1e9, strerror(l->connect_error));
    else
        die(2, "%s does not answer within %.3g s%s%s", l->args.target, (double)l->args.wait_ns / 1e9, l->connect_error != 0 ? ": " : "",
            l->connect_error != 0 ? strerror(l->connect_error) : "");
}

static void open_all(struct load *l)
{
    conn_open_first(l);
    if (l->args.brief || l->n_ready == l->n_conns)
        begin_load(l);
    else if (l->now_tsc >= phase_end_tsc)
        die(2, "only %u of %u connections could be opened%s%s", l->n_ready, l->n_conns,
            l->first_error[0] != '\0' ? "; the first error: " : "", l->first_error);
}

static void measure(struct load *l)
{
    uint64_t window_tsc = ns_to_tsc(l, l->args.duration_ns / l->args.windows);

    if (l->now_tsc - l->w->begin_tsc < window_tsc && l->w->latency_ns.count < l->args.requests)
        return;
    if (l->n_windows + 1 == l->args.windows) {
        begin_draining(l);
        return;
    }
    window_end(l);
    window_begin(l);
}

static void step(struct load *l)
{
    switch (phase) {
    case PHASE_WAIT:
        wait_for_server(l);
        break;
    case PHASE_OPEN:
        open_all(l);
        break;
    case PHASE_WARMUP:
        if (l->now_tsc < phase_end_tsc)
            break;
        phase = PHASE_MEASURE;
        window_begin(l);
        break;
    case PHASE_MEASURE:
        measure(l);
        break;
    case PHASE_DRAIN:
        if (l->outstanding == 0 || l->now_tsc >= phase_end_tsc)
            finish(l);
        break;
    case PHASE_CLOSE:
        if (l->now_tsc >= phase_end_tsc)
            ff_stop_run();
        break;
    }
    if (stop_asked && phase < PHASE_DRAIN)
        begin_draining(l);
}

/* the loop ----------------------------------------------------------------------------------------------------- */

/* Sends what is due. When the server, or we, are slower than the rate, requests are owed, and their latency grows. */
static unsigned send_due(struct load *l)
{
    unsigned n = 0;

    for (; n < DUE_MAX && l->due_tsc <= l->now_tsc; n++) {
        struct conn *c = &l->conn[l->due_conn];

        l->due_conn = l->due_conn + 1 == l->n_conns ? 0 : l->due_conn + 1;
        l->due_tsc = load_due_tsc(l, ++l->due);
        c->owed++;
        if (likely(c->state == CONN_READY))
            conn_send(l, c);
        else if (l->args.brief && c->state == CONN_CLOSED && !c->queued)
            conn_open(l, c);
    }
    return n;
}

static void show_progress(struct load *l)
{
    if (l->now_tsc < progress_tsc)
        return;
    progress_tsc += second_tsc;
    if (l->args.progress)
        report_progress(l, &progress, phase_names[phase]);
}

static int turn(void *arg)
{
    struct load *l = arg;
    unsigned n;

    l->now_tsc = rte_rdtsc();
    if (!worked)
        l->w->idle_tsc += l->now_tsc - turn_tsc;
    l->w->turns += worked;
    turn_tsc = l->now_tsc;
    if (unlikely(l->now_tsc >= tick_tsc || phase < PHASE_WARMUP || phase == PHASE_DRAIN)) {
        tick_tsc = l->now_tsc + ns_to_tsc(l, TICK_NS);
        step(l);
        show_progress(l);
    }
    n = conn_events(l);
    conn_open_again(l);
    if (l->open_loop && l->issue) {
        l->now_tsc = rte_rdtsc();
        n += send_due(l);
    }
    if (unlikely(l->scan_tsc <= l->now_tsc))
        conn_timeouts(l);
    worked = n != 0;
    z_busy(); /* what it measures must not wait for it */
    return 0;
}

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static void start(struct load *l)
{
    struct args *a = &l->args;
    struct sigaction sa = {.sa_handler = on_signal};

    sys_clock_begin();
    if (ff_init(a->stack_argc, a->stack_argv) < 0)
        die(1, "ff_init: %s", strerror(errno));
    l->ns_mult = sys_clock_mult();
    l->open_loop = a->rate != 0;
    if (l->open_loop)
        l->period_tsc16 = (uint64_t)((double)ns_to_tsc(l, NS_PER_SEC) / a->rate * 65536);
    l->window = calloc(a->windows + 1, sizeof(*l->window));
    if (l->window == NULL)
        die(1, "no memory for %llu windows", (unsigned long long)a->windows);
    l->w = &l->window[a->windows];
    hist_clear(&l->w->latency_ns);
    l->now_tsc = turn_tsc = rte_rdtsc();
    second_tsc = ns_to_tsc(l, NS_PER_SEC);
    progress_tsc = l->now_tsc + second_tsc;
    a->progress = a->progress || isatty(STDERR_FILENO);
    conn_init(l);
    msg_init(l);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    l->probing = true;
    enter(l, PHASE_WAIT, a->wait_ns);
}

int main(int argc, char **argv)
{
    char err[256];

    if (args_read(argc, argv, &load.args, err, sizeof(err)) != 0)
        die(1, "%s", err);
    if (load.args.help) {
        fputs(args_usage, stdout);
        return 0;
    }
    start(&load);
    ff_run(turn, &load);
    if (load.args.counters)
        z_print_counters(stderr);
    return exit_status;
}
