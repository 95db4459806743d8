/* keyspace.h - the keys of all databases: 64 shards of tables of entries. The only owner of
 * entries.
 *
 * Every function that takes a hold requires that the shards it touches are in hold->mask, except
 * where it says "holds nothing". Pointers to entries are valid until the hold is dropped or the
 * same key is changed, whichever comes first; functions that change an entry return its new
 * pointer. Expired keys are never seen: finding one removes it first (and tells the hooks).
 */
#ifndef SPILLWAY_KEYSPACE_KEYSPACE_H
#define SPILLWAY_KEYSPACE_KEYSPACE_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/rand.h"
#include "keyspace/entry.h"
#include "keyspace/hold.h"
#include "value/ahead.h"
#include "value/limits.h"

/* A key as commands name it. The name is borrowed. */
struct key {
    struct slice name;
    uint64_t hash;
    uint32_t db;
};

enum removal { REMOVED_EXPIRED, REMOVED_EVICTED, REMOVED_EVICTED_DISK };

/* Upward signals; set once before workers start. Called with the entry's shard held. */
struct keyspace_hooks {
    void *ctx;
    /* The keyspace itself is removing a key. Called before the removal. */
    void (*removing)(void *ctx, struct hold *hold, const struct key *key, enum removal why);
    /* The time of an element of the key's value is over. Called before its removal. */
    void (*removing_element)(void *ctx, struct hold *hold, const struct key *key,
                             struct slice element);
    /* That was so for some elements; `emptied`: the last one too, and the key has gone with it. */
    void (*removed_elements)(void *ctx, struct hold *hold, const struct key *key, bool emptied);
    /* A pass is under way and this entry, not captured yet, is about to change, or (going) its
     * value to be freed: then the value may be taken, with keyspace_take_value. */
    void (*before_change)(void *ctx, struct hold *hold, uint32_t db, struct entry *entry,
                          bool going);
    /* A pass is under way and a database is about to be emptied at once (going: values may be
     * taken), or swapped with another. */
    void (*before_flush)(void *ctx, struct hold *hold, uint32_t db, bool going);
    /* Somebody waits for the key, and it has come into being, has another value, or is going
     * (keyspace/wait.h). The name is borrowed. Called before the change: only to be noted. */
    void (*ready)(void *ctx, struct hold *hold, const struct key *key);
    /* Runs free_it(thing) on another thread, some time: so many keys or values, of about so many
     * bytes. NULL: done at once by the caller. */
    void (*free_later)(void *ctx, void (*free_it)(void *thing), void *thing, uint64_t objects,
                       size_t bytes);
};

struct keyspace_stats { /* one per worker: written by it alone, read by anyone with RELAXED_LOAD */
    uint64_t hits, misses, expired, evicted, evicted_disk;
    uint64_t expired_elements;
    uint64_t draws; /* owner: random numbers drawn for LFU */
};

enum eviction_policy { /* maxmemory-policy */
                       EVICT_VOLATILE_LRU,
                       EVICT_VOLATILE_LFU,
                       EVICT_VOLATILE_TTL,
                       EVICT_VOLATILE_RANDOM,
                       EVICT_ALLKEYS_LRU,
                       EVICT_ALLKEYS_LFU,
                       EVICT_ALLKEYS_RANDOM,
                       EVICT_NONE
};

struct keyspace_options { /* written by configuration with RELAXED_STORE, read with RELAXED_LOAD */
    uint32_t databases;   /* set once, 1 to 65535 */
    int policy;           /* enum eviction_policy */
    int samples;          /* maxmemory-samples: buckets looked at for one victim */
    int lfu_log_factor, lfu_decay_minutes;
    bool lazy_expire, lazy_evict, lazy_server_del; /* lazyfree-lazy-* */
    bool active_expire;                            /* DEBUG SET-ACTIVE-EXPIRE */
    bool import_mode;                              /* nothing goes by itself: import-mode */
    struct value_limits limits;                    /* of compact forms */
};

struct keyspace *keyspace_new(const struct keyspace_options *options); /* copied */
void keyspace_free(struct keyspace *ks); /* no other thread any more */
struct keyspace_options *keyspace_options(struct keyspace *ks);
void keyspace_set_hooks(struct keyspace *ks, const struct keyspace_hooks *hooks);
uint64_t keyspace_seed(const struct keyspace *ks);

ALWAYS_INLINE struct key keyspace_key(uint64_t seed, uint32_t db, struct slice name)
{
    return (struct key){.name = name, .hash = hash_bytes(name.data, name.len, seed), .db = db};
}

/* ---- finding ---- */

