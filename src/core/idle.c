#include "core/idle.h"

#include "base/units.h"

#include "base/poison.h"

#define SHORT_NS (2 * NS_PER_US)        /* stragglers of a burst, which naps collect anyhow */
#define SHORT_SLEEP_NS (20 * NS_PER_US) /* not slept: waking up takes as long */
#define SHORT_NAP_NS (100 * NS_PER_US)  /* a shorter one costs more than it saves */
#define TRAFFIC_NS (10 * NS_PER_MS)     /* a longer silence is no part of a conversation */
#define FORGET_NS (100 * NS_PER_MS)     /* what comes after it is something new */

/*
 * A nap under much load is as long as so many packets take, since who sends has so many under way, or naps hold them up. How many more that
 * may be is found out: after a trial that naps have passed, after four times as many each time that it went wrong. What longer naps hold up
 * has gathered until the next trial, and stands out in it.
 */
#define NAP_PACKETS_LEAST 64u
#define NAP_PACKETS_MOST 256u
#define LONGER_TRIALS_MAX 64u

/* A period over which rates are taken: this long, or longer for want of packets. */
#define PERIOD_NS (2 * NS_PER_MS)
#define PERIOD_MAX_NS (20 * NS_PER_MS)
#define PERIOD_PACKETS 1024u /* of which chance makes 3 % */

/* From one trial to the next: four times as long each time that it said the same. The first may have met a pause of the machine's. */
#define TRIAL_NS (10 * NS_PER_MS)
#define TRIAL_MAX_NS NS_PER_SEC

/*
 * What comes in heaps of so many packets, with silences between them that are no longer than naps, comes from somebody who sleeps as we
 * would: two that nap hold each other up, and neither can tell by napping less that it is more than the other one.
 */
#define GAP_LEAST_NS (30 * NS_PER_US)
#define GAP_MOST_NS (500 * NS_PER_US)
#define HEAP_PACKETS 16u

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
    i->gap_ns = i->gaps = 0;
}

static void least_naps(struct idle *i)
{
    i->nap_packets = NAP_PACKETS_LEAST;
    i->trials_left = i->trials_between = 1;
}

/* To leave it takes two periods that say so. */
static void set_mode(struct idle *i, bool napping)
{
    i->napping = napping;
    i->strained = !napping;
    i->last_rate = 0;
}

