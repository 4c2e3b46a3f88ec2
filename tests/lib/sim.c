#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define FRAMES 16384u
#define FRAME_BYTES 2048u
#define CAPTURE_FRAMES 8192u
#define CAPTURE_BYTES 128u
#define MAX_TIMERS 1024u
#define LIVELOCK_STEPS 100000u
#define ETH_HLEN_SIM 14u

/* events: a binary heap by time, then by order of creation -------------------------------------------------------- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->seq < b->seq;
}

static void heap_push(struct sim *sim, struct sim_event ev)
{
    uint32_t i = sim->n_events++;

    Z_CHECK(i < sim->max_events);
    ev.seq = sim->seq++;
    while (i > 0 && earlier(&ev, &sim->heap[(i - 1) / 2])) {
        sim->heap[i] = sim->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sim->heap[i] = ev;
}

static struct sim_event heap_pop(struct sim *sim)
{
    struct sim_event top = sim->heap[0], last = sim->heap[--sim->n_events];
    uint32_t i = 0, child;

    while ((child = 2 * i + 1) < sim->n_events) {
        if (child + 1 < sim->n_events && earlier(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!earlier(&sim->heap[child], &last))
            break;
        sim->heap[i] = sim->heap[child];
        i = child;
    }
    sim->heap[i] = last;
    return top;
}

/* links ------------------------------------------------------------------------------------------------------------ */

static bool chance(struct sim *sim, uint32_t ppm)
{
    return ppm > 0 && rng_below(&sim->rng, SIM_PPM) < ppm;
}

static uint64_t below64(struct sim *sim, uint64_t n)
{
    return n == 0 ? 0 : rng_next(&sim->rng) % n;
}

static bool on_drop_list(const struct sim_link_conf *c, uint32_t index)
{
    for (uint32_t i = 0; i < c->n_drop; i++)
        if (c->drop[i] == index)
            return true;
    return false;
}

static void flip_bit(struct sim_end *e, struct mem_frame *f)
{
    uint32_t bit;

    if (f->len <= ETH_HLEN_SIM || f->data[12] != 0x08 || f->data[13] != 0x00)
        return;
    bit = rng_below(&e->sim->rng, (f->len - ETH_HLEN_SIM) * 8);
    f->data[ETH_HLEN_SIM + bit / 8] ^= (uint8_t)(1u << bit % 8);
    e->stats.corrupted++;
}

/* When the last bit of the frame is on the line; false when the queue has no room. */
static bool take_line(struct sim_end *e, uint32_t len, uint64_t *done_ns)
{
    uint64_t now = e->sim->now_ns, start = MAX(now, e->line_free_ns);
    uint32_t limit = e->conf.queue_limit != 0 ? MIN(e->conf.queue_limit, SIM_QUEUE_MAX) : SIM_QUEUE_MAX;

    *done_ns = now;
    if (e->conf.bits_per_sec == 0)
        return true;
    while (e->depart_count > 0 && e->depart_ns[e->depart_head] <= now) {
        e->depart_head = (e->depart_head + 1) % SIM_QUEUE_MAX;
        e->depart_count--;
    }
    if (start > now) { /* waits: leaves the queue when it is put on the line */
        if (e->depart_count >= limit)
            return false;
        e->depart_ns[(e->depart_head + e->depart_count++) % SIM_QUEUE_MAX] = start;
    }
    *done_ns = start + len * 8ull * NS_PER_SEC / e->conf.bits_per_sec;
    e->line_free_ns = *done_ns;
    return true;
}

/* Congestion experienced (RFC 3168) in the IP header behind Ethernet; the IPv4 checksum follows (RFC 1624 equation 3). */
static bool mark_ce(struct mem_frame *f)
{
    uint8_t *ip = f->data + ETH_HLEN_SIM;
    bool v4 = f->data[12] == 0x08 && f->data[13] == 0x00;
    uint8_t shift = v4 ? 0 : 4, ecn;
    uint32_t sum;

    if (f->len < ETH_HLEN_SIM + 20 || (!v4 && !(f->data[12] == 0x86 && f->data[13] == 0xdd)))
        return false;
    ecn = (ip[1] >> shift) & 3;
    if (ecn == 0 || ecn == 3)
        return false;
    ip[1] |= (uint8_t)(3 << shift);
    if (v4) {
        sum = (uint32_t)(0xffff - (ip[10] << 8 | ip[11])) + (3u - ecn);
        sum = 0xffff - ((sum & 0xffff) + (sum >> 16));
        ip[10] = (uint8_t)(sum >> 8);
        ip[11] = (uint8_t)sum;
    }
    return true;
}

