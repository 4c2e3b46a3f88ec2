/* tools/zload_http.c: heads of responses, whole and in pieces of every size. */
#include <stdio.h>

#include "unit.h"

#include "../../tools/zload_http.h"

struct expected {
    const char *text; /* a head, and perhaps more */
    const char *rest; /* what is behind it */
    enum http_result result;
    unsigned status;
    uint64_t body_bytes;
    int close;
};

static const struct expected good[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\nabc", "abc", HTTP_HEAD, 200, 64, 0},
    {"HTTP/1.1 200 OK\r\nServer: z\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n", "", HTTP_HEAD, 200, 0, 0},
    {"HTTP/1.1 200\r\ncontent-length:  7 \r\n\r\n", "", HTTP_HEAD, 200, 7, 0},
    {"HTTP/1.1 404 Not Found\nContent-Length: 9\n\nnot found", "not found", HTTP_HEAD, 404, 9, 0},
    {"\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", HTTP_HEAD, 200, 1, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "", HTTP_HEAD, 200, 5, 0},
    {"HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\nContent-Length: 5\r\n\r\n", "", HTTP_HEAD, 200, 5, 1},
    {"HTTP/1.1 200 OK\r\nConnection: closely\r\nContent-Length: 5\r\n\r\n", "", HTTP_HEAD, 200, 5, 0},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "", HTTP_HEAD, 200, 5, 1},
    {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\n", "", HTTP_HEAD, 200, 5, 0},
    {"HTTP/1.1 200 OK\r\n\r\nall the rest", "all the rest", HTTP_HEAD, 200, HTTP_UNTIL_CLOSE, 1},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", HTTP_HEAD, 204, 0, 0},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", "", HTTP_HEAD, 304, 0, 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", HTTP_HEAD, 200, 3, 0},
    {"HTTP/1.1 200 OK\r\nX: a\r\n  folded: Content-Length: 9\r\nContent-Length: 3\r\n\r\n", "", HTTP_HEAD, 200, 3, 0},
    {"HTTP/1.1 200 OK\r\nX-Long: 0123456789012345678901234567890123456789012345678901234567890123456789\r\nContent-Length: 3\r\n\r\n", "",
     HTTP_HEAD, 200, 3, 0},
    {"HTTP/1.1 200 OK\r\n0123456789012345678901234567890123456789012345678901234567890123456789-Long: 1\r\nContent-Length: 3\r\n\r\n", "",
     HTTP_HEAD, 200, 3, 0},
};

static const char *const bad[] = {
    "SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2 200 OK\r\n",
    "HTTP/1.1 20 OK\r\n",
    "HTTP/1.1 2000 OK\r\n",
    "HTTP/1.1  200 OK\r\n",
    "HTTP/1.1 200 OK\r\nno colon here\r\n",
    "HTTP/1.1 200 OK\r\n: no name\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: \r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999999\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length:                                                    123\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
};

/* Feeds the text in pieces; in *used all that was taken. Each piece is in memory of its own, so that a read beyond it is found. */
static enum http_result feed(struct http_head *h, const char *text, size_t piece, size_t *used)
{
    enum http_result r = HTTP_MORE;
    size_t len = strlen(text);

    *used = 0;
    while (*used < len && r == HTTP_MORE) {
        size_t n = len - *used < piece ? len - *used : piece, took;
        char *copy = malloc(n);

        memcpy(copy, text + *used, n);
        r = http_head_read(h, copy, n, &took);
        assert_true(took <= n && (r != HTTP_MORE || took == n));
        *used += took;
        free(copy);
    }
    return r;
}

static void good_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        for (size_t piece = 1; piece <= strlen(good[i].text); piece++) {
            struct http_head h;
            size_t used;

            http_head_init(&h, false);
            assert_int_equal(feed(&h, good[i].text, piece, &used), HTTP_HEAD);
            assert_string_equal(good[i].text + used, good[i].rest);
            assert_int_equal(h.status, good[i].status);
            assert_int_equal(h.body_bytes, good[i].body_bytes);
            assert_int_equal(h.close, good[i].close);
        }
    }
}

static void bad_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t piece = 1; piece <= strlen(bad[i]); piece++) {
            struct http_head h;
            size_t used;

            http_head_init(&h, false);
            if (feed(&h, bad[i], piece, &used) != HTTP_BAD)
                fail_msg("taken for a head: %s", bad[i]);
            assert_non_null(h.why);
        }
    }
}

static void head_request_has_no_body(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    struct http_head h;
    size_t used;

    (void)state;
    http_head_init(&h, true);
    assert_int_equal(http_head_read(&h, text, strlen(text), &used), HTTP_HEAD);
    assert_int_equal(h.body_bytes, 0);
    assert_int_equal(used, strlen(text));
}

/* Neither a line without end nor endless lines or interim responses are read for ever. */
static void endless_heads_are_refused(void **state)
{
    static const char *const endless[] = {"x", "a: b\r\n", "HTTP/1.1 100 C\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        static const char first[] = "HTTP/1.1 200 OK\r\n";
        enum http_result r = HTTP_MORE;
        struct http_head h;
        size_t used, n = 0;

        http_head_init(&h, false);
        if (i < 2)
            r = http_head_read(&h, first, strlen(first), &used);
        for (; r == HTTP_MORE && n < 2 * HTTP_HEAD_MAX; n += strlen(endless[i]))
            r = http_head_read(&h, endless[i], strlen(endless[i]), &used);
        assert_int_equal(r, HTTP_BAD);
        assert_true(n <= HTTP_HEAD_MAX + 20);
    }
}

/* Random bytes and random changes of a good head: no crash, never beyond the input. */
static void noise(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        const char *base = good[unit_below(&seed, sizeof(good) / sizeof(good[0]))].text;
        size_t n = strlen(base), used, changes = unit_below(&seed, 4);
        char *copy = strdup(base);
        struct http_head h;

        while (changes-- > 0)
            copy[unit_below(&seed, (uint32_t)n)] = (char)(1 + unit_below(&seed, 255));
        http_head_init(&h, unit_below(&seed, 2) != 0);
        feed(&h, copy, 1 + unit_below(&seed, (uint32_t)n), &used);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_heads),
        cmocka_unit_test(bad_heads),
        cmocka_unit_test(head_request_has_no_body),
        cmocka_unit_test(endless_heads_are_refused),
        cmocka_unit_test(noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
