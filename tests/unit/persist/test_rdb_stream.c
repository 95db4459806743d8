/* test_rdb_stream.c - streams with groups as RDB has held them over time, sound and damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rand.h"
#include "persist/rdb_value.h"
#include "value/stream.h"

static const uint8_t types[] = {RDB_TYPE_STREAM_LISTPACKS, RDB_TYPE_STREAM_LISTPACKS_2,
                                RDB_TYPE_STREAM_LISTPACKS_3};

static bool read_stream(struct slice bytes, uint8_t type, struct dump_value *out)
{
    struct rdb_reader r;
    rdb_reader_init(&r, bytes);
    bool ok = rdb_value_read(&r, type, out);
    if (ok && r.at != r.len) { /* something is left */
        dump_value_free(out);
        ok = false;
    }
    rdb_reader_free(&r);
    return ok;
}

/* ---- a stream in bytes: what a case changes of it, -1 meaning nothing ---- */

/* Five entries in two nodes, of which 5-1 was deleted; a group with two consumers, of whom one has
 * nothing, and with 9-9 pending, which never was. */
struct oddity {
    uint8_t type;
    int node_id_len;      /* of the first node's id */
    int64_t length;       /* said */
    int64_t last_ms;      /* of the last id */
    int64_t added;        /* said */
    int64_t entries_read; /* if it is not 7 */
    bool same_node_twice; /* and the second one not at all */
    bool group_twice, consumer_twice, pending_twice, owned_twice, owned_by_both;
    bool owned_unknown, unowned;
    int64_t seen_ms;                /* of the first consumer, if it is not 0 */
    int64_t pending_ms, deliveries; /* of the last pending entry, likewise */
};

#define SOUND(t)                                                                                   \
    (struct oddity)                                                                                \
    {                                                                                              \
        .type = (t), .node_id_len = STREAM_ID_BYTES, .length = 4, .last_ms = 7, .added = 6,        \
        .entries_read = 7                                                                          \
    }

static void integers(unsigned char **lp, const int64_t *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        listpack_append_integer(lp, v[i]);
}

