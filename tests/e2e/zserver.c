/*
 * The server under test: one behaviour per port, from PORT on, so that kernel programs without a protocol can use it.
 *
 *  +0 ECHO    sends back the buffers it receives
 *  +1 COPY    the same with ff_read and ff_write
 *  +2 SINK    reads to the end, then answers "BYTES SHA256\n" and closes
 *  +3 SOURCE  reads one line "BYTES STYLE\n", sends that many bytes of the pattern, then ends by STYLE:
 *             close; half (ff_shutdown, then reads to the end); reset (SO_LINGER 0); exit (ends the whole program at once)
 *  +4 WRAP    SOURCE from the program's own memory (z_wrap)
 *  +5 LAZY    SINK that reads nothing for 1500 ms
 *  +6 DISCARD reads and forgets
 *
 * With the word "ghost" behind PORT there is another host (ghost.h).
 *
 * Each ended connection is one line on standard output: "MODE received N sent N: how it ended".
 */
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/example.h"
#include "ghost.h"
#include "sha256.h"

#define MAX_EVENTS 256
#define READ_SIZE 65280
#define PATTERN_LEN 65521 /* a prime: no power-of-two shift maps the pattern to itself */
#define LAZY_MS 1500

enum mode { ECHO, COPY, SINK, SOURCE, WRAP, LAZY, DISCARD, N_MODES };
static const char *const mode_names[] = {"echo", "copy", "sink", "source", "wrap", "lazy", "discard"};

struct conn {
    enum mode mode;
    bool open, asleep, blocked, ordered; /* ordered: the source has read its line */
    struct z_buf *waiting;               /* not taken by z_write yet */
    uint64_t received, sent, want;
    char line[64], style[16];
    struct sha256 sha;
};

static int kq, listeners[N_MODES];
static struct conn *conns;
static uint8_t *pattern; /* READ_SIZE bytes may be taken at any offset below PATTERN_LEN; wrapped memory starts there too */
static size_t pattern_mem;
static unsigned wrapped, released;

static void conn_end(int fd, const char *how)
{
    struct conn *c = &conns[fd];

    printf("%s received %llu sent %llu: %s\n", mode_names[c->mode], (unsigned long long)c->received, (unsigned long long)c->sent, how);
    fflush(stdout);
    z_free(c->waiting);
    c->waiting = NULL;
    c->open = false;
    ff_close(fd);
}

static void conn_fail(int fd, const char *call)
{
    char how[64];

    snprintf(how, sizeof(how), "%s: %s", call, strerrorname_np(errno));
    conn_end(fd, how);
}

