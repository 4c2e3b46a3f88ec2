/*
 * A process with a stack behind the public calls: ff_init with a device that swallows everything (net_null); connections
 * go to the stack's own address. The stack ends with its process, so a test of its end runs in a child made before ff_init.
 */
#ifndef TESTS_UNIT_API_FIXTURE_H
#define TESTS_UNIT_API_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zstack/ff_api.h"
#include "zstack/ff_epoll.h"
#include "zstack/ff_veth.h"
#include "zstack/z_api.h"

#define API_ADDR 0x0a090001u /* 10.9.0.1 */

#define assert_errno(call, err)                                                                                                            \
    do {                                                                                                                                   \
        errno = 0;                                                                                                                         \
        assert_int_equal((call), -1);                                                                                                      \
        assert_int_equal(errno, (err));                                                                                                    \
    } while (0)

/* What DPDK leaves behind. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:librte_\n";
}

static inline void api_start_on(const char *device, const char *dpdk_keys, const char *zstack_keys)
{
    char name[] = "/tmp/zstack_test_api_XXXXXX", arg[64];
    int fd = mkstemp(name);
    FILE *f = fdopen(fd, "w");
    char *argv[] = {(char *)"test", arg, NULL};

    assert_non_null(f);
    fprintf(f,
            "[dpdk]\nlcore_mask=1\nno_huge=1\nmemory=128\nlog_level=3\nextra_eal_args=--no-shconf --no-pci\nport_list=0\n%s\n"
            "[vdev0]\ndevargs=%s\n[port0]\naddr=10.9.0.1\nnetmask=255.255.255.0\nbroadcast=10.9.0.255\n"
            "[zstack]\nrx_buffers=1024\ntx_headers=2048\ntx_indirect=2048\napp_buffers_2k=1024\napp_buffers_9k=64\napp_buffers_64k=16\n"
            "conn_memory=64M\nmax_sockets=1024\nmax_connections=1024\n%s\n",
            dpdk_keys, device, zstack_keys);
    fclose(f);
    snprintf(arg, sizeof(arg), "--conf=%s", name);
    assert_int_equal(ff_init(2, argv), 0);
    unlink(name);
}

static inline void api_start_with(const char *dpdk_keys, const char *zstack_keys)
{
    api_start_on("net_null0,no-rx=1", dpdk_keys, zstack_keys);
}

/* Keys for a stack and a thread on each of the cores 0 and 1; are these the process's? */
#define API_TWO_CORES "lcore_mask=3\nthread_mode=1\nmemory=256\n"

static inline bool api_has_two_cpus(void)
{
    cpu_set_t cpus;

    return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_ISSET(0, &cpus) && CPU_ISSET(1, &cpus);
}

static inline void api_start(const char *zstack_keys)
{
    api_start_with("", zstack_keys);
}

static inline struct sockaddr_in api_in(uint32_t addr, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(addr)};
}

static inline int api_bind(int fd, uint32_t addr, uint16_t port)
{
    struct sockaddr_in in = api_in(addr, port);

    return ff_bind(fd, (struct linux_sockaddr *)&in, sizeof(in));
}

static inline int api_connect(int fd, uint32_t addr, uint16_t port)
{
    struct sockaddr_in in = api_in(addr, port);

    return ff_connect(fd, (struct linux_sockaddr *)&in, sizeof(in));
}

static inline int api_listener(uint16_t port)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(api_bind(fd, 0, port), 0);
    assert_int_equal(ff_listen(fd, 16), 0);
    return fd;
}

/* Two blocking connected sockets. */
static inline void api_pair(int pair[2])
{
    static uint16_t port = 4000;
    int l = api_listener(++port);

    pair[0] = ff_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(api_connect(pair[0], API_ADDR, port), 0);
    pair[1] = ff_accept(l, NULL, NULL);
    assert_true(pair[1] >= 0);
    assert_int_equal(ff_close(l), 0);
}

static inline void api_nonblock(int fd, int on)
{
    assert_int_equal(ff_ioctl(fd, FIONBIO, &on), 0);
}

static inline uint64_t api_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Runs body in a child of its own; returns its exit status (128 + signal when it was killed). */
static inline int api_in_child(void (*body)(void))
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(60); /* a hang is a failure; a machine with much to do is none */
        body();
        exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* For bodies in a child, where cmocka's asserts have nowhere to go. */
#define CHILD_CHECK(cond)                                                                                                                  \
    do {                                                                                                                                   \
        if (!(cond)) {                                                                                                                     \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno);                                                   \
            _exit(100);                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

#endif
