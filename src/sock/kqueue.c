#include <errno.h>
#include <limits.h>

#include "base/check.h"
#include "base/units.h"
#include "core/stack.h"
#include "sock/event.h"
#include "sock/knote.h"
#include "sock/watch.h"

#include "base/poison.h"

/* What a change says about the knote's life; the rest of its flags is kept with the knote. */
#define EV_ACTIONS (EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT | EV_KEEPUDATA)

#define BUCKETS_FIRST 16u
#define BUCKETS_MAX (ARENA_MAX_BLOCK / (uint32_t)sizeof(struct watch_list))

struct kqueue *kqueue_create(struct z_stack *s, struct sock *sk)
{
    struct kqueue *kq = arena_alloc(&s->arena, sizeof(*kq));

    if (kq) {
        watch_set_init(&kq->set, s, sk);
        sk->kq = kq;
    }
    return kq;
}

/* TIMER and USER knotes by (ident, filter) ----------------------------------- */

static struct watch_list *bucket_of(const struct kqueue *kq, uintptr_t ident)
{
    return &kq->bucket[((uint64_t)ident * 0x9e3779b97f4a7c15ull >> 32) & (kq->n_buckets - 1)];
}

static struct knote_ident *ident_find(const struct kqueue *kq, uintptr_t ident, int filter)
{
    struct watch *w;

    if (!kq->bucket) {
        return 0;
    }
    SLIST_FOREACH(w, bucket_of(kq, ident), on_sock)
    {
        if (((struct knote_ident *)w)->ident == ident && w->filter == filter) {
            return (struct knote_ident *)w;
        }
    }
    return 0;
}

/* Doubles the table. Without memory the chains become longer; only the first table is indispensable. */
static int ident_grow(struct z_stack *s, struct kqueue *kq)
{
    uint32_t n = kq->n_buckets ? kq->n_buckets * 2 : BUCKETS_FIRST;
    struct watch_list *old = kq->bucket;
    uint32_t n_old = kq->n_buckets;

    if (n > BUCKETS_MAX) {
        return 0;
    }
    struct watch_list *bucket = arena_alloc(&s->arena, n * sizeof(*bucket));
    if (!bucket) {
        stack_count(s, CTR_WATCH_LIMIT);
        return old ? 0 : -ENOMEM;
    }
    kq->bucket = bucket;
    kq->n_buckets = n;
    for (uint32_t i = 0; i < n_old; i++) {
        struct watch *w;

        while ((w = SLIST_FIRST(&old[i]))) {
            SLIST_REMOVE_HEAD(&old[i], on_sock);
            SLIST_INSERT_HEAD(bucket_of(kq, ((struct knote_ident *)w)->ident), w, on_sock);
        }
    }
    arena_free(&s->arena, old, n_old * sizeof(*old));
    return 0;
}

/* Life of a knote ------------------------------------------------------------- */

static void knote_free(struct z_stack *s, struct kqueue *kq, struct knote *k)
{
    if (knote_has_ident(k->w.filter)) {
        wheel_cancel(&s->wheel, &knote_ident(k)->timer);
        SLIST_REMOVE(bucket_of(kq, knote_ident(k)->ident), &k->w, watch, on_sock);
        kq->n_idents--;
    }
    watch_free(s, &k->w);
}

void kqueue_destroy(struct z_stack *s, struct kqueue *kq)
{
    struct watch *w;

    while ((w = LIST_FIRST(&kq->set.all))) {
        knote_free(s, kq, (struct knote *)w);
    }
    arena_free(&s->arena, kq->bucket, kq->n_buckets * sizeof(*kq->bucket));
    arena_free(&s->arena, kq, sizeof(*kq));
}

static void knote_set_disabled(struct knote *k, bool disabled)
{
    k->disabled = disabled;
    k->w.interest = 0;
    if (disabled) {
        watch_dequeue(&k->w);
    } else if (!knote_has_ident(k->w.filter)) {
        k->w.interest = k->w.filter == EVFILT_READ ? SOCK_IN : SOCK_OUT;
    }
}

