/* tools/zload_hist.c: every value within 1/128, against sorted values. */
#include <math.h>

#include "unit.h"

#include "../../tools/zload_hist.h"

static struct hist *new_hist(void)
{
    struct hist *h = malloc(sizeof(*h));

    assert_non_null(h);
    hist_clear(h);
    return h;
}

static void buckets_cover_everything_once(void **state)
{
    uint64_t next = 0;

    (void)state;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        assert_int_equal(hist_low(i), next);
        assert_int_equal(hist_index(hist_low(i)), i);
        assert_int_equal(hist_index(hist_high(i)), i);
        /* one value alone, or a width of at most 1/128 of the least one */
        assert_true(hist_high(i) == hist_low(i) || (hist_high(i) - hist_low(i)) * 128 <= hist_low(i));
        next = hist_high(i) + 1;
    }
    assert_int_equal(next, HIST_MAX + 1);
    assert_true(HIST_MAX > 15ull * 60 * 1000000000); /* minutes, in nanoseconds */
    assert_true(sizeof(struct hist) < 36 * 1024);
}

static void small_values_are_exact(void **state)
{
    struct hist *h = new_hist();

    (void)state;
    for (uint64_t v = 0; v < 100; v++)
        hist_add(h, v);
    assert_int_equal(h->count, 100);
    assert_int_equal(h->min, 0);
    assert_int_equal(h->max, 99);
    assert_int_equal(hist_percentile(h, 0), 0);
    assert_int_equal(hist_percentile(h, 1), 0);
    assert_int_equal(hist_percentile(h, 1.1), 1);
    assert_int_equal(hist_percentile(h, 50), 49);
    assert_int_equal(hist_percentile(h, 99), 98);
    assert_int_equal(hist_percentile(h, 99.9), 99);
    assert_int_equal(hist_percentile(h, 100), 99);
    assert_true(fabs(hist_mean(h) - 49.5) < 1e-9);
    assert_true(fabs(hist_stddev(h) - sqrt((100.0 * 100 - 1) / 12)) < 1e-9);
    free(h);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* From nanoseconds to minutes, evenly over the magnitudes. */
static uint64_t any_value(uint64_t *seed)
{
    unsigned bits = unit_below(seed, HIST_MAX_BITS + 1);

    return bits == 0 ? 0 : (1ull << (bits - 1)) + (unit_rand(seed) & ((1ull << (bits - 1)) - 1));
}

static void percentiles_of_random_values(void **state)
{
    static const double percents[] = {0.1, 1, 25, 50, 90, 99, 99.9, 99.99, 100};
    enum { N = 20000 };
    uint64_t seed = 7, *v = malloc(N * sizeof(*v));
    struct hist *h = new_hist();
    double sum = 0, squares = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        v[i] = any_value(&seed);
        hist_add(h, v[i]);
        sum += (double)v[i];
    }
    qsort(v, N, sizeof(*v), by_value);
    for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        uint64_t right = v[(size_t)ceil(percents[i] / 100 * N) - 1], got = hist_percentile(h, percents[i]);

        assert_true(got >= right && (double)got <= (double)right * (1 + 1.0 / 128));
    }
    for (int i = 0; i < N; i++)
        squares += ((double)v[i] - sum / N) * ((double)v[i] - sum / N);
    assert_true(fabs(hist_mean(h) / (sum / N) - 1) < 1e-9);
    assert_true(fabs(hist_stddev(h) / sqrt(squares / N) - 1) < 0.01);
    free(h);
    free(v);
}

static void merged_is_as_added_to_one(void **state)
{
    struct hist *one = new_hist(), *sum = new_hist(), *part[3] = {new_hist(), new_hist(), new_hist()};
    uint64_t seed = 11;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        uint64_t v = any_value(&seed) * (i % 100 == 0 ? 1000 : 1);

        hist_add(one, v);
        hist_add(part[i % 2], v); /* the third stays empty */
    }
    for (int i = 0; i < 3; i++)
        hist_merge(sum, part[i]);
    assert_memory_equal(one, sum, sizeof(*one));
    for (int i = 0; i < 3; i++)
        free(part[i]);
    free(one);
    free(sum);
}

static void beyond_the_end(void **state)
{
    struct hist *h = new_hist();

    (void)state;
    assert_int_equal(hist_percentile(h, 50), 0);
    assert_true(hist_mean(h) == 0 && hist_stddev(h) == 0);
    for (int i = 0; i < 9; i++)
        hist_add(h, 10);
    hist_add(h, HIST_MAX * 5);
    assert_int_equal(h->beyond, 1);
    assert_int_equal(h->max, HIST_MAX * 5);
    assert_int_equal(hist_percentile(h, 90), 10);
    assert_int_equal(hist_percentile(h, 99), HIST_MAX * 5);
    hist_add(h, HIST_MAX * 4);
    assert_int_equal(hist_percentile(h, 91), HIST_MAX * 5); /* not less than what is known of it */
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_cover_everything_once),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(percentiles_of_random_values),
        cmocka_unit_test(merged_is_as_added_to_one),
        cmocka_unit_test(beyond_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
