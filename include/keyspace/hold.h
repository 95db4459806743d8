/* hold.h - a hold: the shard locks one command (or transaction, or slice of background work) has
 * taken.
 *
 * Lock order of the whole server: client registry < shard locks, ascending < lock of the pins
 * (pin.h) < snapshot capture buffers < propagation log < leaf locks (stats, log ring). A hold takes
 * all its locks at once, ascending, and is never extended. This is the only module that touches a
 * shard's lock.
 */
#ifndef SPILLWAY_KEYSPACE_HOLD_H
#define SPILLWAY_KEYSPACE_HOLD_H

#include "base/common.h"

#define SHARD_COUNT 64
#define HOLD_ALL    UINT64_MAX

struct keyspace;
struct keyspace_stats;

enum hold_flags {
    HOLD_NO_TOUCH = 1, /* leave clocks alone (CLIENT NO-TOUCH, internal work) */
    HOLD_LOADING = 2,  /* keys are being loaded: nothing expires, hooks are silent */
    HOLD_READER = 4,   /* expired keys are invisible but stay (a replica, paused writes) */
    HOLD_SOURCE = 8,   /* expired keys and fields are as good as others (an import's source) */
    HOLD_IMPORT = 16   /* what is given a time in the past stays as well */
};

struct hold {
    struct keyspace *keyspace;
    uint64_t mask;  /* bit i: shard i is ours */
    int64_t now_ms; /* the wall time this command lives in */
    uint16_t flags;
    uint16_t lane;                /* index of the worker on whose behalf this is */
    uint32_t waited;              /* how many stand in queues of the mask's shards
                                     (keyspace/wait.h) */
    struct keyspace_stats *stats; /* owner worker */
    void *owner;                  /* for the hooks: the engine's call, or NULL */
};

/* All fields but mask are the caller's to set before; mask must be 0. */
void hold_take(struct hold *hold, uint64_t mask);
bool hold_try(struct hold *hold, uint64_t mask); /* all or nothing, without waiting */
void hold_drop(struct hold *hold);
/* Drops, and steps back for a moment if others have been waiting: locks are not fair, so whoever
 * takes the same one again and again would keep them waiting. */
void hold_give_way(struct hold *hold);

ALWAYS_INLINE unsigned shard_index(uint64_t hash)
{
    return (unsigned)(hash >> 58);
}

ALWAYS_INLINE uint64_t shard_bit(uint64_t hash)
{
    return UINT64_C(1) << (hash >> 58);
}

#endif
