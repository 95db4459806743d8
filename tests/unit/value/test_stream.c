/* test_stream.c - streams: ids, when a node is full, the bytes of a node, trimming at its bounds,
 * how far groups are, references, and what the class says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "base/mem.h"
#include "value/stream.h"
#include "value/stream_node.h"

static struct stream_id id(uint64_t ms, uint64_t seq)
{
    return (struct stream_id){ms, seq};
}

static void expect_id(struct stream_id a, uint64_t ms, uint64_t seq)
{
    assert_int_equal(a.ms, ms);
    assert_int_equal(a.seq, seq);
}

static void add_with(struct stream *s, const struct value_limits *limits, uint64_t ms,
                     const char *value)
{
    struct slice pairs[] = {SLICE("f"), slice_str(value)};
    assert_int_equal(stream_add(s, limits, id(ms, 0), pairs, 2), STREAM_ADDED);
}

static void add(struct stream *s, uint64_t ms)
{
    add_with(s, &value_limits_default, ms, "v");
}

static struct stream *with_entries(uint64_t count)
{
    struct stream *s = stream_new();
    for (uint64_t ms = 1; ms <= count; ms++)
        add(s, ms);
    return s;
}

static void drop(struct stream *s)
{
    value_free(stream_value(s));
}

/* ---- ids ---- */

static void expect_text(const char *text, enum stream_id_form form, uint64_t ms, uint64_t seq)
{
    struct stream_id out = id(77, 77);
    assert_int_equal(stream_id_parse(slice_str(text), 5, true, &out), form);
    expect_id(out, ms, seq);
}

static void test_id_text(void **state)
{
    char text[STREAM_ID_TEXT];
    expect_text("1-2", STREAM_ID_FULL, 1, 2);
    expect_text("12", STREAM_ID_ONLY_MS, 12, 5);
    expect_text("12-*", STREAM_ID_MS_AND_ANY, 12, 0);
    expect_text("0-0", STREAM_ID_FULL, 0, 0);
    expect_text("007-01", STREAM_ID_FULL, 7, 1);
    expect_text("18446744073709551615-18446744073709551615", STREAM_ID_FULL, UINT64_MAX,
                UINT64_MAX);
    static const char *const bad[] = {"",     "-",   "1-", "-1",   "1-2-3",
                                      "a",    "1-a", "*",  "1-**", "18446744073709551616",
                                      "1-x*", "1 "};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_text(bad[i], STREAM_ID_BAD, 77, 77);
    struct stream_id out;
    assert_int_equal(stream_id_parse(SLICE("1-*"), 0, false, &out), STREAM_ID_BAD);
    size_t len = stream_id_print(text, STREAM_ID_MAX);
    assert_true(slice_eq(slice_of(text, len), SLICE("18446744073709551615-18446744073709551615")));
    char zeros[129];
    memset(zeros, '0', sizeof zeros);
    assert_int_equal(stream_id_parse(slice_of(zeros, 127), 0, false, &out), STREAM_ID_ONLY_MS);
    assert_int_equal(stream_id_parse(slice_of(zeros, 128), 0, false, &out), STREAM_ID_BAD);
}

static void test_id_steps(void **state)
{
    struct stream_id at = id(3, UINT64_MAX);
    assert_true(stream_id_increment(&at));
    expect_id(at, 4, 0);
    assert_true(stream_id_decrement(&at));
    expect_id(at, 3, UINT64_MAX);
    at = STREAM_ID_MAX;
    assert_false(stream_id_increment(&at));
    expect_id(at, UINT64_MAX, UINT64_MAX);
    at = STREAM_ID_MIN;
    assert_false(stream_id_decrement(&at));
    expect_id(at, 0, 0);
    unsigned char low[STREAM_ID_BYTES], high[STREAM_ID_BYTES];
    stream_id_to_bytes(low, id(0xFF, UINT64_MAX));
    stream_id_to_bytes(high, id(0x100, 0));
    assert_true(memcmp(low, high, sizeof low) < 0);
    expect_id(stream_id_of_bytes(low), 0xFF, UINT64_MAX);
}

