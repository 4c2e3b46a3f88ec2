/* /zstack/counters, asked over DPDK's telemetry socket as dpdk-telemetry.py does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>

#include "core/stack.h"
#include "mon/mon.h"

static int sock;

static int setup(void **state)
{
    char prefix[64];
    char *argv[] = {"test", "--no-huge", "--no-pci", "--no-shconf", "-m", "64", "--log-level=3", prefix, NULL};

    (void)state;
    snprintf(prefix, sizeof(prefix), "--file-prefix=test-telemetry-%d", (int)getpid());
    return rte_eal_init(8, argv) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int ret;

    (void)state;
    close(sock);
    ret = rte_eal_cleanup();
    /* The directory is named after this process: it would stay for ever. */
    snprintf(path, sizeof(path), "%s/dpdk_telemetry.v2", rte_eal_get_runtime_dir());
    unlink(path);
    rmdir(rte_eal_get_runtime_dir());
    return ret;
}

static const char *ask(const char *question)
{
    static char answer[65536];
    ssize_t n;

    if (question != NULL)
        assert_int_equal(send(sock, question, strlen(question), 0), (ssize_t)strlen(question));
    n = recv(sock, answer, sizeof(answer) - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    return answer;
}

/* In one answer or the other. */
static void each_is_told(void)
{
    static char counters[65536];

    snprintf(counters, sizeof(counters), "%s", ask("/zstack/counters"));
    ask("/zstack/drops");
    for (int i = 0; i < CTR_COUNT; i++) {
        const char *drops = ask("/zstack/drops");
        char key[64];

        snprintf(key, sizeof(key), "\"%s\":", ctr_names[i]);
        for (char *c = key; *c != '\0'; c++)
            *c = *c == '.' ? '_' : *c;
        assert_int_equal(strstr(counters, key) != NULL, strncmp(key, "\"drop_", 6) != 0);
        assert_int_equal(strstr(drops, key) != NULL, strncmp(key, "\"drop_", 6) == 0);
    }
}

static void test_counters(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 10};
    struct z_stack *s = calloc(1, sizeof(*s)), *other = calloc(1, sizeof(*other));

    (void)state;
    s->ctr.v[CTR_RX_PACKETS] = 1234567890123ull;
    s->ctr.v[CTR_COPY_API] = 77;
    s->ctr.v[DROP_DISPATCHED] = 5;
    assert_int_equal(mon_telemetry_add(2, &s->ctr), 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/dpdk_telemetry.v2", rte_eal_get_runtime_dir());
    sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(sock, (struct sockaddr *)&a, sizeof(a)), 0);
    ask(NULL); /* the greeting */
    ask("/zstack/counters,2");
    assert_non_null(strstr(ask("/zstack/counters,2"), "\"port_rx_packets\":1234567890123"));
    assert_non_null(strstr(ask("/zstack/counters,2"), "\"copied_bytes\":77"));
    for (int i = 0; i < 2; i++)
        assert_string_equal(ask(i == 0 ? "/zstack/counters,3" : "/zstack/counters,x"), "{\"/zstack/counters\":null}");
    other->ctr.v[CTR_COPY_API] = 3;
    assert_int_equal(mon_telemetry_add(3, &other->ctr), 0);
    assert_non_null(strstr(ask("/zstack/counters,3"), "\"copied_bytes\":3"));
    assert_non_null(strstr(ask("/zstack/counters"), "\"stacks\":2,\"copied_bytes\":80"));
    assert_non_null(strstr(ask("/zstack/drops,2"), "\"drop_dispatched\":5"));
    each_is_told();
    mon_telemetry_remove(&s->ctr);
    assert_string_equal(ask("/zstack/counters,2"), "{\"/zstack/counters\":null}");
    mon_telemetry_remove(&other->ctr);
    assert_string_equal(ask("/zstack/counters"), "{\"/zstack/counters\":null}");
    free(s);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counters)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
