/*
 * The stack's server of bulk transfers (bench/stream.h): what comes to one port is looked at by samples and given back, and to who connects
 * to the other one buffer is sent for ever, by reference. Usage: zbulk --conf config.ini
 */
#include "../examples/example.h"
#include "stream.h"

#define MAX_EVENTS 16
#define READS_PER_TURN 64 /* so that acknowledgements leave in between */

static struct stream_block block;
static struct stream_check *conns; /* by descriptor */
static struct z_buf *chunk;
static int kq, sink, source;

static void take(int fd)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        void *b;
        ssize_t n = z_read(fd, &b, STREAM_PERIOD);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            ff_close(fd);
            return;
        }
        bool right = stream_right(&conns[fd], &block, z_data(b), (size_t)n);

        z_free(b);
        if (!right) {
            fprintf(stderr, "zbulk: the bytes before %llu are wrong\n", (unsigned long long)conns[fd].at);
            exit(1);
        }
    }
}

static void give(int fd)
{
    struct z_buf *b;

    do
        b = z_ref(chunk);
    while (z_write(fd, b, STREAM_PERIOD) >= 0);
    z_free(b); /* a refused buffer is still ours */
    if (errno != EAGAIN && errno != ENOMEM)
        ff_close(fd);
}

static void accept_from(int listener, short filter)
{
    int fd;

    while ((fd = ff_accept(listener, NULL, NULL)) >= 0) {
        conns[fd] = (struct stream_check){0};
        if (!example_watch(kq, fd, filter, EV_ADD))
            ff_close(fd);
    }
}

static int loop(void *arg)
{
    struct kevent ev[MAX_EVENTS];
    int n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, NULL);

    (void)arg;
    for (int i = 0; i < n; i++) {
        int fd = (int)ev[i].ident;

        if (fd == sink)
            accept_from(sink, EVFILT_READ);
        else if (fd == source)
            accept_from(source, EVFILT_WRITE);
        else if (ev[i].filter == EVFILT_WRITE)
            give(fd);
        else
            take(fd);
    }
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    example_init(argc, argv);
    stream_fill(&block);
    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    chunk = z_alloc(STREAM_PERIOD);
    kq = ff_kqueue();
    if (conns == NULL || chunk == NULL || kq < 0)
        die("start");
    memcpy(z_data(chunk), block.byte, STREAM_PERIOD);
    sink = example_listen(STREAM_SINK_PORT);
    source = example_listen(STREAM_SOURCE_PORT);
    if (!example_watch(kq, sink, EVFILT_READ, EV_ADD) || !example_watch(kq, source, EVFILT_READ, EV_ADD))
        die("kevent");
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
