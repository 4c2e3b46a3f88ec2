#include "zload_args.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_SEC 1000000000ull

const char args_usage[] =
    "usage: zload --conf config.ini [options] http://ADDRESS[:PORT][/PATH] | echo://ADDRESS[:PORT]\n"
    "Loads a server through a DPDK port and measures rate and latency.\n"
    "\n"
    "load\n"
    "  --connections N       open at the same time (default 1)\n"
    "  --depth N             requests outstanding on each (default 1)\n"
    "  --rate R              open loop: R requests per second, latency from the intended time (k and m: 1000, 1000000)\n"
    "  --short               a new connection for each request\n"
    "  --reset               end connections with a reset: nothing stays in TIME-WAIT\n"
    "  --local A[,A...]      local addresses, used in turn (default: the port's)\n"
    "  --ramp T              open the connections over this time (default: as fast as it goes)\n"
    "  --wait T              for the server and the local addresses, before the start (default 5s)\n"
    "  --warmup T            not measured (default 1s)\n"
    "  --duration T          measured (default 10s)\n"
    "  --requests N          end after N measured responses\n"
    "  --timeout T           for a connection, and for a response (default 5s)\n"
    "requests\n"
    "  --size N              bytes of an echo message (default 64, at most 65280; k: 1024)\n"
    "  --method M            of HTTP (default GET, with --body POST)\n"
    "  --body N              bytes of an HTTP request's body (at most 64000)\n"
    "  --header 'NAME: V'    one more header line\n"
    "responses\n"
    "  --expect N|any        bytes of a body (default: as many as the first one has)\n"
    "  --content first|alphabet   what a body must be: the first one, or abc...zabc...\n"
    "  --check N             compare the content of every Nth response of a connection (default 16, 1: all, 0: none)\n"
    "results\n"
    "  --windows N           divide the measurement, results and stolen time for each part\n"
    "  --server-pid PID      CPU time of this process (and of its threads)\n"
    "  --format text|json|csv\n"
    "  --progress            once a second on standard error (default: when that is a terminal)\n"
    "  --counters            the stack's counters, on standard error at the end\n"
    "  --help                or -h: this\n"
    "Times are seconds, or with a unit: us, ms, s, m. --conf, --proc-type and --proc-id are the stack's. Ctrl-C ends the measurement.\n"
    "Exit status: 0; 1: not started; 2: started, and there were errors.\n";

struct reader {
    struct args *a;
    char *err;
    size_t err_bytes;
};

__attribute__((format(printf, 2, 3))) static int bad(const struct reader *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->err, r->err_bytes, fmt, ap);
    va_end(ap);
    for (char *p = r->err; *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            *p = '?'; /* one line, whatever was found */
    return -1;
}

/* values ------------------------------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    double factor;
};

static const struct unit unit_decimal[] = {{"", 1}, {"k", 1e3}, {"m", 1e6}, {NULL, 0}};
static const struct unit unit_binary[] = {{"", 1}, {"k", 1024}, {"m", 1048576}, {NULL, 0}};
static const struct unit unit_time[] = {{"", 1e9}, {"s", 1e9}, {"us", 1e3}, {"ms", 1e6}, {"m", 60e9}, {NULL, 0}};

/* A number with one of the units, times its factor. */
static bool number(const char *text, const struct unit *u, double *v)
{
    char *end;

    if (strspn(text, "0123456789") == 0)
        return false; /* strtod would take signs, spaces, words, and 0x */
    *v = strtod(text, &end);
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return false;
    for (; u->name != NULL; u++) {
        if (strcasecmp(end, u->name) != 0)
            continue;
        *v *= u->factor;
        return *v < 1e18;
    }
    return false;
}

enum kind { KIND_FLAG, KIND_COUNT, KIND_SIZE, KIND_TIME, KIND_RATE, KIND_WORD, KIND_CHOICE, KIND_OTHER };

struct option {
    const char *name; /* without dashes */
    enum kind kind;
    size_t at; /* of the value in struct args */
    uint64_t low, high;
    const char *expected;
};

#define AT(member) offsetof(struct args, member)

