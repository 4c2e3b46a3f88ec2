/*
 * Two cores against one: a pair of stacks on each, joined in memory, with request and response of 64 bytes on 100 connections. Each core is
 * measured alone, then both together, in turns; the ratio is the sum of both rates to the mean of the rates alone. Rates are of stretches
 * in which the system left the core alone. Usage: cores [CSV [CORE CORE]]
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "port/cores.h"

#define SIZE 64u
#define CONNS 100u
#define ROUNDS 31u
#define STRETCHES 100u /* of a round */
#define STRETCH 2000u  /* responses */

struct load {
    struct pair p;
    int fds[CONNS];
    struct z_buf *message;
    uint64_t done;
    double rate; /* responses per second, of the last round */
};

static struct load load[2];

static void answer(struct side *e)
{
    struct kevent ev[256];
    int n = ff_kevent(e->kq, NULL, 0, ev, 256, NULL);

    for (int i = 0; i < n; i++) {
        void *b;
        ssize_t got = z_read((int)ev[i].ident, &b, SIZE);

        if (got != SIZE || z_write((int)ev[i].ident, b, SIZE) < 0)
            die("echo");
    }
}

static void request(struct load *l, int fd)
{
    if (z_write(fd, z_ref(l->message), SIZE) < 0)
        die("z_write");
}

static void ask(struct side *e)
{
    struct load *l = e->arg;
    struct kevent ev[256];
    int n = ff_kevent(e->kq, NULL, 0, ev, 256, NULL);

    for (int i = 0; i < n; i++) {
        void *b;

        if (z_read((int)ev[i].ident, &b, SIZE) != SIZE || memcmp(z_data(b), z_data(l->message), SIZE) != 0)
            die("response");
        z_free(b);
        l->done++;
        request(l, (int)ev[i].ident);
    }
}

static void load_start(struct load *l, unsigned number)
{
    struct side *c = &l->p.side[0];

    pair_make(&l->p, number, 1500, WIRE_SEGMENTS, false, CONNS_USUAL);
    app_open(&l->p, CONNS, l->fds);
    pair_enter(c);
    l->message = z_alloc(SIZE);
    if (l->message == NULL)
        die("z_alloc");
    memset(z_data(l->message), 'x', SIZE);
    c->app = ask;
    c->arg = l;
    l->p.side[1].app = answer;
    for (unsigned i = 0; i < CONNS; i++)
        request(l, l->fds[i]);
}

static uint64_t stretch(struct load *l)
{
    uint64_t start = cycles_now(), until = l->done + STRETCH, from = l->done;

    while (l->done < until)
        pair_turn(&l->p);
    return (cycles_now() - start) * STRETCH / (l->done - from);
}

static int measure(void *arg)
{
    struct load *l = arg;
    struct samples s = {0};

    for (unsigned i = 0; i < STRETCHES; i++) {
        uint64_t cycles;

        undisturbed();
        cycles = stretch(l);
        if (undisturbed())
            samples_add(&s, STRETCH * cycles_per_second() / (double)cycles);
    }
    l->rate = s.n != 0 ? samples_spread(&s).median : 0;
    return 0;
}

/* The last two cores that we may use. */
static const char *choose(char list[32])
{
    int found[2] = {-1, -1};
    cpu_set_t cpus;

    sched_getaffinity(0, sizeof(cpus), &cpus);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &cpus)) {
            found[0] = found[1];
            found[1] = i;
        }
    if (found[0] < 0) {
        fprintf(stderr, "cores: two cores are needed\n");
        exit(1);
    }
    snprintf(list, 32, "%d,%d", found[0], found[1]);
    return list;
}

static void on_core(unsigned core)
{
    if (core == 0) {
        measure(&load[0]);
        return;
    }
    port_core_start(1, measure, &load[1]);
    port_core_wait(1);
}

static void show(const char *what, const struct samples *s)
{
    struct spread d = samples_spread(s);

    printf("%-24s %12.2f  (%.2f to %.2f between quartiles, %u rounds)\n", what, d.median, d.p25, d.p75, s->n);
}

int main(int argc, char **argv)
{
    static struct samples alone, together, ratio;
    struct report rep;
    char list[32];

    report_open(&rep, argc > 1 ? argv[1] : NULL);
    if (argc > 3)
        snprintf(list, sizeof(list), "%s,%s", argv[2], argv[3]);
    pair_eal(argc > 3 ? list : choose(list));
    for (unsigned i = 0; i < 2; i++)
        load_start(&load[i], i);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double one;

        on_core(0);
        on_core(1);
        one = (load[0].rate + load[1].rate) / 2;
        port_core_start(1, measure, &load[1]);
        measure(&load[0]);
        port_core_wait(1);
        if (one == 0 || load[0].rate == 0 || load[1].rate == 0)
            continue; /* never left alone */
        samples_add(&alone, one);
        samples_add(&together, load[0].rate + load[1].rate);
        samples_add(&ratio, (load[0].rate + load[1].rate) / one);
    }
    if (ratio.n == 0) {
        fprintf(stderr, "cores: the machine is too busy\n");
        return 1;
    }
    show("one core, responses/s", &alone);
    show("two cores, responses/s", &together);
    show("two to one", &ratio);
    report_row(&rep, "cores", "one core", SIZE, CONNS, "responses/s", &alone);
    report_row(&rep, "cores", "two cores", SIZE, CONNS, "responses/s", &together);
    report_row(&rep, "cores", "two to one", SIZE, CONNS, "ratio", &ratio);
    if (rep.csv != NULL)
        fclose(rep.csv);
    return 0;
}
