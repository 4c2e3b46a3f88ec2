/*
 * Request and response of the same size: every connection has one message under way. One request and its response are, for each
 * endpoint, one message received and one sent; that is the unit of all figures.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define EVENTS 256
#define READ_BYTES 65280
#define SECONDS_PER_ROW 3 /* on a busy machine; but at least */
#define REPS_MIN 7u
#define REQUESTS 4000u                 /* of rr_samples, per repetition */
#define REQUESTS_EACH 20u              /* or more: at the beginning and the end of it connections do what they do not in between */
#define COLD_BYTES (24u * 1024 * 1024) /* more than caches hold */

static const char *const phase_names[PHASES] = {"input", "application", "output", "port"};

static struct rr {
    enum way way;
    uint32_t size;
    uint32_t n; /* messages of each side, used in turn */
    struct memory {
        struct z_buf **message;     /* prepared */
        char *out, *in;             /* of WAY_COPY: written from, read to */
        uint32_t next_out, next_in; /* message */
    } mem[2];
    uint64_t done; /* responses that the client has */
} rr;

static uint32_t step(uint32_t *next)
{
    uint32_t i = *next;

    *next = i + 1 < rr.n ? i + 1 : 0;
    return i;
}

static void send_ref(struct side *e, int fd, int which)
{
    struct memory *m = &rr.mem[which];
    struct z_buf *b = rr.way == WAY_FRESH ? z_alloc(rr.size) : z_ref(m->message[step(&m->next_out)]);

    (void)e;
    if (b == NULL || z_write(fd, b, rr.size) < 0)
        die("z_write");
}

static void send_message(struct side *e, int fd, int which)
{
    if (rr.way != WAY_COPY)
        send_ref(e, fd, which);
    else if (ff_write(fd, rr.mem[which].out + (size_t)step(&rr.mem[which].next_out) * rr.size, rr.size) != (ssize_t)rr.size)
        die("ff_write");
}

/* What the application itself knows of a connection is as far away as what the stack knows: the next events' is asked for early. */
#define AHEAD 8

static void look_ahead(const struct side *e, const struct kevent *ev, int n, int i)
{
    for (int k = i == 0 ? 0 : i + AHEAD; k <= i + AHEAD && k < n; k++)
        __builtin_prefetch(&e->conn[ev[k].ident - BENCH_FD_FIRST]);
}

/* What there is of the message. */
static uint32_t read_some(int fd, int which, uint32_t got, bool echo)
{
    ssize_t n;
    void *b;

    if (rr.way == WAY_COPY) {
        n = ff_read(fd, rr.mem[which].in + (size_t)rr.mem[which].next_in * rr.size + got, rr.size - got);
    } else {
        n = z_read(fd, &b, READ_BYTES);
        if (n > 0 && echo) {
            if (z_write(fd, b, (size_t)n) < 0)
                die("z_write");
        } else if (n > 0) {
            z_free(b);
        }
    }
    if (n < 0 && errno != EAGAIN)
        die("read");
    return n > 0 ? (uint32_t)n : 0;
}

/* True when the message is complete. */
static bool receive(struct side *e, int fd, int which, bool echo)
{
    struct peer_state *c = &e->conn[fd - BENCH_FD_FIRST];
    uint32_t n;

    do {
        n = read_some(fd, which, c->got, echo);
        c->got += n;
    } while (n > 0 && c->got < rr.size);
    if (c->got < rr.size)
        return false;
    c->got = 0;
    if (rr.way == WAY_COPY)
        step(&rr.mem[which].next_in);
    return true;
}

static void server(struct side *e)
{
    struct kevent ev[EVENTS];
    bool echo = rr.way == WAY_ECHO;
    int n = ff_kevent(e->kq, NULL, 0, ev, EVENTS, NULL);

    for (int i = 0; i < n; i++) {
        look_ahead(e, ev, n, i);
        if (receive(e, (int)ev[i].ident, 1, echo) && !echo)
            send_message(e, (int)ev[i].ident, 1);
    }
}

static void client(struct side *e)
{
    struct kevent ev[EVENTS];
    int n = ff_kevent(e->kq, NULL, 0, ev, EVENTS, NULL);

    for (int i = 0; i < n; i++) {
        int fd = (int)ev[i].ident;
        struct peer_state *c = &e->conn[fd - BENCH_FD_FIRST];

        look_ahead(e, ev, n, i);
        if (!receive(e, fd, 0, false))
            continue;
        rr.done++;
        if (c->left > 0) {
            c->left--;
            send_message(e, fd, 0);
        }
    }
}

static struct z_buf *prepared(struct side *e, uint32_t size)
{
    struct z_buf *b;

