/* test_rdb_list.c - lists as RDB has held them over time, sound and damaged; and ziplists alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rand.h"
#include "persist/rdb_value.h"
#include "persist/ziplist.h"
#include "value/list.h"

/* ---- building ---- */

static void append_little(struct bytes *out, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        bytes_append_char(out, (char)(v >> 8 * i));
}

struct ziplist {
    struct bytes bytes;
    size_t previous, count;
};

static void ziplist_begin(struct ziplist *z)
{
    *z = (struct ziplist){0};
    for (int i = 0; i < 10; i++) /* the head, filled in at the end */
        bytes_append_char(&z->bytes, 0);
}

static void ziplist_add(struct ziplist *z, const void *encoded, size_t len)
{
    size_t start = z->bytes.len;
    if (z->previous < 254) {
        bytes_append_char(&z->bytes, (char)z->previous);
    } else {
        bytes_append_char(&z->bytes, (char)0xFE);
        append_little(&z->bytes, z->previous, 4);
    }
    bytes_append(&z->bytes, encoded, len);
    z->previous = z->bytes.len - start;
    z->count++;
}

static struct slice ziplist_end(struct ziplist *z)
{
    bytes_append_char(&z->bytes, (char)0xFF);
    struct bytes head = {0};
    append_little(&head, z->bytes.len, 4);
    append_little(&head, z->bytes.len - 1 - z->previous, 4);
    append_little(&head, z->count, 2);
    memcpy(z->bytes.data, head.data, head.len);
    bytes_free(&head);
    return bytes_slice(&z->bytes);
}

/* One element of each encoding. */
static const struct {
    const char *encoded;
    size_t len;
    const char *text;
} elements[] = {
    {"\x03"
     "abc",
     4, "abc"},
    {"\x00", 1, ""},
    {"\x40\x02hi", 4, "hi"},
    {"\x80\x00\x00\x00\x01x", 6, "x"},
    {"\xF1", 1, "0"},
    {"\xFD", 1, "12"},
    {"\xFE\x80", 2, "-128"},
    {"\xC0\xFF\x7F", 3, "32767"},
    {"\xF0\x00\x00\x80", 4, "-8388608"},
    {"\xD0\xFF\xFF\xFF\x7F", 5, "2147483647"},
    {"\xE0\x00\x00\x00\x00\x00\x00\x00\x80", 9, "-9223372036854775808"},
};

static struct slice every_encoding(struct ziplist *z)
{
    ziplist_begin(z);
    for (size_t i = 0; i < COUNT_OF(elements); i++)
        ziplist_add(z, elements[i].encoded, elements[i].len);
    return ziplist_end(z);
}

/* ---- ziplists ---- */

struct seen {
    size_t count;
    size_t stop_at; /* refuse this one */
    bool equal;
};

static bool see(void *ctx, struct slice element)
{
    struct seen *s = ctx;
    if (s->count == s->stop_at)
        return false;
    if (s->count < COUNT_OF(elements))
        s->equal = s->equal && slice_eq(element, slice_str(elements[s->count].text));
    s->count++;
    return true;
}

static void ziplists_of_every_encoding_are_read(void **state)
{
    struct ziplist z;
    struct slice bytes = every_encoding(&z);
    struct seen s = {.stop_at = SIZE_MAX, .equal = true};
    assert_true(ziplist_each(bytes, see, &s));
    assert_true(s.equal);
    assert_int_equal(s.count, COUNT_OF(elements));
    s = (struct seen){.stop_at = 3, .equal = true};
    assert_false(ziplist_each(bytes, see, &s));
    assert_int_equal(s.count, 3);
    bytes_free(&z.bytes);
    ziplist_begin(&z);
    assert_true(ziplist_each(ziplist_end(&z), see, &s));
    bytes_free(&z.bytes);
}

/* An entry of 254 bytes and more makes the next one tell its length in five. */
static void long_entries_are_read(void **state)
{
    struct ziplist z;
    char text[302] = {0x41, 0x2C}; /* 14 bits: 300 */
    ziplist_begin(&z);
    ziplist_add(&z, text, sizeof text);
    ziplist_add(&z, text, sizeof text);
    struct seen s = {.stop_at = SIZE_MAX};
    assert_true(ziplist_each(ziplist_end(&z), see, &s));
    assert_int_equal(s.count, 2);
    bytes_free(&z.bytes);
}

/* Each copy is a block of its own, so that reading beyond it is seen. */
static void damaged_ziplists_stay_inside(void **state)
{
    struct ziplist z;
    struct slice bytes = every_encoding(&z);
    unsigned refused = 0;
    for (size_t cut = 0; cut < bytes.len; cut++) {
        char *copy = mem_dup(bytes.data, MAX_OF(cut, 1u));
        struct seen s = {.stop_at = SIZE_MAX};
        assert_false(ziplist_each(slice_of(copy, cut), see, &s));
        mem_free(copy);
    }
    for (size_t at = 0; at < bytes.len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            char *copy = mem_dup(bytes.data, bytes.len);
            copy[at] = (char)value;
            struct seen s = {.stop_at = SIZE_MAX};
            refused += !ziplist_each(slice_of(copy, bytes.len), see, &s);
            mem_free(copy);
        }
    }
    assert_true(refused > bytes.len * 100);
    bytes_free(&z.bytes);
}

