/* The letter box of a core: calls from threads that do not own its stack (mailbox.c). */
#ifndef API_MAILBOX_H
#define API_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct api_core;
struct api_op;

#define MAIL_WORDS 4u
#define MAIL_SLOTS (MAIL_WORDS * 64u)

struct mail_slot {
    uint32_t state;          /* enum mail_state of mailbox.c; the futex */
    struct api_core *caller; /* of a thread that owns another stack; NULL: it owns none */
    struct api_op *op;
    int64_t result;
};

struct mailbox {
    uint64_t posted[MAIL_WORDS]; /* a bit per slot that the owner must look at */
    uint64_t taken[MAIL_WORDS];  /* a bit per slot in use */
    uint64_t waited;             /* calls that found no free slot, not yet in the counters */
    uint64_t known[MAIL_WORDS];  /* owner: bits of posted that have been looked at: calls that wait */
    uint64_t next_ns;            /* owner: the first deadline of those */
    struct mail_slot slot[MAIL_SLOTS];
};

unsigned mailbox_run(struct api_core *c);         /* owner: calls whose turn it is; how many finished */
bool mailbox_has_news(const struct mailbox *box); /* owner: was something posted since mailbox_run? */
bool mailbox_is_done(const struct mail_slot *m);  /* the caller: is there a result? */
void mailbox_close(struct api_core *c);           /* owner: all calls end with EBADF */

#endif
