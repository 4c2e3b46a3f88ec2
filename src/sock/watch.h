/*
 * What kqueue and epoll share. A watch is one registration: on the list of its sock, where a notice finds it, on the list of
 * its set, and, while it may be ready, on the set's ready list. A set is a sock itself, so it may be watched by other sets.
 */
#ifndef SOCK_WATCH_H
#define SOCK_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "sock/sock.h"

struct z_stack;
struct watch_set;

struct watch {
    SLIST_ENTRY(watch) on_sock; /* of a knote without a sock: chain of the kqueue's ident table */
    LIST_ENTRY(watch) in_set;
    TAILQ_ENTRY(watch) ready;
    struct watch_set *set;
    struct sock *sk;   /* NULL: EVFILT_TIMER, EVFILT_USER */
    int fd;            /* the descriptor it was registered by */
    uint16_t interest; /* SOCK_ bits of the notices that make it ready; 0 while disabled */
    int8_t filter : 5; /* EVFILT_ of a knote, 0 in an epoll set */
    uint8_t size : 3;  /* of its block, in units of 32 bytes beyond 64; 0: it lies in the sock's room */
    bool queued;       /* on the ready list */
};

/* Of a block of its own, with what surrounds it. */
static inline size_t watch_bytes(const struct watch *w)
{
    return 64 + 32 * (size_t)w->size;
}

TAILQ_HEAD(watch_queue, watch);
LIST_HEAD(watch_members, watch);

struct watch_set {
    struct watch_queue ready;
    struct watch_members all;
    struct z_stack *s;
    struct sock *sk;   /* the set's own */
    uint32_t n_ready;  /* length of the ready list */
    uint32_t n_nested; /* watches on other sets */
};

/* TIMER and USER knotes by ident: src/sock/kqueue.c. */
struct kqueue {
    struct watch_set set;
    struct watch_list *bucket; /* NULL until the first one is added */
    uint32_t n_buckets, n_idents;
};

struct epoll_set {
    struct watch_set set;
};

void watch_set_init(struct watch_set *set, struct z_stack *s, struct sock *sk);

/*
 * Zeroed memory with a watch as its first member: the room of the sock (or NULL) that it will be about, or a block. NULL, and counted, when
 * memory is at its limit. watch_release() takes back what was not attached.
 */
void *watch_alloc(struct z_stack *s, struct sock *sk, size_t bytes);
void watch_release(struct z_stack *s, struct sock *sk, struct watch *w);

void watch_attach(struct watch_set *set, struct watch *w, struct sock *sk /* or NULL */, int fd);

/* Takes a watch off its set and its sock, and gives back its memory. */
void watch_free(struct z_stack *s, struct watch *w);

/* The registration of (fd, filter) in the set: walks the registrations on the sock, of which there are few. */
struct watch *watch_find(const struct watch_set *set, const struct sock *sk, int fd, int filter);

/* Ready list. watch_post() also tells the sets that watch this one. */
void watch_enqueue(struct watch *w);
void watch_dequeue(struct watch *w);
void watch_post(struct watch *w);

/* Posts all watches on sk that are interested in one of these SOCK_ bits. */
void watch_notice(struct sock *sk, unsigned bits);

/* kqueue(2): registrations end with the descriptor they were made by, even when the sock lives on behind another one. */
void watch_forget_fd(struct z_stack *s, struct sock *sk, int fd);

/* The set behind a sock, NULL for a socket. */
struct watch_set *watch_set_of(const struct sock *sk);

/* May set watch target? 0; -ELOOP when sets would watch each other or be more than five deep, as epoll_ctl(2) has it. */
int watch_nest_check(const struct watch_set *set, const struct sock *target);

#endif