static struct mem_frame *copy_frame(struct sim *sim, const struct mem_frame *f)
{
    struct mem_frame *copy = mem_frame_get(sim->frames);

    if (copy != NULL) {
        copy->len = f->len;
        memcpy(copy->data, f->data, f->len);
    }
    return copy;
}

static void schedule(struct sim_end *e, struct mem_frame *f, uint64_t sent_ns)
{
    struct sim *sim = e->sim;
    uint64_t at = sent_ns + e->conf.delay_ns + below64(sim, e->conf.jitter_ns + (e->conf.jitter_ns != 0));

    if (chance(sim, e->conf.reorder_ppm)) {
        at += e->conf.reorder_ns;
        e->stats.reordered++;
    } else {
        at = MAX(at, e->last_arrival_ns);
        e->last_arrival_ns = at;
    }
    heap_push(sim, (struct sim_event){.at_ns = at, .frame = f, .end = e});
}

/* Is the frame lost before it comes to the line? */
static bool lost_early(struct sim_end *e, struct mem_frame *f)
{
    uint32_t index = ++e->stats.frames;

    if (e->conf.hook != NULL && e->conf.hook(e->conf.hook_arg, e, index, f) == SIM_DROP) {
        e->stats.lost++;
        return true;
    }
    if (e->conf.mtu != 0 && f->len > e->conf.mtu + ETH_HLEN_SIM) {
        e->stats.too_long++;
        return true;
    }
    if (on_drop_list(&e->conf, index) || chance(e->sim, e->conf.loss_ppm)) {
        e->stats.lost++;
        return true;
    }
    return false;
}

static void transmit(struct sim_end *e, struct mem_frame *f)
{
    struct mem_frame *dup;
    uint64_t sent_ns;

    sim_capture_add(e->sim->capture, e->sim->now_ns, f->data, f->len);
    if (lost_early(e, f)) {
        mem_frame_put(f);
        return;
    }
    if (chance(e->sim, e->conf.corrupt_ppm))
        flip_bit(e, f);
    if (!take_line(e, f->len, &sent_ns)) {
        e->stats.queue_full++;
        mem_frame_put(f);
        return;
    }
    e->stats.bytes += f->len;
    e->stats.queued += e->depart_count;
    if (e->conf.mark_limit != 0 && e->depart_count > e->conf.mark_limit)
        e->stats.marked += mark_ce(f);
    dup = chance(e->sim, e->conf.dup_ppm) ? copy_frame(e->sim, f) : NULL;
    schedule(e, f, sent_ns);
    if (dup != NULL) {
        e->stats.duplicated++;
        schedule(e, dup, sent_ns);
    }
}

static void wire(void *arg, struct mem_frame *f)
{
    transmit(arg, f);
}

bool sim_inject(struct sim_end *e, const void *frame, uint32_t len)
{
    struct mem_frame *f = mem_frame_get(e->sim->frames);

    if (f == NULL)
        return false;
    Z_CHECK(len <= e->sim->frames->max_bytes);
    memcpy(f->data, frame, len);
    f->len = len;
    transmit(e, f);
    return true;
}

/* A segment of two is a cable; in a larger one frames go by address, as through a switch that knows every port. */
static bool takes(const struct sim_end *to, const struct sim_end *from, const struct mem_frame *f, uint32_t members)
{
    if (to == from || to->segment != from->segment || to->port == NULL)
        return false;
    return members == 2 || (f->len > 0 && (f->data[0] & 1) != 0) || (f->len >= 6 && memcmp(f->data, to->port->mac, 6) == 0);
}

