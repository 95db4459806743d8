/* list_block.c - list commands that wait for an element: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.
 *
 * Each is its sister that does not wait, tried first; what it did is logged as that sister, for
 * nobody waits while a log is replayed.
 */
#include "commands/list.h"

#include "commands/plain.h"
#include "engine/block.h"

/* ---- BLPOP, BRPOP ---- */

static void pop_waited(struct call *call, const struct key *key, struct entry *entry, bool front)
{
    struct slice argv[] = {front ? SLICE("LPOP") : SLICE("RPOP"), key->name};
    reply_array(call->reply, 2);
    reply_bulk(call->reply, key->name);
    list_pop_one(call, key, entry, front);
    call_effect(call, COUNT_OF(argv), argv);
}

static void block_or_null(struct call *call, uint64_t until_us)
{
    struct block_options options = {.type = TYPE_LIST, .until_us = until_us};
    if (call_may_block(call))
        call_block(call, &options);
    else
        reply_null_array(call->reply);
}

static void pop(struct call *call, bool front)
{
    uint64_t until_us;
    if (!call_block_until(call, call->argv[call->argc - 1], false, &until_us))
        return;
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        struct entry *entry;
        if (!list_find(call, &key, FIND_WRITE, &entry))
            return;
        if (entry != NULL) {
            pop_waited(call, &key, entry, front);
            return;
        }
    }
    block_or_null(call, until_us);
}

void list_blpop(struct call *call)
{
    pop(call, true);
}

void list_brpop(struct call *call)
{
    pop(call, false);
}

/* ---- BLMOVE, BRPOPLPUSH ---- */

/* True if it need not be logged: it waits, or there was an error. */
static bool move_or_block(struct call *call, bool from_front, bool to_front, uint64_t until_us)
{
    struct block_options options = {
        .type = TYPE_LIST, .moves = true, .keys = 1, .until_us = until_us};
    if (list_move(call, from_front, to_front))
        return call->failed;
    if (call_may_block(call))
        call_block(call, &options);
    else
        reply_null(call->reply);
    return true;
}

void list_blmove(struct call *call)
{
    bool from_front, to_front;
    uint64_t until_us;
    if (!list_read_end(call, 3, &from_front) || !list_read_end(call, 4, &to_front) ||
        !call_block_until(call, call->argv[5], false, &until_us) ||
        move_or_block(call, from_front, to_front, until_us))
        return;
    struct slice argv[] = {SLICE("LMOVE"), call->argv[1], call->argv[2], call->argv[3],
                           call->argv[4]};
    call_effect(call, COUNT_OF(argv), argv);
}

void list_brpoplpush(struct call *call)
{
    uint64_t until_us;
    if (!call_block_until(call, call->argv[3], false, &until_us) ||
        move_or_block(call, false, true, until_us))
        return;
    struct slice argv[] = {SLICE("RPOPLPUSH"), call->argv[1], call->argv[2]};
    call_effect(call, COUNT_OF(argv), argv);
}

/* ---- BLMPOP ---- */

void list_blmpop(struct call *call)
{
    struct list_mpop what;
    uint64_t until_us;
    if (list_read_mpop(call, 2, &what) && call_block_until(call, call->argv[1], false, &until_us) &&
        !list_mpop(call, &what))
        block_or_null(call, until_us);
}
