/* The command line of zload: its own options, and those that are the stack's. A mechanism: reads argv, changes nothing else. */
#ifndef ZLOAD_ARGS_H
#define ZLOAD_ARGS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_STACK_MAX 16 /* words passed on to ff_init */
#define ARGS_HEADERS_MAX 16
#define ARGS_LOCAL_MAX 64
#define ARGS_CONNECTIONS_MAX 4000000u
#define ARGS_DEPTH_MAX 1024u
#define ARGS_WINDOWS_MAX 1000u
#define ARGS_NONE UINT64_MAX

enum protocol { PROTOCOL_HTTP, PROTOCOL_ECHO };
enum content { CONTENT_FIRST, CONTENT_ALPHABET };
enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
};

struct args {
    /* for ff_init: argv[0] first, NULL at the end */
    char *stack_argv[ARGS_STACK_MAX + 1];
    int stack_argc;

    const char *target; /* as given */
    enum protocol protocol;
    struct address server;
    char host[80]; /* of the Host field */
    const char *path;

    uint64_t connections, depth;
    double rate; /* requests per second; 0: closed loop */
    bool brief;  /* a connection per request */
    bool reset;  /* connections end with a reset */
    uint64_t ramp_ns, wait_ns, warmup_ns, duration_ns, timeout_ns;
    uint64_t requests; /* ARGS_NONE: no such end */
    uint64_t windows;
    struct address local[ARGS_LOCAL_MAX];
    unsigned n_local;

    uint64_t size; /* of an echo message */
    const char *method;
    uint64_t body_bytes; /* of an HTTP request */
    const char *header[ARGS_HEADERS_MAX];
    unsigned n_headers;

    uint64_t expect_bytes; /* of every body; ARGS_NONE: what the first one has */
    bool expect_any;
    enum content content;
    uint64_t check_every; /* 0: never */

    uint64_t server_pid; /* 0: none */
    enum format format;
    bool progress, counters, help;
};

extern const char args_usage[];

/* 0; or -1 and err, one line that says what was found and what is expected. */
int args_read(int argc, char **argv, struct args *a, char *err, size_t n);

#endif
