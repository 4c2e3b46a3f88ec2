/* Connections that live for one request: open, 64 bytes each way, close. */
#include <string.h>

#include "bench.h"

#define EVENTS 256
#define BYTES 64u
#define AT_ONCE 64u
#define CONNECTIONS 256u

static struct opening {
    int listener;
    uint32_t to_open, open, done;
    struct z_buf *message[2];
} job;

static void finish(struct side *e, int fd)
{
    e->conn[fd - BENCH_FD_FIRST].open = false;
    ff_close(fd);
}

static void answer(int fd, int which)
{
    if (z_write(fd, z_ref(job.message[which]), BYTES) < 0)
        die("z_write");
}

static void server(struct side *e)
{
    struct kevent ev[EVENTS];
    int n = ff_kevent(e->kq, NULL, 0, ev, EVENTS, NULL);

    for (int i = 0; i < n; i++) {
        int fd = (int)ev[i].ident;
        ssize_t got;
        void *b;

        if (fd == job.listener) {
            while (app_accept(e, fd) >= 0)
                ;
            continue;
        }
        got = z_read(fd, &b, BYTES);
        if (got > 0) {
            z_free(b);
            answer(fd, 1);
        } else if (got == 0) {
            finish(e, fd);
        } else if (errno != EAGAIN) {
            die("z_read");
        }
    }
}

static void client(struct side *e)
{
    struct kevent ev[EVENTS];
    int n;

    while (job.to_open > 0 && job.open < AT_ONCE) {
        int fd = app_connect(e, BENCH_PORT);

        app_watch(e, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
        app_watch(e, fd, EVFILT_READ, EV_ADD);
        job.to_open--;
        job.open++;
    }
    n = ff_kevent(e->kq, NULL, 0, ev, EVENTS, NULL);
    for (int i = 0; i < n; i++) {
        int fd = (int)ev[i].ident;
        void *b;

        if (ev[i].filter == EVFILT_WRITE) {
            answer(fd, 0);
            continue;
        }
        if (z_read(fd, &b, BYTES) != BYTES)
            die("z_read");
        z_free(b);
        finish(e, fd);
        job.open--;
        job.done++;
    }
}

static uint64_t connections(struct pair *p)
{
    uint64_t start, took;
    int tries = 0;

    do {
        undisturbed();
        start = cycles_now();
        job.done = 0;
        for (job.to_open = CONNECTIONS; job.done < CONNECTIONS;)
            pair_turn(p);
        took = cycles_now() - start;
    } while (!undisturbed() && ++tries < TRIES_MAX);
    return took;
}

void bench_open(struct pair *p, const struct bench_conf *c, struct report *rep)
{
    struct samples s = {0};
    struct spread d;

    job.listener = app_listen(&p->side[1], BENCH_PORT);
    app_watch(&p->side[1], job.listener, EVFILT_READ, EV_ADD);
    for (int i = 0; i < 2; i++) {
        pair_enter(&p->side[i]);
        job.message[i] = z_alloc(BYTES);
        if (job.message[i] == NULL)
            die("z_alloc");
    }
    p->side[0].app = client;
    p->side[1].app = server;
    for (uint32_t i = 0; i < c->reps + 2; i++) {
        uint64_t took = connections(p);

        if (i >= 2)
            samples_add(&s, (double)took / (2.0 * CONNECTIONS));
    }
    d = samples_spread(&s);
    printf("\nopen, one request of %u bytes, close: %.0f cycles per endpoint (quartiles %.0f-%.0f), %.0f connections/s if a core did only "
           "one side\n",
           BYTES, d.median, d.p25, d.p75, cycles_per_second() / d.median);
    report_row(rep, "open", "zero-copy", BYTES, AT_ONCE, "cycles per connection", &s);
    pair_enter(&p->side[1]);
    ff_close(job.listener);
    app_close(p);
    for (int i = 0; i < 2; i++) {
        pair_enter(&p->side[i]);
        z_free(job.message[i]);
    }
}
