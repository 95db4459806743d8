/* test_rdb_slices.c - values that are copied in slices are written as they are written at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "base/mem.h"
#include "persist/captured.h"
#include "persist/rdb_parts.h"
#include "persist/rdb_save.h"
#include "persist/rdb_value.h"
#include "value/hash.h"
#include "value/list.h"
#include "value/set.h"

struct world {
    struct keyspace *ks;
    struct keyspace_stats stats;
    struct hold hold;
    struct key key;
};

static void world_open(struct world *w)
{
    struct keyspace_options options = {
        .databases = 1, .policy = EVICT_NONE, .limits = value_limits_default};
    *w = (struct world){.ks = keyspace_new(&options)};
    w->hold = (struct hold){.keyspace = w->ks, .stats = &w->stats};
    w->key = keyspace_key(keyspace_seed(w->ks), 0, SLICE("key"));
    hold_take(&w->hold, HOLD_ALL);
}

static void world_close(struct world *w)
{
    hold_drop(&w->hold);
    keyspace_free(w->ks);
}

static void encode(struct slice parts, bool compress, struct bytes *out)
{
    struct slice part;
    bool string;
    while (rdb_parts_next(&parts, &part, &string))
        if (string)
            rdb_append_string(out, part, compress);
        else
            bytes_append(out, part.data, part.len);
    assert_int_equal(parts.len, 0);
}

static int into_bytes(void *ctx, const void *data, size_t len)
{
    bytes_append(ctx, data, len);
    return 0;
}

/* As a file of commands, which wants the value as a whole in the end. */
static void expect_same_commands(const struct entry *e, struct slice parts)
{
    struct bytes whole = {0}, files[2] = {{0}, {0}};
    rdb_value_append(e, false, &whole);
    for (int i = 0; i < 2; i++) {
        struct rdb_writer w;
        struct rdb_record record = {.type = rdb_value_type(e),
                                    .expire_ms = EXPIRE_NONE,
                                    .key = SLICE("key"),
                                    .value = bytes_slice(&whole)};
        rdb_writer_init(&w, into_bytes, &files[i], false, false);
        w.commands = true;
        if (i == 0) {
            rdb_put_record(&w, &record);
        } else {
            record.value = slice_of(NULL, 0);
            rdb_begin_record(&w, &record);
            rdb_put_parts(&w, parts);
            rdb_end_record(&w, &record);
        }
        assert_int_equal(rdb_writer_finish(&w), 0);
        assert_int_equal(w.keys, 1);
        rdb_writer_free(&w);
    }
    assert_true(slice_eq(bytes_slice(&files[0]), bytes_slice(&files[1])));
    bytes_free(&whole);
    bytes_free(&files[0]);
    bytes_free(&files[1]);
}

/* The value of some `count` elements, which is taken over. */
static void expect_same(struct world *w, struct value value, size_t count)
{
    struct entry *e = keyspace_find(&w->hold, &w->key, FIND_PEEK);
    e = keyspace_put_value(&w->hold, &w->key, e, value, EXPIRE_NONE);
    assert_true(rdb_value_has_slices(entry_value(e)));
    size_t weight = rdb_value_weight(entry_value(e));
    assert_true(weight > 0 && (count < 1000 || weight >= 8));
    static const size_t steps[] = {1, 7, RDB_SLICE_ITEMS, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(steps) * 2; i++) {
        bool compress = i & 1;
        struct bytes parts = {0}, whole = {0}, sliced = {0};
        struct rdb_walk walk;
        size_t slices = 1;
        rdb_value_append(e, compress, &whole);
        rdb_walk_init(&walk, entry_value(e));
        for (size_t before = 0; rdb_walk_slice(&walk, steps[i / 2], &parts); slices++) {
            if (steps[i / 2] !=
                SIZE_MAX) /* the last element may be behind the bound, and 31 more */
                assert_true(parts.len - before < 2 * RDB_SLICE_BYTES);
            before = parts.len;
        }
        if (steps[i / 2] == 1 && count > 1000)
            assert_true(slices > count / 200); /* a bucket or a chunk has several */
        encode(bytes_slice(&parts), compress, &sliced);
        assert_true(slice_eq(bytes_slice(&whole), bytes_slice(&sliced)));
        if (i == 0)
            expect_same_commands(e, bytes_slice(&parts));
        bytes_free(&parts);
        bytes_free(&whole);
        bytes_free(&sliced);
    }
}

static struct slice element(size_t i, char text[600])
{
    int width = i % 3 == 0 ? 1 : i % 7 == 0 ? 500 : 30;
    return slice_of(text, (size_t)snprintf(text, 600, "%0*zu", width, i));
}

static const size_t counts[] = {1, 5, 100, 1500};

static void test_sets(void **state)
{
    struct world w;
    char text[600];
    world_open(&w);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        static const enum value_encoding forms[] = {ENCODING_INTSET, ENCODING_LISTPACK,
                                                    ENCODING_HASHTABLE};
        for (size_t f = 0; f < COUNT_OF(forms); f++) {
            struct value set = set_new_as(forms[f], 0);
            for (size_t n = 0; n < counts[i]; n++)
                set_add(&set, &value_limits_default,
                        forms[f] == ENCODING_INTSET
                            ? slice_of(text, (size_t)snprintf(text, sizeof text, "%zu", n))
                            : element(n, text));
            expect_same(&w, set, counts[i]);
        }
    }
    world_close(&w);
}

