/* rdb_hash.c - hashes in RDB: listpacks as they are (type 16), tables field by field (type 4); read
 * in every form that redis-server has written, and Valkey's own.
 *
 * Fields that expire. The first two are Redis's since 7.4, which we write too; times are in
 * milliseconds since 1970, 8 bytes little endian where they do not say otherwise:
 *
 *   type 25   earliest time, listpack as a string: field, value, time, field, value, time ..., in
 *             the order of ENCODING_LISTPACKEX (value/hash.h); times are integers, 0 is none
 *   type 24   earliest time, length, and so many times: time, field, value; the time is a length: 0
 *             is none, else 1 more than it is later than the earliest
 *   type 22   Valkey 9: length, and so many times: field, value, time; -1 is none
 *
 * Types 22 and 23 of a file of Redis are what prereleases of 7.4 wrote; they are refused.
 *
 * The oldest form is a zipmap (type 9):
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
#include "persist/rdb_parts.h"
#include "persist/rdb_value.h"
#include "persist/ziplist.h"
#include "struct/members.h"
#include "value/hash.h"

#define TIME_MAX     (INT64_MAX / 4) /* ms: later ones are not believed */
#define COMPARED_MAX 16              /* fields: up to so many are compared each with each */

/* ---- writing ---- */

void rdb_hash_append_listpack(const struct entry *entry, bool compress, struct bytes *out)
{
    const unsigned char *listpack = entry_pointer(entry);
    rdb_append_string(out, slice_of(listpack, listpack_bytes(listpack)), compress);
}

struct writing {
    struct bytes *out;
    bool compress;
    bool timed;
    int64_t first_ms; /* with timed: the earliest expiry */
};

static void append_time(struct bytes *out, int64_t time_ms)
{
    for (unsigned i = 0; i < sizeof time_ms; i++)
        bytes_append_char(out, (char)((uint64_t)time_ms >> 8 * i));
}

static bool append_field(void *ctx, const struct hash_field *field)
{
    const struct writing *writing = ctx;
    if (writing->timed)
        rdb_append_length(writing->out, field->expire_ms != HASH_NO_EXPIRY
                                            ? (uint64_t)(field->expire_ms - writing->first_ms) + 1
                                            : 0);
    rdb_append_string(writing->out, field->name, writing->compress);
    rdb_append_string(writing->out, field->value, writing->compress);
    return true;
}

void rdb_hash_append_fields(const struct entry *entry, bool compress, struct bytes *out)
{
    struct writing writing = {.out = out, .compress = compress};
    struct value hash = entry_value(entry);
    rdb_append_length(out, hash_count(hash));
    hash_each(hash, HASH_SEE_ALL, append_field, &writing);
}

void rdb_hash_append_timed_listpack(const struct entry *entry, bool compress, struct bytes *out)
{
    append_time(out, hash_first_expiry(entry_value(entry)));
    rdb_hash_append_listpack(entry, compress, out);
}

void rdb_hash_append_timed_fields(const struct entry *entry, bool compress, struct bytes *out)
{
    struct value hash = entry_value(entry);
    struct writing writing = {
        .out = out, .compress = compress, .timed = true, .first_ms = hash_first_expiry(hash)};
    append_time(out, writing.first_ms);
    rdb_append_length(out, hash_count(hash));
    hash_each(hash, HASH_SEE_ALL, append_field, &writing);
}

/* ---- writing in slices ---- */

static void copy_field(struct member *member, void *parts)
{
    rdb_parts_string(parts, member_name(member));
    rdb_parts_string(parts, member_value(member));
}

bool rdb_hash_slice_table(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    if (!walk->begun)
        rdb_parts_length(parts, members_count(walk->value.pointer));
    return rdb_slice_members(walk, items, parts, copy_field, parts);
}

static void time_part(struct bytes *parts, int64_t time_ms)
{
    struct bytes text = {0};
    append_time(&text, time_ms);
    rdb_parts_add(parts, text.data, text.len, false);
    bytes_free(&text);
}

bool rdb_hash_slice_timed_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    time_part(parts, hash_first_expiry(walk->value));
    return rdb_slice_listpack(walk, items, parts);
}

static void look_for_earliest(struct member *member, void *first_ms)
{
    int64_t *earliest = first_ms, expire_ms = member_expire_ms(member);
    if (expire_ms != MEMBER_NO_EXPIRY)
        *earliest = MIN_OF(*earliest, expire_ms);
}

