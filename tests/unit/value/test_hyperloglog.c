/* test_hyperloglog.c - opcodes at their bounds, the step from sparse to dense, estimates, and bytes
 * that are no sketches.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "base/mem.h"
#include "value/hyperloglog.h"

#define NO_BOUND 1000000

static struct bytes sketch(void)
{
    struct bytes value = {0};
    hll_init(&value);
    return value;
}

static enum hll_result add(struct bytes *value, unsigned index, unsigned rank, int64_t bound)
{
    return hll_add(value, (struct hll_point){(uint16_t)index, (uint8_t)rank}, bound);
}

static void expect_text(const struct bytes *value, const char *text)
{
    struct bytes out = {0};
    assert_true(hll_describe(bytes_slice(value), &out));
    assert_string_equal(bytes_str(&out), text);
    bytes_free(&out);
}

static void test_hash(void **state)
{
    (void)state;
    struct bytes value = sketch();
    struct hll_point point = hll_point_of(SLICE("x"));
    assert_int_equal(point.index, 16374);
    assert_int_equal(point.rank, 2);
    assert_int_equal(hll_add(&value, point, NO_BOUND), HLL_CHANGED);
    hll_invalidate_count(value.data);
    assert_int_equal(value.len, 20);
    assert_memory_equal(value.data, "HYLL\1\0\0\0\0\0\0\0\0\0\0\x80\x7f\xf5\x84\x08", 20);
    bytes_free(&value);
}

static void test_splits(void **state)
{
    (void)state;
    struct bytes value = sketch();
    expect_text(&value, "Z:16384");
    assert_int_equal(add(&value, 0, 1, NO_BOUND), HLL_CHANGED);
    expect_text(&value, "v:1,1 Z:16383");
    assert_int_equal(add(&value, 16383, 32, NO_BOUND), HLL_CHANGED);
    expect_text(&value, "v:1,1 Z:16382 v:32,1");
    assert_int_equal(add(&value, 65, 2, NO_BOUND), HLL_CHANGED); /* 64 zeros: one byte */
    expect_text(&value, "v:1,1 z:64 v:2,1 Z:16317 v:32,1");
    assert_int_equal(add(&value, 131, 2, NO_BOUND), HLL_CHANGED); /* 65 zeros: two */
    expect_text(&value, "v:1,1 z:64 v:2,1 Z:65 v:2,1 Z:16251 v:32,1");
    assert_int_equal(add(&value, 131, 2, NO_BOUND), HLL_SAME);
    assert_int_equal(add(&value, 131, 1, NO_BOUND), HLL_SAME);
    assert_int_equal(add(&value, 30, 3, NO_BOUND), HLL_CHANGED);
    expect_text(&value, "v:1,1 z:29 v:3,1 z:34 v:2,1 Z:65 v:2,1 Z:16251 v:32,1");
    bytes_free(&value);
}

static void test_joins(void **state)
{
    (void)state;
    struct bytes value = sketch();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(add(&value, i, 7, NO_BOUND), HLL_CHANGED);
    expect_text(&value, "v:7,4 v:7,1 Z:16379");
    assert_int_equal(add(&value, 2, 9, NO_BOUND), HLL_CHANGED);
    expect_text(&value, "v:7,2 v:9,1 v:7,2 Z:16379");
    assert_int_equal(add(&value, 16383, 1, NO_BOUND), HLL_CHANGED);
    assert_int_equal(add(&value, 4, 9, NO_BOUND), HLL_CHANGED);
    assert_int_equal(add(&value, 3, 9, NO_BOUND), HLL_CHANGED);
    expect_text(&value, "v:7,2 v:9,3 Z:16378 v:1,1");
    bytes_free(&value);
    value = sketch();
    for (unsigned i = 0; i < 6; i++)
        add(&value, i, i == 0 ? 1 : 7, NO_BOUND);
    expect_text(&value, "v:1,1 v:7,4 v:7,1 Z:16378");
    add(&value, 3, 9, NO_BOUND); /* what is right of it is the fourth opcode from the one before */
    expect_text(&value, "v:1,1 v:7,2 v:9,1 v:7,2 Z:16378");
    bytes_free(&value);
}

