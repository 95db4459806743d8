/* zset_block.c - sorted-set commands that wait for a member: BZPOPMIN, BZPOPMAX, BZMPOP.
 *
 * Logged as their sisters that do not wait.
 */
#include "commands/zset.h"

#include "commands/plain.h"
#include "engine/block.h"

static void block_or_null(struct call *call, uint64_t until_us)
{
    struct block_options options = {.type = TYPE_ZSET, .until_us = until_us};
    if (call_may_block(call))
        call_block(call, &options);
    else
        reply_null_array(call->reply);
}

static void pop_waited(struct call *call, const struct key *key, struct entry *entry, bool highest)
{
    struct slice argv[] = {highest ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), key->name};
    struct value z = keyspace_edit_value(&call->hold, key, entry);
    struct zset_at at;
    struct zset_item item;
    size_t rank = highest ? zset_count(z) - 1 : 0;
    zset_seek(z, rank, &at);
    zset_next(z, &at, &item);
    reply_array(call->reply, 3);
    reply_bulk(call->reply, key->name);
    zset_reply_item(call, item.member, item.score, ZSET_FLAT);
    zset_remove_range(&z, rank, 1);
    zset_shrunk(call, key, entry, z, 1, highest ? "zpopmax" : "zpopmin");
    call_effect(call, COUNT_OF(argv), argv);
}

static void pop(struct call *call, bool highest)
{
    uint64_t until_us;
    if (!call_block_until(call, call->argv[call->argc - 1], false, &until_us))
        return;
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        struct entry *entry;
        if (!zset_find(call, &key, FIND_WRITE, &entry))
            return;
        if (entry != NULL) {
            pop_waited(call, &key, entry, highest);
            return;
        }
    }
    block_or_null(call, until_us);
}

void zset_bzpopmin(struct call *call)
{
    pop(call, false);
}

void zset_bzpopmax(struct call *call)
{
    pop(call, true);
}

void zset_bzmpop(struct call *call)
{
    struct zset_mpop what;
    uint64_t until_us;
    if (zset_read_mpop(call, 2, &what) && call_block_until(call, call->argv[1], false, &until_us) &&
        !zset_mpop(call, &what))
        block_or_null(call, until_us);
}
