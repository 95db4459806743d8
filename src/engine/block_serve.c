/* block_serve.c - running the commands of those who waited for a key that became ready.
 *
 * The keyspace tells which keys became ready while a command ran; they are noted in the lane, in
 * that order. When the command is done and its effect is in the log, its lane serves the waiters of
 * the first key in the order in which they came, each by running its command again, then those of
 * the next. Keys that became ready by that are noted in turn and served in the next round: so
 * BLMOVE feeds whoever waits for its destination, and a client that waits for two keys that became
 * ready at once is served for the first.
 *
 * All that happens before anybody else sees what the command brought, or others could snatch it
 * away from those who waited. So the shards of everything that may happen are taken before the
 * command runs (call_widen): those of the waiters' other keys, and of the waiters of what they
 * fill. What that misses (a key in the name of no argument, a long chain, a waiter that came when
 * the shards were dropped to take more) is served nevertheless, but the shards are dropped and
 * taken anew in between; a client that never waited may then come first. The mask only ever grows,
 * so each of these loops ends.
 *
 * This lane's own clients are answered in the end of its turn, as all others: those that read while
 * it still works would be woken and go to sleep again between any two. Who was served for another
 * lane is listed, and told when the shards are dropped, but before the command that brought it all
 * is replied to. A few are sent their replies from here (block.c tells when that may be); of many,
 * each lane shall send its own.
 *
 * Commands are run again without being admitted again: their clients were admitted, and an element
 * that a client gets leaves no less room than before.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"
#include "engine/run.h"
#include "engine/waiter.h"

#define DIRECT_MAX       4 /* clients of other lanes: if more are served at once, none is sent to */
#define DIRECT_BYTES_MAX (64 * 1024) /* of one reply: what does not keep this lane for long */

struct ready_key {
    uint64_t hash;
    uint32_t db, name_len;
    /* the name, padded to eight bytes */
};

static size_t record_size(const struct ready_key *ready)
{
    return sizeof *ready + ((ready->name_len + UINT64_C(7)) & ~UINT64_C(7));
}

void block_key_is_ready(struct lane *lane, const struct key *key)
{
    struct bytes *out = &lane->blocking->ready;
    struct ready_key ready = {key->hash, key->db, (uint32_t)key->name.len};
    size_t size = record_size(&ready);
    bytes_reserve(out, size);
    memcpy(out->data + out->len, &ready, sizeof ready);
    memcpy(out->data + out->len + sizeof ready, key->name.data, key->name.len);
    out->len += size;
    lane->has_ready = true;
}

/* ---- shards ---- */

static void retake(struct hold *hold, uint64_t mask)
{
    mask |= hold->mask;
    if (hold->mask != 0)
        hold_drop(hold);
    hold_take(hold, mask);
}

void call_widen(struct call *call, const uint64_t *key_hashes, uint32_t count)
{
    struct hold *hold = &call->hold;
    if (hold->waited == 0)
        return;
    for (;;) {
        uint64_t wanted = hold->mask;
        for (uint32_t i = 0; i < count && wanted != HOLD_ALL; i++)
            wanted |= wait_shards(hold, key_hashes[i]);
        if (LIKELY(wanted == hold->mask))
            return;
        retake(hold, wanted);
    }
}

/* ---- one waiter ---- */

/* The client as its handler sees it: the real one belongs to its lane. */
static struct client *stand_in(struct lane *lane, const struct waiter *w)
{
    struct client *client = &lane->blocking->stand_in;
    client->id = w->client_id;
    client->lane = lane;
    client->flags = w->client_flags;
    client->db = w->db;
    client->resp = w->resp3 ? 3 : 2;
    client->authenticated = true;
    client->name = w->client_name;
    client->user = w->client_user;
    memcpy(client->peer, w->peer, sizeof client->peer);
    return client;
}

static void account(struct call *call, const struct waiter *w, uint64_t us)
{
    uint64_t reply_bytes = w->reply.bytes.len + w->reply.reference_bytes;
    run_count(call, w->index, us);
    if (UNLIKELY(run_is_notable(call, us, reply_bytes)))
        call->server->notable_call(call, us, reply_bytes);
}

void waiter_run(struct waiter *w, struct lane *lane, struct hold *hold, struct call *call)
{
    uint16_t hold_flags = hold->flags;
    uint64_t start_us = clock_ticks_us(), gate = lane->log_gate;
    call->server = lane->server;
    call->lane = lane;
    call->client = stand_in(lane, w);
    call->command = w->command;
    call->parent = w->parent;
    call->argc = w->argc;
    call->argv = w->argv;
    call->reply = &w->reply;
    call->db = w->db;
    call->key_count = w->key_count;
    call->key_at = w->key_at;
    call->key_hash = w->key_hash;
    reply_buffer_init(&w->reply);
    w->reply.resp3 = w->resp3;
    w->reply.muted = w->muted;
    hold->flags = run_hold_flags(lane, w->command, w->client_flags);
    call->hold = *hold;
    lane->log_gate = 0;
    w->command->run(call);
    run_record(call);
    w->log_gate = lane->log_gate;
    lane->log_gate = gate;
    *hold = call->hold;
    hold->flags = hold_flags;
    if (!call->blocked)
        account(call, w, clock_ticks_us() - start_us);
}

