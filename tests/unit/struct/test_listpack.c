/* The listpack: the bytes of every encoding at its bounds, every edit, and bytes that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/mem.h"
#include "struct/listpack.h"

/* ---- What a listpack says, and whether it is in order ---- */

static void expect_bytes(const unsigned char *lp)
{
    assert_true(listpack_validate(lp, listpack_bytes(lp), true, NULL, NULL));
}

static void expect_valid(const unsigned char *lp)
{
    expect_bytes(lp);
    assert_true(mem_usable(lp) >= listpack_bytes(lp));
}

/* Elements joined by commas, read forwards and backwards. */
static void expect_list(const unsigned char *lp, const char *expected)
{
    char room[LISTPACK_TEXT];
    struct bytes text = {0};
    size_t count = 0;
    expect_valid(lp);
    for (uint32_t at = listpack_first(lp); at; at = listpack_next(lp, at)) {
        struct slice value = listpack_text(lp, at, room);
        bytes_append(&text, ",", count > 0);
        bytes_append(&text, value.data, value.len);
        assert_int_equal(listpack_seek(lp, (int64_t)count), at);
        assert_true(listpack_equals(lp, at, value));
        count++;
    }
    assert_string_equal(bytes_str(&text), expected);
    assert_int_equal(listpack_count(lp), count);
    int64_t back = 0;
    for (uint32_t at = listpack_last(lp); at; at = listpack_prev(lp, at))
        assert_int_equal(listpack_seek(lp, --back), at);
    assert_int_equal(-back, count);
    assert_int_equal(listpack_seek(lp, (int64_t)count), 0);
    assert_int_equal(listpack_seek(lp, -1 - (int64_t)count), 0);
    bytes_free(&text);
}

static unsigned char *list_of(const char *words)
{
    unsigned char *lp = listpack_new(0);
    for (size_t len; *words; words += len + (words[len] == ',')) {
        len = strcspn(words, ",");
        listpack_append(&lp, slice_of(words, len));
    }
    return lp;
}

static struct slice filled(char *room, size_t len)
{
    memset(room, 'x', len);
    return slice_of(room, len);
}

/* ---- Bytes ---- */

static void test_empty(void **state)
{
    unsigned char *lp = listpack_new(0);
    assert_memory_equal(lp, "\x07\0\0\0\0\0\xff", LISTPACK_EMPTY);
    expect_list(lp, "");
    assert_int_equal(listpack_first(lp), 0);
    assert_int_equal(listpack_last(lp), 0);
    assert_int_equal(listpack_seek(lp, 0), 0);
    assert_int_equal(listpack_seek(lp, -1), 0);
    assert_int_equal(listpack_find(lp, listpack_first(lp), SLICE(""), 0), 0);
    listpack_free(lp);
    listpack_free(NULL);
}

#define BYTES(literal) SLICE(literal)

