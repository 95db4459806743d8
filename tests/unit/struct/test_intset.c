/* The intset: widths at their bounds, adding and removing, and bytes that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/bytes.h"
#include "struct/intset.h"

static unsigned char *set_of(const int64_t *values, size_t count)
{
    unsigned char *set = intset_new();
    for (size_t i = 0; i < count; i++)
        assert_true(intset_add(&set, values[i]));
    return set;
}

static void expect_bytes(const unsigned char *set, struct slice expected)
{
    assert_int_equal(intset_bytes(set), expected.len);
    assert_memory_equal(set, expected.data, expected.len);
    assert_true(mem_usable(set) >= expected.len);
}

static void test_empty(void **state)
{
    unsigned char *set = intset_new();
    uint32_t at = 7;
    expect_bytes(set, SLICE("\x02\0\0\0\0\0\0\0"));
    assert_false(intset_find(set, 0, &at));
    assert_int_equal(at, 0);
    assert_false(intset_find(set, 0, NULL));
    assert_false(intset_remove(&set, 0));
    assert_int_equal(intset_bytes_with(set, 5), 10);
    intset_free(set);
    intset_free(NULL);
}

static void test_bytes(void **state)
{
    const int64_t values[] = {3, -1, 2};
    unsigned char *set = set_of(values, 3);
    expect_bytes(set, SLICE("\x02\0\0\0\x03\0\0\0\xff\xff\x02\0\x03\0"));
    assert_false(intset_add(&set, 2));
    assert_true(intset_add(&set, 32768)); /* widens; goes to the end */
    expect_bytes(set, SLICE("\x04\0\0\0\x04\0\0\0\xff\xff\xff\xff\x02\0\0\0\x03\0\0\0\0\x80\0\0"));
    assert_true(intset_add(&set, INT64_MIN)); /* widens; goes to the front */
    assert_true(intset_remove(&set, 32768));
    assert_true(intset_remove(&set, 2));
    assert_true(intset_remove(&set, 3));
    expect_bytes(set,
                 SLICE("\x08\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_int_equal(intset_min(set), INT64_MIN);
    assert_int_equal(intset_max(set), -1);
    assert_true(intset_remove(&set, INT64_MIN)); /* stays wide */
    assert_true(intset_remove(&set, -1));
    expect_bytes(set, SLICE("\x08\0\0\0\0\0\0\0"));
    intset_free(set);
}

static void test_widths_at_their_bounds(void **state)
{
    static const struct {
        int64_t value;
        uint32_t width;
    } rows[] = {{0, 2},
                {INT16_MAX, 2},
                {INT16_MIN, 2},
                {INT16_MAX + 1, 4},
                {INT16_MIN - 1, 4},
                {INT32_MAX, 4},
                {INT32_MIN, 4},
                {INT64_C(1) + INT32_MAX, 8},
                {INT64_C(-1) + INT32_MIN, 8},
                {INT64_MAX, 8},
                {INT64_MIN, 8}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t first = 0; first < COUNT_OF(rows); first++) {
            if (first == i)
                continue;
            unsigned char *set = intset_new();
            uint32_t width = MAX_OF(rows[i].width, rows[first].width);
            assert_true(intset_add(&set, rows[first].value));
            assert_int_equal(intset_width(set), rows[first].width);
            size_t bytes = intset_bytes_with(set, rows[i].value);
            assert_true(intset_add(&set, rows[i].value));
            assert_int_equal(intset_bytes(set), bytes);
            assert_int_equal(intset_width(set), width);
            assert_true(intset_min(set) == MIN_OF(rows[i].value, rows[first].value));
            assert_true(intset_max(set) == MAX_OF(rows[i].value, rows[first].value));
            assert_true(intset_find(set, rows[i].value, NULL));
            assert_true(intset_validate(set, intset_bytes(set), true));
            assert_int_equal(intset_bytes_with(set, rows[i].value), intset_bytes(set));
            intset_free(set);
        }
}

/* A value too wide for the set is not taken for its low bits. */
static void test_find_of_wider_values(void **state)
{
    const int64_t values[] = {-2, 1, 5};
    unsigned char *set = set_of(values, 3);
    uint32_t at;
    assert_false(intset_find(set, 65536 + 5, &at));
    assert_int_equal(at, 3);
    assert_false(intset_find(set, INT64_MIN + 1, &at));
    assert_int_equal(at, 0);
    assert_false(intset_remove(&set, (INT64_C(1) << 32) + 1));
    assert_false(intset_find(set, 2, &at));
    assert_int_equal(at, 2);
    assert_true(intset_find(set, 5, &at));
    assert_int_equal(at, 2);
    intset_free(set);
}

static void test_pick(void **state)
{
    const int64_t values[] = {10, 20, 30, 40};
    unsigned char *set = set_of(values, 4);
    assert_int_equal(intset_pick(set, 0), 10);
    assert_int_equal(intset_pick(set, (UINT64_C(1) << 62) - 1), 10);
    assert_int_equal(intset_pick(set, UINT64_C(1) << 62), 20);
    assert_int_equal(intset_pick(set, UINT64_C(3) << 62), 40);
    assert_int_equal(intset_pick(set, UINT64_MAX), 40);
    intset_free(set);
}

static void test_memory(void **state)
{
    unsigned char *set = intset_new();
    for (int64_t i = 0; i < 1000; i++)
        intset_add(&set, i * 3);
    assert_true(intset_memory(set) <= mem_good_size(intset_bytes(set)) + 16);
    unsigned char *copy = intset_copy(set);
    for (int64_t i = 0; i < 1000; i++) {
        assert_true(intset_remove(&set, i * 3));
        size_t good = mem_good_size(intset_bytes(set));
        assert_true(intset_memory(set) <= MAX_OF(good, intset_bytes(set) * 4 / 3) + 16);
    }
    assert_int_equal(intset_count(copy), 1000);
    assert_int_equal(intset_get(copy, 999), 2997);
    intset_free(set);
    intset_free(copy);
}

/* Each row at the end of a page, so that reading beyond it is a fault. */
static void test_validate(void **state)
{
    static const struct {
        struct slice bytes;
        bool shallow, deep;
    } rows[] = {
        {SLICE("\x02\0\0\0\x01\0\0\0\x05\0"), true, true},
        {SLICE("\x04\0\0\0\x01\0\0\0\x05\0\0\0"), true, true}, /* wider than it had to be */
        {SLICE("\x08\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0"), true, true},
        {SLICE("\x02\0\0\0\x02\0\0\0\x05\0\x06\0"), true, true},
        {SLICE("\x02\0\0\0\x02\0\0\0\xff\xff\x00\0"), true, true},
        {SLICE("\x02\0\0\0\x02\0\0\0\x05\0\x05\0"), true, false}, /* twice */
        {SLICE("\x02\0\0\0\x02\0\0\0\x06\0\x05\0"), true, false}, /* descending */
        {SLICE("\x02\0\0\0\x02\0\0\0\0\0\xff\xff"), true, false}, /* 0, -1 */
        {SLICE("\x02\0\0\0\0\0\0\0"), false, false},              /* empty */
        {SLICE("\x02\0\0\0\x01\0\0\0\x05"), false, false},        /* a byte short */
        {SLICE("\x02\0\0\0\x01\0\0\0\x05\0\0"), false, false},    /* a byte long */
        {SLICE("\x02\0\0\0\x01\0\0\0"), false, false},
        {SLICE("\x02\0\0\0\x01\0\0"), false, false},
        {SLICE(""), false, false},
        {SLICE("\x03\0\0\0\x01\0\0\0\x05\0\0"), false, false}, /* no such width */
        {SLICE("\x00\0\0\0\x01\0\0\0"), false, false},
        {SLICE("\x01\0\0\0\x01\0\0\0\x05"), false, false},
        {SLICE("\x10\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), false, false},
        {SLICE("\0\0\0\x02\x01\0\0\0\x05\0"), false, false},
        {SLICE("\x08\0\0\0\xff\xff\xff\xff\0\0\0\0"), false, false},
        {SLICE("\x02\0\0\0\x01\0\0\x80\x05\0"), false, false}, /* 2 * count overflows u32 */
        {SLICE("\x08\0\0\0\x00\0\0\x20"), false, false},       /* 8 * count is 0 in 32 bits */
    };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *base =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = rows[i].bytes.len;
        unsigned char *bytes = memcpy(base + page - len, rows[i].bytes.data, len);
        if (intset_validate(bytes, len, false) != rows[i].shallow)
            fail_msg("row %zu", i);
        if (intset_validate(bytes, len, true) != rows[i].deep)
            fail_msg("row %zu, deep", i);
    }
    munmap(base, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_widths_at_their_bounds),
        cmocka_unit_test(test_find_of_wider_values),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_validate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
