/* Texts of config.ini, what is said of them, and what comes of them. */
#ifndef TESTS_UNIT_CONF_FIXTURE_H
#define TESTS_UNIT_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/conf_priv.h"

#define MAX_LINES 64

struct said {
    unsigned n;
    char line[MAX_LINES][900];
};

static inline void hear(void *arg, const char *line)
{
    struct said *s = arg;

    assert_null(strchr(line, '\n'));
    if (s->n < MAX_LINES)
        snprintf(s->line[s->n], sizeof(s->line[0]), "%s", line);
    s->n++;
}

static struct said said;

static inline int parse(struct conf *c, const char *text)
{
    said.n = 0;
    return conf_parse(c, text, strlen(text), "config.ini", "prog", hear, &said);
}

/* The smallest file that is complete. */
#define DPDK "[dpdk]\nlcore_mask=1\nport_list=0\n"
#define PORT "[port0]\naddr=10.0.0.2\nnetmask=255.255.255.0\n"
#define BASE DPDK PORT

static inline void expect_error(const char *text, const char *line)
{
    struct conf c;

    assert_int_equal(parse(&c, text), -1);
    assert_int_equal(said.n, 1);
    assert_string_equal(said.line[0], line);
    assert_int_equal(c.eal_argc, 0);
}

static inline void expect_warning(const char *text, const char *line)
{
    struct conf c;

    assert_int_equal(parse(&c, text), 0);
    assert_int_equal(said.n, 1);
    assert_string_equal(said.line[0], line);
    conf_free(&c);
}

static inline void expect_silence(const char *text)
{
    struct conf c;

    assert_int_equal(parse(&c, text), 0);
    if (said.n != 0)
        fail_msg("%s", said.line[0]);
    conf_free(&c);
}

/* The EAL arguments after the program's name, joined by spaces. */
static inline void expect_eal(const char *text, const char *args)
{
    char buf[4096] = "";
    struct conf c;

    if (parse(&c, text) != 0)
        fail_msg("%s", said.line[0]);
    assert_string_equal(c.eal_argv[0], "prog");
    assert_null(c.eal_argv[c.eal_argc]);
    for (int i = 1; i < c.eal_argc; i++) {
        strcat(buf, i > 1 ? " " : "");
        strcat(buf, c.eal_argv[i]);
    }
    assert_string_equal(buf, args);
    conf_free(&c);
}

#endif