#define INTEGERS(lp, ...)                                                                          \
    integers(lp, (const int64_t[]){__VA_ARGS__},                                                   \
             sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* 5-0 {f: 1}, 5-1 {f: x} deleted, 5-2 {g: 2, "": 3} */
static unsigned char *first_node(void)
{
    unsigned char *lp = listpack_new(0);
    INTEGERS(&lp, 2, 1, 1);
    listpack_append(&lp, SLICE("f"));
    INTEGERS(&lp, 0, 2, 0, 0, 1, 4, 3, 0, 1);
    listpack_append(&lp, SLICE("x"));
    INTEGERS(&lp, 4, 0, 0, 2, 2);
    listpack_append(&lp, SLICE("g"));
    INTEGERS(&lp, 2);
    listpack_append(&lp, SLICE(""));
    INTEGERS(&lp, 3, 8);
    return lp;
}

/* 6-5 {h: v}, 7-0 {h: w}: its sequence is lower than its master's */
static unsigned char *second_node(void)
{
    unsigned char *lp = listpack_new(0);
    INTEGERS(&lp, 2, 0, 1);
    listpack_append(&lp, SLICE("h"));
    INTEGERS(&lp, 0, 2, 0, 0);
    listpack_append(&lp, SLICE("v"));
    INTEGERS(&lp, 4, 2, 1, -5);
    listpack_append(&lp, SLICE("w"));
    INTEGERS(&lp, 4);
    return lp;
}

static void append_raw_id(struct bytes *out, uint64_t ms, uint64_t seq)
{
    unsigned char bytes[STREAM_ID_BYTES];
    stream_id_to_bytes(bytes, (struct stream_id){ms, seq});
    bytes_append(out, bytes, sizeof bytes);
}

static void append_node(struct bytes *out, uint64_t ms, uint64_t seq, int id_len, unsigned char *lp)
{
    struct bytes id = {0};
    append_raw_id(&id, ms, seq);
    bytes_append_char(&id, 'x');
    rdb_append_string(out, slice_of(id.data, (size_t)id_len), false);
    rdb_append_string(out, slice_of(lp, listpack_bytes(lp)), true);
    listpack_free(lp);
    bytes_free(&id);
}

static void append_lengths(struct bytes *out, const int64_t *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rdb_append_length(out, (uint64_t)v[i]);
}

#define LENGTHS(out, ...)                                                                          \
    append_lengths(out, (const int64_t[]){__VA_ARGS__},                                            \
                   sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void append_time(struct bytes *out, uint64_t ms)
{
    for (unsigned i = 0; i < 8; i++)
        bytes_append_char(out, (char)(ms >> 8 * i));
}

static void append_pending(struct bytes *out, uint64_t ms, uint64_t seq, int64_t deliveries)
{
    append_raw_id(out, ms, seq);
    append_time(out, 1700000000000 + ms);
    rdb_append_length(out, (uint64_t)deliveries);
}

static void append_consumer(struct bytes *out, const struct oddity *odd, const char *name,
                            uint64_t seen_ms)
{
    rdb_append_string(out, slice_str(name), false);
    append_time(out, seen_ms);
    if (odd->type == RDB_TYPE_STREAM_LISTPACKS_3)
        append_time(out, UINT64_MAX); /* never active */
}

static void append_group(struct bytes *out, const struct oddity *odd)
{
    rdb_append_string(out, SLICE("group"), false);
    LENGTHS(out, 6, 5);
    if (odd->type != RDB_TYPE_STREAM_LISTPACKS)
        LENGTHS(out, odd->entries_read);
    LENGTHS(out, 3);
    append_pending(out, 5, odd->pending_twice ? 2 : 0, 3);
    append_pending(out, 5, 2, 1);
    append_pending(out, 9, 9, odd->deliveries != 0 ? odd->deliveries : 1000);
    if (odd->pending_ms != 0)
        for (unsigned i = 0; i < 8; i++) /* before the deliveries, which take two bytes */
            out->data[out->len - 10 + i] = (char)((uint64_t)odd->pending_ms >> 8 * i);
    LENGTHS(out, 2);
    append_consumer(out, odd, "a", odd->seen_ms != 0 ? (uint64_t)odd->seen_ms : 111);
    LENGTHS(out, odd->unowned ? 2 : 3);
    append_raw_id(out, 5, 0);
    append_raw_id(out, 5, odd->owned_twice ? 0 : 2);
    if (!odd->unowned)
        append_raw_id(out, 9, odd->owned_unknown ? 8 : 9);
    append_consumer(out, odd, odd->consumer_twice ? "a" : "b", 222);
    LENGTHS(out, odd->owned_by_both);
    if (odd->owned_by_both)
        append_raw_id(out, 5, 0);
}

static struct bytes stream_bytes(const struct oddity *odd)
{
    struct bytes out = {0};
    LENGTHS(&out, 2);
    append_node(&out, 5, 0, odd->node_id_len, first_node());
    if (odd->same_node_twice)
        append_node(&out, 5, 0, STREAM_ID_BYTES, first_node());
    else
        append_node(&out, 6, 5, STREAM_ID_BYTES, second_node());
    LENGTHS(&out, odd->length, odd->last_ms, 0);
    if (odd->type != RDB_TYPE_STREAM_LISTPACKS)
        LENGTHS(&out, 1, 1, 5, 1, odd->added); /* the first id is wrong, which is of no matter */
    LENGTHS(&out, odd->group_twice ? 2 : 1);
    append_group(&out, odd);
    if (odd->group_twice)
        append_group(&out, odd);
    return out;
}

/* ---- reading ---- */

static void expect_entry(struct stream_iterator *it, uint64_t ms, uint64_t seq, const char *pairs)
{
    struct stream_entry entry;
    struct bytes text = {0};
    assert_true(stream_next(it, &entry));
    assert_int_equal(entry.id.ms, ms);
    assert_int_equal(entry.id.seq, seq);
    for (size_t i = 0; i < entry.pairs; i++) {
        struct slice field, value;
        stream_pair(it, &field, &value);
        bytes_printf(&text, "%.*s=%.*s ", (int)field.len, field.data, (int)value.len, value.data);
    }
    assert_string_equal(bytes_str(&text), pairs);
    bytes_free(&text);
}

static void expect_pending(const struct stream_group *g, struct stream_id id, int64_t ms,
                           uint64_t deliveries)
{
    const struct stream_nack *nack = stream_pending_find(g, id);
    assert_non_null(nack);
    assert_int_equal(nack->delivered_ms, ms);
    assert_int_equal(nack->deliveries, deliveries);
    assert_true(slice_eq(stream_consumer_name(nack->consumer), SLICE("a")));
}

static void expect_group(const struct stream *s, uint8_t type)
{
    const struct stream_group *g = stream_group_find(s, SLICE("group"));
    assert_non_null(g);
    assert_int_equal(g->last_id.ms, 6);
    assert_int_equal(g->last_id.seq, 5);
    assert_int_equal(g->entries_read, type == RDB_TYPE_STREAM_LISTPACKS ? STREAM_UNKNOWN : 7);
    assert_int_equal(radix_count(&g->pending), 3);
    expect_pending(g, (struct stream_id){5, 0}, 1700000000005, 3);
    expect_pending(g, (struct stream_id){5, 2}, 1700000000005, 1);
    expect_pending(g, (struct stream_id){9, 9}, 1700000000009, 1000);
    const struct stream_consumer *a = stream_consumer_find(g, SLICE("a"));
    const struct stream_consumer *b = stream_consumer_find(g, SLICE("b"));
    bool active = type == RDB_TYPE_STREAM_LISTPACKS_3;
    assert_int_equal(radix_count(&a->pending), 3);
    assert_int_equal(radix_count(&b->pending), 0);
    assert_int_equal(a->seen_ms, 111);
    assert_int_equal(b->active_ms, active ? -1 : 222);
}

static void every_type_is_read(void **state)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct oddity none = SOUND(types[i]);
        struct bytes bytes = stream_bytes(&none);
        struct dump_value out;
        struct stream_iterator it;
        struct stream_entry entry;
        assert_true(read_stream(bytes_slice(&bytes), types[i], &out));
        assert_int_equal(out.type, TYPE_STREAM);
        assert_int_equal(out.value.encoding, ENCODING_STREAM);
        const struct stream *s = stream_of(out.value);
        bool old = types[i] == RDB_TYPE_STREAM_LISTPACKS;
        assert_int_equal(s->length, 4);
        assert_int_equal(s->entries_added, old ? 4 : 6);
        assert_int_equal(s->first_id.ms, 5);
        assert_int_equal(s->max_deleted_id.ms, old ? 0 : 5);
        assert_int_equal(s->last_id.ms, 7);
        stream_seek(s, STREAM_ID_MIN, STREAM_ID_MAX, false, &it);
        expect_entry(&it, 5, 0, "f=1 ");
        expect_entry(&it, 5, 2, "g=2 =3 ");
        expect_entry(&it, 6, 5, "h=v ");
        expect_entry(&it, 7, 0, "h=w ");
        assert_false(stream_next(&it, &entry));
        expect_group(s, old ? RDB_TYPE_STREAM_LISTPACKS : types[i]);
        dump_value_free(&out);
        bytes_free(&bytes);
    }
}

