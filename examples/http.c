/*
 * HTTP server without a copy: the response is built once, and a request is answered with one more reference to it; a small one is written
 * over its request.
 * Usage: http --conf config.ini [-- BODY_BYTES [PORT]]
 *
 * With thread_mode=1 and several bits in lcore_mask the same program serves on several cores: ff_run calls loop() on each, in a thread
 * that has a stack of its own, and whatever is created there is that stack's. So all that a core needs is made in its first turn, and
 * nothing is shared.
 */
#include "example.h"
#include "http_request.h"

#define MAX_EVENTS 256
#define READ_SIZE 65280
#define READ_ALL SIZE_MAX
#define MAX_OWED 64 /* responses a connection may be behind before its requests are left unread */
/*
 * A response up to this is written where the request was. That buffer came from the wire a moment ago, has room for headers in front, and
 * is ours alone: nothing else is taken, referred to or given back, which costs more than so few bytes.
 */
#define SMALL 512

/* A connection, found by its descriptor. What it has to send is a number: all responses are the same buffer. */
struct conn {
    struct http_parser parser;
    int owed;
    bool eof;     /* the client sends no more, or asked to close */
    bool stalled; /* the send queue was full: waits for a writable event, reads nothing */
};

static long body_bytes;
static uint16_t port;

/* Of one core. */
static __thread int kq, listener;
static __thread struct conn *conns;
static __thread struct z_buf *response;
static __thread size_t response_len;

static void conn_close(int fd)
{
    ff_close(fd); /* takes its events off the kqueue; queued responses are still delivered */
}

/* Sends what is owed. False when the connection is gone. */
static bool conn_respond(int fd, struct conn *c)
{
    while (c->owed > 0) {
        struct z_buf *b = z_ref(response);

        if (z_write(fd, b, response_len) < 0) {
            int error = errno;

            z_free(b); /* a refused buffer is still ours */
            if (error == EAGAIN || error == ENOMEM) {
                c->stalled = true;
                example_watch(kq, fd, EVFILT_READ, EV_DISABLE);
                example_watch(kq, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
                return true;
            }
            conn_close(fd);
            return false;
        }
        c->owed--;
    }
    if (c->eof) {
        conn_close(fd);
        return false;
    }
    return true;
}

/* False: the buffer is still ours, and nothing was sent. */
static bool answer_in_place(int fd, struct z_buf *b)
{
    size_t len = z_len(b);

    if (response_len > SMALL)
        return false;
    if (z_append(b, len < response_len ? response_len - len : 0) == NULL)
        return false; /* somebody else has it, too, or it is full */
    if (len > response_len)
        z_trim(b, len - response_len);
    memcpy(z_data(b), z_data(response), response_len);
    return z_write(fd, b, response_len) >= 0;
}

/*
 * Reads one buffer and counts the requests that end in it. *left: bytes that are known to be there. False when there is nothing more to
 * read.
 */
static bool conn_read(int fd, struct conn *c, size_t *left)
{
    void *b;
    ssize_t n = z_read(fd, &b, READ_SIZE);

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        c->eof = true;
        if (n < 0)
            c->owed = 0;
        return false;
    }
    int requests = http_requests(&c->parser, z_data(b), (size_t)n);
    if (requests > 0 && c->owed == 0 && answer_in_place(fd, b))
        requests--;
    else
        z_free(b);
    *left -= (size_t)n < *left ? (size_t)n : *left;
    if (requests > 0)
        c->owed += requests;
    if (requests < 0 || c->parser.close)
        c->eof = true;
    return !c->eof && *left > 0;
}

/*
 * Reads as many bytes as are there, and answers. The event says how many: that spares the call that would find nothing more. What comes
 * meanwhile is another event, as the registration is level-triggered.
 */
static void conn_serve(int fd, size_t left)
{
    struct conn *c = &conns[fd];
    bool more = true;

    while (more && !c->stalled) {
        while (more && c->owed < MAX_OWED)
            more = conn_read(fd, c, &left);
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
    conn_serve(fd, READ_ALL);
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

static void build_response(size_t body)
{
    response_len = http_response_len(body);
    response = z_alloc(response_len);
    if (response == NULL) {
        fprintf(stderr, "a response of %zu bytes does not fit a buffer (at most %d)\n", response_len, Z_BUF_MAX);
        exit(1);
    }
    http_response_fill(z_data(response), body);
}

static void start_core(void)
{
    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    kq = ff_kqueue();
    if (conns == NULL || kq < 0)
        die("start");
    build_response((size_t)body_bytes);
    listener = example_listen(port);
    if (!example_watch(kq, listener, EVFILT_READ, EV_ADD))
        die("kevent");
}

static int loop(void *arg)
{
    struct kevent ev[MAX_EVENTS];
    int n;

    (void)arg;
    if (conns == NULL)
        start_core();
    n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, NULL);
    for (int i = 0; i < n; i++) {
        int fd = (int)ev[i].ident;

        if (fd == listener)
            accept_all();
        else if (ev[i].filter == EVFILT_WRITE)
            conn_writable(fd);
        else
            conn_serve(fd, (ev[i].flags & EV_EOF) != 0 ? READ_ALL : (size_t)ev[i].data);
    }
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);

    body_bytes = example_arg(argc, argv, arg, "body", 0, Z_BUF_MAX, 64);
    port = example_port(argc, argv, arg + 1, 80);
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
