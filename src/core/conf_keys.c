/* The keys that set one field each, as tables: [zstack], [freebsd.boot], [freebsd.sysctl]; and how a table entry is applied. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "core/conf_table.h"
#include "tcp/cc.h"

#include "base/poison.h"

#define GIB (1024ull * MIB)
#define TIB (1024ull * GIB)
#define Z "zstack"
#define BOOT "freebsd.boot"
#define CTL "freebsd.sysctl"
#define TCP "net.inet.tcp."

static int set_mtu(struct conf_build *b, const struct ini_entry *e)
{
    uint64_t v;

    if (!conf_get_u64(e->value, &v) || v < 576 || v > PKT_BUF_MAX)
        return conf_bad(&b->out, e, "a number from 576 to %u", PKT_BUF_MAX);
    b->mtu = (uint16_t)v;
    return 0;
}

static int set_delayed_ack(struct conf_build *b, const struct ini_entry *e)
{
    if (strcmp(e->value, "0") != 0 && strcmp(e->value, "1") != 0)
        return conf_bad(&b->out, e, "0 or 1");
    b->delayed_ack_off = e->value[0] == '0';
    return 0;
}

/* FreeBSD: 1 allows IPv6, an address starts it */
static int set_inet6(struct conf_build *b, const struct ini_entry *e)
{
    if (strcmp(e->value, "0") != 0 && strcmp(e->value, "1") != 0)
        return conf_bad(&b->out, e, "0 or 1");
    b->c->stack.ipv6 = e->value[0] == '0' ? IPV6_OFF : IPV6_ASKED;
    return 0;
}

/* FreeBSD: 0 neither, 1 both, 2 window scaling only, 3 timestamps only */
static int set_rfc1323(struct conf_build *b, const struct ini_entry *e)
{
    if (e->value[0] < '0' || e->value[0] > '3' || e->value[1] != '\0')
        return conf_bad(&b->out, e, "0 (off), 1 (window scaling and timestamps), 2 (window scaling) or 3 (timestamps)");
    b->c->stack.window_scaling = e->value[0] == '1' || e->value[0] == '2';
    b->c->stack.timestamps = e->value[0] == '1' || e->value[0] == '3';
    return 0;
}

static int set_cc(struct conf_build *b, const struct ini_entry *e)
{
    static const char *const freebsd_only[] = {"htcp", "vegas", "cdg", "chd", "hd"};
    const struct cc_ops *ops = cc_find(e->value, (unsigned)strlen(e->value));

    for (unsigned i = 0; ops == NULL && i < ARRAY_LEN(freebsd_only); i++) {
        if (strcmp(e->value, freebsd_only[i]) == 0) {
            conf_warn(&b->out, e->line, "[%s] %s: there is no %s here, cubic is used", e->section, e->key, e->value);
            ops = &cc_cubic;
        }
    }
    if (ops == NULL)
        return conf_bad(&b->out, e, "cubic, reno (newreno), bbr or dctcp");
    b->c->stack.cc = ops;
    return 0;
}

/* FreeBSD: 0 off, 1 asks and accepts, 2 accepts */
static int set_ecn_freebsd(struct conf_build *b, const struct ini_entry *e)
{
    if (e->value[0] < '0' || e->value[0] > '2' || e->value[1] != '\0')
        return conf_bad(&b->out, e, "0 (off), 1 (on) or 2 (when the peer asks)");
    b->c->stack.ecn = e->value[0] == '0' ? 0 : e->value[0] == '1' ? 2 : 1;
    return 0;
}

/* FreeBSD: 0 forbids it; 1, its default, leaves it to the device ([dpdk] tso) */
static int set_tso_freebsd(struct conf_build *b, const struct ini_entry *e)
{
    if (strcmp(e->value, "0") != 0 && strcmp(e->value, "1") != 0)
        return conf_bad(&b->out, e, "0 or 1");
    if (e->value[0] == '0')
        b->c->tso = false;
    return 0;
}

static int set_functions_default(struct conf_build *b, const struct ini_entry *e)
{
    if (strcmp(e->value, "freebsd") == 0)
        return 0;
    if (strcmp(e->value, "rack") != 0 && strcmp(e->value, "bbr") != 0)
        return conf_bad(&b->out, e, "freebsd");
    conf_warn(&b->out, e->line, "[%s] %s: %s is not there yet; ignored", e->section, e->key, e->value);
    return 0;
}