static const struct option options[] = {
    {"connections", KIND_COUNT, AT(connections), 1, ARGS_CONNECTIONS_MAX, "a number from 1 to 4000000"},
    {"depth", KIND_COUNT, AT(depth), 1, ARGS_DEPTH_MAX, "a number from 1 to 1024"},
    {"rate", KIND_RATE, AT(rate), 1, 1000000000, "requests per second like 500, 20k or 1.5m"},
    {"short", KIND_FLAG, AT(brief), 0, 0, NULL},
    {"reset", KIND_FLAG, AT(reset), 0, 0, NULL},
    {"local", KIND_OTHER, 0, 0, 0, "addresses like 10.0.0.3,10.0.0.4"},
    {"ramp", KIND_TIME, AT(ramp_ns), 0, 3600 * NS_PER_SEC, "a time up to an hour, like 500ms or 10"},
    {"wait", KIND_TIME, AT(wait_ns), 0, 3600 * NS_PER_SEC, "a time up to an hour, like 500ms or 10"},
    {"warmup", KIND_TIME, AT(warmup_ns), 0, 3600 * NS_PER_SEC, "a time up to an hour, like 500ms or 10"},
    {"duration", KIND_TIME, AT(duration_ns), 1000000, 1000000 * NS_PER_SEC, "a time from 1ms on, like 500ms, 10 or 2m"},
    {"requests", KIND_COUNT, AT(requests), 1, 1000000000000000, "a number from 1 on"},
    {"timeout", KIND_TIME, AT(timeout_ns), 1000000, 3600 * NS_PER_SEC, "a time from 1ms to an hour, like 500ms or 10"},
    {"windows", KIND_COUNT, AT(windows), 1, ARGS_WINDOWS_MAX, "a number from 1 to 1000"},
    {"size", KIND_SIZE, AT(size), 1, 65280, "bytes from 1 to 65280"},
    {"method", KIND_WORD, AT(method), 0, 0, "a method like GET"},
    {"body", KIND_SIZE, AT(body_bytes), 0, 64000, "bytes from 0 to 64000"},
    {"header", KIND_OTHER, 0, 0, 0, "a line like 'Accept: text/plain'"},
    {"expect", KIND_OTHER, 0, 0, 0, "bytes like 4k, or any"},
    {"content", KIND_CHOICE, AT(content), 0, 0, "first or alphabet"},
    {"check", KIND_COUNT, AT(check_every), 0, UINT32_MAX, "a number: 0 none, 1 all, 16 every sixteenth"},
    {"server-pid", KIND_COUNT, AT(server_pid), 1, 4194304, "a process number"},
    {"format", KIND_CHOICE, AT(format), 0, 0, "text, json or csv"},
    {"progress", KIND_FLAG, AT(progress), 0, 0, NULL},
    {"counters", KIND_FLAG, AT(counters), 0, 0, NULL},
    {"help", KIND_FLAG, AT(help), 0, 0, NULL},
};

static bool set_number(const struct option *o, struct args *a, const char *text)
{
    void *at = (char *)a + o->at;
    const struct unit *u = o->kind == KIND_SIZE ? unit_binary : o->kind == KIND_TIME ? unit_time : unit_decimal;
    double v;

    if (!number(text, u, &v) || v < (double)o->low || v > (double)o->high)
        return false;
    if (o->kind == KIND_RATE)
        *(double *)at = v;
    else
        *(uint64_t *)at = (uint64_t)v;
    return o->kind == KIND_RATE || o->kind == KIND_TIME || (double)(uint64_t)v == v; /* no half connections */
}

/* The words of o->expected in their order are the values 0, 1, ... */
static bool set_choice(const struct option *o, struct args *a, const char *text)
{
    static const char *const contents[] = {"first", "alphabet", NULL}, *const formats[] = {"text", "json", "csv", NULL};
    bool content = o->at == AT(content);
    const char *const *names = content ? contents : formats;

    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) != 0)
            continue;
        if (content)
            a->content = (enum content)i;
        else
            a->format = (enum format)i;
        return true;
    }
    return false;
}

