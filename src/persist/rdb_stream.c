/* rdb_stream.c - streams in RDB: written as type 19, which redis-server 7.0 and later read; read in
 * the three forms that redis-server has written (15, 19, 21).
 *
 *      nodes:  count, then for each its master's id (a string of 16 bytes) and its listpack
 *      length, last id, first id*, highest deleted id*, entries added*
 *      groups: count, then for each
 *          name, last id, entries read*
 *          pending:   count, then for each id (16 bytes), time, deliveries
 *          consumers: count, then for each
 *              name, seen time, active time**
 *              pending: count, then for each id (16 bytes)
 *
 * Numbers are lengths (an id is two, ms and seq), times 8 bytes little endian, in ms. *: not in
 * type 15. **: in type 21 only; an active time is lost on the way to disk, and is the seen time
 * afterwards, as it is for redis-server. (Source: the format as redis-server 7.2 writes it.)
 *
 * Nothing is believed: nodes are looked at element by element, counts are compared with what is
 * there, every pending entry must be exactly one consumer's.
 */
#include "persist/rdb_parts.h"
#include "persist/rdb_value.h"
#include "struct/flat.h"
#include "value/stream.h"
#include "value/stream_node.h"

/* ---- writing ----
 *
 * One step after the other, each a node, a group, a pending entry or the like, so that a slice can
 * end behind any of them. */

/* Where it goes: encoded, or as parts (persist/rdb_parts.h). */
struct writing {
    struct bytes *out;
    bool compress, parts;
    size_t open; /* with parts: the place of the one that is being written, plus 1; 0: none is */
};

static void close_part(struct writing *w)
{
    if (w->open == 0)
        return;
    uint64_t head = (uint64_t)(w->out->len - (w->open - 1) - sizeof head) << 1;
    memcpy(w->out->data + w->open - 1, &head, sizeof head);
    w->open = 0;
}

/* Bytes as they are; those that follow each other are one part. */
static void put_raw(struct writing *w, const void *data, size_t len)
{
    if (w->parts && w->open == 0) {
        w->open = w->out->len + 1;
        rdb_parts_add(w->out, "", 0, false);
    }
    bytes_append(w->out, data, len);
}

static void put_string(struct writing *w, struct slice s)
{
    close_part(w);
    if (w->parts)
        rdb_parts_string(w->out, s);
    else
        rdb_append_string(w->out, s, w->compress);
}

static void put_length(struct writing *w, uint64_t len)
{
    uint8_t bytes[RDB_LENGTH_MAX];
    put_raw(w, bytes, rdb_length(bytes, len));
}

static void put_id(struct writing *w, struct stream_id id)
{
    put_length(w, id.ms);
    put_length(w, id.seq);
}

static void put_time(struct writing *w, int64_t ms)
{
    unsigned char bytes[8];
    flat_store(bytes, (uint64_t)ms, sizeof bytes);
    put_raw(w, bytes, sizeof bytes);
}

static void put_node(struct writing *w, const struct stream_node *node)
{
    put_string(w, slice_of(node->id, sizeof node->id));
    put_string(w, slice_of(node->lp, listpack_bytes(node->lp)));
}

static void put_counters(struct writing *w, const struct stream *s)
{
    put_length(w, s->length);
    put_id(w, s->last_id);
    put_id(w, s->first_id);
    put_id(w, s->max_deleted_id);
    put_length(w, s->entries_added);
    put_length(w, radix_count(&s->groups));
}

static void put_group(struct writing *w, const struct stream_group *g)
{
    put_string(w, stream_group_name(g));
    put_id(w, g->last_id);
    put_length(w, (uint64_t)g->entries_read);
    put_length(w, radix_count(&g->pending));
}

static void put_pending(struct writing *w, const struct stream_nack *nack)
{
    put_raw(w, nack->id, sizeof nack->id);
    put_time(w, nack->delivered_ms);
    put_length(w, nack->deliveries);
}

static void put_consumer(struct writing *w, const struct stream_consumer *c)
{
    put_string(w, stream_consumer_name(c));
    put_time(w, c->seen_ms);
    put_length(w, radix_count(&c->pending));
}

