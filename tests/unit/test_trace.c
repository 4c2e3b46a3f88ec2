#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/trace.h"

static char *printed(const struct trace *t)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    assert_non_null(f);
    trace_print(t, f);
    fclose(f);
    return text;
}

static struct trace t;

static void format(void **state)
{
    char *text;

    (void)state;
    memset(&t, 0, sizeof(t));
    text = printed(&t);
    assert_string_equal(text, "");
    free(text);
    trace_add(&t, 5, "first", 1, 2, 3);
    trace_add(&t, 1000000001ull, "second", UINT64_MAX, 0, 7);
    text = printed(&t);
    assert_string_equal(text, "0.000000005 first 1 2 3\n1.000000001 second 18446744073709551615 0 7\n");
    free(text);
}

/* The last TRACE_SLOTS events, oldest first, also when the counter of events wraps around. */
static void keeps_the_last(void **state)
{
    static const uint32_t starts[] = {0, 1, UINT32_MAX - 100};

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        char *text, *line;
        uint64_t expect = 77;

        memset(&t, 0, sizeof(t));
        t.next = starts[k];
        for (uint64_t i = 0; i < TRACE_SLOTS + 77; i++)
            trace_add(&t, i, "e", i, 0, 0);
        text = printed(&t);
        for (line = text; *line != '\0'; line = strchr(line, '\n') + 1, expect++) {
            char want[64];

            snprintf(want, sizeof(want), "0.%09llu e %llu 0 0\n", (unsigned long long)expect, (unsigned long long)expect);
            assert_memory_equal(line, want, strlen(want));
        }
        assert_int_equal(expect, TRACE_SLOTS + 77);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format),
        cmocka_unit_test(keeps_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
