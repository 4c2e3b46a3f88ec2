/*
 * The HTTP server of http.c with ff_epoll, edge-triggered, in a main loop of its own instead of ff_run.
 * Usage: http_epoll --conf config.ini [-- BODY_BYTES [PORT]]
 */
#include "ff_epoll.h"

#include "example.h"
#include "http_request.h"

#define MAX_EVENTS 256
#define READ_SIZE 65280
#define MAX_OWED 64

/* A connection, found by its descriptor. Edge-triggered: every event is followed until a call says EAGAIN. */
struct conn {
    struct http_parser parser;
    int owed;
    bool eof;
};

static int ep, listener;
static struct conn *conns;
static struct z_buf *response;
static size_t response_len;

/* Sends what is owed: 1 all sent, 0 the queue is full (an edge follows), -1 the connection is lost. */
static int conn_respond(int fd, struct conn *c)
{
    while (c->owed > 0) {
        struct z_buf *b = z_ref(response);

        if (z_write(fd, b, response_len) < 0) {
            int error = errno;

            z_free(b);
            return error == EAGAIN ? 0 : -1;
        }
        c->owed--;
    }
    return 1;
}

/* Reads until EAGAIN, end of file, or too many responses are owed. False when there is nothing more to read. */
static bool conn_read(int fd, struct conn *c)
{
    while (c->owed < MAX_OWED && !c->eof) {
        void *b;
        ssize_t n = z_read(fd, &b, READ_SIZE);

        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0) {
            c->eof = true;
            break;
        }
        int requests = http_requests(&c->parser, z_data(b), (size_t)n);
        z_free(b);
        if (requests > 0)
            c->owed += requests;
        c->eof = requests < 0 || c->parser.close;
    }
    return !c->eof;
}

static void conn_serve(int fd)
{
    struct conn *c = &conns[fd];
    bool more = true;
    int sent;

    do {
        if (more)
            more = conn_read(fd, c);
        sent = conn_respond(fd, c);
    } while (more && sent > 0);
    if (sent < 0 || (sent > 0 && c->eof))
        ff_close(fd);
}

static bool add(int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};

    return ff_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void accept_all(void)
{
    int fd;

    while ((fd = ff_accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        conns[fd] = (struct conn){0};
        if (!add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET))
            ff_close(fd);
    }
}

static void start(int argc, char **argv)
{
    int arg = example_init(argc, argv);
    size_t body = (size_t)example_arg(argc, argv, arg, "body", 0, Z_BUF_MAX, 64);

    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    ep = ff_epoll_create(1);
    response_len = http_response_len(body);
    response = z_alloc(response_len);
    if (conns == NULL || ep < 0 || response == NULL)
        die("start");
    http_response_fill(z_data(response), body);
    listener = example_listen(example_port(argc, argv, arg + 1, 80));
    if (!add(listener, EPOLLIN))
        die("epoll_ctl");
}

int main(int argc, char **argv)
{
    struct epoll_event ev[MAX_EVENTS];

    start(argc, argv);
    while (!example_stop) {
        int n = ff_epoll_wait(ep, ev, MAX_EVENTS, 100); /* polls the stack while it waits */

        for (int i = 0; i < n; i++) {
            if (ev[i].data.fd == listener)
                accept_all();
            else
                conn_serve(ev[i].data.fd);
        }
        example_tick();
    }
    z_print_counters(stdout);
    return 0;
}