/* Puts what comes next and says what comes then. */
static enum stream_walk_next step(struct stream_walk *walk, const struct stream *s,
                                  struct writing *w)
{
    const struct stream_node *node;
    const struct stream_consumer *c;
    const struct stream_nack *nack;
    switch (walk->next) {
    case STREAM_WALK_BEGIN:
        put_length(w, radix_count(&s->nodes));
        radix_first(&s->nodes, &walk->outer);
        return STREAM_WALK_NODE;
    case STREAM_WALK_NODE:
        if ((node = radix_next(&walk->outer)) != NULL) {
            put_node(w, node);
            return STREAM_WALK_NODE;
        }
        put_counters(w, s);
        radix_first(&s->groups, &walk->outer);
        return STREAM_WALK_GROUP;
    case STREAM_WALK_GROUP:
        if ((walk->group = stream_group_next(&walk->outer)) == NULL)
            return STREAM_WALK_END;
        put_group(w, walk->group);
        radix_first(&walk->group->pending, &walk->pending);
        return STREAM_WALK_PENDING;
    case STREAM_WALK_PENDING:
        if ((nack = stream_pending_next(&walk->pending)) != NULL) {
            put_pending(w, nack);
            return STREAM_WALK_PENDING;
        }
        put_length(w, radix_count(&walk->group->consumers));
        radix_first(&walk->group->consumers, &walk->consumers);
        return STREAM_WALK_CONSUMER;
    case STREAM_WALK_CONSUMER:
        if ((c = stream_consumer_next(&walk->consumers)) == NULL)
            return STREAM_WALK_GROUP;
        put_consumer(w, c);
        radix_first(&c->pending, &walk->pending);
        return STREAM_WALK_OWNED;
    case STREAM_WALK_OWNED:
        if ((nack = stream_pending_next(&walk->pending)) == NULL)
            return STREAM_WALK_CONSUMER;
        put_raw(w, nack->id, sizeof nack->id);
        return STREAM_WALK_OWNED;
    default:
        return STREAM_WALK_END;
    }
}

void rdb_stream_append(const struct entry *entry, bool compress, struct bytes *out)
{
    struct writing w = {.out = out, .compress = compress};
    struct stream_walk walk = {.next = STREAM_WALK_BEGIN};
    while ((walk.next = step(&walk, stream_of(entry_value(entry)), &w)) != STREAM_WALK_END)
        continue;
}

bool rdb_stream_slice(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    struct writing w = {.out = parts, .parts = true};
    struct stream_walk *at = &walk->stream;
    size_t before = parts->len;
    for (size_t i = 0; i < items && at->next != STREAM_WALK_END; i++) {
        if (items != SIZE_MAX && parts->len - before >= RDB_SLICE_BYTES)
            break;
        at->next = step(at, stream_of(walk->value), &w);
    }
    close_part(&w);
    return at->next != STREAM_WALK_END;
}

/* ---- reading ---- */

struct reading {
    struct rdb_reader *r;
    struct stream *s;
    struct bytes buffer;
    uint8_t rdb_type;
};

static bool read_id(struct rdb_reader *r, struct stream_id *out)
{
    return rdb_read_length(r, &out->ms) && rdb_read_length(r, &out->seq);
}

/* Of which one can be taken from another. */
static bool read_time(struct rdb_reader *r, int64_t min, int64_t *out)
{
    uint64_t ms;
    if (!rdb_read_u64(r, &ms))
        return false;
    *out = (int64_t)ms;
    return (*out >= min && *out <= INT64_MAX / 2) || rdb_fail(r, "a time that cannot be");
}

static bool read_raw_id(struct rdb_reader *r, struct stream_id *out)
{
    unsigned char bytes[STREAM_ID_BYTES];
    if (!rdb_read(r, bytes, sizeof bytes))
        return false;
    *out = stream_id_of_bytes(bytes);
    return true;
}

static bool read_node(struct reading *reading)
{
    struct rdb_reader *r = reading->r;
    struct stream_id id;
    if (!rdb_read_string(r, &reading->buffer))
        return false;
    if (reading->buffer.len != STREAM_ID_BYTES)
        return rdb_fail(r, "a stream's node under something that is no id");
    id = stream_id_of_bytes((const unsigned char *)reading->buffer.data);
    return rdb_read_string(r, &reading->buffer) &&
           (stream_adopt_node(reading->s, id, bytes_slice(&reading->buffer)) ||
            rdb_fail(r, "a damaged node of a stream"));
}

static bool read_nodes(struct reading *reading)
{
    uint64_t count;
    if (!rdb_read_length(reading->r, &count))
        return false;
    while (count-- > 0)
        if (!read_node(reading))
            return false;
    return true;
}

