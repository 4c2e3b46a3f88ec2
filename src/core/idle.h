/*
 * When a turn of the loop found nothing to do: go on at once, pause, nap, or wait for the port's receive event? A value, and pure functions
 * of the time, what was moved, the next deadline, and whether the ports can wake us. docs/design/polling.md has the reasons and figures.
 *
 * Where the loop would burn the core for little work it naps, as long as that costs no throughput: the rates of packets with naps and
 * without are compared, and again from time to time. Clients that wait for each answer send less when answers take longer: then the loop
 * spins. A crowd that sends when it wants does not. Longer naps are compared with shorter ones all the time: they become as long as nobody
 * is held up by them.
 */
#ifndef CORE_IDLE_H
#define CORE_IDLE_H

#include <stdbool.h>
#include <stdint.h>

enum idle_polling { POLLING_ALWAYS, POLLING_BALANCED, POLLING_SAVING };

struct idle_conf {
    bool sleeps;          /* at all */
    bool saving;          /* naps whatever they cost */
    bool fixed;           /* and for as long as it was told, whatever the load */
    uint64_t begin_parts; /* naps are begun while they leave the loop busy for no more than one such part of the time, */
    uint64_t end_parts;   /* and given up beyond this one */
    uint64_t spin_ns;     /* a silence that is spun through while not napping */
    uint64_t rest_ns;     /* while napping, at most: from a wake-up that brought work to the next sleep that a receive event ends */
    uint64_t nap_ns;      /* at most: sleep that no receive event ends, while there is traffic */
    uint64_t long_nap_ns; /* the same in silence */
    uint64_t wait_ns;     /* sleep that everything ends */
};

/* idle_sleep_us: 0: not given. */
void idle_conf_init(struct idle_conf *c, enum idle_polling polling, uint32_t idle_sleep_us);

struct idle {
    bool worked;                    /* since the last look */
    bool slept;                     /* since the last work */
    bool false_alarm;               /* a port ended the last sleep, and nothing has come of it yet */
    bool napping;                   /* the mode */
    bool trial;                     /* of the mode, against the rate in the other one */
    bool strained;                  /* too busy for naps in the period before, */
    uint64_t last_rate;             /* and the packets per second; 0: in the other mode */
    bool loaded;                    /* not napping, and more busy than naps may leave it: silences are pauses of somebody's, spun through */
    uint64_t look_ns, look_packets; /* at the last look; the time of a sleep after it is over */
    uint64_t quiet_ns;              /* of the first look after the last work: the silence began */
    uint64_t woken_ns;              /* end of the last sleep that work followed */
    uint64_t from_ns, from_packets; /* the period that is being measured, */
    uint64_t busy_ns, asleep_ns;    /* what was done in it, */
    int32_t pairs, for_short;       /* its pairs of a longer and a shorter nap; those that speak for shorter ones less those against */
    bool held;                      /* naps held somebody up in the period before */
    bool shorter;                   /* the nap that is going on is the second one of a pair; */
    uint64_t nap_from_ns, nap_from_packets; /* it began, */
    uint64_t long_ns, long_packets;         /* and the first one of it was so long, with the work after it */
    uint64_t nap_ns;                        /* the longer one of a pair, as is found out */
    uint64_t other_rate;                    /* packets per second, before the trial */
    uint64_t next_trial_ns;
    uint64_t nap_pause_ns, spin_pause_ns; /* to the next trial, when this mode is found to be the better one */
};

/* Ports of the stack that can end a sleep by a receive event. */
enum idle_events { EVENTS_NONE, EVENTS_SOME, EVENTS_ALL };

enum idle_what {
    IDLE_SPIN,  /* the next turn at once */
    IDLE_PAUSE, /* after a pause instruction, for the other thread of the core */
    IDLE_NAP,   /* after a sleep of ns, whatever the ports receive */
    IDLE_WAIT,  /* after a sleep of ns, or until a port receives something */
};

struct idle_step {
    enum idle_what what;
    uint64_t ns;
};

void idle_init(struct idle *i, const struct idle_conf *c, uint64_t now_ns);

/* There was work in this turn. */
static inline void idle_work(struct idle *i)
{
    i->worked = true;
}

/* There was none. packets: moved so far, since whenever. unseen: something may happen that ends no sleep. */
struct idle_step idle_look(struct idle *i, const struct idle_conf *c, uint64_t now_ns, uint64_t packets, enum idle_events events,
                           bool unseen);

/* The step with something to be done at deadline_ns. */
struct idle_step idle_until(struct idle_step step, uint64_t now_ns, uint64_t deadline_ns);

/* A sleep is over; by_event: a port has ended it. */
void idle_slept(struct idle *i, uint64_t now_ns, bool by_event);

#endif