/* As the header says, in type 15 what was read is estimated: here it cannot be known, for there
 * were deletions that it does not tell of; at the last entry it is. */
static void what_was_read_is_estimated_of_old_ones(void **state)
{
    struct bytes bytes = {0};
    struct dump_value out;
    LENGTHS(&bytes, 1);
    append_node(&bytes, 6, 5, STREAM_ID_BYTES, second_node());
    LENGTHS(&bytes, 2, 7, 0, 1);
    rdb_append_string(&bytes, SLICE("g"), false);
    LENGTHS(&bytes, 7, 0, 0, 0);
    assert_true(read_stream(bytes_slice(&bytes), RDB_TYPE_STREAM_LISTPACKS, &out));
    const struct stream *s = stream_of(out.value);
    assert_int_equal(stream_group_find(s, SLICE("g"))->entries_read, 2);
    assert_int_equal(stream_lag(s, stream_group_find(s, SLICE("g"))), 0);
    dump_value_free(&out);
    bytes_free(&bytes);
}

static void the_bounds_of_times_are_read(void **state)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct oddity odd = SOUND(types[i]);
        struct dump_value out;
        odd.seen_ms = odd.pending_ms = INT64_MAX / 2;
        struct bytes bytes = stream_bytes(&odd);
        assert_true(read_stream(bytes_slice(&bytes), types[i], &out));
        dump_value_free(&out);
        bytes_free(&bytes);
        odd.pending_ms = 0;
        odd.deliveries = INT64_MAX;
        bytes = stream_bytes(&odd);
        assert_true(read_stream(bytes_slice(&bytes), types[i], &out));
        dump_value_free(&out);
        bytes_free(&bytes);
    }
}

static void an_empty_one_is_read(void **state)
{
    struct bytes bytes = {0};
    struct dump_value out;
    LENGTHS(&bytes, 0, 0, 9, 3, 0, 0, 9, 3, 20, 0);
    assert_true(read_stream(bytes_slice(&bytes), RDB_TYPE_STREAM_LISTPACKS_2, &out));
    const struct stream *s = stream_of(out.value);
    assert_int_equal(s->length, 0);
    assert_int_equal(s->entries_added, 20);
    assert_int_equal(s->last_id.seq, 3);
    assert_null(s->tail);
    dump_value_free(&out);
    bytes_free(&bytes);
}