static void test_next_ids(void **state)
{
    struct stream *s = stream_new();
    struct stream_id out;
    assert_true(stream_next_id(s, 0, &out)); /* 0-0 is no id */
    expect_id(out, 0, 1);
    assert_true(stream_next_seq(s, 0, &out));
    expect_id(out, 0, 1);
    assert_true(stream_next_id(s, 9, &out));
    expect_id(out, 9, 0);
    s->last_id = id(9, 4);
    assert_true(stream_next_id(s, 9, &out));
    expect_id(out, 9, 5);
    assert_true(stream_next_id(s, 3, &out)); /* the clock went back */
    expect_id(out, 9, 5);
    assert_true(stream_next_seq(s, 9, &out));
    expect_id(out, 9, 5);
    assert_true(stream_next_seq(s, 10, &out));
    expect_id(out, 10, 0);
    assert_false(stream_next_seq(s, 8, &out));
    s->last_id = id(9, UINT64_MAX);
    assert_false(stream_next_seq(s, 9, &out));
    assert_true(stream_next_id(s, 9, &out));
    expect_id(out, 10, 0);
    s->last_id = STREAM_ID_MAX;
    assert_false(stream_next_id(s, 9, &out));
    assert_false(stream_next_seq(s, UINT64_MAX, &out));
    drop(s);
}

/* ---- adding ---- */

static void test_only_above_the_last(void **state)
{
    struct stream *s = stream_new();
    struct slice pairs[] = {SLICE("f"), SLICE("v")};
    const struct value_limits *limits = &value_limits_default;
    assert_int_equal(stream_add(s, limits, id(0, 0), pairs, 2), STREAM_NOT_ABOVE);
    assert_int_equal(stream_add(s, limits, id(5, 5), pairs, 2), STREAM_ADDED);
    assert_int_equal(stream_add(s, limits, id(5, 5), pairs, 2), STREAM_NOT_ABOVE);
    assert_int_equal(stream_add(s, limits, id(4, 9), pairs, 2), STREAM_NOT_ABOVE);
    struct slice huge[] = {SLICE("f"), slice_of("", LISTPACK_BYTES_MAX)}; /* is not looked at */
    assert_int_equal(stream_add(s, limits, id(6, 0), huge, 2), STREAM_TOO_LARGE);
    expect_id(s->last_id, 5, 5);
    assert_int_equal(s->length, 1);
    assert_int_equal(s->entries_added, 1);
    assert_int_equal(stream_add(s, limits, STREAM_ID_MAX, pairs, 2), STREAM_ADDED);
    assert_true(stream_has(s, STREAM_ID_MAX));
    drop(s);
}

static size_t nodes_of(int64_t entries, int64_t bytes, uint64_t count)
{
    struct value_limits limits = value_limits_default;
    struct stream *s = stream_new();
    limits.stream_node_max_entries = entries;
    limits.stream_node_max_bytes = bytes;
    for (uint64_t ms = 1; ms <= count; ms++)
        add_with(s, &limits, ms, "0123456789");
    size_t nodes = radix_count(&s->nodes);
    drop(s);
    return nodes;
}

static void test_nodes_at_their_bounds(void **state)
{
    assert_int_equal(nodes_of(100, 0, 100), 1);
    assert_int_equal(nodes_of(100, 0, 101), 2);
    assert_int_equal(nodes_of(1, 0, 5), 5);
    assert_int_equal(nodes_of(0, 0, 3000), 1);
    assert_int_equal(nodes_of(0, 1, 5), 5);
    /* A node of one such entry has 38 bytes; one more may come if with its 11 it would be less. */
    assert_int_equal(nodes_of(0, 38 + 11, 2), 2);
    assert_int_equal(nodes_of(0, 38 + 12, 2), 1);
    assert_int_equal(nodes_of(100, 4096, 1000), 10);
}

static void test_deleted_entries_count_for_the_bound(void **state)
{
    struct stream *s = with_entries(99);
    for (uint64_t ms = 2; ms <= 99; ms++)
        assert_true(stream_delete(s, id(ms, 0)));
    add(s, 100);
    assert_int_equal(radix_count(&s->nodes), 1);
    add(s, 101);
    assert_int_equal(radix_count(&s->nodes), 2);
    assert_int_equal(s->length, 3);
    drop(s);
}

/* As redis-server 7.0.15 answered DUMP for XADD s 5-3 a 1 b two, XADD s 5-4 a x b y, XADD s 6-0 c
 * 300, XDEL s 5-4. */