    pair_enter(e);
    b = z_alloc(size);
    if (b == NULL)
        die("z_alloc");
    memset(z_data(b), 'x', size);
    return b;
}

/* each requests on every connection; cycles of both endpoints together. */
static uint64_t run(struct pair *p, const int *fds, uint32_t conns, uint32_t each)
{
    struct side *c = &p->side[0];
    uint64_t start, idle = 0;

    rr.done = 0;
    start = cycles_now();
    pair_enter(c);
    c->s->in_app = true; /* nothing leaves before the turn's end, as in the callback of ff_run */
    for (uint32_t i = 0; i < conns; i++) {
        c->conn[fds[i] - BENCH_FD_FIRST].left = each - 1;
        send_message(c, fds[i], 0);
        if (i % 32 == 31) { /* a receive burst per turn */
            pair_turn(p);
            pair_enter(c);
            c->s->in_app = true;
        }
    }
    c->s->in_app = false;
    while (rr.done < (uint64_t)conns * each) {
        idle = pair_turn(p) == 0 ? idle + 1 : 0;
        if (idle > 100000000) {
            errno = ETIMEDOUT;
            die("request/response");
        }
    }
    return cycles_now() - start;
}

static bool wanted(const struct bench_conf *c, enum way way)
{
    return c->variant == NULL || strcmp(c->variant, way_names[way]) == 0;
}

static uint32_t requests_each(const struct bench_conf *c, uint32_t size, uint32_t conns)
{
    uint32_t n = c->requests != 0 ? c->requests : MAX(400u * 4096 / (4096 + size), 16u);

    return MAX(n / conns, 1u);
}

/*
 * What callgrind counts (--toggle-collect=counted): scripts/instructions.sh. Not inlined, so that the name is there.
 */
__attribute__((noinline)) static void counted(struct pair *p, const int *fds, uint32_t conns, uint32_t each)
{
    run(p, fds, conns, each);
}

static void count(struct pair *p, const struct bench_conf *c, uint32_t size, uint32_t conns, const int *fds)
{
    uint32_t each = requests_each(c, size, conns);

    if (conns == 1)
        print_places(p, "counted", (uintptr_t)counted);
    for (enum way way = 0; way < WAYS; way++) {
        if (!wanted(c, way))
            continue;
        rr.way = way;
        run(p, fds, conns, MAX(MIN(2000u, 20 * each * conns) / conns, 1u)); /* warm: caches of pools, estimators, windows */
        counted(p, fds, conns, each);
        printf("counted %u requests of %u bytes on %u connections, %s\n", conns * each, size, conns, way_names[way]);
    }
}

struct result {
    struct samples total, phase[PHASES], ratio; /* ratio: of copying to this way, same repetition */
    double segments, copied;
};

static uint64_t copied_bytes(const struct pair *p)
{
    uint64_t n = 0;

    for (int i = 0; i < 2; i++)
        for (enum ctr c = CTR_COPY_DELIBERATE; c <= CTR_COPY_STACK; c++)
            n += p->side[i].s->ctr.v[c];
    return n;
}

static uint64_t segments_sent(const struct pair *p)
{
    return p->side[0].s->ctr.v[CTR_TCP_SEG_TX] + p->side[1].s->ctr.v[CTR_TCP_SEG_TX];
}

/* Both endpoints' cycles of one undisturbed repetition, in total. */
static uint64_t total(struct pair *p, const int *fds, uint32_t conns, uint32_t each)
{
    uint64_t cycles;
    int tries = 0;

    do {
        undisturbed();
        cycles = run(p, fds, conns, each);
    } while (!undisturbed() && ++tries < TRIES_MAX);
    return cycles;
}

static void parts(struct pair *p, const int *fds, uint32_t conns, uint32_t each)
{
    int tries = 0;

    do {
        pair_split(p, true);
        undisturbed();
        run(p, fds, conns, each);
    } while (!undisturbed() && ++tries < TRIES_MAX);
    p->split = false;
}

static void measure(struct pair *p, const int *fds, uint32_t conns, uint32_t each, struct result *r)
{
    double unit = 2.0 * conns * each; /* endpoints times requests */
    uint64_t segments, copied;

    samples_add(&r->total, (double)total(p, fds, conns, each) / unit);
    segments = segments_sent(p);
    copied = copied_bytes(p);
    run(p, fds, conns, each);
    r->segments = (double)(segments_sent(p) - segments) / unit;
    r->copied = (double)(copied_bytes(p) - copied) / unit;
    parts(p, fds, conns, each);
    for (int i = 0; i < PHASES; i++)
        samples_add(&r->phase[i], (double)(p->side[0].cycles[i] + p->side[1].cycles[i]) / unit);
}

