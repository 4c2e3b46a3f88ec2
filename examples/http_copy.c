/*
 * The HTTP server of http.c with the copying calls, for comparison: ff_read and ff_write in the place of z_read and z_write.
 * Usage: http_copy --conf config.ini [-- BODY_BYTES [PORT]]
 */
#include "example.h"
#include "http_request.h"

#define MAX_EVENTS 256
#define MAX_OWED 64

struct conn {
    struct http_parser parser;
    int owed;
    size_t sent; /* bytes of the current response that ff_write has taken */
    bool eof;
    bool stalled;
};

static int kq, listener;
static struct conn *conns;
static char *response;
static size_t response_len;

/* Sends what is owed. False when the connection is gone. */
static bool conn_respond(int fd, struct conn *c)
{
    while (c->owed > 0) {
        ssize_t n = ff_write(fd, response + c->sent, response_len - c->sent);

        if (n < 0 && (errno == EAGAIN || errno == ENOMEM)) {
            c->stalled = true;
            example_watch(kq, fd, EVFILT_READ, EV_DISABLE);
            example_watch(kq, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
            return true;
        }
        if (n < 0) {
            ff_close(fd);
            return false;
        }
        c->sent += (size_t)n;
        if (c->sent == response_len) {
            c->sent = 0;
            c->owed--;
        }
    }
    if (c->eof) {
        ff_close(fd);
        return false;
    }
    return true;
}

/* False when there is nothing more to read. */
static bool conn_read(int fd, struct conn *c)
{
    static char buf[65536];
    ssize_t n = ff_read(fd, buf, sizeof(buf));

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        c->eof = true;
        if (n < 0)
            c->owed = 0;
        return false;
    }
    int requests = http_requests(&c->parser, buf, (size_t)n);
    if (requests > 0)
        c->owed += requests;
    if (requests < 0 || c->parser.close)
        c->eof = true;
    /* A short read emptied the socket: the level-triggered event comes again when there is more, without a second call. */
    return !c->eof && n == (ssize_t)sizeof(buf);
}

static void conn_serve(int fd)
{
    struct conn *c = &conns[fd];
    bool more = true;

    while (more && !c->stalled) {
        while (more && c->owed < MAX_OWED)
            more = conn_read(fd, c);
        if (!conn_respond(fd, c))
            return;
    }
}

static void conn_writable(int fd)
{
    struct conn *c = &conns[fd];

    c->stalled = false;
    if (!conn_respond(fd, c) || c->stalled)
        return;
    example_watch(kq, fd, EVFILT_READ, EV_ENABLE);
    conn_serve(fd);
}

static void accept_all(void)
{
    int fd;

    while ((fd = ff_accept(listener, NULL, NULL)) >= 0) {
        conns[fd] = (struct conn){0};
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
        else
            conn_serve(fd);
    }
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);
    size_t body = (size_t)example_arg(argc, argv, arg, "body", 0, 1000000000, 64);

    response_len = http_response_len(body);
    response = malloc(response_len);
    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    kq = ff_kqueue();
    if (response == NULL || conns == NULL || kq < 0)
        die("start");
    http_response_fill(response, body);
    listener = example_listen(example_port(argc, argv, arg + 1, 80));
    if (!example_watch(kq, listener, EVFILT_READ, EV_ADD))
        die("kevent");
    ff_run(loop, NULL);
    z_print_counters(stdout);
    free(response);
    return 0;
}