static void test_integers_at_their_bounds(void **state)
{
    static const struct {
        int64_t value;
        struct slice bytes;
    } rows[] = {
        {0, BYTES("\x00\x01")},
        {1, BYTES("\x01\x01")},
        {127, BYTES("\x7f\x01")},
        {128, BYTES("\xc0\x80\x02")},
        {-1, BYTES("\xdf\xff\x02")},
        {4095, BYTES("\xcf\xff\x02")},
        {-4096, BYTES("\xd0\x00\x02")},
        {4096, BYTES("\xf1\x00\x10\x03")},
        {-4097, BYTES("\xf1\xff\xef\x03")},
        {32767, BYTES("\xf1\xff\x7f\x03")},
        {-32768, BYTES("\xf1\x00\x80\x03")},
        {32768, BYTES("\xf2\x00\x80\x00\x04")},
        {-32769, BYTES("\xf2\xff\x7f\xff\x04")},
        {8388607, BYTES("\xf2\xff\xff\x7f\x04")},
        {-8388608, BYTES("\xf2\x00\x00\x80\x04")},
        {8388608, BYTES("\xf3\x00\x00\x80\x00\x05")},
        {-8388609, BYTES("\xf3\xff\xff\x7f\xff\x05")},
        {INT32_MAX, BYTES("\xf3\xff\xff\xff\x7f\x05")},
        {INT32_MIN, BYTES("\xf3\x00\x00\x00\x80\x05")},
        {INT64_C(2147483648), BYTES("\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09")},
        {INT64_C(-2147483649), BYTES("\xf4\xff\xff\xff\x7f\xff\xff\xff\xff\x09")},
        {INT64_MAX, BYTES("\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09")},
        {INT64_MIN, BYTES("\xf4\x00\x00\x00\x00\x00\x00\x00\x80\x09")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[LISTPACK_TEXT], room[LISTPACK_TEXT];
        struct slice as_text = slice_of(text, number_print_i64(text, rows[i].value));
        struct listpack_value out;
        int64_t integer;
        unsigned char *lp = listpack_new(0), *other = listpack_new(0);
        listpack_append(&lp, as_text);
        listpack_append_integer(&other, rows[i].value);
        assert_int_equal(listpack_bytes(lp), LISTPACK_EMPTY + rows[i].bytes.len);
        assert_memory_equal(lp + LISTPACK_HEAD, rows[i].bytes.data, rows[i].bytes.len);
        assert_memory_equal(lp, other, listpack_bytes(lp));
        assert_int_equal(listpack_size_of(as_text), rows[i].bytes.len);
        assert_int_equal(listpack_size_of_integer(rows[i].value), rows[i].bytes.len);
        assert_int_equal(listpack_size_at(lp, listpack_first(lp)), rows[i].bytes.len);
        listpack_get(lp, listpack_first(lp), &out);
        assert_null(out.data);
        assert_true(out.integer == rows[i].value);
        assert_true(listpack_integer(lp, listpack_first(lp), &integer));
        assert_true(integer == rows[i].value);
        assert_true(slice_eq(listpack_text(lp, listpack_first(lp), room), as_text));
        assert_true(listpack_equals(lp, listpack_first(lp), as_text));
        expect_valid(lp);
        listpack_free(lp);
        listpack_free(other);
    }
}

static void test_text_that_is_no_integer(void **state)
{
    static const char *const words[] = {"",
                                        "-",
                                        "-0",
                                        "+1",
                                        "01",
                                        "1 ",
                                        " 1",
                                        "1.0",
                                        "0x1",
                                        "a",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "1e3"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        struct listpack_value out;
        int64_t integer;
        unsigned char *lp = listpack_new(0);
        listpack_append(&lp, slice_str(words[i]));
        listpack_get(lp, listpack_first(lp), &out);
        assert_non_null(out.data);
        assert_true(slice_eq(slice_of(out.data, out.len), slice_str(words[i])));
        assert_false(listpack_integer(lp, listpack_first(lp), &integer));
        expect_list(lp, words[i]);
        listpack_free(lp);
    }
}

/* Lengths of data around each bound, of encodings and of backlens. */
static void test_strings_at_their_bounds(void **state)
{
    static const struct {
        size_t len, head, back;
        struct slice head_bytes, back_bytes;
    } rows[] = {
        {0, 1, 1, BYTES("\x80"), BYTES("\x01")},
        {1, 1, 1, BYTES("\x81"), BYTES("\x02")},
        {63, 1, 1, BYTES("\xbf"), BYTES("\x40")},
        {64, 2, 1, BYTES("\xe0\x40"), BYTES("\x42")},
        {125, 2, 1, BYTES("\xe0\x7d"), BYTES("\x7f")},
        {126, 2, 2, BYTES("\xe0\x7e"), BYTES("\x01\x80")},
        {255, 2, 2, BYTES("\xe0\xff"), BYTES("\x02\x81")},
        {256, 2, 2, BYTES("\xe1\x00"), BYTES("\x02\x82")},
        {4095, 2, 2, BYTES("\xef\xff"), BYTES("\x20\x81")},
        {4096, 5, 2, BYTES("\xf0\x00\x10\x00\x00"), BYTES("\x20\x85")},
        {16377, 5, 2, BYTES("\xf0\xf9\x3f\x00\x00"), BYTES("\x7f\xfe")},
        {16378, 5, 3, BYTES("\xf0\xfa\x3f\x00\x00"), BYTES("\x00\xff\xff")},
        {16379, 5, 3, BYTES("\xf0\xfb\x3f\x00\x00"), BYTES("\x01\x80\x80")},
        {2097145, 5, 3, BYTES("\xf0\xf9\xff\x1f\x00"), BYTES("\x7f\xff\xfe")},
        {2097146, 5, 4, BYTES("\xf0\xfa\xff\x1f\x00"), BYTES("\x00\xff\xff\xff")},
        {2097147, 5, 4, BYTES("\xf0\xfb\xff\x1f\x00"), BYTES("\x01\x80\x80\x80")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t size = rows[i].head + rows[i].len + rows[i].back;
        char *room = mem_alloc(rows[i].len);
        struct slice value = filled(room, rows[i].len), out;
        unsigned char *lp = list_of("before");
        uint32_t at = listpack_append(&lp, value);
        assert_int_equal(listpack_size_of(value), size);
        assert_int_equal(listpack_size_at(lp, at), size);
        assert_memory_equal(lp + at, rows[i].head_bytes.data, rows[i].head);
        assert_memory_equal(lp + at + rows[i].head + rows[i].len, rows[i].back_bytes.data,
                            rows[i].back);
        assert_int_equal(listpack_last(lp), at);
        out = listpack_text(lp, at, NULL);
        assert_true(slice_eq(out, value));
        listpack_append(&lp, SLICE("after"));
        assert_int_equal(listpack_prev(lp, listpack_last(lp)), at);
        assert_int_equal(listpack_find(lp, listpack_first(lp), value, 0), at);
        expect_valid(lp);
        listpack_replace(&lp, at, SLICE("-5"));
        expect_list(lp, "before,-5,after");
        listpack_free(lp);
        mem_free(room);
    }
}

/* The widest backlen, in memory that is never touched but for the ends. */
static void test_longest_backlen(void **state)
{
    size_t len = 268435450, room = len + 4096;
    unsigned char *lp = mmap(NULL, room, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(lp != MAP_FAILED);
    assert_int_equal(listpack_size_of(slice_of(lp, len - 1)), 5 + len - 1 + 4);
    assert_int_equal(listpack_size_of(slice_of(lp, len)), 5 + len + 5);
    size_t bytes = LISTPACK_EMPTY + 5 + len + 5;
    flat_store(lp, bytes, 4);
    flat_store(lp + 4, 1, 2);
    memcpy(lp + LISTPACK_HEAD, "\xf0\xfa\xff\xff\x0f", 5);
    memcpy(lp + LISTPACK_HEAD + 5 + len, "\x00\xff\xff\xff\xff\xff", 6);
    assert_true(listpack_validate(lp, bytes, true, NULL, NULL));
    assert_int_equal(listpack_last(lp), LISTPACK_HEAD);
    assert_int_equal(listpack_splice_in(lp, LISTPACK_HEAD, 1, NULL, 0), 0);
    assert_int_equal(listpack_bytes(lp), LISTPACK_EMPTY);
    munmap(lp, room);
}

/* ---- Edits ---- */

static void test_adding(void **state)
{
    unsigned char *lp = listpack_new(0);
    assert_int_equal(listpack_append(&lp, SLICE("c")), LISTPACK_HEAD);
    assert_int_equal(listpack_prepend(&lp, SLICE("-500")), LISTPACK_HEAD);
    listpack_append_integer(&lp, 70000);
    listpack_prepend_integer(&lp, 3);
    expect_list(lp, "3,-500,c,70000");
    uint32_t at = listpack_insert_before(&lp, listpack_seek(lp, 2), SLICE("b"));
    assert_true(listpack_equals(lp, at, SLICE("b")));
    at = listpack_insert_after(&lp, listpack_seek(lp, 2), SLICE("b2"));
    assert_true(listpack_equals(lp, at, SLICE("b2")));
    at = listpack_insert_after(&lp, listpack_last(lp), SLICE("z"));
    assert_int_equal(at, listpack_last(lp));
    at = listpack_insert_before(&lp, 0, SLICE("end"));
    assert_int_equal(at, listpack_last(lp));
    expect_list(lp, "3,-500,b,b2,c,70000,z,end");
    struct slice more[] = {SLICE("1"), SLICE(""), SLICE("xyz")};
    at = listpack_append_many(&lp, more, COUNT_OF(more));
    assert_int_equal(at, listpack_seek(lp, 8));
    assert_int_equal(listpack_append_many(&lp, NULL, 0), 0);
    expect_list(lp, "3,-500,b,b2,c,70000,z,end,1,,xyz");
    listpack_free(lp);
}

static void test_replacing(void **state)
{
    unsigned char *lp = list_of("a,b,c");
    uint32_t at = listpack_seek(lp, 1);
    listpack_replace(&lp, at, SLICE("a much longer one than before"));
    expect_list(lp, "a,a much longer one than before,c");
    listpack_replace_integer(&lp, at, INT64_MIN);
    expect_list(lp, "a,-9223372036854775808,c");
    listpack_replace(&lp, at, SLICE("7"));
    listpack_replace(&lp, listpack_last(lp), SLICE("last"));
    listpack_replace(&lp, listpack_first(lp), SLICE(""));
    expect_list(lp, ",7,last");
    listpack_free(lp);
}

static void test_deleting(void **state)
{
    unsigned char *lp = list_of("0,1,2,3,4,5,6,7,8,9");
    uint32_t at = listpack_delete(&lp, listpack_seek(lp, 3));
    assert_true(listpack_equals(lp, at, SLICE("4")));
    assert_int_equal(listpack_delete(&lp, listpack_last(lp)), 0);
    expect_list(lp, "0,1,2,4,5,6,7,8");
    at = listpack_delete_many(&lp, listpack_seek(lp, 1), 2);
    assert_true(listpack_equals(lp, at, SLICE("4")));
    assert_int_equal(listpack_delete_many(&lp, listpack_seek(lp, 4), 100), 0);
    expect_list(lp, "0,4,5,6");
    assert_int_equal(listpack_delete_range(&lp, -2, 1), 1);
    expect_list(lp, "0,4,6");
    assert_int_equal(listpack_delete_range(&lp, 3, 1), 0);
    assert_int_equal(listpack_delete_range(&lp, -4, 1), 0);
    assert_int_equal(listpack_delete_range(&lp, 0, 0), 0);
    assert_int_equal(listpack_delete_range(&lp, 1, SIZE_MAX), 2);
    expect_list(lp, "0");
    assert_int_equal(listpack_delete_range(&lp, -1, 1), 1);
    expect_list(lp, "");
    assert_int_equal(listpack_bytes(lp), LISTPACK_EMPTY);
    listpack_free(lp);
}

static void test_splice(void **state)
{
    struct slice values[] = {SLICE("x"), SLICE("123456"), SLICE("y")};
    unsigned char *lp = list_of("a,b,c,d");
    uint32_t at = listpack_splice(&lp, listpack_seek(lp, 1), 2, values, 3);
    assert_true(listpack_equals(lp, at, SLICE("x")));
    expect_list(lp, "a,x,123456,y,d");
    at = listpack_splice(&lp, listpack_seek(lp, 1), 3, NULL, 0);
    assert_true(listpack_equals(lp, at, SLICE("d")));
    assert_int_equal(listpack_splice(&lp, 0, 5, NULL, 0), 0);
    expect_list(lp, "a,d");
    listpack_free(lp);
}

/* Bytes at an odd address in a place of exactly the size that was announced. */
static void test_splice_elsewhere(void **state)
{
    struct slice values[] = {SLICE("field"), SLICE("value"), SLICE("1000")};
    char *place = mem_alloc(1 + LISTPACK_EMPTY);
    unsigned char *lp = (unsigned char *)place + 1;
    listpack_init_in(lp);
    for (int i = 0; i < 10; i++) {
        size_t size = listpack_splice_size(lp, 0, 0, values, 3);
        place = mem_realloc(place, 1 + size);
        lp = (unsigned char *)place + 1;
        listpack_splice_in(lp, 0, 0, values, 3);
        assert_int_equal(listpack_bytes(lp), size);
        assert_int_equal(listpack_count(lp), 3 * (i + 1));
    }
    uint32_t at = listpack_find(lp, listpack_first(lp), SLICE("1000"), 0);
    size_t size = listpack_splice_size(lp, at, SIZE_MAX, NULL, 0);
    assert_int_equal(listpack_splice_in(lp, at, SIZE_MAX, NULL, 0), 0);
    assert_int_equal(listpack_bytes(lp), size);
    assert_true(listpack_validate(lp, size, true, NULL, NULL));
    assert_int_equal(listpack_count(lp), 2);
    mem_free(place);
}

/* The front moves to and fro within a place, up to its first byte. */
static void test_front_elsewhere(void **state)
{
    static const char *const texts[] = {"text", "-1", "5000",
                                        "a longer text, of more than a few bytes", ""};
    size_t room = 0;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        room += listpack_size_of(slice_str(texts[i]));
    unsigned char *place = mem_alloc(room + LISTPACK_EMPTY), *lp = place + room;
    listpack_init_in(lp);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct slice value = slice_str(texts[i]);
        size_t size = listpack_size_of(value);
        assert_null(listpack_prepend_in(lp, size - 1, value));
        unsigned char *begin = listpack_prepend_in(lp, (size_t)(lp - place), value);
        assert_ptr_equal(begin, lp - size);
        lp = begin;
        expect_bytes(lp);
        assert_true(listpack_equals(lp, LISTPACK_HEAD, value));
        assert_int_equal(listpack_count(lp), i + 1);
    }
    assert_ptr_equal(lp, place);
    assert_ptr_equal(listpack_drop_in(lp, 0), lp);
    lp = listpack_drop_in(lp, 3);
    expect_bytes(lp);
    assert_int_equal(listpack_count(lp), 2);
    assert_true(listpack_equals(lp, listpack_first(lp), SLICE("-1")));
    assert_true(listpack_equals(lp, listpack_last(lp), SLICE("text")));
    lp = listpack_drop_in(lp, SIZE_MAX);
    expect_bytes(lp);
    assert_ptr_equal(lp, place + room);
    assert_int_equal(listpack_bytes(lp), LISTPACK_EMPTY);
    mem_free(place);
}

static void test_merge_split_copy(void **state)
{
    unsigned char *lp = list_of("a,b"), *other = list_of("1,2,3"), *empty = list_of("");
    listpack_merge(&lp, other, false);
    expect_list(lp, "a,b,1,2,3");
    listpack_merge(&lp, other, true);
    listpack_merge(&lp, empty, true);
    listpack_merge(&lp, empty, false);
    expect_list(lp, "1,2,3,a,b,1,2,3");
    listpack_merge(&empty, other, true);
    expect_list(empty, "1,2,3");
    unsigned char *tail = listpack_split(&lp, listpack_seek(lp, 5));
    expect_list(lp, "1,2,3,a,b");
    expect_list(tail, "1,2,3");
    listpack_free(tail);
    tail = listpack_split(&lp, 0);
    expect_list(tail, "");
    listpack_free(tail);
    tail = listpack_split(&lp, listpack_first(lp));
    expect_list(lp, "");
    expect_list(tail, "1,2,3,a,b");
    unsigned char *copy = listpack_copy(tail);
    expect_list(copy, "1,2,3,a,b");
    listpack_free(copy);
    listpack_free(tail);
    listpack_free(lp);
    listpack_free(other);
    listpack_free(empty);
}

static void test_find(void **state)
{
    unsigned char *lp = list_of("a,b,b,1,1,c,,x");
    uint32_t first = listpack_first(lp);
    assert_int_equal(listpack_find(lp, first, SLICE("a"), 0), listpack_seek(lp, 0));
    assert_int_equal(listpack_find(lp, first, SLICE("b"), 0), listpack_seek(lp, 1));
    assert_int_equal(listpack_find(lp, first, SLICE("b"), 1), listpack_seek(lp, 2));
    assert_int_equal(listpack_find(lp, first, SLICE("1"), 1), listpack_seek(lp, 4));
    assert_int_equal(listpack_find(lp, first, SLICE("1"), 2), listpack_seek(lp, 3));
    assert_int_equal(listpack_find(lp, first, SLICE("c"), 1), 0);
    assert_int_equal(listpack_find(lp, first, SLICE(""), 0), listpack_seek(lp, 6));
    assert_int_equal(listpack_find(lp, first, SLICE("01"), 0), 0);
    assert_int_equal(listpack_find(lp, first, SLICE("x"), 100), 0);
    assert_int_equal(listpack_find(lp, listpack_seek(lp, 2), SLICE("b"), 0), listpack_seek(lp, 2));
    assert_int_equal(listpack_find(lp, listpack_seek(lp, 3), SLICE("b"), 0), 0);
    assert_int_equal(listpack_find(lp, 0, SLICE("a"), 0), 0);
    listpack_free(lp);
}

/* Integers that Redis would have written narrower, and digits kept as a string, mean the same. */
static void test_wider_than_needed(void **state)
{
    static const char bytes[] =
        "\x15\0\0\0\x04\0\xc0\x05\x02\xf1\x05\x00\x03\x81\x35\x02\xe0\x01\x35"
        "\x03\xff";
    const unsigned char *lp = (const unsigned char *)bytes;
    int64_t integer;
    assert_true(listpack_validate(lp, sizeof bytes - 1, true, NULL, NULL));
    for (uint32_t at = listpack_first(lp); at; at = listpack_next(lp, at)) {
        assert_true(listpack_equals(lp, at, SLICE("5")));
        assert_int_equal(listpack_find(lp, at, SLICE("5"), 0), at);
        assert_true(listpack_integer(lp, at, &integer));
        assert_int_equal(integer, 5);
    }
    static const char zero[] = "\x0a\0\0\0\x01\0\xc0\x00\x02\xff";
    lp = (const unsigned char *)zero;
    assert_true(listpack_equals(lp, LISTPACK_HEAD, SLICE("0")));
    assert_false(listpack_equals(lp, LISTPACK_HEAD, SLICE("x")));
    assert_int_equal(listpack_find(lp, LISTPACK_HEAD, SLICE(""), 0), 0);
}

/* ---- Counts and limits ---- */

static void test_more_than_the_head_counts(void **state)
{
    unsigned char *lp = listpack_new(1 << 18);
    for (int i = 0; i < 65534; i++)
        listpack_append_integer(&lp, i % 100);
    assert_int_equal(listpack_head_count(lp), 65534);
    listpack_append_integer(&lp, 5);
    assert_int_equal(listpack_head_count(lp), LISTPACK_UNCOUNTED);
    assert_int_equal(listpack_count(lp), 65535);
    listpack_append(&lp, SLICE("last"));
    assert_int_equal(listpack_count(lp), 65536);
    assert_int_equal(listpack_seek(lp, 65535), listpack_last(lp));
    assert_int_equal(listpack_seek(lp, 65536), 0);
    assert_int_equal(listpack_seek(lp, -65536), listpack_first(lp));
    assert_int_equal(listpack_seek(lp, -65537), 0);
    expect_valid(lp);
    unsigned char *copy = listpack_copy(lp);
    listpack_merge(&copy, lp, true);
    assert_int_equal(listpack_count(copy), 2 * 65536);
    unsigned char *tail = listpack_split(&copy, listpack_seek(copy, 65536 + 2));
    assert_int_equal(listpack_head_count(tail), 65534);
    assert_int_equal(listpack_count(copy), 65538);
    expect_valid(tail);
    expect_valid(copy);
    listpack_free(tail);
    listpack_free(copy);
    listpack_delete(&lp, listpack_first(lp));
    assert_int_equal(listpack_count(lp), 65535);
    listpack_delete(&lp, listpack_last(lp)); /* so few bytes are fewer elements */
    assert_int_equal(listpack_head_count(lp), 65534);
    assert_int_equal(listpack_delete_range(&lp, 10, 65000), 65000);
    assert_int_equal(listpack_head_count(lp), 534);
    expect_valid(lp);
    listpack_free(lp);
    /* The same at the front. */
    unsigned char *place = mem_alloc(65535 * 2 + LISTPACK_EMPTY);
    lp = place + 65535 * 2;
    listpack_init_in(lp);
    for (int i = 0; i < 65535; i++)
        lp = listpack_prepend_in(lp, 2, SLICE("7"));
    assert_ptr_equal(lp, place);
    assert_int_equal(listpack_head_count(lp), LISTPACK_UNCOUNTED);
    assert_int_equal(listpack_count(lp), 65535);
    lp = listpack_drop_in(lp, 1);
    assert_int_equal(listpack_head_count(lp), 65534);
    expect_bytes(lp);
    mem_free(place);
}

static void test_limit_of_bytes(void **state)
{
    unsigned char lp[LISTPACK_EMPTY];
    listpack_init_in(lp);
    assert_true(listpack_fits(NULL, LISTPACK_BYTES_MAX - LISTPACK_EMPTY));
    assert_false(listpack_fits(NULL, LISTPACK_BYTES_MAX - LISTPACK_EMPTY + 1));
    assert_true(listpack_fits(lp, LISTPACK_BYTES_MAX - LISTPACK_EMPTY));
    assert_false(listpack_fits(lp, LISTPACK_BYTES_MAX - LISTPACK_EMPTY + 1));
    assert_false(listpack_fits(lp, SIZE_MAX));
    flat_store(lp, LISTPACK_BYTES_MAX, 4); /* only the head is looked at */
    assert_true(listpack_fits(lp, 0));
    assert_false(listpack_fits(lp, 1));
    flat_store(lp, UINT32_MAX, 4);
    assert_false(listpack_fits(lp, 0));
}

/* Memory follows the bytes, up and down. */
static void test_memory(void **state)
{
    unsigned char *lp = listpack_new(1000);
    assert_true(listpack_memory(lp) >= 1000);
    listpack_trim(&lp);
    assert_true(listpack_memory(lp) <= mem_good_size(LISTPACK_EMPTY) + 16);
    for (int i = 0; i < 2000; i++)
        listpack_append(&lp, SLICE("some value"));
    assert_true(listpack_memory(lp) <= mem_good_size(listpack_bytes(lp)) + 16);
    while (listpack_first(lp)) {
        listpack_delete(&lp, listpack_last(lp));
        size_t good = mem_good_size(listpack_bytes(lp));
        assert_true(listpack_memory(lp) <= MAX_OF(good, listpack_bytes(lp) * 4 / 3) + 16);
    }
    listpack_free(lp);
}

/* ---- Bytes that are none: at the end of a page, so that reading beyond them is a fault ---- */

struct fence {
    unsigned char *base;
    size_t page;
};

static struct fence fence_new(void)
{
    struct fence f = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    f.base = mmap(NULL, 2 * f.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(f.base != MAP_FAILED);
    assert_int_equal(mprotect(f.base + f.page, f.page, PROT_NONE), 0);
    return f;
}

static void fence_free(struct fence *f)
{
    munmap(f->base, 2 * f->page);
}

static unsigned char *at_fence(struct fence *f, const void *bytes, size_t len)
{
    return memcpy(f->base + f->page - len, bytes, len);
}

/* Reads everything there is to read; what was validated may not lead astray. */
static void read_all(const unsigned char *lp)
{
    char room[LISTPACK_TEXT];
    size_t count = 0, sum = 0;
    for (uint32_t at = listpack_first(lp); at; at = listpack_next(lp, at)) {
        struct slice text = listpack_text(lp, at, room);
        for (size_t i = 0; i < text.len; i++)
            sum += (unsigned char)text.data[i];
        count++;
    }
    assert_int_equal(count, listpack_count(lp));
    for (uint32_t at = listpack_last(lp); at; at = listpack_prev(lp, at))
        count--;
    assert_int_equal(count, 0);
    assert_true(sum != SIZE_MAX);
}

static void test_head_refused(void **state)
{
    struct fence f = fence_new();
    unsigned char *lp = list_of("a");
    size_t len = listpack_bytes(lp);
    for (size_t cut = 0; cut < len; cut++) {
        assert_false(listpack_validate(at_fence(&f, lp, cut), cut, false, NULL, NULL));
        assert_false(listpack_validate(at_fence(&f, lp, cut), cut, true, NULL, NULL));
    }
    assert_true(listpack_validate(at_fence(&f, lp, len), len, false, NULL, NULL));
    lp[len - 1] = 0xFE;
    assert_false(listpack_validate(lp, len, false, NULL, NULL));
    lp[len - 1] = LISTPACK_END;
    for (int wrong = -1; wrong <= 1; wrong += 2) {
        flat_store(lp, (uint64_t)((int)len + wrong), 4);
        assert_false(listpack_validate(lp, len, false, NULL, NULL));
    }
    flat_store(lp, len, 4);
    flat_store(lp + 4, 2, 2); /* a wrong count is found by counting only */
    assert_true(listpack_validate(lp, len, false, NULL, NULL));
    assert_false(listpack_validate(lp, len, true, NULL, NULL));
    flat_store(lp + 4, 0, 2);
    assert_false(listpack_validate(lp, len, true, NULL, NULL));
    flat_store(lp + 4, LISTPACK_UNCOUNTED, 2);
    assert_true(listpack_validate(lp, len, true, NULL, NULL));
    assert_int_equal(listpack_count(lp), 1);
    listpack_free(lp);
    fence_free(&f);
}

/* A listpack of one element of these bytes, the head and the end put around it. */
static bool element_passes(struct fence *f, struct slice element)
{
    unsigned char bytes[512];
    size_t len = LISTPACK_EMPTY + element.len;
    flat_store(bytes, len, 4);
    flat_store(bytes + 4, 1, 2);
    memcpy(bytes + LISTPACK_HEAD, element.data, element.len);
    bytes[len - 1] = LISTPACK_END;
    return listpack_validate(at_fence(f, bytes, len), len, true, NULL, NULL);
}

static void test_elements_refused(void **state)
{
    static const struct slice good[] = {BYTES("\x00\x01"),
                                        BYTES("\x7f\x01"),
                                        BYTES("\x80\x01"),
                                        BYTES("\x82xy\x03"),
                                        BYTES("\xdf\xff\x02"),
                                        BYTES("\xe0\x00\x02"),
                                        BYTES("\xe0\x02xy\x04"),
                                        BYTES("\xf0\x00\x00\x00\x00\x05"),
                                        BYTES("\xf0\x02\x00\x00\x00xy\x07"),
                                        BYTES("\xf1xx\x03"),
                                        BYTES("\xf2xxx\x04"),
                                        BYTES("\xf3xxxx\x05"),
                                        BYTES("\xf4xxxxxxxx\x09")};
    static const struct slice bad[] = {BYTES("\x00\x02"),
                                       BYTES("\x00\x00"),
                                       BYTES("\x00\x81"),
                                       BYTES("\x00\x00\x01"),
                                       BYTES("\x81\x02"),
                                       BYTES("\x82xy\x04"),
                                       BYTES("\x82xyz\x03"),
                                       BYTES("\x82xy\x83"),
                                       BYTES("\xe0"),
                                       BYTES("\xe0\x01"),
                                       BYTES("\xef\xffxy\x04"),
                                       BYTES("\xe0\x03xy\x04"),
                                       BYTES("\xf0"),
                                       BYTES("\xf0\x00\x00\x00"),
                                       BYTES("\xf0\x00\x00\x00\x00"),
                                       BYTES("\xf0\xff\xff\xff\xff\x05"),
                                       BYTES("\xf0\xfb\xff\xff\xff\x05"),
                                       BYTES("\xf0\x01\x00\x00\x00\x06"),
                                       BYTES("\xf1"),
                                       BYTES("\xf1\x01\x03"),
                                       BYTES("\xf4xxxxxxx\x08"),
                                       BYTES("\xf5\x01"),
                                       BYTES("\xf6\x01"),
                                       BYTES("\xfe\x01"),
                                       BYTES("\xff\x01"),
                                       BYTES("\xff"),
                                       BYTES("\x01\xff")};
    struct fence f = fence_new();
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(element_passes(&f, good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (element_passes(&f, bad[i]))
            fail_msg("row %zu passed", i);
    for (size_t i = 0; i < COUNT_OF(good); i++)
        for (size_t cut = 1; cut < good[i].len; cut++)
            assert_false(element_passes(&f, slice_of(good[i].data, cut)));

    /* A backlen that ends in 0xFF: the end of the list does not stand for its last byte. */
    char long_one[257] = "\xe0\xfd";
    memcpy(long_one + 255, "\x01\xff", 2);
    assert_true(element_passes(&f, slice_of(long_one, 257)));
    assert_false(element_passes(&f, slice_of(long_one, 256)));
    fence_free(&f);
}

/* Every byte of a list with all encodings changed to every other: refused, or safe to read. */
static void test_every_byte_changed(void **state)
{
    struct fence f = fence_new();
    char room[300];
    unsigned char *lp =
        list_of("1,-1000,30000,-1000000,100000000,123456789012,text,,-9000000000000000000,7");
    listpack_append(&lp, filled(room, 70));
    listpack_append(&lp, filled(room, 130));
    listpack_append(&lp, SLICE("end"));
    size_t len = listpack_bytes(lp), refused = 0;
    for (size_t i = 0; i < len; i++)
        for (unsigned change = 1; change < 256; change++) {
            unsigned char *bytes = at_fence(&f, lp, len);
            bytes[i] ^= (unsigned char)change;
            if (listpack_validate(bytes, len, true, NULL, NULL))
                read_all(bytes);
            else
                refused++;
        }
    assert_true(refused > len * 20);
    listpack_free(lp);
    fence_free(&f);
}

static bool note_index(void *context, const unsigned char *lp, uint32_t at, size_t index)
{
    size_t *calls = context;
    char room[LISTPACK_TEXT];
    assert_int_equal(index, *calls);
    assert_true(listpack_text(lp, at, room).len == 1);
    ++*calls;
    return !listpack_equals(lp, at, SLICE("c"));
}

static void test_callback(void **state)
{
    size_t calls = 0;
    unsigned char *lp = list_of("a,1,b");
    assert_true(listpack_validate(lp, listpack_bytes(lp), true, note_index, &calls));
    assert_int_equal(calls, 3);
    listpack_append(&lp, SLICE("c"));
    listpack_append(&lp, SLICE("d"));
    calls = 0;
    assert_false(listpack_validate(lp, listpack_bytes(lp), true, note_index, &calls));
    assert_int_equal(calls, 4);
    listpack_free(lp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_integers_at_their_bounds),
        cmocka_unit_test(test_text_that_is_no_integer),
        cmocka_unit_test(test_strings_at_their_bounds),
        cmocka_unit_test(test_longest_backlen),
        cmocka_unit_test(test_adding),
        cmocka_unit_test(test_replacing),
        cmocka_unit_test(test_deleting),
        cmocka_unit_test(test_splice),
        cmocka_unit_test(test_splice_elsewhere),
        cmocka_unit_test(test_front_elsewhere),
        cmocka_unit_test(test_merge_split_copy),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_wider_than_needed),
        cmocka_unit_test(test_more_than_the_head_counts),
        cmocka_unit_test(test_limit_of_bytes),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_head_refused),
        cmocka_unit_test(test_elements_refused),
        cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
