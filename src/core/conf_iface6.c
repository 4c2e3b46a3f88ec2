/* IPv6 of an interface: addresses and the gateway. */
#include <stdio.h>
#include <string.h>

#include "core/conf_iface.h"

#include "base/poison.h"

#define PREFIX_DEFAULT 64u /* RFC 4291 section 2.5.4 */
#define ADDR6_FORM "an IPv6 address like 2001:db8::2"

static int read_plen(struct iface_section *is, const char *key, uint8_t *plen)
{
    const struct ini_entry *e = iface_find(is, key);
    uint64_t v = PREFIX_DEFAULT;

    if (e != NULL && (!conf_get_u64(e->value, &v) || v == 0 || v > 128))
        return conf_bad(&is->b->out, e, "a number from 1 to 128");
    *plen = (uint8_t)v;
    return 0;
}

static bool is_host_addr(const struct inaddr *a)
{
    return !inaddr_is_any(a) && !inaddr_is_v6_multicast(a) && !inaddr_is_v6_loopback(a);
}

static int add_addr(struct iface_section *is, const struct ini_entry *e, const char *text, uint8_t plen)
{
    struct conf_port *p = is->p;
    struct inaddr a;

    if (!conf_get_ipv6(text, &a) || !is_host_addr(&a))
        return conf_bad(&is->b->out, e, ADDR6_FORM);
    for (unsigned i = 0; i < p->n_addrs6; i++)
        if (inaddr_eq(&p->addr6[i].addr, &a))
            return conf_bad(&is->b->out, e, "every address once");
    if (p->n_addrs6 == CONF_MAX_ADDRS6)
        return conf_bad(&is->b->out, e, "at most %d addresses", CONF_MAX_ADDRS6);
    p->addr6[p->n_addrs6++] = (struct conf_addr6){.addr = a, .plen = plen};
    return 0;
}

/* Separated by ';', as vip_addr is. */
static int read_vips6(struct iface_section *is)
{
    const struct ini_entry *e = iface_find(is, "vip_addr6");
    uint8_t plen = 0;
    const char *list;
    char one[48];

    if (e == NULL)
        return 0;
    if (read_plen(is, "vip_prefix_len", &plen) != 0)
        return -1;
    for (list = e->value; conf_next_item(&list, one, sizeof(one));)
        if (add_addr(is, e, one, plen) != 0)
            return -1;
    return 0;
}

int iface_read_ipv6(struct iface_section *is)
{
    const struct ini_entry *e = iface_find(is, "addr6"), *gw = iface_find(is, "gateway6");
    uint8_t plen = 0;

    if (read_plen(is, "prefix_len", &plen) != 0)
        return -1;
    if (e != NULL && add_addr(is, e, e->value, plen) != 0)
        return -1;
    if (gw != NULL && (!conf_get_ipv6(gw->value, &is->p->gateway6) || inaddr_is_v6_multicast(&is->p->gateway6)))
        return conf_bad(&is->b->out, gw, ADDR6_FORM ", a router's");
    return read_vips6(is);
}
