#include "script_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "ip/ip6.h"
#include "link/neigh.h"
#include "sim.h"
#include "wire/arp.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/nd.h"

#define START_NS (1000 * NS_PER_SEC)
#define PEER_ISN 0xfffffd00u /* text wraps around early */
#define TURNS_MAX 200u
#define SLACK_NS NS_PER_MS           /* a timer of the wheel fires up to a tick late */
#define WARM_UP_NS (60 * NS_PER_SEC) /* of IPv6: until addresses are ours, groups joined and routers given up */
#define END_MS (3u * 3600 * 1000)

struct script S;

const uint8_t script_peer_mac[6] = {2, 0, 0, 0, 0, 2}, script_our_mac[6] = {2, 0, 0, 0, 0, 1};

void script_log(const char *fmt, ...)
{
    char *line = S.log[S.n_log % SCRIPT_LOG];
    va_list ap;

    S.n_log++;
    va_start(ap, fmt);
    vsnprintf(line, SCRIPT_LINE, fmt, ap);
    va_end(ap);
}

void note(const char *fmt, ...)
{
    char text[SCRIPT_LINE];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    script_log("---- %s", text);
}

void script_fail(const char *file, int line, const char *fmt, ...)
{
    char text[1000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (uint32_t i = S.n_log > 60 ? S.n_log - 60 : 0; i < S.n_log; i++)
        print_error("    %s\n", S.log[i % SCRIPT_LOG]);
    S.failed = true;
    print_error("%s:%d: at %.3f s: %s\n", file, line, (double)(S.now_ns - START_NS) / 1e9, text);
    _fail(file, line);
    abort();
}

uint8_t script_pattern(bool from_peer, uint32_t rel_seq)
{
    return (uint8_t)((from_peer ? 101 : 0) + rel_seq * 7 + (rel_seq >> 8) * 13 + (rel_seq >> 16));
}

struct flow *script_flow(uint16_t port)
{
    if (port == 0)
        port = PEER_PORT;
    for (uint32_t i = 0; i < S.n_flows; i++)
        if (S.flow[i].port == port)
            return &S.flow[i];
    if (S.n_flows == SCRIPT_FLOWS)
        abort();
    S.flow[S.n_flows] = (struct flow){.port = port, .lport = 80, .peer_isn = PEER_ISN};
    return &S.flow[S.n_flows++];
}

void new_incarnation(uint32_t base)
{
    struct flow *f = script_flow(0);

    f->peer_isn += base;
    f->iss_known = f->ts_known = false;
}

double script_at(uint64_t ns)
{
    return (double)(ns - START_NS) / 1e9;
}

/* The stack and its turns ---------------------------------------------------------------------------------------------- */

/* A message of neighbour discovery or multicast membership: of the link, not of the conversation. */
static bool is_link_talk(const uint8_t *p)
{
    uint8_t next = p[ETH_HLEN + IPV6_NEXT_OFF];

    if (get16(p + 12) == ETH_TYPE_ARP)
        return true;
    return get16(p + 12) == ETH_TYPE_IPV6 && (next == IPPROTO_HOPOPTS_ || (next == IPPROTO_ICMPV6_ && p[ETH_HLEN + IPV6_HLEN] >= 130));
}

static bool asks_for_peer(const uint8_t *p, uint32_t len)
{
    struct inaddr peer = script_addr(PEER_ADDR);
    struct arp_pkt a;

    if (get16(p + 12) == ETH_TYPE_ARP)
        return arp_parse(p + ETH_HLEN, len - ETH_HLEN, &a) && a.op == ARP_REQUEST && a.tpa == PEER_ADDR;
    return v6() && is_link_talk(p) && p[ETH_HLEN + IPV6_HLEN] == ND_NEIGHBOR_SOLICIT &&
           memcmp(p + ETH_HLEN + IPV6_HLEN + 8, peer.b, 16) == 0;
}

static void wire(void *arg, struct mem_frame *f)
{
    (void)arg;
    if (S.ending) {
        S.arps += f->len >= ETH_HLEN && asks_for_peer(f->data, f->len);
    } else if (S.tail - S.head < SCRIPT_QUEUE && f->len <= FRAME_MAX) {
        struct sent_frame *q = &S.queue[S.tail++ % SCRIPT_QUEUE];

        q->at_ns = S.now_ns;
        q->len = f->len;
        memcpy(q->data, f->data, f->len);
    }
    mem_frame_put(f);
}

/* Broadcast and multicast become groups, loopback ::1, anything else fd00:: and the same last bits. */
struct inaddr script_addr(uint32_t v4)
{
    struct inaddr a = {.b = {0xfd}};

    if (!v6())
        return inaddr_v4(v4);
    a.w[3] = htobe32(v4);
    if (v4 >> 24 == 127)
        return INADDR_LOOPBACK_V6;
    if (v4 >> 28 == 14 || (v4 & 0xff) == 0xff)
        a.b[0] = 0xff, a.b[1] = 0x0e;
    return v4 == 0 ? INADDR_ANY_V6 : a;
}

/* The Ethernet and IP headers in front of l4 bytes. */
void script_frame(uint8_t *b, const uint8_t *dst, const struct inaddr *from, const struct inaddr *to, uint8_t proto, uint32_t l4)
{
    struct eth_hdr e = {.type = v6() ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4};
    struct ipv4_hdr ip = {.ttl = 64, .proto = proto, .df = true, .src = inaddr_to_v4(from), .dst = inaddr_to_v4(to)};
    struct ipv6_hdr ip6 = {.hop_limit = 64, .next = proto, .payload_len = (uint16_t)l4, .flow = 0x12345, .src = *from, .dst = *to};

    memcpy(e.dst, dst, 6);
    memcpy(e.src, script_peer_mac, 6);
    eth_build(b, &e);
    ip.total_len = (uint16_t)(IPV4_HLEN + l4);
    if (v6())
        ipv6_build(b + ETH_HLEN, &ip6);
    else
        ipv4_build(b + ETH_HLEN, &ip, true);
}

void script_deliver(const uint8_t *p, uint32_t len)
{
    struct mem_frame *f = mem_frame_get(S.frames);

    if (f == NULL)
        abort();
    memcpy(f->data, p, len);
    f->len = len;
    if (!port_mem_deliver(S.port, f))
        abort();
}

static void arp_from_peer(uint16_t op)
{
    struct eth_hdr e = {.type = ETH_TYPE_ARP};
    struct arp_pkt a = {.op = op, .spa = PEER_ADDR, .tpa = OUR_ADDR};
    uint8_t b[60] = {0};

    memcpy(e.dst, script_our_mac, 6);
    memcpy(e.src, script_peer_mac, 6);
    memcpy(a.sha, script_peer_mac, 6);
    memcpy(a.tha, script_our_mac, 6);
    eth_build(b, &e);
    arp_build(b + ETH_HLEN, &a);
    script_deliver(b, sizeof(b));
}

static void advert_from_peer(void)
{
    struct inaddr our = script_addr(OUR_ADDR), peer = script_addr(PEER_ADDR);
    struct nd_msg n = {.type = ND_NEIGHBOR_ADVERT, .target = peer, .solicited = true, .override = true, .has_tlla = true};
    uint8_t b[128] = {0}, *p = b + ETH_HLEN + IPV6_HLEN;
    uint32_t len;
    uint16_t sum;

    memcpy(n.tlla, script_peer_mac, 6);
    len = nd_build(p, &n);
    script_frame(b, script_our_mac, &peer, &our, IPPROTO_ICMPV6_, len);
    b[ETH_HLEN + 7] = ND_HOP_LIMIT;
    sum = cksum_finish(cksum_add(cksum_pseudo(&peer, &our, IPPROTO_ICMPV6_, len), p, len));
    memcpy(p + 2, &sum, 2);
    script_deliver(b, ETH_HLEN + IPV6_HLEN + len);
}

static void answer_from_peer(void)
{
    if (v6())
        advert_from_peer();
    else
        arp_from_peer(ARP_REPLY);
}

/* Takes ARP out of what was sent, and its IPv6 kin; requests for the peer are answered. True: there is something to process. */
static bool answer_arp(void)
{
    uint32_t to = S.head;
    bool answered = S.ending && S.arps > 0;

    if (answered)
        answer_from_peer();
    S.arps = 0;
    for (uint32_t i = S.head; i != S.tail; i++) {
        struct sent_frame *q = &S.queue[i % SCRIPT_QUEUE];

        if (!is_link_talk(q->data)) {
            if (to != i)
                S.queue[to % SCRIPT_QUEUE] = *q;
            to++;
        } else if (asks_for_peer(q->data, q->len)) {
            answer_from_peer();
            answered = true;
        }
    }
    S.tail = to;
    return answered;
}

void script_turn(void)
{
    if (S.gathering)
        return;
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        stack_input(S.s, S.now_ns);
        if (S.holding)
            return;
        stack_output(S.s, S.now_ns);
        if (!answer_arp() && stack_next_deadline(S.s) > S.now_ns && port_mem_pending(S.port) == 0)
            return;
    }
    script_fail(__FILE__, __LINE__, "the loop finds no end: deadline %.6f", script_at(stack_next_deadline(S.s)));
}

