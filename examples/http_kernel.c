/*
 * The HTTP server of http.c on the kernel's sockets and epoll, for comparison.
 * Usage: http_kernel [BODY_BYTES [PORT]]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_request.h"

#define MAX_EVENTS 256
#define MAX_OWED 64
#define MAX_FDS 65536

struct conn {
    struct http_parser parser;
    int owed;
    size_t sent;
    bool eof;
    bool stalled;
};

static int ep, listener;
static struct conn conns[MAX_FDS];
static char *response;
static size_t response_len;
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int fd, int op, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};

    if (epoll_ctl(ep, op, fd, &ev) < 0)
        die("epoll_ctl");
}

/* Sends what is owed. False when the connection is gone. */
static bool conn_respond(int fd, struct conn *c)
{
    while (c->owed > 0) {
        ssize_t n = send(fd, response + c->sent, response_len - c->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            c->stalled = true;
            watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
            return true;
        }
        if (n < 0) {
            close(fd);
            return false;
        }
        c->sent += (size_t)n;
        if (c->sent == response_len) {
            c->sent = 0;
            c->owed--;
        }
    }
    if (c->eof) {
        close(fd);
        return false;
    }
    return true;
}

/* False when there is nothing more to read. */
static bool conn_read(int fd, struct conn *c)
{
    static char buf[65536];
    ssize_t n = read(fd, buf, sizeof(buf));

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
    /* A short read emptied the socket: level-triggered epoll tells when there is more, without a second call. */
    return !c->eof && n == (ssize_t)sizeof(buf);
}

static void conn_serve(int fd)
{
    struct conn *c = &conns[fd];
    bool more = true;

    if (c->stalled) {
        c->stalled = false;
        if (!conn_respond(fd, c) || c->stalled)
            return;
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    }
    while (more && !c->stalled) {
        while (more && c->owed < MAX_OWED)
            more = conn_read(fd, c);
        if (!conn_respond(fd, c))
            return;
    }
}

static void accept_all(void)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        conns[fd] = (struct conn){0};
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void start(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sigaction sa = {.sa_handler = on_signal};
    int on = 1;

    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    ep = epoll_create1(0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ep < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1024) < 0)
        die("listen");
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv)
{
    size_t body = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    struct epoll_event ev[MAX_EVENTS];

    response_len = http_response_len(body);
    response = malloc(response_len);
    if (response == NULL)
        die("malloc");
    http_response_fill(response, body);
    start((uint16_t)(argc > 2 ? strtoul(argv[2], NULL, 10) : 80));
    while (!stop) {
        int n = epoll_wait(ep, ev, MAX_EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (ev[i].data.fd == listener)
                accept_all();
            else
                conn_serve(ev[i].data.fd);
        }
    }
    free(response);
    return 0;
}
