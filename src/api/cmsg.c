#include "api/cmsg.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <time.h> /* of the next one */

#include <linux/errqueue.h>

#include "api/addr.h"

#include "base/units.h"

#include "base/poison.h"

/* The next message, which ends inside the buffer; the C library's macro reads it before it is known to be there. */
static struct cmsghdr *next_cmsg(const struct msghdr *msg, const struct cmsghdr *c)
{
    size_t at = c == NULL ? 0 : (size_t)((const char *)c - (const char *)msg->msg_control) + CMSG_ALIGN(c->cmsg_len);

    if (msg->msg_control == NULL || at > msg->msg_controllen || msg->msg_controllen - at < sizeof(*c))
        return NULL;
    return (struct cmsghdr *)(void *)((char *)msg->msg_control + at);
}

static bool cmsg_ok(const struct msghdr *msg, const struct cmsghdr *c)
{
    size_t at = (size_t)((const char *)c - (const char *)msg->msg_control);

    return c->cmsg_len >= sizeof(*c) && c->cmsg_len <= msg->msg_controllen - at;
}

/* Messages of SOL_SOCKET: descriptors and credentials are of local sockets, and passed over; others do not exist here. */
static int check_socket(const struct cmsghdr *c)
{
    return c->cmsg_type == SCM_RIGHTS || c->cmsg_type == SCM_CREDENTIALS ? 0 : -EINVAL;
}

int cmsg_check(const struct msghdr *msg)
{
    for (const struct cmsghdr *c = next_cmsg(msg, NULL); c != NULL; c = next_cmsg(msg, c))
        if (!cmsg_ok(msg, c) || (c->cmsg_level == SOL_SOCKET && check_socket(c) != 0))
            return -EINVAL;
    return 0;
}

/* An int from least to 255. */
static int read_int(const struct cmsghdr *c, int least, int16_t *to)
{
    int v;

    if (c->cmsg_len != CMSG_LEN(sizeof(v)))
        return -EINVAL;
    memcpy(&v, CMSG_DATA(c), sizeof(v));
    if (v < least || v > 255)
        return -EINVAL;
    *to = (int16_t)v;
    return 0;
}

/* An interface's number: what no stack has stays one that no stack has. */
static uint8_t ifindex_of(unsigned v)
{
    return (uint8_t)MIN(v, 255u);
}

static int read_pktinfo4(const struct cmsghdr *c, struct udp_dest *to)
{
    struct in_pktinfo p;

    if (c->cmsg_len != CMSG_LEN(sizeof(p)))
        return -EINVAL;
    memcpy(&p, CMSG_DATA(c), sizeof(p));
    if (p.ipi_ifindex != 0)
        to->ifindex = ifindex_of((unsigned)p.ipi_ifindex);
    to->src = inaddr_v4(ntohl(p.ipi_spec_dst.s_addr));
    return 0;
}

static int read_pktinfo6(const struct cmsghdr *c, bool v6, struct udp_dest *to)
{
    struct in6_pktinfo p;

    if (c->cmsg_len < CMSG_LEN(sizeof(p)))
        return -EINVAL;
    memcpy(&p, CMSG_DATA(c), sizeof(p));
    if (p.ipi6_ifindex != 0)
        to->ifindex = ifindex_of(p.ipi6_ifindex);
    memcpy(to->src.b, &p.ipi6_addr, sizeof(to->src.b));
    if (!inaddr_is_any(&to->src) && inaddr_is_v4(&to->src) == v6)
        return -EINVAL;
    inaddr_set_zone(&to->src, to->ifindex);
    return 0;
}

static int read_one4(const struct cmsghdr *c, struct udp_dest *to)
{
    if (c->cmsg_level == IPPROTO_IPV6)
        return c->cmsg_type == IPV6_PKTINFO ? read_pktinfo6(c, false, to) : 0;
    if (c->cmsg_level != IPPROTO_IP)
        return 0;
    switch (c->cmsg_type) {
    case IP_PKTINFO:
        return read_pktinfo4(c, to);
    case IP_TTL:
        return read_int(c, 1, &to->ttl);
    case IP_TOS: /* a byte will do */
        if (c->cmsg_len != CMSG_LEN(1))
            return read_int(c, 0, &to->tos);
        to->tos = *(const uint8_t *)CMSG_DATA(c);
        return 0;
    default:
        return -EINVAL;
    }
}

static int read_one6(const struct cmsghdr *c, struct udp_dest *to)
{
    int16_t v;

    if (c->cmsg_level != IPPROTO_IPV6)
        return 0;
    switch (c->cmsg_type) {
    case IPV6_PKTINFO:
        return read_pktinfo6(c, true, to);
    case IPV6_HOPLIMIT:
        return read_int(c, -1, &to->ttl);
    case IPV6_TCLASS:
        return read_int(c, -1, &to->tos);
    case IPV6_DONTFRAG:
        if (read_int(c, 0, &v) != 0 || v > 1)
            return -EINVAL;
        to->dontfrag = (int8_t)v;
        return 0;
    default:
        return -EINVAL;
    }
}