static void conn_block(int fd)
{
    conns[fd].blocked = true;
    example_watch(kq, fd, EVFILT_READ, EV_DISABLE);
    example_watch(kq, fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
}

/* Writes what waits. True when the connection may go on. */
static bool conn_flush(int fd)
{
    struct conn *c = &conns[fd];
    size_t n = c->waiting != NULL ? z_chain_len(c->waiting) : 0;

    if (n == 0)
        return true;
    if (z_write(fd, c->waiting, n) < 0) {
        if (errno == EAGAIN)
            conn_block(fd);
        else
            conn_fail(fd, "write");
        return false;
    }
    c->sent += n;
    c->waiting = NULL;
    return true;
}

static bool conn_send_text(int fd, const char *text)
{
    size_t n = strlen(text);

    conns[fd].waiting = z_alloc(n);
    if (conns[fd].waiting == NULL) {
        conn_fail(fd, "z_alloc");
        return false;
    }
    memcpy(z_data(conns[fd].waiting), text, n);
    return conn_flush(fd);
}

static void on_release(void *arg, unsigned flags)
{
    (void)arg;
    (void)flags;
    released++;
}

/* The next piece of the pattern, in sizes around every boundary there is. */
static struct z_buf *source_piece(const struct conn *c)
{
    static const size_t sizes[] = {1, 100, 1447, 1448, 1449, 1460, 2048, 9000, READ_SIZE, 16384};
    static unsigned turn;
    uint64_t left = c->want - c->sent;
    size_t n = sizes[turn++ % (sizeof(sizes) / sizeof(sizes[0]))], at = (size_t)(c->sent % PATTERN_LEN);
    struct z_buf *b;

    if (c->mode == WRAP) {
        n = left < pattern_mem - at ? (size_t)left : pattern_mem - at;
        b = z_wrap(pattern + at, n, on_release, NULL);
        wrapped += b != NULL;
        return b;
    }
    n = n < left ? n : (size_t)left;
    b = z_alloc(n);
    if (b != NULL)
        memcpy(z_data(b), pattern + at, n);
    return b;
}

static void source_done(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    struct conn *c = &conns[fd];

    if (strcmp(c->style, "half") == 0) {
        c->ordered = false;
        c->mode = DISCARD;
        ff_shutdown(fd, SHUT_WR);
        example_watch(kq, fd, EVFILT_READ, EV_ENABLE);
        return;
    }
    if (strcmp(c->style, "reset") == 0)
        ff_setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    if (strcmp(c->style, "exit") == 0) {
        /* The connection is left open: ending the program delivers what was written. */
        example_stop = 1;
        return;
    }
    conn_end(fd, c->style);
}

static void source_serve(int fd)
{
    struct conn *c = &conns[fd];

    while (c->sent < c->want) {
        c->waiting = source_piece(c);
        if (c->waiting == NULL) {
            conn_fail(fd, "buffer");
            return;
        }
        if (!conn_flush(fd))
            return;
    }
    source_done(fd);
}

/* Collects the line that tells a source what to do. */
static void source_order(int fd, const char *data, size_t n)
{
    struct conn *c = &conns[fd];
    unsigned long long want;

    strncat(c->line, data, n < sizeof(c->line) - 1 - strlen(c->line) ? n : sizeof(c->line) - 1 - strlen(c->line));
    if (strchr(c->line, '\n') == NULL)
        return;
    if (sscanf(c->line, "%llu %15s", &want, c->style) != 2) {
        conn_end(fd, "bad order");
        return;
    }
    c->want = want;
    c->ordered = true;
    source_serve(fd);
}

static void conn_eof(int fd)
{
    struct conn *c = &conns[fd];
    char hex[65], text[128];

    if (c->mode == SINK || c->mode == LAZY) {
        sha256_hex(&c->sha, hex);
        snprintf(text, sizeof(text), "%llu %s\n", (unsigned long long)c->received, hex);
        if (!conn_send_text(fd, text))
            return;
    }
    conn_end(fd, "eof");
}

/* One received buffer. */
static void conn_take(int fd, void *b, size_t n)
{
    struct conn *c = &conns[fd];

    c->received += n;
    if (c->mode == ECHO) {
        c->waiting = b;
        conn_flush(fd);
        return;
    }
    if (c->mode == SINK || c->mode == LAZY)
        sha256_update(&c->sha, z_data(b), n);
    else if (c->mode == SOURCE || c->mode == WRAP)
        source_order(fd, z_data(b), n);
    z_free(b);
}

/* COPY keeps what ff_write did not take in an ordinary buffer of its own making. */
static void copy_serve(int fd)
{
    static char buf[16384];
    struct conn *c = &conns[fd];

    while (c->open && !c->blocked) {
        ssize_t n = ff_read(fd, buf, sizeof(buf)), done = 0;

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            n == 0 ? conn_end(fd, "eof") : conn_fail(fd, "read");
            return;
        }
        c->received += (size_t)n;
        done = ff_write(fd, buf, (size_t)n);
        if (done < 0 && errno != EAGAIN) {
            conn_fail(fd, "write");
            return;
        }
        done = done < 0 ? 0 : done;
        c->sent += (size_t)done;
        if (done < n) {
            c->waiting = z_alloc((size_t)(n - done));
            if (c->waiting == NULL) {
                conn_fail(fd, "z_alloc");
                return;
            }
            memcpy(z_data(c->waiting), buf + done, (size_t)(n - done));
            conn_block(fd);
        }
    }
}

