/* Streams against plain arrays: random adding, deleting, trimming, walking, groups with their
 * pending entries, copies, and the way through RDB.
 *
 * SPILLWAY_SEED chooses the run (printed), SPILLWAY_ROUNDS how many runs there are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "persist/dump.h"
#include "persist/rdb_parts.h"
#include "persist/rdb_value.h"
#include "value/stream.h"
#include "value/stream_node.h"

enum { FIELDS_MAX = 5, GROUPS = 4, CONSUMERS = 3, IDS_MAX = 4096 };

struct line { /* an entry */
    struct stream_id id;
    size_t count; /* of parts */
    char *parts[FIELDS_MAX * 2];
    size_t lens[FIELDS_MAX * 2];
};

struct waiting { /* a pending entry */
    struct stream_id id;
    int64_t at_ms;
    uint64_t deliveries;
    int consumer;
};

struct model {
    struct stream *s;
    struct value_limits limits;
    struct rand rand;
    struct line *lines;
    size_t count, room;
    struct stream_id last, deleted;
    uint64_t added;
    struct {
        bool there, consumer[CONSUMERS];
        struct stream_id last;
        struct waiting *waiting; /* in order */
        size_t count;
    } groups[GROUPS];
};

static uint64_t seed_base(void)
{
    const char *seed = getenv("SPILLWAY_SEED");
    return seed ? strtoull(seed, NULL, 0) : rand_system();
}

static unsigned rounds(unsigned by_default)
{
    const char *n = getenv("SPILLWAY_ROUNDS");
    return n ? (unsigned)atoi(n) : by_default;
}

static uint64_t below(struct model *m, uint64_t n)
{
    return rand_below(&m->rand, n);
}

static void assert_id(struct stream_id a, struct stream_id b)
{
    assert_int_equal(a.ms, b.ms);
    assert_int_equal(a.seq, b.seq);
}

/* ---- entries ---- */

