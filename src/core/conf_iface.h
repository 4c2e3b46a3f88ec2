/* Inside of the configuration of interfaces: [portN] and [vlanN] are read by the same functions. */
#ifndef CORE_CONF_IFACE_H
#define CORE_CONF_IFACE_H

#include "core/conf_priv.h"

struct iface_section {
    struct conf_build *b;
    struct conf_port *p;
    char name[16]; /* portN, vlanN */
};

static inline const struct ini_entry *iface_find(const struct iface_section *is, const char *key)
{
    return ini_find(&is->b->ini, is->name, key);
}

/* addr6, prefix_len, gateway6, vip_addr6, vip_prefix_len (conf_iface6.c). 0 or -1 after a message, as all here. */
int iface_read_ipv6(struct iface_section *is);

/* tap, tap_addr (conf_tap.c); after the addresses. */
int iface_read_tap(struct iface_section *is);

/* routes (conf_route.c). */
int iface_read_routes(struct iface_section *is);

#endif
