/* Packet sockets: batches in, batches out. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "impair.h"

#define BATCH 64
#define RETRY_NS 100000ull /* the kernel had no room for a frame */

struct batch {
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_ll from[BATCH];
    uint32_t slot[BATCH];
    union {
        struct cmsghdr align;
        uint8_t b[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } aux[BATCH];
};

static struct batch rx;

/* A frame of this machine whose checksum the sender left to a device: it will not be finished on our wire. */
static void note_unfinished(struct direction *d, struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        struct tpacket_auxdata aux;

        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof(aux));
        if ((aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0 && d->st.unfinished++ == 0)
            fprintf(stderr,
                    "impair: %s: frames with unfinished checksums (a peer that checks them sees damage): turn transmit offloads off "
                    "where the frames are made: ethtool -K IF tx off\n",
                    d->from);
    }
}

/* Returns whether there may be more. */
bool receive(struct direction *d)
{
    unsigned want = pool.n_free < BATCH ? pool.n_free : BATCH;
    int got;
    uint64_t now;

    if (want == 0) { /* take one off the socket all the same, or epoll would spin */
        uint8_t scrap[1];

        if (recv(d->in_fd, scrap, sizeof(scrap), MSG_DONTWAIT | MSG_TRUNC) > 0)
            d->st.no_buffer++;
        return false;
    }
    for (unsigned i = 0; i < want; i++) {
        rx.slot[i] = pool.free[--pool.n_free];
        rx.iov[i] = (struct iovec){.iov_base = slot_at(rx.slot[i]), .iov_len = pool.slot_bytes};
        rx.msg[i].msg_hdr = (struct msghdr){.msg_name = &rx.from[i],
                                            .msg_namelen = sizeof(rx.from[i]),
                                            .msg_iov = &rx.iov[i],
                                            .msg_iovlen = 1,
                                            .msg_control = &rx.aux[i],
                                            .msg_controllen = sizeof(rx.aux[i])};
    }
    got = recvmmsg(d->in_fd, rx.msg, want, MSG_DONTWAIT | MSG_TRUNC, NULL);
    now = now_ns();
    for (unsigned i = 0; i < want; i++) {
        if ((int)i >= got || rx.from[i].sll_pkttype == PACKET_OUTGOING) {
            slot_free(rx.slot[i]);
            continue;
        }
        note_unfinished(d, &rx.msg[i].msg_hdr);
        arrive(d, rx.slot[i], rx.msg[i].msg_len, now);
    }
    return got == BATCH;
}

/* Sends what is due. */
void deliver(struct direction *d, uint64_t now)
{
    while (d->n_heap > 0 && d->heap[0].due_ns <= now && d->blocked_until_ns <= now) {
        struct mmsghdr msg[BATCH];
        struct iovec iov[BATCH];
        struct frame f[BATCH];
        unsigned n = 0, done = 0;

        memset(msg, 0, sizeof(msg));
        while (n < BATCH && d->n_heap > 0 && d->heap[0].due_ns <= now) {
            f[n] = heap_take(d);
            iov[n] = (struct iovec){.iov_base = slot_at(f[n].slot), .iov_len = f[n].len};
            msg[n].msg_hdr.msg_iov = &iov[n];
            msg[n].msg_hdr.msg_iovlen = 1;
            n++;
        }
        while (done < n) {
            int sent = sendmmsg(d->out_fd, msg + done, n - done, MSG_DONTWAIT);

            if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)) {
                d->blocked_until_ns = now + RETRY_NS;
                break;
            }
            if (sent < 0) { /* ENETDOWN, EMSGSIZE: this frame cannot leave */
                d->st.tx_error++;
                slot_free(f[done++].slot);
                continue;
            }
            for (int i = 0; i < sent; i++, done++) {
                d->st.tx_frames++;
                d->st.tx_bytes += f[done].len;
                slot_free(f[done].slot);
            }
        }
        while (n > done)
            heap_put(d, f[--n]);
    }
}

static uint32_t if_mtu(int fd, const char *name)
{
    struct ifreq ifr;

    memset(&ifr, 0, sizeof(ifr));
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    if (ioctl(fd, SIOCGIFMTU, &ifr) != 0)
        die("%s: cannot ask for the MTU: %s", name, strerror(errno));
    return (uint32_t)ifr.ifr_mtu;
}

int open_if(const char *name, uint32_t *mtu)
{
    unsigned index = if_nametoindex(name);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = __builtin_bswap16(ETH_P_ALL), .sll_ifindex = (int)index};
    struct packet_mreq all = {.mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC};
    int on = 1, bytes = 32 << 20;
    int fd;

    if (index == 0)
        die("%s: no such interface here. \"ip link\" lists those of this network namespace", name);
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && (errno == EPERM || errno == EACCES))
        die("no permission to open a packet socket: run as root, with CAP_NET_RAW, or inside \"unshare -Urn\"");
    if (fd < 0)
        die("packet socket: %s", strerror(errno));
    *mtu = if_mtu(fd, name);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)); /* else they are filtered in receive() */
    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on));
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) != 0)
        die("%s: promiscuous mode: %s", name, strerror(errno));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        die("%s: %s%s", name, strerror(errno), errno == ENETDOWN ? ": bring it up with \"ip link set IF up\"" : "");
    return fd;
}
