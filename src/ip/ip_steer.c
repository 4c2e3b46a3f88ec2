/* Several stacks behind the same devices: packets that another one gets, after this one has looked at them. */
#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_steer.h"
#include "tcp/tcp.h"
#include "udp/udp.h"
#include "wire/bytes.h"
#include "wire/ipv4.h"

#include "base/poison.h"

void ip_hand_over(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, uint32_t pulled, unsigned to)
{
    struct port *port = in->nif->port;

    (void)s;
    (void)pkt_push(m, pulled + in->ip_hlen + m->l2_len);
    port->ops->hand_over(port, to, m);
}

bool ip_whole_elsewhere(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    unsigned home;

    if (in->group || in->from_self || (in->proto != IPPROTO_TCP_ && in->proto != IPPROTO_UDP_) || m->data_len < 4)
        return false;
    if (!pkt_sole_owner(m)) /* then its header still speaks of a fragment */
        return false;
    home = steer_home(s->steer, &in->dst, &in->src, get16(pkt_data(m) + 2), get16(pkt_data(m)));
    if (home == s->member)
        return false;
    ip_hand_over(s, in, m, 0, home);
    return true;
}

bool ip_error_elsewhere(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, const struct icmp_err *e)
{
    int to = -1;

    if (in->from_self)
        return false;
    if (e->proto == IPPROTO_TCP_)
        to = tcp_forwards(s, &e->laddr, &e->raddr, e->lport, e->rport);
    else if (e->proto == IPPROTO_UDP_ && !udp_port_is_used(s, e->proto, e->lport))
        to = steer_next(s->steer, s->member, STEER_UDP, &e->laddr, &e->raddr, e->lport, e->rport);
    if (to < 0)
        return false;
    ip_hand_over(s, in, m, 0, (unsigned)to);
    return true;
}
