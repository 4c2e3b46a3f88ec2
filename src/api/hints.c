/* What the counters say and an operator should hear: about the network around us one sentence each, once; about limits which key to raise.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "api/procs.h"
#include "ip/nd_state.h"
#include "mon/mon.h"

#include "base/poison.h"

#define BAD_CKSUMS 16u /* a few are noise on the wire; a peer with offload on makes nothing else */

/* arg: the core, named where there are several. */
static void say(void *arg, const char *line)
{
    const struct api_core *c = arg;

    if (api.n_cores > 1 || api.conf.procs)
        fprintf(stderr, "zstack: core %u: %s\n", c->cpu, line);
    else
        fprintf(stderr, "zstack: %s\n", line);
}

/* Which address it is, as the interfaces remember. */
static void say_duplicate(const struct z_stack *s)
{
    char text[INET6_ADDRSTRLEN];

    for (unsigned i = 0; i < s->n_netifs; i++) {
        struct inaddr a = s->nd->nif[i].duplicate;

        if (inaddr_is_any(&a))
            continue;
        inaddr_clear_zone(&a);
        fprintf(stderr, "zstack: address in use: another host on the link of %s has %s: %s\n", s->netif[i]->name,
                inet_ntop(AF_INET6, a.b, text, sizeof(text)),
                s->netif[i]->ip6 ? "change addr6= in config.ini, or the other host" : "the link address is not unique; IPv6 is off there");
    }
}

static void network(const struct z_stack *s)
{
    static bool conflict, duplicate, duplicate4, cksum, down;

    if (s->ctr.v[CTR_ARP_CONFLICT] != 0 && !conflict) {
        conflict = true;
        fputs("zstack: address in use: another host on the network answers for an address of this program: change addr= or vip_addr= in "
              "config.ini, or the other host\n",
              stderr);
    }
    if (s->ctr.v[CTR_ARP_DUPLICATE] != 0 && !duplicate4) {
        duplicate4 = true;
        fputs("zstack: address in use: another host on the network has an address of this program, which is not used until it is free "
              "(arp_probe=2): change addr= or vip_addr= in config.ini, or the other host\n",
              stderr);
    }
    if (s->ctr.v[CTR_ND_DUPLICATE] + s->ctr.v[CTR_ND_CONFLICT] != 0 && !duplicate) {
        duplicate = true;
        say_duplicate(s);
    }
    if (s->ctr.v[DROP_TCP_CKSUM] + s->ctr.v[DROP_UDP_CKSUM] >= BAD_CKSUMS && !cksum) {
        cksum = true;
        fputs("zstack: packets arrive with bad checksums: if the peer is this machine's kernel, run ethtool -K INTERFACE tx off on its end "
              "of "
              "the link\n",
              stderr);
    }
    if (s->ctr.v[CTR_TX_LINK_DOWN] != 0 && !down) {
        down = true;
        fputs(
            "zstack: frames are lost, for the interface of a tap= port is down or was removed: run ip link set INTERFACE up, or start this "
            "program again\n",
            stderr);
    }
}

void api_hints(struct api_core *c)
{
    if (c->stack->now_ns >= c->limits.next_ns) {
        if (stack_speaks(c->stack)) /* all of them hear the same */
            network(c->stack);
        mon_limits_check(&c->limits, c->stack, say, c);
    }
    c->hints_at_ns = c->limits.next_ns;
    if (!api.conf.procs)
        return;
    if (c->stack->now_ns >= c->procs_at_ns)
        procs_look(c);
    c->hints_at_ns = MIN(c->hints_at_ns, c->procs_at_ns);
}