static void print_result(const struct result *r, enum way way, uint32_t size, uint32_t conns, struct report *rep)
{
    struct spread t = samples_spread(&r->total), q = samples_spread(&r->ratio);

    printf("%6u %6u  %-17s %8.0f %7.0f-%-7.0f %7.0f", size, conns, way_names[way], t.median, t.p25, t.p75, t.min);
    for (int i = 0; i < PHASES; i++)
        printf(" %6.0f", samples_spread(&r->phase[i]).median);
    printf(" %5.1f %7.0f", r->segments, r->copied);
    if (r->ratio.n > 0)
        printf("  %5.2f (%.2f-%.2f)", q.median, q.p25, q.p75);
    printf("\n");
    report_row(rep, "rr", way_names[way], size, conns, "cycles", &r->total);
    for (int i = 0; i < PHASES; i++)
        report_row(rep, "rr", way_names[way], size, conns, phase_names[i], &r->phase[i]);
    if (r->ratio.n > 0)
        report_row(rep, "rr", way_names[way], size, conns, "copying/this", &r->ratio);
}

static void compare(struct pair *p, const struct bench_conf *c, uint32_t size, uint32_t conns, const int *fds, struct report *rep)
{
    static struct result r[WAYS];
    uint32_t each = requests_each(c, size, conns);
    uint64_t enough = cycles_now() + (uint64_t)(cycles_per_second() * SECONDS_PER_ROW);

    memset(r, 0, sizeof(r));
    for (uint32_t i = 0; i < c->reps + 2 && (i < REPS_MIN || cycles_now() < enough); i++) {
        if (i == 2) /* warm */
            memset(r, 0, sizeof(r));
        for (enum way way = 0; way < WAYS; way++) {
            if (!wanted(c, way))
                continue;
            rr.way = way;
            measure(p, fds, conns, each, &r[way]);
        }
        for (enum way way = 0; way < WAYS && r[WAY_COPY].total.n > 0; way++)
            if (way != WAY_COPY && r[way].total.n > 0)
                samples_add(&r[way].ratio, r[WAY_COPY].total.v[r[WAY_COPY].total.n - 1] / r[way].total.v[r[way].total.n - 1]);
    }
    for (enum way way = 0; way < WAYS; way++)
        if (wanted(c, way))
            print_result(&r[way], way, size, conns, rep);
}

/* n messages of each side, which differ in nothing but their place. */
static void take_memory(struct pair *p, uint32_t size, uint32_t n)
{
    rr = (struct rr){.size = size, .n = n};
    for (int i = 0; i < 2; i++) {
        struct memory *m = &rr.mem[i];

        m->message = calloc(n, sizeof(*m->message));
        m->out = malloc((size_t)n * size);
        m->in = malloc((size_t)n * size);
        if (m->message == NULL || m->out == NULL || m->in == NULL)
            die("memory");
        memset(m->out, 'x', (size_t)n * size);
        memset(m->in, 'y', (size_t)n * size);
        for (uint32_t k = 0; k < n; k++)
            m->message[k] = prepared(&p->side[i], size);
    }
}

static void give_memory(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        struct memory *m = &rr.mem[i];

        pair_settle(p);
        pair_enter(&p->side[i]);
        for (uint32_t k = 0; k < rr.n; k++)
            z_free(m->message[k]);
        free(m->message);
        free(m->out);
        free(m->in);
    }
}

static void one_size(struct pair *p, const struct bench_conf *c, uint32_t size, uint32_t conns, const int *fds, struct report *rep)
{
    take_memory(p, size, 1);
    if (c->count)
        count(p, c, size, conns, fds);
    else
        compare(p, c, size, conns, fds, rep);
    fflush(stdout);
    give_memory(p);
}

void bench_rr(struct pair *p, const struct bench_conf *c, struct report *rep)
{
    static const uint32_t sizes[] = {64, 1024, 8192, 65280}, counts[] = {1, 100};
    int *fds = calloc(p->conns_max, sizeof(*fds));

    if (!c->count)
        printf("\nrequest/response, cycles per endpoint: median, quartiles, minimum; parts (medians); segments sent; bytes copied\n"
               "%6s %6s  %-17s %8s %15s %7s %6s %6s %6s %6s %5s %7s  %s\n",
               "bytes", "conns", "variant", "cycles", "quartiles", "min", "input", "app", "output", "port", "segs", "copied",
               "copying/this");
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        uint32_t conns = c->conns != 0 ? c->conns : counts[i];

        app_open(p, conns, fds);
        p->side[0].app = client;
        p->side[1].app = server;
        for (unsigned k = 0; k < ARRAY_LEN(sizes); k++) {
            one_size(p, c, c->size != 0 ? c->size : sizes[k], conns, fds, rep);
            if (c->size != 0)
                break;
        }
        app_close(p);
        if (c->conns != 0)
            break;
    }
    free(fds);
}

