/* ff_log: who gets through, where to, and what the calls return. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/ff_log_conf.h"
#include "core/stack.h"
#include "mon/mon.h"
#include "zstack/ff_errno.h"
#include "zstack/ff_log.h"

static char buf[65536];
static FILE *mem;

static int setup(void **state)
{
    (void)state;
    memset(buf, 0, sizeof(buf));
    mem = fmemopen(buf, sizeof(buf), "w");
    ff_log_reset_stream(mem);
    ff_log_set_global_level(FF_LOG_DEBUG);
    for (uint32_t t = 0; t < 32; t++)
        ff_log_set_level(t, FF_LOG_INFO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ff_log_close();
    ff_log_reset_stream(NULL);
    fclose(mem);
    return 0;
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(ff_log(FF_LOG_INFO, FF_LOGTYPE_FSTACK_APP, "a%d\n", 1), 3);
    assert_int_equal(ff_log(FF_LOG_DEBUG, FF_LOGTYPE_FSTACK_APP, "b\n"), 0);
    assert_int_equal(ff_log_set_level(FF_LOGTYPE_USER1, FF_LOG_DEBUG), 0);
    assert_int_equal(ff_log(FF_LOG_DEBUG, FF_LOGTYPE_USER1, "c\n"), 2);
    ff_log_set_global_level(FF_LOG_ERR);
    assert_int_equal(ff_log(FF_LOG_WARNING, FF_LOGTYPE_USER1, "d\n"), 0);
    assert_int_equal(ff_log(FF_LOG_ERR, FF_LOGTYPE_FSTACK_LIB, "e\n"), 2);
    ff_log_set_global_level(FF_LOG_DISABLE);
    assert_int_equal(ff_log(FF_LOG_EMERG, FF_LOGTYPE_USER8, "f\n"), 0);
    assert_string_equal(buf, "a1\nc\ne\n");
}

static void test_errors(void **state)
{
    (void)state;
    errno = 0;
    assert_int_equal(ff_log(FF_LOG_INFO, 32, "x"), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(ff_log(0, FF_LOGTYPE_USER1, "x"), -1);
    assert_int_equal(ff_log(9, FF_LOGTYPE_USER1, "x"), -1);
    assert_int_equal(ff_log_set_level(32, FF_LOG_INFO), -1);
    assert_int_equal(ff_log_set_level(FF_LOGTYPE_USER1, 9), -1);
    assert_string_equal(buf, "");
}

static void test_file(void **state)
{
    char dir[] = "/tmp/zstack-log-XXXXXX", prefix[64], path[80], line[64] = "";
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(prefix, sizeof(prefix), "%s/f-stack-", dir);
    snprintf(path, sizeof(path), "%s/f-stack-3.log", dir);
    ff_log_reset_stream(NULL);
    /* level 0: nothing is opened, nothing is logged */
    ff_log_configure(FF_LOG_DISABLE, prefix, 3);
    assert_int_equal(ff_log_open_set(), 0);
    assert_int_equal(ff_log(FF_LOG_EMERG, FF_LOGTYPE_USER1, "no\n"), 0);
    assert_int_equal(access(path, F_OK), -1);
    /* the configured level is enough, also for a type that was lower */
    ff_log_configure(FF_LOG_DEBUG, prefix, 3);
    assert_int_equal(ff_log_open_set(), 0);
    assert_int_equal(ff_log(FF_LOG_DEBUG, FF_LOGTYPE_USER2, "yes\n"), 4);
    ff_log_close();
    /* opened again, it grows */
    assert_int_equal(ff_log_open_set(), 0);
    assert_int_equal(ff_log(FF_LOG_ERR, FF_LOGTYPE_USER2, "more\n"), 5);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fread(line, 1, sizeof(line) - 1, f), 9);
    assert_string_equal(line, "yes\nmore\n");
    fclose(f);
    unlink(path);
    rmdir(dir);
    ff_log_configure(FF_LOG_INFO, prefix, 3);
    assert_int_equal(ff_log_open_set(), -1);
    assert_int_equal(errno, ENOENT);
}

/* FreeBSD's numbers where they differ from Linux' */
static void test_errno_numbers(void **state)
{
    (void)state;
    assert_int_equal(ff_EAGAIN, 35);
    assert_int_equal(ff_EWOULDBLOCK, 35);
    assert_int_equal(ff_EINPROGRESS, 36);
    assert_int_equal(ff_ENOTSUP, 45);
    assert_int_equal(ff_EADDRINUSE, 48);
    assert_int_equal(ff_ECONNRESET, 54);
    assert_int_equal(ff_ENOTCONN, 57);
    assert_int_equal(ff_ETIMEDOUT, 60);
    assert_int_equal(ff_ECONNREFUSED, 61);
    assert_int_equal(ff_EPROTO, 92);
}

static void test_counters_print(void **state)
{
    struct z_stack *s = calloc(1, sizeof(*s));

    (void)state;
    s->ctr.v[CTR_RX_PACKETS] = 7;
    s->ctr.v[CTR_COPY_API] = 100;
    s->ctr.v[CTR_COPY_LOAN] = 23;
    s->ctr.v[CTR_COPY_DELIBERATE] = 5;
    assert_int_equal(mon_copied_bytes(&s->ctr), 123);
    assert_int_equal(mon_copied_deliberate_bytes(&s->ctr), 5);
    mon_counters_print(&(struct mon_stacks){.n = 1, .ctr = {&s->ctr}}, mem, false);
    assert_string_equal(buf,
                        "copied payload                    123  bytes copied, total of the copy.* counters but deliberate (5 deliberate)\n"
                        "port.rx_packets                     7  frames received\n"
                        "copy.deliberate_bytes               5  bytes copied on purpose: small writes and collapse under pressure\n"
                        "copy.api_bytes                    100  payload bytes copied by the copying calls (ff_read, ff_write and kin)\n"
                        "copy.loan_bytes                    23  payload bytes copied out because the loan quota was reached\n");
    rewind(mem);
    mon_counters_print(&(struct mon_stacks){.n = 1, .ctr = {&s->ctr}}, mem, true);
    for (int i = 0; i < CTR_COUNT; i++)
        assert_non_null(strstr(buf, ctr_names[i]));
    free(s);
}

/* Several stacks: the total first, then each core's. */
static void test_counters_of_cores(void **state)
{
    struct z_stack *s[2] = {calloc(1, sizeof(*s[0])), calloc(1, sizeof(*s[0]))};
    const struct mon_stacks m = {.n = 2, .ctr = {&s[0]->ctr, &s[1]->ctr}, .core = {3, 12}};

    (void)state;
    s[0]->ctr.v[CTR_RX_PACKETS] = 7;
    s[1]->ctr.v[CTR_RX_PACKETS] = 30;
    s[1]->ctr.v[CTR_COPY_API] = 5;
    rewind(mem);
    mon_counters_print(&m, mem, false);
    assert_string_equal(
        buf,
        "                          total         core 3        core 12\n"
        "copied payload                5  bytes copied, total of the copy.* counters but deliberate (0 deliberate)\n"
        "port.rx_packets              37              7             30  frames received\n"
        "copy.api_bytes                5              0              5  payload bytes copied by the copying calls (ff_read, ff_write and "
        "kin)\n");
    free(s[0]);
    free(s[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test(test_errno_numbers),
        cmocka_unit_test_setup_teardown(test_counters_print, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counters_of_cores, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
