/* rdb_value.c - the table of value types and, for each, how it is written and read. */
#include "persist/rdb_value.h"

#include "base/mem.h"
#include "base/panic.h"
#include "value/hash.h"

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
};

static const struct value_writer writers[TYPE_COUNT][ENCODING_COUNT] = {
    [TYPE_STRING] = {[ENCODING_RAW] = {RDB_TYPE_STRING, string_append},
                     [ENCODING_INT] = {RDB_TYPE_STRING, string_append},
                     [ENCODING_EMBSTR] = {RDB_TYPE_STRING, string_append}},
    [TYPE_LIST] = {[ENCODING_LISTPACK] = {RDB_TYPE_LIST_QUICKLIST_2, rdb_list_append_listpack},
                   [ENCODING_QUICKLIST] = {RDB_TYPE_LIST_QUICKLIST_2, rdb_list_append_quicklist}},
    [TYPE_SET] = {[ENCODING_INTSET] = {RDB_TYPE_SET_INTSET, rdb_set_append_intset},
                  [ENCODING_LISTPACK] = {RDB_TYPE_SET, rdb_set_append_members},
                  [ENCODING_HASHTABLE] = {RDB_TYPE_SET, rdb_set_append_members}},
    [TYPE_HASH] = {[ENCODING_LISTPACK] = {RDB_TYPE_HASH_LISTPACK, rdb_hash_append_listpack},
                   [ENCODING_LISTPACKEX] = {RDB_TYPE_HASH_LISTPACK_EX,
                                            rdb_hash_append_timed_listpack},
                   [ENCODING_HASHTABLE] = {RDB_TYPE_HASH, rdb_hash_append_fields}},
    [TYPE_ZSET] = {[ENCODING_LISTPACK] = {RDB_TYPE_ZSET_LISTPACK, rdb_zset_append_listpack},
                   [ENCODING_SKIPLIST] = {RDB_TYPE_ZSET_2, rdb_zset_append_large}},
    [TYPE_STREAM] = {[ENCODING_STREAM] = {RDB_TYPE_STREAM_LISTPACKS_2, rdb_stream_append}},
};

/* Of a table some of whose fields expire. */
static const struct value_writer timed_writer = {RDB_TYPE_HASH_METADATA,
                                                 rdb_hash_append_timed_fields};

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

static const struct value_writer *writer_of(const struct entry *entry)
{
    const struct value_writer *writer = &writers[entry_type(entry)][entry_encoding(entry)];
    ASSERT(writer->append);
    if (writer->written == RDB_TYPE_HASH && hash_expires(entry_value(entry)))
        return &timed_writer;
    return writer;
}

uint8_t rdb_value_type(const struct entry *entry)
{
    return writer_of(entry)->written;
}

void rdb_value_append(const struct entry *entry, bool compress, struct bytes *out)
{
    writer_of(entry)->append(entry, compress, out);
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
