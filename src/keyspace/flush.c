/* flush.c - emptying whole databases.
 *
 * A flush takes a table away from each shard, under all locks, and leaves the rest to the thread
 * that frees. What that thread has to do depends on whether other databases have entries in the
 * shard:
 *
 *   none    the heap of the entries goes with the table; no entry is looked at, unless it owns
 *           something outside the heap
 *   some    the heap stays, and every entry has to be given back to it: a few at a time, under the
 *           shard's lock. Should the shard get another heap meanwhile, because the other databases
 *           were flushed too, the old one goes as a whole, after us: things are freed in the order
 *           in which they were handed over.
 *
 * Few keys are freed at once.
 */
#include "keyspace/shard.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pace.h"

#define FLUSHED_AT_ONCE 64  /* keys of a shard that a flush that is not lazy frees itself */
#define FREED_AT_ONCE   256 /* under a shard's lock: some 30 us */
#define REST_US         20  /* and what it takes to wake up */
#define WALKED_AT_ONCE  1024

static void free_value_visit(void *item, void *ctx)
{
    const struct entry *e = item;
    if (e->flags & ENTRY_OUTLINE && entry_pointer(e) != NULL) {
        if (ctx != NULL && entry_type(e) != TYPE_STRING)
            keyspace_await_unpinned(ctx, entry_value(e));
        value_free(entry_value(e));
    }
    if (entry_size(e) > CELLS_MAX)
        mem_free(item);
}

void shard_free_values(struct table *keys, struct keyspace *ks)
{
    for (uint64_t at = 0; at != TABLE_END; pace())
        at = table_scan(keys, at, WALKED_AT_ONCE, SIZE_MAX, free_value_visit, ks);
}

/* What a flush takes away from one shard, to be freed elsewhere. */
struct discarded {
    struct shard *shard;
    struct table *keys;
    struct cells *cells; /* the heap of the entries; it goes too, or was the shard's then */
    bool outline;        /* something lies outside the cells */
};

static struct discarded *discard(struct shard *shard, struct shard_db *db)
{
    struct discarded *d = mem_alloc(sizeof *d);
    *d = (struct discarded){shard, db->keys, shard->cells, db->outline != 0};
    db->keys = table_new(entry_hash, shard->keyspace);
    return d;
}

/* With its heap. */
static void discard_whole(void *thing)
{
    struct discarded *d = thing;
    if (d->outline)
        shard_free_values(d->keys, d->shard->keyspace);
    table_free(d->keys);
    cells_free_all(d->cells);
    mem_free(d);
}

static void discard_visit(void *item, void *ctx)
{
    struct discarded *d = ctx;
    entry_free_value(d->shard->keyspace, item, false);
    if (d->shard->cells == d->cells || entry_size(item) > CELLS_MAX)
        entry_free_shell(d->shard, item);
}

/* Without: its entries are given back to it. Rests in between, so that it is hardly ever the end of
 * the thread's slice that comes while it has the lock: who waits for the lock would wait as long as
 * others want the processor. */
static void discard_entries(void *thing)
{
    struct discarded *d = thing;
    struct hold hold = {.keyspace = d->shard->keyspace};
    for (uint64_t at = 0; at != TABLE_END;) {
        clock_sleep_us(REST_US);
        pace_keep(true);
        hold_take(&hold, UINT64_C(1) << d->shard->index);
        at = table_scan(d->keys, at, FREED_AT_ONCE, FREED_AT_ONCE, discard_visit, d);
        if (at == TABLE_END && d->shard->cells == d->cells)
            d->shard->leaving--;
        hold_drop(&hold);
        pace_keep(false);
    }
    table_free(d->keys);
    mem_free(d);
}

/* About what freeing it gives back; values outside the cells are not counted. */
static size_t whole_bytes(const struct discarded *d)
{
    struct cells_stats stats;
    cells_stats(d->cells, &stats);
    return table_bytes(d->keys) + stats.held_bytes;
}

/* The same without the heap: its entries, as large as fresh ones were lately. */
static size_t entries_bytes(const struct discarded *d)
{
    return table_bytes(d->keys) + table_count(d->keys) * (d->shard->mean_size >> MEAN_SHIFT);
}

static bool others_empty(const struct keyspace *ks, const struct shard *shard, uint32_t db)
{
    for (uint32_t d = 0; d < keyspace_dbs_used(ks); d++)
        if (d != db && shard->dbs[d].count != 0)
            return false;
    return true;
}

static void flush_whole(struct shard *shard, struct shard_db *db, bool later)
{
    const struct keyspace_hooks *hooks = &shard->keyspace->hooks;
    struct discarded *d = discard(shard, db);
    later |= shard->leaving != 0; /* behind those */
    shard->leaving = 0;
    shard->cells = cells_new();
    RELAXED_STORE(&shard->idle, 0);
    if (later)
        hooks->free_later(hooks->ctx, discard_whole, d, db->count, whole_bytes(d));
    else
        discard_whole(d);
}

struct flush_one {
    struct shard *shard;
    bool lazy;
};

static void flush_visit(void *item, void *ctx)
{
    struct flush_one *f = ctx;
    entry_free_value(f->shard->keyspace, item, f->lazy);
    entry_free_shell(f->shard, item);
}

static void flush_entries(struct shard *shard, struct shard_db *db, bool lazy, bool later)
{
    const struct keyspace_hooks *hooks = &shard->keyspace->hooks;
    if (later) {
        struct discarded *d = discard(shard, db);
        shard->leaving++;
        hooks->free_later(hooks->ctx, discard_entries, d, db->count, entries_bytes(d));
        return;
    }
    struct flush_one f = {shard, lazy};
    for (uint64_t at = 0; at != TABLE_END;)
        at = table_scan(db->keys, at, SIZE_MAX, SIZE_MAX, flush_visit, &f);
    table_clear(db->keys);
}

static void flush_shard(struct keyspace *ks, struct shard *shard, uint32_t index, bool lazy)
{
    struct shard_db *db = &shard->dbs[index];
    bool can = ks->hooks.free_later != NULL, many = db->count > FLUSHED_AT_ONCE;
    /* Values outside may be pinned: who waits for that must not be us. */
    if (others_empty(ks, shard, index))
        flush_whole(shard, db, can && (lazy || many || db->outline != 0));
    else
        flush_entries(shard, db, lazy, can && many);
    if (db->due != NULL)
        calendar_clear(db->due);
    db->rebuild_at = TABLE_END;
    db->outline = 0;
    RELAXED_STORE(&db->count, 0);
    RELAXED_STORE(&db->expires, 0);
    RELAXED_STORE(&db->elements, 0);
}

size_t keyspace_flush_db(struct hold *hold, uint32_t db, bool lazy)
{
    struct keyspace *ks = hold->keyspace;
    ASSERT(hold->mask == HOLD_ALL);
    size_t count = keyspace_size(ks, db);
    if (ks->pass_active && ks->hooks.before_flush != NULL)
        ks->hooks.before_flush(ks->hooks.ctx, hold, db, true);
    for (uint32_t i = 0; i < SHARD_COUNT; i++)
        if (ks->shards[i].dbs[db].count != 0)
            flush_shard(ks, &ks->shards[i], db, lazy);
    if (UNLIKELY(hold->waited != 0))
        wait_database_changed(hold, db, true);
    return count;
}