/* The same conversations without the fast path, with other ports, over IPv6: the environment says which, joined by underscores. */
static bool variant(const char *name)
{
    size_t n = strlen(name), k;

    for (const char *v = getenv("SCRIPT_VARIANT"); v != NULL && *v != '\0'; v += k + (v[k] == '_')) {
        k = strcspn(v, "_");
        if (k == n && strncmp(v, name, n) == 0)
            return true;
    }
    return false;
}

/* A name that nobody asks about would vary nothing. */
static bool variants_known(void)
{
    static const char *const known[] = {"slow", "offload", "linear", "hold", "scatter", "ipv6", "tso"};
    const char *given = getenv("SCRIPT_VARIANT");
    size_t length = 0;

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        length += variant(known[i]) ? strlen(known[i]) + 1 : 0;
    if (given == NULL || *given == '\0' || length == strlen(given) + 1)
        return true;
    fprintf(stderr, "SCRIPT_VARIANT: found \"%s\", expected some of these, each once, joined by underscores:", given);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        fprintf(stderr, " %s", known[i]);
    fputc('\n', stderr);
    return false;
}

bool v6(void)
{
    return variant("ipv6");
}

static void vary_port(struct port_mem_conf *pc)
{
    if ((variant("tso") && !S.plain) || S.merges)
        pc->caps.tx_tso = pc->caps.rx_lro = true;
    if (variant("offload") || pc->caps.tx_tso)
        pc->caps.tx_ip_cksum = pc->caps.tx_tcp_cksum = pc->caps.tx_udp_cksum = pc->caps.rx_cksum = true;
    if (variant("linear"))
        pc->caps.tx_chains = pc->caps.tx_external = pc->caps.tx_indirect = false;
    if (variant("hold"))
        pc->knobs.hold_polls = 5;
    if (variant("scatter"))
        pc->knobs.rx_seg_bytes = v6() ? 70 : 61; /* headers end behind the first buffer */
    if (v6())
        pc->mtu = (uint16_t)(pc->mtu + IPV6_HLEN - IPV4_HLEN);
}

