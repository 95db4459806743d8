/* rdb_zset.c - sorted sets in RDB: written as a listpack (type 17) or as members and scores (type
 * 5), read in all forms that redis-server has written.
 *
 * Type 5 is the count, and for each member its string and its score, 8 bytes little endian; from
 * the highest down, as redis-server writes it. Type 3, before Redis 4.0, has the score as text
 * behind a byte with its length, of which three mean nan, inf and -inf.
 */
#include <math.h>
#include "base/number.h"
#include "persist/rdb_parts.h"
#include "persist/rdb_value.h"
#include "persist/ziplist.h"
#include "value/zset.h"

enum score_length { SCORE_NAN = 253, SCORE_INF = 254, SCORE_MINUS_INF = 255 };

/* ---- writing ---- */

void rdb_zset_append_listpack(const struct entry *entry, bool compress, struct bytes *out)
{
    const unsigned char *listpack = entry_pointer(entry);
    rdb_append_string(out, slice_of(listpack, listpack_bytes(listpack)), compress);
}

void rdb_zset_append_large(const struct entry *entry, bool compress, struct bytes *out)
{
    struct value z = entry_value(entry);
    struct zset_at at;
    struct zset_item item;
    size_t count = zset_count(z);
    rdb_append_length(out, count);
    zset_seek(z, count, &at);
    while (zset_prev(z, &at, &item)) {
        uint64_t bits;
        unsigned char bytes[sizeof bits];
        memcpy(&bits, &item.score, sizeof bits);
        flat_store(bytes, bits, sizeof bits);
        rdb_append_string(out, item.member, compress);
        bytes_append(out, bytes, sizeof bytes);
    }
}

bool rdb_zset_slice_large(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    size_t count = zset_count(walk->value), before = parts->len;
    struct zset_item item;
    if (!walk->begun) {
        rdb_parts_length(parts, count);
        zset_seek(walk->value, count, &walk->place);
    }
    for (size_t i = 0; i < items && (items == SIZE_MAX || parts->len - before < RDB_SLICE_BYTES);
         i++) {
        if (!zset_prev(walk->value, &walk->place, &item))
            return false;
        uint64_t bits;
        unsigned char bytes[sizeof bits];
        memcpy(&bits, &item.score, sizeof bits);
        flat_store(bytes, bits, sizeof bits);
        rdb_parts_string(parts, item.member);
        rdb_parts_add(parts, bytes, sizeof bytes, false);
    }
    return true;
}

/* ---- reading ---- */

struct reading {
    struct rdb_reader *r;
    struct value z; /* large */
    struct bytes buffer;
    struct bytes member; /* of a ziplist, until its score is read */
    size_t longest;
    bool score_next;
};

static bool add(struct reading *reading, struct slice member, double score)
{
    double old;
    if (isnan(score))
        return rdb_fail(reading->r, "a score that is not a number");
    if (zset_score(reading->z, member, &old))
        return rdb_fail(reading->r, "a sorted set that names a member twice");
    zset_add(&reading->z, reading->r->limits, member, score);
    reading->longest = MAX_OF(reading->longest, member.len);
    return true;
}

static bool read_text_score(struct rdb_reader *r, double *out)
{
    uint8_t len;
    char text[256];
    if (!rdb_read_byte(r, &len))
        return false;
    if (len >= SCORE_NAN) {
        *out = len == SCORE_NAN   ? (double)NAN
               : len == SCORE_INF ? (double)INFINITY
                                  : -(double)INFINITY;
        return true;
    }
    return rdb_read(r, text, len) &&
           (number_parse_double(slice_of(text, len), out) || rdb_fail(r, "a damaged score"));
}

static bool read_score(struct rdb_reader *r, uint8_t rdb_type, double *out)
{
    uint64_t bits;
    if (rdb_type == RDB_TYPE_ZSET)
        return read_text_score(r, out);
    if (!rdb_read_u64(r, &bits))
        return false;
    memcpy(out, &bits, sizeof bits);
    return true;
}

static bool read_pairs(struct reading *reading, uint8_t rdb_type)
{
    uint64_t count;
    if (!rdb_read_length(reading->r, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        double score;
        if (!rdb_read_string(reading->r, &reading->buffer) ||
            !read_score(reading->r, rdb_type, &score) ||
            !add(reading, bytes_slice(&reading->buffer), score))
            return false;
    }
    return true;
}

static bool add_element(void *ctx, struct slice element)
{
    struct reading *reading = ctx;
    double score;
    reading->score_next = !reading->score_next;
    if (reading->score_next) {
        reading->member.len = 0;
        bytes_append(&reading->member, element.data, element.len);
        return true;
    }
    return number_parse_double(element, &score) &&
           add(reading, bytes_slice(&reading->member), score);
}

static bool read_ziplist(struct reading *reading)
{
    return rdb_read_string(reading->r, &reading->buffer) &&
           ((ziplist_each(bytes_slice(&reading->buffer), add_element, reading) &&
             !reading->score_next) ||
            rdb_fail(reading->r, "a damaged ziplist"));
}

static bool read_listpack(struct rdb_reader *r, struct dump_value *out)
{
    struct bytes buffer = {0};
    bool ok = rdb_read_string(r, &buffer);
    if (ok) {
        out->value = zset_of_listpack(bytes_slice(&buffer), r->limits);
        ok = out->value.pointer != NULL || rdb_fail(r, "a damaged listpack of a sorted set");
    }
    bytes_free(&buffer);
    return ok;
}

bool rdb_zset_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out)
{
    if (rdb_type == RDB_TYPE_ZSET_LISTPACK)
        return read_listpack(r, out);
    struct reading reading = {.r = r, .z = zset_new_large()};
    bool ok =
        rdb_type == RDB_TYPE_ZSET_ZIPLIST ? read_ziplist(&reading) : read_pairs(&reading, rdb_type);
    bytes_free(&reading.buffer);
    bytes_free(&reading.member);
    if (ok && zset_count(reading.z) == 0)
        ok = rdb_fail(r, "a sorted set without members");
    if (!ok) {
        value_free(reading.z);
        return false;
    }
    zset_settle(&reading.z, r->limits, reading.longest);
    out->value = reading.z;
    return true;
}
