/* rdb_hash.c - hashes in RDB: listpacks as they are (type 16), tables field by field (type 4); read
 * in every form that redis-server has written.
 *
 * The oldest of them is a zipmap (type 9):
 *
 *      +-----------+-----+-------+-----+------+-------+------+- -+------+
 *      | count: u8 | len | field | len | free | value | free | ... | 0xFF |
 *      +-----------+-----+-------+-----+------+-------+------+- -+------+
 *
 * where len is one byte up to 253, or 254 and four bytes little endian, `free` one byte that says
 * how many unused bytes follow the value. (Source: the format as documented in Redis's zipmap.c.)
 */
#include "base/hash.h"
#include "base/mem.h"
#include "persist/rdb_value.h"
#include "persist/ziplist.h"
#include "value/hash.h"

#define COMPARED_MAX 16 /* fields: up to so many are compared each with each */

/* ---- writing ---- */

void rdb_hash_append_listpack(const struct entry *entry, bool compress, struct bytes *out)
{
    const unsigned char *listpack = entry_pointer(entry);
    rdb_append_string(out, slice_of(listpack, listpack_bytes(listpack)), compress);
}

struct writing {
    struct bytes *out;
    bool compress;
};

static bool append_field(void *ctx, struct slice field, struct slice value)
{
    const struct writing *writing = ctx;
    rdb_append_string(writing->out, field, writing->compress);
    rdb_append_string(writing->out, value, writing->compress);
    return true;
}

void rdb_hash_append_fields(const struct entry *entry, bool compress, struct bytes *out)
{
    struct writing writing = {out, compress};
    struct value hash = entry_value(entry);
    rdb_append_length(out, hash_count(hash));
    hash_each(hash, append_field, &writing);
}

/* ---- reading ---- */

struct reading {
    struct rdb_reader *r;
    struct value hash;
    struct bytes first, second; /* second: of fields that come one by one */
    bool has_field;
};

static bool add_field(struct reading *reading, struct slice field, struct slice value)
{
    return hash_set(&reading->hash, reading->r->limits, field, value) ||
           rdb_fail(reading->r, "a hash with a field twice");
}

static bool read_fields(struct reading *reading)
{
    uint64_t count;
    if (!rdb_read_length(reading->r, &count))
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!rdb_read_string(reading->r, &reading->first) ||
            !rdb_read_string(reading->r, &reading->second) ||
            !add_field(reading, bytes_slice(&reading->first), bytes_slice(&reading->second)))
            return false;
    return true;
}

/* Fields and values by turns; a field is kept until its value is there. */
static bool take_element(void *ctx, struct slice element)
{
    struct reading *reading = ctx;
    if (reading->has_field) {
        reading->has_field = false;
        return add_field(reading, bytes_slice(&reading->second), element);
    }
    reading->has_field = true;
    reading->second.len = 0;
    bytes_append(&reading->second, element.data, element.len);
    return true;
}

static bool read_ziplist(struct reading *reading)
{
    return (ziplist_each(bytes_slice(&reading->first), take_element, reading) &&
            !reading->has_field) ||
           rdb_fail(reading->r, "a damaged ziplist");
}

/* One string of a zipmap at *at; false: it reaches beyond the end. */
static bool zipmap_string(struct slice map, size_t *at, bool is_value, struct slice *out)
{
    if (*at >= map.len)
        return false;
    size_t len = (uint8_t)map.data[(*at)++];
    if (len == 254) {
        if (map.len - *at < 4)
            return false;
        len = 0;
        for (unsigned i = 0; i < 4; i++)
            len |= (size_t)(uint8_t)map.data[(*at)++] << 8 * i;
    } else if (len == 255) {
        return false;
    }
    size_t unused = 0;
    if (is_value) {
        if (*at >= map.len)
            return false;
        unused = (uint8_t)map.data[(*at)++];
    }
    if (map.len - *at < len || map.len - *at - len < unused)
        return false;
    *out = slice_of(map.data + *at, len);
    *at += len + unused;
    return true;
}

static bool read_zipmap(struct reading *reading)
{
    struct slice map = bytes_slice(&reading->first), field, value;
    size_t at = 1;
    while (at < map.len && (uint8_t)map.data[at] != 255) {
        if (!zipmap_string(map, &at, false, &field) || !zipmap_string(map, &at, true, &value))
            return rdb_fail(reading->r, "a damaged zipmap");
        if (!add_field(reading, field, value))
            return false;
    }
    return at + 1 == map.len || rdb_fail(reading->r, "a damaged zipmap");
}

/* Whether no field is there twice: each with each, or by a table of their positions. */
static bool fields_differ(const unsigned char *listpack, size_t fields)
{
    char room[LISTPACK_TEXT];
    size_t places = 64;
    while (fields > COMPARED_MAX && places < fields * 2)
        places *= 2;
    uint32_t *table = fields > COMPARED_MAX ? mem_zalloc(places * sizeof *table) : NULL;
    bool differ = true;
    for (uint32_t at = listpack_first(listpack); at && differ;) {
        struct slice field = listpack_text(listpack, at, room);
        uint32_t next = listpack_next(listpack, listpack_next(listpack, at));
        if (table == NULL) {
            differ = listpack_find(listpack, next, field, 1) == 0;
        } else {
            size_t i = hash_bytes(field.data, field.len, 0) & (places - 1);
            for (; table[i] != 0 && differ; i = (i + 1) & (places - 1))
                differ = !listpack_equals(listpack, table[i], field);
            table[i] = at;
        }
        at = next;
    }
    mem_free(table);
    return differ;
}

static bool read_listpack(struct reading *reading)
{
    const unsigned char *listpack = (const unsigned char *)reading->first.data;
    if (!listpack_validate(listpack, reading->first.len, true, NULL, NULL))
        return rdb_fail(reading->r, "a damaged listpack");
    size_t elements = listpack_count(listpack);
    if (elements % 2 != 0)
        return rdb_fail(reading->r, "a hash with a field without value");
    if (!fields_differ(listpack, elements / 2))
        return rdb_fail(reading->r, "a hash with a field twice");
    value_free(reading->hash);
    reading->hash = hash_adopt(listpack_copy(listpack), reading->r->limits);
    return true;
}

static bool read_any(struct reading *reading, uint8_t rdb_type)
{
    bool ok;
    if (rdb_type == RDB_TYPE_HASH)
        ok = read_fields(reading);
    else if (!rdb_read_string(reading->r, &reading->first))
        ok = false;
    else if (rdb_type == RDB_TYPE_HASH_LISTPACK)
        ok = read_listpack(reading);
    else if (rdb_type == RDB_TYPE_HASH_ZIPLIST)
        ok = read_ziplist(reading);
    else
        ok = read_zipmap(reading);
    return ok && (hash_count(reading->hash) != 0 || rdb_fail(reading->r, "a hash without fields"));
}

bool rdb_hash_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out)
{
    struct reading reading = {.r = r, .hash = hash_new()};
    bool ok = read_any(&reading, rdb_type);
    bytes_free(&reading.first);
    bytes_free(&reading.second);
    if (ok)
        out->value = reading.hash;
    else
        value_free(reading.hash);
    return ok;
}
