/* world.h - a keyspace for one test: names, a clock of its own, and the hooks' record of what
 * happened. */
#ifndef SPILLWAY_TESTS_KEYSPACE_WORLD_H
#define SPILLWAY_TESTS_KEYSPACE_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "keyspace/keyspace.h"

#define WORLD_NOW  INT64_C(1700000000000)
#define WORLD_DBS  4
#define MANY_NAMES 100000

struct world {
    struct keyspace *ks;
    struct keyspace_stats stats;
    struct hold hold;
    struct rand random;
    unsigned removed, evicted; /* told by the hooks */
    char last_removed[64];
    unsigned changes, flushes;
    void (*later_free[512])(void *thing);
    void *later[512];
    unsigned later_count;
};

UNUSED static void world_removing(void *ctx, struct hold *hold, const struct key *key,
                                  enum removal why)
{
    struct world *w = ctx;
    (void)hold;
    if (why == REMOVED_EXPIRED)
        w->removed++;
    else
        w->evicted++;
    snprintf(w->last_removed, sizeof w->last_removed, "%.*s", (int)MIN_OF(key->name.len, 60),
             key->name.data);
}

UNUSED static void world_before_change(void *ctx, struct hold *hold, uint32_t db, struct entry *e,
                                       bool going)
{
    struct world *w = ctx;
    (void)db;
    w->changes++;
    keyspace_mark_captured(hold->keyspace, e);
}

UNUSED static void world_before_flush(void *ctx, struct hold *hold, uint32_t db, bool going)
{
    struct world *w = ctx;
    (void)hold, (void)db;
    w->flushes++;
}

UNUSED static void world_free_later(void *ctx, void (*free_it)(void *thing), void *thing,
                                    uint64_t objects, size_t bytes)
{
    struct world *w = ctx;
    assert_true(objects != 0 && bytes != 0);
    assert_true(w->later_count < COUNT_OF(w->later));
    w->later_free[w->later_count] = free_it;
    w->later[w->later_count++] = thing;
}

UNUSED static void world_free_now(struct world *w)
{
    for (unsigned i = 0; i < w->later_count; i++)
        w->later_free[i](w->later[i]);
    w->later_count = 0;
}

UNUSED static void world_open(struct world *w, int policy)
{
    struct keyspace_options options = {.databases = WORLD_DBS,
                                       .policy = policy,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .lfu_log_factor = 10,
                                       .lfu_decay_minutes = 1,
                                       .active_expire = true};
    const char *text = getenv("SPILLWAY_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    *w = (struct world){.ks = keyspace_new(&options)};
    rand_seed(&w->random, seed);
    struct keyspace_hooks hooks = {.ctx = w,
                                   .removing = world_removing,
                                   .before_change = world_before_change,
                                   .before_flush = world_before_flush,
                                   .free_later = world_free_later};
    keyspace_set_hooks(w->ks, &hooks);
    w->hold = (struct hold){.keyspace = w->ks, .now_ms = WORLD_NOW, .stats = &w->stats};
}

UNUSED static void world_close(struct world *w)
{
    world_free_now(w);
    keyspace_free(w->ks);
}

UNUSED static struct key world_key_in(struct world *w, uint32_t db, struct slice name)
{
    return keyspace_key(keyspace_seed(w->ks), db, name);
}

UNUSED static struct key world_key(struct world *w, const char *name)
{
    return world_key_in(w, 0, slice_str(name));
}

/* These take and drop the one shard they need. */

UNUSED static struct entry *world_set_in(struct world *w, uint32_t db, struct slice name,
                                         struct slice value, int64_t expire_ms)
{
    struct key key = world_key_in(w, db, name);
    hold_take(&w->hold, shard_bit(key.hash));
    struct entry *e = keyspace_put_string(&w->hold, &key, keyspace_find(&w->hold, &key, FIND_WRITE),
                                          value, expire_ms);
    hold_drop(&w->hold);
    return e; /* one thread: it stays where it is until the next change */
}

UNUSED static struct entry *world_set(struct world *w, const char *name, const char *value,
                                      int64_t expire_ms)
{
    return world_set_in(w, 0, slice_str(name), slice_str(value), expire_ms);
}

UNUSED static struct entry *world_find_in(struct world *w, uint32_t db, struct slice name,
                                          unsigned how)
{
    struct key key = world_key_in(w, db, name);
    hold_take(&w->hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(&w->hold, &key, how);
    hold_drop(&w->hold);
    return e;
}

UNUSED static struct entry *world_find(struct world *w, const char *name, unsigned how)
{
    return world_find_in(w, 0, slice_str(name), how);
}

UNUSED static bool world_has(struct world *w, const char *name, const char *value)
{
    struct entry *e = world_find(w, name, FIND_PEEK);
    return e != NULL && slice_eq(entry_string(e), slice_str(value));
}

UNUSED static void world_expire(struct world *w, const char *name, int64_t expire_ms)
{
    struct key key = world_key(w, name);
    hold_take(&w->hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(&w->hold, &key, FIND_PEEK);
    assert_non_null(e);
    keyspace_set_expire(&w->hold, &key, e, expire_ms);
    hold_drop(&w->hold);
}

UNUSED static bool world_remove(struct world *w, const char *name)
{
    struct key key = world_key(w, name);
    hold_take(&w->hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(&w->hold, &key, FIND_PEEK);
    if (e != NULL)
        keyspace_remove(&w->hold, &key, e, false);
    hold_drop(&w->hold);
    return e != NULL;
}

/* "<prefix>0" ... with the value "v". */
UNUSED static void world_fill(struct world *w, uint32_t db, const char *prefix, unsigned count,
                              int64_t expire_ms)
{
    char name[64];
    for (unsigned i = 0; i < count; i++) {
        int len = snprintf(name, sizeof name, "%s%u", prefix, i);
        world_set_in(w, db, slice_of(name, (size_t)len), SLICE("v"), expire_ms);
    }
}

/* How many of the keys that world_fill made are there. */
UNUSED static unsigned world_left(struct world *w, uint32_t db, const char *prefix, unsigned count)
{
    unsigned left = 0;
    char name[64];
    for (unsigned i = 0; i < count; i++) {
        int len = snprintf(name, sizeof name, "%s%u", prefix, i);
        left += world_find_in(w, db, slice_of(name, (size_t)len), FIND_PEEK) != NULL;
    }
    return left;
}

#endif