static void deliver(struct sim_end *to, struct sim_end *from, struct mem_frame *f)
{
    if (to->node >= 0)
        to->sim->node[to->node].kicked = true;
    if (port_mem_deliver(to->port, f))
        from->stats.delivered++;
}

static void arrive(struct sim *sim, struct sim_end *from, struct mem_frame *f)
{
    struct sim_end *last = NULL;
    uint32_t members = 0;

    for (uint32_t i = 0; i < sim->n_ends; i++)
        members += sim->end[i]->segment == from->segment;
    for (uint32_t i = 0; i < sim->n_ends; i++) {
        if (!takes(sim->end[i], from, f, members))
            continue;
        if (last != NULL) {
            struct mem_frame *copy = copy_frame(sim, f);

            if (copy != NULL)
                deliver(last, from, copy);
            else
                from->stats.no_frame++;
        }
        last = sim->end[i];
    }
    if (last != NULL)
        deliver(last, from, f);
    else
        mem_frame_put(f);
}

/* the network -------------------------------------------------------------------------------------------------------- */

struct sim *sim_create(const struct sim_conf *c)
{
    struct sim *sim = calloc(1, sizeof(*sim));

    Z_CHECK(sim != NULL);
    sim->conf = *c;
    sim->conf.frames = c->frames != 0 ? c->frames : FRAMES;
    sim->conf.frame_bytes = c->frame_bytes != 0 ? c->frame_bytes : FRAME_BYTES;
    sim->max_events = sim->conf.frames + MAX_TIMERS;
    sim->now_ns = c->start_ns != 0 ? c->start_ns : NS_PER_SEC;
    rng_seed(&sim->rng, c->seed);
    sim->frames = mem_frames_create(sim->conf.frames, sim->conf.frame_bytes);
    sim->capture = sim_capture_create(c->capture_frames != 0 ? c->capture_frames : CAPTURE_FRAMES,
                                      c->capture_bytes != 0 ? c->capture_bytes : CAPTURE_BYTES);
    sim->heap = calloc(sim->max_events, sizeof(sim->heap[0]));
    Z_CHECK(sim->frames != NULL && sim->capture != NULL && sim->heap != NULL);
    return sim;
}

void sim_destroy(struct sim *sim)
{
    const char *path = getenv("SIM_PCAP");

    if (path != NULL && sim_capture_write(sim->capture, path) != 0)
        fprintf(stderr, "sim: cannot write %s\n", path);
    for (uint32_t i = 0; i < sim->n_ends; i++) {
        port_close(sim->end[i]->port);
        free(sim->end[i]);
    }
    sim_capture_destroy(sim->capture);
    mem_frames_destroy(sim->frames);
    free(sim->heap);
    free(sim);
}

int sim_add_node(struct sim *sim, void (*turn)(void *arg, uint64_t now_ns), uint64_t (*deadline)(void *arg), void *arg)
{
    Z_CHECK(sim->n_nodes < SIM_MAX_NODES);
    sim->node[sim->n_nodes] = (struct sim_node){.turn = turn, .deadline = deadline, .arg = arg, .kicked = true};
    return (int)sim->n_nodes++;
}

struct sim_end *sim_add_end(struct sim *sim, int node, uint32_t segment, const struct port_mem_conf *pc, const struct sim_link_conf *lc)
{
    struct sim_end *e = calloc(1, sizeof(*e));
    struct port_mem_conf conf = *pc;

    Z_CHECK(e != NULL && sim->n_ends < SIM_MAX_ENDS);
    *e = (struct sim_end){.sim = sim, .node = node, .segment = segment, .conf = *lc};
    conf.frames = sim->frames;
    conf.wire = wire;
    conf.wire_arg = e;
    conf.seed = rng_next(&sim->rng);
    e->port = port_mem_open(&conf);
    Z_CHECK(e->port != NULL);
    sim->end[sim->n_ends++] = e;
    return e;
}

void sim_detach(struct sim_end *e)
{
    e->port = NULL;
}

void sim_kick(struct sim *sim, int node)
{
    sim->node[node].kicked = true;
}