static int set_polling(struct conf_build *b, const struct ini_entry *e)
{
    static const char *const name[] = {[POLLING_ALWAYS] = "always", [POLLING_BALANCED] = "balanced", [POLLING_SAVING] = "saving"};

    for (unsigned i = 0; i < ARRAY_LEN(name); i++) {
        if (strcmp(e->value, name[i]) == 0) {
            b->c->polling = (enum idle_polling)i;
            return 0;
        }
    }
    return conf_bad(&b->out, e, "always, balanced or saving");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int set_ip6_secret(struct conf_build *b, const struct ini_entry *e)
{
    uint8_t *secret = b->c->stack.ip6_secret;
    size_t n = strlen(e->value);

    for (size_t i = 0; i < n && n == 2 * sizeof(b->c->stack.ip6_secret); i++) {
        int d = hex_digit(e->value[i]);

        if (d < 0)
            n = 0;
        else
            secret[i / 2] = (uint8_t)(secret[i / 2] << 4 | d);
    }
    return n == 2 * sizeof(b->c->stack.ip6_secret) ? 0 : conf_bad(&b->out, e, "32 hexadecimal digits");
}

const struct conf_key conf_keys_zstack[] = {
    SIZE(Z, "conn_memory", stack.conn_memory_bytes, 16 * MIB, ARENA_LIMIT_MAX),
    NUM(Z, "rx_buffers", stack.pools.rx, 256, 16777216),
    SIZE(Z, "rx_buffer_size", stack.pools.rx_room_bytes, 512, PKT_BUF_MAX),
    NUM(Z, "tx_headers", stack.pools.hdr, 256, 16777216),
    NUM(Z, "reserve_buffers", stack.pools.ctl, 16, 65536),
    NUM(Z, "tx_indirect", stack.pools.ind, 256, 16777216),
    NUM(Z, "app_buffers_2k", stack.pools.app[0], 16, 16777216),
    NUM(Z, "app_buffers_9k", stack.pools.app[1], 1, 16777216),
    NUM(Z, "app_buffers_64k", stack.pools.app[2], 1, 16777216),
    NUM(Z, "steer_queue", steer_queue, 64, 1048576),
    NUM(Z, "forward_limit", stack.forward_limit, 0, 16777216),
    NUM(Z, "max_sockets", stack.max_sockets, 16, 16777216),
    NUM(Z, "max_connections", stack.max_connections, 16, 16777216),
    NUM(Z, "max_timewait", stack.max_timewait, 0, 16777216),
    NUM(Z, "fd_reserve", stack.fd_reserve, 0, 16777216),
    SIZE(Z, "loan_quota", stack.loan_quota_bytes, 0, 2 * GIB),
    SIZE(Z, "loan_limit", stack.loan_limit_bytes, 64 * KIB, TIB),
    SIZE(Z, "rcv_limit", stack.rcv_limit_bytes, 64 * KIB, TIB),
    SIZE(Z, "copy_break", stack.copy_break_bytes, 0, 2048),
    SPECIAL(Z, "mtu", set_mtu),
    BOOL(Z, "rx_csum_offload_skip", rx_csum_skip),
    BOOL(Z, "lro", lro),
    BOOL(Z, "gro", stack.gro),
    BOOL(Z, "time_ports", stack.time_ports),
    NUM(Z, "neigh_limit", stack.neigh_limit, 4, 1048576),
    NUM(Z, "neigh_queue_limit", stack.neigh_queue_limit, 1, 1024),
    MSEC(Z, "arp_reachable_ms", stack.arp_reachable_ns, 100, 86400000),
    MSEC(Z, "arp_retry_ms", stack.arp_retry_ns, 10, 60000),
    NUM(Z, "arp_max_tries", stack.arp_max_tries, 1, 100),
    NUM(Z, "arp_reply_rate", stack.arp_reply_rate, 1, 1000000),
    NUM(Z, "arp_probe", stack.arp_probe, ARP_PROBE_OFF, ARP_PROBE_FIRST),
    NUM(Z, "nd_reply_rate", stack.nd_reply_rate, 1, 1000000),
    MSEC(Z, "nd_delay_ms", stack.nd_delay_ns, 1, 60000),
    NUM(Z, "dad_transmits", stack.dad_transmits, 0, 16),
    NUM(Z, "accept_ra", stack.accept_ra, 0, 2),
    BOOL(Z, "accept_redirects", stack.accept_redirects),
    BOOL(Z, "ip6_eui64", stack.ip6_eui64),
    SPECIAL(Z, "ip6_secret", set_ip6_secret),
    NUM(Z, "nd_router_limit", stack.nd_router_limit, 1, 16),
    NUM(Z, "nd_prefix_limit", stack.nd_prefix_limit, 1, 32),
    NUM(Z, "nd_redirect_limit", stack.nd_redirect_limit, 0, 64),
    NUM(Z, "slaac_limit", stack.slaac_limit, 0, 14),
    NUM(Z, "mcast_group_limit", stack.mcast_group_limit, 0, 65536),
    NUM(Z, "mcast_source_limit", stack.mcast_source_limit, 0, 64),
    NUM(Z, "icmp_error_rate", stack.icmp_error_rate, 0, 1000000),
    NUM(Z, "ttl", stack.ttl, 1, 255),
    NUM(Z, "route_limit", stack.route_limit, 8, 65536),
    NUM(Z, "ipv6", stack.ipv6, IPV6_OFF, IPV6_ASKED),
    NUM(Z, "ip6_ext_headers", stack.ip6_ext_headers, 1, 64),
    SIZE(Z, "ip6_ext_bytes", stack.ip6_ext_bytes, 8, 1024),
    NUM(Z, "ip6_ext_options", stack.ip6_ext_options, 1, 256),
    NUM(Z, "frag_limit", stack.frag_limit, 0, 65536),
    NUM(Z, "frag_pieces", stack.frag_pieces, 2, 8192),
    SIZE(Z, "frag_memory", stack.frag_memory_bytes, 0, GIB),
    NUM(Z, "pmtu_limit", stack.pmtu_limit, 4, 65536),
    MSEC(Z, "pmtu_expire_ms", stack.pmtu_expire_ns, 300000, 86400000), /* RFC 8201 section 4: not before 5 minutes */
    SIZE(Z, "sndbuf", stack.sndbuf_bytes, 4 * KIB, GIB),
    SIZE(Z, "sndbuf_max", stack.sndbuf_max_bytes, 4 * KIB, GIB),
    SIZE(Z, "rcvbuf", stack.rcvbuf_bytes, 4 * KIB, GIB),
    SIZE(Z, "rcvbuf_max", stack.rcvbuf_max_bytes, 4 * KIB, GIB),
    BOOL(Z, "sndbuf_auto", stack.sndbuf_auto),
    BOOL(Z, "rcvbuf_auto", stack.rcvbuf_auto),
    NUM(Z, "somaxconn", stack.somaxconn, 1, 1048576),
    NUM(Z, "tfo_cache", stack.tfo_cache, 0, 1048576),
    MSEC(Z, "tfo_key_period_ms", stack.tfo_key_period_ns, 0, 2147483647),
    NUM(Z, "syncookies", stack.syncookies, 0, 2),
    NUM(Z, "syn_cache_limit", stack.syn_cache_limit, 0, 16777216),
    NUM(Z, "reass_blocks", stack.reass_blocks, 4, 4096),
    NUM(Z, "sent_records", stack.sent_records, 16, 16384),
    MSEC(Z, "msl_ms", stack.msl_ns, 1, 240000),
    MSEC(Z, "rto_min_ms", stack.rto_min_ns, 1, 60000),
    MSEC(Z, "rto_max_ms", stack.rto_max_ns, 1000, 600000),
    MSEC(Z, "rto_initial_ms", stack.rto_initial_ns, 1, 60000),
    MSEC(Z, "delack_ms", stack.delack_ns, 0, 499), /* RFC 9293 MUST-40: less than half a second */
    MSEC(Z, "max_ack_delay_ms", stack.max_ack_delay_ns, 0, 1000),
    MSEC(Z, "keepidle_ms", stack.keepidle_ns, 1000, 2147483647),
    MSEC(Z, "keepintvl_ms", stack.keepintvl_ns, 100, 2147483647),
    NUM(Z, "keepcnt", stack.keepcnt, 1, 255),
    MSEC(Z, "finwait2_ms", stack.finwait2_ns, 100, 3600000),
    NUM(Z, "syn_retries", stack.syn_retries, 0, 30),
    NUM(Z, "synack_retries", stack.synack_retries, 0, 30),
    NUM(Z, "data_retries", stack.data_retries, 1, 100),
    NUM(Z, "challenge_ack_rate", stack.challenge_ack_rate, 1, 1000000),
    NUM(Z, "init_cwnd", stack.init_cwnd_segs, 1, 100),
    SPECIAL(Z, "congestion_control", set_cc),
    NUM(Z, "ecn", stack.ecn, 0, 2),
    BOOL(Z, "pacing", stack.pacing),
    NUM(Z, "mss", stack.mss_default, 0, 65000),
    BOOL(Z, "timewait_reuse", stack.timewait_reuse),
    MSEC(Z, "orphan_ms", stack.orphan_ns, 0, 86400000),
    NUM(Z, "max_orphans", stack.max_orphans, 0, 16777216),
    SIZE(Z, "notsent_lowat", stack.notsent_lowat_bytes, 0, GIB),
    BOOL(Z, "mss_clamp", stack.mss_clamp),
    NUM(Z, "mtu_probing", stack.mtu_probing, 0, 2),
    BOOL(Z, "sack", stack.sack),
    BOOL(Z, "timestamps", stack.timestamps),
    BOOL(Z, "window_scaling", stack.window_scaling),
    BOOL(Z, "fast_path", stack.fast_path),
    NUM(Z, "look_ahead", stack.look_ahead, 0, UINT32_MAX),
    NUM(Z, "port_first", stack.port_first, 1, 65535),
    NUM(Z, "port_last", stack.port_last, 1, 65535),
    SIZE(Z, "udp_rcvbuf", stack.udp_rcvbuf_bytes, 4 * KIB, GIB),
    NUM(Z, "udp_errors", stack.udp_errors, 0, 65536),
    NUM(Z, "burst", stack.burst, 1, 512),
    MSEC(Z, "exit_drain_ms", stack.exit_drain_ns, 0, 600000),
    BOOL(Z, "wait_in_run", stack.wait_in_run),
    BOOL(Z, "poll_thread", poll_thread),
    SPECIAL(Z, "polling", set_polling),
    NUM(Z, "seed", stack.seed, 0, UINT64_MAX),
    {0},
};

const struct conf_key conf_keys_freebsd[] = {
    NUM(BOOT, "fd_reserve", stack.fd_reserve, 0, 16777216),
    NUM(BOOT, "kern.ipc.maxsockets", stack.max_sockets, 16, 16777216),
    NO_EFFECT(BOOT, "hz"),
    NO_EFFECT(BOOT, "physmem"),
    NO_EFFECT(BOOT, "memsz_MB"),
    NO_EFFECT(BOOT, "kern.ncallout"),
    NO_EFFECT(BOOT, TCP "tcbhashsize"),
    NO_EFFECT(BOOT, TCP "syncache.hashsize"),
    NO_EFFECT(BOOT, TCP "syncache.bucketlimit"),
    NO_EFFECT(BOOT, TCP "syncache.cachelimit"),
    NO_EFFECT(BOOT, TCP "syncache.rexmtlimit"),
    SPECIAL(BOOT, "kern.features.inet6", set_inet6),
    NUM(CTL, "kern.ipc.somaxconn", stack.somaxconn, 1, 1048576),
    NUM(CTL, "kern.ipc.soacceptqueue", stack.somaxconn, 1, 1048576),
    NUM(CTL, "kern.ipc.maxsockets", stack.max_sockets, 16, 16777216),
    NO_EFFECT(CTL, "kern.ipc.maxsockbuf"),
    NO_EFFECT(CTL, "kern.ipc.nmbclusters"),
    NO_EFFECT(CTL, "kern.ipc.nmbufs"),
    NO_EFFECT(CTL, "kern.maxfiles"),
    NO_EFFECT(CTL, "kern.maxfilesperproc"),
    NO_EFFECT(CTL, "net.link.ether.inet.maxhold"),
    NUM(CTL, "net.inet.ip.ttl", stack.ttl, 1, 255),
    NUM(CTL, "net.inet.ip.portrange.first", stack.port_first, 1, 65535),
    NUM(CTL, "net.inet.ip.portrange.last", stack.port_last, 1, 65535),
    NO_EFFECT(CTL, "net.inet.ip.portrange.hifirst"),
    NO_EFFECT(CTL, "net.inet.ip.portrange.hilast"),
    NO_EFFECT(CTL, "net.inet.ip.portrange.randomized"),
    NUM(CTL, "net.inet.ip.maxfragpackets", stack.frag_limit, 0, 65536),
    NUM(CTL, "net.inet.ip.maxfragsperpacket", stack.frag_pieces, 2, 8192),
    NO_EFFECT(CTL, "net.inet.ip.redirect"),
    NOT_YET(CTL, "net.inet.ip.forwarding"),
    NUM(CTL, "net.inet.icmp.icmplim", stack.icmp_error_rate, 0, 1000000),
    SIZE(CTL, "net.inet.udp.recvspace", stack.udp_rcvbuf_bytes, 4 * KIB, GIB),
    NO_EFFECT(CTL, "net.inet.udp.maxdgram"),
    NO_EFFECT(CTL, "net.inet.udp.blackhole"),
    NO_EFFECT(CTL, "net.inet.udp.checksum"),
    SIZE(CTL, TCP "sendspace", stack.sndbuf_bytes, 4 * KIB, GIB),
    SIZE(CTL, TCP "recvspace", stack.rcvbuf_bytes, 4 * KIB, GIB),
    SIZE(CTL, TCP "sendbuf_max", stack.sndbuf_max_bytes, 4 * KIB, GIB),
    SIZE(CTL, TCP "recvbuf_max", stack.rcvbuf_max_bytes, 4 * KIB, GIB),
    BOOL(CTL, TCP "sendbuf_auto", stack.sndbuf_auto),
    BOOL(CTL, TCP "recvbuf_auto", stack.rcvbuf_auto),
    NO_EFFECT(CTL, TCP "sendbuf_inc"),
    NO_EFFECT(CTL, TCP "recvbuf_inc"),
    MSEC(CTL, TCP "msl", stack.msl_ns, 1, 240000),
    SPECIAL(CTL, TCP "delayed_ack", set_delayed_ack),
    MSEC(CTL, TCP "delacktime", stack.delack_ns, 0, 499),
    BOOL(CTL, TCP "sack.enable", stack.sack),
    SPECIAL(CTL, TCP "rfc1323", set_rfc1323),
    SPECIAL(CTL, TCP "cc.algorithm", set_cc),
    SPECIAL(CTL, TCP "ecn.enable", set_ecn_freebsd),
    SPECIAL(CTL, TCP "functions_default", set_functions_default),
    MSEC(CTL, TCP "keepidle", stack.keepidle_ns, 1000, 2147483647),
    MSEC(CTL, TCP "keepintvl", stack.keepintvl_ns, 100, 2147483647),
    NUM(CTL, TCP "keepcnt", stack.keepcnt, 1, 255),
    MSEC(CTL, TCP "finwait2_timeout", stack.finwait2_ns, 100, 3600000),
    MSEC(CTL, TCP "rexmit_min", stack.rto_min_ns, 1, 60000),
    MSEC(CTL, TCP "rexmit_initial", stack.rto_initial_ns, 1, 60000),
    NUM(CTL, TCP "initcwnd_segments", stack.init_cwnd_segs, 1, 100),
    NUM(CTL, TCP "maxtcptw", stack.max_timewait, 0, 16777216),
    NO_EFFECT(CTL, TCP "keepinit"),
    NO_EFFECT(CTL, TCP "always_keepalive"),
    NO_EFFECT(CTL, TCP "fast_finwait2_recycle"),
    NO_EFFECT(CTL, TCP "nolocaltimewait"),
    NO_EFFECT(CTL, TCP "blackhole"),
    NO_EFFECT(CTL, TCP "drop_synfin"),
    NO_EFFECT(CTL, TCP "log_in_vain"),
    NO_EFFECT(CTL, TCP "icmp_may_rst"),
    NO_EFFECT(CTL, TCP "path_mtu_discovery"),
    NO_EFFECT(CTL, TCP "mssdflt"),
    NO_EFFECT(CTL, TCP "minmss"),
    SPECIAL(CTL, TCP "tso", set_tso_freebsd),
    NO_EFFECT(CTL, TCP "syncookies"),
    NO_EFFECT(CTL, TCP "rfc3042"),
    NO_EFFECT(CTL, TCP "rfc3390"),
    NO_EFFECT(CTL, TCP "rfc3465"),
    NO_EFFECT(CTL, TCP "abc_l_var"),
    NO_EFFECT(CTL, TCP "insecure_rst"),
    NO_EFFECT(CTL, TCP "insecure_syn"),
    NO_EFFECT(CTL, TCP "per_cpu_timers"),
    NO_EFFECT(CTL, TCP "hpts.skip_swi"),
    NO_EFFECT(CTL, TCP "hpts.maxsleep"),
    NO_EFFECT(CTL, TCP "hpts.minsleep"),
    NO_EFFECT(CTL, TCP "hpts.precision"),
    NO_EFFECT(CTL, TCP "hpts.wheel"),
    {0},
};

static const struct conf_key *const tables[] = {conf_keys_zstack, conf_keys_freebsd, conf_keys_dpdk, conf_keys_other};

void conf_key_each(void (*fn)(void *arg, const struct conf_key *k), void *arg)
{
    for (unsigned t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct conf_key *k = tables[t]; k->section != NULL; k++)
            fn(arg, k);
}

static bool starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The IPv6 settings of FreeBSD are many and start alike. */
static const struct conf_key ipv6_sysctl = NO_EFFECT(CTL, "net.inet6.*");

const struct conf_key *conf_key_find(const char *section, const char *key)
{
    for (unsigned t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct conf_key *k = tables[t]; k->section != NULL; k++)
            if (strcmp(k->section, section) == 0 && strcmp(k->name, key) == 0)
                return k;
    if (starts(section, "freebsd.") && (starts(key, "net.inet6.") || starts(key, "ip6.")))
        return &ipv6_sysctl;
    return NULL;
}

bool conf_section_known(const char *class_name)
{
    for (unsigned t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct conf_key *k = tables[t]; k->section != NULL; k++)
            if (strcmp(k->section, class_name) == 0)
                return true;
    return false;
}

static void store(void *at, const struct conf_key *k, uint64_t v)
{
    if (k->type == CONF_BOOL)
        *(bool *)at = v != 0;
    else if (k->bytes == 1)
        *(uint8_t *)at = (uint8_t)v;
    else if (k->bytes == 2)
        *(uint16_t *)at = (uint16_t)v;
    else if (k->bytes == 4)
        *(uint32_t *)at = (uint32_t)v;
    else
        *(uint64_t *)at = v;
}

static uint64_t fetch(const void *at, const struct conf_key *k)
{
    switch (k->bytes) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        return *(const uint16_t *)at;
    case 4:
        return *(const uint32_t *)at;
    default:
        return *(const uint64_t *)at;
    }
}

