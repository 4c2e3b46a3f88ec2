#include "core/idle.h"

#include "base/units.h"

#include "base/poison.h"

#define SHORT_NS (2 * NS_PER_US)        /* stragglers of a burst, which naps collect anyhow */
#define SHORT_SLEEP_NS (20 * NS_PER_US) /* not slept: waking up takes as long */
#define TRAFFIC_NS (10 * NS_PER_MS)     /* a longer silence is no part of a conversation */
#define FORGET_NS (100 * NS_PER_MS)     /* what comes after it is something new */

/*
 * Naps are longer and shorter in turn. Who sends when he wants gives work in proportion to their time; who has so many requests under way
 * and is held up gives the same for each. So in most pairs the shorter one brings clearly more than its share when naps are too long.
 */
#define FIRST_NAP_NS (100 * NS_PER_US)
#define LEAST_NAP_NS (60 * NS_PER_US)         /* of balanced: shorter ones save little */
#define LEAST_SAVING_NAP_NS (100 * NS_PER_US) /* and no less than the time of so many packets: who has few under way may wait */
#define LEAST_SAVING_PACKETS 64u

/* A period over which rates are taken: this long, or longer for want of packets. */
#define PERIOD_NS (2 * NS_PER_MS)
#define PERIOD_MAX_NS (20 * NS_PER_MS)
#define PERIOD_PACKETS 1024u /* of which chance makes 3 % */

/* From one trial to the next: four times as long each time that it said the same. The first may have met a pause of the machine's. */
#define TRIAL_NS (10 * NS_PER_MS)
#define TRIAL_MAX_NS NS_PER_SEC

#define SPIN_PARTS 4u /* less than one such part of the time free without naps is too little for naps to be thought of */

void idle_conf_init(struct idle_conf *c, enum idle_polling polling, uint32_t idle_sleep_us)
{
    *c = (struct idle_conf){
        .sleeps = polling != POLLING_ALWAYS,
        .saving = polling == POLLING_SAVING || idle_sleep_us != 0,
        .fixed = idle_sleep_us != 0,
        .begin_parts = 4,
        .end_parts = 3,
        .spin_ns = 100 * NS_PER_US,
        .rest_ns = 250 * NS_PER_US,
        .nap_ns = 250 * NS_PER_US,
        .long_nap_ns = NS_PER_MS,
        .wait_ns = NS_PER_SEC,
    };
    if (c->saving)
        c->begin_parts = c->end_parts = 2;
    if (polling == POLLING_SAVING)
        c->rest_ns = c->nap_ns = 500 * NS_PER_US;
    if (idle_sleep_us != 0) {
        c->rest_ns = 0;
        c->nap_ns = c->long_nap_ns = c->wait_ns = idle_sleep_us * NS_PER_US;
    }
}

static void begin_period(struct idle *i, uint64_t now_ns, uint64_t packets)
{
    i->from_ns = now_ns;
    i->from_packets = packets;
    i->busy_ns = i->asleep_ns = 0;
    i->pairs = i->for_short = 0;
}

/* To leave it takes two periods that say so. */
static void set_mode(struct idle *i, bool napping)
{
    i->napping = napping;
    i->strained = !napping;
    i->last_rate = 0;
    i->held = false;
}

void idle_init(struct idle *i, const struct idle_conf *c, uint64_t now_ns)
{
    *i = (struct idle){.look_ns = now_ns,
                       .quiet_ns = now_ns,
                       .from_ns = now_ns,
                       .nap_ns = FIRST_NAP_NS,
                       .next_trial_ns = now_ns,
                       .nap_pause_ns = TRIAL_NS,
                       .spin_pause_ns = TRIAL_NS};
    set_mode(i, c->saving);
}

static bool is_busy(const struct idle *i, uint64_t period_ns, uint64_t parts)
{
    return i->busy_ns > period_ns / parts;
}

/* Without naps. Turns that find single packets are dear: what takes half of the time so takes a fifth with naps, which collect packets. */
static bool is_full(const struct idle *i, uint64_t period_ns)
{
    return i->busy_ns > period_ns - period_ns / SPIN_PARTS;
}

static uint64_t longer(uint64_t pause_ns)
{
    return MIN(4 * pause_ns, TRIAL_MAX_NS);
}

/*
 * Naps have passed: how long until the next trial? What ends them before that is as likely as not a pause of the machine's, soon over: then
 * they are tried again early.
 */
