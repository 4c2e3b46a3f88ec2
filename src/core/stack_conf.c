#include <string.h>

#include "base/units.h"
#include "core/stack_conf.h"
#include "tcp/cc.h"

#include "base/poison.h"

uint64_t stack_conf_rx_bytes(const struct stack_conf *c)
{
    return (uint64_t)c->pools.rx * (sizeof(struct rte_mbuf) + PKT_HEADROOM + c->pools.rx_room_bytes);
}

void stack_conf_shares(struct stack_conf *c)
{
    uint64_t rx = stack_conf_rx_bytes(c);

    c->loan_limit_bytes = rx / 2;
    c->rcv_limit_bytes = rx / 8 * 3;
}

static void init_memory(struct stack_conf *c)
{
    c->n_stacks = 1;
    c->forward_limit = 65536;
    c->conn_memory_bytes = 2048ull * MIB;
    c->pools.rx = 8192;
    c->pools.rx_room_bytes = 2048;
    c->pools.hdr = 8192;
    c->pools.ctl = 256;
    c->pools.ind = 16384;
    c->pools.app[0] = 4096;
    c->pools.app[1] = 256;
    c->pools.app[2] = 64;
    c->max_sockets = 262144;
    c->max_connections = 262144;
    c->max_timewait = 262144;
    c->fd_reserve = 1024;
    c->loan_quota_bytes = 4 * MIB;
    stack_conf_shares(c);
    c->copy_break_bytes = 256;
}

static void init_link_ip(struct stack_conf *c)
{
    c->neigh_limit = 1024;
    c->neigh_queue_limit = 128;
    c->arp_reachable_ns = 60 * NS_PER_SEC;
    c->arp_retry_ns = NS_PER_SEC; /* RFC 1122 2.3.2.1: at most one request per second and destination */
    c->arp_max_tries = 3;
    c->arp_reply_rate = 1000;
    c->arp_probe = ARP_PROBE_IN_USE;
    c->nd_reply_rate = 1000;
    c->nd_delay_ns = 5 * NS_PER_SEC; /* RFC 4861 section 10 */
    c->dad_transmits = 1;            /* RFC 4862 section 5.1 */
    c->accept_ra = 1;
    c->accept_redirects = true;
    c->nd_router_limit = 8;
    c->nd_prefix_limit = 16;
    c->nd_redirect_limit = 64;
    c->slaac_limit = 8;
    c->mcast_group_limit = 256;
    c->mcast_source_limit = 64;
    c->icmp_error_rate = 1000;
    c->ttl = 64;
    c->route_limit = 256;
    c->ipv6 = IPV6_ASKED;
    c->ip6_ext_headers = 8;
    c->ip6_ext_bytes = 128; /* with the transport's header they fit where headers are pulled together (PKT_HDR_ROOM) */
    c->ip6_ext_options = 8; /* RFC 8504 section 5.3 */
    c->frag_limit = 256;
    c->frag_pieces = 128; /* 64 KB over a path of 576 */
    c->frag_memory_bytes = 2 * MIB;
    c->pmtu_limit = 1024;
    c->pmtu_expire_ns = 600 * NS_PER_SEC; /* RFC 8201 section 4: 10 minutes */
}

static void init_tcp_timers(struct stack_conf *c)
{
    c->msl_ns = 30 * NS_PER_SEC; /* RFC 9293 says 2 minutes; 30 s is FreeBSD's, and Linux' TIME-WAIT of 60 s */
    /* RFC 6298 (2.1), (2.5); the minimum is Linux', far below (2.4)'s 1 s: with timestamps and SACK spurious timeouts are rare */
    c->rto_initial_ns = NS_PER_SEC;
    c->rto_min_ns = 200 * NS_PER_MS;
    c->rto_max_ns = 120 * NS_PER_SEC;
    c->delack_ns = 40 * NS_PER_MS;
    c->max_ack_delay_ns = 40 * NS_PER_MS;
    c->keepidle_ns = 7200 * NS_PER_SEC; /* RFC 9293 MUST-28 */
    c->keepintvl_ns = 75 * NS_PER_SEC;
    c->keepcnt = 9;
    c->finwait2_ns = 60 * NS_PER_SEC;
    c->orphan_ns = 1800 * NS_PER_SEC; /* twice what data_retries allow a peer that says nothing */
    /* RFC 9293 MUST-23: R2 of a SYN is 3 minutes or more. SYNs leave at 0, 1, 3, 7, 15, 31, 63, 127 s, the end is at 247 s. */
    c->syn_retries = 7;
    /* Linux' number (63 s), not 3 minutes: a half-open connection is memory that anybody can make us hold. */
    c->synack_retries = 5;
    c->data_retries = 15; /* about 15 minutes with rto_max, above the 100 s of SHLD-11 */
}

static void init_tcp(struct stack_conf *c)
{
    c->sndbuf_bytes = 256 * KIB;
    c->sndbuf_max_bytes = 4 * MIB;
    c->rcvbuf_bytes = 128 * KIB;
    c->rcvbuf_max_bytes = 4 * MIB;
    c->sndbuf_auto = true;
    c->rcvbuf_auto = true;
    c->somaxconn = 4096;
    c->syn_cache_limit = 32768;
    c->syncookies = 1;
    c->tfo_cache = 256;
    c->tfo_key_period_ns = 24 * 3600 * NS_PER_SEC;
    c->reass_blocks = 256;
    c->sent_records = 4096;
    c->challenge_ack_rate = 10;
    c->init_cwnd_segs = 10;
    c->cc = &cc_cubic;
    c->ecn = 1;
    c->pacing = false;
    c->mss_default = 0;
    c->max_orphans = 65536;
    c->timewait_reuse = true;
    c->mtu_probing = 1; /* when timeouts look like a black hole */
    c->sack = true;
    c->timestamps = true;
    c->window_scaling = true;
    c->fast_path = true;
    c->look_ahead = 512; /* with descriptors and queues as much as a second-level cache holds */
    c->port_first = 10000;
    c->port_last = 65535;
}

void stack_conf_init(struct stack_conf *c)
{
    memset(c, 0, sizeof(*c));
    init_memory(c);
    init_link_ip(c);
    init_tcp(c);
    init_tcp_timers(c);
    c->udp_errors = 64;
    c->udp_rcvbuf_bytes = 256 * KIB;
    c->gro = true;
    c->burst = 32;
    c->exit_drain_ns = 2 * NS_PER_SEC;
    c->wait_in_run = false;
    c->seed = 0;
}