static void test_hashes(void **state)
{
    struct world w;
    char text[600], value[600];
    world_open(&w);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        for (size_t timed = 0; timed < 3; timed++) { /* no field, some, all of them expire */
            struct value hash = hash_new();
            for (size_t n = 0; n < counts[i]; n++)
                hash_set(&hash, &value_limits_default, element(n, text), element(n + 1, value),
                         timed == 2 || (timed && n % 50 == 0)
                             ? INT64_C(4102444800000) + (int64_t)(n * 7919 % 1000)
                             : HASH_NO_EXPIRY);
            expect_same(&w, hash, counts[i]);
        }
    }
    world_close(&w);
}

static void test_sorted_sets_and_lists(void **state)
{
    struct world w;
    char text[600];
    world_open(&w);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct value z = zset_new(), list = list_new();
        for (size_t n = 0; n < counts[i]; n++) {
            struct slice one = element(n, text);
            zset_add(&z, &value_limits_default, one, (double)(n % 10) / 4);
            list_push(&list, &value_limits_default, &one, 1, n & 1);
        }
        expect_same(&w, z, 0);
        expect_same(&w, list, 0);
    }
    struct value list = list_new(); /* nodes of one plain element each */
    struct bytes large = {0};
    for (size_t n = 0; n < 50000; n++)
        bytes_append_char(&large, (char)n);
    struct slice one = bytes_slice(&large);
    for (size_t n = 0; n < 5; n++)
        list_push(&list, &value_limits_default, &one, 1, false);
    expect_same(&w, list, 0);
    bytes_free(&large);
    world_close(&w);
}

/* Nodes that are packed, of listpacks and plain, small and large. */
static void test_packed_lists(void **state)
{
    struct world w;
    char text[600];
    struct value_limits limits = value_limits_default;
    world_open(&w);
    limits.list_compress_depth = 1;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct value list = list_new();
        limits.list_max_listpack_size = i % 2 ? 3 : -1;
        for (size_t n = 0; n < counts[i]; n++) {
            struct slice one = element(n, text);
            list_push(&list, &limits, &one, 1, n & 1);
        }
        expect_same(&w, list, 0);
    }
    struct value list = list_new();
    struct bytes large = {0};
    for (size_t n = 0; n < 110000; n++) /* packed it is still larger than a slice */
        bytes_append_char(&large, n / 100 % 3 == 0 ? 'a' : (char)(n * n >> 7));
    struct slice one = bytes_slice(&large);
    for (size_t n = 0; n < 5; n++)
        list_push(&list, &limits, &one, 1, false);
    const struct chunks *chunks = list.pointer;
    assert_true(chunks->first->next->packed > RDB_SLICE_BYTES);
    expect_same(&w, list, 0);
    bytes_free(&large);
    world_close(&w);
}

/* ---- lists of what was captured ---- */

struct seen {
    size_t items, strings, blobs, parts, values;
};

static void see(void *ctx, const struct captured *head, struct slice key,
                const struct captured_content *content)
{
    struct seen *seen = ctx;
    char text[600];
    struct slice wanted = element(seen->items, text);
    assert_true(slice_eq(key, wanted));
    assert_int_equal(head->db, seen->items++);
    switch ((enum captured_kind)head->kind) {
    case CAPTURED_STRING:
        assert_true(slice_eq(content->string, wanted));
        seen->strings++;
        break;
    case CAPTURED_BLOB:
        assert_true(slice_eq(slice_of(content->blob->data, content->blob->len), wanted));
        seen->blobs++;
        break;
    case CAPTURED_PARTS:
        assert_int_equal(content->parts.len, seen->items % 8 == 3 ? 50000 : wanted.len);
        seen->parts++;
        break;
    case CAPTURED_VALUE:
        assert_int_equal(content->value.type, TYPE_LIST);
        assert_int_equal(content->value_bytes, 1234);
        seen->values++;
        break;
    }
}

static size_t add(struct captured_list *list, size_t i)
{
    char text[600];
    struct slice one = element(i, text);
    struct captured head = {.db = (uint32_t)i};
    struct bytes parts = {0};
    size_t bytes = 0;
    if (i % 4 == 0)
        bytes = captured_string(list, &head, one, one);
    else if (i % 4 == 1)
        bytes = captured_blob(list, &head, one, blob_new(one.data, one.len, one.len));
    else if (i % 4 == 3)
        bytes = captured_value(list, &head, one, list_new(), 1234);
    if (i % 4 != 2)
        return bytes;
    bytes_append(&parts, one.data, one.len);
    bytes_reserve(&parts, 50000);
    if (i % 8 == 2)
        parts.len = 50000; /* whatever is in it */
    memset(parts.data + one.len, 'x', 50000 - one.len);
    bytes = captured_parts(list, &head, one, &parts);
    assert_int_equal(parts.len, 0);
    bytes_free(&parts);
    return bytes;
}

static void test_captured(void **state)
{
    struct captured_list list = {0};
    for (int round = 0; round < 4; round++) {
        struct seen seen = {0};
        size_t kept = 0;
        for (size_t i = 0; i < 240; i++)
            kept += add(&list, i);
        bool show = round % 2 == 0, keep = round < 2;
        assert_int_equal(captured_consume(&list, show ? see : NULL, &seen, keep), kept);
        assert_int_equal(seen.items, show ? 240 : 0);
        assert_int_equal(seen.values, show ? 60 : 0);
        assert_int_equal(list.first != NULL, keep);
    }
    assert_int_equal(captured_consume(&list, see, NULL, false), 0);
}

int main(void)
{
    mem_thread_join();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_sorted_sets_and_lists),
        cmocka_unit_test(test_packed_lists),
        cmocka_unit_test(test_captured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
