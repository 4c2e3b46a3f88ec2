/* A port that is a TAP device of its own instead of a DPDK port: tap and tap_addr of [portN]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf_iface.h"
#include "ip/route.h"

#include "base/poison.h"

#define NAME_FORM "an interface name of at most 15 letters, digits, '-', '_' and '.'"
#define ADDR_FORM "addresses like 10.0.0.1/24;2001:db8::1/64"

/* As a kernel would take it, and a shell. */
static int read_name(struct iface_section *is, const struct ini_entry *e)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *s = e->value;

    if (s[0] == '\0' || s[0] == '-' || s[strspn(s, ok)] != '\0' || strlen(s) >= sizeof(is->p->tap) || strspn(s, ".") == strlen(s))
        return conf_bad(&is->b->out, e, NAME_FORM);
    snprintf(is->p->tap, sizeof(is->p->tap), "%s", s);
    return 0;
}

/* "10.0.0.1/24" */
static bool get_prefix(char *text, struct conf_tap_addr *a)
{
    char *slash = strchr(text, '/');
    uint64_t plen;
    uint32_t v4;

    if (slash == NULL || !conf_get_u64(slash + 1, &plen))
        return false;
    *slash = '\0';
    if (conf_get_ipv4(text, &v4) && plen >= 1 && plen <= 32) {
        *a = (struct conf_tap_addr){.addr = inaddr_v4(v4), .plen = (uint8_t)(plen + ROUTE_PLEN_V4)};
        return true;
    }
    a->plen = (uint8_t)plen;
    return conf_get_ipv6(text, &a->addr) && plen >= 1 && plen <= 128;
}

static bool is_ours(const struct conf_port *p, const struct inaddr *a)
{
    for (unsigned i = 0; i < p->n_addrs; i++)
        if (inaddr_is_v4(a) && inaddr_to_v4(a) == p->addr[i].addr)
            return true;
    for (unsigned i = 0; i < p->n_addrs6; i++)
        if (inaddr_eq(a, &p->addr6[i].addr))
            return true;
    return false;
}

/* Separated by ';', as vip_addr is. */
static int read_addrs(struct iface_section *is, const struct ini_entry *e)
{
    struct conf_port *p = is->p;
    const char *list = e->value;
    char one[56];

    while (conf_next_item(&list, one, sizeof(one))) {
        struct conf_tap_addr a;

        if (!get_prefix(one, &a))
            return conf_bad(&is->b->out, e, ADDR_FORM);
        if (is_ours(p, &a.addr))
            return conf_bad(&is->b->out, e, "addresses of the kernel's end, other than the port's own");
        if (p->n_tap_addrs == CONF_MAX_TAP_ADDRS)
            return conf_bad(&is->b->out, e, "at most %d addresses", CONF_MAX_TAP_ADDRS);
        p->tap_addr[p->n_tap_addrs++] = a;
    }
    return 0;
}

/*
 * The kernel reaches the port's addresses through the subnets of its own ones, unless somebody adds a route. own: the port's first address
 * of the family; NULL: it has none.
 */
static void check_reach(const struct iface_section *is, const struct ini_entry *e, bool v4, const struct inaddr *own, const char *key)
{
    const struct conf_port *p = is->p;
    bool any = false;

    for (unsigned i = 0; i < p->n_tap_addrs; i++) {
        const struct conf_tap_addr *a = &p->tap_addr[i];

        if (inaddr_is_v4(&a->addr) != v4)
            continue;
        if (own != NULL && inaddr_covers(&a->addr, a->plen, own))
            return;
        any = true;
    }
    if (any && own != NULL)
        conf_warn(&is->b->out, e->line, "[%s] tap_addr: no subnet of %.80s contains %s, so the kernel has no route to it", is->name,
                  e->value, key);
    else if (any)
        conf_warn(&is->b->out, e->line,
                  "[%s] tap_addr: an IPv6 address in %.80s, but the port has none: give it addr6, or ipv6=1 in [zstack]", is->name,
                  e->value);
}

/* A port with VLANs has no addresses of its own. */
static void check_all_reach(const struct iface_section *is, const struct ini_entry *e)
{
    const struct conf_port *p = is->p;
    const struct inaddr v4 = inaddr_v4(p->addr[0].addr);

    if (p->n_addrs == 0)
        return;
    check_reach(is, e, true, &v4, "addr");
    if (p->n_addrs6 != 0 || is->b->c->stack.ipv6 != IPV6_ON)
        check_reach(is, e, false, p->n_addrs6 != 0 ? &p->addr6[0].addr : NULL, "addr6");
}

int iface_read_tap(struct iface_section *is)
{
    const struct ini_entry *name = iface_find(is, "tap"), *addr = iface_find(is, "tap_addr");

    if (name != NULL && read_name(is, name) != 0)
        return -1;
    if (addr != NULL && name == NULL)
        return conf_missing(&is->b->out, is->name, "tap", "a name for the interface that tap_addr is of");
    if (addr == NULL)
        return 0;
    if (read_addrs(is, addr) != 0)
        return -1;
    check_all_reach(is, addr);
    return 0;
}
