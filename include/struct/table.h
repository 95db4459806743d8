/* table.h - the hash table of the keyspace: 64-byte buckets in hash order, growing and shrinking in
 * small steps.
 *
 * A table holds pointers to items (4-byte aligned, below 2^48) and knows nothing of what they are.
 * An item is filed under its 64-bit hash:
 *
 *      63      58 57                          16 15             0
 *     +----------+------------------------------+----------------+
 *     |  shard   |          position            |      tag       |
 *     +----------+------------------------------+----------------+
 *
 * The home bucket is position * buckets / 2^42, so hash order is the one order of a table, for any
 * number of buckets. A bucket is one cache line of 8 slots; a slot is the pointer with the tag in
 * its upper 16 bits (all eight tags are compared at once). A ninth item turns the last slot into a
 * link (low bit 1) to a small chain array that grows in steps of 16 bytes and belongs to the
 * bucket. Growth is by a gentle factor and in place; it moves a few buckets per change; the
 * frontier is a position. Cursors (SCAN, snapshot sweep) are positions.
 *
 * Not locked: the owner guards it. Inline functions only for what the hot path needs.
 */
#ifndef SPILLWAY_STRUCT_TABLE_H
#define SPILLWAY_STRUCT_TABLE_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "base/common.h"

struct table;

/* The hash an item was filed under; called when buckets are moved or a cursor splits one. */
typedef uint64_t (*table_hash_fn)(const void *item, void *ctx);
typedef void (*table_visit_fn)(void *item, void *ctx);
typedef bool (*table_match_fn)(const void *item, const void *key, void *ctx);

/* About 200 bytes, the first bucket included. */
struct table *table_new(table_hash_fn hash_of, void *ctx);
/* For one of many tables that nobody reads without the owner's lock: all of its memory goes back to
 * the allocator, while heads and directories of others are kept for further tables. */
struct table *table_new_private(table_hash_fn hash_of, void *ctx);
/* The items are the owner's, here and in table_clear. NULL is allowed. */
void table_free(struct table *t);
/* The same in steps: gives back up to `segments` segments of 32 buckets (about 300 items); true
 * when the table is gone. After the first step nothing else may be done with it. */
bool table_free_step(struct table *t, size_t segments);
void table_clear(struct table *t);

size_t table_count(const struct table *t);
/* All memory of the table itself: head, directory, buckets, chains. */
size_t table_bytes(const struct table *t);
/* The larger of the two numbers while growing or shrinking. */
size_t table_buckets(const struct table *t);

/* The item under `hash` for which match(item, key, ctx) holds, or NULL. Inline, so that match is
 * inlined too. */
ALWAYS_INLINE void *table_find(const struct table *t, uint64_t hash, table_match_fn match,
                               const void *key, void *ctx);
/* Sweep of a batch: first the bucket's line; then, when that has arrived, the candidate: what a
 * find would look at next, the item of the first slot with this tag, else the chain, else 0; then,
 * when its place has arrived, the item even if it was in the chain (NULL: none). Items are to be
 * prefetched, not to be read. All of these may be called without the owner's lock, while the table
 * is changed and even freed: they read only memory that stays mapped (given an allocator that keeps
 * address space), and what they find is right nearly always. */
ALWAYS_INLINE void table_prefetch_bucket(const struct table *t, uint64_t hash);
ALWAYS_INLINE uint64_t table_candidate(const struct table *t, uint64_t hash);
ALWAYS_INLINE const void *table_candidate_place(uint64_t candidate);
ALWAYS_INLINE const void *table_candidate_item(uint64_t candidate, uint64_t hash);

/* Files an item that is not in the table. Amortised O(1); moves a bounded number of buckets of a
 * growth under way. Never fails: without memory for more buckets the chains get longer, and growth
 * is tried again later. */
void table_insert(struct table *t, uint64_t hash, void *item);
/* Puts `with` in the place of the pointer `item` (same hash). It must be there. */
void table_replace(struct table *t, uint64_t hash, const void *item, void *with);
/* Takes the pointer `item` out. It must be there. May begin or advance a shrink. The item is not
 * read, but other items are (hash_of), so all that are in the table must still be valid. */
void table_remove(struct table *t, uint64_t hash, const void *item);
/* Moves up to `buckets` buckets of a growth or shrink under way; true while more remain and there
 * is the memory to go on. For idle slices. */
bool table_step(struct table *t, unsigned buckets);
/* Grows at once for `count` items in all (loading a file of known size). False: not enough memory;
 * nothing changed, as far as anyone can see. */
bool table_expect(struct table *t, size_t count);

