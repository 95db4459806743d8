/* wait.c - queues of waiters per key.
 *
 * A key with a queue has a struct waiting_key in its shard's table, from its first waiter to its
 * last; shard->waiters counts the nodes, and hold_take sums that up in hold->waited, on the line it
 * has just fetched for the lock. Tickets come from one counter, drawn under the shard's lock: they
 * ascend along each queue, so that a place in a queue can be found again after the lock was
 * dropped.
 */
#include "keyspace/shard.h"
#include "base/mem.h"

/* Bounds of what wait_shards looks at. What it misses is found when it is served. */
#define REACH_KEYS  16
#define REACH_NODES 64

struct waiting_key { /* shard lock */
    uint64_t hash;
    struct wait_node *first, *last;
    uint64_t shards;       /* those of all nodes, at least */
    uint32_t wide, moving; /* nodes that need other shards too; that move */
    uint32_t hearing;      /* nodes with on_removal */
    uint32_t db, name_len;
    uint32_t ready_lane; /* 1 + the lane that was last told that it is ready; 0 = none */
    char name[];
};

static uint64_t waiting_hash(const void *item, void *ctx)
{
    (void)ctx;
    return ((const struct waiting_key *)item)->hash;
}

static bool waiting_matches(const void *item, const void *sought, void *ctx)
{
    const struct waiting_key *wk = item;
    const struct key *key = sought;
    (void)ctx;
    return wk->db == key->db && wk->name_len == key->name.len &&
           memcmp(wk->name, key->name.data, key->name.len) == 0;
}

static struct table **queues_of(struct hold *hold, uint64_t hash)
{
    DEBUG_ASSERT(hold->mask & shard_bit(hash));
    return &hold->keyspace->queues[shard_index(hash)];
}

static struct waiting_key *find(struct hold *hold, const struct key *key)
{
    struct table *queues = *queues_of(hold, key->hash);
    return queues != NULL ? table_find(queues, key->hash, waiting_matches, key, NULL) : NULL;
}

static struct waiting_key *open_queue(struct hold *hold, const struct key *key)
{
    struct table **queues = queues_of(hold, key->hash);
    if (*queues == NULL)
        *queues = table_new_private(waiting_hash, NULL);
    struct waiting_key *wk = mem_zalloc(sizeof *wk + key->name.len);
    wk->hash = key->hash;
    wk->db = key->db;
    wk->name_len = (uint32_t)key->name.len;
    memcpy(wk->name, key->name.data, key->name.len);
    table_insert(*queues, key->hash, wk);
    RELAXED_ADD(&hold->keyspace->waited_keys, 1);
    return wk;
}

static void close_queue(struct hold *hold, struct waiting_key *wk)
{
    table_remove(*queues_of(hold, wk->hash), wk->hash, wk);
    RELAXED_ADD(&hold->keyspace->waited_keys, (size_t)-1);
    mem_free(wk);
}

static void count_hearing(struct hold *hold, struct waiting_key *wk, bool joins)
{
    uint32_t before = wk->hearing;
    wk->hearing += joins ? 1 : (uint32_t)-1;
    if (before == 0)
        RELAXED_ADD(&hold->keyspace->waited_keys_on_removal, 1);
    else if (wk->hearing == 0)
        RELAXED_ADD(&hold->keyspace->waited_keys_on_removal, (size_t)-1);
}

bool wait_join(struct hold *hold, const struct key *key, struct wait_node *node)
{
    struct waiting_key *wk = find(hold, key);
    ASSERT(node->shards & shard_bit(key->hash));
    node->key = NULL;
    if (wk == NULL)
        wk = open_queue(hold, key);
    else if (wk->last->owner == node->owner)
        return false;
    node->key = wk;
    node->next = NULL;
    node->previous = wk->last;
    if (wk->last != NULL)
        wk->last->next = node;
    else
        wk->first = node;
    wk->last = node;
    node->ticket = RELAXED_ADD(&hold->keyspace->tickets, 1);
    wk->shards |= node->shards;
    wk->wide += node->shards != shard_bit(wk->hash);
    wk->moving += node->moves;
    if (node->on_removal)
        count_hearing(hold, wk, true);
    keyspace_shard(hold->keyspace, wk->hash)->waiters++;
    hold->waited++;
    return true;
}

void wait_leave(struct hold *hold, struct wait_node *node)
{
    struct waiting_key *wk = node->key;
    if (wk == NULL)
        return;
    DEBUG_ASSERT(hold->mask & shard_bit(wk->hash));
    *(node->previous != NULL ? &node->previous->next : &wk->first) = node->next;
    *(node->next != NULL ? &node->next->previous : &wk->last) = node->previous;
    node->key = NULL;
    wk->wide -= node->shards != shard_bit(wk->hash);
    wk->moving -= node->moves;
    if (wk->wide == 0)
        wk->shards = shard_bit(wk->hash);
    if (node->on_removal)
        count_hearing(hold, wk, false);
    keyspace_shard(hold->keyspace, wk->hash)->waiters--;
    hold->waited--;
    if (wk->first == NULL)
        close_queue(hold, wk);
}