/* One byte below the bound it stays sparse, at which it becomes dense. */
static void test_promotion(void **state)
{
    (void)state;
    struct bytes value = sketch();
    assert_int_equal(add(&value, 100, 5, HLL_HEAD + 5), HLL_CHANGED); /* Z:100 v Z: five bytes */
    assert_int_equal(value.len, HLL_HEAD + 5);
    assert_int_equal(add(&value, 100, 6, 0), HLL_CHANGED); /* does not grow */
    assert_int_equal(hll_encoding_of(bytes_slice(&value)), HLL_SPARSE);
    assert_int_equal(add(&value, 101, 9, HLL_HEAD + 5), HLL_CHANGED);
    assert_int_equal(hll_encoding_of(bytes_slice(&value)), HLL_DENSE);
    assert_int_equal(value.len, HLL_DENSE_BYTES);
    uint8_t registers[HLL_REGISTERS] = {0};
    assert_true(hll_merge(registers, bytes_slice(&value)));
    assert_int_equal(registers[100], 6);
    assert_int_equal(registers[101], 9);
    bytes_free(&value);
    value = sketch();
    assert_int_equal(add(&value, 1, 32, NO_BOUND), HLL_CHANGED);
    assert_int_equal(hll_encoding_of(bytes_slice(&value)), HLL_SPARSE);
    assert_int_equal(add(&value, 1, 33, NO_BOUND), HLL_CHANGED);
    assert_int_equal(hll_encoding_of(bytes_slice(&value)), HLL_DENSE);
    assert_int_equal(add(&value, 1, 33, NO_BOUND), HLL_SAME);
    assert_int_equal(add(&value, 16383, 63, NO_BOUND), HLL_CHANGED);
    assert_int_equal((unsigned char)value.data[HLL_DENSE_BYTES - 1], 63 << 2);
    bytes_free(&value);
}

static void test_counts(void **state)
{
    (void)state;
    struct bytes value = sketch();
    uint64_t count;
    assert_true(hll_cached_count(bytes_slice(&value), &count));
    assert_int_equal(count, 0);
    assert_true(hll_count(bytes_slice(&value), &count));
    assert_int_equal(count, 0);
    hll_invalidate_count(value.data);
    assert_false(hll_cached_count(bytes_slice(&value), &count));
    hll_cache_count(value.data, 0x0102030405060708);
    assert_true(hll_cached_count(bytes_slice(&value), &count));
    assert_int_equal(count, 0x0102030405060708);
    assert_memory_equal(value.data + 8, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_null(hll_self_test());
    for (unsigned i = 0; i < HLL_REGISTERS; i++) /* no elements lead to this */
        add(&value, i, HLL_REGISTER_MAX, 0);
    assert_true(hll_count(bytes_slice(&value), &count));
    assert_true(count == UINT64_C(1) << 63);
    bytes_free(&value);
}

/* A value in a block of exactly its size: sanitizers see a byte too far. */
static struct slice exact(const char *body, size_t len, char **block)
{
    *block = mem_alloc(HLL_HEAD + len);
    memcpy(*block, "HYLL\1\0\0\0\0\0\0\0\0\0\0\x80", HLL_HEAD);
    memcpy(*block + HLL_HEAD, body, len);
    return slice_of(*block, HLL_HEAD + len);
}

static void test_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t len;
        bool cut_off;
    } bad[] = {{"", 0, false},
               {"\x7f", 1, true},
               {"\x7f\xfe", 2, false},     /* a register too few */
               {"\x7f\xff\x00", 3, false}, /* one too many */
               {"\x7f\xff\x7f\xff", 4, false},
               {"\x7f\xfe\x81", 3, false}, /* a VAL over the end */
               {"\x7f\xfe\x40", 3, true},
               {"\x80\x7f\xff", 3, false}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char *block;
        struct slice value = exact(bad[i].body, bad[i].len, &block);
        struct bytes copy = {0}, text = {0};
        uint8_t registers[HLL_REGISTERS] = {0};
        uint64_t count;
        assert_true(hll_is(value));
        assert_false(hll_count(value, &count));
        assert_false(hll_merge(registers, value));
        assert_int_equal(hll_describe(value, &text), !bad[i].cut_off);
        bytes_append(&copy, value.data, value.len);
        assert_false(hll_to_dense(&copy));
        assert_int_equal(add(&copy, 5, 40, NO_BOUND), HLL_CORRUPT);
        assert_true(slice_eq(bytes_slice(&copy), value));
        bytes_free(&copy);
        bytes_free(&text);
        mem_free(block);
    }
    char *block;
    struct slice value = exact("\x7f\xfe", 2, &block);
    assert_int_equal(hll_look(value, (struct hll_point){16382, 1}), HLL_CHANGED);
    assert_int_equal(hll_look(value, (struct hll_point){16383, 1}), HLL_CORRUPT);
    mem_free(block);
}

static void test_heads(void **state)
{
    (void)state;
    char dense[HLL_DENSE_BYTES + 1] = "HYLL";
    assert_true(hll_is(slice_of(dense, HLL_DENSE_BYTES)));
    assert_false(hll_is(slice_of(dense, HLL_DENSE_BYTES - 1)));
    assert_false(hll_is(slice_of(dense, HLL_DENSE_BYTES + 1)));
    dense[4] = 1;
    assert_true(hll_is(slice_of(dense, HLL_HEAD)));
    assert_false(hll_is(slice_of(dense, HLL_HEAD - 1)));
    dense[4] = 2;
    assert_false(hll_is(slice_of(dense, HLL_DENSE_BYTES)));
    dense[4] = 0;
    dense[3] = 'l';
    assert_false(hll_is(slice_of(dense, HLL_DENSE_BYTES)));
    assert_false(hll_is(SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),   cmocka_unit_test(test_splits),
        cmocka_unit_test(test_joins),  cmocka_unit_test(test_promotion),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_heads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