/* Cursors are the 42 bits of position: (hash >> 16) & TABLE_POSITION_MASK. Visits, in bucket order,
 * the items at or behind `from` until at least `items` were visited or `buckets` buckets were
 * looked at, always whole buckets and at least one; returns where to go on, or TABLE_END. An item
 * that is in the table throughout a walk from 0 to TABLE_END is visited exactly once, whatever else
 * is inserted, removed, grown or shrunk between the calls; one that comes or goes meanwhile at most
 * once per insertion. `visit` must not change the table. */
#define TABLE_POSITION_BITS 42
#define TABLE_POSITION_MASK ((UINT64_C(1) << TABLE_POSITION_BITS) - 1)
#define TABLE_END           (UINT64_C(1) << TABLE_POSITION_BITS)
uint64_t table_scan(const struct table *t, uint64_t from, size_t items, size_t buckets,
                    table_visit_fn visit, void *ctx);
/* The items of one bucket, chosen by `random` uniformly; at most `max` into out (which ones is
 * chosen by `random` too); returns how many (0 for an empty bucket). */
size_t table_sample(const struct table *t, uint64_t random, void **out, size_t max);
/* One item, or NULL: two times of three, also in a table that is not empty; ask again with another
 * number. Every item has the same chance, whatever its bucket holds. */
void *table_pick(const struct table *t, uint64_t random);
/* Most items in one bucket that inserts met since table_new or the last call (hash flooding shows
 * here; chance brings about 40 at most). */
unsigned table_longest(struct table *t);

/* ---- Private from here on: what the inline functions need. ----------------------------------- */

#define TABLE_SLOTS        8
#define TABLE_POINTER      ((UINT64_C(1) << 48) - 1)
#define TABLE_LINK         UINT64_C(1) /* low bit of the last slot: a chain; the tag is its pairs */
#define TABLE_SEGMENT_BITS 5           /* buckets are kept in segments of 32 (2 KiB) */
#define TABLE_SEGMENT      (UINT64_C(1) << TABLE_SEGMENT_BITS)

/* Filled from slot 0 on without holes; so is a chain, which holds at least two. */
struct table_bucket {
    uint64_t slots[TABLE_SLOTS];
};

/* Where the segments are. Unlocked readers follow it, so a directory is never anything else, not
 * even when it is freed: see table.c. */
struct table_directory {
    size_t entries;
    struct table_directory *next;    /* in the pool */
    struct table_bucket *segments[]; /* NULL where nothing is */
};

struct table {
    struct table_directory *directory; /* `only` while there is one segment */
    uint64_t split;        /* positions (upper 42 bits) under it are spread over `below` */
    uint64_t below, above; /* ... buckets, the others over `above`; equal when nothing
                                       moves, else below < above */
    size_t count;
    size_t grow_at, shrink_at; /* counts above and below which a bucket is to be moved */
    uint64_t only[3];          /* a directory of one entry */
    size_t tail;               /* buckets that the last segment has room for */
    size_t bytes;
    unsigned longest;
    bool is_private; /* set once */
    table_hash_fn hash_of;
    void *ctx;
    struct table_bucket first; /* the only bucket of a table of one */
};

ALWAYS_INLINE uint64_t table_position(uint64_t hash)
{
    return hash >> 16 << 22; /* left-aligned; the shard's bits fall off */
}

ALWAYS_INLINE const struct table_bucket *table_home(const struct table *t, uint64_t hash)
{
    uint64_t position = table_position(hash);
    uint64_t buckets = position < t->split ? t->below : t->above;
    uint64_t b = (uint64_t)(((unsigned __int128)position * buckets) >> 64);
    return &t->directory->segments[b >> TABLE_SEGMENT_BITS][b & (TABLE_SEGMENT - 1)];
}

/* The same without the lock: most probably the bucket, else NULL or another one. The number of
 * buckets is read again behind the segment, because a segment may be shorter for a smaller one. */
ALWAYS_INLINE const struct table_bucket *table_home_unlocked(const struct table *t, uint64_t hash)
{
    uint64_t position = table_position(hash), split = RELAXED_LOAD(&t->split);
    const uint64_t *number = position < split ? &t->below : &t->above;
    uint64_t buckets = __atomic_load_n(number, __ATOMIC_ACQUIRE);
    uint64_t b = (uint64_t)(((unsigned __int128)position * buckets) >> 64);
    const struct table_directory *d = __atomic_load_n(&t->directory, __ATOMIC_ACQUIRE);
    if (UNLIKELY(b >> TABLE_SEGMENT_BITS >= RELAXED_LOAD(&d->entries)))
        return NULL;
    const struct table_bucket *segment =
        __atomic_load_n(&d->segments[b >> TABLE_SEGMENT_BITS], __ATOMIC_ACQUIRE);
    if (UNLIKELY(segment == NULL || RELAXED_LOAD(number) != buckets))
        return NULL;
    return &segment[b & (TABLE_SEGMENT - 1)];
}