int cmsg_read(const struct msghdr *msg, bool v6, struct udp_dest *to)
{
    for (const struct cmsghdr *c = next_cmsg(msg, NULL); c != NULL; c = next_cmsg(msg, c)) {
        int err;

        if (!cmsg_ok(msg, c))
            return -EINVAL;
        err = c->cmsg_level == SOL_SOCKET ? check_socket(c) : v6 ? read_one6(c, to) : read_one4(c, to);
        if (err != 0)
            return err;
    }
    return 0;
}

/* receiving ---------------------------------------------------------------------------------------------------- */

struct writer {
    char *at;
    size_t left;
    int flags;
};

/* What does not fit is cut, as Linux does (put_cmsg): the caller sees MSG_CTRUNC. */
static void put(struct writer *w, int level, int type, const void *data, size_t len)
{
    struct cmsghdr c = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    size_t step;

    if (w->left < sizeof(c)) {
        w->flags |= MSG_CTRUNC;
        return;
    }
    if (w->left < c.cmsg_len) {
        w->flags |= MSG_CTRUNC;
        c.cmsg_len = w->left;
    }
    memcpy(w->at, &c, sizeof(c));
    memcpy(w->at + sizeof(c), data, c.cmsg_len - sizeof(c));
    step = MIN(CMSG_SPACE(len), w->left);
    w->at += step;
    w->left -= step;
}

static void put_int(struct writer *w, int level, int type, int v)
{
    put(w, level, type, &v, sizeof(v));
}

static void put_pktinfo6(struct writer *w, const struct udp_info *in)
{
    struct in6_pktinfo p = {.ipi6_ifindex = in->ifindex};
    struct inaddr dst = in->dst;

    inaddr_clear_zone(&dst);
    memcpy(&p.ipi6_addr, dst.b, sizeof(dst.b));
    put(w, IPPROTO_IPV6, IPV6_PKTINFO, &p, sizeof(p));
}

static void put_of_v4(struct writer *w, unsigned wants, const struct udp_info *in, const struct inaddr *spec)
{
    const struct in_pktinfo p = {
        .ipi_ifindex = in->ifindex, .ipi_spec_dst.s_addr = htonl(inaddr_to_v4(spec)), .ipi_addr.s_addr = htonl(inaddr_to_v4(&in->dst))};

    if ((wants & UDP_RECV_PKTINFO) != 0)
        put(w, IPPROTO_IP, IP_PKTINFO, &p, sizeof(p));
    if ((wants & UDP_RECV_TTL) != 0)
        put_int(w, IPPROTO_IP, IP_TTL, in->ttl);
    if ((wants & UDP_RECV_TOS) != 0)
        put(w, IPPROTO_IP, IP_TOS, &in->tos, 1);
}

static void put_info(struct writer *w, unsigned wants, const struct udp_info *in, const struct inaddr *spec)
{
    if ((wants & UDP_RECV_PKTINFO6) != 0) /* of both families */
        put_pktinfo6(w, in);
    if (inaddr_is_v4(&in->dst)) {
        put_of_v4(w, wants, in, spec);
        return;
    }
    if ((wants & UDP_RECV_HOPLIMIT) != 0)
        put_int(w, IPPROTO_IPV6, IPV6_HOPLIMIT, in->ttl);
    if ((wants & UDP_RECV_TCLASS) != 0)
        put_int(w, IPPROTO_IPV6, IPV6_TCLASS, in->tos);
}

static struct writer writer_of(struct msghdr *msg)
{
    return (struct writer){.at = msg->msg_control, .left = msg->msg_control != NULL ? msg->msg_controllen : 0};
}

static int written(struct msghdr *msg, const struct writer *w)
{
    msg->msg_controllen = msg->msg_control != NULL ? (size_t)(w->at - (char *)msg->msg_control) : 0;
    return w->flags;
}

int cmsg_write(struct msghdr *msg, unsigned wants, const struct udp_info *in, const struct inaddr *spec)
{
    struct writer w = writer_of(msg);

    put_info(&w, wants, in, spec);
    return written(msg, &w);
}

/* The layout of Linux: the report, and the address of who sent it (ip(7) IP_RECVERR). */
int cmsg_write_error(struct msghdr *msg, unsigned wants, bool inet6, const struct udp_err_info *e, const struct inaddr *spec)
{
    struct {
        struct sock_extended_err ee;
        union {
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } offender;
    } r = {.ee = {.ee_errno = (uint32_t)e->err, .ee_origin = e->origin, .ee_type = e->type, .ee_code = e->code, .ee_info = e->info}};
    struct writer w = writer_of(msg);
    socklen_t len = sizeof(r.offender);

    if (e->in.ifindex != 0)
        put_info(&w, wants, &e->in, spec);
    if (e->origin != SO_EE_ORIGIN_LOCAL)
        addr_out((struct linux_sockaddr *)&r.offender, &len, inet6, &e->in.src, 0);
    len = (socklen_t)(inet6 ? sizeof(r.offender.in6) : sizeof(r.offender.in));
    put(&w, inet6 ? IPPROTO_IPV6 : IPPROTO_IP, inet6 ? IPV6_RECVERR : IP_RECVERR, &r, offsetof(__typeof__(r), offender) + len);
    return written(msg, &w);
}
