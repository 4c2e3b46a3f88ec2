/* One way, as fast as the windows allow: cycles of sender and receiver per kilobyte, and what that makes per core. */
#include <string.h>

#include "bench.h"

#define EVENTS 16
#define CHUNK 65280u
#define BYTES_PER_REP (2u * 1024 * 1024)
#define BYTES_COUNTED (8u * CHUNK)
#define WRITES_PER_TURN 16

static struct bulk {
    bool copy;
    int fd; /* of the sender */
    uint64_t to_send, to_recv;
    struct z_buf *chunk;
    char bytes[CHUNK];
} bulk;

static void sender(struct side *e)
{
    (void)e;
    for (int i = 0; i < WRITES_PER_TURN && bulk.to_send > 0; i++) {
        size_t n = MIN(bulk.to_send, (uint64_t)CHUNK);
        ssize_t r;

        if (bulk.copy) {
            r = ff_write(bulk.fd, bulk.bytes, n);
        } else {
            n = CHUNK;
            r = z_write(bulk.fd, z_ref(bulk.chunk), n);
            if (r < 0)
                z_free(bulk.chunk);
        }
        if (r < 0 && errno != EAGAIN && errno != ENOMEM)
            die("write");
        if (r <= 0)
            return;
        bulk.to_send -= MIN(bulk.to_send, (uint64_t)r);
        bulk.to_recv += (uint64_t)r;
    }
}

static void receiver(struct side *e)
{
    struct kevent ev[EVENTS];
    static char buf[CHUNK];
    int n = ff_kevent(e->kq, NULL, 0, ev, EVENTS, NULL);

    for (int i = 0; i < n; i++) {
        int fd = (int)ev[i].ident;
        ssize_t got;
        void *b;

        do {
            got = bulk.copy ? ff_read(fd, buf, sizeof(buf)) : z_read(fd, &b, CHUNK);
            if (got > 0 && !bulk.copy)
                z_free(b);
            if (got > 0)
                bulk.to_recv -= (uint64_t)got;
        } while (got > 0);
        if (got < 0 && errno != EAGAIN)
            die("read");
    }
}

static int64_t side_cycles(const struct side *e)
{
    int64_t sum = 0;

    for (int i = 0; i < PHASES; i++)
        sum += e->cycles[i];
    return sum;
}

struct bulk_result {
    struct samples total, send, recv;
};

static uint64_t transfer(struct pair *p, bool split)
{
    uint64_t start, took;
    int tries = 0;

    do {
        pair_split(p, split);
        undisturbed();
        start = cycles_now();
        bulk.to_send = BYTES_PER_REP;
        while (bulk.to_send > 0 || bulk.to_recv > 0)
            pair_turn(p);
        took = cycles_now() - start;
    } while (!undisturbed() && ++tries < TRIES_MAX);
    p->split = false;
    return took;
}

static void measure(struct pair *p, struct bulk_result *r)
{
    double kib = (double)BYTES_PER_REP / 1024;

    samples_add(&r->total, (double)transfer(p, false) / kib);
    transfer(p, true);
    samples_add(&r->send, (double)side_cycles(&p->side[0]) / kib);
    samples_add(&r->recv, (double)side_cycles(&p->side[1]) / kib);
}

/* One transfer, for who counts what it touches: not inlined, so that the name is there. */
__attribute__((noinline)) static void counted_bulk(struct pair *p)
{
    for (bulk.to_send = BYTES_COUNTED; bulk.to_send > 0 || bulk.to_recv > 0;)
        pair_turn(p);
}

static void print_result(const struct bulk_result *r, const char *name, struct report *rep)
{
    struct spread t = samples_spread(&r->total), s = samples_spread(&r->send), d = samples_spread(&r->recv);
    double gbit = cycles_per_second() * 1024 * 8 / 1e9;

    printf("%-17s %8.0f %6.0f-%-6.0f %8.0f %8.0f %12.1f %10.1f %10.1f\n", name, t.median, t.p25, t.p75, s.median, d.median, gbit / t.median,
           gbit / s.median, gbit / d.median);
    report_row(rep, "bulk", name, CHUNK, 1, "cycles per KiB, both", &r->total);
    report_row(rep, "bulk", name, CHUNK, 1, "cycles per KiB, sender", &r->send);
    report_row(rep, "bulk", name, CHUNK, 1, "cycles per KiB, receiver", &r->recv);
}

void bench_bulk(struct pair *p, const struct bench_conf *c, struct report *rep)
{
    static struct bulk_result r[2];

    memset(r, 0, sizeof(r));
    app_open(p, 1, &bulk.fd);
    pair_enter(&p->side[0]);
    bulk.chunk = z_alloc(CHUNK);
    if (bulk.chunk == NULL)
        die("z_alloc");
    memset(z_data(bulk.chunk), 'x', CHUNK);
    p->side[0].app = sender;
    p->side[1].app = receiver;
    if (c->count) {
        transfer(p, false); /* windows grow */
        print_places(p, "counted_bulk", (uintptr_t)counted_bulk);
        counted_bulk(p);
        printf("counted %u bytes one way\n", BYTES_COUNTED);
        return;
    }
    for (uint32_t i = 0; i < c->reps + 2; i++) {
        if (i == 2)
            memset(r, 0, sizeof(r));
        for (int k = 0; k < 2; k++) {
            bulk.copy = k == 1;
            measure(p, &r[k]);
        }
    }
    printf("\nbulk one way, MTU %u: cycles per KiB (median, quartiles), and Gbit/s if a core did only that\n"
           "%-17s %8s %13s %8s %8s %12s %10s %10s\n",
           c->mtu, "variant", "both", "quartiles", "sender", "receiver", "both Gbit/s", "sender", "receiver");
    print_result(&r[0], "zero-copy", rep);
    print_result(&r[1], "copying", rep);
    fflush(stdout);
    pair_settle(p);
    app_close(p);
    pair_enter(&p->side[0]);
    z_free(bulk.chunk);
}