/* Bit 2 * i + 1 for every slot i whose upper 16 bits are those of hash's lower. */
ALWAYS_INLINE unsigned table_tags(const struct table_bucket *b, uint64_t hash)
{
#ifdef __SSE2__
    const __m128i *s = (const __m128i *)(const void *)b->slots;
    __m128 s0 = _mm_castsi128_ps(_mm_loadu_si128(s)), s1 = _mm_castsi128_ps(_mm_loadu_si128(s + 1));
    __m128 s2 = _mm_castsi128_ps(_mm_loadu_si128(s + 2));
    __m128 s3 = _mm_castsi128_ps(_mm_loadu_si128(s + 3));
    __m128i tag = _mm_set1_epi16((short)(uint16_t)hash);
    __m128i low = _mm_castps_si128(_mm_shuffle_ps(s0, s1, 0xDD)); /* upper halves of four slots */
    __m128i high = _mm_castps_si128(_mm_shuffle_ps(s2, s3, 0xDD));
    __m128i equal = _mm_packs_epi16(_mm_cmpeq_epi16(low, tag), _mm_cmpeq_epi16(high, tag));
    return (unsigned)_mm_movemask_epi8(equal) & 0xAAAA;
#else
    unsigned found = 0;
    for (unsigned i = 0; i < TABLE_SLOTS; i++)
        found |= (unsigned)(b->slots[i] >> 48 == (hash & 0xFFFF)) << (2 * i + 1);
    return found;
#endif
}

/* A slot's item; NULL for an empty slot and for a link. */
ALWAYS_INLINE void *table_slot_item(uint64_t slot)
{
    return slot & TABLE_LINK ? NULL : (void *)(uintptr_t)(slot & TABLE_POINTER);
}

ALWAYS_INLINE const uint64_t *table_slot_chain(uint64_t link)
{
    return (const uint64_t *)(uintptr_t)(link & TABLE_POINTER & ~TABLE_LINK);
}

ALWAYS_INLINE void *table_find(const struct table *t, uint64_t hash, table_match_fn match,
                               const void *key, void *ctx)
{
    const struct table_bucket *b = table_home(t, hash);
    for (unsigned tags = table_tags(b, hash); tags; tags &= tags - 1) {
        void *item = table_slot_item(b->slots[__builtin_ctz(tags) >> 1]);
        if (LIKELY(item && match(item, key, ctx)))
            return item;
    }
    uint64_t link = b->slots[TABLE_SLOTS - 1];
    if (!(link & TABLE_LINK))
        return NULL;
    const uint64_t *chain = table_slot_chain(link);
    for (size_t i = 0, n = (link >> 48) * 2; i < n; i++) {
        void *item = table_slot_item(chain[i]);
        if (chain[i] >> 48 == (hash & 0xFFFF) && item && match(item, key, ctx))
            return item;
    }
    return NULL;
}

ALWAYS_INLINE void table_prefetch_bucket(const struct table *t, uint64_t hash)
{
    PREFETCH(table_home_unlocked(t, hash));
}

ALWAYS_INLINE uint64_t table_candidate(const struct table *t, uint64_t hash)
{
    const struct table_bucket *b = table_home_unlocked(t, hash);
    if (UNLIKELY(b == NULL))
        return 0;
    for (unsigned tags = table_tags(b, hash); tags; tags &= tags - 1) {
        uint64_t slot = RELAXED_LOAD(&b->slots[__builtin_ctz(tags) >> 1]);
        if (LIKELY(table_slot_item(slot)))
            return slot;
    }
    uint64_t link = RELAXED_LOAD(&b->slots[TABLE_SLOTS - 1]);
    return link & TABLE_LINK ? link : 0;
}

ALWAYS_INLINE const void *table_candidate_place(uint64_t candidate)
{
    return table_slot_chain(candidate);
}

ALWAYS_INLINE const void *table_candidate_item(uint64_t candidate, uint64_t hash)
{
    if (LIKELY(!(candidate & TABLE_LINK)))
        return table_slot_item(candidate);
    const uint64_t *chain = table_slot_chain(candidate);
    for (size_t i = 0, n = MIN_OF(candidate >> 48, UINT64_C(4)) * 2; i < n; i++) {
        uint64_t slot = RELAXED_LOAD(&chain[i]);
        if (slot >> 48 == (hash & 0xFFFF))
            return table_slot_item(slot);
    }
    return NULL;
}

#endif
