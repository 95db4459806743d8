/* shard.h - inside the keyspace: one of its 64 parts, and what its modules share. Only keyspace/
 * includes this.
 *
 * A shard owns the entries whose hash begins with its number, in every database: one table and one
 * calendar of due times per database, one heap of cells for all of them. All fields are guarded by
 * `lock` unless they say otherwise.
 */
#ifndef SPILLWAY_KEYSPACE_SHARD_H
#define SPILLWAY_KEYSPACE_SHARD_H

#include "base/lock.h"
#include "base/panic.h"
#include "keyspace/keyspace.h"
#include "keyspace/pin.h"
#include "keyspace/wait.h"
#include "struct/calendar.h"
#include "struct/cells.h"
#include "struct/table.h"

struct shard_db {
    struct table *keys;   /* of struct entry; never NULL */
    struct calendar *due; /* tokens are key hashes; NULL until the first expiry */
    uint64_t rebuild_at;  /* position of a sweep that files every expiry anew, or TABLE_END */
    size_t count;         /* = table_count(keys); atomic for readers */
    size_t expires;       /* entries with an expiry; atomic for readers */
    size_t elements;      /* entries with ENTRY_ELEMENTS_EXPIRE; atomic for readers */
    size_t outline;       /* entries that are, or own, something outside the cells */
};

struct shard {
    struct lock lock;
    uint32_t index;            /* set once */
    struct keyspace *keyspace; /* set once */
    struct cells *cells;
    struct shard_db *dbs; /* [databases] */
    size_t idle;          /* = cells_idle(cells); atomic for readers */
    uint64_t logged;      /* end of the log behind the last change here */
    uint32_t waiters;     /* nodes in this shard's queues (wait.c) */
    uint32_t leaving;     /* tables that were flushed and have entries in `cells` still (flush.c) */
    uint32_t mean_size;   /* of fresh entries in cells, << MEAN_SHIFT, the last ones weigh more;
                             atomic for readers */
} ALIGNED(CACHE_LINE);

#define MEAN_SHIFT 4

struct pins {
    struct lock lock;             /* held while they must not be changed */
    bool held;                    /* ... the pinning thread's: it is */
    bool broken;                  /* atomic: one was changed or freed, or is about to be */
    uint32_t waiting;             /* atomic: threads that wait for the lock */
    uint32_t count;               /* atomic */
    const void *values[PINS_MAX]; /* atomic: their pointers */
};

struct keyspace {
    struct shard shards[SHARD_COUNT];
    struct keyspace_options options;
    struct keyspace_hooks hooks; /* set once */
    uint64_t seed;               /* set once */
    uint32_t dbs_used; /* atomic: databases from this one on never had a key; never goes back */
    /* Written under HOLD_ALL, read under any hold. */
    uint8_t epoch; /* 0 to 7: what fresh and captured entries carry */
    bool pass_active;
    uint8_t incomplete_passes;         /* since the last complete one */
    struct table *queues[SHARD_COUNT]; /* shard's lock: of struct waiting_key; NULL: never any */
    uint64_t tickets;                  /* atomic */
    size_t waited_keys, waited_keys_on_removal; /* atomic */
    struct pins pins;
};

ALWAYS_INLINE struct shard *keyspace_shard(struct keyspace *ks, uint64_t hash)
{
    return &ks->shards[shard_index(hash)];
}

ALWAYS_INLINE uint8_t entry_epoch(const struct entry *e)
{
    return (uint8_t)((e->flags & ENTRY_EPOCH_MASK) >> ENTRY_EPOCH_SHIFT);
}

ALWAYS_INLINE bool entry_is_expired(const struct entry *e, int64_t now_ms)
{
    return entry_expires(e) && now_ms > entry_expire_ms(e);
}

/* When something in it is due at the earliest: the key or an element of its value. */
ALWAYS_INLINE int64_t entry_due_ms(const struct entry *e)
{
    int64_t due_ms = entry_expires(e) ? entry_expire_ms(e) : VALUE_NEVER_DUE;
    if (UNLIKELY(e->flags & ENTRY_ELEMENTS_EXPIRE) && entry_pointer(e) != NULL)
        due_ms = MIN_OF(due_ms, value_due_ms(entry_value(e)));
    return due_ms;
}