struct wait_node *wait_first(struct hold *hold, const struct key *key)
{
    struct waiting_key *wk = find(hold, key);
    return wk != NULL ? wk->first : NULL;
}

uint64_t wait_last_ticket(const struct wait_node *node)
{
    return node->key->last->ticket;
}

bool wait_hears_removals(const struct wait_node *node)
{
    return node->key->hearing != 0;
}

/* ---- signals ---- */

/* Once per lane: each of those that made it ready serves it before its own reply leaves. */
static void tell(struct hold *hold, struct waiting_key *wk)
{
    const struct keyspace_hooks *hooks = &hold->keyspace->hooks;
    if (hold->flags & HOLD_LOADING || hooks->ready == NULL || wk->ready_lane == hold->lane + 1u)
        return;
    struct key key = {slice_of(wk->name, wk->name_len), wk->hash, wk->db};
    wk->ready_lane = hold->lane + 1u;
    hooks->ready(hooks->ctx, hold, &key);
}

void wait_signal(struct hold *hold, const struct key *key)
{
    if (keyspace_shard(hold->keyspace, key->hash)->waiters == 0)
        return;
    struct waiting_key *wk = find(hold, key);
    if (wk != NULL)
        tell(hold, wk);
}

void wait_taken_up(struct hold *hold, const struct key *key)
{
    struct waiting_key *wk = find(hold, key);
    if (wk != NULL && wk->ready_lane == hold->lane + 1u)
        wk->ready_lane = 0;
}

void wait_removed(struct hold *hold, const struct key *key)
{
    struct waiting_key *wk = find(hold, key);
    if (wk != NULL && wk->hearing != 0)
        tell(hold, wk);
}

struct database_change {
    struct hold *hold;
    uint32_t db;
    bool flushed;
};

static void changed_visit(void *item, void *ctx)
{
    struct waiting_key *wk = item;
    struct database_change *change = ctx;
    if (wk->db == change->db && (!change->flushed || wk->hearing != 0))
        tell(change->hold, wk);
}

void wait_database_changed(struct hold *hold, uint32_t db, bool flushed)
{
    struct keyspace *ks = hold->keyspace;
    struct database_change change = {hold, db, flushed};
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        if (LIKELY(ks->shards[i].waiters == 0))
            continue;
        for (uint64_t at = 0; at != TABLE_END;)
            at = table_scan(ks->queues[i], at, SIZE_MAX, SIZE_MAX, changed_visit, &change);
    }
}

/* ---- which shards it takes ---- */

/* Keys that one service after the other may fill: what is found is looked into in turn. */
struct reach {
    const struct hold *hold;
    uint64_t hashes[REACH_KEYS];
    uint32_t count, at;
    uint64_t shards;
};

static void add_fed(struct reach *reach, uint64_t hash)
{
    for (uint32_t i = 0; i < reach->count; i++)
        if (reach->hashes[i] == hash)
            return;
    if (reach->count < REACH_KEYS)
        reach->hashes[reach->count++] = hash;
}

/* Never matches, so that every queue of the hash is visited. */
static bool reach_visit(const void *item, const void *sought, void *ctx)
{
    const struct waiting_key *wk = item;
    struct reach *reach = ctx;
    (void)sought;
    if (wk->hash != reach->hashes[reach->at])
        return false;
    reach->shards |= wk->shards;
    const struct wait_node *node = wk->moving != 0 ? wk->first : NULL;
    for (unsigned looked = 0; node != NULL && looked < REACH_NODES; looked++, node = node->next)
        if (node->moves)
            add_fed(reach, node->feeds);
    return false;
}

uint64_t wait_shards(const struct hold *hold, uint64_t hash)
{
    struct reach reach; /* the room for hashes is left as it is */
    reach.hold = hold;
    reach.hashes[0] = hash;
    reach.count = 1;
    reach.shards = 0;
    for (reach.at = 0; reach.at < reach.count; reach.at++) {
        uint64_t next = reach.hashes[reach.at];
        if (!(hold->mask & shard_bit(next)))
            continue;
        const struct table *queues = hold->keyspace->queues[shard_index(next)];
        if (queues != NULL)
            table_find(queues, next, reach_visit, NULL, &reach);
    }
    return reach.shards;
}

size_t wait_keys(const struct keyspace *ks)
{
    return RELAXED_LOAD(&ks->waited_keys);
}

size_t wait_keys_on_removal(const struct keyspace *ks)
{
    return RELAXED_LOAD(&ks->waited_keys_on_removal);
}
