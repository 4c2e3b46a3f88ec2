/*
 * TCP proxy without a copy: what arrives on one connection leaves on the other in the same buffer.
 * Usage: proxy --conf config.ini -- UPSTREAM_ADDRESS UPSTREAM_PORT [PORT]
 *
 * Each side of a pair reads only while the other side takes what it read: one buffer waits, then the reader's
 * receive window fills and its peer slows down. An end of file is passed on as a half-close; an error ends both.
 */
#include "example.h"

#define MAX_EVENTS 256
#define READ_SIZE 65280
#define NONE (-1)

/* One side, found by its descriptor. */
struct side {
    int other;             /* descriptor of the other side; NONE: not in use */
    struct z_buf *waiting; /* read here, not taken by the other side yet */
    bool connected;
    bool eof; /* its end of file has been passed on */
};

static int kq, listener;
static struct side *sides;
static struct sockaddr_in upstream;

static void side_end(int fd)
{
    z_free(sides[fd].waiting);
    sides[fd] = (struct side){.other = NONE};
    ff_close(fd);
}

static void pair_end(int fd)
{
    int other = sides[fd].other;

    side_end(fd);
    side_end(other);
}

/* After an error both peers must learn that data is missing: reset instead of an orderly end. */
static void pair_abort(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    ff_setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    ff_setsockopt(sides[fd].other, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    pair_end(fd);
}

/* Moves what fd receives to the other side until one of them has no more to do. */
static void side_forward(int fd)
{
    struct side *s = &sides[fd];

    while (!s->eof) {
        if (s->waiting == NULL) {
            void *b;
            ssize_t n = z_read(fd, &b, READ_SIZE);

            if (n < 0 && errno == EAGAIN)
                return;
            if (n < 0) {
                pair_abort(fd);
                return;
            }
            if (n == 0) {
                s->eof = true;
                ff_shutdown(s->other, SHUT_WR);
                example_watch(kq, fd, EVFILT_READ, EV_DELETE);
                if (sides[s->other].eof)
                    pair_end(fd);
                return;
            }
            s->waiting = b;
        }
        if (z_write(s->other, s->waiting, z_len(s->waiting)) < 0) {
            if (errno != EAGAIN) {
                pair_abort(fd);
                return;
            }
            example_watch(kq, fd, EVFILT_READ, EV_DISABLE);
            example_watch(kq, s->other, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
            return;
        }
        s->waiting = NULL;
    }
}

/* fd takes data again, or its connect has an outcome; either way the other side may go on. */
static void side_writable(int fd)
{
    struct side *s = &sides[fd];
    int error = 0, other = s->other;
    socklen_t len = sizeof(error);

    if (!s->connected) {
        if (ff_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
            pair_abort(fd);
            return;
        }
        s->connected = true;
        example_watch(kq, fd, EVFILT_READ, EV_ADD);
        example_watch(kq, other, EVFILT_READ, EV_ADD);
        return;
    }
    if (!sides[other].eof)
        example_watch(kq, other, EVFILT_READ, EV_ENABLE);
    side_forward(other);
}

/* The client's side is watched only once the upstream is connected. */
static void accept_one(int client)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0) {
        ff_close(client);
        return;
    }
    example_nonblocking(fd);
    sides[client] = (struct side){.other = fd, .connected = true};
    sides[fd] = (struct side){.other = client};
    if ((ff_connect(fd, (const struct linux_sockaddr *)&upstream, sizeof(upstream)) < 0 && errno != EINPROGRESS) ||
        !example_watch(kq, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT))
        pair_abort(fd);
}

static int loop(void *arg)
{
    struct kevent ev[MAX_EVENTS];
    int n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, NULL);

    (void)arg;
    for (int i = 0; i < n; i++) {
        int fd = (int)ev[i].ident, client;

        if (fd == listener) {
            while ((client = ff_accept(listener, NULL, NULL)) >= 0)
                accept_one(client);
        } else if (sides[fd].other == NONE) {
            continue; /* its pair ended earlier in this round */
        } else if (ev[i].filter == EVFILT_WRITE) {
            side_writable(fd);
        } else {
            side_forward(fd);
        }
    }
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);
    int n_sides = ff_getmaxfd() + 1;

    upstream.sin_family = AF_INET;
    upstream.sin_port = htons(example_port(argc, argv, arg + 1, 0));
    if (arg + 1 >= argc || inet_pton(AF_INET, argv[arg], &upstream.sin_addr) != 1) {
        fprintf(stderr, "proxy: the upstream's address and port are missing\n");
        return 1;
    }
    sides = calloc((size_t)n_sides, sizeof(*sides));
    kq = ff_kqueue();
    if (sides == NULL || kq < 0)
        die("start");
    for (int i = 0; i < n_sides; i++)
        sides[i].other = NONE;
    listener = example_listen(example_port(argc, argv, arg + 2, 8080));
    if (!example_watch(kq, listener, EVFILT_READ, EV_ADD))
        die("kevent");
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