enum find_how {
    FIND_PEEK = 0,
    FIND_COUNT = 1, /* counts a hit or a miss */
    FIND_TOUCH = 2, /* updates the LRU or LFU clock (unless HOLD_NO_TOUCH) */
    FIND_READ = FIND_COUNT | FIND_TOUCH,
    FIND_WRITE = FIND_TOUCH
};
/* NULL: no such key (any more). */
struct entry *keyspace_find(struct hold *hold, const struct key *key, unsigned how);
/* Sweeps over the keys of a batch, holding nothing: the shards' and buckets' lines, then the places
 * that those name, then the entries, then with `values` what these point to; one after the other,
 * so that each finds what the one before fetched. Hints only; what they read may be stale.
 * count <= KEYSPACE_SWEEP. */
#define KEYSPACE_SWEEP 64
void keyspace_prefetch(const struct keyspace *ks, uint32_t db, const uint64_t *hashes,
                       uint32_t count, bool values);

/* The same for elements of the value under a key whose shard is held: their places in its table, if
 * it has one, then the elements. count <= VALUE_AHEAD. Changes nothing, not even an expired key. */
void keyspace_prefetch_elements(const struct hold *hold, const struct key *key,
                                const struct slice *names, size_t count);

/* ---- changing. `entry` is what keyspace_find just answered for `key` (NULL = absent) ---- */

/* Sets a string. The encoding's name is derived from the bytes (int, embstr, raw). */
struct entry *keyspace_put_string(struct hold *hold, const struct key *key, struct entry *entry,
                                  struct slice value, int64_t expire_ms);
/* As above with an encoding's name of the caller's choice: raw for any bytes, embstr for up to
 * STRING_EMBSTR_MAX, int for numbers only. */
struct entry *keyspace_put_string_as(struct hold *hold, const struct key *key, struct entry *entry,
                                     struct slice value, int64_t expire_ms,
                                     enum value_encoding encoding);
/* As keyspace_put_string for bytes already in a blob, whose reference is taken over: saves a
 * copy. */
struct entry *keyspace_put_blob(struct hold *hold, const struct key *key, struct entry *entry,
                                struct blob *blob, int64_t expire_ms);
/* Makes the string `len` bytes long (what is new is zeroed, encoding raw, expiry kept; entry NULL =
 * a new key) and tells where to write it, in *place. Amortised for growing by appends. */
struct entry *keyspace_string_edit(struct hold *hold, const struct key *key, struct entry *entry,
                                   size_t len, char **place);
/* A value that is no string: the entry takes ownership; an old value is freed. */
struct entry *keyspace_put_value(struct hold *hold, const struct key *key, struct entry *entry,
                                 struct value value, int64_t expire_ms);
/* Before a value that is no string is changed in place: what a pass still needs of it is captured
 * first. Answers the value, to be changed at once and then given to keyspace_value_edited, whose
 * pointer and encoding may be others than before (the old pointer is the caller's to have freed).
 * The entry stays where it is. An emptied value is the caller's to remove, with keyspace_remove. */
struct value keyspace_edit_value(struct hold *hold, const struct key *key, struct entry *entry);
void keyspace_value_edited(struct entry *entry, struct value value);
/* After an edit that may have given elements times of their own, taken them or removed such
 * elements: the key is filed for when the first of them is due. due_before_ms: value_due_ms of the
 * value before the edit. (Values that are put are looked at anyway.) */
void keyspace_elements_timed(struct hold *hold, const struct key *key, struct entry *entry,
                             int64_t due_before_ms);
/* Removes elements whose time is over, up to `budget` of them, and answers the entry, or NULL if
 * the last one went and the key with it. Leaves everything as it is under HOLD_LOADING and
 * HOLD_READER, and a large value that a pass has not captured yet. There may be more than the
 * budget, or some that are found less than CALENDAR_GRAIN_MS late: who must not see them looks at
 * their times. */
struct entry *keyspace_expire_elements(struct hold *hold, const struct key *key,
                                       struct entry *entry, size_t budget);
/* For a caller that edits a value and removes from it an element whose time is over: counts it and
 * tells the hooks; before the removal. Afterwards, once: keyspace_elements_expired. */
void keyspace_expiring_element(struct hold *hold, const struct key *key, struct slice element);
void keyspace_elements_expired(struct hold *hold, const struct key *key, bool emptied);
/* Sets, or with EXPIRE_NONE removes, the expiry. A time in the past is the caller's to make a
 * removal. */
struct entry *keyspace_set_expire(struct hold *hold, const struct key *key, struct entry *entry,
                                  int64_t expire_ms);
/* lazy: a value of more than 64 allocations is freed by another thread; not lazy: only one whose
 * freeing would keep others waiting. */
void keyspace_remove(struct hold *hold, const struct key *key, struct entry *entry, bool lazy);
/* A value that belongs to no key any more, as by keyspace_remove. */
void keyspace_discard(struct hold *hold, struct value value, bool lazy);
/* Moves value, expiry and clock of `from` to `to`, replacing what is there. Both shards held. */
void keyspace_rename(struct hold *hold, const struct key *from, struct entry *entry,
                     const struct key *to);
