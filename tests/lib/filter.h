/* The tests of a program whose names match a pattern. */
#ifndef TESTS_LIB_FILTER_H
#define TESTS_LIB_FILTER_H

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* As cmocka_set_test_filter; false after a message when it would run nothing. */
static inline bool filter_tests(const char *pattern, const struct CMUnitTest *tests, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(pattern, tests[i].name, 0) == 0) {
            cmocka_set_test_filter(pattern);
            return true;
        }
    fprintf(stderr, "no test has a name like \"%s\"; these are there:\n", pattern);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "    %s\n", tests[i].name);
    return false;
}

#endif