/* A method is a token (RFC 9110 section 5.6.2). */
static bool is_token(const char *text)
{
    return *text != '\0' && strlen(text) <= 32 &&
           text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

static bool set_header(struct args *a, const char *text)
{
    const char *colon = strchr(text, ':');

    if (colon == NULL || colon == text || strpbrk(text, "\r\n") != NULL || strlen(text) > 1000 || a->n_headers == ARGS_HEADERS_MAX)
        return false;
    a->header[a->n_headers++] = text;
    return true;
}

static bool set_expect(struct args *a, const char *text)
{
    double v;

    a->expect_any = strcmp(text, "any") == 0;
    a->expect_bytes = ARGS_NONE;
    if (a->expect_any)
        return true;
    if (!number(text, unit_binary, &v) || (double)(uint64_t)v != v)
        return false;
    a->expect_bytes = (uint64_t)v;
    return true;
}

/* A literal address of either family, "fe80::1%2" with the number of the stack's interface. */
static bool parse_address(const char *text, size_t len, uint16_t port, struct address *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->sa;
    char copy[64], *zone;

    if (len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, copy, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        out->len = sizeof(*v4);
        return true;
    }
    zone = strchr(copy, '%');
    if (zone != NULL) {
        char *end;
        unsigned long id = strtoul(zone + 1, &end, 10);

        if (end == zone + 1 || *end != '\0' || id > 255)
            return false;
        v6->sin6_scope_id = (uint32_t)id;
        *zone = '\0';
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out->len = sizeof(*v6);
    return inet_pton(AF_INET6, copy, &v6->sin6_addr) == 1;
}

static bool set_local(struct args *a, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, ",");

        if (a->n_local == ARGS_LOCAL_MAX || !parse_address(text, n, 0, &a->local[a->n_local]))
            return false;
        a->n_local++;
        text += n;
        if (*text == ',' && *++text == '\0')
            return false;
    }
    return a->n_local != 0;
}

static bool set_other(const struct option *o, struct args *a, const char *text)
{
    switch (o->name[0]) {
    case 'l':
        return set_local(a, text);
    case 'h':
        return set_header(a, text);
    default:
        return set_expect(a, text);
    }
}

static bool set(const struct option *o, struct args *a, const char *text)
{
    switch (o->kind) {
    case KIND_WORD:
        a->method = text;
        return is_token(text);
    case KIND_CHOICE:
        return set_choice(o, a, text);
    case KIND_OTHER:
        return set_other(o, a, text);
    default:
        return set_number(o, a, text);
    }
}

/* the words ---------------------------------------------------------------------------------------------------- */

/* Is the word this option? Then value is what follows "=", NULL without. */
static bool matches(const char *word, const char *name, char **value)
{
    size_t n = strlen(name);

    if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, n) != 0 || (word[2 + n] != '\0' && word[2 + n] != '='))
        return false;
    *value = word[2 + n] == '=' ? (char *)word + 3 + n : NULL;
    return true;
}

/*
 * The stack's options are sorted out here rather than by ff_init, which skips what it does not know and so would take the value of an
 * option of ours for one of its own.
 */
static const char *stack_option(const char *word, char **value)
{
    static const char *const names[] = {"conf", "proc-type", "proc-id"}, *const full[] = {"--conf", "--proc-type", "--proc-id"},
                             *const letters[] = {"-c", "-t", "-p"};

    *value = NULL;
    for (int i = 0; i < 3; i++)
        if (matches(word, names[i], value) || strcmp(word, letters[i]) == 0)
            return full[i];
    return NULL;
}

static int add_stack(const struct reader *r, const char *name, char *value)
{
    if (value == NULL)
        return bad(r, "%s: expected a value behind it", name);
    if (r->a->stack_argc + 2 > ARGS_STACK_MAX)
        return bad(r, "%s: given too often", name);
    r->a->stack_argv[r->a->stack_argc++] = (char *)name;
    r->a->stack_argv[r->a->stack_argc++] = value;
    return 0;
}

static int set_target(const struct reader *r, const char *text)
{
    static const char expected[] = "http://ADDRESS[:PORT][/PATH] or echo://ADDRESS[:PORT] with a literal address, an IPv6 one in []";
    struct args *a = r->a;
    const char *host, *end;
    unsigned long port;
    size_t n;

    if (a->target != NULL)
        return bad(r, "found a second target \"%s\", expected one", text);
    a->target = text;
    a->protocol = strncmp(text, "echo://", 7) == 0 ? PROTOCOL_ECHO : PROTOCOL_HTTP;
    if (a->protocol == PROTOCOL_HTTP && strncmp(text, "http://", 7) != 0)
        return bad(r, "found \"%s\", expected %s", text, expected);
    port = a->protocol == PROTOCOL_ECHO ? 7 : 80;
    host = text + 7;
    a->path = strchr(host, '/');
    snprintf(a->host, sizeof(a->host), "%.*s", (int)strcspn(host, "/"), host);
    if (*host == '[') {
        n = strcspn(++host, "]");
        end = host + n + (host[n] != '\0');
    } else {
        n = strcspn(host, ":/");
        end = host + n;
    }
    if (*end == ':' && strchr(end + 1, ':') == NULL) {
        char *stop;

        port = strtoul(end + 1, &stop, 10);
        if (stop == end + 1 || end[1] == '-' || port < 1 || port > 65535)
            return bad(r, "found \"%s\", expected a port from 1 to 65535 behind the address", text);
        end = stop;
    }
    if ((*end != '\0' && *end != '/') || !parse_address(host, n, (uint16_t)port, &a->server))
        return bad(r, "found \"%s\", expected %s", text, expected);
    if (a->path == NULL)
        a->path = "/";
    else if (a->protocol == PROTOCOL_ECHO)
        return bad(r, "found \"%s\": an echo server has no path", text);
    if (strlen(a->path) > 8000 || strpbrk(a->path, " \t\r\n") != NULL)
        return bad(r, "the path of the target is too long or has blanks: encode them as %%20");
    return 0;
}

