/*
 * The program under test on several cores. Usage: zcores --conf FILE -- PORT [ADDRESS COUNT]
 *
 * On every core: PORT echoes; PORT+1 greets with "core N" and obeys lines, answering each with "ok":
 *   close   close this core's listener on PORT      listen   listen there again
 * PORT+2 greets too, but on core 0 alone. With ADDRESS each core opens COUNT connections to ADDRESS, port PORT, sends "core N number I" on
 * each, wants it back, and prints "core N: COUNT echoed, FAILED failed".
 */
#include "../../examples/example.h"
#include <limits.h>

#define MAX_EVENTS 256
#define READ_SIZE 65280

enum kind { NOBODY, ECHO, CONTROL, CLIENT };

struct conn {
    enum kind kind;
    struct z_buf *waiting; /* echo: not taken by z_write yet */
    char line[32];
    int len, number;
};

static int port, count, process = -1;
static struct sockaddr_in server;

/* Of one core. */
static __thread struct conn *conns;
static __thread int me = -1, kq, echo_listener = -1, control_listener, lone_listener = -1, opened, echoed, failed;

static void end(int fd)
{
    z_free(conns[fd].waiting);
    conns[fd] = (struct conn){0};
    ff_close(fd);
}

static void watch(int fd, short filter, unsigned short flags)
{
    if (!example_watch(kq, fd, filter, flags))
        die("kevent");
}

/* Sends what waits; false: it does not fit, or the connection is gone. */
static bool flush(int fd)
{
    struct conn *c = &conns[fd];

    if (c->waiting == NULL)
        return true;
    if (z_write(fd, c->waiting, z_chain_len(c->waiting)) < 0) {
        if (errno != EAGAIN) {
            end(fd);
            return false;
        }
        watch(fd, EVFILT_READ, EV_DISABLE);
        watch(fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
        return false;
    }
    c->waiting = NULL;
    return true;
}

static void echo(int fd)
{
    while (flush(fd)) {
        void *b;
        ssize_t n = z_read(fd, &b, READ_SIZE);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            end(fd);
            return;
        }
        conns[fd].waiting = b;
    }
}

/* Beside connections of a listener that was there before. */
static void listen_here(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;

    echo_listener = ff_socket(AF_INET, SOCK_STREAM, 0);
    example_nonblocking(echo_listener);
    if (ff_setsockopt(echo_listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        ff_bind(echo_listener, (const struct linux_sockaddr *)&addr, sizeof(addr)) < 0 || ff_listen(echo_listener, 1024) < 0)
        die("listen");
    watch(echo_listener, EVFILT_READ, EV_ADD);
}

/* What has been accepted so far must not be reset with the listener. */
static void accept_all(int listener, enum kind kind);

static void obey(const char *line)
{
    if (strcmp(line, "close") == 0 && echo_listener >= 0) {
        accept_all(echo_listener, ECHO);
        ff_close(echo_listener);
        echo_listener = -1;
    } else if (strcmp(line, "listen") == 0 && echo_listener < 0) {
        listen_here();
    }
}

static void control(int fd)
{
    struct conn *c = &conns[fd];
    char ch;
    ssize_t n;

    while ((n = ff_read(fd, &ch, 1)) == 1) {
        if (ch != '\n') {
            if (c->len < (int)sizeof(c->line) - 1)
                c->line[c->len++] = ch;
            continue;
        }
        c->line[c->len] = '\0';
        c->len = 0;
        obey(c->line);
        if (ff_write(fd, "ok\n", 3) != 3)
            break;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN))
        end(fd);
}

static void accept_all(int listener, enum kind kind)
{
    char greeting[16];
    int fd;

    while ((fd = ff_accept(listener, NULL, NULL)) >= 0) {
        conns[fd] = (struct conn){.kind = kind};
        watch(fd, EVFILT_READ, EV_ADD);
        snprintf(greeting, sizeof(greeting), "core %d\n", me);
        if (kind == CONTROL && ff_write(fd, greeting, strlen(greeting)) < 0)
            end(fd);
    }
}