static void test_bytes_of_a_node(void **state)
{
    static const unsigned char expected[] = {
        0x43, 0x00, 0x00, 0x00, 0x19, 0x00, 0x02, 0x01, 0x01, 0x01, 0x02, 0x01, 0x81, 0x61,
        0x02, 0x81, 0x62, 0x02, 0x00, 0x01, 0x02, 0x01, 0x00, 0x01, 0x00, 0x01, 0x01, 0x01,
        0x83, 0x74, 0x77, 0x6f, 0x04, 0x05, 0x01, 0x03, 0x01, 0x00, 0x01, 0x01, 0x01, 0x81,
        0x78, 0x02, 0x81, 0x79, 0x02, 0x05, 0x01, 0x00, 0x01, 0x01, 0x01, 0xdf, 0xfd, 0x02,
        0x01, 0x01, 0x81, 0x63, 0x02, 0xc1, 0x2c, 0x02, 0x06, 0x01, 0xff};
    struct stream *s = stream_new();
    struct slice first[] = {SLICE("a"), SLICE("1"), SLICE("b"), SLICE("two")};
    struct slice second[] = {SLICE("a"), SLICE("x"), SLICE("b"), SLICE("y")};
    struct slice third[] = {SLICE("c"), SLICE("300")};
    const struct value_limits *limits = &value_limits_default;
    assert_int_equal(stream_add(s, limits, id(5, 3), first, 4), STREAM_ADDED);
    assert_int_equal(stream_add(s, limits, id(5, 4), second, 4), STREAM_ADDED);
    assert_int_equal(stream_add(s, limits, id(6, 0), third, 2), STREAM_ADDED);
    assert_true(stream_delete(s, id(5, 4)));
    const unsigned char *lp = s->tail->lp;
    assert_int_equal(listpack_bytes(lp), sizeof expected);
    assert_memory_equal(lp, expected, sizeof expected);
    drop(s);
}

/* ---- deleting ---- */

static void test_edges_follow(void **state)
{
    struct stream *s = with_entries(250);
    struct stream_id at;
    assert_true(stream_delete(s, id(1, 0)));
    expect_id(s->first_id, 2, 0);
    assert_false(stream_delete(s, id(1, 0)));
    assert_true(stream_delete(s, id(250, 0)));
    assert_true(stream_edge(s, true, &at));
    expect_id(at, 249, 0);
    expect_id(s->last_id, 250, 0);
    expect_id(s->max_deleted_id, 250, 0);
    for (uint64_t ms = 2; ms <= 249; ms++)
        assert_true(stream_delete(s, id(ms, 0)));
    assert_false(stream_edge(s, false, &at));
    assert_false(stream_edge(s, true, &at));
    expect_id(at, 0, 0);
    assert_int_equal(radix_count(&s->nodes), 0);
    assert_null(s->tail);
    assert_int_equal(s->entries_added, 250);
    add(s, 300);
    expect_id(s->first_id, 300, 0);
    drop(s);
}

/* ---- trimming: 250 entries in nodes of 100, 100 and 50 ---- */

static uint64_t trimmed(struct stream_trim how, uint64_t *left)
{
    struct stream *s = with_entries(250);
    uint64_t gone = stream_trim(s, &how);
    *left = s->length;
    assert_int_equal(gone + *left, 250);
    if (*left > 0)
        expect_id(s->first_id, gone + 1, 0);
    expect_id(s->max_deleted_id, 0, 0);
    drop(s);
    return gone;
}

static void test_trim_by_length(void **state)
{
    uint64_t left;
    assert_int_equal(trimmed((struct stream_trim){.max_length = 250}, &left), 0);
    assert_int_equal(trimmed((struct stream_trim){.max_length = 249}, &left), 1);
    assert_int_equal(trimmed((struct stream_trim){.max_length = 150}, &left), 100);
    assert_int_equal(trimmed((struct stream_trim){.max_length = 149}, &left), 101);
    assert_int_equal(trimmed((struct stream_trim){.max_length = 0}, &left), 250);
    struct stream_trim about = {.approximate = true, .max_length = 151};
    assert_int_equal(trimmed(about, &left), 0);
    about.max_length = 150;
    assert_int_equal(trimmed(about, &left), 100);
    about.max_length = 0;
    assert_int_equal(trimmed(about, &left), 250);
    about.limit = 199;
    assert_int_equal(trimmed(about, &left), 100);
    about.limit = 200;
    assert_int_equal(trimmed(about, &left), 200);
}