static uint64_t naps_stand(struct idle *i)
{
    set_mode(i, true);
    i->spin_pause_ns = TRIAL_NS / 2;
    i->nap_pause_ns = longer(i->nap_pause_ns);
    return i->nap_pause_ns;
}

/* Naps are tried again, shorter ones and later each time. */
static void nap_no_more(struct idle *i, uint64_t now_ns)
{
    set_mode(i, false);
    i->next_trial_ns = now_ns + i->spin_pause_ns;
    i->spin_pause_ns = longer(i->spin_pause_ns);
    i->nap_pause_ns = TRIAL_NS;
    i->nap_ns = MAX(i->nap_ns / 2, LEAST_NAP_NS);
}

/*
 * Naps are taken unless they cost an eighth of the rate, or the loop has enough to do with them or without. Those that seem to cost nothing
 * are tried against spinning now and then: what they hold up comes in that trial. Who saves takes them at any rate.
 */
static void conclude(struct idle *i, const struct idle_conf *c, uint64_t now_ns, uint64_t period_ns, uint64_t rate)
{
    uint64_t napping = i->napping ? rate : i->other_rate, spinning = i->napping ? i->other_rate : rate;
    bool costs = !c->saving && napping < spinning - spinning / 8;

    i->trial = false;
    if (costs || (i->napping ? is_busy(i, period_ns, c->begin_parts) : is_full(i, period_ns)))
        nap_no_more(i, now_ns);
    else
        i->next_trial_ns = now_ns + (i->napping ? i->nap_pause_ns : naps_stand(i));
}

static uint64_t least_nap(const struct idle_conf *c, uint64_t rate)
{
    if (!c->saving)
        return LEAST_NAP_NS;
    return MAX(LEAST_SAVING_NAP_NS, MIN(LEAST_SAVING_PACKETS * NS_PER_SEC / MAX(rate, 1u), c->nap_ns));
}

/*
 * At the end of a period: naps become longer step by step, shorter when they hold somebody up, and more so when they still do: what has
 * gathered, in a pause of the machine's for example, goes soon. True: even the shortest hold somebody up.
 */
static bool fit_naps(struct idle *i, const struct idle_conf *c, uint64_t rate)
{
    uint64_t least_ns = least_nap(c, rate), ns = i->nap_ns;
    bool held = 2 * i->for_short > i->pairs;

    i->nap_ns = held ? MAX(ns - ns / (i->held ? 4 : 8), least_ns) : MIN(ns + ns / 16, c->nap_ns);
    i->held = held;
    return !c->saving && held && ns <= least_ns;
}

/* Too much to do for naps, or without them no time that is only spun away. */
static bool is_strained(const struct idle *i, const struct idle_conf *c, uint64_t period_ns)
{
    if (i->napping)
        return is_busy(i, period_ns, c->end_parts);
    return is_full(i, period_ns) || i->busy_ns + i->asleep_ns >= period_ns - period_ns / 8;
}

/*
 * What one period says may be a pause of the machine's, or of the client's: it takes two for another mode, and of rates the higher
 * one. Only naps that hold somebody up though they are the shortest end at once.
 */
static void judge(struct idle *i, const struct idle_conf *c, uint64_t now_ns, uint64_t packets)
{
    uint64_t period_ns = now_ns - i->from_ns, rate = (packets - i->from_packets) * NS_PER_SEC / period_ns;
    uint64_t higher = MAX(rate, i->last_rate);
    bool strained = is_strained(i, c, period_ns), twice = strained == i->strained, hold;

    i->last_rate = rate;
    i->strained = strained;
    i->loaded = !i->napping && !c->fixed && is_busy(i, period_ns, c->begin_parts);
    hold = i->napping && fit_naps(i, c, rate);
    if (c->fixed) {
        i->napping = !is_busy(i, period_ns, c->end_parts);
    } else if (i->trial) {
        conclude(i, c, now_ns, period_ns, rate);
    } else if (i->napping && ((strained && twice) || hold)) {
        nap_no_more(i, now_ns);
    } else if (!strained && twice && now_ns >= i->next_trial_ns && !(i->napping && c->saving)) {
        i->trial = true;
        i->other_rate = higher;
        set_mode(i, !i->napping);
    }
    begin_period(i, now_ns, packets);
}

/* Work came after a silence that ended with the last look. */
static void after_silence(struct idle *i, const struct idle_conf *c, uint64_t silence_ns)
{
    if (silence_ns > FORGET_NS) {
        set_mode(i, c->saving);
        i->trial = false;
        i->nap_pause_ns = i->spin_pause_ns = TRIAL_NS;
        i->nap_ns = FIRST_NAP_NS;
        i->next_trial_ns = i->look_ns;
    }
    if (silence_ns > PERIOD_MAX_NS) {
        i->loaded = false;
        begin_period(i, i->look_ns, i->look_packets);
    }
}

