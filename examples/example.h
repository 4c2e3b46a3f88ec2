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
static const char *example_name; /* the program's, without its directory */

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

/* Whether argv[i] is one of the stack's options; a value in the next word moves *i on. */
static inline bool example_stack_option(char **argv, int n, int *i)
{
    static const char *const names[] = {"--conf", "-c", "--proc-type", "-t", "--proc-id", "-p"};
    const char *word = argv[*i];

    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
        size_t len = strlen(names[k]);

        if (strncmp(word, names[k], len) != 0 || (word[len] != '\0' && (word[len] != '=' || len == 2)))
            continue;
        if (word[len] == '\0' && *i + 1 < n)
            ++*i;
        return true;
    }
    return false;
}

/* Starts the stack with the arguments before "--"; returns the index of the program's own first argument. */
static inline int example_init(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    int n = 0;

    example_name = slash != NULL ? slash + 1 : argv[0];
    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    for (int i = 1; i < n; i++) {
        if (!example_stack_option(argv, n, &i)) {
            fprintf(stderr, "%s: unexpected argument \"%s\": own arguments follow --\n", example_name, argv[i]);
            exit(1);
        }
    }
    char *own = argv[n];
    argv[n] = NULL;
    if (ff_init(n, argv) < 0)
        exit(1); /* it said why */
    argv[n] = own;
    example_signals();
    return n + 1;
}

/* The number argv[i], from min to max; otherwise, where there are not so many arguments. what: its name, for who gave another. */
static inline long example_arg(int argc, char **argv, int i, const char *what, long min, long max, long otherwise)
{
    char *end;
    long value;

    if (i >= argc)
        return otherwise;
    errno = 0;
    value = strtol(argv[i], &end, 10);
    if (end == argv[i] || *end != '\0' || errno != 0 || value < min || value > max) {
        fprintf(stderr, "%s: %s: found \"%s\", expected %ld to %ld\n", example_name, what, argv[i], min, max);
        exit(1);
    }
    return value;
}

static inline uint16_t example_port(int argc, char **argv, int i, uint16_t otherwise)
{
    return (uint16_t)example_arg(argc, argv, i, "port", 1, UINT16_MAX, otherwise);
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