static void test_trim_by_id(void **state)
{
    uint64_t left;
    struct stream_trim exact = {.by_id = true, .min_id = {1, 0}};
    assert_int_equal(trimmed(exact, &left), 0);
    exact.min_id = id(1, 1);
    assert_int_equal(trimmed(exact, &left), 1);
    exact.min_id = id(101, 0);
    assert_int_equal(trimmed(exact, &left), 100);
    exact.min_id = STREAM_ID_MAX;
    assert_int_equal(trimmed(exact, &left), 250);
    struct stream_trim about = {.by_id = true, .approximate = true, .min_id = {100, 0}};
    assert_int_equal(trimmed(about, &left), 0);
    about.min_id = id(100, 1);
    assert_int_equal(trimmed(about, &left), 100);
    about.min_id = STREAM_ID_MAX;
    about.limit = 99;
    assert_int_equal(trimmed(about, &left), 0);
    about.limit = 100;
    assert_int_equal(trimmed(about, &left), 100);
}

/* ---- references ---- */

static void test_policies(void **state)
{
    struct stream *s = with_entries(6);
    struct stream_group *g = stream_group_create(s, SLICE("g"), STREAM_ID_MIN, 0);
    struct stream_group *h = stream_group_create(s, SLICE("h"), id(6, 0), 6);
    struct stream_consumer *c = stream_consumer_create(g, SLICE("c"), 1);
    struct stream_consumer *d = stream_consumer_create(h, SLICE("d"), 1);
    for (uint64_t ms = 1; ms <= 4; ms++) {
        stream_deliver(g, c, id(ms, 0), 1);
        stream_group_advance(s, g, id(ms, 0));
    }
    stream_deliver(h, d, id(2, 0), 1);
    assert_true(stream_acknowledge(g, id(1, 0)));
    assert_false(stream_acknowledge(g, id(1, 0)));

    assert_false(stream_is_referenced(s, id(1, 0)));
    assert_true(stream_is_referenced(s, id(2, 0)));
    assert_true(stream_is_referenced(s, id(5, 0))); /* g has not come to it */
    enum stream_references acked = STREAM_ACKNOWLEDGED_ONLY;
    assert_int_equal(stream_delete_with(s, id(2, 0), acked), STREAM_REFERENCED);
    assert_int_equal(stream_delete_with(s, id(5, 0), acked), STREAM_REFERENCED);
    assert_int_equal(stream_delete_with(s, id(1, 0), acked), STREAM_DELETED);
    assert_int_equal(stream_delete_with(s, id(1, 0), acked), STREAM_NO_ENTRY);
    assert_int_equal(stream_delete_with(s, id(9, 0), acked), STREAM_NO_ENTRY);

    assert_int_equal(stream_delete_with(s, id(2, 0), STREAM_KEEP_REFERENCES), STREAM_DELETED);
    assert_non_null(stream_pending_find(g, id(2, 0)));
    assert_non_null(stream_pending_find(h, id(2, 0)));
    assert_int_equal(stream_delete_with(s, id(2, 0), STREAM_DELETE_REFERENCES), STREAM_NO_ENTRY);
    assert_null(stream_pending_find(g, id(2, 0)));
    assert_int_equal(radix_count(&d->pending), 0);
    assert_int_equal(stream_delete_with(s, id(3, 0), STREAM_DELETE_REFERENCES), STREAM_DELETED);
    assert_int_equal(radix_count(&c->pending), 1);

    struct stream_trim trim = {.max_length = 0, .references = acked};
    assert_int_equal(stream_trim(s, &trim), 0);
    assert_int_equal(s->length, 3); /* 4 is pending, 5 and 6 are to come */
    assert_true(stream_acknowledge(g, id(4, 0)));
    assert_int_equal(stream_trim(s, &trim), 1);
    drop(s);
}

/* ---- pending entries ---- */

