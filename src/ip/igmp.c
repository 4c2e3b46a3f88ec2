#include <string.h>

#include "ip/ip_state.h"
#include "ip/mcast_state.h"
#include "link/eth.h"
#include "wire/eth.h"
#include "wire/igmp.h"

#include "base/poison.h"

/* Queries with more sources are cut to the sources that fit; they ask about all then. */
#define MESSAGE_MAX 1480u

/* RFC 3376 section 9.1: general queries go to all hosts of the link, where no router forwards; any other group may be reached from afar. */
static bool is_stray(const struct ip_in *in, const struct mcast_query *q)
{
    return q->general && inaddr_is_multicast(&in->dst) && inaddr_to_v4(&in->dst) != IGMP_ALL_HOSTS;
}

void igmp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    uint8_t b[MESSAGE_MAX], type;
    struct mcast_query q;
    uint32_t len, group;

    if (in->l4_len > sizeof(b)) {
        pkt_drop(s, m, DROP_IGMP_BAD);
        return;
    }
    len = ip_copy_out(m, b, in->l4_len);
    if (igmp_parse_query(b, len, &q)) {
        if (is_stray(in, &q)) {
            pkt_drop(s, m, DROP_IGMP_BAD);
            return;
        }
        stack_count(s, CTR_IGMP_RX);
        mcast_query_input(s, in->nif, false, &q);
    } else if (igmp_parse_report(b, len, &type, &group)) {
        struct inaddr a = inaddr_v4(group);

        if (type != IGMP_V2_LEAVE)
            mcast_others_report(s, in->nif, &a);
    } else if (len < IGMP_HLEN || b[0] != IGMP_V3_REPORT) { /* those are for routers */
        pkt_drop(s, m, DROP_IGMP_BAD);
        return;
    }
    pkt_drop(s, m, DROP_ICMP_DONE);
}

void igmp_send(struct z_stack *s, struct netif *nif, uint32_t dst, const uint8_t *payload, uint32_t len)
{
    struct rte_mbuf *m = pkt_alloc_app(s, len);
    struct inaddr group = inaddr_v4(dst);
    uint8_t mac[6];

    if (!m)
        return; /* counted by the pool; reports are repeated */
    memcpy(pkt_data(m), payload, len);
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    igmp_build_ipv4(pkt_push(m, IGMP_IPV4_HLEN), nif->n_addrs ? nif->addr[0].addr : 0, dst, len);
    mcast_mac(&group, mac);
    stack_count(s, CTR_IGMP_TX);
    eth_output(s, nif, mac, ETH_TYPE_IPV4, m);
}

/* A host of version 1 leaves in silence (RFC 1112 appendix I). */
void igmp_send_old(struct z_stack *s, struct netif *nif, const struct inaddr *group, uint8_t version, bool leave)
{
    uint32_t g = inaddr_to_v4(group);
    uint8_t b[IGMP_HLEN];

    if (leave && version == 1)
        return;
    igmp_build(b, leave ? IGMP_V2_LEAVE : version == 1 ? IGMP_V1_REPORT : IGMP_V2_REPORT, g);
    igmp_send(s, nif, leave ? IGMP_ALL_ROUTERS : g, b, sizeof(b));
}
