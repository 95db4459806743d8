/* rdb_value.c - the table of value types and, for each, how it is written and read. */
#include "persist/rdb_value.h"

#include "base/mem.h"
#include "base/panic.h"
#include "persist/rdb_parts.h"
#include "struct/members.h"
#include "value/hash.h"
#include "value/list.h"

#define SCAN_ITEMS     32 /* of a table between two looks at what there is left to do */
#define MEMORY_SAMPLES 4

/* ---- strings ---- */

static void string_append(const struct entry *entry, bool compress, struct bytes *out)
{
    rdb_append_string(out, entry_string(entry), compress);
}

static bool string_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out)
{
    if (!rdb_read_string(r, &out->storage)) {
        bytes_free(&out->storage);
        return false;
    }
    out->string = bytes_slice(&out->storage);
    return true;
}

/* ---- the table ---- */

struct value_writer { /* of one type in one encoding */
    uint8_t written;  /* enum rdb_type that is written */
    void (*append)(const struct entry *entry, bool compress, struct bytes *out);
    /* The same by a walk, or NULL: then it is always written as a whole while it is held. */
    bool (*slice)(struct rdb_walk *walk, size_t items, struct bytes *parts);
};

static const struct value_writer writers[TYPE_COUNT][ENCODING_COUNT] = {
    [TYPE_STRING] = {[ENCODING_RAW] = {RDB_TYPE_STRING, string_append, NULL},
                     [ENCODING_INT] = {RDB_TYPE_STRING, string_append, NULL},
                     [ENCODING_EMBSTR] = {RDB_TYPE_STRING, string_append, NULL}},
    [TYPE_LIST] = {[ENCODING_LISTPACK] = {RDB_TYPE_LIST_QUICKLIST_2, rdb_list_append_listpack,
                                          rdb_list_slice_listpack},
                   [ENCODING_QUICKLIST] = {RDB_TYPE_LIST_QUICKLIST_2, rdb_list_append_quicklist,
                                           rdb_list_slice_quicklist}},
    [TYPE_SET] =
        {[ENCODING_INTSET] = {RDB_TYPE_SET_INTSET, rdb_set_append_intset, rdb_set_slice_intset},
         [ENCODING_LISTPACK] = {RDB_TYPE_SET, rdb_set_append_members, rdb_set_slice_listpack},
         [ENCODING_HASHTABLE] = {RDB_TYPE_SET, rdb_set_append_members, rdb_set_slice_table}},
    [TYPE_HASH] = {[ENCODING_LISTPACK] = {RDB_TYPE_HASH_LISTPACK, rdb_hash_append_listpack,
                                          rdb_slice_listpack},
                   [ENCODING_LISTPACKEX] = {RDB_TYPE_HASH_LISTPACK_EX,
                                            rdb_hash_append_timed_listpack,
                                            rdb_hash_slice_timed_listpack},
                   [ENCODING_HASHTABLE] = {RDB_TYPE_HASH, rdb_hash_append_fields,
                                           rdb_hash_slice_table}},
    [TYPE_ZSET] = {[ENCODING_LISTPACK] = {RDB_TYPE_ZSET_LISTPACK, rdb_zset_append_listpack,
                                          rdb_slice_listpack},
                   [ENCODING_SKIPLIST] = {RDB_TYPE_ZSET_2, rdb_zset_append_large,
                                          rdb_zset_slice_large}},
    [TYPE_STREAM] = {[ENCODING_STREAM] = {RDB_TYPE_STREAM_LISTPACKS_2, rdb_stream_append,
                                          rdb_stream_slice}},
};

/* Of a table some of whose fields expire. */
static const struct value_writer timed_writer = {
    RDB_TYPE_HASH_METADATA, rdb_hash_append_timed_fields, rdb_hash_slice_timed_table};

struct value_parser {
    enum value_type type;
    bool (*read)(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out);
};