/* One word, and its value in the next one. stack: the stack's options count here. */
static int read_word(const struct reader *r, char **argv, int *i, bool stack)
{
    const char *word = argv[*i], *name;
    char *value;

    name = stack ? stack_option(word, &value) : NULL;
    if (name != NULL)
        return add_stack(r, name, value != NULL ? value : argv[++*i]);
    if (word[0] != '-')
        return set_target(r, word);
    if (strcmp(word, "-h") == 0)
        word = "--help";
    for (unsigned o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
        if (!matches(word, options[o].name, &value))
            continue;
        if (options[o].kind == KIND_FLAG) {
            if (value != NULL)
                return bad(r, "--%s takes no value", options[o].name);
            *((bool *)((char *)r->a + options[o].at)) = true;
            return 0;
        }
        if (value == NULL)
            value = argv[++*i];
        if (value == NULL)
            return bad(r, "--%s: expected %s behind it", options[o].name, options[o].expected);
        return set(&options[o], r->a, value) ? 0 : bad(r, "--%s: found \"%s\", expected %s", options[o].name, value, options[o].expected);
    }
    return bad(r, "unknown option %s; --help lists them", word);
}

/* What does not go together. */
static int check(const struct reader *r)
{
    struct args *a = r->a;
    bool http = a->protocol == PROTOCOL_HTTP;

    if (a->target == NULL)
        return bad(r, "the target is missing: http://ADDRESS[:PORT][/PATH] or echo://ADDRESS[:PORT]; --help explains");
    if (a->brief && a->depth != 1)
        return bad(r, "--short and --depth: a connection that carries one request has no second one outstanding");
    if (!http && (a->method != NULL || a->body_bytes != 0 || a->n_headers != 0 || a->expect_bytes != ARGS_NONE || a->expect_any))
        return bad(r, "--method, --body, --header and --expect are for http://; an echo is as long as the message (--size)");
    if (http && a->size != 0)
        return bad(r, "--size is for echo://; an HTTP server chooses the size of its responses");
    if (a->windows > 1 && a->requests != ARGS_NONE)
        return bad(r, "--windows and --requests: windows divide a --duration");
    if (a->duration_ns / a->windows < 1000000)
        return bad(r, "--windows: found %llu, expected windows of at least 1ms", (unsigned long long)a->windows);
    for (unsigned i = 0; i < a->n_local; i++)
        if (a->local[i].sa.ss_family != a->server.sa.ss_family)
            return bad(r, "--local: expected addresses of the family of the target's");
    if (!http && a->size == 0)
        a->size = 64;
    if (a->method == NULL)
        a->method = a->body_bytes != 0 ? "POST" : "GET";
    return 0;
}

int args_read(int argc, char **argv, struct args *a, char *err, size_t n)
{
    struct reader r = {.a = a, .err = err, .err_bytes = n};
    bool stack = true;

    *a = (struct args){
        .connections = 1,
        .depth = 1,
        .wait_ns = 5 * NS_PER_SEC,
        .warmup_ns = NS_PER_SEC,
        .duration_ns = 10 * NS_PER_SEC,
        .timeout_ns = 5 * NS_PER_SEC,
        .requests = ARGS_NONE,
        .windows = 1,
        .expect_bytes = ARGS_NONE,
        .check_every = 16,
    };
    a->stack_argv[a->stack_argc++] = argc > 0 ? argv[0] : (char *)"zload";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            stack = false; /* from here on the words are ours alone, as with other programs of the stack */
        else if (read_word(&r, argv, &i, stack) != 0)
            return -1;
        if (a->help)
            return 0;
    }
    return check(&r);
}