static void knote_set_lowat(struct knote *k, const struct kevent *c)
{
    k->has_lowat = c->fflags & NOTE_LOWAT;
    k->lowat = (int32_t)MAX(MIN(c->data, (int64_t)INT32_MAX), (int64_t)INT32_MIN);
}

static void knote_init(struct knote *k, const struct kevent *c)
{
    k->w.filter = -(-c->filter & 15); /* all filters are: kqueue_change() */
    k->flags = c->flags & (uint16_t) ~(EV_SYSFLAGS | EV_ACTIONS);
    k->udata = c->udata;
    if (knote_ext(k)) {
        memcpy(((struct knote_wide *)k)->ext, c->ext, sizeof(c->ext));
    }
    knote_set_disabled(k, c->flags & EV_DISABLE);
}

static int knote_add_ident(struct z_stack *s, struct kqueue *kq, const struct kevent *c, struct knote **out)
{
    struct knote_ident *k;

    if (kq->n_idents >= kq->n_buckets && ident_grow(s, kq) < 0) {
        return -ENOMEM;
    }
    k = watch_alloc(s, 0, sizeof(*k));
    if (!k) {
        return -ENOMEM;
    }
    knote_init(&k->k.k, c);
    k->ident = c->ident;
    if (c->filter == EVFILT_USER) {
        k->fflags = c->fflags & NOTE_FFLAGSMASK;
        k->data = c->data;
        k->triggered = c->fflags & NOTE_TRIGGER;
    } else if (knote_timer_start(s, k, c) < 0) {
        watch_release(s, 0, &k->k.k.w);
        return -EINVAL;
    }
    watch_attach(&kq->set, &k->k.k.w, 0, -1);
    SLIST_INSERT_HEAD(bucket_of(kq, k->ident), &k->k.k.w, on_sock);
    kq->n_idents++;
    *out = &k->k.k;
    return 0;
}

static bool has_ext(const struct kevent *c)
{
    return (c->ext[0] | c->ext[1] | c->ext[2] | c->ext[3]) != 0;
}

static int knote_add_sock(struct z_stack *s, struct kqueue *kq, struct sock *sk, const struct kevent *c, struct knote **out)
{
    struct knote *k;

    if (watch_set_of(sk) && c->filter != EVFILT_READ) {
        return -EINVAL;
    }
    if (watch_nest_check(&kq->set, sk) < 0) {
        return -ELOOP;
    }
    k = watch_alloc(s, sk, has_ext(c) ? sizeof(struct knote_wide) : sizeof(*k));
    if (!k) {
        return -ENOMEM;
    }
    knote_init(k, c);
    knote_set_lowat(k, c);
    watch_attach(&kq->set, &k->w, sk, (int)c->ident);
    *out = k;
    return 0;
}

/* Changes --------------------------------------------------------------------- */

static int knote_modify(struct z_stack *s, struct knote *k, const struct kevent *c)
{
    if (c->filter == EVFILT_TIMER && c->flags & EV_ADD) {
        int err = knote_timer_start(s, knote_ident(k), c);

        if (err < 0) {
            return err;
        }
    } else if (c->filter == EVFILT_USER) {
        knote_user_change(knote_ident(k), c);
    } else if (c->filter != EVFILT_TIMER) {
        knote_set_lowat(k, c);
    }
    if (c->flags & EV_FORCEONESHOT) {
        k->flags |= EV_ONESHOT;
        k->forced = true;
    }
    if (c->flags & (EV_ENABLE | EV_DISABLE)) {
        knote_set_disabled(k, c->flags & EV_DISABLE);
    }
    if (!(c->flags & EV_KEEPUDATA)) {
        k->udata = c->udata;
    }
    return 0;
}