static const struct value_parser readers[] = {
    [RDB_TYPE_STRING] = {TYPE_STRING, string_read},
    [RDB_TYPE_LIST] = {TYPE_LIST, rdb_list_read},
    [RDB_TYPE_ZSET] = {TYPE_ZSET, rdb_zset_read},
    [RDB_TYPE_ZSET_2] = {TYPE_ZSET, rdb_zset_read},
    [RDB_TYPE_LIST_ZIPLIST] = {TYPE_LIST, rdb_list_read},
    [RDB_TYPE_ZSET_ZIPLIST] = {TYPE_ZSET, rdb_zset_read},
    [RDB_TYPE_LIST_QUICKLIST] = {TYPE_LIST, rdb_list_read},
    [RDB_TYPE_ZSET_LISTPACK] = {TYPE_ZSET, rdb_zset_read},
    [RDB_TYPE_LIST_QUICKLIST_2] = {TYPE_LIST, rdb_list_read},
    [RDB_TYPE_SET] = {TYPE_SET, rdb_set_read},
    [RDB_TYPE_SET_INTSET] = {TYPE_SET, rdb_set_read},
    [RDB_TYPE_SET_LISTPACK] = {TYPE_SET, rdb_set_read},
    [RDB_TYPE_HASH] = {TYPE_HASH, rdb_hash_read},
    [RDB_TYPE_HASH_ZIPMAP] = {TYPE_HASH, rdb_hash_read},
    [RDB_TYPE_HASH_ZIPLIST] = {TYPE_HASH, rdb_hash_read},
    [RDB_TYPE_HASH_LISTPACK] = {TYPE_HASH, rdb_hash_read},
    [RDB_TYPE_STREAM_LISTPACKS] = {TYPE_STREAM, rdb_stream_read},
    [RDB_TYPE_STREAM_LISTPACKS_2] = {TYPE_STREAM, rdb_stream_read},
    [RDB_TYPE_STREAM_LISTPACKS_3] = {TYPE_STREAM, rdb_stream_read},
    [RDB_TYPE_HASH_2] = {TYPE_HASH, rdb_hash_read},
    [RDB_TYPE_HASH_PRE_GA_2] = {TYPE_HASH, rdb_hash_read},
    [RDB_TYPE_HASH_METADATA] = {TYPE_HASH, rdb_hash_read},
    [RDB_TYPE_HASH_LISTPACK_EX] = {TYPE_HASH, rdb_hash_read},
};

static const struct value_writer *writer_of_value(struct value value)
{
    const struct value_writer *writer = &writers[value.type][value.encoding];
    ASSERT(writer->append);
    if (writer->written == RDB_TYPE_HASH && hash_expires(value))
        return &timed_writer;
    return writer;
}

static const struct value_writer *writer_of(const struct entry *entry)
{
    return entry_type(entry) == TYPE_STRING ? &writers[TYPE_STRING][ENCODING_RAW]
                                            : writer_of_value(entry_value(entry));
}

uint8_t rdb_value_type(const struct entry *entry)
{
    return writer_of(entry)->written;
}

void rdb_value_append(const struct entry *entry, bool compress, struct bytes *out)
{
    writer_of(entry)->append(entry, compress, out);
}

/* ---- slices ---- */

static size_t elements_of(struct value value)
{
    switch (value.encoding) {
    case ENCODING_QUICKLIST:
        return ((const struct chunks *)value.pointer)->chunk_count;
    case ENCODING_HASHTABLE:
        return members_count(value.pointer);
    case ENCODING_SKIPLIST:
        return zset_count(value);
    case ENCODING_STREAM:
        return value_effort(value); /* nodes, pending entries */
    default:
        return 1;
    }
}

bool rdb_value_has_slices(struct value value)
{
    return value.type != TYPE_STRING && writers[value.type][value.encoding].slice != NULL;
}

size_t rdb_value_weight(struct value value)
{
    if (!rdb_value_has_slices(value))
        return 0;
    return elements_of(value) + value_memory(value, MEMORY_SAMPLES) / RDB_WEIGHT_BYTES;
}

void rdb_walk_init(struct rdb_walk *walk, struct value value)
{
    *walk = (struct rdb_walk){.value = value};
}

bool rdb_walk_slice(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    bool more = writer_of_value(walk->value)->slice(walk, items, parts);
    walk->begun = true;
    return more;
}

bool rdb_slice_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    (void)items;
    const unsigned char *listpack = walk->value.pointer;
    rdb_parts_string(parts, slice_of(listpack, listpack_bytes(listpack)));
    return false;
}

struct counted {
    members_visit_fn visit;
    void *ctx;
    size_t count;
};

static void visit_counted(struct member *member, void *ctx)
{
    struct counted *c = ctx;
    c->visit(member, c->ctx);
    c->count++;
}

bool rdb_slice_members(struct rdb_walk *walk, size_t items, const struct bytes *parts,
                       members_visit_fn visit, void *ctx)
{
    struct counted c = {visit, ctx, 0};
    size_t before = parts->len;
    do {
        walk->position = members_scan(walk->value.pointer, walk->position, SCAN_ITEMS, SCAN_ITEMS,
                                      visit_counted, &c);
    } while (walk->position != MEMBERS_END &&
             (items == SIZE_MAX || (c.count < items && parts->len - before < RDB_SLICE_BYTES)));
    return walk->position != MEMBERS_END;
}

bool rdb_value_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out)
{
    *out = (struct dump_value){0};
    if (rdb_type >= COUNT_OF(readers))
        return rdb_fail(r, "a value of unknown type");
    if (!readers[rdb_type].read)
        return rdb_fail(r, "a value of a type this server cannot hold");
    out->type = readers[rdb_type].type;
    return readers[rdb_type].read(r, rdb_type, out);
}