struct timed_copy {
    struct bytes *parts;
    int64_t first_ms;
};

static void copy_timed_field(struct member *member, void *ctx)
{
    const struct timed_copy *copy = ctx;
    int64_t expire_ms = member_expire_ms(member);
    bool expires = expire_ms != MEMBER_NO_EXPIRY;
    rdb_parts_length(copy->parts, expires ? (uint64_t)(expire_ms - copy->first_ms) + 1 : 0);
    copy_field(member, copy->parts);
}

bool rdb_hash_slice_timed_table(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    if (!walk->begun)
        walk->first_ms = INT64_MAX;
    if (!walk->first_known) { /* the first walk: it stands in front of all fields */
        bool more = rdb_slice_members(walk, items, parts, look_for_earliest, &walk->first_ms);
        if (more)
            return true;
        walk->first_known = true;
        walk->position = 0;
        time_part(parts, walk->first_ms);
        rdb_parts_length(parts, members_count(walk->value.pointer));
        return true;
    }
    struct timed_copy copy = {parts, walk->first_ms};
    return rdb_slice_members(walk, items, parts, copy_timed_field, &copy);
}

/* ---- reading ---- */

struct reading {
    struct rdb_reader *r;
    struct value hash;
    struct bytes first, second; /* second: of fields that come one by one */
    bool has_field;
};

static bool add_timed(struct reading *reading, struct slice field, struct slice value,
                      int64_t expire_ms)
{
    if (expire_ms != HASH_NO_EXPIRY) {
        if (expire_ms < 0 || expire_ms > TIME_MAX)
            return rdb_fail(reading->r, "a field of a hash with an impossible expiry");
        expire_ms = MIN_OF(MAX_OF(expire_ms, 1), HASH_EXPIRE_MAX);
    }
    return hash_set(&reading->hash, reading->r->limits, field, value, expire_ms) ||
           rdb_fail(reading->r, "a hash with a field twice");
}