/* What happened since the last look. */
static void account(struct idle *i, const struct idle_conf *c, uint64_t now_ns, uint64_t packets)
{
    if (i->worked) {
        uint64_t silence_ns = i->look_ns - i->quiet_ns;

        after_silence(i, c, silence_ns);
        i->busy_ns += now_ns - i->look_ns;
        if (i->slept)
            i->woken_ns = i->look_ns;
        i->worked = i->slept = i->false_alarm = false;
        i->quiet_ns = now_ns;
    }
    i->look_ns = now_ns;
    i->look_packets = packets;
}

/* A trial is as long as so many packets would take in the other mode: naps that hold everything up are soon over. */
static bool is_period_over(const struct idle *i)
{
    uint64_t ns = i->look_ns - i->from_ns, n = i->look_packets - i->from_packets;

    if (n == 0 || ns < PERIOD_NS)
        return false;
    return n >= PERIOD_PACKETS || ns >= PERIOD_MAX_NS || (i->trial && i->other_rate * ns >= PERIOD_PACKETS * NS_PER_SEC);
}

/* The nap before is over, with all that it brought: which one of the pair brought more in its time? A difference of an eighth counts. */
static void compare_naps(struct idle *i)
{
    uint64_t ns = i->look_ns - i->nap_from_ns, n = i->look_packets - i->nap_from_packets;

    if (i->shorter) {
        uint64_t in_short = n * i->long_ns, in_long = i->long_packets * ns;

        i->pairs++;
        i->for_short += (in_short > in_long + in_long / 8) - (in_long > in_short + in_short / 8);
    }
    i->long_ns = ns;
    i->long_packets = n;
    i->nap_from_ns = i->look_ns;
    i->nap_from_packets = i->look_packets;
}

static uint64_t next_nap(struct idle *i, const struct idle_conf *c, uint64_t most_ns)
{
    if (c->fixed)
        return most_ns;
    if (i->napping) {
        compare_naps(i);
        i->shorter = !i->shorter;
    }
    return MIN(i->shorter ? i->nap_ns - i->nap_ns / 3 : i->nap_ns, most_ns);
}

static struct idle_step step(enum idle_what what, uint64_t ns)
{
    return (struct idle_step){.what = what, .ns = ns};
}

struct idle_step idle_look(struct idle *i, const struct idle_conf *c, uint64_t now_ns, uint64_t packets, enum idle_events events,
                           bool unseen)
{
    uint64_t silence_ns, awake_ns, rest_ns;

    account(i, c, now_ns, packets);
    if (is_period_over(i))
        judge(i, c, now_ns, packets);
    silence_ns = now_ns - i->quiet_ns;
    if (silence_ns == 0 || (!i->napping && silence_ns < SHORT_NS))
        return step(IDLE_SPIN, 0);
    if (!c->sleeps || (!i->napping && silence_ns < (i->loaded ? TRAFFIC_NS : c->spin_ns)))
        return step(IDLE_PAUSE, 0);
    if (events == EVENTS_NONE || i->false_alarm) /* what could not be received now would end the next wait at once */
        return step(IDLE_NAP, silence_ns < TRAFFIC_NS ? next_nap(i, c, c->nap_ns) : c->long_nap_ns);
    awake_ns = now_ns - i->woken_ns;
    rest_ns = MIN(i->nap_ns, c->rest_ns);
    if (i->napping && awake_ns + SHORT_SLEEP_NS < rest_ns)
        return step(IDLE_NAP, next_nap(i, c, c->rest_ns));
    return step(IDLE_WAIT, events == EVENTS_ALL && !unseen ? c->wait_ns : c->long_nap_ns);
}

struct idle_step idle_until(struct idle_step s, uint64_t now_ns, uint64_t deadline_ns)
{
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

    if (s.what == IDLE_SPIN || s.what == IDLE_PAUSE)
        return s;
    if (left_ns < SHORT_SLEEP_NS)
        return step(left_ns == 0 ? IDLE_SPIN : IDLE_PAUSE, 0);
    return step(s.what, MIN(s.ns, left_ns));
}

void idle_slept(struct idle *i, uint64_t now_ns, bool by_event)
{
    i->asleep_ns += now_ns - i->look_ns;
    i->look_ns = now_ns;
    i->slept = true;
    i->false_alarm = by_event;
}
