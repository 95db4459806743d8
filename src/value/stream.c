/* stream.c - the entries of streams: adding, walking, deleting, trimming; and the class.
 *
 * Invariants: every node has a live entry; nodes' ids rise, and all live entries of a node are
 * below the id of the next; tail is the last node; length is the sum of live entries; first_id is
 * that of the first live entry, or 0-0. Tombstones need not be in order: last_id may be set back
 * behind one that is the last.
 */
#include "value/stream.h"
#include <inttypes.h>
#include "base/mem.h"
#include "base/panic.h"
#include "value/stream_group.h"
#include "value/stream_node.h"

/* ---- nodes ---- */

static struct slice node_key(const void *node)
{
    return slice_of(((const struct stream_node *)node)->id, STREAM_ID_BYTES);
}

struct stream *stream_new(void)
{
    struct stream *s = mem_zalloc(sizeof *s);
    radix_init(&s->nodes, node_key);
    radix_init(&s->groups, stream_group_key);
    return s;
}

/* Before the node behind the one that may have that id; radix_prev yields that one. */
static void seek_node(const struct stream *s, struct stream_id id, struct radix_cursor *at)
{
    unsigned char key[STREAM_ID_BYTES];
    stream_id_to_bytes(key, id);
    radix_seek(&s->nodes, slice_of(key, sizeof key), true, at);
}

static void insert_node(struct stream *s, struct stream_node *node)
{
    bool added = radix_insert(&s->nodes, node);
    ASSERT(added);
    s->tail = node;
}

/* The node goes, with all its entries. */
static void drop_node(struct stream *s, struct stream_node *node)
{
    radix_remove(&s->nodes, node_key(node));
    if (s->tail == node) {
        struct radix_cursor at;
        radix_last(&s->nodes, &at);
        s->tail = radix_prev(&at);
    }
    stream_node_free(node);
}

/* ---- adding ---- */

bool stream_next_id(const struct stream *s, uint64_t now_ms, struct stream_id *out)
{
    *out = s->last_id;
    if (now_ms <= out->ms)
        return stream_id_increment(out);
    *out = (struct stream_id){now_ms, 0};
    return true;
}

bool stream_next_seq(const struct stream *s, uint64_t ms, struct stream_id *out)
{
    *out = (struct stream_id){ms, 0};
    if (ms != s->last_id.ms)
        return ms > s->last_id.ms;
    out->seq = s->last_id.seq + 1;
    return out->seq != 0;
}

enum stream_added stream_add(struct stream *s, const struct value_limits *limits,
                             struct stream_id id, const struct slice *pairs, size_t count)
{
    size_t bytes = 0;
    ASSERT(count >= 2 && count % 2 == 0);
    if (stream_id_compare(id, s->last_id) <= 0)
        return STREAM_NOT_ABOVE;
    for (size_t i = 0; i < count; i++)
        bytes += pairs[i].len;
    if (bytes > LISTPACK_BYTES_MAX)
        return STREAM_TOO_LARGE;
    if (s->tail != NULL && stream_node_has_room(s->tail, limits, bytes))
        stream_node_add(s->tail, id, pairs, count);
    else
        insert_node(s, stream_node_new(id, pairs, count));
    if (s->length++ == 0)
        s->first_id = id;
    s->last_id = id;
    s->entries_added += s->entries_added < INT64_MAX;
    return STREAM_ADDED;
}

/* The front is another one now. */
static void find_first(struct stream *s)
{
    struct stream_iterator it;
    struct stream_entry entry = {.id = STREAM_ID_MIN};
    stream_seek(s, STREAM_ID_MIN, STREAM_ID_MAX, false, &it);
    if (!stream_next(&it, &entry))
        entry.id = STREAM_ID_MIN;
    s->first_id = entry.id;
}