static bool add_field(struct reading *reading, struct slice field, struct slice value)
{
    return add_timed(reading, field, value, HASH_NO_EXPIRY);
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

static bool read_time(struct reading *reading, int64_t *time_ms)
{
    uint64_t raw;
    bool ok = rdb_read_u64(reading->r, &raw);
    if (ok)
        *time_ms = (int64_t)raw;
    return ok;
}

/* A field, its value, and, in Valkey's form, its time; else the time came before. */
static bool read_timed_field(struct reading *reading, int64_t expire_ms, bool valkey)
{
    if (!rdb_read_string(reading->r, &reading->first) ||
        !rdb_read_string(reading->r, &reading->second) ||
        (valkey && !read_time(reading, &expire_ms)))
        return false;
    if (valkey && expire_ms == -1)
        expire_ms = HASH_NO_EXPIRY;
    return add_timed(reading, bytes_slice(&reading->first), bytes_slice(&reading->second),
                     expire_ms);
}

static bool read_valkeys(struct reading *reading)
{
    uint64_t count;
    bool ok = rdb_read_length(reading->r, &count);
    for (uint64_t i = 0; ok && i < count; i++)
        ok = read_timed_field(reading, HASH_NO_EXPIRY, true);
    return ok;
}

/* Type 24. */
static bool read_timed_fields(struct reading *reading)
{
    uint64_t count, later;
    int64_t first_ms;
    bool ok = read_time(reading, &first_ms) && rdb_read_length(reading->r, &count);
    if (ok && (first_ms < 0 || first_ms > TIME_MAX))
        return rdb_fail(reading->r, "a hash with an impossible earliest expiry");
    for (uint64_t i = 0; ok && i < count; i++) {
        ok = rdb_read_length(reading->r, &later);
        if (ok && later > (uint64_t)TIME_MAX)
            return rdb_fail(reading->r, "a field of a hash with an impossible expiry");
        if (ok)
            ok = read_timed_field(
                reading, later != 0 ? first_ms + (int64_t)later - 1 : HASH_NO_EXPIRY, false);
    }
    return ok;
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

/* The field behind the one at `at`, of which each takes `width` elements; 0: it was the last. */
static uint32_t next_field(const unsigned char *listpack, uint32_t at, unsigned width)
{
    while (width-- > 0)
        at = listpack_next(listpack, at);
    return at;
}

/* Whether no field is there twice: each with each, or by a table of their positions. */
static bool fields_differ(const unsigned char *listpack, size_t fields, unsigned width)
{
    char room[LISTPACK_TEXT];
    size_t places = 64;
    while (fields > COMPARED_MAX && places < fields * 2)
        places *= 2;
    uint32_t *table = fields > COMPARED_MAX ? mem_zalloc(places * sizeof *table) : NULL;
    bool differ = true;
    for (uint32_t at = listpack_first(listpack); at && differ;) {
        struct slice field = listpack_text(listpack, at, room);
        uint32_t next = next_field(listpack, at, width);
        if (table == NULL) {
            differ = listpack_find(listpack, next, field, width - 1) == 0;
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

/* A listpack of different fields, each of `width` elements, is in reading->first; else fails. */
static bool is_listpack_of(struct reading *reading, unsigned width)
{
    const unsigned char *listpack = (const unsigned char *)reading->first.data;
    if (!listpack_validate(listpack, reading->first.len, true, NULL, NULL))
        return rdb_fail(reading->r, "a damaged listpack");
    size_t elements = listpack_count(listpack);
    if (elements % width != 0)
        return rdb_fail(reading->r, "a hash with a field without value or time");
    return fields_differ(listpack, elements / width, width) ||
           rdb_fail(reading->r, "a hash with a field twice");
}

static bool read_listpack(struct reading *reading)
{
    if (!is_listpack_of(reading, 2))
        return false;
    value_free(reading->hash);
    reading->hash =
        hash_adopt(listpack_copy((const unsigned char *)reading->first.data), reading->r->limits);
    return true;
}

/* Whether the times of a listpack are what hash_adopt_timed asks for; false after failing if one is
 * none at all. */
static bool times_in_order(struct reading *reading, const unsigned char *listpack, bool *in_order)
{
    int64_t before = 1, time;
    *in_order = true;
    for (uint32_t at = listpack_first(listpack); at; at = next_field(listpack, at, 3)) {
        if (!listpack_integer(listpack, next_field(listpack, at, 2), &time) || time < 0 ||
            time > TIME_MAX)
            return rdb_fail(reading->r, "a field of a hash with an impossible expiry");
        bool is_first = at == listpack_first(listpack);
        if (time == 0 ? is_first : before == 0 || time < before || time > HASH_EXPIRE_MAX)
            *in_order = false;
        before = time;
    }
    return true;
}

/* Type 25. One that is not as hash_adopt_timed asks for is read field by field. */
static bool read_timed_listpack(struct reading *reading)
{
    int64_t first_ms, time = 0;
    bool in_order;
    char room[LISTPACK_TEXT], value[LISTPACK_TEXT];
    if (!read_time(reading, &first_ms) || !rdb_read_string(reading->r, &reading->first) ||
        !is_listpack_of(reading, 3))
        return false;
    const unsigned char *listpack = (const unsigned char *)reading->first.data;
    if (!times_in_order(reading, listpack, &in_order))
        return false;
    if (in_order && listpack_first(listpack) != 0) {
        value_free(reading->hash);
        reading->hash = hash_adopt_timed(listpack_copy(listpack), reading->r->limits);
        return true;
    }
    bool ok = true;
    for (uint32_t at = listpack_first(listpack); at && ok; at = next_field(listpack, at, 3)) {
        if (!listpack_integer(listpack, next_field(listpack, at, 2), &time))
            return false;
        ok = add_timed(reading, listpack_text(listpack, at, room),
                       listpack_text(listpack, listpack_next(listpack, at), value),
                       time != 0 ? time : HASH_NO_EXPIRY);
    }
    return ok;
}

static bool read_any(struct reading *reading, uint8_t rdb_type)
{
    bool ok;
    if (rdb_type == RDB_TYPE_HASH)
        ok = read_fields(reading);
    else if (rdb_type == RDB_TYPE_HASH_2 && reading->r->valkey)
        ok = read_valkeys(reading);
    else if (rdb_type == RDB_TYPE_HASH_2 || rdb_type == RDB_TYPE_HASH_PRE_GA_2)
        ok = rdb_fail(reading->r, "a hash as only prereleases of Redis 7.4 wrote it");
    else if (rdb_type == RDB_TYPE_HASH_METADATA)
        ok = read_timed_fields(reading);
    else if (rdb_type == RDB_TYPE_HASH_LISTPACK_EX)
        ok = read_timed_listpack(reading);
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
