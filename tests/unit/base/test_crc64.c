/* test_crc64.c - the published check value, and slicing equals the bit by bit definition. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/common.h"
#include "base/crc64.h"
#include "base/rand.h"

static uint64_t crc64_by_bits(uint64_t crc, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ 0x95ac9329ac4bc9b5 : crc >> 1;
    }
    return crc;
}

static void test_check_value(void **state)
{
    assert_int_equal(crc64(0, "123456789", 9), 0xe9c6d914c4b8d9ca);
    assert_int_equal(crc64(0, "", 0), 0);
    assert_int_equal(crc64(77, NULL, 0), 77);
}

static void test_every_length_and_offset(void **state)
{
    unsigned char data[80];
    struct rand r;
    rand_seed(&r, 1);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)rand_next(&r);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; from + len <= sizeof(data); len++)
            assert_int_equal(crc64(5, data + from, len), crc64_by_bits(5, data + from, len));
}

static void test_continues(void **state)
{
    const char text[] = "one stream, however it is cut into pieces";
    uint64_t whole = crc64(0, text, sizeof(text));
    for (size_t cut = 0; cut <= sizeof(text); cut++)
        assert_int_equal(crc64(crc64(0, text, cut), text + cut, sizeof(text) - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_value),
        cmocka_unit_test(test_every_length_and_offset),
        cmocka_unit_test(test_continues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
