/*
 * What the files of zload share. Everything happens on one thread, in the callback of ff_run:
 *
 *     zload.c         the phases of a run: wait for the server, open, warm up, measure, drain
 *     zload_conn.c    connections: opening, events, failures, timeouts
 *     zload_msg.c     what is sent, what must come back
 *     zload_sys.c     clock, CPU times, stolen time
 *     zload_report.c  results
 *
 * Times are cycles of the time-stamp counter (_tsc) until they are recorded or printed; histograms hold nanoseconds.
 */
#ifndef ZLOAD_H
#define ZLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include <rte_cycles.h>

#include "ff_api.h"
#include "z_api.h"

#include "zload_args.h"
#include "zload_hist.h"
#include "zload_http.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NS_PER_SEC 1000000000ull

enum load_error {
    ERR_REFUSED,
    ERR_CONNECT, /* another reason than a refusal */
    ERR_CONNECT_TIMEOUT,
    ERR_RESET,
    ERR_CLOSED,  /* end of file where a response was due, or none was expected */
    ERR_TIMEOUT, /* a response makes no progress */
    ERR_STATUS,  /* not 2xx */
    ERR_LENGTH,
    ERR_CONTENT,
    ERR_RESPONSE, /* malformed, or nobody asked for it */
    ERR_SEND,
    ERR_LOCAL, /* no descriptor, port or memory on this side */
    ERRORS
};

struct cpu_time {
    double user, system; /* seconds; negative: not known */
};

/* Share of the machine that the hypervisor gave to others, as two counters that grow. */
struct steal {
    uint64_t stolen, all;
};

/* One part of the measurement. There is one more for everything that is not measured, and is thrown away. */
struct window {
    struct hist latency_ns;
    uint64_t rx_bytes, tx_bytes; /* payload of TCP */
    uint64_t opened;             /* connections established */
    uint64_t idle_tsc;           /* of turns in which there was nothing to do */
    uint64_t turns;              /* in which there was something */
    uint64_t begin_tsc, end_tsc;
    struct cpu_time own, server; /* spent in it */
    double stolen;               /* 0 to 1; negative: not known */
};

enum conn_state {
    CONN_CLOSED,
    CONN_OPENING,
    CONN_READY,
    CONN_ENDING, /* has done its part: the server is to close it */
};

struct conn {
    int fd; /* -1: closed */
    uint8_t state;
    bool blocked;                    /* a writable event is to come */
    bool in_head;                    /* of an HTTP response */
    bool head_begun;                 /* and a part of it has been read */
    bool check;                      /* compare the content of the current response */
    bool wrong;                      /* the current response does not count */
    bool last;                       /* the server closes after the current response */
    bool queued;                     /* in one of the queues of struct load */
    uint8_t variant_out, variant_in; /* of the next message to send; of the one to come back */
    uint16_t ring_head;
    uint32_t outstanding; /* requests sent and not answered */
    uint32_t served;      /* responses */
    uint64_t owed;        /* requests that are due and not sent */
    uint64_t left;        /* bytes of the current body or message to come */
    uint64_t at;          /* and where they are in it */
    uint64_t since_tsc;   /* of the last progress; of one that waits to be opened again: when */
    uint64_t next;        /* open loop: number of the next request to send */
    STAILQ_ENTRY(conn) again;
    struct http_head head;
};

STAILQ_HEAD(conn_queue, conn);

struct load {
    struct args args;
    struct window *w;  /* current */
    uint64_t now_tsc;  /* of what is being handled */
    uint64_t ns_mult;  /* ns = cycles * ns_mult >> 32 */
    struct conn *conn; /* args.connections */
    uint64_t *ring;    /* args.depth for each: when its outstanding requests were meant to be sent */
    uint32_t n_conns, depth;
    int kq;
    bool issue; /* requests may be sent */
    bool open_loop;
    uint64_t outstanding; /* of all */
    uint64_t responses;   /* right ones, from the beginning on */