void sim_at(struct sim *sim, uint64_t at_ns, void (*fn)(void *arg), void *arg)
{
    heap_push(sim, (struct sim_event){.at_ns = MAX(at_ns, sim->now_ns), .fn = fn, .arg = arg});
}

uint32_t sim_in_flight(const struct sim *sim)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < sim->n_events; i++)
        n += sim->heap[i].frame != NULL;
    return n;
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    const char *dir = getenv("TMPDIR");
    char path[256];
    va_list ap;

    if (sim->failed)
        return;
    sim->failed = true;
    va_start(ap, fmt);
    vsnprintf(sim->why, sizeof(sim->why), fmt, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "%s/zstack-sim-%llu.pcap", dir != NULL ? dir : "/tmp", (unsigned long long)sim->conf.seed);
    fprintf(stderr, "sim: seed %llu failed at %.9f s, step %llu: %s\n", (unsigned long long)sim->conf.seed,
            (double)sim->now_ns / (double)NS_PER_SEC, (unsigned long long)sim->steps, sim->why);
    if (sim_capture_write(sim->capture, path) == 0)
        fprintf(stderr, "sim: capture in %s\n", path);
}

/* the loop ----------------------------------------------------------------------------------------------------------- */

static uint64_t node_due(const struct sim *sim, const struct sim_node *n)
{
    uint64_t due = n->deadline != NULL ? n->deadline(n->arg) : NS_NEVER;

    return n->kicked ? sim->now_ns : MAX(due, sim->now_ns);
}

uint64_t sim_next(struct sim *sim)
{
    uint64_t next = sim->n_events > 0 ? sim->heap[0].at_ns : NS_NEVER;

    for (uint32_t i = 0; i < sim->n_nodes; i++)
        next = MIN(next, node_due(sim, &sim->node[i]));
    return next;
}

static void check_invariants(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->n_ends; i++) {
        const struct port *p = sim->end[i]->port;

        if (p != NULL && port_mem_violations(p) != 0)
            sim_fail(sim, "%s", port_mem_violation(p));
    }
    if (sim->check != NULL)
        sim->check(sim, sim->check_arg);
}

static void events_due(struct sim *sim)
{
    while (sim->n_events > 0 && sim->heap[0].at_ns <= sim->now_ns) {
        struct sim_event ev = heap_pop(sim);

        if (ev.frame != NULL)
            arrive(sim, ev.end, ev.frame);
        else
            ev.fn(ev.arg);
    }
}

/* A node that did not take all that has arrived gets another turn. */
static void turn(struct sim *sim, uint32_t i)
{
    struct sim_node *n = &sim->node[i];

    n->kicked = false;
    n->turn(n->arg, sim->now_ns);
    for (uint32_t e = 0; e < sim->n_ends; e++)
        if (sim->end[e]->node == (int)i && sim->end[e]->port != NULL && port_mem_pending(sim->end[e]->port) > 0)
            n->kicked = true;
}

bool sim_step(struct sim *sim)
{
    uint64_t next = sim_next(sim);

    if (sim->failed || next == NS_NEVER)
        return false;
    sim->steps++;
    sim->steps_at_now = next > sim->now_ns ? 0 : sim->steps_at_now + 1;
    sim->now_ns = next;
    if (sim->steps_at_now > LIVELOCK_STEPS) {
        sim_fail(sim, "%u steps without time moving", LIVELOCK_STEPS);
        return false;
    }
    events_due(sim);
    for (uint32_t i = 0; i < sim->n_nodes; i++)
        if (node_due(sim, &sim->node[i]) <= sim->now_ns)
            turn(sim, i);
    check_invariants(sim);
    return !sim->failed;
}

bool sim_run_until(struct sim *sim, bool (*cond)(void *arg), void *arg, uint64_t limit_ns)
{
    uint64_t end = sim->now_ns + limit_ns;

    while (!sim->failed) {
        if (cond(arg))
            return true;
        if (sim_next(sim) > end || !sim_step(sim))
            break;
    }
    if (!sim->failed)
        sim->now_ns = end;
    return false;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

bool sim_run_for(struct sim *sim, uint64_t ns)
{
    sim_run_until(sim, never, NULL, ns);
    return !sim->failed;
}
