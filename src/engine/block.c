/* block.c - clients that wait for keys: how they begin to, and how their own lane ends it.
 *
 * A waiter is what is left of a call that found nothing: copies of its arguments, and a node in the
 * queue of each of its keys (keyspace/wait.h). It belongs to its client's lane, which alone frees
 * it. Three parties may end it, on different lanes:
 *
 *      who                                   how it ends
 *      the lane that made a key ready        runs the command again, under all shards that the
 *      (block_serve.c)                       waiter needs, and puts its reply into the waiter
 *      the owner                             its time is over, or its client goes away
 *      the lane that runs CLIENT UNBLOCK     as at the end of the time, or with an error
 *
 * and exactly one does, because it has to claim the waiter first, in one atomic step:
 *
 *                                 +------- command blocks again --------+
 *                                 v                                     |
 *      call_block  --------->  WAITING  ---------- claim ---------->  CLAIMED --> SENDING --> SENT
 *                                                                       |
 *                                             client goes away meanwhile v
 *                                                                    ORPHANED
 *
 * So no element is taken for a client that was told that its time is over, and none is told twice.
 * From CLAIMED and ORPHANED whoever claimed it goes on: the owner frees it at once; others take it
 * out of its queues if they hold the shards, and post it to the owner as a message. That is sent
 * even if the client is gone, for the waiter is the owner's to free. An owner whose timeout finds
 * the waiter claimed looks again a little later. What is served for a client that goes away
 * meanwhile is lost with it, as any reply on its way is.
 *
 * SENDING: to wake the owner only to send a few bytes would take as long as all the rest. Most
 * clients that wait have nothing unsent, and then who serves them sends the reply on their socket.
 * The owner says when that is so (WAITER_DIRECT) and then writes nothing itself; while the other
 * sends it neither closes the socket nor frees the client, but waits: one send that does not block.
 * The message tells it what is left to be sent, nothing as a rule. Nobody waits for that message,
 * so the owner is not woken for it, unless the client's next command is there already.
 *
 * Why the command is run again, and by whom it woke: the element is taken before the reply of the
 * command that brought it leaves, and the log has both one after the other, as in Redis. Why on
 * copies and not on the client: the client is its lane's alone.
 *
 * Locks: nodes belong to their shard's lock; the owner takes all of the waiter's shards to leave
 * the queues. client->waiter is cleared under the registry lock before the waiter is freed, so that
 * CLIENT UNBLOCK on another lane, which holds that lock, can claim what it points to; a claimed
 * waiter is not freed before its message is read.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"
#include "engine/registry.h"
#include "engine/run.h"
#include "engine/waiter.h"

#define CLAIMED_RETRY_US 1000 /* a timeout looks again for a waiter that is being served */
#define SENDING_RETRY_US 20   /* so does an owner who has to wait for a send */

struct blocking *blocking_new(void)
{
    return mem_zalloc(sizeof(struct blocking));
}

void blocking_free(struct blocking *b)
{
    if (b == NULL)
        return;
    bytes_free(&b->ready);
    bytes_free(&b->spare);
    mem_free(b->due);
    mem_free(b);
}

/* ---- beginning ---- */

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

/* One allocation: the waiter, its nodes, arguments, keys, and all of the text. */
static struct waiter *waiter_new(const struct call *call, const struct slice *argv, uint32_t nodes)
{
    const char *name = call->client->name, *user = call->client->user;
    size_t text = text_size(name) + text_size(user);
    for (uint32_t i = 0; i < call->argc; i++)
        text += argv[i].len;
    size_t head = aligned(sizeof(struct waiter) + nodes * sizeof(struct wait_node));
    size_t keys = call->key_count * (sizeof(uint64_t) + sizeof(uint32_t));
    size_t size = head + call->argc * sizeof(struct slice) + keys + text;
    char *at = mem_zalloc(size);
    struct waiter *w = (struct waiter *)(void *)at;
    w->size = size;
    w->argv = (struct slice *)(void *)(at + head);
    w->key_hash = (uint64_t *)(void *)(w->argv + call->argc);
    w->key_at = (uint32_t *)(w->key_hash + call->key_count);
    at = (char *)(w->key_at + call->key_count);
    memcpy(w->key_hash, call->key_hash, call->key_count * sizeof *w->key_hash);
    memcpy(w->key_at, call->key_at, call->key_count * sizeof *w->key_at);
    for (uint32_t i = 0; i < call->argc; i++) {
        if (argv[i].len != 0)
            memcpy(at, argv[i].data, argv[i].len);
        w->argv[i] = slice_of(at, argv[i].len);
        at += argv[i].len;
    }
    if (name != NULL)
        w->client_name = memcpy(at, name, text_size(name));
    if (user != NULL)
        w->client_user = memcpy(at + text_size(name), user, text_size(user));
    w->argc = call->argc;
    w->key_count = call->key_count;
    w->node_count = nodes;
    return w;
}