/* Our address, and where the peer is. */
static void start_address(void)
{
    struct inaddr our = script_addr(OUR_ADDR), peer = script_addr(PEER_ADDR);

    if (!v6()) {
        stack_add_addr(S.s, S.nif, OUR_ADDR, 0xffffff00u, 0);
        S.arena_bytes = S.s->arena.used_bytes;
        arp_from_peer(ARP_REQUEST); /* now the stack knows the peer */
        return;
    }
    ip6_add_addr(S.s, S.nif, &our, 120, ADDR6_STATIC);
    S.arena_bytes = S.s->arena.used_bytes;
    neigh_learn(S.s->neigh, S.nif->index, &peer, script_peer_mac, true, S.now_ns);
}

/* To the next thing that happens, at most to end_ns. */
static void advance(uint64_t end_ns)
{
    uint64_t next = stack_next_deadline(S.s);

    S.now_ns = MIN(MAX(next, S.now_ns + 1), end_ns);
    script_turn();
}

void script_start(void)
{
    struct port_mem_conf pc = {.caps = port_mem_caps(), .mtu = 1500, .wire = wire, .knobs = {.poison = true}};
    static unsigned serial;
    char name[16];
    int err = 0;

    if (S.s != NULL)
        return;
    S.now_ns = v6() ? START_NS - WARM_UP_NS : START_NS;
    snprintf(name, sizeof(name), "scr%u", serial++);
    S.s = stack_create(&S.conf, name, S.now_ns, &err);
    S.frames = mem_frames_create(2048, FRAME_MAX);
    if (S.s == NULL || S.frames == NULL)
        script_fail(__FILE__, __LINE__, "stack_create: error %d", err);
    pc.rx_pool = S.s->pools.rx;
    pc.linear_pool = S.s->pools.app[0];
    pc.frames = S.frames;
    pc.rx_ring = pc.tx_ring = 1024;
    memcpy(pc.mac, script_our_mac, 6);
    vary_port(&pc);
    S.port = port_mem_open(&pc);
    S.nif = stack_add_netif(S.s, S.port, "scr0");
    if (S.plain)
        S.port->hdr_pool = NULL;
    start_address();
    S.ending = true; /* what leaves is not looked at */
    script_turn();
    while (S.now_ns < START_NS)
        advance(START_NS);
    S.ending = false;
}