/* ---- refusing ---- */

static void expect_refused(const struct oddity *odd, int line)
{
    struct bytes bytes = stream_bytes(odd);
    struct dump_value out;
    if (read_stream(bytes_slice(&bytes), odd->type, &out))
        fail_msg("the stream of line %d was not refused", line);
    bytes_free(&bytes);
}

#define REFUSED(type, ...)                                                                         \
    do {                                                                                           \
        struct oddity odd = SOUND(type);                                                           \
        __VA_ARGS__;                                                                               \
        expect_refused(&odd, __LINE__);                                                            \
    } while (0)

static void what_cannot_be_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        REFUSED(types[i], odd.node_id_len = 15);
        REFUSED(types[i], odd.node_id_len = 17);
        REFUSED(types[i], odd.length = 3);
        REFUSED(types[i], odd.length = 5);
        REFUSED(types[i], odd.last_ms = 6);
        REFUSED(types[i], odd.same_node_twice = true);
        REFUSED(types[i], odd.group_twice = true);
        REFUSED(types[i], odd.consumer_twice = true);
        REFUSED(types[i], odd.pending_twice = true);
        REFUSED(types[i], odd.owned_twice = true);
        REFUSED(types[i], odd.owned_by_both = true);
        REFUSED(types[i], odd.owned_unknown = true);
        REFUSED(types[i], odd.unowned = true);
        REFUSED(types[i], odd.seen_ms = -1);
        REFUSED(types[i], odd.seen_ms = INT64_MAX / 2 + 1);
        REFUSED(types[i], odd.pending_ms = -1);
        REFUSED(types[i], odd.pending_ms = INT64_MAX);
        REFUSED(types[i], odd.deliveries = INT64_MIN);
        if (types[i] == RDB_TYPE_STREAM_LISTPACKS)
            continue;
        REFUSED(types[i], odd.added = 3);
        REFUSED(types[i], odd.added = -1);
        REFUSED(types[i], odd.entries_read = -2);
    }
}

/* Reads one node of these integers as a stream; -1000000 stands for a name that is none. */
static bool node_is_read(uint64_t length, const int64_t *v, size_t count)
{
    unsigned char *lp = listpack_new(0);
    struct bytes bytes = {0};
    struct dump_value out;
    for (size_t i = 0; i < count; i++)
        if (v[i] == -1000000)
            listpack_append(&lp, SLICE("text"));
        else
            listpack_append_integer(&lp, v[i]);
    LENGTHS(&bytes, 1);
    append_node(&bytes, 5, 0, STREAM_ID_BYTES, lp);
    LENGTHS(&bytes, (int64_t)length, 9, 9, 0);
    bool read = read_stream(bytes_slice(&bytes), RDB_TYPE_STREAM_LISTPACKS, &out);
    if (read)
        dump_value_free(&out);
    bytes_free(&bytes);
    return read;
}

