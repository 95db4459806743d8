/* test_rdb_zset.c - sorted sets as RDB has held them over time, sound and damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "base/mem.h"
#include "persist/rdb_value.h"
#include "value/zset.h"

/* In the order of ZRANGE. */
static const struct {
    const char *member;
    double score;
    const char *text;
} items[] = {
    {"low", -INFINITY, "-inf"}, {"12", -1.5, "-1.5"},      {"a", 3, "3"}, {"b", 3, "3"},
    {"c", 1e20, "1e+20"},       {"high", INFINITY, "inf"},
};

static const uint8_t types[] = {RDB_TYPE_ZSET, RDB_TYPE_ZSET_2, RDB_TYPE_ZSET_ZIPLIST,
                                RDB_TYPE_ZSET_LISTPACK};

static bool read_zset(struct slice bytes, uint8_t type, const struct value_limits *limits,
                      struct dump_value *out)
{
    struct rdb_reader r;
    rdb_reader_init(&r, bytes);
    r.limits = limits;
    bool ok = rdb_value_read(&r, type, out);
    rdb_reader_free(&r);
    return ok;
}

static void append_score(struct bytes *out, uint8_t type, double score, const char *text)
{
    if (type == RDB_TYPE_ZSET_2) {
        uint64_t bits;
        memcpy(&bits, &score, sizeof bits);
        for (unsigned i = 0; i < sizeof bits; i++)
            bytes_append_char(out, (char)(bits >> 8 * i));
    } else if (isinf(score)) {
        bytes_append_char(out, (char)(score > 0 ? 254 : 255));
    } else {
        bytes_append_char(out, (char)strlen(text));
        bytes_append_str(out, text);
    }
}

/* Every element as a short string. */
static void append_ziplist(struct bytes *out, size_t count)
{
    struct bytes z = {0};
    size_t previous = 0;
    for (int i = 0; i < 10; i++)
        bytes_append_char(&z, 0);
    for (size_t i = 0; i < 2 * count; i++) {
        const char *text = i % 2 ? items[i / 2].text : items[i / 2].member;
        bytes_append_char(&z, (char)previous);
        bytes_append_char(&z, (char)strlen(text));
        bytes_append_str(&z, text);
        previous = 2 + strlen(text);
    }
    bytes_append_char(&z, (char)0xFF);
    z.data[0] = (char)z.len;
    z.data[4] = (char)(z.len - 1 - previous);
    z.data[8] = (char)(2 * count);
    rdb_append_string(out, bytes_slice(&z), false);
    bytes_free(&z);
}

static void append_listpack(struct bytes *out)
{
    unsigned char *lp = listpack_new(0);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        listpack_append(&lp, slice_str(items[i].member));
        listpack_append(&lp, slice_str(items[i].text));
    }
    rdb_append_string(out, slice_of(lp, listpack_bytes(lp)), false);
    listpack_free(lp);
}

static void append_zset(struct bytes *out, uint8_t type)
{
    if (type == RDB_TYPE_ZSET_ZIPLIST) {
        append_ziplist(out, COUNT_OF(items));
    } else if (type == RDB_TYPE_ZSET_LISTPACK) {
        append_listpack(out);
    } else {
        rdb_append_length(out, COUNT_OF(items));
        for (size_t i = COUNT_OF(items); i-- > 0;) {
            rdb_append_string(out, slice_str(items[i].member), true);
            append_score(out, type, items[i].score, items[i].text);
        }
    }
}

static void expect_items(struct value z)
{
    struct zset_at at;
    struct zset_item item;
    assert_int_equal(zset_count(z), COUNT_OF(items));
    zset_seek(z, 0, &at);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        assert_true(zset_next(z, &at, &item));
        assert_true(slice_eq(item.member, slice_str(items[i].member)));
        assert_true(item.score == items[i].score);
    }
}

static void every_type_is_read(void **state)
{
    struct value_limits at_bound = value_limits_default, below = value_limits_default;
    at_bound.zset_max_listpack_entries = COUNT_OF(items);
    at_bound.zset_max_listpack_value = 4;
    below.zset_max_listpack_value = 3;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct bytes bytes = {0};
        struct dump_value out;
        append_zset(&bytes, types[i]);
        assert_true(read_zset(bytes_slice(&bytes), types[i], &at_bound, &out));
        assert_int_equal(out.type, TYPE_ZSET);
        assert_int_equal(out.value.encoding, ENCODING_LISTPACK);
        expect_items(out.value);
        dump_value_free(&out);
        assert_true(read_zset(bytes_slice(&bytes), types[i], &below, &out));
        assert_int_equal(out.value.encoding, ENCODING_SKIPLIST);
        expect_items(out.value);
        dump_value_free(&out);
        bytes_free(&bytes);
    }
}

static void damaged_ones_are_refused_or_harmless(void **state)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct bytes bytes = {0};
        struct dump_value out;
        append_zset(&bytes, types[i]);
        for (size_t cut = 0; cut < bytes.len; cut++) {
            char *copy = mem_dup(bytes.data, MAX_OF(cut, 1u));
            assert_false(read_zset(slice_of(copy, cut), types[i], &value_limits_default, &out));
            mem_free(copy);
        }
        for (size_t at = 0; at < bytes.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                char *copy = mem_dup(bytes.data, bytes.len);
                copy[at] ^= (char)(1 << bit);
                if (read_zset(slice_of(copy, bytes.len), types[i], &value_limits_default, &out)) {
                    assert_true(zset_count(out.value) > 0);
                    dump_value_free(&out);
                }
                mem_free(copy);
            }
        }
        bytes_free(&bytes);
    }
}

static void what_cannot_be_is_refused(void **state)
{
    struct dump_value out;
    struct bytes bytes = {0};
    bytes_append(&bytes, "\0", 1); /* no members */
    assert_false(read_zset(bytes_slice(&bytes), RDB_TYPE_ZSET_2, &value_limits_default, &out));
    bytes.len = 0; /* nan, in both ways */
    bytes_append(&bytes, "\x01\x01x\xFD", 4);
    assert_false(read_zset(bytes_slice(&bytes), RDB_TYPE_ZSET, &value_limits_default, &out));
    bytes.len = 3;
    append_score(&bytes, RDB_TYPE_ZSET_2, (double)NAN, "");
    assert_false(read_zset(bytes_slice(&bytes), RDB_TYPE_ZSET_2, &value_limits_default, &out));
    bytes.len = 0; /* one member twice */
    rdb_append_length(&bytes, 2);
    for (int i = 0; i < 2; i++) {
        rdb_append_string(&bytes, SLICE("m"), false);
        append_score(&bytes, RDB_TYPE_ZSET_2, i, "");
    }
    assert_false(read_zset(bytes_slice(&bytes), RDB_TYPE_ZSET_2, &value_limits_default, &out));
    bytes_free(&bytes);
}

static int join(void **state)
{
    mem_thread_join();
    return 0;
}

static int leave(void **state)
{
    mem_thread_leave();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(damaged_ones_are_refused_or_harmless),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, join, leave);
}
