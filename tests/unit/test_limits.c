/* What an operator hears when a limit is reached: which, how often, and the key to raise; not more than once a minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conf_priv.h"
#include "core/stack.h"
#include "mon/mon.h"

static char said[4096];
static unsigned lines;

static void say(void *arg, const char *line)
{
    (void)arg;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", line);
    lines++;
}

static void check(struct mon_limits *ml, const struct z_stack *s)
{
    said[0] = '\0';
    lines = 0;
    mon_limits_check(ml, s, say, NULL);
}

static void test_names_the_key(void **state)
{
    struct z_stack *s = calloc(1, sizeof(*s));
    struct mon_limits ml = {0};

    (void)state;
    s->now_ns = NS_PER_SEC;
    check(&ml, s);
    assert_int_equal(lines, 0);
    s->ctr.v[CTR_SOCK_LIMIT] = 3;
    check(&ml, s);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(said, "3 (sock.limit_reached); raise max_sockets\n"));
    assert_true(ml.next_ns > s->now_ns);
    free(s);
}

static void test_rate_is_limited(void **state)
{
    struct z_stack *s = calloc(1, sizeof(*s));
    struct mon_limits ml = {0};
    unsigned total = 0;

    (void)state;
    for (unsigned i = 1; i <= 600; i++) { /* ten minutes, every second */
        s->now_ns = i * NS_PER_SEC;
        s->ctr.v[DROP_TCP_CONN_LIMIT] += 10;
        check(&ml, s);
        total += lines;
    }
    assert_int_equal(total, 10);
    s->now_ns += 61 * NS_PER_SEC;
    check(&ml, s);
    assert_non_null(strstr(said, ": 590 (drop.tcp_conn_limit)")); /* nothing is lost in between */
    free(s);
}

/* Every key that a line begins with is one of config.ini's; families like app_buffers_* count by their first member. */
static void test_keys_exist(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mon_n_limits; i++) {
        char key[64];

        if (strncmp(mon_limit_table[i].key, "nothing here", 12) == 0)
            continue;
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(mon_limit_table[i].key, " ,:"), mon_limit_table[i].key);
        if (conf_key_find("zstack", key) == NULL)
            fail_msg("no such key: %s", key);
    }
}

static bool names_a_limit(const char *key)
{
    static const char *const part[] = {"_limit", "max_", "_memory", "_pieces", "_blocks", "_records", "_quota", "ip6_ext_", "tx_headers", "somaxconn"};

    for (unsigned i = 0; i < ARRAY_LEN(part); i++)
        if (strstr(key, part[i]) != NULL)
            return conf_key_find("zstack", key) != NULL;
    return false;
}

/* Is there a key of a limit in parentheses? */
static bool is_of_a_limit(const char *help)
{
    const char *p = strchr(help, '(');
    char word[64];

    while (p != NULL && *p != '\0') {
        size_t n = strcspn(p, "(), :;");

        snprintf(word, sizeof(word), "%.*s", (int)n, p);
        if (names_a_limit(word))
            return true;
        p += n + (p[n] != '\0');
    }
    return false;
}

static bool has_line(unsigned ctr)
{
    for (unsigned i = 0; i < mon_n_limits; i++)
        if (mon_limit_table[i].ctr == ctr)
            return true;
    return false;
}

/* A counter whose meaning names the key of a limit has its line. */
static void test_every_limit_has_its_line(void **state)
{
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < CTR_COUNT; i++) {
        if (!is_of_a_limit(ctr_help[i]))
            continue;
        n++;
        if (!has_line(i))
            fail_msg("nobody is told of %s", ctr_names[i]);
    }
    assert_in_range(n, 20, CTR_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_the_key),
        cmocka_unit_test(test_rate_is_limited),
        cmocka_unit_test(test_keys_exist),
        cmocka_unit_test(test_every_limit_has_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
