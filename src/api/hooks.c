/*
 * F-Stack's hooks: functions of the application that see received frames before the stack does (port/dispatch.h) and that choose source
 * addresses; and frames that it sends by itself. What is registered is the process's: words that any thread may write while others poll.
 */
#include "api/hooks.h"

#include <string.h>

#include "api/api.h"
#include "wire/eth.h"

#include "base/poison.h"

_Static_assert(FF_DISPATCH_ERROR == (int)DISPATCH_DROP && FF_DISPATCH_RESPONSE == (int)DISPATCH_ANSWER, "results pass as they are");

static dispatch_ask *asked;                  /* atomic, as the others: one of the two below, or NULL */
static dispatch_func_t dispatcher;           /* of ask(); stays when nobody is asked any more: somebody may be about to call it */
static dispatch_func_context_t with_context; /* of ask_with_context() */
static pcblddr_func_t source_chooser;

dispatch_ask *const *hooks_dispatcher(void)
{
    return &asked;
}

static int ask(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    dispatch_func_t func = __atomic_load_n(&dispatcher, __ATOMIC_RELAXED);

    return func(data, len, about->queue, about->n_queues);
}

static int ask_with_context(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    dispatch_func_context_t func = __atomic_load_n(&with_context, __ATOMIC_RELAXED);
    struct ff_dispatcher_context ctx = {.vlan = {.stripped = about->vlan_stripped, .vlan_tci = about->vlan_tci}};

    return func(data, len, about->queue, about->n_queues, ctx);
}

/* Pairs with the acquire in dispatch_asked: whoever sees the one sees the other. */
static void set_asked(dispatch_ask *a)
{
    __atomic_store_n(&asked, a, __ATOMIC_RELEASE);
}

void ff_regist_packet_dispatcher(dispatch_func_t func)
{
    if (func != NULL)
        __atomic_store_n(&dispatcher, func, __ATOMIC_RELAXED);
    set_asked(func != NULL ? ask : NULL);
}

void ff_regist_packet_dispatcher_context(dispatch_func_context_t func)
{
    if (func != NULL)
        __atomic_store_n(&with_context, func, __ATOMIC_RELAXED);
    set_asked(func != NULL ? ask_with_context : NULL);
}

/* frames of the application ------------------------------------------------------------------------------------ */

struct raw_op {
    struct api_op op;
    const void *data;
    uint32_t len;
    uint16_t port_id;
};

static struct netif *netif_of_port(const struct z_stack *s, uint16_t port_id)
{
    for (unsigned i = 0; i < s->n_netifs; i++)
        if (s->netif[i]->parent == NULL && s->netif[i]->port->id == port_id)
            return s->netif[i];
    return NULL;
}

static int64_t do_raw_send(struct z_stack *s, struct api_op *op)
{
    struct raw_op *a = (struct raw_op *)op;
    struct netif *nif = netif_of_port(s, a->port_id);
    struct rte_mbuf *m;

    if (nif == NULL)
        return -ENODEV;
    if (a->len > nif->port->mtu + ETH_HLEN_MAX)
        return -EMSGSIZE;
    if ((m = pkt_alloc_app(s, a->len)) == NULL)
        return -ENOBUFS;
    memcpy(pkt_data(m), a->data, a->len);
    m->data_len = (uint16_t)a->len;
    m->pkt_len = a->len;
    s->ctr.v[CTR_COPY_API] += a->len;
    if (!txq_put(&nif->txq, m)) {
        pkt_drop(s, m, DROP_TXQ_FULL);
        return -ENOBUFS;
    }
    if (api_pushes(s))
        stack_flush(s);
    return 0;
}

int ff_dpdk_raw_packet_send(void *data, int total, uint16_t port_id)
{
    struct raw_op a = {.data = data, .len = (uint32_t)total, .port_id = port_id};

    if (total < (int)ETH_HLEN)
        return (int)api_ret(-EINVAL);
    if (data == NULL)
        return (int)api_ret(-EFAULT);
    return (int)api_ret(api_call(&a.op, do_raw_send));
}

/* source addresses --------------------------------------------------------------------------------------------- */

void ff_regist_pcblddr_fun(pcblddr_func_t func)
{
    __atomic_store_n(&source_chooser, func, __ATOMIC_RELEASE);
}

static int ask_source4(pcblddr_func_t func, const struct inaddr *dst, uint16_t port, struct inaddr *src)
{
    struct in_addr to = {.s_addr = htonl(inaddr_to_v4(dst))}, from = {.s_addr = INADDR_ANY};
    int r = func(AF_INET, &to, htons(port), &from);

    *src = inaddr_v4(ntohl(from.s_addr));
    return r;
}

/* Zones are ours: a link-local source is on the link of its destination. */
static int ask_source6(pcblddr_func_t func, const struct inaddr *dst, uint16_t port, struct inaddr *src)
{
    struct inaddr plain = *dst;
    struct in6_addr to, from = IN6ADDR_ANY_INIT;
    int r;

    inaddr_clear_zone(&plain);
    memcpy(&to, plain.b, sizeof(to));
    r = func(AF_INET6, &to, htons(port), &from);
    memcpy(src->b, &from, sizeof(from));
    inaddr_set_zone(src, inaddr_zone(dst));
    return r;
}

/* Has the application chosen *src? Whether it is ours is asked where the path is looked up. */
static bool choose_source(const struct inaddr *dst, uint16_t port, struct inaddr *src)
{
    pcblddr_func_t func = __atomic_load_n(&source_chooser, __ATOMIC_ACQUIRE);
    int r;

    if (likely(func == NULL))
        return false;
    r = inaddr_is_v4(dst) ? ask_source4(func, dst, port, src) : ask_source6(func, dst, port, src);
    return r == 0 && !inaddr_is_any(src);
}

static int tcp_open(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port, bool fastopen)
{
    return fastopen ? tcp_connect_fastopen(s, tc, a, port) : tcp_connect(s, tc, a, port);
}

int hooks_tcp_connect(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port, bool fastopen)
{
    struct inaddr src, any;
    uint16_t lport;
    int r;

    if (!tcp_source_is_open(tc) || !choose_source(a, port, &src))
        return tcp_open(s, tc, a, port, fastopen);
    tcp_getname(tc, &any, &lport);
    tcp_set_source(tc, &src);
    r = tcp_open(s, tc, a, port, fastopen);
    if (r != 0 && r != -EINPROGRESS)
        tcp_set_source(tc, &any); /* the next attempt may go elsewhere */
    return r;
}

int hooks_udp_connect(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port)
{
    struct inaddr src;
    bool chosen = udp_source_is_open(u) && choose_source(a, port, &src);

    return udp_connect_from(s, u, chosen ? &src : NULL, a, port);
}
