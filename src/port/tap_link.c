#include "port/tap_link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"

#define REPLY_BYTES 16384u /* what the kernel says of one interface fits many times */
#define V4_PLEN 96u

/* One request: header, the family's struct, attributes. */
struct request {
    struct nlmsghdr h;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg addr;
        struct tcmsg tc;
    };
    uint8_t attr[128];
};

int tap_link_open(struct tap_link *l)
{
    l->seq = 0;
    l->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return l->fd >= 0 ? 0 : -errno;
}

void tap_link_close(struct tap_link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static void begin(struct request *r, uint16_t type, uint32_t body)
{
    memset(r, 0, sizeof(*r));
    r->h.nlmsg_type = type;
    r->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    r->h.nlmsg_len = NLMSG_LENGTH(body);
}

static void put_attr(struct request *r, uint16_t type, const void *data, uint32_t len)
{
    struct rtattr *a = (struct rtattr *)(void *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(len);
    memcpy(RTA_DATA(a), data, len);
    r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + (uint32_t)RTA_SPACE(len);
}

/* The message at this offset of n bytes; NULL when there is none. */
static const struct nlmsghdr *message(const uint8_t *buf, uint32_t n, uint32_t at)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(buf + at);

    if (at + NLMSG_HDRLEN > n || h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > n - at)
        return NULL;
    return h;
}

/* Sends the request and reads until it is acknowledged; a message of type want_type before that is copied to reply. */
static int talk(struct tap_link *l, struct request *r, uint16_t want_type, uint8_t *reply)
{
    uint8_t buf[REPLY_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));

    r->h.nlmsg_seq = ++l->seq;
    if (send(l->fd, r, r->h.nlmsg_len, 0) < 0)
        return -errno;
    for (;;) {
        ssize_t n = recv(l->fd, buf, sizeof(buf), 0);
        const struct nlmsghdr *h;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        for (uint32_t at = 0; (h = message(buf, (uint32_t)n, at)) != NULL; at += NLMSG_ALIGN(h->nlmsg_len)) {
            if (h->nlmsg_seq != l->seq)
                continue;
            if (h->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
            if (h->nlmsg_type == want_type && reply != NULL)
                memcpy(reply, h, h->nlmsg_len);
        }
    }
}

static void read_attr(const struct rtattr *a, struct tap_link_info *info)
{
    const void *data = (const uint8_t *)a + RTA_LENGTH(0);
    uint32_t len = (uint32_t)(a->rta_len - RTA_LENGTH(0));

    if (a->rta_type == IFLA_MTU && len == sizeof(info->mtu)) {
        memcpy(&info->mtu, data, len);
    } else if (a->rta_type == IFLA_ADDRESS && len == sizeof(info->mac)) {
        memcpy(info->mac, data, len);
    } else if (a->rta_type == IFLA_QDISC && len <= sizeof(info->qdisc)) {
        memcpy(info->qdisc, data, len);
        info->qdisc[sizeof(info->qdisc) - 1] = '\0';
    } else if (a->rta_type == IFLA_STATS64 && len >= offsetof(struct rtnl_link_stats64, multicast)) {
        struct rtnl_link_stats64 st;

        memset(&st, 0, sizeof(st));
        memcpy(&st, data, MIN(len, sizeof(st)));
        info->lost = st.tx_dropped;
    }
}

int tap_link_get(struct tap_link *l, const char *name, struct tap_link_info *info)
{
    uint8_t reply[REPLY_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = (struct nlmsghdr *)(void *)reply;
    const struct ifinfomsg *ifi = NLMSG_DATA(h);
    const struct rtattr *a;
    struct request r;
    int ret;

    begin(&r, RTM_GETLINK, sizeof(r.link));
    put_attr(&r, IFLA_IFNAME, name, (uint32_t)strlen(name) + 1);
    h->nlmsg_len = 0;
    ret = talk(l, &r, RTM_NEWLINK, reply);
    if (ret != 0)
        return ret;
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*ifi)))
        return -EPROTO;
    memset(info, 0, sizeof(*info));
    info->index = (uint32_t)ifi->ifi_index;
    info->up = (ifi->ifi_flags & IFF_UP) != 0;
    info->running = (ifi->ifi_flags & IFF_RUNNING) != 0;
    for (uint32_t at = NLMSG_LENGTH(sizeof(*ifi)); at + RTA_LENGTH(0) <= h->nlmsg_len; at += RTA_ALIGN(a->rta_len)) {
        a = (const struct rtattr *)(const void *)(reply + at);
        if (a->rta_len < RTA_LENGTH(0) || a->rta_len > h->nlmsg_len - at)
            return -EPROTO;
        read_attr(a, info);
    }
    return 0;
}

int tap_link_set(struct tap_link *l, uint32_t index, uint32_t mtu)
{
    struct request r;

    begin(&r, RTM_NEWLINK, sizeof(r.link));
    r.link.ifi_index = (int)index;
    r.link.ifi_flags = r.link.ifi_change = IFF_UP;
    put_attr(&r, IFLA_MTU, &mtu, sizeof(mtu));
    return talk(l, &r, 0, NULL);
}

int tap_link_set_no_queue(struct tap_link *l, uint32_t index)
{
    struct request r;

    begin(&r, RTM_NEWQDISC, sizeof(r.tc));
    r.h.nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
    r.tc.tcm_ifindex = (int)index;
    r.tc.tcm_parent = TC_H_ROOT;
    put_attr(&r, TCA_KIND, "noqueue", sizeof("noqueue"));
    return talk(l, &r, 0, NULL);
}

int tap_link_add_addr(struct tap_link *l, uint32_t index, const struct inaddr *addr, uint8_t plen)
{
    bool v4 = inaddr_is_v4(addr);
    const uint8_t *bytes = v4 ? addr->b + 12 : addr->b;
    uint32_t len = v4 ? 4 : 16;
    struct request r;
    int ret;

    begin(&r, RTM_NEWADDR, sizeof(r.addr));
    r.h.nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
    r.addr.ifa_family = v4 ? AF_INET : AF_INET6;
    r.addr.ifa_prefixlen = (uint8_t)(v4 ? plen - V4_PLEN : plen);
    r.addr.ifa_flags = v4 ? 0 : IFA_F_NODAD; /* nobody but us is on this link */
    r.addr.ifa_index = index;
    put_attr(&r, IFA_LOCAL, bytes, len);
    put_attr(&r, IFA_ADDRESS, bytes, len);
    ret = talk(l, &r, 0, NULL);
    return ret == -EEXIST ? 0 : ret;
}