void script_skip(uint64_t ms)
{
    uint64_t end = S.now_ns + ms * NS_PER_MS;

    script_start();
    while (S.now_ns < end)
        advance(end);
    S.head = S.tail;
}

unsigned script_skip_all(void)
{
    unsigned n = S.tail - S.head;

    S.head = S.tail;
    return n;
}

void script_quiet(const char *file, int line, uint64_t ms)
{
    uint64_t end = S.now_ns + ms * NS_PER_MS;

    script_start();
    script_nothing(file, line);
    while (S.now_ns < end) {
        advance(end);
        script_nothing(file, line);
    }
}

void script_after(const char *file, int line, uint64_t ms)
{
    uint64_t due = S.now_ns + ms * NS_PER_MS;

    script_start();
    script_nothing(file, line);
    while (S.now_ns < due + SLACK_NS && S.head == S.tail)
        advance(due + SLACK_NS);
    if (S.head == S.tail)
        script_fail(file, line, "nothing was sent %llu ms later", (unsigned long long)ms);
    if (S.now_ns < due)
        script_fail(file, line, "sent %.3f ms too early", (double)(due - S.now_ns) / 1e6);
}

void script_begin(void)
{
    script_start();
    S.holding = true;
}

void script_burst(void)
{
    script_start();
    S.gathering = true;
}

void script_end(void)
{
    S.holding = S.gathering = false;
    script_turn();
}

void script_eq(const char *file, int line, const char *what, long long got, long long want)
{
    if (got != want)
        script_fail(file, line, "%s: %lld, expected %lld", what, got, want);
}

static struct tcp_entry *entry(const struct flow *f)
{
    struct inaddr l = script_addr(OUR_ADDR), r = script_addr(PEER_ADDR);

    return tcp_table_find(S.s, &l, &r, f->lport, f->port);
}

uint32_t script_flow_iss(uint16_t port)
{
    return script_flow(port)->iss;
}

struct tcp_synent *script_entry(uint16_t port)
{
    struct tcp_entry *e = entry(script_flow(port));

