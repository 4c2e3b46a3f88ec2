/*
 * Echo server without a copy: the buffer that arrived is the buffer that leaves.
 * Usage: echo --conf config.ini [-- PORT]
 */
#include "example.h"

#define MAX_EVENTS 256
#define READ_SIZE 65280

/* A connection, found by its descriptor. At most one buffer waits: while it does, nothing more is read. */
struct conn {
    struct z_buf *waiting;
};

static int kq, listener;
static struct conn *conns;

static void conn_close(int fd)
{
    z_free(conns[fd].waiting);
    conns[fd].waiting = NULL;
    ff_close(fd); /* takes its events off the kqueue */
}

/* Echoes until there is nothing to read or no room to write. */
static void conn_serve(int fd)
{
    for (;;) {
        void *b;
        ssize_t n = z_read(fd, &b, READ_SIZE);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            conn_close(fd); /* end of file: what was written is still delivered */
            return;
        }
        if (z_write(fd, b, (size_t)n) == n)
            continue;
        conns[fd].waiting = b; /* still ours */
        if (errno != EAGAIN) {
            conn_close(fd);
            return;
        }
        example_watch(kq, fd, EVFILT_READ, EV_DISABLE);
        example_watch(kq, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
        return;
    }
}

static void conn_writable(int fd)
{
    struct z_buf *b = conns[fd].waiting;

    if (b != NULL) {
        if (z_write(fd, b, z_len(b)) < 0) {
            if (errno == EAGAIN)
                example_watch(kq, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
            else
                conn_close(fd);
            return;
        }
        conns[fd].waiting = NULL;
        example_watch(kq, fd, EVFILT_READ, EV_ENABLE);
    }
    conn_serve(fd);
}

static void accept_all(void)
{
    int fd;

    while ((fd = ff_accept(listener, NULL, NULL)) >= 0) {
        if (!example_watch(kq, fd, EVFILT_READ, EV_ADD))
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

        if (fd == listener)
            accept_all();
        else if (ev[i].filter == EVFILT_WRITE)
            conn_writable(fd);
        else if (conns[fd].waiting == NULL)
            conn_serve(fd);
    }
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);

    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    kq = ff_kqueue();
    if (conns == NULL || kq < 0)
        die("start");
    listener = example_listen(example_port(argc, argv, arg, 7));
    if (!example_watch(kq, listener, EVFILT_READ, EV_ADD))
        die("kevent");
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
