/* dump.c - DUMP payloads: frame, check sum, and putting a parsed value under a key. */
#include "persist/dump.h"

#include "base/crc64.h"
#include "base/mem.h"
#include "base/panic.h"
#include "persist/rdb.h"
#include "persist/rdb_load.h"
#include "persist/rdb_value.h"

#define FOOTER_BYTES 10 /* version and check sum */

static void append_little(struct bytes *out, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        bytes_append_char(out, (char)(v >> 8 * i));
}

static uint64_t read_little(const char *at, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)(uint8_t)at[i] << 8 * i;
    return v;
}

/* Behind the payload that begins at `start`, with its type. */
static void append_footer(struct bytes *out, size_t start)
{
    bool timed = (uint8_t)out->data[start] >= RDB_TYPE_HASH_METADATA;
    append_little(out, timed ? RDB_VERSION_TIMED : RDB_VERSION_WRITTEN, 2);
    append_little(out, crc64(0, out->data + start, out->len - start), 8);
}

void dump_append(const struct entry *entry, bool compress, struct bytes *out)
{
    size_t start = out->len;
    bytes_append_char(out, (char)rdb_value_type(entry));
    rdb_value_append(entry, compress, out);
    append_footer(out, start);
}

void dump_append_value(struct value value, bool compress, struct bytes *out)
{
    /* An entry without a key, as far as writers of values look at it. */
    char room[sizeof(struct entry) + sizeof value.pointer] ALIGNED(8) = {0};
    struct entry *entry = (struct entry *)(void *)room;
    ASSERT(value.type != TYPE_STRING);
    entry->type_encoding = (uint8_t)(value.type | value.encoding << 4);
    entry->flags = ENTRY_OUTLINE;
    memcpy(entry->rest, &value.pointer, sizeof value.pointer);
    dump_append(entry, compress, out);
}

void dump_frame(uint8_t rdb_type, struct slice value, struct bytes *out)
{
    size_t start = out->len;
    bytes_append_char(out, (char)rdb_type);
    bytes_append(out, value.data, value.len);
    append_footer(out, start);
}

static uint64_t version_of(struct slice payload)
{
    return read_little(payload.data + payload.len - FOOTER_BYTES, 2);
}

static bool is_valkeys(uint64_t version)
{
    return version >= RDB_VALKEY_MIN && version <= RDB_VALKEY_MAX;
}

static bool is_whole(struct slice payload)
{
    return payload.len >= FOOTER_BYTES && read_little(payload.data + payload.len - 8, 8) ==
                                              crc64(0, payload.data, payload.len - 8);
}

bool dump_verify(struct slice payload)
{
    return is_whole(payload) &&
           (version_of(payload) <= RDB_VERSION_MAX || is_valkeys(version_of(payload)));
}

static enum dump_result parse(struct slice payload, const struct value_limits *limits,
                              struct dump_value *out)
{
    struct rdb_reader r;
    rdb_reader_init(&r, slice_of(payload.data, payload.len - FOOTER_BYTES));
    r.limits = limits;
    r.valkey = is_valkeys(version_of(payload));
    uint8_t type;
    if (!rdb_read_byte(&r, &type) || !rdb_value_read(&r, type, out))
        return DUMP_BAD_FORMAT;
    return DUMP_OK;
}

enum dump_result dump_parse(struct slice payload, const struct value_limits *limits,
                            struct dump_value *out)
{
    return dump_verify(payload) ? parse(payload, limits, out) : DUMP_BAD_CHECKSUM;
}

enum dump_result dump_parse_any(struct slice payload, const struct value_limits *limits,
                                struct dump_value *out)
{
    return is_whole(payload) ? parse(payload, limits, out) : DUMP_BAD_CHECKSUM;
}

struct entry *dump_put(struct hold *hold, const struct key *key, struct entry *entry,
                       struct dump_value *value, int64_t expire_ms)
{
    struct entry *filed;
    if (value->type != TYPE_STRING) {
        filed = keyspace_put_value(hold, key, entry, value->value, expire_ms);
        value->value.pointer = NULL;
    } else if (value->blob) {
        filed = keyspace_put_blob(hold, key, entry, value->blob, expire_ms);
        value->blob = NULL;
    } else {
        filed = keyspace_put_string(hold, key, entry, value->string, expire_ms);
    }
    dump_value_free(value);
    return filed;
}

void dump_value_free(struct dump_value *value)
{
    if (value->blob)
        blob_release(value->blob);
    if (value->value.pointer)
        value_free(value->value);
    bytes_free(&value->storage);
    *value = (struct dump_value){0};
}