    if (e == NULL || e->kind != TCP_ENT_SYN)
        script_fail(__FILE__, __LINE__, "not in the SYN cache");
    return container_of_ptr(e, struct tcp_synent, ent);
}

void script_state(const char *file, int line, uint16_t port, enum tcp_st st)
{
    struct tcp_entry *e = entry(script_flow(port));
    enum tcp_st is = e == NULL                ? TCPS_CLOSED
                     : e->kind == TCP_ENT_SYN ? TCPS_SYN_RCVD
                     : e->kind == TCP_ENT_TW  ? TCPS_TIME_WAIT
                                              : (enum tcp_st)tcp_conn_of(e)->state;

    if (is != st)
        script_fail(file, line, "state %s, expected %s", tcp_state_names[is], tcp_state_names[st]);
}

/* Begin and end of a test ------------------------------------------------------------------------------------------------ */

uint64_t now_ms(void)
{
    return (S.now_ns - START_NS) / NS_PER_MS;
}

struct stack_conf *conf(void)
{
    return &S.conf;
}

void plain_port(void)
{
    S.plain = true;
}

void merging_port(void)
{
    S.merges = true;
}

struct z_stack *stack(void)
{
    script_start();
    return S.s;
}

static void destroy(void)
{
    if (S.s != NULL)
        stack_destroy(S.s);
    if (S.frames != NULL)
        mem_frames_destroy(S.frames);
    S.s = NULL;
    S.frames = NULL;
}

/* Closes everything, lets hours pass, and looks for what did not come back. */
static void finish(void)
{
    uint32_t buffers;

    if (S.s == NULL)
        return;
    script_nothing(__FILE__, __LINE__);
    S.holding = false;
    for (uint32_t i = 0; i < S.n_fds; i++)
        if (S.fd[i] >= 0)
            script_close((int)i);
    S.ending = true;
    script_skip(END_MS);
    port_mem_drain(S.port);
    buffers = pkt_pools_in_use(&S.s->pools);
    if (buffers != 0)
        script_fail(__FILE__, __LINE__, "%u buffers did not come back", buffers);
    if (S.s->tcp.n_conns != 0)
        script_fail(__FILE__, __LINE__, "%u connections did not end", S.s->tcp.n_conns);
    if (S.s->tcp.syn.n != 0)
        script_fail(__FILE__, __LINE__, "%u half-open connections did not end", S.s->tcp.syn.n);
    if (port_mem_violations(S.port) != 0)
        script_fail(__FILE__, __LINE__, "%s", port_mem_violation(S.port));
}

static void reset(void)
{
    S.holding = S.ending = false;
    S.head = S.tail = S.n_flows = S.n_fds = S.arps = 0;
    S.listener = -1;
}

void fresh(void)
{
    finish();
    destroy();
    reset();
    note("a new stack");
}

int script_setup(void **state)
{
    (void)state;
    S.n_log = 0;
    S.failed = false;
    S.merges = S.plain = false;
    reset();
    stack_conf_init(&S.conf);
    S.conf.arp_probe = ARP_PROBE_OFF; /* no frame that the test did not cause */
    S.conf.seed = 1;
    S.conf.ipv6 = v6();
    S.conf.fast_path = !variant("slow");
    S.conf.look_ahead = 0; /* of the frames of one burst, whatever they are */
    S.conf.max_sockets = 1024;
    S.conf.max_connections = 1024;
    S.conf.conn_memory_bytes = 64ull * MIB;
    S.conf.pools = (struct pkt_pool_sizes){.rx = 2048, .rx_room_bytes = 2048, .hdr = 1024, .ind = 2048, .app = {1024, 16, 4}};
    return 0;
}

int script_teardown(void **state)
{
    (void)state;
    if (!S.failed)
        finish();
    destroy();
    return 0;
}

int script_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
    if (sim_eal_init() != 0)
        return 1;
    if (!variants_known() || (argc > 1 && !filter_tests(argv[1], tests, n)))
        return 1;
    return _cmocka_run_group_tests(argv[0], tests, n, NULL, NULL);
}
