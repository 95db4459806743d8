/* table.h - the hash table of the keyspace: 64-byte buckets in hash order, growing and shrinking in small steps.
 *
 * A table holds pointers to items (4-byte aligned, below 2^48) and knows nothing of what they are. An item is filed under its
 * 64-bit hash:
 *
 *      63      58 57                          16 15             0
 *     +----------+------------------------------+----------------+
 *     |  shard   |          position            |      tag       |
 *     +----------+------------------------------+----------------+
 *
 * The home bucket is mulhi(hash << 6, buckets), so hash order is the one order of a table, for any number of buckets. A bucket
 * is one cache line of 8 slots; a slot is the pointer with the tag in its upper 16 bits (all eight tags are
 * compared at once). A ninth item turns the last slot into a link (low bit 1) to a small chain array of
 * 16 bytes steps that belongs to the bucket. Growth is by a gentle factor and moves a few buckets per change; the
 * frontier is a position. Cursors (SCAN, snapshot sweep) are hash >> 16: 48 bits.
 *
 * Not locked: the owner guards it. Inline functions only for what the hot path needs.
 */
#ifndef SPILLWAY_STRUCT_TABLE_H
#define SPILLWAY_STRUCT_TABLE_H

#include "base/common.h"

struct table;

/* The hash an item was filed under; called when buckets are moved or a cursor splits one. */
typedef uint64_t (*table_hash_fn)(const void *item, void *ctx);
typedef void (*table_visit_fn)(void *item, void *ctx);
typedef bool (*table_match_fn)(const void *item, const void *key, void *ctx);

struct table *table_new(table_hash_fn hash_of, void *ctx); /* no buckets until the first insert */
void table_free(struct table *t);                          /* the items are the owner's */
void table_clear(struct table *t);

size_t table_count(const struct table *t);
size_t table_bytes(const struct table *t);                 /* buckets and chains, both arrays */
size_t table_buckets(const struct table *t);

/* The item under `hash` for which match(item, key, ctx) holds, or NULL. Inline, so that match is inlined too. */
ALWAYS_INLINE void *table_find(const struct table *t, uint64_t hash, table_match_fn match, const void *key, void *ctx);
/* Sweep of a batch: first the bucket's line, later (when that has arrived) the item a find would look at first. */
ALWAYS_INLINE void table_prefetch_bucket(const struct table *t, uint64_t hash);
ALWAYS_INLINE void *table_candidate(const struct table *t, uint64_t hash); /* first slot with this tag, or NULL; for prefetch only */

/* Files an item that is not in the table. Amortised O(1); moves a bounded number of buckets of a growth under way. */
void table_insert(struct table *t, uint64_t hash, void *item);
/* Puts `with` in the place of the pointer `item` (same hash). It must be there. */
void table_replace(struct table *t, uint64_t hash, const void *item, void *with);
/* Takes the pointer `item` out. It must be there. May begin or advance a shrink. */
void table_remove(struct table *t, uint64_t hash, const void *item);
/* Moves up to `buckets` buckets of a growth or shrink under way; true while more remain. For idle slices. */
bool table_step(struct table *t, unsigned buckets);
/* Grows at once for `count` items (loading a file of known size). False: not enough memory; nothing changed. */
bool table_expect(struct table *t, size_t count);

/* Cursors are the 42 bits of position: (hash >> 16) & TABLE_POSITION_MASK. Visits every item at or behind `from` of
 * whole buckets, in bucket order, until at least `items` were visited or `buckets` buckets were looked at; returns where to go on, or
 * TABLE_END. An item that is in the table throughout a walk from 0 to TABLE_END is visited at least once, whatever else is
 * inserted, removed, grown or shrunk between the calls. `visit` must not change the table. */
#define TABLE_POSITION_BITS 42
#define TABLE_POSITION_MASK ((UINT64_C(1) << TABLE_POSITION_BITS) - 1)
#define TABLE_END           (UINT64_C(1) << TABLE_POSITION_BITS)
uint64_t table_scan(const struct table *t, uint64_t from, size_t items, size_t buckets, table_visit_fn visit, void *ctx);
/* The items of one bucket, chosen by `random` uniformly; at most `max` into out; returns how many (0 for an empty bucket). */
size_t table_sample(const struct table *t, uint64_t random, void **out, size_t max);
/* Longest chain of one bucket seen by inserts since table_new or the last call (hash flooding shows here). */
unsigned table_longest(struct table *t);

#endif
