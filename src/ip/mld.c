#include <string.h>

#include "ip/ip6.h"
#include "ip/ip_state.h"
#include "ip/mcast_state.h"
#include "link/eth.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"
#include "wire/mld.h"

#include "base/poison.h"

#define MESSAGE_MAX 1480u

/* RFC 3810 section 6.2: what comes from farther than the link, or without the router alert option, is not for us. */
static bool is_from_the_link(const struct ip_in *in)
{
    return in->ttl == 1 && in->router_alert && inaddr_is_v6_linklocal(&in->src);
}

void mld_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    uint8_t b[MESSAGE_MAX], type;
    struct mcast_query q;
    struct inaddr group;
    uint32_t len;

    if (in->l4_len > sizeof(b) || in->l4_len < MLD_REPORT_HLEN || in->ttl != 1) {
        pkt_drop(s, m, DROP_MLD_BAD);
        return;
    }
    len = ip_copy_out(m, b, in->l4_len);
    if (mld_parse_query(b, len, &q) && is_from_the_link(in)) {
        stack_count(s, CTR_MLD_RX);
        mcast_query_input(s, in->nif, true, &q);
    } else if (mld_parse_report(b, len, &type, &group) && is_from_the_link(in)) {
        if (type == MLD_V1_REPORT)
            mcast_others_report(s, in->nif, &group);
    } else if (b[0] != MLD_V2_REPORT) { /* those are for routers */
        pkt_drop(s, m, DROP_MLD_BAD);
        return;
    }
    pkt_drop(s, m, DROP_ICMP_DONE);
}

/* From the link-local address, or from none while there is none (RFC 3810 section 5.2.13). */
void mld_send(struct z_stack *s, struct netif *nif, const struct inaddr *dst, uint8_t *payload, uint32_t len)
{
    const struct ifaddr6 *ll = ip6_linklocal(nif);
    struct ipv6_hdr h = {.hop_limit = 1, .next = IPPROTO_HOPOPTS_, .src = ll ? ll->addr : INADDR_ANY_V6, .dst = *dst};
    struct rte_mbuf *m;
    uint8_t mac[6];
    uint16_t sum;

    if (!nif->ip6 || !(m = pkt_alloc_app(s, len)))
        return;
    sum = cksum_finish(cksum_add(cksum_pseudo_v6(&h.src, dst, IPPROTO_ICMPV6_, len), payload, len));
    memcpy(payload + ICMP6_CKSUM_OFFSET, &sum, sizeof(sum));
    memcpy(pkt_data(m), payload, len);
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    mld_build_hbh(pkt_push(m, MLD_HBH_LEN));
    h.payload_len = (uint16_t)(len + MLD_HBH_LEN);
    ipv6_build(pkt_push(m, IPV6_HLEN), &h);
    mcast_mac(dst, mac);
    stack_count(s, CTR_MLD_TX);
    eth_output(s, nif, mac, ETH_TYPE_IPV6, m);
}

void mld_send_old(struct z_stack *s, struct netif *nif, const struct inaddr *group, bool done)
{
    const struct inaddr routers = MLD_ALL_ROUTERS;
    uint8_t b[MLD_V1_LEN];

    mld_build(b, done ? MLD_V1_DONE : MLD_V1_REPORT, group);
    mld_send(s, nif, done ? &routers : group, b, sizeof(b));
}