bool stream_adopt_node(struct stream *s, struct stream_id master, struct slice bytes)
{
    struct stream_id last;
    uint64_t live;
    stream_edge(s, true, &last);
    if (stream_id_compare(master, last) <= 0 || !stream_node_validate(bytes, master, &live, &last))
        return false;
    if (live == 0) /* tombstones only: of no use */
        return true;
    insert_node(s, stream_node_of(master, (const unsigned char *)bytes.data));
    s->length += live;
    if (s->length == live)
        find_first(s);
    return true;
}

/* ---- walking ---- */

void stream_seek(const struct stream *s, struct stream_id from, struct stream_id to, bool reverse,
                 struct stream_iterator *it)
{
    it->from = from;
    it->to = to;
    it->reverse = reverse;
    it->node = NULL;
    it->entry = it->left = it->master = 0;
    seek_node(s, reverse ? to : from, &it->cursor);
    if (!reverse)
        radix_prev(&it->cursor); /* entries of that node may be in the range */
}

/* The entry that comes next: of this node, or of the next one. 0: there is none. */
static uint32_t pass(struct stream_iterator *it)
{
    uint32_t at = 0;
    if (it->node != NULL && it->reverse)
        at = stream_node_prev(it->node, it->entry);
    else if (it->node != NULL)
        at = stream_node_next(it->node, it->part, it->left);
    if (at != 0)
        return at;
    it->node = it->reverse ? radix_prev(&it->cursor) : radix_next(&it->cursor);
    if (it->node == NULL)
        return 0;
    return it->reverse ? stream_node_last(it->node) : stream_node_first(it->node);
}

/* Ends the walk, for good. */
static bool finish(struct stream_iterator *it)
{
    it->node = NULL;
    if (it->reverse)
        radix_first(it->cursor.tree, &it->cursor);
    else
        radix_last(it->cursor.tree, &it->cursor);
    return false;
}

bool stream_next(struct stream_iterator *it, struct stream_entry *out)
{
    struct stream_place place;
    while ((it->entry = pass(it)) != 0) {
        stream_node_read(it->node, it->entry, &place);
        it->part = place.part;
        it->left = place.left;
        if (place.flags & STREAM_ENTRY_DELETED)
            continue;
        bool low = stream_id_compare(place.id, it->from) < 0;
        bool high = stream_id_compare(place.id, it->to) > 0;
        if (it->reverse ? low : high)
            return finish(it);
        if (low || high)
            continue;
        it->master = place.flags & STREAM_SAME_FIELDS ? stream_node_names(it->node) : 0;
        *out = (struct stream_entry){place.id, place.pairs};
        return true;
    }
    return false;
}

/* The element at the iterator's part, which it passes. */
static struct slice take_part(struct stream_iterator *it, char room[LISTPACK_TEXT])
{
    struct slice text = listpack_text(it->node->lp, it->part, room);
    DEBUG_ASSERT(it->left > 0);
    it->part = listpack_next(it->node->lp, it->part);
    it->left--;
    return text;
}

void stream_pair(struct stream_iterator *it, struct slice *field, struct slice *value)
{
    if (it->master != 0) {
        *field = listpack_text(it->node->lp, it->master, it->room[0]);
        it->master = listpack_next(it->node->lp, it->master);
    } else {
        *field = take_part(it, it->room[0]);
    }
    *value = take_part(it, it->room[1]);
}

#define STEPS_TO_NEAR 50 /* entries: about as long as seeking takes */

bool stream_find_on(const struct stream *s, struct stream_iterator *it, struct stream_id id,
                    struct stream_entry *entry)
{
    bool begun = entry->pairs != 0;
    for (int i = 0; begun && i < STEPS_TO_NEAR; i++) {
        int order = stream_id_compare(entry->id, id);
        if (order >= 0)
            return order == 0;
        if (!stream_next(it, entry))
            return false;
    }
    stream_seek(s, id, STREAM_ID_MAX, false, it);
    return stream_next(it, entry) && stream_id_compare(entry->id, id) == 0;
}

bool stream_has(const struct stream *s, struct stream_id id)
{
    struct stream_iterator it;
    struct stream_entry entry;
    stream_seek(s, id, id, false, &it);
    return stream_next(&it, &entry);
}

