/*
 * Limits that a person can raise: when their counters grow, one line names the key. The code that meets a limit only counts;
 * this looks at the counters now and then.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"
#include "core/stack.h"
#include "mon/mon.h"

#include "base/poison.h"

const struct mon_limit mon_limit_table[] = {
    {CTR_NO_MBUF, "rx_buffers, tx_headers, tx_indirect or app_buffers_*"},
    {DROP_NO_MBUF, "tx_headers"},
    {CTR_PKT_RESERVE, "tx_headers"},
    {DROP_TXQ_FULL, "nothing here: the port takes frames more slowly than they are made"},
    {DROP_STEER_FULL, "steer_queue: another core does not keep up"},
    {DROP_NEIGH_FULL, "neigh_limit"},
    {DROP_FRAG_EVICTED, "frag_memory or frag_limit"},
    {DROP_FRAG_MANY, "frag_pieces"},
    {DROP_NEIGH_QUEUE, "neigh_queue_limit"},
    {DROP_IP6_EXT_LIMIT, "ip6_ext_headers, ip6_ext_bytes or ip6_ext_options"},
    {CTR_PMTU_EVICTED, "pmtu_limit"},
    {CTR_ND_JOIN_FAILED, "conn_memory"},
    {CTR_ND_ROUTER_LIMIT, "nd_router_limit"},
    {CTR_ND_PREFIX_LIMIT, "nd_prefix_limit"},
    {CTR_ND_REDIRECT_LIMIT, "nd_redirect_limit"},
    {CTR_ND_SLAAC_LIMIT, "slaac_limit"},
    {CTR_ND_ROUTE_FAILED, "route_limit"},
    {CTR_MCAST_GROUP_LIMIT, "mcast_group_limit"},
    {CTR_MCAST_SOURCE_LIMIT, "mcast_source_limit"},
    {CTR_LOAN_LIMIT, "loan_limit, or rx_buffers: the application keeps received buffers"},
    {CTR_LOAN_QUOTA, "loan_quota: one connection's reader keeps received buffers"},
    {DROP_UDP_RCVBUF, "udp_rcvbuf, or read faster"},
    {CTR_UDP_ERRORS_LOST, "udp_errors, or read MSG_ERRQUEUE faster"},
    {DROP_TCP_BACKLOG, "somaxconn and the backlog of listen, or accept faster"},
    {DROP_TCP_ACCEPTQ, "somaxconn and the backlog of listen, or accept faster"},
    {CTR_TCP_SYN_CACHE_FULL, "syn_cache_limit, or the backlog of ff_listen and somaxconn; or somebody floods"},
    {CTR_TCP_TFO_LIMIT, "nothing here: the queue length of TCP_FASTOPEN"},
    {DROP_TCP_CONN_LIMIT, "max_connections"},
    {DROP_TCP_RCVBUF, "rcv_limit, or rx_buffers"},
    {DROP_TCP_REASS, "reass_blocks"},
    {CTR_TCP_SENT_LIMIT, "sent_records"},
    {CTR_TCP_FORWARD_LIMIT, "forward_limit"},
    {CTR_TCP_TIMEWAIT_LIMIT, "max_timewait"},
    {CTR_TCP_ORPHAN_LIMIT, "max_orphans"},
    {CTR_TCP_CC_NOMEM, "conn_memory"},
    {CTR_TCP_NOMEM, "conn_memory"},
    {CTR_SOCK_LIMIT, "max_sockets"},
    {CTR_WATCH_LIMIT, "conn_memory"},
};
const unsigned mon_n_limits = ARRAY_LEN(mon_limit_table);

_Static_assert(ARRAY_LEN(mon_limit_table) <= MON_LIMITS_MAX, "room for every limit");

void mon_limits_check(struct mon_limits *ml, const struct z_stack *s, void (*say)(void *arg, const char *line), void *arg)
{
    ml->next_ns = s->now_ns + MON_LIMITS_LOOK_NS;
    for (unsigned i = 0; i < mon_n_limits; i++) {
        const struct mon_limit *l = &mon_limit_table[i];
        uint64_t n = s->ctr.v[l->ctr], more = n - ml->seen[i];
        char line[256];

        if (more == 0 || s->now_ns < ml->quiet_until_ns[i])
            continue;
        snprintf(line, sizeof(line), "limit: %s: %" PRIu64 " (%s); raise %s", ctr_help[l->ctr], more, ctr_names[l->ctr], l->key);
        say(arg, line);
        ml->seen[i] = n;
        ml->quiet_until_ns[i] = s->now_ns + MON_LIMITS_QUIET_NS;
    }
}