/* Length and ids. The first id is what the nodes say. */
static bool read_counters(struct reading *reading)
{
    struct rdb_reader *r = reading->r;
    struct stream *s = reading->s;
    struct stream_id first, last;
    uint64_t length;
    if (!rdb_read_length(r, &length) || !read_id(r, &s->last_id))
        return false;
    s->entries_added = length;
    if (reading->rdb_type != RDB_TYPE_STREAM_LISTPACKS &&
        (!read_id(r, &first) || !read_id(r, &s->max_deleted_id) ||
         !rdb_read_length(r, &s->entries_added)))
        return false;
    if (length != s->length)
        return rdb_fail(r, "a stream of another length than it says");
    if (s->entries_added < length || s->entries_added > INT64_MAX)
        return rdb_fail(r, "a stream whose count of added entries is impossible");
    stream_edge(s, true, &last);
    return stream_id_compare(last, s->last_id) <= 0 ||
           rdb_fail(r, "a stream with an entry above its last id");
}

static bool read_group_pending(struct reading *reading, struct stream_group *g)
{
    struct rdb_reader *r = reading->r;
    uint64_t count, deliveries;
    if (!rdb_read_length(r, &count))
        return false;
    while (count-- > 0) {
        struct stream_id id;
        int64_t delivered_ms;
        if (!read_raw_id(r, &id) || !read_time(r, 0, &delivered_ms) ||
            !rdb_read_length(r, &deliveries))
            return false;
        if (deliveries > INT64_MAX)
            return rdb_fail(r, "a pending entry delivered impossibly often");
        struct stream_nack *nack = stream_pending_create(g, NULL, id, delivered_ms);
        if (nack == NULL)
            return rdb_fail(r, "a group with a pending entry twice");
        nack->deliveries = deliveries;
    }
    return true;
}

/* `owned` counts the pending entries that have a consumer. */
static bool read_consumer(struct reading *reading, struct stream_group *g, uint64_t *owned)
{
    struct rdb_reader *r = reading->r;
    int64_t seen_ms, active_ms;
    uint64_t count;
    if (!rdb_read_string(r, &reading->buffer) || !read_time(r, 0, &seen_ms))
        return false;
    active_ms = seen_ms;
    if (reading->rdb_type == RDB_TYPE_STREAM_LISTPACKS_3 && !read_time(r, -1, &active_ms))
        return false;
    struct stream_consumer *c = stream_consumer_create(g, bytes_slice(&reading->buffer), seen_ms);
    if (c == NULL)
        return rdb_fail(r, "a group with a consumer twice");
    c->active_ms = active_ms;
    if (!rdb_read_length(r, &count))
        return false;
    for (; count > 0; count--, ++*owned) {
        struct stream_id id;
        if (!read_raw_id(r, &id))
            return false;
        struct stream_nack *nack = stream_pending_find(g, id);
        if (nack == NULL || nack->consumer != NULL)
            return rdb_fail(r, "a consumer with an entry that is not pending, or another's");
        stream_claim(nack, c);
    }
    return true;
}

static bool read_consumers(struct reading *reading, struct stream_group *g)
{
    uint64_t count, owned = 0;
    if (!rdb_read_length(reading->r, &count))
        return false;
    while (count-- > 0)
        if (!read_consumer(reading, g, &owned))
            return false;
    return owned == radix_count(&g->pending) ||
           rdb_fail(reading->r, "a pending entry without a consumer");
}

static bool read_group(struct reading *reading)
{
    struct rdb_reader *r = reading->r;
    struct stream_id last_id;
    uint64_t entries_read;
    if (!rdb_read_string(r, &reading->buffer) || !read_id(r, &last_id))
        return false;
    if (reading->rdb_type == RDB_TYPE_STREAM_LISTPACKS)
        entries_read = (uint64_t)stream_position(reading->s, last_id);
    else if (!rdb_read_length(r, &entries_read))
        return false;
    if ((int64_t)entries_read < STREAM_UNKNOWN)
        return rdb_fail(r, "a group that has read an impossible number of entries");
    struct stream_group *g = stream_group_create(reading->s, bytes_slice(&reading->buffer), last_id,
                                                 (int64_t)entries_read);
    if (g == NULL)
        return rdb_fail(r, "a stream with a group twice");
    return read_group_pending(reading, g) && read_consumers(reading, g);
}

static bool read_groups(struct reading *reading)
{
    uint64_t count;
    if (!rdb_read_length(reading->r, &count))
        return false;
    while (count-- > 0)
        if (!read_group(reading))
            return false;
    return true;
}

bool rdb_stream_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out)
{
    struct reading reading = {.r = r, .s = stream_new(), .rdb_type = rdb_type};
    bool ok = read_nodes(&reading) && read_counters(&reading) && read_groups(&reading);
    bytes_free(&reading.buffer);
    if (ok)
        out->value = stream_value(reading.s);
    else
        value_free(stream_value(reading.s));
    return ok;
}