/* Tells the pass, if one is under way and has not captured `e` yet, that `e` is about to change.
 * going: its value is about to be freed; the pass may take it, then the pointer is NULL. */
ALWAYS_INLINE void entry_before_change(struct hold *hold, uint32_t db, struct entry *e, bool going)
{
    struct keyspace *ks = hold->keyspace;
    if (UNLIKELY(ks->pass_active) && entry_epoch(e) != ks->epoch)
        ks->hooks.before_change(ks->hooks.ctx, hold, db, e, going);
}

/* How many databases background work has to look at. */
ALWAYS_INLINE uint32_t keyspace_dbs_used(const struct keyspace *ks)
{
    return RELAXED_LOAD(&ks->dbs_used);
}

/* Notes in its flags whether elements of its value have times; the change in their number. */
ALWAYS_INLINE int entry_note_elements(struct entry *e)
{
    bool before = e->flags & ENTRY_ELEMENTS_EXPIRE;
    bool now = e->flags & ENTRY_OUTLINE && entry_type(e) != TYPE_STRING &&
               value_due_ms(entry_value(e)) != VALUE_NEVER_DUE;
    e->flags = (uint8_t)((e->flags & ~ENTRY_ELEMENTS_EXPIRE) | (now ? ENTRY_ELEMENTS_EXPIRE : 0));
    return now - before;
}

/* entry.c: building and taking apart. The clock and flags of a fresh entry come from `hold` and the
 * keyspace. */
struct entry_shape { /* what an entry is made of */
    struct slice key;
    enum value_type type;
    enum value_encoding encoding;
    struct slice value; /* in place; data NULL: left for the caller to fill */
    void *pointer;      /* instead of value, if not NULL */
    int64_t expire_ms;
    uint32_t clock;
    uint8_t keep_flags; /* ENTRY_IN_CALENDAR or 0 */
};
size_t entry_shape_size(const struct entry_shape *shape);
struct entry *entry_build(struct shard *shard, const struct entry_shape *shape);
void entry_free_shell(struct shard *shard, struct entry *e);            /* the allocation alone */
void entry_free_value(struct keyspace *ks, struct entry *e, bool lazy); /* what OUTLINE points to */
void value_discard(struct keyspace *ks, struct value value, bool lazy);
enum value_encoding string_encoding_of(struct slice value);

/* recency.c: LRU and LFU. */
uint32_t recency_fresh(const struct hold *hold); /* the clock of a new key */
/* The clock of an entry in the place of `old` (NULL = a new key): as before for LFU, whose counter
 * belongs to the key and not to its value. */
uint32_t recency_replaced(const struct hold *hold, const struct entry *old);
void recency_replace(const struct hold *hold, struct entry *e); /* the same in place */
void recency_touch(const struct hold *hold, struct entry *e);

/* expire.c */
void expire_file(struct hold *hold, struct shard_db *db, struct entry *e, uint64_t hash);
void expire_remove(struct hold *hold, const struct key *key, struct entry *e);

/* wait.c: a key with a hearing queue is about to go; a database was emptied, or exchanged for
 * another. Only worth a call if the shard has waiters. */
void wait_removed(struct hold *hold, const struct key *key);
void wait_database_changed(struct hold *hold, uint32_t db, bool flushed); /* HOLD_ALL */

/* pin.c: its shard is held. Pinned or watched. */
bool value_is_pinned(const struct keyspace *ks, struct value value);

/* flush.c: frees what entries have outside the cells, as they leave with their heap. ks: whose pins
 * are waited for; NULL: nothing is pinned. */
void shard_free_values(struct table *keys, struct keyspace *ks);

/* keyspace.c: takes an entry out of its table and counters and frees it. */
void shard_remove(struct hold *hold, const struct key *key, struct entry *e, bool lazy);
bool entry_matches(const void *item, const void *key,
                   void *ctx);                    /* table_match_fn: key is struct slice * */
uint64_t entry_hash(const void *item, void *ctx); /* table_hash_fn: ctx is struct keyspace * */

#endif