void conf_key_print(const struct conf_key *k, const struct conf *c, char *buf, size_t len)
{
    uint64_t v = fetch((const char *)c + k->offset, k) / k->scale;

    if (k->type == CONF_SIZE)
        conf_put_size(buf, len, v);
    else
        snprintf(buf, len, "%llu", (unsigned long long)v);
}

bool conf_key_is_stack(const struct conf_key *k)
{
    return k->offset >= offsetof(struct conf, stack) && k->offset + k->bytes <= offsetof(struct conf, stack) + sizeof(struct stack_conf);
}

uint64_t conf_key_get(const struct conf_key *k, const struct stack_conf *c)
{
    return fetch((const char *)c + (k->offset - offsetof(struct conf, stack)), k) / k->scale;
}

bool conf_key_put(const struct conf_key *k, struct stack_conf *c, uint64_t v)
{
    if (v < k->min || v > k->max)
        return false;
    store((char *)c + (k->offset - offsetof(struct conf, stack)), k, v * k->scale);
    return true;
}

static int bad_range(struct conf_build *b, const struct conf_key *k, const struct ini_entry *e)
{
    char lo[32], hi[32];

    if (k->type == CONF_BOOL)
        return conf_bad(&b->out, e, "0 or 1");
    if (k->type == CONF_SIZE) {
        conf_put_size(lo, sizeof(lo), k->min);
        conf_put_size(hi, sizeof(hi), k->max);
        return conf_bad(&b->out, e, "a size from %s to %s, like 65536, 64k or 1m", lo, hi);
    }
    return conf_bad(&b->out, e, "a number from %llu to %llu%s", (unsigned long long)k->min, (unsigned long long)k->max,
                    k->type == CONF_TIME ? (k->scale == NS_PER_MS ? " (milliseconds)" : " (microseconds)") : "");
}

int conf_key_apply(struct conf_build *b, const struct conf_key *k, const struct ini_entry *e)
{
    uint64_t v;

    switch (k->type) {
    case CONF_SPECIAL:
        return k->set(b, e);
    case CONF_IN_SECTION:
    case CONF_NO_EFFECT:
        return 0;
    case CONF_NOT_YET:
        if (e->value[0] != '\0' && strcmp(e->value, "0") != 0)
            conf_warn(&b->out, e->line, "[%s] %s: not there yet; ignored", e->section, e->key);
        return 0;
    case CONF_NUM:
    case CONF_SIZE:
    case CONF_TIME:
    case CONF_BOOL:
        break;
    }
    if (!(k->type == CONF_SIZE ? conf_get_size(e->value, &v) : conf_get_u64(e->value, &v)) || v < k->min || v > k->max)
        return bad_range(b, k, e);
    store((char *)b->c + k->offset, k, v * k->scale);
    return 0;
}