static void test_pending_entries(void **state)
{
    struct stream *s = with_entries(3);
    struct stream_group *g = stream_group_create(s, SLICE("g"), STREAM_ID_MIN, STREAM_UNKNOWN);
    struct stream_consumer *a = stream_consumer_create(g, SLICE("a"), 7);
    struct stream_consumer *b = stream_consumer_create(g, SLICE("b"), 7);
    assert_int_equal(a->seen_ms, 7);
    assert_int_equal(a->active_ms, -1);
    struct stream_nack *nack = stream_deliver(g, a, id(1, 0), 100);
    assert_int_equal(nack->deliveries, 1);
    nack->deliveries = 9;
    assert_ptr_equal(stream_deliver(g, b, id(1, 0), 200), nack); /* as if it were new */
    assert_int_equal(nack->deliveries, 1);
    assert_int_equal(nack->delivered_ms, 200);
    assert_ptr_equal(nack->consumer, b);
    assert_int_equal(radix_count(&a->pending), 0);
    assert_null(stream_pending_create(g, a, id(1, 0), 1));
    struct stream_nack *forced = stream_pending_create(g, a, id(8, 8), 300);
    assert_int_equal(forced->deliveries, 0);
    stream_claim(forced, b);
    stream_claim(forced, b);
    assert_int_equal(radix_count(&b->pending), 2);
    struct radix_cursor at;
    stream_pending_seek(&g->pending, id(1, 1), &at);
    assert_ptr_equal(stream_pending_next(&at), forced);
    assert_null(stream_pending_next(&at));
    assert_ptr_equal(stream_pending_prev(&at), forced);
    assert_int_equal(stream_consumer_delete(g, b), 2);
    assert_int_equal(radix_count(&g->pending), 0);
    assert_null(stream_consumer_find(g, SLICE("b")));
    stream_group_destroy(s, g);
    assert_null(stream_group_find(s, SLICE("g")));
    drop(s);
}

/* Rising ids, near each other and far, of entries that are there or not. */
static void test_find_on(void **state)
{
    for (uint64_t step = 1; step < 400; step = step * 3 / 2 + 1) {
        struct stream *s = with_entries(1000);
        struct stream_iterator it;
        struct stream_entry entry = {.pairs = 0};
        for (uint64_t ms = 2; ms <= 1000; ms += 2)
            stream_delete(s, id(ms, 0));
        for (uint64_t ms = 1; ms <= 1010; ms += step) {
            struct slice field, value;
            bool found = stream_find_on(s, &it, id(ms, 0), &entry);
            assert_int_equal(found, ms < 1000 && ms % 2 == 1);
            if (!found)
                continue;
            assert_int_equal(entry.id.ms, ms);
            if (ms % 3 == 0)
                stream_pair(&it, &field, &value);
        }
        drop(s);
    }
}

static void test_a_detached_group(void **state)
{
    struct stream *s = with_entries(100);
    struct stream_group *g = stream_group_create(s, SLICE("g"), STREAM_ID_MIN, STREAM_UNKNOWN);
    struct stream_consumer *c = stream_consumer_create(g, SLICE("c"), 7);
    for (uint64_t ms = 1; ms <= 100; ms++)
        stream_deliver(g, c, id(ms, 0), 1);
    struct value only = stream_group_detach(s, g);
    assert_null(stream_group_find(s, SLICE("g")));
    assert_int_equal(s->length, 100);
    assert_true(value_effort(only) > 100);
    assert_ptr_equal(stream_group_find(stream_of(only), SLICE("g")), g);
    drop(s);
    value_free(only);
}

static uint64_t pending_of(const struct stream_consumer *c)
{
    struct radix_cursor at;
    const struct stream_nack *nack;
    uint64_t n = 0;
    radix_check(&c->pending);
    radix_first(&c->pending, &at);
    for (; (nack = stream_pending_next(&at)) != NULL; n++)
        assert_ptr_equal(nack->consumer, c);
    return n;
}

static void deliver_batch(struct stream_group *g, const char *consumer, uint64_t from, uint64_t to)
{
    struct stream_batch b;
    size_t before = radix_count(&g->pending), consumers = radix_count(&g->consumers);
    stream_batch_init(&b, g, slice_str(consumer), 5);
    for (uint64_t ms = from; ms <= to; ms++)
        assert_int_equal(stream_batch_deliver(&b, id(ms, 0), 6)->deliveries, 1);
    assert_int_equal(radix_count(&g->pending), before);
    assert_int_equal(radix_count(&g->consumers), consumers);
    stream_batch_attach(&b, g);
    radix_check(&g->pending);
    for (uint64_t ms = from; ms <= to; ms++)
        assert_int_equal(stream_pending_find(g, id(ms, 0))->delivered_ms, 6);
}

