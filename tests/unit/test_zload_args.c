/* tools/zload_args.c: what every option does, and that each wrong word has one clear line. */
#include <arpa/inet.h>
#include <stdio.h>

#include "unit.h"

#include "../../tools/zload_args.h"

#define WORDS_MAX 64

static struct args a;
static char err[256];

/* The words of a line, "zload" in front; ~ in a word stands for a space. */
static int read_line(const char *line)
{
    static char copy[2048];
    char *argv[WORDS_MAX + 1] = {(char *)"zload"}, *save;
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        for (char *p = w; *p != '\0'; p++)
            *p = *p == '~' ? ' ' : *p;
        assert_true(argc < WORDS_MAX);
        argv[argc++] = w;
    }
    err[0] = '\0';
    return args_read(argc, argv, &a, err, sizeof(err));
}

static void good(const char *line)
{
    if (read_line(line) != 0)
        fail_msg("%s: %s", line, err);
}

static void defaults(void **state)
{
    const struct sockaddr_in *to = (const struct sockaddr_in *)&a.server.sa;
    char text[64];

    (void)state;
    good("http://10.0.0.2");
    assert_int_equal(a.protocol, PROTOCOL_HTTP);
    assert_int_equal(to->sin_family, AF_INET);
    assert_int_equal(ntohs(to->sin_port), 80);
    assert_string_equal(inet_ntop(AF_INET, &to->sin_addr, text, sizeof(text)), "10.0.0.2");
    assert_string_equal(a.path, "/");
    assert_string_equal(a.host, "10.0.0.2");
    assert_string_equal(a.method, "GET");
    assert_int_equal(a.connections, 1);
    assert_int_equal(a.depth, 1);
    assert_true(a.rate == 0);
    assert_int_equal(a.duration_ns, 10000000000);
    assert_int_equal(a.warmup_ns, 1000000000);
    assert_int_equal(a.requests, ARGS_NONE);
    assert_int_equal(a.windows, 1);
    assert_int_equal(a.check_every, 16);
    assert_int_equal(a.expect_bytes, ARGS_NONE);
    assert_int_equal(a.format, FORMAT_TEXT);
    assert_int_equal(a.stack_argc, 1);
    assert_null(a.stack_argv[1]);
    good("echo://10.0.0.2");
    assert_int_equal(a.protocol, PROTOCOL_ECHO);
    assert_int_equal(ntohs(to->sin_port), 7);
    assert_int_equal(a.size, 64);
}

static void targets(void **state)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a.server.sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a.server.sa;

    (void)state;
    good("http://10.0.0.2:8080/a/b?c=d");
    assert_int_equal(ntohs(v4->sin_port), 8080);
    assert_string_equal(a.path, "/a/b?c=d");
    assert_string_equal(a.host, "10.0.0.2:8080");
    good("http://[2001:db8::2]/x");
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_int_equal(ntohs(v6->sin6_port), 80);
    assert_string_equal(a.host, "[2001:db8::2]");
    good("echo://[fe80::1%2]:9");
    assert_int_equal(v6->sin6_scope_id, 2);
    assert_int_equal(ntohs(v6->sin6_port), 9);
    assert_int_equal(a.server.len, sizeof(*v6));
}

static void every_option(void **state)
{
    (void)state;
    good("--connections=1k --depth 8 --rate 1.5m --reset --ramp 500ms --wait 0 --warmup 2 --duration 2m --timeout 10ms http://10.0.0.2");
    assert_int_equal(a.connections, 1000);
    assert_int_equal(a.depth, 8);
    assert_true(a.rate == 1500000);
    assert_true(a.reset && !a.brief);
    assert_int_equal(a.ramp_ns, 500000000);
    assert_int_equal(a.wait_ns, 0);
    assert_int_equal(a.warmup_ns, 2000000000);
    assert_int_equal(a.duration_ns, 120000000000);
    assert_int_equal(a.timeout_ns, 10000000);
    good("--short --requests 5 --body 2k --header X:~1 --header Y:~2 http://10.0.0.2 --expect 4k --content alphabet --check 1");
    assert_true(a.brief);
    assert_int_equal(a.requests, 5);
    assert_int_equal(a.body_bytes, 2048);
    assert_string_equal(a.method, "POST");
    assert_int_equal(a.n_headers, 2);
    assert_string_equal(a.header[1], "Y: 2");
    assert_int_equal(a.expect_bytes, 4096);
    assert_int_equal(a.content, CONTENT_ALPHABET);
    assert_int_equal(a.check_every, 1);
    good("http://10.0.0.2 --method HEAD --expect any --local 10.0.0.3,10.0.0.4 --windows 5 --server-pid 12 --format csv --progress "
         "--counters");
    assert_string_equal(a.method, "HEAD");
    assert_true(a.expect_any && a.progress && a.counters);
    assert_int_equal(a.n_local, 2);
    assert_int_equal(a.windows, 5);
    assert_int_equal(a.server_pid, 12);
    assert_int_equal(a.format, FORMAT_CSV);
    good("--size 32k echo://10.0.0.2 --format=json");
    assert_int_equal(a.size, 32768);
    assert_int_equal(a.format, FORMAT_JSON);
    good("--help");
    assert_true(a.help);
    good("-h");
    assert_true(a.help);
}