static void conn_readable(int fd)
{
    struct conn *c = &conns[fd];

    if (c->mode == COPY) {
        copy_serve(fd);
        return;
    }
    while (c->open && !c->blocked && !c->asleep && !c->ordered) {
        void *b;
        ssize_t n = z_read(fd, &b, READ_SIZE);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            conn_fail(fd, "read");
        else if (n == 0)
            conn_eof(fd);
        else
            conn_take(fd, b, (size_t)n);
    }
}

static void conn_writable(int fd)
{
    struct conn *c = &conns[fd];

    c->blocked = false;
    if (!conn_flush(fd))
        return;
    if (c->ordered) {
        source_serve(fd);
        return;
    }
    example_watch(kq, fd, EVFILT_READ, EV_ENABLE);
    conn_readable(fd);
}

static void accept_all(enum mode mode)
{
    struct kevent timer;
    int fd;

    while ((fd = ff_accept(listeners[mode], NULL, NULL)) >= 0) {
        conns[fd] = (struct conn){.mode = mode, .open = true, .asleep = mode == LAZY};
        sha256_init(&conns[fd].sha);
        if (mode == LAZY) {
            EV_SET(&timer, (uintptr_t)fd, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, LAZY_MS, NULL);
            if (ff_kevent(kq, &timer, 1, NULL, 0, NULL) < 0)
                die("timer");
        } else if (!example_watch(kq, fd, EVFILT_READ, EV_ADD)) {
            die("kevent");
        }
    }
}

static void event(const struct kevent *ev)
{
    int fd = (int)ev->ident;

    for (int mode = 0; mode < N_MODES; mode++) {
        if (fd == listeners[mode]) {
            accept_all((enum mode)mode);
            return;
        }
    }
    if (!conns[fd].open)
        return;
    if (ev->filter == EVFILT_TIMER) {
        conns[fd].asleep = false;
        example_watch(kq, fd, EVFILT_READ, EV_ADD);
    } else if (ev->filter == EVFILT_WRITE) {
        conn_writable(fd);
    } else {
        conn_readable(fd);
    }
}

static int loop(void *arg)
{
    struct kevent ev[MAX_EVENTS];
    int n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, NULL);

    (void)arg;
    for (int i = 0; i < n; i++)
        event(&ev[i]);
    example_tick();
    return 0;
}

/* A child has no stack, and its end does no harm to ours. */
static void fork_check(void)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        char c;
        bool refused = ff_socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EBADF && ff_read(listeners[0], &c, 1) < 0 && errno == EBADF;
        exit(refused ? 0 : 1);
    }
    waitpid(child, &status, 0);
    printf("fork: %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "child refused" : "child NOT refused");
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);
    uint16_t port = example_port(argc, argv, arg, 7000);

    pattern_mem = (size_t)64 * PATTERN_LEN;
    pattern = aligned_alloc(4096, (pattern_mem / 4096 + 1) * 4096);
    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    kq = ff_kqueue();
    if (pattern == NULL || conns == NULL || kq < 0)
        die("start");
    for (size_t i = 0; i < pattern_mem; i++) {
        size_t j = i % PATTERN_LEN;
        pattern[i] = (uint8_t)(j * 7 + (j >> 8) * 13 + 1);
    }
    if (z_register(pattern, (pattern_mem / 4096 + 1) * 4096) < 0)
        printf("z_register: %s\n", strerrorname_np(errno));
    for (int mode = 0; mode < N_MODES; mode++) {
        listeners[mode] = example_listen((uint16_t)(port + mode));
        if (!example_watch(kq, listeners[mode], EVFILT_READ, EV_ADD))
            die("kevent");
    }
    fork_check();
    fflush(stdout);
    if (argc > arg + 1 && strcmp(argv[arg + 1], "ghost") == 0)
        ghost_appear();
    ff_run(loop, NULL);
    printf("wrapped %u released %u\n", wrapped, released);
    z_print_counters(stdout);
    return 0;
}