/* clients ------------------------------------------------------------------------------------------------------ */

static void report(void)
{
    if (echoed + failed < count)
        return;
    printf("core %d: %d echoed, %d failed\n", me, echoed, failed);
    fflush(stdout);
}

static int message(char text[32], int number)
{
    return snprintf(text, 32, "core %d number %d\n", me, number);
}

static void client_open(void)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0), number = opened++;

    if (fd < 0)
        die("socket");
    example_nonblocking(fd);
    conns[fd] = (struct conn){.kind = CLIENT, .number = number};
    if (ff_connect(fd, (const struct linux_sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)
        die("connect");
    watch(fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
    watch(fd, EVFILT_READ, EV_ADD);
}

static void client_end(int fd, bool ok)
{
    echoed += ok;
    failed += !ok;
    end(fd);
    report();
}

static void client_read(int fd)
{
    struct conn *c = &conns[fd];
    char want[32];
    ssize_t n = ff_read(fd, c->line + c->len, sizeof(c->line) - (size_t)c->len);

    if (n < 0 && errno == EAGAIN)
        return;
    c->len += n > 0 ? (int)n : 0;
    if (n <= 0)
        client_end(fd, false);
    else if (c->len == message(want, c->number))
        client_end(fd, memcmp(want, c->line, (size_t)c->len) == 0);
}

static void client_write(int fd)
{
    char text[32];
    int len = message(text, conns[fd].number);

    if (ff_write(fd, text, (size_t)len) != len)
        client_end(fd, false);
}

/* ---------------------------------------------------------------------------------------------------------------- */

static void start_core(void)
{
    conns = calloc((size_t)ff_getmaxfd() + 1, sizeof(*conns));
    kq = ff_kqueue();
    if (conns == NULL || kq < 0)
        die("start");
    control_listener = example_listen((uint16_t)(port + 1));
    me = process >= 0 ? process : control_listener % 2; /* descriptors of two stacks alternate, from an even number on */
    watch(control_listener, EVFILT_READ, EV_ADD);
    listen_here();
    if (me == 0) {
        lone_listener = example_listen((uint16_t)(port + 2));
        watch(lone_listener, EVFILT_READ, EV_ADD);
    }
}

static void serve(const struct kevent *ev)
{
    int fd = (int)ev->ident;

    if (fd == echo_listener)
        accept_all(fd, ECHO);
    else if (fd == control_listener || fd == lone_listener)
        accept_all(fd, CONTROL);
    else if (conns[fd].kind == CLIENT)
        ev->filter == EVFILT_WRITE ? client_write(fd) : client_read(fd);
    else if (conns[fd].kind == CONTROL)
        control(fd);
    else if (conns[fd].kind == ECHO) {
        if (ev->filter == EVFILT_WRITE)
            watch(fd, EVFILT_READ, EV_ENABLE);
        echo(fd);
    }
}

static int loop(void *arg)
{
    struct kevent ev[MAX_EVENTS];
    int n;

    (void)arg;
    if (conns == NULL)
        start_core();
    for (int i = 0; i < 8 && opened < count; i++)
        client_open();
    n = ff_kevent(kq, NULL, 0, ev, MAX_EVENTS, NULL);
    for (int i = 0; i < n; i++)
        serve(&ev[i]);
    example_tick();
    return 0;
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);

    for (int i = 1; i < arg; i++)
        if (sscanf(argv[i], "--proc-id=%d", &process) == 1)
            break;
    port = example_port(argc, argv, arg, 7000);
    count = (int)example_arg(argc, argv, arg + 2, "count", 0, INT_MAX, 0);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (count > 0 && inet_pton(AF_INET, argv[arg + 1], &server.sin_addr) != 1)
        return 2;
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
