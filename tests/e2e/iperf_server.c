/*
 * Enough of an iperf3 server for the real client to measure with, both directions, several streams, one test at a time.
 * Usage: iperf_server --conf config.ini [-- PORT]
 *
 * The control connection, in order: 37 bytes of cookie; we: PARAM_EXCHANGE; length and JSON of the parameters; we:
 * CREATE_STREAMS; the data connections, each with the cookie; we: TEST_START, TEST_RUNNING; data; TEST_END; we:
 * EXCHANGE_RESULTS; length and JSON of the results; we: ours, DISPLAY_RESULTS; IPERF_DONE.
 */
#include "../../examples/example.h"

#define MAX_EVENTS 64
#define COOKIE_LEN 37
#define MAX_STREAMS 16
#define BLOCK 65280

enum {
    TEST_START = 1,
    TEST_RUNNING = 2,
    TEST_END = 4,
    PARAM_EXCHANGE = 9,
    CREATE_STREAMS = 10,
    EXCHANGE_RESULTS = 13,
    DISPLAY_RESULTS = 14,
    IPERF_DONE = 16
};
enum step { WANT_COOKIE, WANT_PARAMS, WANT_STREAMS, RUNNING, WANT_RESULTS, WANT_DONE };

struct stream {
    int fd;
    size_t cookie; /* bytes of it that came */
    uint64_t bytes;
};

static int kq, listener, control = -1;
static enum step step;
static char in[65536];
static size_t in_len;
static bool reverse, blocked[MAX_STREAMS];
static int wanted, n_streams;
static struct stream streams[MAX_STREAMS];
static struct z_buf *block;

/* Control messages are small and the connection idle: the stack takes them whole. */
static void control_send(const void *data, size_t len)
{
    if (ff_write(control, data, len) != (ssize_t)len)
        die("control connection");
}

static void control_state(char state)
{
    control_send(&state, 1);
}

static void streams_close(void)
{
    for (int i = 0; i < n_streams; i++) {
        if (streams[i].fd >= 0)
            ff_close(streams[i].fd);
        streams[i].fd = -1;
    }
}

static void test_over(void)
{
    streams_close();
    if (control >= 0)
        ff_close(control);
    control = -1;
    n_streams = 0;
    in_len = 0;
}

/* A JSON text behind its length. False until it is complete. */
static bool take_json(char *json, size_t room)
{
    uint32_t len;

    if (in_len < 4)
        return false;
    memcpy(&len, in, 4);
    len = ntohl(len);
    if (len >= room)
        die("parameters are too long");
    if (in_len < 4 + (size_t)len)
        return false;
    memcpy(json, in + 4, len);
    json[len] = '\0';
    in_len -= 4 + (size_t)len;
    memmove(in, in + 4 + len, in_len);
    return true;
}

static void send_results(void)
{
    char json[4096];
    size_t n;
    uint32_t len;

    n = (size_t)snprintf(json, sizeof(json),
                         "{\"cpu_util_total\":0,\"cpu_util_user\":0,\"cpu_util_system\":0,\"sender_has_retransmits\":0,\"streams\":[");
    for (int i = 0; i < n_streams; i++) /* iperf3 numbers its streams 1, 3, 4, 5… */
        n += (size_t)snprintf(json + n, sizeof(json) - n,
                              "%s{\"id\":%d,\"bytes\":%llu,\"retransmits\":-1,\"jitter\":0,\"errors\":0,\"packets\":0,\"start_time\":0,"
                              "\"end_time\":1}",
                              i > 0 ? "," : "", i == 0 ? 1 : i + 2, (unsigned long long)streams[i].bytes);
    n += (size_t)snprintf(json + n, sizeof(json) - n, "]}");
    len = htonl((uint32_t)n);
    control_send(&len, 4);
    control_send(json, n);
}

