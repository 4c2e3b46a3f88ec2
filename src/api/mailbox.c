/*
 * Calls from threads that do not own the stack, through a box of the stack's core. A caller puts its call in a slot and sleeps; the owner
 * looks at the posted slots once a poll, runs each call, and wakes the caller when it has a result. A call that must wait stays in its slot
 * and is run again at every poll until its deadline.
 *
 * A slot's state: FREE -(caller)-> POSTED -(caller)-> SLEEPING; the owner makes either BUSY while it runs the call, and
 * then the former state again or DONE; the caller frees it. The caller's stack frame holds the call: the owner must not
 * touch it once the slot is DONE, and the caller may take it back only from POSTED or SLEEPING.
 *
 * A caller that owns another stack does not sleep: it serves its own box meanwhile, or two owners that call each other would wait
 * for ever; and polls its own stack where it may.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/api.h"

#include "base/poison.h"

#define MAIL_SPIN 200u /* looks at the slot before sleeping: about the time of a short poll */

enum mail_state { MAIL_FREE, MAIL_POSTED, MAIL_SLEEPING, MAIL_BUSY, MAIL_DONE };

static void futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static struct mail_slot *take_slot(struct mailbox *box, unsigned *index)
{
    for (unsigned w = 0; w < MAIL_WORDS; w++) {
        uint64_t taken = __atomic_load_n(&box->taken[w], __ATOMIC_RELAXED);

        while (taken != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~taken);

            if (__atomic_compare_exchange_n(&box->taken[w], &taken, taken | 1ull << bit, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
                *index = w * 64 + bit;
                return &box->slot[*index];
            }
        }
    }
    return NULL;
}

static void put_slot(struct mailbox *box, struct mail_slot *m, unsigned index)
{
    __atomic_store_n(&m->state, MAIL_FREE, __ATOMIC_RELAXED);
    /* pairs with the acquire in take_slot: the next user finds the slot FREE */
    __atomic_fetch_and(&box->taken[index / 64], ~(1ull << index % 64), __ATOMIC_RELEASE);
}

