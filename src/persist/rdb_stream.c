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
#include "persist/rdb_value.h"
#include "struct/flat.h"
#include "value/stream.h"
#include "value/stream_node.h"

/* ---- writing ---- */

struct writing {
    struct bytes *out;
    bool compress;
};

static void append_id(const struct writing *w, struct stream_id id)
{
    rdb_append_length(w->out, id.ms);
    rdb_append_length(w->out, id.seq);
}

static void append_time(const struct writing *w, int64_t ms)
{
    unsigned char bytes[8];
    flat_store(bytes, (uint64_t)ms, sizeof bytes);
    bytes_append(w->out, bytes, sizeof bytes);
}

static void append_pending(const struct writing *w, const struct radix *pending, bool details)
{
    struct radix_cursor at;
    const struct stream_nack *nack;
    rdb_append_length(w->out, radix_count(pending));
    radix_first(pending, &at);
    while ((nack = stream_pending_next(&at)) != NULL) {
        bytes_append(w->out, nack->id, sizeof nack->id);
        if (details) {
            append_time(w, nack->delivered_ms);
            rdb_append_length(w->out, nack->deliveries);
        }
    }
}

static void append_group(const struct writing *w, const struct stream_group *g)
{
    struct radix_cursor at;
    const struct stream_consumer *c;
    rdb_append_string(w->out, stream_group_name(g), w->compress);
    append_id(w, g->last_id);
    rdb_append_length(w->out, (uint64_t)g->entries_read);
    append_pending(w, &g->pending, true);
    rdb_append_length(w->out, radix_count(&g->consumers));
    radix_first(&g->consumers, &at);
    while ((c = stream_consumer_next(&at)) != NULL) {
        rdb_append_string(w->out, stream_consumer_name(c), w->compress);
        append_time(w, c->seen_ms);
        append_pending(w, &c->pending, false);
    }
}

void rdb_stream_append(const struct entry *entry, bool compress, struct bytes *out)
{
    const struct stream *s = stream_of(entry_value(entry));
    const struct stream_node *node;
    const struct stream_group *g;
    struct writing w = {out, compress};
    struct radix_cursor at;
    rdb_append_length(out, radix_count(&s->nodes));
    radix_first(&s->nodes, &at);
    while ((node = radix_next(&at)) != NULL) {
        rdb_append_string(out, slice_of(node->id, sizeof node->id), false);
        rdb_append_string(out, slice_of(node->lp, listpack_bytes(node->lp)), compress);
    }
    rdb_append_length(out, s->length);
    append_id(&w, s->last_id);
    append_id(&w, s->first_id);
    append_id(&w, s->max_deleted_id);
    rdb_append_length(out, s->entries_added);
    rdb_append_length(out, radix_count(&s->groups));
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL)
        append_group(&w, g);
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