static void describe(struct waiter *w, const struct call *call, const struct block_options *options)
{
    const struct client *client = call->client;
    const struct command *top = call->parent != NULL ? call->parent : call->command;
    w->lane = call->lane;
    w->client = call->client;
    w->until_us = options->until_us;
    w->client_id = client->id;
    w->client_flags = client->flags;
    w->db = call->db;
    w->resp3 = call->reply->resp3;
    w->muted = call->reply->muted;
    w->command = call->command;
    w->parent = call->parent;
    registry_find(call->server->registry, slice_str(top->name), &w->index);
    if (call->parent != NULL)
        registry_find_sub(call->server->registry, top, slice_str(call->command->name), &w->index);
    memcpy(w->peer, client->peer, sizeof w->peer);
    w->type = options->type;
    w->on_removal = options->on_removal;
    for (uint32_t i = 0; i < call->key_count; i++)
        w->shards |= shard_bit(call->key_hash[i]);
}

/* Lines up for each key, in the order of the arguments. */
static void join_queues(struct waiter *w, struct call *call, bool moves)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct key key = {.name = w->argv[w->key_at[i]], .hash = w->key_hash[i], .db = w->db};
        w->nodes[i] = (struct wait_node){.owner = w,
                                         .shards = w->shards,
                                         .feeds = w->key_hash[w->key_count - 1],
                                         .moves = moves,
                                         .on_removal = w->on_removal};
        wait_join(&call->hold, &key, &w->nodes[i]);
    }
}

static void client_goes(struct client *client);

struct waiter *waiter_begin(struct call *call, const struct block_options *options, uint32_t nodes,
                            enum waiter_state state)
{
    struct waiter *w = waiter_new(call, options->argv != NULL ? options->argv : call->argv, nodes);
    describe(w, call, options);
    w->state = state;
    call->blocked = true;
    call_defer(call, w, client_goes);
    __atomic_store_n(&call->client->waiter, w, __ATOMIC_RELEASE);
    return w;
}

void call_block(struct call *call, const struct block_options *options)
{
    call->blocked = true;
    if (call->client == &call->lane->blocking->stand_in) /* it waits on, where it stands */
        return;
    struct client *client = call->client;
    uint32_t nodes = options->keys != 0 ? options->keys : call->key_count;
    ASSERT(call_may_block(call) && nodes > 0 && nodes <= call->key_count);
    struct waiter *w = waiter_begin(call, options, nodes, WAITER_WAITING);
    join_queues(w, call, options->moves);
    due_add(call->lane, w);
    RELAXED_ADD(&call->server->blocked_clients, 1);
    RELAXED_STORE(&client->flags, client->flags | CLIENT_BLOCKED);
}

void call_ready(struct call *call, const struct key *key)
{
    if (UNLIKELY(call->hold.waited != 0))
        wait_signal(&call->hold, key);
}

static bool out_of_range(struct call *call)
{
    call_error(call, "ERR timeout is out of range");
    return false;
}

