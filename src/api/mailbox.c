/*
 * Calls from threads that do not own the stack. A caller puts its call in a slot and sleeps; the owner looks at the posted slots
 * once a poll, runs each call, and wakes the caller when it has a result. A call that must wait stays in its slot and is run
 * again at every poll until its deadline.
 *
 * A slot's state: FREE -(caller)-> POSTED -(caller)-> SLEEPING; the owner makes either BUSY while it runs the call, and
 * then the former state again or DONE; the caller frees it. The caller's stack frame holds the call: the owner must not
 * touch it once the slot is DONE, and the caller may take it back only from POSTED or SLEEPING.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/api.h"

#include "base/poison.h"

#define MAIL_WORDS 4u
#define MAIL_SLOTS (MAIL_WORDS * 64u)
#define MAIL_SPIN 200u /* looks at the slot before sleeping: about the time of a short poll */

enum mail_state { MAIL_FREE, MAIL_POSTED, MAIL_SLEEPING, MAIL_BUSY, MAIL_DONE };

struct mail_slot {
    uint32_t state; /* enum mail_state; the futex */
    struct api_op *op;
    int64_t result;
};

static struct {
    uint64_t posted[MAIL_WORDS]; /* a bit per slot that the owner must look at */
    uint64_t taken[MAIL_WORDS];  /* a bit per slot in use */
    uint64_t waited;             /* calls that found no free slot, not yet in the counters */
    struct mail_slot slot[MAIL_SLOTS];
} box;

static void futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static struct mail_slot *take_slot(unsigned *index)
{
    for (unsigned w = 0; w < MAIL_WORDS; w++) {
        uint64_t taken = __atomic_load_n(&box.taken[w], __ATOMIC_RELAXED);

        while (taken != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~taken);

            if (__atomic_compare_exchange_n(&box.taken[w], &taken, taken | 1ull << bit, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
                *index = w * 64 + bit;
                return &box.slot[*index];
            }
        }
    }
    return NULL;
}

static void put_slot(struct mail_slot *m, unsigned index)
{
    __atomic_store_n(&m->state, MAIL_FREE, __ATOMIC_RELAXED);
    /* pairs with the acquire in take_slot: the next user finds the slot FREE */
    __atomic_fetch_and(&box.taken[index / 64], ~(1ull << index % 64), __ATOMIC_RELEASE);
}

/* Nobody will answer: takes the call back. False when the owner has it in hand; then an answer comes. */
static bool withdraw(struct mail_slot *m, unsigned index)
{
    uint32_t state = __atomic_load_n(&m->state, __ATOMIC_RELAXED);

    if (state != MAIL_POSTED && state != MAIL_SLEEPING)
        return false;
    if (!__atomic_compare_exchange_n(&m->state, &state, MAIL_FREE, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    __atomic_fetch_and(&box.posted[index / 64], ~(1ull << index % 64), __ATOMIC_RELAXED);
    return true;
}

static int64_t wait_result(struct mail_slot *m, unsigned index)
{
    const struct timespec look_again = {.tv_nsec = 100 * 1000 * 1000};

    for (unsigned i = 0;; i++) {
        uint32_t state = __atomic_load_n(&m->state, __ATOMIC_ACQUIRE); /* pairs with the release in finish() */

        if (state == MAIL_DONE)
            return m->result;
        if (api_get_state() != API_RUNNING && withdraw(m, index))
            return -EBADF;
        if (i < MAIL_SPIN)
            port_pause();
        else if (state == MAIL_BUSY)
            sched_yield();
        else if (state == MAIL_SLEEPING ||
                 __atomic_compare_exchange_n(&m->state, &state, MAIL_SLEEPING, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            futex(&m->state, FUTEX_WAIT_PRIVATE, MAIL_SLEEPING, &look_again);
    }
}

int64_t api_call_foreign(struct api_op *op)
{
    struct mail_slot *m;
    unsigned index, nap_us = 50;
    int64_t r;

    if (api_get_state() != API_RUNNING)
        return -EBADF;
    op->waiting = false;
    while ((m = take_slot(&index)) == NULL) {
        __atomic_fetch_add(&box.waited, 1, __ATOMIC_RELAXED);
        port_wait(NULL, nap_us * NS_PER_US); /* longer each time, or a crowd of waiters takes the owner's core */
        nap_us = MIN(2 * nap_us, 5000u);
        if (api_get_state() != API_RUNNING)
            return -EBADF;
    }
    m->op = op;
    __atomic_store_n(&m->state, MAIL_POSTED, __ATOMIC_RELAXED);
    /* pairs with the acquire in mailbox_run: the owner that sees the bit sees the call */
    __atomic_fetch_or(&box.posted[index / 64], 1ull << index % 64, __ATOMIC_RELEASE);
    r = wait_result(m, index);
    put_slot(m, index);
    return r;
}

static void finish(struct mail_slot *m, unsigned index, uint32_t former, int64_t result)
{
    m->result = result;
    __atomic_fetch_and(&box.posted[index / 64], ~(1ull << index % 64), __ATOMIC_RELAXED);
    __atomic_store_n(&m->state, MAIL_DONE, __ATOMIC_RELEASE);
    if (former == MAIL_SLEEPING)
        futex(&m->state, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/* Runs, or ends (s NULL), the call in one slot. */
static bool serve(struct z_stack *s, unsigned index)
{
    struct mail_slot *m = &box.slot[index];
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
        __atomic_store_n(&m->state, former, __ATOMIC_RELEASE);
        return false;
    }
    finish(m, index, former, r);
    return true;
}

static unsigned serve_all(struct z_stack *s)
{
    unsigned done = 0;

    for (unsigned w = 0; w < MAIL_WORDS; w++) {
        uint64_t posted = __atomic_load_n(&box.posted[w], __ATOMIC_ACQUIRE);

        for (; posted != 0; posted &= posted - 1)
            done += serve(s, w * 64 + (unsigned)__builtin_ctzll(posted));
    }
    return done;
}

unsigned mailbox_run(struct z_stack *s)
{
    if (unlikely(__atomic_load_n(&box.waited, __ATOMIC_RELAXED) != 0))
        s->ctr.v[CTR_MAILBOX_FULL] += __atomic_exchange_n(&box.waited, 0, __ATOMIC_RELAXED);
    return serve_all(s);
}

void mailbox_close(void)
{
    serve_all(NULL);
}
