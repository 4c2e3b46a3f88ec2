/* routes = PREFIX/LENGTH via GATEWAY [metric N], ...  or default via GATEWAY; without "via" the prefix is on the link. */
#include <stdio.h>
#include <string.h>

#include "core/conf_iface.h"
#include "ip/route.h"

#include "base/poison.h"

#define ROUTE_FORM "routes like 10.1.0.0/16 via 10.0.0.1, default via 10.0.0.254 metric 10, 2001:db8::/32 via fe80::1"

/* The next word of s, cut off; NULL at the end. */
static char *word(char **s)
{
    char *w = *s + strspn(*s, " \t");
    size_t n = strcspn(w, " \t");

    *s = w + n + (w[n] != '\0');
    w[n] = '\0';
    return n != 0 ? w : NULL;
}

static bool get_addr(const char *s, struct inaddr *a)
{
    uint32_t v4;

    if (!conf_get_ipv4(s, &v4))
        return conf_get_ipv6(s, a);
    *a = inaddr_v4(v4);
    return true;
}

/* "default" has the family of the gateway, which is not known yet: *any. */
static bool get_prefix(char *s, struct conf_route *r, bool *any)
{
    char *slash = strchr(s, '/');
    uint64_t len;

    *any = strcmp(s, "default") == 0;
    if (*any)
        return true;
    if (slash == NULL)
        return false;
    *slash = '\0';
    if (!get_addr(s, &r->prefix) || !conf_get_u64(slash + 1, &len))
        return false;
    if (len > (inaddr_is_v4(&r->prefix) ? 32u : 128u))
        return false;
    r->plen = (uint8_t)(len + (inaddr_is_v4(&r->prefix) ? ROUTE_PLEN_V4 : 0));
    return true;
}

static bool get_route(char *s, struct conf_route *r)
{
    char *w = word(&s);
    bool any;

    *r = (struct conf_route){0};
    if (w == NULL || !get_prefix(w, r, &any))
        return false;
    w = word(&s);
    if (w != NULL && strcmp(w, "via") == 0) {
        w = word(&s);
        if (w == NULL || !get_addr(w, &r->gateway) || inaddr_is_any(&r->gateway))
            return false;
        w = word(&s);
    }
    if (w != NULL && strcmp(w, "metric") == 0) {
        uint64_t v;

        w = word(&s);
        if (w == NULL || !conf_get_u64(w, &v) || v > UINT32_MAX)
            return false;
        r->metric = (uint32_t)v;
        w = word(&s);
    }
    if (any && inaddr_is_v4(&r->gateway)) {
        r->prefix = INADDR_ANY_V4;
        r->plen = ROUTE_PLEN_V4;
    }
    if (w != NULL || (any && inaddr_is_any(&r->gateway)))
        return false;
    return inaddr_is_any(&r->gateway) || inaddr_is_v4(&r->gateway) == inaddr_is_v4(&r->prefix);
}

int iface_read_routes(struct iface_section *is)
{
    const struct ini_entry *e = iface_find(is, "routes");
    struct conf_port *p = is->p;

    for (const char *s = e != NULL ? e->value : ""; *s != '\0';) {
        size_t n = strcspn(s, ",");
        char one[160];

        snprintf(one, sizeof(one), "%.*s", n < sizeof(one) ? (int)n : 0, s);
        if (p->n_routes == CONF_MAX_ROUTES)
            return conf_bad(&is->b->out, e, "at most %d routes", CONF_MAX_ROUTES);
        if (!get_route(one, &p->route[p->n_routes]))
            return conf_bad(&is->b->out, e, ROUTE_FORM);
        p->n_routes++;
        s += n + (s[n] == ',');
    }
    return 0;
}