/* The stack's options go on to ff_init, in any place before "--"; the values of ours never do, whatever they look like. */
static void stack_options(void **state)
{
    (void)state;
    good("--connections 5 --conf a.ini http://10.0.0.2 --proc-id=3 --proc-type primary");
    assert_int_equal(a.stack_argc, 7);
    assert_string_equal(a.stack_argv[0], "zload");
    assert_string_equal(a.stack_argv[1], "--conf");
    assert_string_equal(a.stack_argv[2], "a.ini");
    assert_string_equal(a.stack_argv[3], "--proc-id");
    assert_string_equal(a.stack_argv[4], "3");
    assert_string_equal(a.stack_argv[6], "primary");
    assert_null(a.stack_argv[7]);
    good("-c a.ini -- --depth 2 http://10.0.0.2");
    assert_int_equal(a.stack_argc, 3);
    assert_string_equal(a.stack_argv[1], "--conf");
    assert_int_equal(a.depth, 2);
    good("http://10.0.0.2 --header --conf=x:~y");
    assert_int_equal(a.stack_argc, 1);
    assert_string_equal(a.header[0], "--conf=x: y");
}

struct wrong {
    const char *line;
    const char *says; /* a part of the line that must come out */
};

static const struct wrong wrongs[] = {
    {"", "target is missing"},
    {"10.0.0.2", "http://"},
    {"ftp://10.0.0.2", "http://"},
    {"http://", "literal address"},
    {"http://server/", "literal address"},
    {"http://10.0.0.2.3/", "literal address"},
    {"http://10.0.0.2:0/", "port"},
    {"http://10.0.0.2:65536/", "port"},
    {"http://10.0.0.2:-1/", "port"},
    {"http://10.0.0.2:80x/", "literal address"},
    {"http://[2001:db8::2/", "literal address"},
    {"http://2001:db8::2/", "literal address"},
    {"http://[fe80::1%eth0]/", "literal address"},
    {"http://10.0.0.2/a~b", "blanks"},
    {"echo://10.0.0.2/x", "no path"},
    {"echo://10.0.0.2 echo://10.0.0.3", "second target"},
    {"--conf", "--conf"},
    {"-- --conf x http://10.0.0.2", "unknown option --conf"},
    {"--connection 5 http://10.0.0.2", "unknown option"},
    {"-x http://10.0.0.2", "unknown option"},
    {"--connections http://10.0.0.2", "--connections"},
    {"http://10.0.0.2 --connections", "behind it"},
    {"http://10.0.0.2 --connections 0", "from 1 to"},
    {"http://10.0.0.2 --connections 5m", "from 1 to"},
    {"http://10.0.0.2 --connections -1", "from 1 to"},
    {"http://10.0.0.2 --connections 1.5", "from 1 to"},
    {"http://10.0.0.2 --connections 0x10", "from 1 to"},
    {"http://10.0.0.2 --connections 5x", "from 1 to"},
    {"http://10.0.0.2 --connections inf", "from 1 to"},
    {"http://10.0.0.2 --depth 1025", "1024"},
    {"http://10.0.0.2 --rate 0", "requests per second"},
    {"http://10.0.0.2 --rate nan", "requests per second"},
    {"http://10.0.0.2 --duration 0", "1ms"},
    {"http://10.0.0.2 --duration 5h", "1ms"},
    {"http://10.0.0.2 --windows 2000", "1 to 1000"},
    {"http://10.0.0.2 --windows 100 --duration 50ms", "--windows"},
    {"http://10.0.0.2 --windows 5 --requests 5", "--windows and --requests"},
    {"http://10.0.0.2 --short --depth 2", "--short and --depth"},
    {"http://10.0.0.2 --short=1", "takes no value"},
    {"http://10.0.0.2 --size 5", "--size is for echo"},
    {"echo://10.0.0.2 --body 5", "are for http"},
    {"echo://10.0.0.2 --expect any", "are for http"},
    {"echo://10.0.0.2 --size 0", "from 1 to 65280"},
    {"echo://10.0.0.2 --size 64k", "from 1 to 65280"},
    {"http://10.0.0.2 --header nothing", "a line like"},
    {"http://10.0.0.2 --header a:~b\r\nc:~d", "a line like"},
    {"http://10.0.0.2 --method G~T", "a method"},
    {"http://10.0.0.2 --content second", "first or alphabet"},
    {"http://10.0.0.2 --format xml", "text, json or csv"},
    {"http://10.0.0.2 --expect 5y", "bytes like"},
    {"http://10.0.0.2 --local 10.0.0.3,", "addresses like"},
    {"http://10.0.0.2 --local 2001:db8::1", "family"},
    {"http://10.0.0.2 --server-pid 0", "a process number"},
};

static void wrong_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        if (read_line(wrongs[i].line) == 0)
            fail_msg("taken: %s", wrongs[i].line);
        if (strstr(err, wrongs[i].says) == NULL)
            fail_msg("%s: says \"%s\", not \"%s\"", wrongs[i].line, err, wrongs[i].says);
        assert_null(strchr(err, '\n'));
    }
}

/* The text of --help names every option that is taken, and nothing else. */
static void usage_is_complete(void **state)
{
    char line[128];

    (void)state;
    for (const char *p = args_usage; (p = strstr(p, "  --")) != NULL; p += 4) {
        size_t n = strcspn(p + 4, " \n");

        snprintf(line, sizeof(line), "--%.*s", (int)n, p + 4);
        read_line(line);
        assert_null(strstr(err, "unknown"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),      cmocka_unit_test(targets),     cmocka_unit_test(every_option),
        cmocka_unit_test(stack_options), cmocka_unit_test(wrong_lines), cmocka_unit_test(usage_is_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