void rr_samples(struct pair *p, uint32_t size, const int *fds, uint32_t conns, uint32_t reps, struct samples *s)
{
    uint32_t each = MAX(REQUESTS / conns, REQUESTS_EACH);

    take_memory(p, size, 1);
    rr.way = WAY_REF;
    p->side[0].app = client;
    p->side[1].app = server;
    for (uint32_t i = 0; i < reps + 2; i++) {
        double cycles = (double)total(p, fds, conns, each) / (2.0 * conns * each);

        if (i >= 2)
            samples_add(s, cycles);
    }
    give_memory(p);
}

/* Cold memory: each message is another one, until 24 MB have passed. The copying calls read and write memory of the application's. */
static void cold_size(struct pair *p, const struct bench_conf *c, uint32_t size, const int *fds, struct report *rep)
{
    static struct result r[2];
    uint32_t n = COLD_BYTES / size;

    memset(r, 0, sizeof(r));
    take_memory(p, size, n);
    for (uint32_t i = 0; i < c->reps + 2; i++) {
        if (i == 2)
            memset(r, 0, sizeof(r));
        for (int k = 0; k < 2; k++) {
            rr.way = k == 0 ? WAY_REF : WAY_COPY;
            samples_add(&r[k].total, (double)total(p, fds, 1, n) / (2.0 * n));
        }
        samples_add(&r[0].ratio, r[1].total.v[r[1].total.n - 1] / r[0].total.v[r[0].total.n - 1]);
    }
    for (int k = 0; k < 2; k++) {
        const char *name = k == 0 ? "zero-copy, cold" : "copying, cold";
        struct spread t = samples_spread(&r[k].total), q = samples_spread(&r[k].ratio);

        printf("%6u  %-17s %8.0f %7.0f-%-7.0f", size, name, t.median, t.p25, t.p75);
        if (k == 0)
            printf("  %5.2f (%.2f-%.2f)", q.median, q.p25, q.p75);
        printf("\n");
        report_row(rep, "cold", name, size, 1, "cycles", &r[k].total);
    }
    report_row(rep, "cold", "zero-copy, cold", size, 1, "copying/this", &r[0].ratio);
    fflush(stdout);
    give_memory(p);
}

void bench_cold(struct pair *p, const struct bench_conf *c, struct report *rep)
{
    static const uint32_t sizes[] = {8192, 65280};
    int fd;

    printf("\nrequest/response over %u MB of distinct messages: cycles per endpoint, median and quartiles; copying/this\n",
           COLD_BYTES >> 20);
    app_open(p, 1, &fd);
    p->side[0].app = client;
    p->side[1].app = server;
    for (unsigned k = 0; k < ARRAY_LEN(sizes); k++)
        cold_size(p, c, sizes[k], &fd, rep);
    app_close(p);
}

/* What size costs: 64 bytes and the largest message in turns. */
void bench_size(struct pair *p, const struct bench_conf *c, struct report *rep)
{
    static struct samples cycles[2], ratio;
    static const uint32_t size[2] = {64, Z_BUF_MAX};
    struct spread q;
    int fd;

    app_open(p, 1, &fd);
    p->side[0].app = client;
    p->side[1].app = server;
    memset(cycles, 0, sizeof(cycles));
    memset(&ratio, 0, sizeof(ratio));
    for (uint32_t i = 0; i < c->reps + 2; i++) {
        if (i == 2)
            memset(cycles, 0, sizeof(cycles)), memset(&ratio, 0, sizeof(ratio));
        for (int k = 0; k < 2; k++) {
            take_memory(p, size[k], 1);
            rr.way = WAY_REF;
            samples_add(&cycles[k], (double)total(p, &fd, 1, 400) / 800);
            give_memory(p);
        }
        samples_add(&ratio, cycles[1].v[cycles[1].n - 1] / cycles[0].v[cycles[0].n - 1]);
    }
    q = samples_spread(&ratio);
    printf("\n%u bytes against %u, zero-copy, payload untouched: %.0f and %.0f cycles per endpoint, ratio %.2f (%.2f-%.2f)\n", size[1],
           size[0], samples_spread(&cycles[1]).median, samples_spread(&cycles[0]).median, q.median, q.p25, q.p75);
    report_row(rep, "size", "zero-copy", size[1], 1, "cycles/those of 64 bytes", &ratio);
    app_close(p);
}