bool stream_edge(const struct stream *s, bool last, struct stream_id *out)
{
    struct stream_iterator it;
    struct stream_entry entry = {.id = STREAM_ID_MIN};
    *out = s->first_id;
    if (last) {
        stream_seek(s, STREAM_ID_MIN, STREAM_ID_MAX, true, &it);
        if (!stream_next(&it, &entry))
            entry.id = STREAM_ID_MIN;
        *out = entry.id;
    }
    return s->length > 0;
}

/* ---- deleting ---- */

/* One live entry. Returns where it is then, or 0: the node is gone with its last one. */
static uint32_t bury(struct stream *s, struct stream_node *node, uint32_t at)
{
    s->length--;
    if (stream_node_live(node) > 1)
        return stream_node_bury(node, at);
    drop_node(s, node);
    return 0;
}

bool stream_delete(struct stream *s, struct stream_id id)
{
    struct stream_iterator it;
    struct stream_entry entry;
    stream_seek(s, id, id, false, &it);
    if (!stream_next(&it, &entry))
        return false;
    bury(s, (struct stream_node *)it.node, it.entry);
    if (stream_id_compare(id, s->max_deleted_id) > 0)
        s->max_deleted_id = id;
    if (stream_id_compare(id, s->first_id) == 0)
        find_first(s);
    return true;
}

enum stream_deleted stream_delete_with(struct stream *s, struct stream_id id,
                                       enum stream_references references)
{
    if (references == STREAM_DELETE_REFERENCES)
        stream_unreference(s, id);
    if (references == STREAM_ACKNOWLEDGED_ONLY && stream_is_referenced(s, id))
        return stream_has(s, id) ? STREAM_REFERENCED : STREAM_NO_ENTRY;
    return stream_delete(s, id) ? STREAM_DELETED : STREAM_NO_ENTRY;
}

/* ---- trimming ---- */

struct trimming {
    struct stream *s;
    const struct stream_trim *how;
    uint64_t gone;
    uint64_t seen;           /* live entries of the nodes looked at */
    struct stream_id behind; /* nodes up to this id are done with */
    bool any;                /* whether `behind` says something */
    struct stream_id lowest; /* entries above it stay, by the policy */
};

static struct stream_node *next_node(const struct trimming *t)
{
    struct radix_cursor at;
    if (t->any)
        seek_node(t->s, t->behind, &at);
    else
        radix_first(&t->s->nodes, &at);
    return radix_next(&at);
}

static bool goes_as_a_whole(const struct trimming *t, const struct stream_node *node)
{
    struct stream_place last;
    if (!t->how->by_id)
        return t->s->length - stream_node_live(node) >= t->how->max_length;
    stream_node_read(node, stream_node_last(node), &last);
    return stream_id_compare(last.id, t->how->min_id) < 0;
}

static bool is_reached(const struct trimming *t, struct stream_id id)
{
    return t->how->by_id ? stream_id_compare(id, t->how->min_id) >= 0
                         : t->s->length <= t->how->max_length;
}

/* Whether the policy lets a live entry go; its references go then if it says so. */
static bool may_go(const struct trimming *t, struct stream_id id)
{
    const struct stream_trim *how = t->how;
    if (how->references == STREAM_KEEP_REFERENCES)
        return true;
    if (how->references == STREAM_ACKNOWLEDGED_ONLY && stream_is_referenced(t->s, id))
        return false;
    if (how->going != NULL)
        how->going(how->ctx, id);
    if (how->references == STREAM_DELETE_REFERENCES)
        stream_unreference(t->s, id);
    return true;
}

