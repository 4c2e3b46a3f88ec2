/* examples/http_request.h: a stream is cut into buffers anywhere, and the requests in it are the same. */
#include "unit.h"

#include "../../examples/http_request.h"
#include "base/units.h"

static int count(const char *s, size_t len, size_t cut, bool *close)
{
    struct http_parser p = {0};
    int n = http_requests(&p, s, cut);

    n += http_requests(&p, s + cut, len - cut);
    *close = p.close;
    return n;
}

static void cut_anywhere(void **state)
{
    static const char two[] =
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /x HTTP/1.1\r\nUser-Agent: a rather long line, longer than what is kept of "
        "one\r\nConnection: close\r\n\r\nGET / HT";
    bool close;

    (void)state;
    for (size_t cut = 0; cut < sizeof(two); cut++) {
        assert_int_equal(count(two, sizeof(two) - 1, MIN(cut, sizeof(two) - 1), &close), 2);
        assert_true(close);
    }
}

static void endless_head_is_refused(void **state)
{
    static char head[HTTP_MAX_HEAD + 1];
    struct http_parser p = {0};

    (void)state;
    memset(head, 'a', sizeof(head));
    assert_int_equal(http_requests(&p, head, HTTP_MAX_HEAD), 0);
    assert_int_equal(http_requests(&p, head, 1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(endless_head_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
