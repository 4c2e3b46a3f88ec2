/*
 * An address that is alone in its subnet (vip_addr) was taken for the broadcast address of that subnet: nobody could bind to it, and TCP
 * to it was dropped.
 */
#include "api_fixture.h"

static void vip(void **state)
{
    int l = ff_socket(AF_INET, SOCK_STREAM, 0), fd = ff_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(api_bind(l, 0x0a09004du, 80), 0);
    assert_int_equal(ff_listen(l, 5), 0);
    assert_int_equal(api_connect(fd, 0x0a09004du, 80), 0);
    assert_int_equal(ff_close(fd), 0);
    assert_int_equal(ff_close(l), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vip)};

    api_start("[port0]\nvip_addr=10.9.0.77\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
