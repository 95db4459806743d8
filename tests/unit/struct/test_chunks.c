/* test_chunks.c - packing at its bounds: how many bytes a chunk has, how many are saved, how many
 * chunks there are; and what reading and changing a packed chunk leaves.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/lzf.h"
#include "base/mem.h"
#include "struct/chunks.h"

#define HEAD 9 /* bytes of a listpack with one element that is a short string, besides its text */

static const struct chunks_limits one_each = {.bytes = 8192, .count = 1, .plain_min = 8193};

static struct slice repeated(char c, size_t len)
{
    static char text[20000];
    memset(text, c, len);
    return slice_of(text, len);
}

/* `len` bytes of which the first `same` are one letter and no three of the rest are repeated. */
static struct slice partly_repeated(size_t same, size_t len)
{
    static unsigned char text[2000];
    assert_true(len < sizeof text);
    for (size_t i = 0; i < len; i++)
        text[i] = i < same ? 'a' : (unsigned char)(i % 2 ? i * 7 : 128 + i / 2);
    return slice_of(text, len);
}

static struct chunk *nth(const struct chunks *c, size_t n)
{
    struct chunk *chunk = c->first;
    while (n-- > 0)
        chunk = chunk->next;
    return chunk;
}

static struct chunks *made_of(size_t depth, size_t count, struct slice value)
{
    struct chunks *c = chunks_new(depth);
    for (size_t i = 0; i < count; i++)
        chunks_push(c, &one_each, value, i % 2);
    assert_int_equal(c->chunk_count, count);
    return c;
}

/* Says which chunks are packed: "-x-". */
static const char *shape(const struct chunks *c)
{
    static char out[64];
    size_t n = 0;
    for (const struct chunk *chunk = c->first; chunk != NULL; chunk = chunk->next)
        out[n++] = chunk->packed != 0 ? 'x' : '-';
    out[n] = '\0';
    return out;
}