/* ---- lists ---- */

static bool read_list(struct slice bytes, uint8_t type, const struct value_limits *limits,
                      struct dump_value *out)
{
    struct rdb_reader r;
    rdb_reader_init(&r, bytes);
    r.limits = limits;
    return rdb_value_read(&r, type, out);
}

static void expect_elements(struct value list, size_t times)
{
    struct list_at at;
    assert_int_equal(list_count(list), times * COUNT_OF(elements));
    for (size_t i = 0; i < times * COUNT_OF(elements); i++) {
        assert_true(list_seek(list, (int64_t)i, &at));
        assert_true(list_equals(list, &at, slice_str(elements[i % COUNT_OF(elements)].text)));
    }
}

/* The same list as each type that holds lists. */
static void append_list(struct bytes *out, uint8_t type)
{
    struct ziplist z;
    struct slice packed = every_encoding(&z);
    unsigned char *listpack = listpack_new(0);
    switch (type) {
    case RDB_TYPE_LIST:
        rdb_append_length(out, COUNT_OF(elements));
        for (size_t i = 0; i < COUNT_OF(elements); i++)
            rdb_append_string(out, slice_str(elements[i].text), true);
        break;
    case RDB_TYPE_LIST_QUICKLIST:
        rdb_append_length(out, 1);
        rdb_append_string(out, packed, true);
        break;
    case RDB_TYPE_LIST_ZIPLIST:
        rdb_append_string(out, packed, true);
        break;
    default: /* a listpack, an empty one, and a plain element */
        for (size_t i = 0; i + 1 < COUNT_OF(elements); i++)
            listpack_append(&listpack, slice_str(elements[i].text));
        rdb_append_length(out, 3);
        rdb_append_length(out, 2);
        rdb_append_string(out, slice_of(listpack, listpack_bytes(listpack)), true);
        rdb_append_length(out, 2);
        rdb_append_string(out, slice_of("\x07\0\0\0\0\0\xFF", 7), true);
        rdb_append_length(out, 1);
        rdb_append_string(out, slice_str(elements[COUNT_OF(elements) - 1].text), true);
        break;
    }
    listpack_free(listpack);
    bytes_free(&z.bytes);
}

static const uint8_t types[] = {RDB_TYPE_LIST, RDB_TYPE_LIST_ZIPLIST, RDB_TYPE_LIST_QUICKLIST,
                                RDB_TYPE_LIST_QUICKLIST_2};

static void every_type_is_read(void **state)
{
    struct value_limits small = value_limits_default;
    small.list_max_listpack_size = 4;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct bytes bytes = {0};
        struct dump_value out;
        append_list(&bytes, types[i]);
        assert_true(read_list(bytes_slice(&bytes), types[i], &value_limits_default, &out));
        assert_int_equal(out.type, TYPE_LIST);
        expect_elements(out.value, 1);
        assert_int_equal(out.value.encoding, types[i] == RDB_TYPE_LIST_QUICKLIST_2
                                                 ? ENCODING_QUICKLIST
                                                 : ENCODING_LISTPACK);
        dump_value_free(&out);
        assert_true(read_list(bytes_slice(&bytes), types[i], &small, &out));
        expect_elements(out.value, 1);
        assert_int_equal(out.value.encoding, ENCODING_QUICKLIST);
        dump_value_free(&out);
        bytes_free(&bytes);
    }
}

static void damaged_lists_are_refused_or_harmless(void **state)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct bytes bytes = {0};
        struct dump_value out;
        append_list(&bytes, types[i]);
        for (size_t cut = 0; cut < bytes.len; cut++) {
            char *copy = mem_dup(bytes.data, MAX_OF(cut, 1u));
            assert_false(read_list(slice_of(copy, cut), types[i], &value_limits_default, &out));
            mem_free(copy);
        }
        for (size_t at = 0; at < bytes.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                char *copy = mem_dup(bytes.data, bytes.len);
                copy[at] ^= (char)(1 << bit);
                if (read_list(slice_of(copy, bytes.len), types[i], &value_limits_default, &out)) {
                    assert_true(list_count(out.value) > 0);
                    dump_value_free(&out);
                }
                mem_free(copy);
            }
        }
        bytes_free(&bytes);
    }
}

static void lists_without_elements_are_refused(void **state)
{
    struct dump_value out;
    assert_false(read_list(SLICE("\0"), RDB_TYPE_LIST, &value_limits_default, &out));
    assert_false(read_list(SLICE("\0"), RDB_TYPE_LIST_QUICKLIST_2, &value_limits_default, &out));
    assert_false(read_list(slice_of("\1\2\7\7\0\0\0\0\0\xFF", 10), RDB_TYPE_LIST_QUICKLIST_2,
                           &value_limits_default, &out));
    assert_false(read_list(slice_of("\1\3\1a", 4), RDB_TYPE_LIST_QUICKLIST_2, &value_limits_default,
                           &out)); /* a node of no known kind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ziplists_of_every_encoding_are_read),
        cmocka_unit_test(long_entries_are_read),
        cmocka_unit_test(damaged_ziplists_stay_inside),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(damaged_lists_are_refused_or_harmless),
        cmocka_unit_test(lists_without_elements_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