static void add_served(struct blocking *b, struct waiter *w)
{
    if (b->served == NULL)
        b->served = w;
    else
        b->last_served->next_served = w;
    b->last_served = w;
    b->served_count++;
}

/* Claimed, all of its shards are held. */
static void run_again(struct lane *lane, struct hold *hold, struct waiter *w)
{
    struct call call = {0};
    waiter_run(w, lane, hold, &call);
    if (call.blocked && waiter_move(w, WAITER_CLAIMED, WAITER_WAITING))
        return;
    waiter_leave_queues(w, hold);
    waiter_ended(w);
    if (w->lane == lane)
        waiter_post(w, lane, OUTCOME_SERVED);
    else
        add_served(lane->blocking, w);
}

/* ---- the waiters of a key ---- */

static bool may_be_served(const struct waiter *w, const struct entry *entry)
{
    return w->on_removal || (entry != NULL && entry_type(entry) == w->type);
}

/* The place in the queue again after its lock was dropped: whoever has this ticket, or the next. */
static struct wait_node *find_place(struct hold *hold, const struct key *key, uint64_t ticket)
{
    struct wait_node *node = wait_first(hold, key);
    while (node != NULL && node->ticket < ticket)
        node = node->next;
    return node;
}

/* Those who stood in the queue when it was taken up: who waits on is not asked twice. */
static void serve_key(struct lane *lane, struct hold *hold, const struct key *key)
{
    if (!(hold->mask & shard_bit(key->hash)))
        retake(hold, shard_bit(key->hash));
    wait_taken_up(hold, key);
    struct wait_node *node = wait_first(hold, key), *next;
    uint64_t last = node != NULL ? wait_last_ticket(node) : 0;
    for (; node != NULL && node->ticket <= last; node = next) {
        struct waiter *w = node->owner;
        struct entry *entry = keyspace_find(hold, key, FIND_PEEK);
        if (entry == NULL && !wait_hears_removals(node))
            return;
        next = node->next;
        if (!may_be_served(w, entry))
            continue;
        if (w->shards & ~hold->mask) {
            uint64_t ticket = node->ticket;
            retake(hold, w->shards);
            next = find_place(hold, key, ticket);
        } else if (waiter_move(w, WAITER_WAITING, WAITER_CLAIMED)) {
            run_again(lane, hold, w);
        }
    }
}

/* ---- telling them ---- */

/* Sends the reply as far as the socket takes it, if that may be done from here and it depends on
 * nothing. True: that was all of it. */
static bool send_directly(struct waiter *w)
{
    uint64_t size = reply_buffer_size(&w->reply);
    uint32_t expected = WAITER_CLAIMED | WAITER_DIRECT;
    if (size == 0 || size > DIRECT_BYTES_MAX || w->log_gate != 0 ||
        !__atomic_compare_exchange_n(&w->state, &expected, WAITER_SENDING, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return false;
    w->sent = w->lane->send_directly(w->client, &w->reply);
    reply_buffer_skip(&w->reply, w->sent);
    bool whole = w->sent == size;
    __atomic_store_n(&w->state, WAITER_SENT, __ATOMIC_RELEASE);
    return whole;
}

static void tell_served(struct lane *lane)
{
    struct blocking *b = lane->blocking;
    bool few = b->served_count <= DIRECT_MAX;
    struct waiter *w = b->served, *next;
    b->served = NULL;
    b->served_count = 0;
    for (; w != NULL; w = next) {
        next = w->next_served;
        bool sent = few && send_directly(w);
        waiter_post(w, lane, sent ? OUTCOME_SENT : OUTCOME_SERVED);
    }
}

static void serve_all(struct lane *lane, struct hold *hold)
{
    struct blocking *b = lane->blocking;
    while (b->ready.len != 0) {
        struct bytes round = b->ready;
        b->ready = b->spare;
        b->spare = (struct bytes){0};
        for (size_t at = 0; at < round.len;) {
            const struct ready_key *ready = (const struct ready_key *)(void *)(round.data + at);
            struct key key = {slice_of((const char *)(ready + 1), ready->name_len), ready->hash,
                              ready->db};
            serve_key(lane, hold, &key);
            at += record_size(ready);
        }
        round.len = 0;
        b->spare = round;
    }
    lane->has_ready = false;
}

void block_serve(struct lane *lane, struct hold *hold)
{
    serve_all(lane, hold);
    if (lane->blocking->served == NULL)
        return;
    if (hold->mask != 0)
        hold_drop(hold);
    tell_served(lane);
}