    /* open loop: request k is meant for schedule_tsc + (k * period_tsc16 >> 16), on connection k modulo n_conns */
    uint64_t schedule_tsc, period_tsc16;
    uint64_t due, due_tsc; /* next k, and its time */
    uint32_t due_conn;     /* and its connection */

    uint32_t n_ready, n_opening;
    uint32_t n_first;                 /* connections that were opened for the first time */
    uint64_t open_tsc;                /* when that began */
    struct conn_queue soon, again;    /* to be opened: at once; after a pause, the earliest first */
    uint32_t scan;                    /* whose timeout is looked at next */
    uint64_t scan_tsc, scan_step_tsc; /* and when */
    uint64_t timeout_tsc, pause_tsc;

    bool local_usable;       /* the local addresses are: those of IPv6 are tested before (RFC 4862) */
    bool probing;            /* is the server there? Failures are no errors yet */
    int connect_error;       /* why not */
    uint64_t errors[ERRORS]; /* of the whole run */
    char first_error[200];
    uint64_t unsent, unanswered; /* at the end */
    uint64_t late_tsc;           /* and how long the oldest of them has been due */

    struct window *window; /* args.windows, and the one that is thrown away */
    unsigned n_windows;    /* measured */
};

/* Counts, and keeps the first one as text. */
__attribute__((format(printf, 4, 5))) void load_error(struct load *l, enum load_error e, uint64_t n, const char *fmt, ...);

/* Prints "zload: " and a line, and ends the program. */
__attribute__((format(printf, 2, 3), noreturn)) void die(int status, const char *fmt, ...);

/* zload_conn.c */
void conn_init(struct load *l);
bool conn_local_usable(struct load *l); /* all of them; connect_error says why not */
void conn_open(struct load *l, struct conn *c);
void conn_open_first(struct load *l); /* as many of those that were never open as may be opened now */
void conn_open_again(struct load *l);
unsigned conn_events(struct load *l);
void conn_send(struct load *l, struct conn *c); /* what is owed, as far as the depth allows */
void conn_timeouts(struct load *l);
void conn_end(struct load *l, struct conn *c);

/* zload_msg.c */
void msg_init(struct load *l);
void msg_begin(struct load *l, struct conn *c); /* of a new connection */

/* Sends up to n requests. How many; errno says why not all. */
uint32_t msg_send(struct load *l, struct conn *c, uint32_t n);

/* Bytes that came. False: the connection cannot go on, and the error has been counted. */
bool msg_receive(struct load *l, struct conn *c, const char *data, size_t len);

/* End of file. Did it end a response in order? */
bool msg_eof(struct load *l, struct conn *c);

/* zload.c: the oldest outstanding request of c is answered. */
void load_answered(struct load *l, struct conn *c);

/* zload_sys.c */
void sys_clock_begin(void);
uint64_t sys_clock_mult(void); /* since sys_clock_begin: the longer ago, the more precise */
struct cpu_time sys_own_cpu(void);
struct cpu_time sys_process_cpu(uint64_t pid);
struct steal sys_steal(void);

/* Open loop: when request k is meant to be sent. */
static inline uint64_t load_due_tsc(const struct load *l, uint64_t k)
{
    return l->schedule_tsc + (uint64_t)((unsigned __int128)k * l->period_tsc16 >> 16);
}

/* zload_report.c */
struct progress {
    uint64_t tsc, responses; /* of the line before */
};
void report_progress(const struct load *l, struct progress *p, const char *phase);
void report_print(const struct load *l, FILE *out);
uint64_t report_errors(const struct load *l); /* all kinds together */

static inline uint64_t tsc_to_ns(const struct load *l, uint64_t tsc)
{
    return (uint64_t)((unsigned __int128)tsc * l->ns_mult >> 32);
}

static inline uint64_t ns_to_tsc(const struct load *l, uint64_t ns)
{
    return (uint64_t)(((unsigned __int128)ns << 32) / l->ns_mult);
}

#endif