static void test_batches(void **state)
{
    struct stream *s = stream_new();
    struct stream_group *g = stream_group_create(s, SLICE("g"), STREAM_ID_MIN, 0);
    struct stream_batch none;
    deliver_batch(g, "a", 1, 600);
    deliver_batch(g, "b", 601, 601);
    deliver_batch(g, "a", 602, 70000);
    deliver_batch(g, "c", 5, 4); /* nothing, but a consumer */
    struct stream_consumer *a = stream_consumer_find(g, SLICE("a"));
    struct stream_consumer *b = stream_consumer_find(g, SLICE("b"));
    assert_int_equal(pending_of(a), 69999);
    assert_int_equal(pending_of(b), 1);
    assert_int_equal(a->seen_ms, 5);
    assert_non_null(stream_consumer_find(g, SLICE("c")));
    stream_pending_find(g, id(69999, 0))->deliveries = 9;
    deliver_batch(g, "b", 69998, 70010); /* some again */
    assert_int_equal(stream_pending_find(g, id(69999, 0))->deliveries, 1);
    assert_int_equal(pending_of(a), 69996);
    assert_int_equal(pending_of(b), 14);
    assert_int_equal(radix_count(&g->pending), 70010);
    stream_batch_init(&none, g, SLICE("d"), 1);
    stream_batch_deliver(&none, id(80000, 0), 1);
    stream_batch_free(&none);
    assert_null(stream_consumer_find(g, SLICE("d")));
    drop(s);
}

/* ---- how far ---- */

static void test_positions(void **state)
{
    struct stream *s = stream_new();
    assert_int_equal(stream_position(s, id(5, 0)), 0);
    for (uint64_t ms = 1; ms <= 10; ms++)
        add(s, ms);
    assert_int_equal(stream_position(s, id(0, 0)), 0);
    assert_int_equal(stream_position(s, id(1, 0)), 1);
    assert_int_equal(stream_position(s, id(10, 0)), 10);
    assert_int_equal(stream_position(s, id(5, 0)), STREAM_UNKNOWN);
    assert_int_equal(stream_position(s, id(11, 0)), STREAM_UNKNOWN);
    struct stream_trim trim = {.max_length = 6}; /* 5 to 10 stay */
    stream_trim(s, &trim);
    assert_int_equal(stream_position(s, id(2, 0)), 4);
    assert_int_equal(stream_position(s, id(5, 0)), 5);
    stream_delete(s, id(7, 0));
    assert_int_equal(stream_position(s, id(5, 0)), STREAM_UNKNOWN);
    assert_int_equal(stream_position(s, id(10, 0)), 10);
    trim.max_length = 2; /* what was deleted is before the front again */
    stream_trim(s, &trim);
    assert_int_equal(stream_position(s, id(9, 0)), 9);
    trim.max_length = 0;
    stream_trim(s, &trim);
    assert_int_equal(stream_position(s, id(3, 0)), 10);
    drop(s);
}

static void test_tombstones(void **state)
{
    struct stream *s = with_entries(10);
    assert_false(stream_has_tombstones(s, STREAM_ID_MIN, STREAM_ID_MAX));
    stream_delete(s, id(4, 0));
    assert_true(stream_has_tombstones(s, STREAM_ID_MIN, STREAM_ID_MAX));
    assert_true(stream_has_tombstones(s, id(4, 0), id(4, 0)));
    assert_false(stream_has_tombstones(s, id(4, 1), STREAM_ID_MAX));
    assert_false(stream_has_tombstones(s, STREAM_ID_MIN, id(3, 9)));
    struct stream_trim trim = {.by_id = true, .min_id = {5, 0}};
    stream_trim(s, &trim);
    assert_false(stream_has_tombstones(s, STREAM_ID_MIN, STREAM_ID_MAX));
    drop(s);
}