/* Seconds as whole milliseconds, rounded up: a part of one is not nothing. */
static bool read_seconds(struct call *call, struct slice text, int64_t *ms)
{
    long double seconds;
    if (!number_parse_long_double(text, &seconds)) {
        call_error(call, "ERR timeout is not a float or out of range");
        return false;
    }
    seconds *= 1000;
    if (seconds >= (long double)INT64_MAX)
        return out_of_range(call);
    *ms = seconds <= -1 ? -1 : (int64_t)seconds;
    *ms += *ms >= 0 && (long double)*ms < seconds;
    return true;
}

bool call_block_until(struct call *call, struct slice timeout, bool milliseconds,
                      uint64_t *until_us)
{
    int64_t ms;
    if (!milliseconds && !read_seconds(call, timeout, &ms))
        return false;
    if (milliseconds && !number_parse_i64(timeout, &ms)) {
        call_error(call, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (ms < 0) {
        call_error(call, "ERR timeout is negative");
        return false;
    }
    if (ms > INT64_MAX - call->lane->now_ms)
        return out_of_range(call);
    uint64_t us;
    *until_us = BLOCK_FOR_EVER;
    if (ms != 0 && (__builtin_mul_overflow((uint64_t)ms, UINT64_C(1000), &us) ||
                    __builtin_add_overflow(us, clock_mono_us(), until_us)))
        *until_us = UINT64_MAX - 1;
    return true;
}

/* ---- ending ---- */

void waiter_leave_queues(struct waiter *w, struct hold *hold)
{
    for (uint32_t i = 0; i < w->node_count; i++)
        wait_leave(hold, &w->nodes[i]);
}

void waiter_ended(struct waiter *w)
{
    RELAXED_ADD(&w->lane->server->blocked_clients, (uint32_t)-1);
}

static void take_answer(struct lane *lane, struct lane_message *message);

void waiter_post(struct waiter *w, struct lane *from, enum waiter_outcome outcome)
{
    w->outcome = outcome;
    w->message.run = take_answer;
    if (w->lane == from) /* its turn does not end before the inbox is read */
        queue_push(&from->inbox, &w->message.node);
    else if (outcome == OUTCOME_SENT)
        lane_post_lazily(w->lane, &w->message);
    else
        lane_post(w->lane, &w->message);
}

/* The owner, holding nothing. */
static void leave_on_lane(struct lane *lane, struct waiter *w)
{
    struct hold hold = lane_hold(lane);
    if (w->node_count == 0)
        return;
    hold_take(&hold, w->shards);
    waiter_leave_queues(w, &hold);
    hold_drop(&hold);
}

void waiter_free(struct waiter *w)
{
    reply_buffer_free(&w->reply);
    mem_free(w);
}

/* From here on nobody comes to the waiter by its client. */
static void forget(struct client *client)
{
    lock_take(&client->lane->registry);
    client->waiter = NULL;
    lock_drop(&client->lane->registry);
}

/* The client goes on with what its waiter's reply says. */
static void answer(struct lane *lane, struct waiter *w)
{
    struct client *client = w->client;
    due_remove(lane, w);
    forget(client);
    RELAXED_STORE(&client->flags, client->flags & ~(uint32_t)CLIENT_BLOCKED);
    lane->log_gate = MAX_OF(lane->log_gate, w->log_gate);
    reply_buffer_append(&lane->reply, &w->reply);
    waiter_free(w);
    client_complete(client);
}

/* What it is told when it was not served; counted as the end of the command. */
static void say_outcome(struct lane *lane, struct waiter *w)
{
    struct call call = {.server = lane->server, .lane = lane, .reply = &w->reply};
    reply_buffer_init(&w->reply);
    w->reply.resp3 = w->resp3;
    w->reply.muted = w->muted;
    if (w->outcome == OUTCOME_ERROR)
        call_error(&call, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    else
        reply_null_array(call.reply);
    run_count(&call, w->index, 0);
}

/* What was sent for the owner is counted as if it had sent it. */
static void count_sent(struct lane *lane, const struct waiter *w)
{
    if (w->sent == 0)
        return;
    OWNER_ADD(&lane->stats.bytes_out, w->sent);
    OWNER_ADD(&lane->stats.writes, 1);
    if (w->client != NULL)
        OWNER_ADD(&w->client->bytes_out, w->sent);
}

/* Somebody else has ended it. */
static void take_answer(struct lane *lane, struct lane_message *message)
{
    struct waiter *w = CONTAINER_OF(message, struct waiter, message);
    count_sent(lane, w);
    if (w->outcome == OUTCOME_TIMEOUT || w->outcome == OUTCOME_ERROR) {
        leave_on_lane(lane, w);
        say_outcome(lane, w);
    }
    if (w->client != NULL)
        answer(lane, w);
    else
        waiter_free(w);
}

void block_timeouts(struct lane *lane)
{
    struct waiter *w;
    while ((w = due_first(lane)) != NULL && w->until_us <= lane->now_us) {
        if (!waiter_move(w, WAITER_WAITING, WAITER_CLAIMED)) {
            due_put_off(lane, w, lane->now_us + CLAIMED_RETRY_US);
            continue;
        }
        waiter_ended(w);
        w->outcome = OUTCOME_TIMEOUT;
        leave_on_lane(lane, w);
        say_outcome(lane, w);
        answer(lane, w);
    }
}

static void wait_for_sender(const struct waiter *w)
{
    while (UNLIKELY(waiter_state(w) == WAITER_SENDING))
        clock_sleep_us(SENDING_RETRY_US);
}

void block_allow_direct(struct client *client)
{
    if (client->waiter != NULL)
        __atomic_fetch_or(&client->waiter->state, WAITER_DIRECT, __ATOMIC_RELEASE);
}

struct reply_buffer *block_take_back(struct client *client)
{
    struct waiter *w = client->waiter;
    if (LIKELY(w == NULL))
        return NULL;
    __atomic_fetch_and(&w->state, ~WAITER_DIRECT, __ATOMIC_ACQ_REL);
    wait_for_sender(w);
    return waiter_state(w) == WAITER_SENT && w->sent != 0 && reply_buffer_size(&w->reply) != 0
               ? &w->reply
               : NULL;
}

/* call_defer's cancel. */
static void client_goes(struct client *client)
{
    struct lane *lane = client->lane;
    struct waiter *w = client->deferred;
    forget(client);
    due_remove(lane, w);
    bool mine;
    do {
        wait_for_sender(w);
        mine = waiter_move(w, WAITER_WAITING, WAITER_CLAIMED);
    } while (!mine && !waiter_move(w, WAITER_CLAIMED, WAITER_ORPHANED) &&
             waiter_state(w) != WAITER_SENT);
    w->client = NULL;
    leave_on_lane(lane, w); /* even if another is serving it: waits until that is done */
    if (mine) {
        waiter_ended(w);
        waiter_free(w);
    }
}

/* Under the registry lock of the client's lane. */
static bool end_waiter(struct waiter *w, struct lane *from, bool with_error)
{
    if (w == NULL || !waiter_move(w, WAITER_WAITING, WAITER_CLAIMED))
        return false;
    waiter_ended(w);
    waiter_post(w, from, with_error ? OUTCOME_ERROR : OUTCOME_TIMEOUT);
    return true;
}

size_t block_memory(const struct client *client)
{
    const struct waiter *w = __atomic_load_n(&client->waiter, __ATOMIC_ACQUIRE);
    return w != NULL ? w->size : 0;
}

bool block_is_answered(const struct client *client)
{
    const struct waiter *w = __atomic_load_n(&client->waiter, __ATOMIC_ACQUIRE);
    return w != NULL && waiter_state(w) == WAITER_SENT;
}

bool block_end(struct server *server, struct lane *lane, uint64_t client_id, bool with_error)
{
    bool ended = false, found = false;
    for (unsigned i = 0; i < server->lane_count && !found; i++) {
        struct lane *owner = server->lanes[i];
        lock_take(&owner->registry);
        struct client *client = lane_find_client(owner, client_id);
        found = client != NULL;
        if (found)
            ended =
                end_waiter(__atomic_load_n(&client->waiter, __ATOMIC_ACQUIRE), lane, with_error);
        lock_drop(&owner->registry);
    }
    return ended;
}
