/* members.h - a large collection: the members of a set, the fields of a hash, or the members of a
 * sorted set by name, as packed records in a hash table.
 *
 *      head     name length    name           by kind
 *     +--------+--------------+- - - - - - - +-----------------------------------------------+
 *     | 1 byte | 0, 1 or 4    | bytes        | hash: expiry (0 or 8), value length (1 or 5), |
 *     +--------+--------------+- - - - - - - +       value; sorted set: score (8); set: -    |
 *                                            +-----------------------------------------------+
 *
 * The lower five bits of the head are the length of the name, or say how wide the length behind
 * them is; so a short member of a set costs one byte, a field of a hash two, and the slot in the
 * table. Records are 4-byte aligned. A record stays where it is until it is removed, given a value
 * or an expiry of another size, or moved by members_compact_step.
 *
 * Lengths are below 2^32. Times are absolute, in milliseconds. A field is past its
 * expiry when now is greater, as a key is; it is found and counted like others until it is removed:
 * the caller looks at member_expire_ms.
 *
 * Not locked: the owner guards it.
 */
#ifndef SPILLWAY_STRUCT_MEMBERS_H
#define SPILLWAY_STRUCT_MEMBERS_H

#include "base/bytes.h"
#include "base/common.h"
#include "struct/table.h"

struct members;

enum members_kind { MEMBERS_SET, MEMBERS_HASH, MEMBERS_ZSET };

#define MEMBERS_END         TABLE_END /* cursor of members_scan behind the last */
#define MEMBER_NO_EXPIRY    INT64_MIN
#define MEMBERS_NOTHING_DUE INT64_MAX

/* A record; only members.c builds, changes or frees one. */
struct member {
    uint8_t head;
    char rest[];
} __attribute__((packed, aligned(4)));

/* About 300 bytes. `seed` of the hash is to be secret. */
struct members *members_new(enum members_kind kind, uint64_t seed);
/* With all records. NULL is allowed. Any thread, as long as nobody else uses it. A million take
 * some ten milliseconds: see members_free_step, or leave it to a thread. */
void members_free(struct members *m);
/* The same in steps of a cost that goes with `budget`, about as many records; true when all is
 * gone. After the first step nothing else may be done with it. */
bool members_free_step(struct members *m, size_t budget);
/* Leaves it empty and usable. Costs what members_free does. */
void members_clear(struct members *m);

enum members_kind members_kind(const struct members *m);
size_t members_count(const struct members *m);
/* Everything it owns, but for members_idle. O(1). */
size_t members_bytes(const struct members *m);
/* Memory held for further records, which freed ones have left, for one. O(1). */
size_t members_idle(const struct members *m);

/* Has what members_find of these names reads on its way to the cache: first their buckets, then,
 * when those have arrived, their records. count <= MEMBERS_AHEAD. */
#define MEMBERS_AHEAD 32
void members_prefetch(const struct members *m, const struct slice *names, size_t count);
/* The record of that name, or NULL. */
struct member *members_find(const struct members *m, struct slice name);
/* The record of that name: the one there is, untouched (*added is false), or a new one. NULL: no
 * memory for it; nothing changed. One function for each kind. */
struct member *members_add(struct members *m, struct slice name, bool *added) NODISCARD;
struct member *members_add_value(struct members *m, struct slice name, struct slice value,
                                 bool *added) NODISCARD;
struct member *members_add_score(struct members *m, struct slice name, double score,
                                 bool *added) NODISCARD;
/* Gives a field another value, which may be (part of) its own; the expiry stays. Returns the
 * record, which may be another one from now on. NULL: no memory; nothing changed. */
struct member *members_set_value(struct members *m, struct member *r, struct slice value) NODISCARD;
/* Gives a field an expiry, or takes it away with MEMBER_NO_EXPIRY. Returns as members_set_value. */
struct member *members_set_expiry(struct members *m, struct member *r, int64_t expire_ms) NODISCARD;
void members_set_score(struct members *m, struct member *r, double score); /* in place */
void members_remove(struct members *m, struct member *r);
/* Faster than one by one; no record twice. */
void members_remove_many(struct members *m, struct member *const *records, size_t count);
bool members_remove_name(struct members *m, struct slice name); /* false: it is not there */

/* The table for `count` members in all, at once (loading a file of known size). False: no memory;
 * nothing changed. */
bool members_expect(struct members *m, size_t count);
/* Moves up to `buckets` buckets of a growth or shrink under way; true while more remain. The other
 * functions move some anyway; this is for idle times. */
bool members_step(struct members *m, unsigned buckets);