static size_t rank(const struct model *m, struct stream_id id) /* entries below */
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (stream_id_compare(m->lines[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_there(const struct model *m, struct stream_id id)
{
    size_t at = rank(m, id);
    return at < m->count && stream_id_compare(m->lines[at].id, id) == 0;
}

static struct stream_id any_id(struct model *m)
{
    struct stream_id id = m->last;
    if (m->count > 0 && below(m, 4) != 0)
        return m->lines[below(m, m->count)].id;
    id.ms -= below(m, id.ms / 2 + 1);
    id.seq = below(m, 4);
    return id;
}

static void free_line(struct line *line)
{
    for (size_t i = 0; i < line->count; i++)
        mem_free(line->parts[i]);
}

static void remove_lines(struct model *m, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        free_line(&m->lines[i]);
    memmove(m->lines + at, m->lines + at + count, (m->count - at - count) * sizeof *m->lines);
    m->count -= count;
}

static void random_text(struct model *m, struct line *line, size_t i)
{
    char text[300];
    size_t len;
    switch (below(m, 8)) {
    case 0:
        len = 0;
        break;
    case 1:
        len = below(m, sizeof text);
        memset(text, 'x', len);
        break;
    case 2:
    case 3:
        len = (size_t)snprintf(text, sizeof text, "%lld",
                               (long long)(rand_next(&m->rand) >> below(m, 64)));
        break;
    default:
        len = (size_t)snprintf(text, sizeof text, "value %d", (int)below(m, 1000));
    }
    line->parts[i] = mem_dup(text, len);
    line->lens[i] = len;
}

static struct line random_line(struct model *m)
{
    static const char *const names[] = {"a", "temperature", "7", "", "-12345"};
    struct line line = {.id = m->last, .count = 2 * (1 + below(m, FIELDS_MAX))};
    bool usual = below(m, 4) != 0;
    if (usual)
        line.count = 4;
    for (size_t i = 0; i < line.count; i += 2) {
        const char *name = names[usual ? i / 2 : below(m, COUNT_OF(names))];
        line.parts[i] = mem_dup(name, strlen(name));
        line.lens[i] = strlen(name);
        random_text(m, &line, i + 1);
    }
    if (below(m, 3) != 0) {
        line.id.seq++;
    } else {
        line.id.ms += 1 + below(m, below(m, 10) ? 10 : UINT64_C(1) << 33);
        line.id.seq = below(m, 2) ? 0 : rand_next(&m->rand) >> below(m, 63);
    }
    return line;
}

static void add(struct model *m)
{
    struct line line = random_line(m);
    struct slice pairs[FIELDS_MAX * 2];
    for (size_t i = 0; i < line.count; i++)
        pairs[i] = slice_of(line.parts[i], line.lens[i]);
    if (m->count > 0)
        assert_int_equal(stream_add(m->s, &m->limits, m->last, pairs, line.count),
                         STREAM_NOT_ABOVE);
    assert_int_equal(stream_add(m->s, &m->limits, line.id, pairs, line.count), STREAM_ADDED);
    if (m->count == m->room) {
        m->room = m->room ? m->room * 2 : 64;
        m->lines = mem_realloc(m->lines, m->room * sizeof *m->lines);
    }
    m->lines[m->count++] = line;
    m->last = line.id;
    m->added++;
}

static void forget_references(struct model *m, struct stream_id id);
static bool is_referenced(const struct model *m, struct stream_id id);

static void delete_one(struct model *m)
{
    struct stream_id id = any_id(m);
    enum stream_references references = (enum stream_references)below(m, 3);
    bool there = is_there(m, id), referenced = is_referenced(m, id);
    if (m->count > 0 && below(m, 5) == 0) {
        id = m->lines[below(m, 2) ? 0 : m->count - 1].id;
        there = true;
        referenced = is_referenced(m, id);
    }
    assert_int_equal(stream_is_referenced(m->s, id), referenced);
    enum stream_deleted expected = there ? STREAM_DELETED : STREAM_NO_ENTRY;
    if (references == STREAM_ACKNOWLEDGED_ONLY && referenced && there)
        expected = STREAM_REFERENCED;
    assert_int_equal(stream_delete_with(m->s, id, references), expected);
    if (references == STREAM_DELETE_REFERENCES)
        forget_references(m, id);
    if (expected != STREAM_DELETED)
        return;
    remove_lines(m, rank(m, id), 1);
    if (stream_id_compare(id, m->deleted) > 0)
        m->deleted = id;
}

/* As XSETID may: back to the last entry, though tombstones follow it. */
static void set_back(struct model *m)
{
    if (m->count == 0)
        return;
    m->last = m->s->last_id = m->lines[m->count - 1].id;
}

/* What an exact trim leaves, by the words of the contract. */
static uint64_t trim_model(struct model *m, const struct stream_trim *how, uint64_t at_most)
{
    uint64_t gone = 0;
    size_t at = 0;
    while (at < m->count && gone < at_most) {
        struct stream_id id = m->lines[at].id;
        if (how->by_id ? stream_id_compare(id, how->min_id) >= 0 : m->count <= how->max_length)
            break;
        if (how->references == STREAM_ACKNOWLEDGED_ONLY && is_referenced(m, id)) {
            at++;
            continue;
        }
        if (how->references == STREAM_DELETE_REFERENCES)
            forget_references(m, id);
        remove_lines(m, at, 1);
        gone++;
    }
    return gone;
}

static void trim(struct model *m)
{
    struct stream_trim how = {.by_id = below(m, 2),
                              .approximate = below(m, 2),
                              .max_length = below(m, 4) ? m->count - below(m, m->count / 8 + 1)
                                                        : below(m, m->count + 10),
                              .references = (enum stream_references)below(m, 3)};
    how.min_id = m->count > 0 ? m->lines[below(m, m->count / 6 + 1)].id : any_id(m);
    if (below(m, 3) == 0)
        how.min_id.seq++;
    if (how.approximate && below(m, 2))
        how.limit = below(m, 300);
    uint64_t gone = stream_trim(m->s, &how);
    if (how.limit != 0)
        assert_true(gone <= how.limit);
    assert_int_equal(trim_model(m, &how, how.approximate ? gone : UINT64_MAX), gone);
}

static void assert_line(struct stream_iterator *it, const struct stream_entry *entry,
                        const struct line *line, size_t read)
{
    assert_id(entry->id, line->id);
    assert_int_equal(entry->pairs * 2, line->count);
    for (size_t i = 0; i < MIN_OF(line->count, read * 2); i += 2) {
        struct slice field, value;
        stream_pair(it, &field, &value);
        assert_true(slice_eq(field, slice_of(line->parts[i], line->lens[i])));
        assert_true(slice_eq(value, slice_of(line->parts[i + 1], line->lens[i + 1])));
    }
}

static void check_range(struct model *m, struct stream_id from, struct stream_id to, bool reverse)
{
    struct stream_iterator it;
    struct stream_entry entry;
    size_t low = rank(m, from), high = rank(m, to);
    high += high < m->count && stream_id_compare(m->lines[high].id, to) == 0;
    stream_seek(m->s, from, to, reverse, &it);
    for (size_t n = low; n < high; n++) {
        assert_true(stream_next(&it, &entry));
        assert_line(&it, &entry, &m->lines[reverse ? low + high - 1 - n : n], below(m, 7));
    }
    assert_false(stream_next(&it, &entry));
    assert_false(stream_next(&it, &entry));
}

static void walk(struct model *m)
{
    struct stream_id from = any_id(m), to = below(m, 2) ? any_id(m) : from;
    if (below(m, 4) && stream_id_compare(from, to) > 0) {
        struct stream_id swap = from;
        from = to;
        to = swap;
    }
    check_range(m, from, to, below(m, 2));
    assert_int_equal(stream_has(m->s, from), is_there(m, from));
}

/* ---- groups ---- */

static struct slice name_of(char text[16], const char *kind, int number)
{
    return slice_of(text, (size_t)snprintf(text, 16, "%s%d", kind, number));
}

static size_t pending_rank(const struct model *m, int g, struct stream_id id)
{
    size_t at = 0;
    while (at < m->groups[g].count && stream_id_compare(m->groups[g].waiting[at].id, id) < 0)
        at++;
    return at;
}

static struct waiting *pending_of(const struct model *m, int g, struct stream_id id)
{
    size_t at = pending_rank(m, g, id);
    return at < m->groups[g].count && stream_id_compare(m->groups[g].waiting[at].id, id) == 0
               ? &m->groups[g].waiting[at]
               : NULL;
}

static void forget_pending(struct model *m, int g, size_t at)
{
    struct waiting *w = m->groups[g].waiting;
    memmove(w + at, w + at + 1, (m->groups[g].count - at - 1) * sizeof *w);
    m->groups[g].count--;
}

static void forget_references(struct model *m, struct stream_id id)
{
    for (int g = 0; g < GROUPS; g++)
        if (m->groups[g].there && pending_of(m, g, id) != NULL)
            forget_pending(m, g, pending_rank(m, g, id));
}

static bool is_referenced(const struct model *m, struct stream_id id)
{
    for (int g = 0; g < GROUPS; g++)
        if (m->groups[g].there &&
            (stream_id_compare(m->groups[g].last, id) < 0 || pending_of(m, g, id) != NULL))
            return true;
    return false;
}

static void change_groups(struct model *m, int g, struct stream_group *group)
{
    char text[16];
    struct slice name = name_of(text, "group", g);
    if (group == NULL) {
        m->groups[g].there = true;
        m->groups[g].last = any_id(m);
        group = stream_group_create(m->s, name, m->groups[g].last, STREAM_UNKNOWN);
        assert_non_null(group);
        assert_null(stream_group_create(m->s, name, STREAM_ID_MIN, 0));
        assert_true(slice_eq(stream_group_name(group), name));
        m->groups[g].waiting = mem_alloc(IDS_MAX * sizeof(struct waiting));
    } else if (below(m, 30) == 0) {
        stream_group_destroy(m->s, group);
        mem_free(m->groups[g].waiting);
        memset(&m->groups[g], 0, sizeof m->groups[g]);
    }
}

static void change_consumers(struct model *m, int g, struct stream_group *group, int c)
{
    char text[16];
    struct slice name = name_of(text, "", c);
    struct stream_consumer *consumer = stream_consumer_find(group, name);
    assert_int_equal(consumer != NULL, m->groups[g].consumer[c]);
    if (consumer == NULL) {
        consumer = stream_consumer_create(group, name, 1000 + c);
        assert_non_null(consumer);
        assert_null(stream_consumer_create(group, name, 0));
    } else if (below(m, 20) == 0) {
        uint64_t had = 0;
        for (size_t i = m->groups[g].count; i-- > 0;)
            if (m->groups[g].waiting[i].consumer == c) {
                forget_pending(m, g, i);
                had++;
            }
        assert_int_equal(stream_consumer_delete(group, consumer), had);
        consumer = NULL;
    }
    m->groups[g].consumer[c] = consumer != NULL;
}

static void deliver(struct model *m, int g, struct stream_group *group, int c)
{
    char text[16];
    struct stream_id id = any_id(m);
    struct stream_consumer *consumer = stream_consumer_find(group, name_of(text, "", c));
    struct waiting *w = pending_of(m, g, id);
    if (consumer == NULL || m->groups[g].count == IDS_MAX)
        return;
    if (below(m, 3) == 0) { /* as XCLAIM */
        struct stream_nack *nack = stream_pending_find(group, id);
        assert_int_equal(nack != NULL, w != NULL);
        if (nack != NULL) {
            stream_claim(nack, consumer);
            nack->deliveries += 2;
            w->consumer = c;
            w->deliveries += 2;
        }
        return;
    }
    stream_deliver(group, consumer, id, (int64_t)m->added);
    if (w == NULL) {
        size_t at = pending_rank(m, g, id);
        w = m->groups[g].waiting + at;
        memmove(w + 1, w, (m->groups[g].count - at) * sizeof *w);
        m->groups[g].count++;
    }
    *w = (struct waiting){id, (int64_t)m->added, 1, c};
    if (stream_id_compare(id, m->groups[g].last) > 0)
        m->groups[g].last = id;
    stream_group_advance(m->s, group, id);
}

static void acknowledge(struct model *m, int g, struct stream_group *group)
{
    struct stream_id id = any_id(m);
    if (m->groups[g].count > 0 && below(m, 2))
        id = m->groups[g].waiting[below(m, m->groups[g].count)].id;
    assert_int_equal(stream_acknowledge(group, id), pending_of(m, g, id) != NULL);
    if (pending_of(m, g, id) != NULL)
        forget_pending(m, g, pending_rank(m, g, id));
}

static void check_group(const struct model *m, const struct stream *s, int g)
{
    char text[16];
    const struct stream_group *group = stream_group_find(s, name_of(text, "group", g));
    struct radix_cursor at, of_consumer[CONSUMERS];
    assert_int_equal(group != NULL, m->groups[g].there);
    if (group == NULL)
        return;
    assert_id(group->last_id, m->groups[g].last);
    radix_check(&group->pending);
    radix_check(&group->consumers);
    for (int c = 0; c < CONSUMERS; c++) {
        const struct stream_consumer *consumer = stream_consumer_find(group, name_of(text, "", c));
        assert_int_equal(consumer != NULL, m->groups[g].consumer[c]);
        if (consumer == NULL)
            continue;
        radix_check(&consumer->pending);
        stream_pending_seek(&consumer->pending, STREAM_ID_MIN, &of_consumer[c]);
    }
    assert_int_equal(radix_count(&group->pending), m->groups[g].count);
    stream_pending_seek(&group->pending, STREAM_ID_MIN, &at);
    for (size_t i = 0; i < m->groups[g].count; i++) {
        const struct waiting *w = &m->groups[g].waiting[i];
        const struct stream_nack *nack = stream_pending_next(&at);
        assert_ptr_equal(stream_pending_next(&of_consumer[w->consumer]), nack);
        assert_id(stream_nack_id(nack), w->id);
        assert_int_equal(nack->delivered_ms, w->at_ms);
        assert_int_equal(nack->deliveries, w->deliveries);
    }
    assert_null(stream_pending_next(&at));
    for (int c = 0; c < CONSUMERS; c++)
        assert_true(!m->groups[g].consumer[c] || stream_pending_next(&of_consumer[c]) == NULL);
}

static void group_step(struct model *m)
{
    char text[16];
    int g = (int)below(m, GROUPS), c = (int)below(m, CONSUMERS);
    if (m->count == 0)
        return;
    change_groups(m, g, stream_group_find(m->s, name_of(text, "group", g)));
    struct stream_group *group = stream_group_find(m->s, name_of(text, "group", g));
    if (group == NULL)
        return;
    change_consumers(m, g, group, c);
    for (int i = 0; i < 3; i++)
        deliver(m, g, group, c);
    for (int i = 0; i < 2; i++)
        acknowledge(m, g, group);
}

/* ---- all ---- */

static void check_nodes(const struct stream *s)
{
    struct radix_cursor at;
    const struct stream_node *node, *last = NULL;
    struct stream_id above = STREAM_ID_MIN;
    uint64_t all = 0, live;
    radix_check(&s->nodes);
    radix_first(&s->nodes, &at);
    for (; (node = radix_next(&at)) != NULL; last = node) {
        struct stream_id id = stream_id_of_bytes(node->id);
        assert_true(stream_id_compare(id, above) > 0);
        assert_true(
            stream_node_validate(slice_of(node->lp, listpack_bytes(node->lp)), id, &live, &above));
        assert_true(live > 0);
        all += live;
    }
    assert_ptr_equal(s->tail, last);
    assert_int_equal(all, s->length);
}

static void check_all(struct model *m)
{
    struct stream_id id;
    check_nodes(m->s);
    assert_int_equal(m->s->length, m->count);
    assert_int_equal(m->s->entries_added, m->added);
    assert_id(m->s->last_id, m->last);
    assert_id(m->s->max_deleted_id, m->deleted);
    assert_int_equal(stream_edge(m->s, false, &id), m->count > 0);
    assert_id(id, m->count > 0 ? m->lines[0].id : STREAM_ID_MIN);
    assert_int_equal(stream_edge(m->s, true, &id), m->count > 0);
    assert_id(id, m->count > 0 ? m->lines[m->count - 1].id : STREAM_ID_MIN);
    check_range(m, STREAM_ID_MIN, STREAM_ID_MAX, false);
    check_range(m, STREAM_ID_MIN, STREAM_ID_MAX, true);
    for (int g = 0; g < GROUPS; g++)
        check_group(m, m->s, g);
}

/* The stream goes on as a copy of itself. */
static void copy(struct model *m)
{
    struct stream *old = m->s;
    m->s = stream_of(value_copy(stream_value(old)));
    check_all(m);
    value_free(stream_value(old));
    check_all(m);
    assert_true(value_memory(stream_value(m->s), 0) > 0);
    assert_true(value_effort(stream_value(m->s)) > 0);
}

/* In slices of any size it is the same bytes. */
static void check_slices(struct model *m, const struct entry *e, bool compress)
{
    struct bytes whole = {0}, sliced = {0}, parts = {0};
    struct rdb_walk walk;
    bool more = true;
    rdb_value_append(e, compress, &whole);
    rdb_walk_init(&walk, entry_value(e));
    while (more) {
        struct slice rest, part;
        bool string;
        more = rdb_walk_slice(&walk, below(m, 3) ? 1 + below(m, 40) : SIZE_MAX, &parts);
        rest = bytes_slice(&parts);
        while (rdb_parts_next(&rest, &part, &string))
            if (string)
                rdb_append_string(&sliced, part, compress);
            else
                bytes_append(&sliced, part.data, part.len);
        assert_int_equal(rest.len, 0);
        parts.len = 0;
    }
    assert_true(slice_eq(bytes_slice(&whole), bytes_slice(&sliced)));
    bytes_free(&whole);
    bytes_free(&sliced);
    bytes_free(&parts);
}

/* The stream goes on as what was read of its payload. */
static void through_rdb(struct model *m)
{
    struct keyspace_options options = {.databases = 1,
                                       .policy = EVICT_NONE,
                                       .samples = 5,
                                       .limits = m->limits,
                                       .lfu_decay_minutes = 1};
    struct keyspace_stats stats = {0};
    struct keyspace *ks = keyspace_new(&options);
    struct hold hold = {.keyspace = ks, .now_ms = 1, .stats = &stats};
    struct key key = keyspace_key(keyspace_seed(ks), 0, SLICE("stream"));
    struct dump_value value = {.type = TYPE_STREAM, .value = stream_value(m->s)};
    struct bytes payload = {0};
    hold_take(&hold, HOLD_ALL);
    bool compress = below(m, 2);
    struct entry *e = dump_put(&hold, &key, NULL, &value, EXPIRE_NONE);
    dump_append(e, compress, &payload);
    check_slices(m, e, compress);
    hold_drop(&hold);
    keyspace_free(ks);
    assert_int_equal(dump_parse(bytes_slice(&payload), &m->limits, &value), DUMP_OK);
    m->s = stream_of(value.value);
    bytes_free(&payload);
    check_all(m);
}

static void drive(struct model *m, size_t goal, size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        if (m->count < goal || below(m, 8) == 0)
            add(m);
        if (below(m, 3) == 0)
            delete_one(m);
        if (below(m, 60) == 0)
            trim(m);
        if (below(m, 40) == 0)
            set_back(m);
        if (below(m, 8) == 0)
            walk(m);
        if (below(m, 3) == 0)
            group_step(m);
    }
    check_all(m);
    copy(m);
    through_rdb(m);
}

static void one_round(uint64_t seed, int64_t node_entries, int64_t node_bytes)
{
    struct model m = {.s = stream_new(), .limits = value_limits_default, .last = {1000000, 1}};
    m.limits.stream_node_max_entries = node_entries;
    m.limits.stream_node_max_bytes = node_bytes;
    m.s->last_id = m.last;
    rand_seed(&m.rand, seed);
    check_all(&m);
    drive(&m, 1500, 2500);
    drive(&m, 20, 1500);
    drive(&m, 600, 1000);
    if (m.count > 0 && seed % 2) {
        struct stream_trim all = {.by_id = false};
        assert_int_equal(stream_trim(m.s, &all), m.count);
        remove_lines(&m, 0, m.count);
        check_all(&m);
        drive(&m, 2, 30);
    }
    value_free(stream_value(m.s));
    for (size_t i = 0; i < m.count; i++)
        free_line(&m.lines[i]);
    for (int g = 0; g < GROUPS; g++)
        mem_free(m.groups[g].waiting);
    mem_free(m.lines);
}

static void test_against_model(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(2); i++) {
        one_round(seed + i, 100, 4096);
        one_round(seed + i, 7, 0);
        one_round(seed + i, 0, 300);
        one_round(seed + i, 0, 1);
        one_round(seed + i, 300, 20000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
