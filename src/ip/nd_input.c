#include "ip/ip_state.h"
#include "ip/nd_state.h"

#include "base/poison.h"

/* A longer one is not looked at: RFC 4861 4.2 and 4.5 keep messages within the smallest MTU. */
#define MESSAGE_MAX 1280u

static const enum ctr drop_reason[] = {
    [ND_ESHORT] = DROP_ND_SHORT,   [ND_EHOPS] = DROP_ND_HOPS, [ND_ECODE] = DROP_ND_CODE,
    [ND_EOPTION] = DROP_ND_OPTION, [ND_EADDR] = DROP_ND_ADDR,
};

static void dispatch(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg)
{
    switch (msg->type) {
    case ND_NEIGHBOR_SOLICIT:
        nd_solicit_input(s, in, msg);
        break;
    case ND_NEIGHBOR_ADVERT:
        nd_advert_input(s, in, msg);
        break;
    case ND_ROUTER_ADVERT:
        nd_router_advert_input(s, in, msg);
        break;
    case ND_REDIRECT:
        nd_redirect_input(s, in, msg);
        break;
    default: /* hosts ignore router solicitations (RFC 4861 section 6.2.6) */
        break;
    }
}

/* The message is copied first: what was checked is what is used, and its options may be spread over buffers. */
void nd_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    struct inaddr src = in->src, dst = in->dst;
    uint8_t b[MESSAGE_MAX];
    struct nd_msg msg;
    enum nd_err err;

    if (in->fragmented) {
        pkt_drop(s, m, DROP_ND_FRAGMENT); /* MUST be ignored (RFC 6980 section 5) */
        return;
    }
    if (in->l4_len > sizeof(b)) {
        pkt_drop(s, m, DROP_ND_SHORT);
        return;
    }
    inaddr_clear_zone(&src);
    inaddr_clear_zone(&dst);
    err = nd_parse(b, ip_copy_out(m, b, in->l4_len), &src, &dst, in->ttl, &msg);
    if (err != ND_OK) {
        pkt_drop(s, m, drop_reason[err]);
        return;
    }
    inaddr_set_zone(&msg.target, ip6_zone(in->nif));
    inaddr_set_zone(&msg.dest, ip6_zone(in->nif));
    stack_count(s, CTR_ND_RX);
    dispatch(s, in, &msg);
    pkt_drop(s, m, DROP_ICMP_DONE);
}
