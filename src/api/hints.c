/* What the counters say and an operator should hear: about the network around us one sentence each, once; about limits which key to raise.
 */
#include <stdio.h>

#include "api/api.h"
#include "mon/mon.h"

#include "base/poison.h"

#define BAD_CKSUMS 16u /* a few are noise on the wire; a peer with offload on makes nothing else */

static struct mon_limits limits;

static void say(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "zstack: %s\n", line);
}

static void network(const struct z_stack *s)
{
    static bool conflict, cksum;

    if (s->ctr.v[CTR_ARP_CONFLICT] != 0 && !conflict) {
        conflict = true;
        fputs("zstack: address in use: another host on the network answers for an address of this program: change addr= or vip_addr= in "
              "config.ini, or the other host\n",
              stderr);
    }
    if (s->ctr.v[DROP_TCP_CKSUM] + s->ctr.v[DROP_UDP_CKSUM] >= BAD_CKSUMS && !cksum) {
        cksum = true;
        fputs("zstack: packets arrive with bad checksums: if the peer is this machine's kernel, run ethtool -K INTERFACE tx off on its end "
              "of "
              "the link\n",
              stderr);
    }
}

void api_hints(const struct z_stack *s)
{
    network(s);
    mon_limits_check(&limits, s, say, NULL);
    api.hints_at_ns = limits.next_ns;
}
