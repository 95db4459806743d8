/* rdb_list.c - lists in RDB: written as nodes (type 18), read in all forms that redis-server has
 * written.
 *
 * A node is its kind, 1 for a plain element, 2 for a listpack, and a string with its bytes. That of
 * a packed chunk is the compressed form as it stands in the chunk.
 */
#include "persist/rdb_value.h"
#include "persist/ziplist.h"
#include "base/mem.h"
#include "persist/rdb_parts.h"
#include "value/list.h"

enum node_kind { NODE_PLAIN = 1, NODE_PACKED = 2 };

/* ---- writing ---- */

static void append_node(struct bytes *out, enum node_kind kind, const void *data, size_t len,
                        bool compress)
{
    rdb_append_length(out, kind);
    /* Never as a number, which a node of few bytes may look like; no node is that small but a plain
     * one that a test has asked for, and a reader takes both. */
    rdb_append_string(out, slice_of(data, len), compress);
}

static enum node_kind kind_of(const struct chunk *c)
{
    return c->plain ? NODE_PLAIN : NODE_PACKED;
}

static void append_packed_node(struct bytes *out, const struct chunk *c)
{
    uint8_t head[RDB_PACKED_HEAD_MAX];
    rdb_append_length(out, kind_of(c));
    bytes_append(out, head, rdb_packed_head(head, c->packed, c->bytes));
    bytes_append(out, c->data, c->packed);
}

void rdb_list_append_listpack(const struct entry *entry, bool compress, struct bytes *out)
{
    const unsigned char *listpack = entry_pointer(entry);
    rdb_append_length(out, 1);
    append_node(out, NODE_PACKED, listpack, listpack_bytes(listpack), compress);
}

void rdb_list_append_quicklist(const struct entry *entry, bool compress, struct bytes *out)
{
    const struct chunks *chunks = entry_pointer(entry);
    rdb_append_length(out, chunks->chunk_count);
    for (const struct chunk *c = chunks->first; c != NULL; c = c->next)
        if (c->packed != 0)
            append_packed_node(out, c);
        else
            append_node(out, kind_of(c), c->data, c->bytes, compress);
}

static void node_parts(struct bytes *parts, enum node_kind kind, const void *data, size_t len)
{
    rdb_parts_length(parts, kind);
    rdb_parts_string(parts, slice_of(data, len));
}

static void packed_node_parts(struct bytes *parts, const struct chunk *c)
{
    uint8_t head[RDB_PACKED_HEAD_MAX];
    rdb_parts_length(parts, kind_of(c));
    rdb_parts_add(parts, head, rdb_packed_head(head, c->packed, c->bytes), false);
    rdb_parts_add(parts, c->data, c->packed, false);
}

bool rdb_list_slice_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    (void)items;
    const unsigned char *listpack = walk->value.pointer;
    rdb_parts_length(parts, 1);
    node_parts(parts, NODE_PACKED, listpack, listpack_bytes(listpack));
    return false;
}

bool rdb_list_slice_quicklist(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    const struct chunks *chunks = walk->value.pointer;
    size_t before = parts->len;
    if (!walk->begun) {
        rdb_parts_length(parts, chunks->chunk_count);
        walk->chunk = chunks->first;
    }
    for (size_t i = 0; i < items && walk->chunk != NULL; i++, walk->chunk = walk->chunk->next) {
        const struct chunk *c = walk->chunk;
        size_t bytes = c->packed != 0 ? c->packed : c->bytes;
        if (i != 0 && items != SIZE_MAX && parts->len - before + bytes > RDB_SLICE_BYTES)
            break;
        if (c->packed != 0)
            packed_node_parts(parts, c);
        else
            node_parts(parts, kind_of(c), c->data, c->bytes);
    }
    return walk->chunk != NULL;
}

/* ---- reading ---- */

struct reading {
    struct rdb_reader *r;
    struct value list;
    struct bytes buffer;
};

static bool add_element(void *ctx, struct slice element)
{
    struct reading *reading = ctx;
    list_append(reading->list, reading->r->limits, element);
    return true;
}

static bool read_ziplist(struct reading *reading)
{
    return rdb_read_string(reading->r, &reading->buffer) &&
           (ziplist_each(bytes_slice(&reading->buffer), add_element, reading) ||
            rdb_fail(reading->r, "a damaged ziplist"));
}

static bool read_node(struct reading *reading)
{
    uint64_t kind;
    struct bytes *buffer = &reading->buffer;
    if (!rdb_read_length(reading->r, &kind) || !rdb_read_string(reading->r, buffer))
        return false;
    if (kind == NODE_PLAIN) {
        list_adopt_plain(reading->list, bytes_slice(buffer));
        return true;
    }
    if (kind != NODE_PACKED)
        return rdb_fail(reading->r, "a node of a list of unknown kind");
    const unsigned char *listpack = (const unsigned char *)buffer->data;
    if (!listpack_validate(listpack, buffer->len, true, NULL, NULL))
        return rdb_fail(reading->r, "a damaged listpack");
    if (listpack_first(listpack) != 0) /* empty nodes are left out */
        list_adopt(reading->list, listpack_copy(listpack));
    return true;
}

static bool read_parts(struct reading *reading, uint8_t rdb_type)
{
    uint64_t count = 1;
    if (rdb_type != RDB_TYPE_LIST_ZIPLIST && !rdb_read_length(reading->r, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        bool ok;
        if (rdb_type == RDB_TYPE_LIST)
            ok = rdb_read_string(reading->r, &reading->buffer) &&
                 add_element(reading, bytes_slice(&reading->buffer));
        else if (rdb_type == RDB_TYPE_LIST_QUICKLIST_2)
            ok = read_node(reading);
        else
            ok = read_ziplist(reading);
        if (!ok)
            return false;
    }
    return list_count(reading->list) != 0 || rdb_fail(reading->r, "a list without elements");
}

bool rdb_list_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out)
{
    struct reading reading = {.r = r, .list = list_begin(r->limits)};
    bool ok = read_parts(&reading, rdb_type);
    bytes_free(&reading.buffer);
    if (!ok) {
        value_free(reading.list);
        return false;
    }
    list_settle(&reading.list, r->limits, false);
    out->value = reading.list;
    return true;
}