/* One change: 0 or -errno. The order of the checks is FreeBSD's. */
static int kqueue_change(struct z_stack *s, struct kqueue *kq, const struct kevent *c)
{
    bool has_ident = knote_has_ident(c->filter);
    struct sock *sk = 0;
    struct knote *k;
    struct kevent ev;
    int err;

    if ((c->flags & (EV_ENABLE | EV_DISABLE)) == (EV_ENABLE | EV_DISABLE) ||
        (c->flags & (EV_ADD | EV_KEEPUDATA)) == (EV_ADD | EV_KEEPUDATA) ||
        (!has_ident && c->filter != EVFILT_READ && c->filter != EVFILT_WRITE)) {
        return -EINVAL;
    }
    if (has_ident) {
        k = (struct knote *)ident_find(kq, c->ident, c->filter);
    } else {
        sk = c->ident > INT_MAX ? 0 : sock_get(s, (int)c->ident);
        if (!sk) {
            return -EBADF;
        }
        if (sk == kq->set.sk) {
            return -EINVAL;
        }
        k = (struct knote *)watch_find(&kq->set, sk, (int)c->ident, c->filter);
    }

    if (!k) {
        if (!(c->flags & EV_ADD)) {
            return -ENOENT;
        }
        err = has_ident ? knote_add_ident(s, kq, c, &k) : knote_add_sock(s, kq, sk, c, &k);
    } else if (c->flags & EV_DELETE) {
        knote_free(s, kq, k);
        return 0;
    } else {
        err = knote_modify(s, k, c);
    }
    if (err == 0 && !k->disabled && !k->w.queued && knote_evaluate(k, &ev)) {
        watch_post(&k->w);
    }
    return err;
}

/* Looks once at everything that was on the ready list; what is due and stays so goes behind what is not served yet. */
static int kqueue_scan(struct z_stack *s, struct kqueue *kq, struct kevent *events, int n_events)
{
    int stored = 0;

    for (uint32_t look = kq->set.n_ready; look > 0 && stored < n_events; look--) {
        struct knote *k = (struct knote *)TAILQ_FIRST(&kq->set.ready);

        watch_dequeue(&k->w);
        if (!knote_evaluate(k, &events[stored])) {
            continue;
        }
        sock_ahead(s, k->w.fd);
        stored++;
        if (k->flags & EV_ONESHOT) {
            knote_free(s, kq, k);
        } else if (k->flags & (EV_CLEAR | EV_DISPATCH)) {
            if (k->flags & EV_CLEAR) {
                knote_clear(k);
            }
            if (k->flags & EV_DISPATCH) {
                knote_set_disabled(k, true);
            }
        } else {
            watch_enqueue(&k->w);
        }
    }
    return stored;
}

/* changes and events may be the same array: a change is read before an event is written over it. */
int kqueue_kevent(struct z_stack *s, struct kqueue *kq, const struct kevent *changes, int n_changes, struct kevent *events, int n_events)
{
    int stored = 0;

    if (n_changes < 0 || n_events < 0) {
        return -EINVAL;
    }
    for (int i = 0; i < n_changes; i++) {
        struct kevent c = changes[i];
        int err;

        if (c.filter == 0) {
            continue; /* FreeBSD passes over an empty entry */
        }
        err = kqueue_change(s, kq, &c);
        if (err == 0 && !(c.flags & EV_RECEIPT)) {
            continue;
        }
        if (stored < n_events) {
            c.flags = EV_ERROR;
            c.data = -err;
            events[stored++] = c;
        } else if (err < 0) {
            return err;
        }
    }
    return stored > 0 ? stored : kqueue_scan(s, kq, events, n_events);
}

bool kqueue_is_ready(struct kqueue *kq)
{
    struct kevent ev;
    struct watch *w;

    while ((w = TAILQ_FIRST(&kq->set.ready))) {
        if (knote_evaluate((struct knote *)w, &ev)) {
            return true;
        }
        watch_dequeue(w);
    }
    return false;
}
