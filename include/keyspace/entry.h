/* entry.h - one key with its value, expiry and clock, packed into one allocation.
 *
 *   0               1       2         3..5          6..7
 *   +---------------+-------+---------+-------------+-----------+
 *   | type|encoding | flags | key_len | clock (24b) | value_len |  8 bytes, then
 *   +---------------+-------+---------+-------------+-----------+
 *   | [expire_ms: 8] | [key_len: 4] | key | value |
 *   +----------------+--------------+-----+-------+
 *
 * The expiry is there only with ENTRY_EXPIRES, the long key length only with ENTRY_LONG_KEY (keys
 * of 255 bytes and more). The value is value_len bytes in place, or, with ENTRY_OUTLINE, a pointer
 * (to a blob for strings, to the structure for other types). Entries are 4-byte aligned; those of
 * up to CELLS_MAX bytes live in their shard's cells, larger ones (long keys) in mem. All of it is
 * guarded by the shard lock. Nothing outside keyspace/ builds, changes or frees entries.
 */
#ifndef SPILLWAY_KEYSPACE_ENTRY_H
#define SPILLWAY_KEYSPACE_ENTRY_H

#include <string.h>
#include "base/bytes.h"
#include "value/blob.h"
#include "value/class.h"

enum entry_flags {
    ENTRY_EXPIRES = 1,
    ENTRY_LONG_KEY = 2,
    ENTRY_OUTLINE = 4,
    ENTRY_IN_CALENDAR = 8, /* a token due at or before entry_due_ms is in the shard's calendar */
    ENTRY_EPOCH_SHIFT = 4, /* bits 4-6: snapshot epoch */
    ENTRY_EPOCH_MASK = 0x70,
    ENTRY_ELEMENTS_EXPIRE = 0x80 /* elements of the value have times (fields of a hash) */
};

#define EXPIRE_NONE       INT64_MIN /* "no expiry" wherever an absolute time in ms is asked for */
#define ENTRY_KEY_SHORT   255       /* keys shorter than this keep their length in the head */
#define STRING_EMBSTR_MAX 44        /* longest string whose encoding is named embstr */
#define ENTRY_INLINE_MAX  512       /* bytes of a whole entry whose value is kept in place */

struct entry {
    uint8_t type_encoding; /* type in the low 4 bits, encoding in the high 4 */
    uint8_t flags;
    uint8_t key_len;    /* unless ENTRY_LONG_KEY */
    uint8_t clock[3];   /* little endian: LRU seconds, or LFU minutes << 8 | counter */
    uint16_t value_len; /* unless ENTRY_OUTLINE */
    char rest[];
} __attribute__((packed, aligned(4)));

ALWAYS_INLINE enum value_type entry_type(const struct entry *e)
{
    return (enum value_type)(e->type_encoding & 15);
}

ALWAYS_INLINE enum value_encoding entry_encoding(const struct entry *e)
{
    return (enum value_encoding)(e->type_encoding >> 4);
}

ALWAYS_INLINE bool entry_expires(const struct entry *e)
{
    return e->flags & ENTRY_EXPIRES;
}

ALWAYS_INLINE int64_t entry_expire_ms(const struct entry *e) /* EXPIRE_NONE without one */
{
    int64_t at = EXPIRE_NONE;
    if (e->flags & ENTRY_EXPIRES)
        memcpy(&at, e->rest, 8);
    return at;
}

ALWAYS_INLINE size_t entry_key_offset(const struct entry *e) /* in rest */
{
    return (e->flags & ENTRY_EXPIRES ? 8u : 0u) + (e->flags & ENTRY_LONG_KEY ? 4u : 0u);
}

ALWAYS_INLINE struct slice entry_key(const struct entry *e)
{
    size_t offset = entry_key_offset(e);
    uint32_t len = e->key_len;
    if (UNLIKELY(e->flags & ENTRY_LONG_KEY))
        memcpy(&len, e->rest + offset - 4, 4);
    return slice_of(e->rest + offset, len);
}

ALWAYS_INLINE bool entry_has_key(const struct entry *e, struct slice key)
{
    struct slice own = entry_key(e);
    return own.len == key.len && bytes_equal(own.data, key.data, key.len);
}

ALWAYS_INLINE char *entry_value_place(const struct entry *e)
{
    struct slice key = entry_key(e);
    return (char *)key.data + key.len;
}

ALWAYS_INLINE void *entry_pointer(const struct entry *e) /* with ENTRY_OUTLINE */
{
    void *p;
    memcpy(&p, entry_value_place(e), sizeof p);
    return p;
}

/* The bytes of a string, in place or in its blob. Valid while held and the entry is unchanged. */
ALWAYS_INLINE struct slice entry_string(const struct entry *e)
{
    if (LIKELY(!(e->flags & ENTRY_OUTLINE)))
        return slice_of(entry_value_place(e), e->value_len);
    struct blob *blob = (struct blob *)entry_pointer(e);
    return slice_of(blob->data, blob->len);
}

/* What is outside the entry: with ENTRY_OUTLINE only, as every entry has that is not a string. */
ALWAYS_INLINE struct value entry_value(const struct entry *e)
{
    return (struct value){entry_pointer(e), e->type_encoding & 15, e->type_encoding >> 4};
}

ALWAYS_INLINE uint32_t entry_clock(const struct entry *e)
{
    return (uint32_t)e->clock[0] | (uint32_t)e->clock[1] << 8 | (uint32_t)e->clock[2] << 16;
}

size_t entry_size(
    const struct entry *e); /* bytes of the allocation, without what OUTLINE points to */
/* With everything it owns, as MEMORY USAGE counts; samples: of value_memory. */
size_t entry_memory(const struct entry *e, size_t samples);

#endif