static void test_ends_are_as_deep_as_said(void **state)
{
    (void)state;
    static const struct {
        size_t depth, count;
        const char *shape;
    } cases[] = {
        {0, 4, "----"},   {1, 1, "-"},       {1, 2, "--"},      {1, 3, "-x-"},
        {1, 4, "-xx-"},   {2, 4, "----"},    {2, 5, "--x--"},   {2, 7, "--xxx--"},
        {3, 6, "------"}, {3, 7, "---x---"}, {100, 5, "-----"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct chunks *c = made_of(cases[i].depth, cases[i].count, repeated('a', 100));
        assert_string_equal(shape(c), cases[i].shape);
        chunks_free(c);
    }
    struct chunks *c = chunks_new(SIZE_MAX);
    assert_int_equal(c->depth, CHUNKS_DEPTH_MAX);
    chunks_free(c);
}

static void test_shape_follows_what_comes_and_goes(void **state)
{
    (void)state;
    struct slice value = repeated('a', 100);
    struct chunks_at at;
    struct chunks *c = made_of(2, 4, value);
    assert_true(chunks_seek(c, 0, &at));
    chunks_insert(c, &one_each, &at, value, true);
    assert_string_equal(shape(c), "--x--");
    chunks_push(c, &one_each, value, true);
    chunks_push(c, &one_each, value, false);
    assert_string_equal(shape(c), "--xxx--");
    chunks_delete_range(c, 0, 1);
    assert_string_equal(shape(c), "--xx--");
    chunks_delete_range(c, 2, 1);
    assert_string_equal(shape(c), "--x--");
    chunks_delete_range(c, 4, 1);
    assert_string_equal(shape(c), "----");
    assert_int_equal(c->zoned, false);
    chunks_free(c);
}

/* Of the middle one of three. */
static bool is_packed(struct slice value, const struct chunks_limits *limits)
{
    struct chunks *c = chunks_new(1);
    for (int i = 0; i < 3; i++)
        chunks_push(c, limits, value, false);
    const struct chunk *middle = nth(c, 1);
    bool packed = middle->packed != 0;
    assert_true(middle->inner);
    assert_int_equal(middle->vain, !packed);
    chunks_free(c);
    return packed;
}

static void test_least_bytes(void **state)
{
    (void)state;
    assert_false(is_packed(repeated('a', CHUNK_PACK_MIN - HEAD - 1), &one_each));
    assert_true(is_packed(repeated('a', CHUNK_PACK_MIN - HEAD), &one_each));
    struct chunks_limits plain = one_each;
    plain.plain_min = 1;
    assert_false(is_packed(repeated('a', CHUNK_PACK_MIN - 1), &plain));
    assert_true(is_packed(repeated('a', CHUNK_PACK_MIN), &plain));
}

/* Plain chunks whose repeated part grows: packed from 8 bytes saved on. */
static void test_least_saved(void **state)
{
    (void)state;
    struct chunks_limits plain = one_each;
    plain.plain_min = 1;
    bool seven = false, eight = false;
    for (size_t same = 0; same < 40; same++) {
        struct slice value = partly_repeated(same, 150);
        char room[400];
        size_t len = lzf_pack(value, room, sizeof room);
        assert_true(len != 0);
        assert_int_equal(is_packed(value, &plain), len + CHUNK_PACK_SAVES <= value.len);
        seven |= len + 7 == value.len;
        eight |= len + 8 == value.len;
    }
    assert_true(seven && eight);
}

static void test_large_plain_ones_are_packed(void **state)
{
    (void)state;
    char room[LISTPACK_TEXT];
    struct chunks_at at;
    struct chunks *c = made_of(1, 3, repeated('b', 20000));
    const struct chunk *middle = nth(c, 1);
    assert_true(middle->plain && middle->packed != 0 && middle->packed < 1000);
    assert_int_equal(middle->bytes, 20000);
    assert_true(chunks_seek(c, 1, &at));
    assert_true(at.owned);
    assert_true(slice_eq(chunks_text(&at, room), repeated('b', 20000)));
    assert_true(chunks_equals(&at, repeated('b', 20000)));
    chunks_done(&at);
    chunks_free(c);
}

static void test_reading_leaves_chunks_packed(void **state)
{
    (void)state;
    char room[LISTPACK_TEXT];
    struct chunks_at at;
    struct chunks *c = made_of(1, 5, repeated('c', 500));
    size_t before = chunks_memory(c, 0);
    const unsigned char *data = nth(c, 2)->data;
    size_t seen = 0;
    for (bool more = chunks_seek(c, 0, &at); more; more = chunks_next(&at), seen++) {
        assert_true(slice_eq(chunks_text(&at, room), repeated('c', 500)));
        assert_string_equal(shape(c), "-xxx-");
    }
    assert_int_equal(seen, 5);
    assert_true(chunks_seek(c, 2, &at));
    chunks_done(&at);
    assert_ptr_equal(nth(c, 2)->data, data);
    assert_int_equal(chunks_memory(c, 0), before);
    chunks_free(c);
}

static void test_changes_are_packed_again(void **state)
{
    (void)state;
    struct chunks_limits limits = {.bytes = 8192, .count = 4, .plain_min = 8193};
    char room[LISTPACK_TEXT];
    struct chunks_at at;
    struct chunks *c = chunks_new(1);
    for (int i = 0; i < 20; i++)
        chunks_push(c, &limits, repeated('d', 100), false);
    assert_string_equal(shape(c), "-xxx-");
    assert_true(chunks_seek(c, 9, &at));
    chunks_replace(c, &limits, &at, repeated('e', 200));
    assert_string_equal(shape(c), "-xxx-");
    assert_true(chunks_seek(c, 9, &at));
    assert_true(slice_eq(chunks_text(&at, room), repeated('e', 200)));
    assert_true(chunks_delete(c, &at, false));
    assert_int_equal(nth(c, 2)->packed, 0); /* the place is still there */
    assert_true(chunks_delete(c, &at, false));
    chunks_done(&at);
    assert_string_equal(shape(c), "-xxx-");
    assert_int_equal(nth(c, 2)->count, 2);
    assert_int_equal(chunks_delete_range(c, 6, 3), 3); /* all but a half of two chunks */
    assert_string_equal(shape(c), "-xxx-");
    assert_int_equal(chunks_delete_range(c, 6, 1), 1);
    assert_string_equal(shape(c), "-xx-");
    chunks_free(c);
}

/* What does not pack is not tried again until it changes. */
static void test_in_vain(void **state)
{
    (void)state;
    struct chunks_at at;
    struct chunks *c = made_of(1, 3, partly_repeated(0, 100));
    assert_true(nth(c, 1)->vain);
    assert_true(chunks_seek(c, 1, &at));
    chunks_replace(c, &one_each, &at, repeated('f', 100));
    assert_string_equal(shape(c), "-x-");
    assert_true(chunks_seek(c, 1, &at));
    chunks_replace(c, &one_each, &at, partly_repeated(0, 100));
    assert_true(nth(c, 1)->vain);
    chunks_push(c, &one_each, repeated('f', 100), true);
    chunks_delete_range(c, 0, 2);
    assert_false(nth(c, 0)->vain || nth(c, 1)->vain);
    chunks_free(c);
}

static void test_copies_keep_depth_and_form(void **state)
{
    (void)state;
    struct chunks *c = made_of(1, 4, repeated('g', 1000)), *copy = chunks_copy(c);
    assert_string_equal(shape(copy), "-xx-");
    assert_int_equal(copy->depth, 1);
    assert_int_equal(chunks_memory(copy, 0), chunks_memory(c, 0));
    chunks_free(c);
    chunks_push(copy, &one_each, repeated('g', 1000), true);
    assert_string_equal(shape(copy), "-xxx-");
    chunks_free(copy);
}

static void test_adopted_ones_are_packed(void **state)
{
    (void)state;
    struct chunks *c = chunks_new(1);
    for (int i = 0; i < 4; i++) {
        unsigned char *listpack = listpack_new(0);
        listpack_append(&listpack, repeated('h', 100));
        chunks_adopt(c, listpack);
        chunks_adopt_plain(c, mem_dup(repeated('i', 100).data, 100), 100);
    }
    assert_string_equal(shape(c), "-xxxxxx-");
    chunks_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_are_as_deep_as_said),
        cmocka_unit_test(test_shape_follows_what_comes_and_goes),
        cmocka_unit_test(test_least_bytes),
        cmocka_unit_test(test_least_saved),
        cmocka_unit_test(test_large_plain_ones_are_packed),
        cmocka_unit_test(test_reading_leaves_chunks_packed),
        cmocka_unit_test(test_changes_are_packed_again),
        cmocka_unit_test(test_in_vain),
        cmocka_unit_test(test_copies_keep_depth_and_form),
        cmocka_unit_test(test_adopted_ones_are_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