/* Entry by entry, until enough is gone or the node is. True: it is. */
static bool trim_node(struct trimming *t, struct stream_node *node)
{
    struct stream_place place;
    uint32_t at = stream_node_first(node);
    while (at != 0) {
        stream_node_read(node, at, &place);
        bool deleted = place.flags & STREAM_ENTRY_DELETED;
        if (!deleted && is_reached(t, place.id))
            return false;
        if (!deleted && may_go(t, place.id)) {
            t->gone++;
            at = bury(t->s, node, at);
            if (at == 0)
                return true;
            stream_node_read(node, at, &place); /* elements may have moved */
        }
        at = stream_node_next(node, place.part, place.left);
    }
    return false;
}

/* One node. False: nothing more is to be done. */
static bool trim_next(struct trimming *t)
{
    struct stream_node *node = next_node(t);
    if (node == NULL || (!t->how->by_id && t->s->length <= t->how->max_length))
        return false;
    uint64_t live = stream_node_live(node);
    if ((t->how->limit != 0 && t->seen + live > t->how->limit) ||
        stream_id_compare(stream_id_of_bytes(node->id), t->lowest) > 0)
        return false;
    bool whole = goes_as_a_whole(t, node);
    if (!whole && t->how->approximate)
        return false;
    t->seen += live;
    t->any = true;
    t->behind = stream_id_of_bytes(node->id);
    if (!whole || t->how->references != STREAM_KEEP_REFERENCES)
        return trim_node(t, node) || whole || !t->how->by_id; /* what stays moves the end on */
    t->s->length -= live;
    t->gone += live;
    drop_node(t->s, node);
    return true;
}

uint64_t stream_trim(struct stream *s, const struct stream_trim *how)
{
    struct trimming t = {.s = s, .how = how, .lowest = STREAM_ID_MAX};
    if (how->references == STREAM_ACKNOWLEDGED_ONLY)
        t.lowest = stream_groups_lowest(s);
    while (trim_next(&t))
        continue;
    if (t.gone > 0)
        find_first(s);
    return t.gone;
}

/* ---- how far groups are ---- */

int64_t stream_position(const struct stream *s, struct stream_id id)
{
    if (s->entries_added == 0)
        return 0;
    int to_last = stream_id_compare(id, s->last_id);
    if (to_last == 0 || (s->length == 0 && to_last < 0))
        return (int64_t)s->entries_added;
    if (to_last > 0)
        return STREAM_UNKNOWN;
    bool whole = stream_id_is_zero(s->max_deleted_id) ||
                 stream_id_compare(s->max_deleted_id, s->first_id) < 0;
    int to_first = stream_id_compare(id, s->first_id);
    if (!whole || to_first > 0)
        return STREAM_UNKNOWN;
    return (int64_t)(s->entries_added - s->length) + (to_first == 0);
}

bool stream_has_tombstones(const struct stream *s, struct stream_id from, struct stream_id to)
{
    if (s->length == 0 || stream_id_is_zero(s->max_deleted_id) ||
        stream_id_compare(s->first_id, s->max_deleted_id) > 0)
        return false;
    return stream_id_compare(from, s->max_deleted_id) <= 0 &&
           stream_id_compare(s->max_deleted_id, to) <= 0;
}

bool stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id)
{
    if (stream_id_compare(id, g->last_id) <= 0)
        return false;
    if (g->entries_read != STREAM_UNKNOWN && stream_id_compare(g->last_id, s->first_id) >= 0 &&
        !stream_has_tombstones(s, g->last_id, STREAM_ID_MAX))
        g->entries_read += g->entries_read < INT64_MAX;
    else if (s->entries_added != 0)
        g->entries_read = stream_position(s, id);
    g->last_id = id;
    return true;
}

int64_t stream_lag(const struct stream *s, const struct stream_group *g)
{
    if (s->entries_added == 0 || s->length == 0)
        return 0;
    if (stream_id_compare(g->last_id, s->first_id) < 0 &&
        stream_id_compare(s->max_deleted_id, s->first_id) < 0)
        return (int64_t)s->length;
    if (g->entries_read != STREAM_UNKNOWN && !stream_has_tombstones(s, g->last_id, STREAM_ID_MAX))
        return (int64_t)s->entries_added - g->entries_read;
    int64_t position = stream_position(s, g->last_id);
    return position == STREAM_UNKNOWN ? STREAM_UNKNOWN : (int64_t)s->entries_added - position;
}