static void source(int i)
{
    while (step == RUNNING && !blocked[i]) {
        if (z_write(streams[i].fd, z_ref(block), BLOCK) < 0) {
            z_free(block); /* the refused reference */
            blocked[i] = errno == EAGAIN && example_watch(kq, streams[i].fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
            return;
        }
        streams[i].bytes += BLOCK;
    }
}

static void start_when_complete(void)
{
    for (int i = 0; i < wanted; i++)
        if (i >= n_streams || streams[i].cookie < COOKIE_LEN)
            return;
    control_state(TEST_START);
    control_state(TEST_RUNNING);
    step = RUNNING;
    for (int i = 0; reverse && i < n_streams; i++)
        source(i);
}

/* What the control connection's bytes lead to. False: more are needed. */
static bool control_step(void)
{
    char json[8192];
    const char *p;

    switch (step) {
    case WANT_COOKIE:
        if (in_len < COOKIE_LEN)
            return false;
        in_len -= COOKIE_LEN;
        memmove(in, in + COOKIE_LEN, in_len);
        control_state(PARAM_EXCHANGE);
        step = WANT_PARAMS;
        return true;
    case WANT_PARAMS:
        if (!take_json(json, sizeof(json)))
            return false;
        reverse = strstr(json, "\"reverse\":true") != NULL || strstr(json, "\"reverse\":\ttrue") != NULL;
        p = strstr(json, "\"parallel\":");
        wanted = p != NULL ? atoi(p + strlen("\"parallel\":")) : 1;
        if (wanted > MAX_STREAMS)
            die("too many streams");
        step = WANT_STREAMS;
        control_state(CREATE_STREAMS);
        return true;
    case RUNNING:
        if (in_len == 0 || in[0] != TEST_END)
            return false;
        memmove(in, in + 1, --in_len);
        streams_close(); /* a client that receives may wait for the end of a block */
        step = WANT_RESULTS;
        control_state(EXCHANGE_RESULTS);
        return true;
    case WANT_RESULTS:
        if (!take_json(json, sizeof(json)))
            return false;
        send_results();
        control_state(DISPLAY_RESULTS);
        step = WANT_DONE;
        return true;
    default:
        return false;
    }
}

static void control_readable(void)
{
    ssize_t n;

    while ((n = ff_read(control, in + in_len, sizeof(in) - in_len)) > 0)
        in_len += (size_t)n;
    while (control_step())
        ;
    if (n == 0 || errno != EAGAIN)
        test_over();
}

static void stream_readable(int i)
{
    for (;;) {
        void *b;
        ssize_t n = z_read(streams[i].fd, &b, BLOCK);

        if (n <= 0)
            return; /* the control connection tells the end */
        size_t cookie = COOKIE_LEN - streams[i].cookie < (size_t)n ? COOKIE_LEN - streams[i].cookie : (size_t)n;
        streams[i].cookie += cookie;
        streams[i].bytes += (size_t)n - cookie;
        z_free(b);
        if (cookie > 0 && step == WANT_STREAMS)
            start_when_complete();
    }
}

static void accept_all(void)
{
    int fd;

    while ((fd = ff_accept(listener, NULL, NULL)) >= 0) {
        if (control < 0) {
            control = fd;
            step = WANT_COOKIE;
        } else if (step == WANT_STREAMS && n_streams < wanted) {
            blocked[n_streams] = false;
            streams[n_streams++] = (struct stream){.fd = fd};
        } else {
            ff_close(fd);
            continue;
        }
        if (!example_watch(kq, fd, EVFILT_READ, EV_ADD))
            die("kevent");
    }
}

static int loop(void *arg)
{
    struct kevent ev[MAX_EVENTS];
    int n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, NULL);

    (void)arg;
    for (int e = 0; e < n; e++) {
        int fd = (int)ev[e].ident;

        if (fd == listener)
            accept_all();
        else if (fd == control)
            control_readable();
        for (int i = 0; i < n_streams; i++) {
            if (fd == streams[i].fd && ev[e].filter == EVFILT_READ)
                stream_readable(i);
            if (fd == streams[i].fd && ev[e].filter == EVFILT_WRITE) {
                blocked[i] = false;
                source(i);
            }
        }
    }
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);

    kq = ff_kqueue();
    block = z_alloc(BLOCK);
    if (kq < 0 || block == NULL)
        die("start");
    memset(z_data(block), 'i', BLOCK);
    listener = example_listen(example_port(argc, argv, arg, 5201));
    if (!example_watch(kq, listener, EVFILT_READ, EV_ADD))
        die("kevent");
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
