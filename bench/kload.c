/*
 * HTTP requests at a constant rate from the kernel's sockets: what wrk, which has no rate, leaves out of the comparison of CPU use
 * against load. It sleeps when nothing is due, so that the rest of the machine's CPU time is the server's and the kernel's. Latency
 * counts from the moment when a request was due; every body is compared with abc...zabc... .
 *
 * usage: kload ADDRESS PORT BODY_BYTES CONNECTIONS RATE SECONDS     prints one line of JSON
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tools/zload_hist.h"
#include "../tools/zload_http.h"
#include "ktime.h"

#define EVENTS 256
#define WARMUP_NS (NS_PER_SEC / 4)

struct conn {
    int fd;
    bool busy, in_head;
    uint64_t owed;   /* requests that are due and not sent */
    uint64_t due_ns; /* of the one outstanding */
    uint64_t next;   /* number of the next one to be sent */
    uint64_t at;     /* bytes of the body so far */
    struct http_head head;
};

static const char request[] = "GET / HTTP/1.1\r\nHost: z\r\n\r\n";
static struct conn *conns;
static uint32_t n_conns;
static uint64_t body_bytes, begin_ns, measure_ns, due; /* due: number of the next request */
static double period_ns;
static struct hist latency;

static uint64_t due_ns(uint64_t k)
{
    return begin_ns + (uint64_t)((double)k * period_ns);
}

static void conn_open(struct conn *c, const struct sockaddr_in *to, int ep)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
        err(1, "connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        err(1, "epoll_ctl");
}

static void conn_send(struct conn *c)
{
    if (c->busy || c->owed == 0)
        return;
    if (send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
        err(1, "send");
    c->owed--;
    c->busy = c->in_head = true;
    c->due_ns = due_ns(c->next);
    c->next += n_conns;
    c->at = 0;
    http_head_init(&c->head, false);
}

static void answered(struct conn *c)
{
    uint64_t now = now_ns();

    if (now >= measure_ns)
        hist_add(&latency, now - c->due_ns);
    c->busy = false;
    conn_send(c);
}

static size_t head(struct conn *c, const char *data, size_t len)
{
    size_t used;
    enum http_result r = http_head_read(&c->head, data, len, &used);

    if (r == HTTP_BAD)
        errx(1, "%s", c->head.why);
    if (r == HTTP_HEAD) {
        c->in_head = false;
        if (c->head.status != 200 || c->head.body_bytes != body_bytes)
            errx(1, "status %d with %llu bytes, expected 200 with %llu", c->head.status, (unsigned long long)c->head.body_bytes,
                 (unsigned long long)body_bytes);
    }
    return used;
}

static void conn_receive(struct conn *c)
{
    static char buf[65536];
    ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !c->busy)
        errx(1, "the server %s", n < 0 ? strerror(errno) : n == 0 ? "closed" : "sent what nobody asked for");
    for (size_t i = 0, len = (size_t)n; i < len;) {
        if (c->in_head) {
            i += head(c, buf + i, len - i);
            continue;
        }
        if (buf[i++] != (char)('a' + c->at % 26) || c->at == body_bytes)
            errx(1, "the body is wrong at byte %llu", (unsigned long long)c->at);
        c->at++;
    }
    if (!c->in_head && c->at == body_bytes)
        answered(c);
}

static void run(int ep, uint64_t end_ns)
{
    struct epoll_event ev[EVENTS];
    uint64_t now;

    while ((now = now_ns()) < end_ns) {
        struct timespec wait = {0};
        uint64_t next;
        int n;

        for (; due_ns(due) <= now; due++) {
            conns[due % n_conns].owed++;
            conn_send(&conns[due % n_conns]);
        }
        next = due_ns(due);
        now = now_ns();
        if (next > now) {
            wait.tv_sec = (time_t)((next - now) / NS_PER_SEC);
            wait.tv_nsec = (long)((next - now) % NS_PER_SEC);
        }
        n = epoll_pwait2(ep, ev, EVENTS, &wait, NULL);
        for (int i = 0; i < n; i++)
            conn_receive(ev[i].data.ptr);
    }
}

static double own_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double number(const char *what, const char *text, double low, double high)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end != '\0' || !(v >= low && v <= high))
        errx(1, "%s: found \"%s\", expected a number from %.0f to %.0f", what, text, low, high);
    return v;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    double seconds, rate, cpu;
    uint64_t owed = 0;
    int ep = epoll_create1(0);

    if (argc != 7)
        errx(1, "usage: kload ADDRESS PORT BODY_BYTES CONNECTIONS RATE SECONDS");
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        errx(1, "found \"%s\", expected an IPv4 address", argv[1]);
    to.sin_port = htons((uint16_t)number("PORT", argv[2], 1, 65535));
    body_bytes = (uint64_t)number("BODY_BYTES", argv[3], 1, 1e9);
    n_conns = (uint32_t)number("CONNECTIONS", argv[4], 1, 10000);
    rate = number("RATE", argv[5], 1, 1e8);
    seconds = number("SECONDS", argv[6], 0.1, 3600);
    period_ns = 1e9 / rate;
    conns = calloc(n_conns, sizeof(*conns));
    if (conns == NULL || ep < 0)
        err(1, NULL);
    prctl(PR_SET_TIMERSLACK, 1UL); /* else a sleep is 50 us too long */
    hist_clear(&latency);
    for (uint32_t i = 0; i < n_conns; i++) {
        conns[i].next = i;
        conn_open(&conns[i], &to, ep);
    }
    begin_ns = now_ns();
    measure_ns = begin_ns + WARMUP_NS;
    run(ep, measure_ns);
    cpu = own_seconds();
    run(ep, measure_ns + (uint64_t)(seconds * 1e9));
    cpu = own_seconds() - cpu;
    for (uint32_t i = 0; i < n_conns; i++)
        owed += conns[i].owed;
    printf("{\"requests\": %llu, \"requests_per_second\": %.1f, \"p50_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f, \"unsent\": %llu, "
           "\"cpu_seconds\": %.4f}\n",
           (unsigned long long)latency.count, (double)latency.count / seconds, (double)hist_percentile(&latency, 50) / 1e3,
           (double)hist_percentile(&latency, 99) / 1e3, (double)latency.max / 1e3, (unsigned long long)owed, cpu);
    return latency.count == 0;
}
