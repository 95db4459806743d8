/* test_hash.c - the hash depends on every byte, on the length and on the seed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/hash.h"

static void test_seed_and_bytes(void **state)
{
    const char text[] = "the same bytes";
    uint64_t one = hash_bytes(text, sizeof(text), 1);
    assert_int_equal(one, hash_bytes(text, sizeof(text), 1));
    assert_int_not_equal(one, hash_bytes(text, sizeof(text), 2));
    assert_int_not_equal(one, hash_bytes(text, sizeof(text) - 1, 1));
    assert_int_not_equal(hash_bytes("", 0, 1), hash_bytes("", 0, 2));
    char copy[sizeof(text)];
    for (size_t i = 0; i < sizeof(text); i++) {
        memcpy(copy, text, sizeof(text));
        copy[i] ^= 1;
        assert_int_not_equal(one, hash_bytes(copy, sizeof(copy), 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
