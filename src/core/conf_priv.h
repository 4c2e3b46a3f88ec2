/*
 * Inside of the configuration: text -> entries (conf_ini.c) -> values (conf_value.c) -> settings by key tables
 * (conf_keys.c, conf_dpdk.c) -> ports (conf_port.c) -> devices and EAL arguments (conf_eal.c).
 */
#ifndef CORE_CONF_PRIV_H
#define CORE_CONF_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conf.h"

/* Where messages go. */
struct conf_out {
    const char *file;
    void (*say)(void *arg, const char *line);
    void *arg;
};

/* One key=value, or a [section] line (key NULL). Strings point into ini.text. */
struct ini_entry {
    uint32_t line;
    const char *section, *key, *value;
};

struct ini {
    char *text;
    struct ini_entry *e;
    size_t n, cap;
};

/* 0, or -1 after an error line. ini_free() in both cases. */
int ini_parse(struct ini *ini, const struct conf_out *out, const char *text, size_t len);
void ini_free(struct ini *ini);

/* The last entry of this name (a later one replaces an earlier one, as in F-Stack), or NULL. */
const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key);
/* The line of [section], or NULL. */
const struct ini_entry *ini_find_section(const struct ini *ini, const char *section);

/* Messages. All errors return -1. found: shortened, unprintable bytes replaced. */
int conf_bad(const struct conf_out *out, const struct ini_entry *e, const char *expected, ...) __attribute__((format(printf, 3, 4)));
int conf_missing(const struct conf_out *out, const char *section, const char *key, const char *expected);
int conf_error(const struct conf_out *out, uint32_t line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void conf_warn(const struct conf_out *out, uint32_t line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Values. false: not of this form. */
bool conf_get_u64(const char *s, uint64_t *v);       /* decimal digits */
bool conf_get_hex(const char *s, uint64_t *v);       /* hex digits, 0x optional */
bool conf_get_size(const char *s, uint64_t *v);      /* decimal, then nothing or one of k m g t (powers of 1024) */
bool conf_get_ipv4(const char *s, uint32_t *v);      /* four decimal numbers; host order */
bool conf_get_ipv6(const char *s, struct inaddr *a); /* not a mapped IPv4 address */
/* The next of a list separated by ';' or blanks, "" where it is longer than an item can be. False: the list is at its end. */
bool conf_next_item(const char **list, char *item, size_t size);
bool conf_get_numlist(const char *s, uint16_t *list, unsigned max, unsigned *n); /* 0-3,7 */
void conf_put_size(char *buf, size_t len, uint64_t v);                           /* as short as conf_get_size can read it */
void conf_put_ipv4(char *buf, size_t len, uint32_t v);

enum conf_type {
    CONF_NUM,        /* decimal */
    CONF_SIZE,       /* bytes with suffix */
    CONF_TIME,       /* number * scale nanoseconds */
    CONF_BOOL,       /* 0 or 1 */
    CONF_SPECIAL,    /* set() */
    CONF_IN_SECTION, /* read together with its section: conf_port.c, conf_eal.c */
    CONF_NO_EFFECT,  /* F-Stack has it, here it has nothing to act on: accepted in silence */
    CONF_NOT_YET,    /* accepted; a warning when it is on */
};

struct conf_build;

struct conf_key {
    const char *section, *name; /* numbered sections: "portN" */
    enum conf_type type;
    uint32_t offset; /* in struct conf */
    uint8_t bytes;
    uint64_t min, max, scale; /* min and max in units of scale */
    int (*set)(struct conf_build *b, const struct ini_entry *e);
};

extern const struct conf_key conf_keys_zstack[], conf_keys_freebsd[], conf_keys_dpdk[], conf_keys_other[]; /* end: section NULL */

/* The key's entry in the tables, or NULL. n >= 0 in *num for a numbered section. */
const struct conf_key *conf_key_find(const char *section, const char *key);
/* "port12" -> "portN" and 12; other names unchanged with -1. */
const char *conf_section_class(const char *section, int *num);
bool conf_section_known(const char *class_name);
/* Of a name that is not known, the known one that it probably is: a key of the section, or with NULL a section; NULL: none is near. */
const char *conf_nearest(const char *section, const char *name);
/* Letters to add, drop, replace or swap with their neighbour to make a of b; limit + 1: more than limit, or longer than any key. */
unsigned conf_distance(const char *a, const char *b, unsigned limit);
/* For every key of every table. */
void conf_key_each(void (*fn)(void *arg, const struct conf_key *k), void *arg);
/* The value of a NUM, SIZE, TIME or BOOL key as config.ini would spell it. */
void conf_key_print(const struct conf_key *k, const struct conf *c, char *buf, size_t len);
/* Of a setting of a running stack, in the key's unit. conf_key_put: false, and nothing changed, when v is out of range. */
bool conf_key_is_stack(const struct conf_key *k);
uint64_t conf_key_get(const struct conf_key *k, const struct stack_conf *c);
bool conf_key_put(const struct conf_key *k, struct stack_conf *c, uint64_t v);
int conf_key_apply(struct conf_build *b, const struct conf_key *k, const struct ini_entry *e);

/* What the file says that is not a setting by itself. */
struct conf_build {
    struct conf *c;
    struct ini ini;
    struct conf_out out;
    uint16_t mtu;
    bool delayed_ack_off;
    uint32_t nb_vdev;
    const struct ini_entry *nb_vdev_at;
    uint32_t channel, memory_mb, eal_log_level;
    uint64_t base_virtaddr;
    size_t eal_bytes; /* used in c->eal_text */
    const char *file_prefix, *allow, *extra_eal_args;
    unsigned n_port_ids;
    uint16_t port_ids[CONF_MAX_PORTS];
    unsigned n_vlan_ids;
    uint16_t vlan_ids[CONF_MAX_VLANS];
};

int conf_build_ports(struct conf_build *b);                 /* conf_port.c */
int conf_build_eal(struct conf_build *b, const char *prog); /* conf_eal.c */
uint32_t conf_pools_mb(const struct pkt_pool_sizes *p);     /* memory that EAL needs for these pools */

#endif