static void test_lag(void **state)
{
    struct stream *s = stream_new();
    struct stream_group *g = stream_group_create(s, SLICE("g"), STREAM_ID_MIN, STREAM_UNKNOWN);
    assert_int_equal(stream_lag(s, g), 0);
    for (uint64_t ms = 1; ms <= 10; ms++)
        add(s, ms);
    assert_int_equal(stream_lag(s, g), 10);
    for (uint64_t ms = 1; ms <= 3; ms++)
        assert_true(stream_group_advance(s, g, id(ms, 0)));
    assert_false(stream_group_advance(s, g, id(2, 0))); /* behind it */
    assert_int_equal(g->entries_read, 3);
    assert_int_equal(stream_lag(s, g), 7);
    stream_delete(s, id(2, 0)); /* behind it: no matter */
    assert_int_equal(stream_lag(s, g), 7);
    stream_delete(s, id(6, 0)); /* ahead of it */
    assert_int_equal(stream_lag(s, g), STREAM_UNKNOWN);
    assert_true(stream_group_advance(s, g, id(4, 0)));
    assert_int_equal(g->entries_read, STREAM_UNKNOWN);
    assert_true(stream_group_advance(s, g, id(7, 0)));
    assert_int_equal(stream_lag(s, g), STREAM_UNKNOWN);
    assert_true(stream_group_advance(s, g, id(10, 0))); /* at the end it is known again */
    assert_int_equal(g->entries_read, 10);
    assert_int_equal(stream_lag(s, g), 0);
    struct stream_trim trim = {.max_length = 0};
    stream_trim(s, &trim);
    assert_int_equal(stream_lag(s, g), 0);
    drop(s);
}

/* A group that the front has overtaken has all that is left to read. */
static void test_lag_behind_the_front(void **state)
{
    struct stream *s = with_entries(10);
    struct stream_group *g = stream_group_create(s, SLICE("g"), id(2, 0), 2);
    struct stream_trim trim = {.max_length = 4};
    stream_trim(s, &trim);
    assert_int_equal(stream_lag(s, g), 4);
    assert_true(stream_group_advance(s, g, id(7, 0)));
    assert_int_equal(g->entries_read, 7);
    assert_int_equal(stream_lag(s, g), 3);
    drop(s);
}

/* ---- the class ---- */

struct seen {
    char text[200];
    size_t len;
};

static void take(void *ctx, const struct slice *parts, unsigned count)
{
    struct seen *seen = ctx;
    for (unsigned i = 0; i < count; i++)
        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof seen->text - seen->len,
                                      "%.*s ", (int)parts[i].len, parts[i].data);
    seen->len += (size_t)snprintf(seen->text + seen->len, sizeof seen->text - seen->len, "| ");
}

static void test_each(void **state)
{
    struct stream *s = stream_new();
    struct slice pairs[] = {SLICE("a"), SLICE("1"), SLICE(""), SLICE("-77")};
    struct seen seen = {.len = 0};
    assert_int_equal(stream_add(s, &value_limits_default, id(1, 2), pairs, 4), STREAM_ADDED);
    assert_int_equal(stream_add(s, &value_limits_default, id(3, 4), pairs, 2), STREAM_ADDED);
    value_each(stream_value(s), take, &seen);
    assert_string_equal(seen.text, "1.2 a 1  -77 | 3.4 a 1 | ");
    assert_true(value_is_ordered(TYPE_STREAM));
    drop(s);
}

static void test_memory(void **state)
{
    size_t before = mem_used();
    struct stream *s = with_entries(20000);
    struct stream_group *g = stream_group_create(s, SLICE("g"), STREAM_ID_MIN, STREAM_UNKNOWN);
    struct stream_consumer *c = stream_consumer_create(g, SLICE("consumer"), 0);
    for (uint64_t ms = 1; ms <= 5000; ms++)
        stream_deliver(g, c, id(ms, 0), 1);
    size_t took = mem_used() - before;
    assert_int_equal(value_memory(stream_value(s), 0), took);
    size_t guess = value_memory(stream_value(s), 5);
    assert_in_range(guess, took - took / 20, took + took / 20);
    assert_in_range(value_effort(stream_value(s)), 5000, 6000);
    struct value copy = value_copy(stream_value(s));
    assert_in_range(value_memory(copy, 0), took - took / 20, took);
    value_free(copy);
    drop(s);
    assert_int_equal(mem_used(), before);
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
        cmocka_unit_test(test_id_text),
        cmocka_unit_test(test_id_steps),
        cmocka_unit_test(test_next_ids),
        cmocka_unit_test(test_only_above_the_last),
        cmocka_unit_test(test_nodes_at_their_bounds),
        cmocka_unit_test(test_deleted_entries_count_for_the_bound),
        cmocka_unit_test(test_bytes_of_a_node),
        cmocka_unit_test(test_edges_follow),
        cmocka_unit_test(test_trim_by_length),
        cmocka_unit_test(test_trim_by_id),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_pending_entries),
        cmocka_unit_test(test_a_detached_group),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_tombstones),
        cmocka_unit_test(test_lag),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_find_on),
        cmocka_unit_test(test_lag_behind_the_front),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, join, leave);
}