#define NODE(length, ...)                                                                          \
    node_is_read(length, (const int64_t[]){__VA_ARGS__},                                           \
                 sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define TEXT (-1000000)

static void damaged_nodes_are_refused(void **state)
{
    assert_true(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, 0, TEXT, 4));
    assert_true(NODE(1, 1, 0, 1, TEXT, 0, 0, 0, 0, 1, TEXT, TEXT, 6));
    assert_true(NODE(2, 2, 0, 1, TEXT, 0, 2, 0, 0, TEXT, 4, 2, 0, 1, 7, 4));
    assert_true(NODE(0, 0, 1, 1, TEXT, 0, 3, 0, 0, TEXT, 4)); /* a tombstone only */
    /* a tombstone may be above what follows: XSETID went back behind it */
    assert_true(NODE(1, 1, 1, 1, TEXT, 0, 3, 0, 7, TEXT, 4, 2, 0, 3, TEXT, 4));
    /* the same, not deleted */
    assert_false(NODE(2, 2, 0, 1, TEXT, 0, 2, 0, 7, TEXT, 4, 2, 0, 3, TEXT, 4));
    assert_false(NODE(2, 2, 0, 1, TEXT, 0, 2, 0, 7, TEXT, 4, 2, 0, 7, TEXT, 4)); /* twice */
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, -1, 0, TEXT, 4)); /* below its master */
    assert_false(NODE(0, 0));
    assert_false(NODE(0, 0, 0, 1, TEXT, 0));       /* no entries */
    assert_false(NODE(1, 1, 0, 0, 0, 2, 0, 0, 3)); /* no fields */
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 0, 0, 0, 0, 4));
    assert_false(NODE(2, 2, 0, 1, TEXT, 0, 2, 0, 0, TEXT, 4)); /* counts */
    assert_false(NODE(1, 1, 1, 1, TEXT, 0, 2, 0, 0, TEXT, 4));
    assert_false(NODE(1, TEXT, 0, 1, TEXT, 0, 2, 0, 0, TEXT, 4));
    assert_false(NODE(1, 1, TEXT, 1, TEXT, 0, 2, 0, 0, TEXT, 4));
    assert_false(NODE(1, 1, 0, TEXT, TEXT, 0, 2, 0, 0, TEXT, 4));
    assert_false(NODE(1, 1, 0, 2, TEXT, 0, 2, 0, 0, TEXT, 4)); /* names */
    assert_false(NODE(1, 1, 0, INT64_MAX, TEXT, 0, 2, 0, 0, TEXT, 4));
    assert_false(NODE(1, 1, 0, 1, TEXT, 1, 2, 0, 0, TEXT, 4)); /* the master's end */
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 4, 0, 0, TEXT, 4)); /* flags */
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, -1, 0, 0, TEXT, 4));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, TEXT, 0, 0, TEXT, 4));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, TEXT, 0, TEXT, 4)); /* ids */
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, TEXT, TEXT, 4));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, 0, TEXT, 3)); /* back */
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, 0, TEXT, 5));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, 0, TEXT, TEXT));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, 0, TEXT)); /* it ends too early */
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, 0));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 0, 0, 0, 2, TEXT, TEXT, 8));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 0, 0, 0, INT32_MAX, TEXT, TEXT, 6));
    assert_false(NODE(1, 1, 0, 1, TEXT, 0, 2, 0, 0, TEXT, 4, 2)); /* something is left */
}

/* Whatever was read is walked in both directions, edited and freed. */
static void use(struct stream *s)
{
    struct stream_iterator it;
    struct stream_entry entry;
    struct slice field, value;
    uint64_t forward = 0, backward = 0;
    stream_seek(s, STREAM_ID_MIN, STREAM_ID_MAX, false, &it);
    for (; stream_next(&it, &entry); forward++)
        for (size_t i = 0; i < entry.pairs; i++)
            stream_pair(&it, &field, &value);
    stream_seek(s, STREAM_ID_MIN, STREAM_ID_MAX, true, &it);
    for (; stream_next(&it, &entry); backward++)
        for (size_t i = 0; i < entry.pairs; i++)
            stream_pair(&it, &field, &value);
    assert_int_equal(forward, s->length);
    assert_int_equal(backward, s->length);
    struct slice pairs[] = {SLICE("f"), SLICE("v")};
    struct stream_id id;
    if (stream_next_id(s, 1, &id))
        assert_int_equal(stream_add(s, &value_limits_default, id, pairs, 2), STREAM_ADDED);
    value_free(value_copy(stream_value(s)));
    while (stream_edge(s, true, &id))
        assert_true(stream_delete(s, id));
    assert_int_equal(radix_count(&s->nodes), 0);
}

static void damaged_ones_are_refused_or_harmless(void **state)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct oddity none = SOUND(types[i]);
        struct bytes bytes = stream_bytes(&none);
        struct dump_value out;
        for (size_t cut = 0; cut < bytes.len; cut++) {
            char *copy = mem_dup(bytes.data, MAX_OF(cut, 1u));
            assert_false(read_stream(slice_of(copy, cut), types[i], &out));
            mem_free(copy);
        }
        for (size_t at = 0; at < bytes.len * 8; at++) {
            char *copy = mem_dup(bytes.data, bytes.len);
            copy[at / 8] ^= (char)(1 << at % 8);
            if (read_stream(slice_of(copy, bytes.len), types[i], &out)) {
                use(stream_of(out.value));
                dump_value_free(&out);
            }
            mem_free(copy);
        }
        bytes_free(&bytes);
    }
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
        cmocka_unit_test(what_was_read_is_estimated_of_old_ones),
        cmocka_unit_test(the_bounds_of_times_are_read),
        cmocka_unit_test(an_empty_one_is_read),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(damaged_nodes_are_refused),
        cmocka_unit_test(damaged_ones_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, join, leave);
}
