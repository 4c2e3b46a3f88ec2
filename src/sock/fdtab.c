#include "sock/fdtab.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_prefetch.h>

#include "base/bigtab.h"
#include "base/check.h"
#include "core/stack.h"
#include "sock/event.h"
#include "sock/sock.h"
#include "sock/watch.h"

#include "base/poison.h"

static int fd_of_index(const struct sock_table *t, uint32_t index)
{
    return (int)(t->base + index * t->n_stacks + t->stack);
}

/* The inverse of fd_of_index(); t->max for a number that is not in this table. */
static uint32_t index_of_fd(const struct sock_table *t, int fd)
{
    uint32_t n = (uint32_t)fd - t->base;

    if (fd < 0 || (uint32_t)fd < t->base) {
        return t->max;
    }
    if (t->n_stacks > 1) { /* every call looks a descriptor up, and a division costs more than all the rest of it */
        if (n % t->n_stacks != t->stack) {
            return t->max;
        }
        n /= t->n_stacks;
    }
    return n < t->max ? n : t->max;
}

static void table_free(struct sock_table *t)
{
    bigtab_free(t->sock, t->max ? t->max : 1, sizeof(*t->sock));
    free(t);
}

int sock_table_init(struct z_stack *s)
{
    struct sock_table *t = calloc(1, sizeof(*t));

    if (!t) {
        return -ENOMEM;
    }
    t->base = s->conf.fd_reserve;
    t->n_stacks = s->conf.n_stacks;
    t->stack = s->index % t->n_stacks;
    t->max = s->conf.max_sockets;
    if (t->base > INT_MAX || t->max > (INT_MAX - t->base) / t->n_stacks) { /* numbers must fit an int */
        free(t);
        return -EINVAL;
    }
    t->sock = bigtab_alloc(t->max ? t->max : 1, sizeof(*t->sock));
    if (!t->sock || idset_init(&t->free, t->max) != 0) {
        table_free(t);
        return -ENOMEM;
    }
    s->socks = t;
    return 0;
}

void sock_table_fini(struct z_stack *s)
{
    if (s->socks) {
        idset_fini(&s->socks->free);
        table_free(s->socks);
        s->socks = 0;
    }
}

bool sock_fd_left(struct z_stack *s)
{
    bool left = idset_any(&s->socks->free);

    if (!left) {
        stack_count(s, CTR_SOCK_LIMIT);
    }
    return left;
}

/* Names sk by the lowest free number. */
static int fd_take(struct z_stack *s, struct sock *sk)
{
    uint32_t index;

    if (!sock_fd_left(s)) {
        return -EMFILE;
    }
    index = idset_take_lowest(&s->socks->free);
    s->socks->sock[index] = sk;
    sk->refs++;
    stack_count(s, CTR_SOCKS);
    return fd_of_index(s->socks, index);
}

static void sock_init(struct z_stack *s, struct sock *sk, enum sock_kind kind)
{
    memset(sk, 0, offsetof(struct sock, room));
    sk->kind = (uint8_t)kind;
    sk->serial = ++s->socks->serial;
}

int sock_new(struct z_stack *s, enum sock_kind kind, struct sock **out)
{
    struct sock *sk;

    *out = 0;
    if (!sock_fd_left(s)) {
        return -EMFILE;
    }
    sk = arena_alloc_dirty(&s->arena, sizeof(*sk));
    if (!sk) {
        return -ENOMEM;
    }
    sock_init(s, sk, kind);
    *out = sk;
    return fd_take(s, sk);
}

int sock_new_tcp(struct z_stack *s, struct tcp_conn *tc, struct sock **out)
{
    *out = 0;
    if (!sock_fd_left(s)) {
        return -EMFILE;
    }
    *out = tcp_attach(tc);
    sock_init(s, *out, SOCK_TCP);
    (*out)->tcp = tc;
    return fd_take(s, *out);
}

struct sock *sock_get(const struct z_stack *s, int fd)
{
    uint32_t index = index_of_fd(s->socks, fd);

    return index < s->socks->max ? s->socks->sock[index] : 0;
}

void sock_ahead(const struct z_stack *s, int fd)
{
    rte_prefetch0(&s->socks->sock[index_of_fd(s->socks, fd)]);
}

/* What is behind a sock may be missing: its creation failed, and the caller takes the descriptor back. */
static void sock_destroy(struct z_stack *s, struct sock *sk)
{
    event_forget(s, sk);
    switch (sk->kind) {
    case SOCK_TCP:
        tcp_close(s, sk->tcp); /* the sock is part of it */
        return;
    case SOCK_UDP:
        if (sk->udp) {
            udp_close(s, sk->udp);
        }
        break;
    case SOCK_KQUEUE:
        if (sk->kq) {
            kqueue_destroy(s, sk->kq);
        }
        break;
    case SOCK_EPOLL:
        if (sk->ep) {
            epoll_set_destroy(s, sk->ep);
        }
        break;
    default:
        Z_CHECK(false); /* no such kind */
    }
    arena_free(&s->arena, sk, sizeof(*sk));
}

int sock_close(struct z_stack *s, int fd)
{
    uint32_t index = index_of_fd(s->socks, fd);
    struct sock *sk = sock_get(s, fd);

    if (!sk) {
        return -EBADF;
    }
    s->socks->sock[index] = 0;
    idset_put(&s->socks->free, index);
    s->ctr.v[CTR_SOCKS]--;
    watch_forget_fd(s, sk, fd);
    if (--sk->refs == 0) {
        sock_destroy(s, sk);
    }
    return 0;
}

int sock_dup(struct z_stack *s, int fd)
{
    struct sock *sk = sock_get(s, fd);

    return sk ? fd_take(s, sk) : -EBADF;
}

int sock_dup2(struct z_stack *s, int fd, int newfd)
{
    struct sock *sk = sock_get(s, fd);
    uint32_t index = index_of_fd(s->socks, newfd);

    if (!sk || index == s->socks->max) {
        return -EBADF;
    }
    if (newfd == fd) {
        return newfd;
    }
    if (s->socks->sock[index]) {
        sock_close(s, newfd);
    }
    idset_take(&s->socks->free, index);
    s->socks->sock[index] = sk;
    sk->refs++;
    stack_count(s, CTR_SOCKS);
    return newfd;
}

int sock_first_fd(const struct z_stack *s)
{
    return fd_of_index(s->socks, 0);
}

int sock_max_fd(const struct z_stack *s)
{
    return fd_of_index(s->socks, s->socks->max - 1);
}

uint32_t sock_stack_of(const struct z_stack *s, int fd)
{
    const struct sock_table *t = s->socks;

    return t->n_stacks > 1 && fd >= 0 && (uint32_t)fd >= t->base ? ((uint32_t)fd - t->base) % t->n_stacks : 0;
}

bool sock_fd_elsewhere(const struct z_stack *s, int fd)
{
    return fd >= 0 && (uint32_t)fd >= s->socks->base && sock_stack_of(s, fd) != s->socks->stack;
}

bool sock_fd_used(const struct z_stack *s, int fd)
{
    return sock_get(s, fd) != 0;
}
