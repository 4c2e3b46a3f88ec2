#include "port/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/units.h"
#include "pkt/pkt.h"
#include "port/tap_addr.h"
#include "port/tap_priv.h"

#define TUN_DEVICE "/dev/net/tun"
#define MTU_DEFAULT 1500u
#define OUR_MAC_BIT 0x80u

/* The open ports: a child of fork lets go of their devices, or an interface would outlive the program that it belongs to. */
static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    struct tap_port *first;
} ports = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static void forget_in_child(void)
{
    for (struct tap_port *t = ports.first; t != NULL; t = t->next) {
        close(t->fd);
        t->fd = -1;
        tap_link_close(&t->link);
    }
    ports.first = NULL;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_in_child);
}

static void remember(struct tap_port *t)
{
    pthread_once(&ports.once, watch_forks);
    pthread_mutex_lock(&ports.lock);
    t->next = ports.first;
    ports.first = t;
    pthread_mutex_unlock(&ports.lock);
}

static void forget(struct tap_port *t)
{
    pthread_mutex_lock(&ports.lock);
    for (struct tap_port **at = &ports.first; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    pthread_mutex_unlock(&ports.lock);
}

/* The interface may have been renamed, or be in another network namespace by now: then the last frame tells. */
static bool tap_link_up(struct port *p)
{
    struct tap_port *t = tap_of(p);
    struct tap_link_info info;
    struct ifreq r = {0};

    if (ioctl(t->fd, TUNGETIFF, &r) != 0)
        return false;
    return tap_link_get(&t->link, r.ifr_name, &info) == 0 ? info.running : !t->down;
}

static uint64_t tap_missed(struct port *p)
{
    struct tap_port *t = tap_of(p);
    struct tap_link_info info;
    struct ifreq r = {0};

    if (ioctl(t->fd, TUNGETIFF, &r) != 0 || tap_link_get(&t->link, r.ifr_name, &info) != 0)
        return 0;
    return info.lost - t->lost_before;
}

static void tap_reclaim(struct port *p)
{
    (void)p; /* what was sent was copied by the kernel */
}

static void tap_free(struct tap_port *t)
{
    tap_link_close(&t->link);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
}

static void tap_close(struct port *p)
{
    struct tap_port *t = tap_of(p);

    forget(t);
    tap_rx_fini(t);
    tap_free(t);
}

static const struct port_ops tap_ops = {
    .rx = tap_rx,
    .tx = tap_tx,
    .reclaim = tap_reclaim,
    .link_up = tap_link_up,
    .missed = tap_missed,
    .listen = tap_listen,
    .close = tap_close,
};

/* Everything below that says what is wrong returns -1 or NULL. */
struct say {
    const char *name;
    char *err;
    size_t n;
};

static int open_device(struct tap_port *t, const struct say *say)
{
    t->fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (t->fd >= 0)
        return 0;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        snprintf(say->err, say->n, "tap=%s: there is no " TUN_DEVICE " here: run modprobe tun, or give the container this device",
                 say->name);
    else
        snprintf(say->err, say->n, "tap=%s: cannot open " TUN_DEVICE ": %s: run as root, or chmod 666 " TUN_DEVICE, say->name,
                 strerror(errno));
    return -1;
}

/* The kernel's EINVAL means many things. */
static void explain_attach(const struct port_tap_conf *c, int error, const struct say *say)
{
    const char *multi = c->n_queues > 1 ? " multi_queue" : "";

    if (error == EPERM || error == EACCES)
        snprintf(say->err, say->n,
                 "tap=%s: no permission: run as root (CAP_NET_ADMIN), or let root make the interface for you: ip tuntap add %s mode tap%s "
                 "user YOU",
                 say->name, say->name, multi);
    else if (error == EBUSY)
        snprintf(say->err, say->n,
                 "tap=%s: the interface is in use by another program: choose another name, and addr= and tap_addr= of another subnet (two "
                 "interfaces with the same one make two routes to it)",
                 say->name);
    else if (error == EINVAL && if_nametoindex(say->name) != 0)
        snprintf(
            say->err, say->n,
            "tap=%s: there is an interface \"%s\" already, and it is no tap device%s: choose another name, or remove it: ip link del %s",
            say->name, say->name, c->n_queues > 1 ? " with several queues" : " with one queue", say->name);
    else
        snprintf(say->err, say->n, "tap=%s: the interface could not be made: %s", say->name, strerror(error));
}

/* What the kernel may leave to us in the frames that it sends. */
static unsigned long rx_offloads(const struct port_tap_conf *c)
{
    if (c->no_rx_cksum)
        return 0;
    return TUN_F_CSUM | (c->no_lro ? 0u : TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN);
}

static int attach(struct tap_port *t, const struct port_tap_conf *c, const struct say *say)
{
    struct ifreq r = {0};
    int size = sizeof(struct virtio_net_hdr);

    memcpy(r.ifr_name, c->name, strlen(c->name));
    r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (c->n_queues > 1)
        r.ifr_flags |= IFF_MULTI_QUEUE;
    if (ioctl(t->fd, TUNSETIFF, &r) != 0) {
        explain_attach(c, errno, say);
        return -1;
    }
    if (ioctl(t->fd, TUNSETVNETHDRSZ, &size) != 0 || ioctl(t->fd, TUNSETOFFLOAD, rx_offloads(c)) != 0) {
        snprintf(say->err, say->n, "tap=%s: this kernel refuses checksum and segmentation offload on tap devices: %s", say->name,
                 strerror(errno));
        return -1;
    }
    return 0;
}

static void explain_link(const struct say *say, const char *what, int error)
{
    snprintf(say->err, say->n, "tap=%s: the interface could not be %s: %s%s", say->name, what, strerror(-error),
             error == -EPERM ? ": run as root (CAP_NET_ADMIN), or let root do it before" : "");
}

static int give_addr(struct tap_port *t, const struct port_tap_conf *c, unsigned i, uint32_t index, const struct say *say)
{
    char other[IF_NAMESIZE];
    int ret;

    switch (tap_addr_look(c->name, &c->addr[i].addr, c->addr[i].plen, other)) {
    case TAP_ADDR_THERE:
        return 0;
    case TAP_ADDR_ELSEWHERE:
        snprintf(say->err, say->n,
                 "tap=%s: interface %s has an address of the same subnet as tap_addr, so that the kernel would send there what is for us: "
                 "choose addr= and tap_addr= of another subnet, or end the program that %s belongs to",
                 say->name, other, other);
        return -1;
    case TAP_ADDR_MISSING:
        break;
    }
    ret = tap_link_add_addr(&t->link, index, &c->addr[i].addr, c->addr[i].plen);
    if (ret != 0)
        explain_link(say, "given the address of tap_addr", ret);
    return ret;
}

/* An interface that is as it should be already needs no permission. */
static int set_link(struct tap_port *t, const struct port_tap_conf *c, const struct say *say)
{
    struct tap_link_info info;
    int ret = tap_link_open(&t->link);

    if (ret == 0)
        ret = tap_link_get(&t->link, c->name, &info);
    if (ret != 0) {
        explain_link(say, "looked at", ret);
        return -1;
    }
    if (strcmp(info.qdisc, "noop") == 0)
        (void)tap_link_set_no_queue(&t->link, info.index); /* costs, but nothing is wrong with one */
    if (info.mtu != t->p.mtu || !info.up)
        ret = tap_link_set(&t->link, info.index, t->p.mtu);
    if (ret != 0) {
        char what[48];

        snprintf(what, sizeof(what), "taken up with an MTU of %u", t->p.mtu);
        explain_link(say, what, ret);
        return -1;
    }
    for (unsigned i = 0; i < c->n_addrs; i++)
        if (give_addr(t, c, i, info.index, say) != 0)
            return -1;
    /* two ends, two addresses: ours stays the same as long as the interface does */
    memcpy(t->p.mac, info.mac, sizeof(t->p.mac));
    t->p.mac[5] ^= OUR_MAC_BIT;
    t->lost_before = info.lost;
    return 0;
}

static void set_caps(struct tap_port *t, const struct port_tap_conf *c)
{
    t->p.caps = (struct port_caps){
        .tx_chains = true,
        .tx_external = true,
        .tx_indirect = true,
        .tx_tcp_cksum = !c->no_tx_cksum,
        .tx_udp_cksum = !c->no_tx_cksum,
        .tx_tso = !c->no_tx_cksum && !c->no_tso,
        .rx_cksum = !c->no_rx_cksum,
        .rx_lro = !c->no_rx_cksum && !c->no_lro,
        .rx_event = true,
        .tx_max_segs = TAP_TX_SEGS,
        .tso_max_segs = TAP_TX_SEGS,
        .tso_max_bytes = PKT_BUF_MAX,
        .max_mtu = PORT_TAP_MTU_MAX,
    };
}

static int set_up(struct tap_port *t, const struct port_tap_conf *c, const struct say *say)
{
    if (strlen(c->name) > PORT_TAP_NAME_MAX || c->name[0] == '\0') {
        snprintf(say->err, say->n, "tap=%s: the name of an interface has 1 to %u characters", say->name, PORT_TAP_NAME_MAX);
        return -1;
    }
    if (t->p.mtu < 68 || t->p.mtu > PORT_TAP_MTU_MAX) {
        snprintf(say->err, say->n, "tap=%s: MTU %u is not possible, 68 to %u are", say->name, t->p.mtu, PORT_TAP_MTU_MAX);
        return -1;
    }
    if (!tap_rx_init(t, c->rx_pool)) {
        snprintf(say->err, say->n, "tap=%s: needs receive buffers of %u bytes or more: raise rx_buffer_size", say->name, TAP_RX_ROOM_MIN);
        return -1;
    }
    return open_device(t, say) != 0 || attach(t, c, say) != 0 || set_link(t, c, say) != 0 ? -1 : 0;
}

struct port *port_tap_open(const struct port_tap_conf *c, char *err, size_t err_bytes)
{
    const struct say say = {.name = c->name, .err = err, .n = err_bytes};
    struct tap_port *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        snprintf(err, err_bytes, "tap=%s: no memory", c->name);
        return NULL;
    }
    t->fd = t->link.fd = -1;
    t->p.ops = &tap_ops;
    t->p.mtu = c->mtu != 0 ? c->mtu : MTU_DEFAULT;
    t->p.ctr = &t->own_ctr;
    t->p.linear_pool = c->linear_pool;
    snprintf(t->p.name, sizeof(t->p.name), "%s", c->name);
    set_caps(t, c);
    if (set_up(t, c, &say) != 0) {
        tap_free(t);
        return NULL;
    }
    remember(t);
    return &t->p;
}