/* ---- the class ---- */

static void release_node(void *node, void *ctx)
{
    (void)ctx;
    stream_node_free(node);
}

static void class_free(struct value value)
{
    struct stream *s = stream_of(value);
    radix_clear(&s->nodes, release_node, NULL);
    stream_groups_free(s);
    mem_free(s);
}

static size_t class_effort(struct value value)
{
    const struct stream *s = stream_of(value);
    return 1 + radix_count(&s->nodes) * 2 + stream_groups_effort(s);
}

static size_t class_memory(struct value value, size_t samples)
{
    const struct stream *s = stream_of(value);
    const struct stream_node *node;
    struct radix_cursor at;
    size_t nodes = radix_count(&s->nodes), bytes = 0, looked = 0;
    radix_first(&s->nodes, &at);
    while ((samples == 0 || looked < samples) && (node = radix_next(&at)) != NULL) {
        bytes += mem_usable(node) + listpack_memory(node->lp);
        looked++;
    }
    if (looked < nodes)
        bytes = (size_t)((double)bytes / (double)looked * (double)nodes);
    return mem_usable(s) + radix_bytes(&s->nodes) + bytes + stream_groups_memory(s, samples);
}

static struct value class_copy(struct value value)
{
    const struct stream *s = stream_of(value);
    struct stream *copy = stream_new();
    struct radix_cursor at;
    copy->length = s->length;
    copy->last_id = s->last_id;
    copy->first_id = s->first_id;
    copy->max_deleted_id = s->max_deleted_id;
    copy->entries_added = s->entries_added;
    radix_first(&s->nodes, &at);
    for (const struct stream_node *node; (node = radix_next(&at)) != NULL;)
        insert_node(copy, stream_node_of(stream_id_of_bytes(node->id), node->lp));
    stream_groups_copy(copy, s);
    return stream_value(copy);
}

/* An entry's id and fields, as parts that last for a call. */
struct parts {
    struct slice *slices;
    struct bytes text; /* of all of them, since an iterator lends one pair at a time */
    size_t capacity;
};

static size_t collect(struct parts *parts, struct stream_iterator *it,
                      const struct stream_entry *entry)
{
    size_t count = 1 + entry->pairs * 2, offset = 0;
    if (count > parts->capacity) {
        parts->slices = mem_realloc(parts->slices, count * sizeof *parts->slices);
        parts->capacity = count;
    }
    parts->text.len = 0;
    bytes_printf(&parts->text, "%" PRIu64 ".%" PRIu64, entry->id.ms, entry->id.seq);
    parts->slices[0].len = parts->text.len;
    for (size_t i = 1; i < count; i += 2) {
        struct slice field, value;
        stream_pair(it, &field, &value);
        bytes_append(&parts->text, field.data, field.len);
        bytes_append(&parts->text, value.data, value.len);
        parts->slices[i].len = field.len;
        parts->slices[i + 1].len = value.len;
    }
    for (size_t i = 0; i < count; i++) {
        parts->slices[i].data = parts->text.data + offset;
        offset += parts->slices[i].len;
    }
    return count;
}

static void class_each(struct value value, value_visit_fn visit, void *ctx)
{
    struct stream_iterator it;
    struct stream_entry entry;
    struct parts parts = {0};
    stream_seek(stream_of(value), STREAM_ID_MIN, STREAM_ID_MAX, false, &it);
    while (stream_next(&it, &entry)) {
        size_t count = collect(&parts, &it, &entry);
        visit(ctx, parts.slices, (unsigned)count);
    }
    mem_free(parts.slices);
    bytes_free(&parts.text);
}

const struct value_class stream_class = {
    .ordered = true,
    .free = class_free,
    .effort = class_effort,
    .memory = class_memory,
    .copy = class_copy,
    .each = class_each,
};