void idle_init(struct idle *i, const struct idle_conf *c, uint64_t now_ns)
{
    *i = (struct idle){.look_ns = now_ns,
                       .quiet_ns = now_ns,
                       .from_ns = now_ns,
                       .next_trial_ns = now_ns,
                       .nap_pause_ns = TRIAL_NS,
                       .spin_pause_ns = TRIAL_NS};
    least_naps(i);
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

static bool comes_in_heaps(const struct idle *i, uint64_t now_ns, uint64_t packets)
{
    return i->gap_ns > (now_ns - i->from_ns) / 2 && packets - i->from_packets > i->gaps * HEAP_PACKETS;
}

static uint64_t longer(uint64_t pause_ns)
{
    return MIN(4 * pause_ns, TRIAL_MAX_NS);
}

/* Naps have passed: until when are they not tried? Now and then they become longer before. */
static uint64_t naps_stand(struct idle *i)
{
    set_mode(i, true);
    i->spin_pause_ns = TRIAL_NS;
    if (i->nap_packets < NAP_PACKETS_MOST && --i->trials_left == 0) {
        i->nap_packets *= 2;
        i->trials_left = i->trials_between;
        return TRIAL_NS;
    }
    i->nap_pause_ns = longer(i->nap_pause_ns);
    return i->nap_pause_ns;
}

/* So long they cost throughput. */
static uint64_t naps_too_long(struct idle *i)
{
    set_mode(i, true);
    i->nap_packets /= 2;
    i->trials_left = i->trials_between = MIN(4 * i->trials_between, LONGER_TRIALS_MAX);
    return TRIAL_NS;
}

/* Naps are tried again, later each time. */
static void nap_no_more(struct idle *i, uint64_t now_ns)
{
    set_mode(i, false);
    i->next_trial_ns = now_ns + i->spin_pause_ns;
    i->spin_pause_ns = longer(i->spin_pause_ns);
    i->nap_pause_ns = TRIAL_NS;
    i->nap_packets = NAP_PACKETS_LEAST;
}

/*
 * Naps are taken unless they cost an eighth of the rate, or the loop has enough to do with them or without. Those that seem to cost nothing
 * are soon tried against spinning: what they hold up, clients with few requests under way and more to send, comes in that trial. Who saves
 * takes them at any rate, and only learns from the trial how long they may be.
 */
static void conclude(struct idle *i, const struct idle_conf *c, uint64_t now_ns, uint64_t period_ns, uint64_t rate, bool heaps)
{
    uint64_t napping = i->napping ? rate : i->other_rate, spinning = i->napping ? i->other_rate : rate;
    bool costs = napping < spinning - spinning / 8 || (heaps && !i->napping);

    i->trial = false;
    i->rate = MAX(napping, spinning);
    if (!i->napping && costs && i->nap_packets > NAP_PACKETS_LEAST)
        i->next_trial_ns = now_ns + naps_too_long(i);
    else if ((costs && !c->saving) || (i->napping ? is_busy(i, period_ns, c->begin_parts) : is_full(i, period_ns)))
        nap_no_more(i, now_ns);
    else
        i->next_trial_ns = now_ns + (i->napping ? i->nap_pause_ns : naps_stand(i));
}

/* Too much to do for naps, or without them no time that is only spun away. */
static bool is_strained(const struct idle *i, const struct idle_conf *c, uint64_t period_ns)
{
    if (i->napping)
        return is_busy(i, period_ns, c->end_parts);
    return is_full(i, period_ns) || i->busy_ns + i->asleep_ns >= period_ns - period_ns / 8;
}

/* What one period says may be a pause of the machine's, or of the client's: it takes two for another mode, and of rates the higher one. */
static void judge(struct idle *i, const struct idle_conf *c, uint64_t now_ns, uint64_t packets)
{
    uint64_t period_ns = now_ns - i->from_ns, rate = (packets - i->from_packets) * NS_PER_SEC / period_ns;
    uint64_t higher = MAX(rate, i->last_rate);
    bool strained = is_strained(i, c, period_ns), twice = strained == i->strained, heaps = comes_in_heaps(i, now_ns, packets);

    i->last_rate = rate;
    i->strained = strained;
    i->loaded = !i->napping && !c->fixed && (heaps || is_busy(i, period_ns, c->begin_parts));
    if (!i->napping)
        i->rate = higher;
    if (c->fixed) {
        i->napping = !is_busy(i, period_ns, c->end_parts);
    } else if (i->trial) {
        conclude(i, c, now_ns, period_ns, rate, heaps);
    } else if (strained) {
        if (i->napping && twice)
            nap_no_more(i, now_ns);
    } else if (twice && now_ns >= i->next_trial_ns) {
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
        least_naps(i);
        i->rate = 0;
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
        if (silence_ns > GAP_LEAST_NS && silence_ns < GAP_MOST_NS) {
            i->gap_ns += silence_ns;
            i->gaps++;
        }
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

/* The time of nap_packets, within bounds of which the upper one is the policy's. */
static uint64_t cut_nap(const struct idle *i, const struct idle_conf *c, uint64_t most_ns)
{
    uint64_t ns = i->rate != 0 ? i->nap_packets * NS_PER_SEC / i->rate : 0;

    return c->fixed ? most_ns : MIN(MAX(ns, SHORT_NAP_NS), most_ns);
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
        return step(IDLE_NAP, silence_ns < TRAFFIC_NS ? cut_nap(i, c, c->nap_ns) : c->long_nap_ns);
    awake_ns = now_ns - i->woken_ns;
    rest_ns = cut_nap(i, c, c->rest_ns);
    if (i->napping && awake_ns + SHORT_SLEEP_NS < rest_ns)
        return step(IDLE_NAP, rest_ns);
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