/* Nobody will answer: takes the call back. False when the owner has it in hand; then an answer comes. */
static bool withdraw(struct mailbox *box, struct mail_slot *m, unsigned index)
{
    uint32_t state = __atomic_load_n(&m->state, __ATOMIC_RELAXED);

    if (state != MAIL_POSTED && state != MAIL_SLEEPING)
        return false;
    if (!__atomic_compare_exchange_n(&m->state, &state, MAIL_FREE, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    __atomic_fetch_and(&box->posted[index / 64], ~(1ull << index % 64), __ATOMIC_RELAXED);
    return true;
}

/* Is there somebody who will answer? */
static bool is_served(const struct api_core *c)
{
    return api_get_state() == API_RUNNING && !__atomic_load_n(&c->ended, __ATOMIC_ACQUIRE);
}

/* What the owner of another stack does while it waits. */
static void own_turn(struct api_core *own)
{
    struct z_stack *s = own->stack;
    bool in_app = s->in_app;
    unsigned n;

    if (api_can_poll(own)) {
        n = api_turn(own);
    } else {
        s->in_app = false; /* calls of others wait as ever */
        n = mailbox_run(own);
        s->in_app = in_app;
    }
    api_idle(own, n, NS_NEVER, true, NULL);
    sched_yield(); /* the other core's thread may share this CPU */
}

static void sleep_a_while(struct mail_slot *m, uint32_t state, unsigned looks)
{
    const struct timespec look_again = {.tv_nsec = 100 * 1000 * 1000};

    if (looks < MAIL_SPIN)
        port_pause();
    else if (state == MAIL_BUSY)
        sched_yield();
    else if (state == MAIL_SLEEPING ||
             __atomic_compare_exchange_n(&m->state, &state, MAIL_SLEEPING, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        futex(&m->state, FUTEX_WAIT_PRIVATE, MAIL_SLEEPING, &look_again);
}

static int64_t wait_result(struct api_core *c, struct mail_slot *m, unsigned index)
{
    for (unsigned i = 0;; i++) {
        uint32_t state = __atomic_load_n(&m->state, __ATOMIC_ACQUIRE); /* pairs with the release in finish() */

        if (state == MAIL_DONE)
            return m->result;
        if (!is_served(c) && withdraw(&c->box, m, index))
            return -EBADF;
        if (api_is_owner() && i >= MAIL_SPIN)
            own_turn(api_here);
        else
            sleep_a_while(m, state, i);
    }
}

/* An owner may sleep meanwhile: what it waits for must keep it from that. A release callback may be inside such a wait already. */
static int64_t await_result(struct api_core *c, struct mail_slot *m, unsigned index)
{
    struct api_core *caller = m->caller;
    const struct mail_slot *outer;
    int64_t r;

    if (caller == NULL)
        return wait_result(c, m, index);
    outer = caller->awaits;
    caller->awaits = m;
    r = wait_result(c, m, index);
    caller->awaits = outer;
    return r;
}

/* NULL: the core's stack has ended. */
static struct mail_slot *wait_slot(struct api_core *c, unsigned *index)
{
    struct mail_slot *m;
    unsigned nap_us = 50;

    while ((m = take_slot(&c->box, index)) == NULL) {
        __atomic_fetch_add(&c->box.waited, 1, __ATOMIC_RELAXED);
        if (api_is_owner())
            own_turn(api_here);
        else
            port_nap(nap_us * NS_PER_US); /* longer each time, or a crowd of waiters takes the owner's core */
        nap_us = MIN(2 * nap_us, 5000u);
        if (!is_served(c))
            return NULL;
    }
    return m;
}

static int64_t post(struct api_core *c, struct api_op *op)
{
    struct mail_slot *m;
    unsigned index;
    int64_t r;

    if (!is_served(c))
        return -EBADF;
    op->waiting = false;
    op->at_once = api_is_owner() && !api_can_poll(api_here);
    m = wait_slot(c, &index);
    if (m == NULL)
        return -EBADF;
    m->op = op;
    m->caller = api_is_owner() ? api_here : NULL;
    __atomic_store_n(&m->state, MAIL_POSTED, __ATOMIC_RELAXED);
    /* pairs with the acquire in mailbox_run: the owner that sees the bit sees the call */
    __atomic_fetch_or(&c->box.posted[index / 64], 1ull << index % 64, __ATOMIC_RELEASE);
    api_wake(c);
    r = await_result(c, m, index);
    put_slot(&c->box, m, index);
    return r;
}

int64_t api_call_foreign(struct api_op *op)
{
    return api_get_state() == API_RUNNING ? post(api_core_of_fd(op->fd), op) : -EBADF;
}

int64_t api_call_at(struct api_core *c, struct api_op *op, api_fn fn)
{
    if (api_here == c && api_is_owner())
        return api_call(op, fn);
    op->fn = fn;
    return post(c, op);
}

static void finish(struct mailbox *box, struct mail_slot *m, unsigned index, uint32_t former, int64_t result)
{
    struct api_core *caller = m->caller;

    m->result = result;
    box->known[index / 64] &= ~(1ull << index % 64);
    __atomic_fetch_and(&box->posted[index / 64], ~(1ull << index % 64), __ATOMIC_RELAXED);
    __atomic_store_n(&m->state, MAIL_DONE, __ATOMIC_RELEASE);
    if (former == MAIL_SLEEPING)
        futex(&m->state, FUTEX_WAKE_PRIVATE, 1, NULL);
    if (caller != NULL)
        api_wake(caller);
}

/* It stays in its slot and is tried again every turn. */
static void keep(struct mailbox *box, struct mail_slot *m, unsigned index, uint32_t former)
{
    box->known[index / 64] |= 1ull << index % 64;
    box->next_ns = MIN(box->next_ns, m->op->deadline_ns);
    __atomic_store_n(&m->state, former, __ATOMIC_RELEASE);
}

/* Runs, or ends (s NULL), the call in one slot. */
static bool serve(struct mailbox *box, struct z_stack *s, unsigned index)
{
    struct mail_slot *m = &box->slot[index];
    uint32_t former = __atomic_load_n(&m->state, __ATOMIC_ACQUIRE);
    int64_t r = -EBADF;

    do {
        if (former != MAIL_POSTED && former != MAIL_SLEEPING)
            return false; /* withdrawn */
    } while (!__atomic_compare_exchange_n(&m->state, &former, MAIL_BUSY, true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
    if (s != NULL) {
        if (!m->op->waiting)
            stack_count(s, CTR_MAILBOX_CALLS);
        r = m->op->fn(s, m->op);
        if (r == API_WAIT && __atomic_load_n(&api.stop, __ATOMIC_RELAXED))
            r = api_interrupt(s, m->op);
    }
    if (r == API_WAIT) {
        keep(box, m, index, former);
        return false;
    }
    finish(box, m, index, former, r);
    return true;
}

static unsigned serve_all(struct mailbox *box, struct z_stack *s)
{
    unsigned done = 0;

    for (unsigned w = 0; w < MAIL_WORDS; w++) {
        uint64_t posted = __atomic_load_n(&box->posted[w], __ATOMIC_ACQUIRE);

        for (; posted != 0; posted &= posted - 1)
            done += serve(box, s, w * 64 + (unsigned)__builtin_ctzll(posted));
    }
    return done;
}

unsigned mailbox_run(struct api_core *c)
{
    struct mailbox *box = &c->box;
    uint64_t any = 0;

    box->next_ns = NS_NEVER;
    for (unsigned w = 0; w < MAIL_WORDS; w++)
        any |= __atomic_load_n(&box->posted[w], __ATOMIC_RELAXED); /* whose call it misses is seen at the next poll */
    if (likely(any == 0))
        return 0;
    if (unlikely(__atomic_load_n(&box->waited, __ATOMIC_RELAXED) != 0))
        c->stack->ctr.v[CTR_MAILBOX_FULL] += __atomic_exchange_n(&box->waited, 0, __ATOMIC_RELAXED);
    return serve_all(box, c->stack);
}

bool mailbox_has_news(const struct mailbox *box)
{
    bool any = false;

    for (unsigned w = 0; w < MAIL_WORDS; w++)
        any |= (__atomic_load_n(&box->posted[w], __ATOMIC_RELAXED) & ~box->known[w]) != 0;
    return any;
}

bool mailbox_is_done(const struct mail_slot *m)
{
    return __atomic_load_n(&m->state, __ATOMIC_RELAXED) == MAIL_DONE;
}

void mailbox_close(struct api_core *c)
{
    serve_all(&c->box, NULL);
}
