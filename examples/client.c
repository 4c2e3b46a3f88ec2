/*
 * Request/response client with a main loop of its own: every connection sends SIZE bytes to an echo server, waits for
 * as many, and starts again. Prints the rate and the latencies.
 * Usage: client --conf config.ini -- ADDRESS [PORT [SIZE [CONNECTIONS [SECONDS]]]]
 */
#include <time.h>

#include "example.h"

#define MAX_EVENTS 256
#define READ_SIZE 65280
#define MAX_LATENCY_US 100000

struct conn {
    size_t missing;   /* bytes of the current response still to come */
    uint64_t sent_ns; /* when its request was written */
    bool connected;
};

static int kq;
static struct conn *conns;
static struct z_buf *request;
static size_t size;
static int open_conns;
static uint64_t responses, errors;
static uint32_t latency_us[MAX_LATENCY_US + 1]; /* histogram; the last entry holds everything slower */

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void conn_failed(int fd, const char *what, int error)
{
    if (errors++ == 0)
        fprintf(stderr, "%s: %s\n", what, strerror(error));
    open_conns--;
    ff_close(fd);
}

/* One request is outstanding at a time, so the send queue is empty: EAGAIN would be a failure like any other. */
static bool conn_request(int fd)
{
    struct z_buf *b = z_ref(request);

    if (z_write(fd, b, size) < 0) {
        int error = errno;

        z_free(b);
        conn_failed(fd, "write", error);
        return false;
    }
    conns[fd].missing = size;
    conns[fd].sent_ns = now_ns();
    return true;
}

static void conn_open(const struct sockaddr_in *to)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        die("socket");
    example_nonblocking(fd);
    if (ff_connect(fd, (const struct linux_sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
        die("connect");
    open_conns++;
    conns[fd] = (struct conn){0};
    if (!example_watch(kq, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT) || !example_watch(kq, fd, EVFILT_READ, EV_ADD))
        die("kevent");
}

/* The connection is there, or not: SO_ERROR tells. */
static void conn_connected(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (ff_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error != 0) {
        conn_failed(fd, "connect", error);
        return;
    }
    conns[fd].connected = true;
    conn_request(fd);
}

static void conn_response(int fd)
{
    struct conn *c = &conns[fd];

    for (;;) {
        void *b;
        ssize_t n = z_read(fd, &b, READ_SIZE);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || (size_t)n > c->missing) {
            conn_failed(fd, "read", n < 0 ? errno : n == 0 ? ECONNRESET : EPROTO);
            z_free(b);
            return;
        }
        z_free(b);
        c->missing -= (size_t)n;
        if (c->missing > 0)
            continue;
        uint64_t us = (now_ns() - c->sent_ns) / 1000;
        latency_us[us < MAX_LATENCY_US ? us : MAX_LATENCY_US]++;
        responses++;
        if (!conn_request(fd))
            return;
    }
}

static unsigned percentile_us(double share)
{
    uint64_t seen = 0;

    for (unsigned us = 0; us < MAX_LATENCY_US; us++) {
        seen += latency_us[us];
        if ((double)seen >= share * (double)responses)
            return us;
    }
    return MAX_LATENCY_US;
}

static void run_until(uint64_t end_ns)
{
    struct timespec wait = {.tv_nsec = 10000000};
    struct kevent ev[MAX_EVENTS];

    while (!example_stop && open_conns > 0 && now_ns() < end_ns) {
        int n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, &wait); /* polls the stack while it waits */

        for (int i = 0; i < n; i++) {
            int fd = (int)ev[i].ident;

            if (ev[i].filter == EVFILT_WRITE)
                conn_connected(fd);
            else if (conns[fd].connected)
                conn_response(fd);
        }
        example_tick();
    }
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(example_port(argc, argv, arg + 1, 7))};
    long connections = example_arg(argc, argv, arg + 3, "connections", 1, 1000000, 1);
    long seconds = example_arg(argc, argv, arg + 4, "seconds", 1, 1000000, 5);

    size = (size_t)example_arg(argc, argv, arg + 2, "bytes", 1, Z_BUF_MAX, 64);
    if (arg >= argc || inet_pton(AF_INET, argv[arg], &to.sin_addr) != 1) {
        fprintf(stderr, "client: the address of an echo server is missing\n");
        return 1;
    }
    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    kq = ff_kqueue();
    request = z_alloc(size);
    if (conns == NULL || kq < 0 || request == NULL)
        die("start");
    memset(z_data(request), 'x', size);
    for (long i = 0; i < connections; i++)
        conn_open(&to);
    uint64_t start_ns = now_ns();
    run_until(start_ns + (uint64_t)seconds * 1000000000);
    double elapsed_s = (double)(now_ns() - start_ns) / 1e9;
    printf("%.0f requests/s, p50 %u us, p90 %u us, p99 %u us, %lu responses, %lu errors\n", (double)responses / elapsed_s,
           percentile_us(0.5), percentile_us(0.9), percentile_us(0.99), (unsigned long)responses, (unsigned long)errors);
    z_print_counters(stdout);
    return errors > 0 || responses == 0;
}