typedef void (*members_moved_fn)(const struct member *from, struct member *to, void *ctx);
/* Gives memory back that holes take in a collection that has shrunk: moves about `budget` records,
 * 128 at most; true while there is more to do. To be called after removals, when no records are
 * held; where nothing is to be done, it takes a few comparisons. `moved` (may be NULL) learns of
 * each record, of which there are two at that moment; it must not change the collection. */
bool members_compact_step(struct members *m, size_t budget, members_moved_fn moved, void *ctx);

/* ---- Walks and samples ----------------------------------------------------------------------- */

typedef void (*members_visit_fn)(struct member *r, void *ctx);
/* As table_scan: from cursor 0 to MEMBERS_END, at least `items` records a call unless `buckets`
 * buckets have been looked at before. Who is there throughout is visited exactly once, whatever
 * else happens between the calls. `visit` must not change the collection, but may call
 * members_set_score. */
uint64_t members_scan(const struct members *m, uint64_t from, size_t items, size_t buckets,
                      members_visit_fn visit, void *ctx);
/* One of them, each with the same chance; NULL if it is empty. */
struct member *members_random(const struct members *m, uint64_t random);
/* Up to n distinct ones into out, each choice with the same chance, in no particular order;
 * returns how many: fewer than n only if there are fewer. O(n): a walk over all where n is a third
 * of them or more. */
size_t members_sample(const struct members *m, uint64_t random, struct member **out, size_t n);

/* ---- Fields with an expiry ------------------------------------------------------------------- */

size_t members_expiring(const struct members *m); /* how many have an expiry */
/* members_expire_step has nothing to do before this; MEMBERS_NOTHING_DUE without any expiry.
 * Setting one may make it earlier, removing one does not make it later at once. O(1). */
int64_t members_expire_next(const struct members *m);
/* Removes fields that are past their expiry: up to `budget` of them, looking at some hundred
 * others at most for the rest. `removed` (may be NULL) sees each just before it goes and must not
 * change the collection. True: there is more to do now. A field is found less than
 * CALENDAR_GRAIN_MS late. */
bool members_expire_step(struct members *m, int64_t now_ms, size_t budget, members_visit_fn removed,
                         void *ctx);

/* ---- What a record holds --------------------------------------------------------------------- */

enum {
    MEMBER_LENGTH = 31,      /* mask of the length of the name; two values of it say ... */
    MEMBER_LENGTH_BYTE = 30, /* ... that it is in one byte that follows */
    MEMBER_LENGTH_LONG = 31, /* ... or in four */
    MEMBER_OUTSIDE = 32,     /* an allocation of its own, else in the collection's heap */
    MEMBER_EXPIRES = 64,
    MEMBER_SIDE = 128,       /* which of two heaps */
    MEMBER_VALUE_LONG = 255, /* value length: four bytes follow */
};

/* Valid as long as the record. */
ALWAYS_INLINE struct slice member_name(const struct member *r)
{
    uint32_t length = r->head & MEMBER_LENGTH;
    if (LIKELY(length < MEMBER_LENGTH_BYTE))
        return slice_of(r->rest, length);
    if (length == MEMBER_LENGTH_BYTE)
        return slice_of(r->rest + 1, (uint8_t)r->rest[0]);
    memcpy(&length, r->rest, sizeof(length));
    return slice_of(r->rest + sizeof(length), length);
}

/* Hash only; valid as long as the record. */
ALWAYS_INLINE struct slice member_value(const struct member *r)
{
    struct slice name = member_name(r);
    const char *at = name.data + name.len + (r->head & MEMBER_EXPIRES ? sizeof(int64_t) : 0);
    uint32_t length = (uint8_t)*at++;
    if (UNLIKELY(length == MEMBER_VALUE_LONG)) {
        memcpy(&length, at, sizeof(length));
        at += sizeof(length);
    }
    return slice_of(at, length);
}

/* Hash only; MEMBER_NO_EXPIRY without one. */
ALWAYS_INLINE int64_t member_expire_ms(const struct member *r)
{
    int64_t expire_ms = MEMBER_NO_EXPIRY;
    if (UNLIKELY(r->head & MEMBER_EXPIRES)) {
        struct slice name = member_name(r);
        memcpy(&expire_ms, name.data + name.len, sizeof(expire_ms));
    }
    return expire_ms;
}

/* Sorted set only. */
ALWAYS_INLINE double member_score(const struct member *r)
{
    struct slice name = member_name(r);
    double score;
    memcpy(&score, name.data + name.len, sizeof(score));
    return score;
}

/* Elements, buckets and bytes of the table, for people. */
void members_table_stats(const struct members *m, struct bytes *out);

#endif
