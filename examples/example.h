/* What every example does: split its arguments from the stack's, listen, watch for signals, print counters. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "ff_api.h"
#include "ff_event.h"
#include "z_api.h"

static volatile sig_atomic_t example_stop, example_print;

static inline void example_on_signal(int number)
{
    if (number == SIGUSR1)
        example_print = 1;
    else
        example_stop = 1;
}

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* SIGUSR1 prints the counters; SIGINT and SIGTERM end the program in order. */
static inline void example_signals(void)
{
    struct sigaction sa = {.sa_handler = example_on_signal};

    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

/* Starts the stack with the arguments before "--"; returns the index of the program's own first argument. */
static inline int example_init(int argc, char **argv)
{
    int n = 0;

    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    char *own = argv[n];
    argv[n] = NULL;
    if (ff_init(n, argv) < 0)
        exit(1); /* it said why */
    argv[n] = own;
    example_signals();
    return n + 1;
}

static inline long example_arg(int argc, char **argv, int i, long otherwise)
{
    return i < argc ? strtol(argv[i], NULL, 10) : otherwise;
}

/* Once per turn of the loop. */
static inline void example_tick(void)
{
    if (example_print) {
        example_print = 0;
        z_print_counters(stdout);
        fflush(stdout);
    }
    if (example_stop)
        ff_stop_run();
}

static inline void example_nonblocking(int fd)
{
    int on = 1;

    if (ff_ioctl(fd, FIONBIO, &on) < 0)
        die("FIONBIO");
}

/*
 * One socket for both families: IPv4 clients appear as ::ffff:a.b.c.d (RFC 3493 section 3.7). Accepted sockets inherit the
 * non-blocking mode from the listener.
 */
static inline int example_listen(uint16_t port)
{
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = ff_socket(AF_INET6, SOCK_STREAM, 0);

    if (fd < 0)
        die("socket");
    example_nonblocking(fd);
    if (ff_bind(fd, (const struct linux_sockaddr *)&addr, sizeof(addr)) < 0)
        die("bind");
    if (ff_listen(fd, 1024) < 0)
        die("listen");
    return fd;
}

/* Changes a registration; fails only when the stack is at a limit (or the descriptor is not open). */
static inline bool example_watch(int kq, int fd, short filter, unsigned short flags)
{
    struct kevent change;

    EV_SET(&change, (uintptr_t)fd, filter, flags, 0, 0, NULL);
    return ff_kevent(kq, &change, 1, NULL, 0, NULL) >= 0;
}

#endif