void keyspace_set_idle(struct hold *hold, struct entry *entry, uint64_t idle_s);
void keyspace_set_frequency(struct hold *hold, struct entry *entry, uint8_t counter);
uint64_t keyspace_idle_s(const struct hold *hold, const struct entry *entry);
uint8_t keyspace_frequency(const struct hold *hold, const struct entry *entry); /* decayed */

/* ---- whole databases, under HOLD_ALL ---- */

/* How many keys went. Their memory is freed as by keyspace_remove. */
size_t keyspace_flush_db(struct hold *hold, uint32_t db, bool lazy);
void keyspace_swap_db(struct hold *hold, uint32_t a, uint32_t b);

/* ---- looking around ---- */

size_t keyspace_size(const struct keyspace *ks, uint32_t db);    /* any thread, no lock */
size_t keyspace_expires(const struct keyspace *ks, uint32_t db); /* any thread, no lock */
/* Keys with elements that have times of their own; any thread, no lock. */
size_t keyspace_elements_expire(const struct keyspace *ks, uint32_t db);
/* Bytes that the entries' heaps hold and no entry uses: allocated, but not used memory as maxmemory
 * counts it, or evicting would not lower it until whole chunks are empty. Any thread, no lock. */
size_t keyspace_idle_memory(const struct keyspace *ks);
int64_t keyspace_average_ttl_ms(struct hold *hold, uint32_t db); /* sampled; holds nothing */
size_t keyspace_overhead(struct hold *hold, uint32_t db); /* bytes of tables; holds nothing */
void keyspace_table_stats(struct hold *hold, uint32_t db, struct bytes *out); /* DEBUG HTSTATS */

typedef void (*keyspace_visit_fn)(struct hold *hold, const struct key *key, struct entry *entry,
                                  void *ctx);
/* Whether an entry that has expired is to be removed now. */
typedef bool (*keyspace_past_fn)(const struct key *key, const struct entry *entry, void *ctx);
/* SCAN: visits live entries from `cursor` on (48 bits, 0 = start), at least `count` if there are so
 * many; returns the next cursor, 0 = done. Holds nothing before and after: takes one shard at a
 * time; visit and past run with it held and must not change keys. past NULL: none is removed. */
uint64_t keyspace_scan(struct hold *hold, uint32_t db, uint64_t cursor, size_t count,
                       keyspace_visit_fn visit, keyspace_past_fn past, void *ctx);
/* Every live entry of a database in the shards that are held. visit must not add or remove keys. */
void keyspace_each(struct hold *hold, uint32_t db, keyspace_visit_fn visit, void *ctx);
/* The name of a random live key; false if there is none. Holds nothing before and after. */
bool keyspace_random(struct hold *hold, uint32_t db, uint64_t random, struct bytes *name);

/* ---- periodic work, in slices of about 50 us; holds nothing before and after ---- */

/* Removes due keys, and due elements of values, of the shards with index % lanes == hold->lane.
 * True: more is due now. */
bool keyspace_expire_slice(struct hold *hold, unsigned lanes);
/* Moves table growth along in those shards. True: more remains. */
bool keyspace_upkeep_slice(struct hold *hold, unsigned lanes);
/* Evicts by the policy until about `bytes` were freed or `tries` victims taken. Returns the bytes
 * freed; 0 = nothing evictable was found. */
size_t keyspace_evict(struct hold *hold, struct rand *random, size_t bytes, unsigned tries,
                      enum removal why);

/* ---- the snapshot's view (for persist/) ---- */

/* HOLD_ALL: begins a pass; entries whose epoch is not the returned one are not captured yet. */
uint8_t keyspace_epoch_begin(struct hold *hold);
/* HOLD_ALL: before_change is called no more. complete: every entry was captured. */
void keyspace_epoch_end(struct hold *hold, bool complete);
bool keyspace_epoch_active(const struct keyspace *ks);
bool keyspace_is_captured(const struct keyspace *ks, const struct entry *entry);
void keyspace_mark_captured(struct keyspace *ks, struct entry *entry);
/* For before_change and before_flush of what is going: its value is the caller's now. It is no
 * string, and not taken yet. */
struct value keyspace_take_value(struct entry *entry);
/* Visits the uncaptured entries of one held shard and database from `position` on, about `count`;
 * returns where to go on, or TABLE_END (struct/table.h). visit may mark, not change, entries; its
 * key has no hash. Expired entries are visited too: their time is part of the state at the cut. */
uint64_t keyspace_sweep(struct hold *hold, uint32_t shard, uint32_t db, uint64_t position,
                        size_t count, keyspace_visit_fn visit, void *ctx);
/* Group commit: the log's end behind the last change of the held shards. */
void keyspace_note_logged(struct hold *hold, uint64_t log_end);
uint64_t keyspace_logged(const struct keyspace *ks, uint64_t mask); /* latest of them; held */

#endif
