/* The interface requests of ff_ioctl (netdevice(7)). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "api/api.h"
#include "api/if_ioctl.h"

#include "base/poison.h"

static struct netif *by_name(struct z_stack *s, const char name[IFNAMSIZ])
{
    for (unsigned i = 0; i < s->n_netifs; i++)
        if (strncmp(s->netif[i]->name, name, IFNAMSIZ) == 0)
            return s->netif[i];
    return NULL;
}

static void put_v4(struct sockaddr *sa, uint32_t v4)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(v4)};

    memcpy(sa, &in, sizeof(in));
}

/* One entry per IPv4 address; without a buffer the room that is needed. */
static int64_t if_conf(struct z_stack *s, struct ifconf *c)
{
    size_t room = c->ifc_req != NULL ? (size_t)MAX(c->ifc_len, 0) / sizeof(struct ifreq) : SIZE_MAX, n = 0;

    for (unsigned i = 0; i < s->n_netifs; i++) {
        for (unsigned k = 0; k < s->netif[i]->n_addrs && n < room; k++, n++) {
            struct ifreq r = {0};

            if (c->ifc_req == NULL)
                continue;
            memcpy(r.ifr_name, s->netif[i]->name, IFNAMSIZ);
            put_v4(&r.ifr_addr, s->netif[i]->addr[k].addr);
            memcpy((char *)c->ifc_req + n * sizeof(r), &r, sizeof(r));
        }
    }
    c->ifc_len = (int)(n * sizeof(struct ifreq));
    return 0;
}

static int64_t if_addr(const struct netif *nif, unsigned long request, struct ifreq *r)
{
    const struct ifaddr *a = &nif->addr[0];

    if (nif->n_addrs == 0)
        return -EADDRNOTAVAIL;
    put_v4(&r->ifr_addr, request == SIOCGIFADDR ? a->addr : request == SIOCGIFNETMASK ? a->mask : a->broadcast);
    return 0;
}

int64_t api_if_ioctl(struct z_stack *s, unsigned long request, void *arg)
{
    struct ifreq *r = arg;
    struct netif *nif;

    if (request == SIOCGIFCONF)
        return if_conf(s, arg);
    if (request == SIOCGIFNAME) {
        if (r->ifr_ifindex < 1 || r->ifr_ifindex > s->n_netifs)
            return -ENODEV;
        memcpy(r->ifr_name, s->netif[r->ifr_ifindex - 1]->name, IFNAMSIZ);
        return 0;
    }
    if (!api_is_if_ioctl(request))
        return -ENOTTY;
    nif = by_name(s, r->ifr_name);
    if (nif == NULL)
        return -ENODEV;
    switch (request) {
    case SIOCGIFMTU:
        r->ifr_mtu = nif->mtu;
        return 0;
    case SIOCGIFINDEX:
        r->ifr_ifindex = nif->index + 1;
        return 0;
    case SIOCGIFHWADDR:
        r->ifr_hwaddr.sa_family = ARPHRD_ETHER;
        memcpy(r->ifr_hwaddr.sa_data, nif->mac, sizeof(nif->mac));
        return 0;
    case SIOCGIFFLAGS:
        r->ifr_flags = IFF_UP | IFF_BROADCAST | IFF_MULTICAST | (nif->port->ops->link_up(nif->port) ? IFF_RUNNING : 0);
        return 0;
    default:
        return if_addr(nif, request, r);
    }
}
