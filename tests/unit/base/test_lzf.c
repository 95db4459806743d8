/* test_lzf.c - LZF both ways, and bytes that are no packed ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/lzf.h"
#include "base/mem.h"
#include "base/rand.h"

static void test_both_ways(void **state)
{
    (void)state;
    static char plain[5000], packed[6000], again[5000];
    struct rand r;
    rand_seed(&r, 1);
    for (size_t len = 1; len < sizeof plain; len += 1 + len / 7) {
        for (size_t i = 0; i < len; i++)
            plain[i] = (char)rand_below(&r, 3);
        size_t size = lzf_pack(slice_of(plain, len), packed, sizeof packed);
        assert_in_range(size, 1, len + len / 25 + 2);
        assert_true(lzf_unpack(slice_of(packed, size), again, len));
        assert_memory_equal(plain, again, len);
        assert_false(lzf_unpack(slice_of(packed, size), again, len + 1));
        assert_false(lzf_unpack(slice_of(packed, size), again, len - 1));
    }
}

static void test_no_room_and_nothing(void **state)
{
    (void)state;
    char plain[200], packed[300];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (char)(i * i * 7 + i / 3);
    assert_int_equal(lzf_pack(slice_of(plain, 0), packed, sizeof packed), 0);
    assert_int_equal(lzf_pack(slice_of(plain, sizeof plain), packed, 10), 0);
    assert_false(lzf_unpack(slice_of(packed, 0), plain, 0));
    assert_false(lzf_unpack(slice_of(packed, 0), plain, 5));
}

/* Whatever the bytes are: nothing is written behind the room (the sanitizer looks). */
static void test_any_bytes(void **state)
{
    (void)state;
    struct rand r;
    rand_seed(&r, 2);
    for (int i = 0; i < 2000; i++) {
        size_t len = rand_below(&r, 60), room = 1 + rand_below(&r, 300);
        char *packed = mem_alloc(len + 1), *out = mem_alloc(room);
        for (size_t at = 0; at < len; at++)
            packed[at] = (char)rand_next(&r);
        bool whole = lzf_unpack(slice_of(packed, len), out, room);
        assert_true(!whole || room <= len * LZF_EXPAND_MAX);
        mem_free(packed);
        mem_free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_no_room_and_nothing),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
