/* dispatch.c - the hot path: bytes of one connection in, commands run, replies out.
 *
 *   parse     every complete command of the input, at most BATCH_MAX: arguments are slices of it,
 *             nothing is copied; look the command up, hash its keys, OR their shards' bits
 *   sweep     prefetch the buckets of all keys, then the entries that those name
 *   foresee   for a run of commands on one large value: prefetch the elements they will look up
 *   run       each: admit, hold its shards, run the handler, append the effect to the log, drop
 *             the hold
 *
 * A run of commands that need the same shards keeps the hold. The order of one connection's
 * commands never changes.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/log.h"
#include "base/panic.h"
#include "engine/admit.h"
#include "engine/batch.h"
#include "engine/call.h"
#include "engine/registry.h"
#include "engine/run.h"
#include "engine/settings.h"
#include "engine/waiter.h"
#include "keyspace/pin.h"
#include "persist/persist.h"
#include "plog/plog.h"

#define SLOW_US 500 /* after a command this long the lane's clocks are read again */

struct batch *batch_new(void)
{
    return mem_zalloc(sizeof(struct batch));
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    mem_free(batch->key_at);
    mem_free(batch->key_hash);
    mem_free(batch);
}

/* ---- parse ---- */

static void reserve_keys(struct batch *batch, uint32_t more)
{
    if (LIKELY(batch->key_cap - batch->key_count >= more))
        return;
    batch->key_cap = MAX_OF(batch->key_cap * 2, batch->key_count + more + 256);
    batch->key_at = mem_realloc(batch->key_at, batch->key_cap * sizeof *batch->key_at);
    batch->key_hash = mem_realloc(batch->key_hash, batch->key_cap * sizeof *batch->key_hash);
}

static void add_key(struct batch *batch, struct pending *p, const struct server *server,
                    uint32_t at)
{
    uint64_t hash = hash_bytes(p->argv[at].data, p->argv[at].len, server->seed);
    batch->key_at[batch->key_count] = at;
    batch->key_hash[batch->key_count++] = hash;
    p->key_count++;
    p->mask |= shard_bit(hash);
}

static void locate_keys(struct batch *batch, struct pending *p, const struct server *server)
{
    const struct command *command = p->command;
    p->first_key = batch->key_count;
    if (command->keys[0].flags == 0 && command->find_keys == NULL)
        return;
    reserve_keys(batch, p->argc);
    const struct key_spec *spec = &command->keys[0];
    if (LIKELY(spec->begin == 1 && spec->last == 0 && !spec->counted && spec->keyword == NULL &&
               !(spec->flags & KEY_NOT_KEY) && command->keys[1].flags == 0 &&
               command->find_keys == NULL)) {
        if (p->argc > 1)
            add_key(batch, p, server, 1);
        return;
    }
    uint32_t *positions = batch->key_at + batch->key_count;
    int count = command_find_keys(command, p->argc, p->argv, positions, NULL, p->argc);
    for (int i = 0; i < count; i++)
        add_key(batch, p, server, positions[i]);
}

/* In a pipeline most commands are the one before. True: so is this one. */
static bool same_command(const struct batch *batch, struct pending *p)
{
    const struct pending *last = p - 1;
    if (p == batch->items || last->command == NULL || last->parent != NULL ||
        last->command->subcommands != NULL || last->argv[0].len != p->argv[0].len ||
        !bytes_equal(last->argv[0].data, p->argv[0].data, p->argv[0].len))
        return false;
    p->command = last->command;
    p->index = last->index;
    return true;
}

static void resolve(struct batch *batch, struct pending *p, const struct server *server)
{
    p->parent = NULL;
    p->key_count = 0;
    p->mask = 0;
    p->first_key = batch->key_count;
    if (!same_command(batch, p))
        p->command = registry_find(server->registry, p->argv[0], &p->index);
    if (UNLIKELY(p->command == NULL))
        return;
    if (p->command->subcommands != NULL && p->argc > 1) {
        const struct command *sub =
            registry_find_sub(server->registry, p->command, p->argv[1], &p->index);
        if (sub != NULL) {
            p->parent = p->command;
            p->command = sub;
        }
    }
    locate_keys(batch, p, server);
    if (UNLIKELY(p->command->flags & CMD_WHOLE_KEYSPACE) &&
        (p->command->wants_all == NULL || p->command->wants_all(p->argc, p->argv)))
        p->mask = HOLD_ALL;
}

static enum request_result parse_batch(struct lane *lane, struct client *client, char *data,
                                       size_t len, size_t *parsed, size_t *wanted)
{
    struct batch *batch = lane->batch;
    const struct settings *settings = lane->server->settings;
    struct request_limits limits = {
        .multibulk_max = REQUEST_MULTIBULK_MAX,
        .bulk_max = RELAXED_LOAD(&settings->proto_max_bulk_len),
        .authenticated = client->authenticated,
    };
    uint32_t max = client->authenticated ? BATCH_MAX : 1;
    enum request_result result = REQUEST_READY;
    request_vector_reset(&lane->arguments);
    batch->count = 0;
    batch->foreseen = 0;
    batch->key_count = 0;
    while (batch->count < max && *parsed < len) {
        struct request request;
        char *at = data + *parsed;
        result = request_parse(&client->parser, &limits, &lane->arguments, at, len - *parsed,
                               &request, wanted);
        if (result != REQUEST_READY)
            break;
        *parsed += request.size;
        if (UNLIKELY(request.argc == 0)) {
            /* Nothing to run; but what was consumed must count even if nothing follows. */
            if (batch->count != 0)
                batch->items[batch->count - 1].end = *parsed;
            continue;
        }
        struct pending *p = &batch->items[batch->count++];
        p->argc = request.argc;
        p->argv = request.argv;
        p->raw = *at == '*' ? slice_of(at, request.size) : slice_of(NULL, 0);
        p->end = *parsed;
        resolve(batch, p, lane->server);
    }
    return result;
}

static void sweep(const struct lane *lane, const struct client *client)
{
    const struct batch *batch = lane->batch;
    uint32_t last = batch->key_count - 1;
    if (batch->key_count < 2)
        return; /* nothing to overlap with */
    if (batch->key_hash[0] == batch->key_hash[last] &&
        batch->key_hash[0] == batch->key_hash[last / 2])
        return; /* most probably all commands are for one key */
    /* Strings that matter here are in their entries; the first command stands for all. */
    const struct command *command = batch->items[0].command;
    bool values = command != NULL && command->group >= GROUP_LIST && command->group <= GROUP_GEO;
    for (uint32_t i = 0; i < batch->key_count; i += KEYSPACE_SWEEP)
        keyspace_prefetch(lane->server->keyspace, client->db, batch->key_hash + i,
                          MIN_OF(batch->key_count - i, (uint32_t)KEYSPACE_SWEEP), values);
}

/* ---- foresee ---- */

static bool same_key(const struct batch *batch, const struct pending *a, const struct pending *b)
{
    return b->mask == a->mask && b->key_count != 0 &&
           batch->key_hash[b->first_key] == batch->key_hash[a->first_key];
}

/* Prefetches the elements that a command, whose shards are held, and those behind it for the same
 * key will look up. */
static NOINLINE void foresee(struct batch *batch, const struct pending *p, const struct hold *hold,
                             uint32_t db)
{
    const struct pending *end = batch->items + batch->count, *q = p;
    struct slice names[VALUE_AHEAD];
    size_t count = 0;
    for (; q < end && count < VALUE_AHEAD && same_key(batch, p, q); q++) {
        uint32_t step = q->command->element_step != 0 ? q->command->element_step : q->argc;
        if (q->command->element_at == 0)
            break;
        for (uint32_t at = q->command->element_at; at < q->argc && count < VALUE_AHEAD; at += step)
            names[count++] = q->argv[at];
    }
    batch->foreseen = (uint32_t)(q - batch->items);
    if (count < 2)
        return; /* nothing to overlap with */
    uint32_t key = p->first_key;
    struct key first = {
        .name = p->argv[batch->key_at[key]], .hash = batch->key_hash[key], .db = db};
    keyspace_prefetch_elements(hold, &first, names, count);
}

/* ---- run ---- */

/* The first words of an HTTP request: a browser may have been tricked into sending commands of
 * others in its body, so nothing after them may run. */
static bool is_http(const struct call *call)
{
    return slice_is(call->argv[0], "post") || slice_is(call->argv[0], "host:");
}

static void unknown_command(struct call *call)
{
    if (UNLIKELY(is_http(call))) {
        LOG_VERBOSE("Client %s speaks HTTP: closing its connection", call->client->peer);
        RELAXED_STORE(&call->client->flags, call->client->flags | CLIENT_CLOSE_NOW);
        return;
    }
    char args[160];
    size_t len = 0;
    for (uint32_t i = 1; i < call->argc && len < 128; i++) {
        size_t take = strnlen(call->argv[i].data, MIN_OF(call->argv[i].len, 128 - len));
        args[len++] = '\'';
        memcpy(args + len, call->argv[i].data, take);
        len += take;
        args[len++] = '\'';
        args[len++] = ' ';
    }
    call_errorf(call, "ERR unknown command '%.*s', with args beginning with: %.*s",
                (int)MIN_OF(call->argv[0].len, 128), call->argv[0].data, (int)len, args);
}

/* What is wrong with the command as such, before anything else is asked. False: an error was
 * replied. */
static bool check_shape(struct call *call)
{
    const struct command *command = call->command;
    if (UNLIKELY(command == NULL)) {
        unknown_command(call);
        return false;
    }
    if (UNLIKELY(command->flags & CMD_PARENT && command->run == NULL && call->argc > 1)) {
        call_unknown_subcommand(call);
        return false;
    }
    bool fits = command->arity >= 0 ? call->argc == (uint32_t)command->arity
                                    : call->argc >= (uint32_t)-command->arity;
    if (UNLIKELY(!fits)) {
        call_wrong_arity(call);
        return false;
    }
    return true;
}

/* Appends what the command changed to the log, and notes which log offset the reply depends on. */
ALWAYS_INLINE void record_effect(struct call *call)
{
    struct server *server = call->server;
    struct lane *lane = call->lane;
    if (call->changes != 0 && !(call->client->flags & CLIENT_INTERNAL)) {
        /* Without the shards of what changed the log's order would not be the order of changes. */
        DEBUG_ASSERT(!(call->command->flags & CMD_NO_HOLD));
        OWNER_ADD(&lane->stats.dirty, call->changes);
        if (plog_is_active(server->plog)) {
            struct slice record = call_record(call);
            if (record.len != 0) {
                enum plog_class class = call->command->flags & CMD_SHRINK ? PLOG_SHRINK : PLOG_GROW;
                uint64_t end = plog_append(server->plog, call->db, record, class);
                keyspace_note_logged(&call->hold, end);
            }
        }
    }
    if (UNLIKELY(RELAXED_LOAD(&server->gate_replies))) {
        /* A handler that took shards by itself may have looked at any. */
        bool any = call->command->flags & CMD_NO_HOLD;
        uint64_t logged = keyspace_logged(server->keyspace, any ? HOLD_ALL : call->hold.mask);
        lane->log_gate = MAX_OF(lane->log_gate, logged);
    }
}

void run_record(struct call *call)
{
    record_effect(call);
}

static void set_reply_mode(struct call *call)
{
    struct client *client = call->client;
    call->reply->resp3 = client->resp == 3;
    if (LIKELY(!(client->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT))))
        return;
    uint32_t flags = client->flags & ~(uint32_t)(CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT);
    if (client->flags & CLIENT_REPLY_SKIP_NEXT)
        flags |= CLIENT_REPLY_SKIP;
    RELAXED_STORE(&client->flags, flags);
    call->reply->muted = (flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) != 0;
}

ALWAYS_INLINE void count_call(struct call *call, uint32_t index, uint64_t us)
{
    if (UNLIKELY(call->failed | call->blocked)) {
        if (call->blocked) /* counted when it has an answer */
            return;
        OWNER_ADD(&call->lane->command_stats[index].failed, 1);
    }
    struct command_stats *stats = &call->lane->command_stats[index];
    OWNER_ADD(&stats->calls, 1);
    OWNER_ADD(&stats->us, us);
    OWNER_ADD(&stats->by_time[command_time_bucket(us)], 1);
}

void run_count(struct call *call, uint32_t index, uint64_t us)
{
    count_call(call, index, us);
}

ALWAYS_INLINE uint64_t reply_size(const struct reply_buffer *reply)
{
    return reply->bytes.len + reply->reference_bytes;
}

/* Whether somebody above wants to hear of this call. */
ALWAYS_INLINE bool is_notable(const struct call *call, uint64_t us, uint64_t reply_bytes)
{
    const struct server *server = call->server;
    return server->notable_call != NULL &&
           (us >= RELAXED_LOAD(&server->notable_us) ||
            call->raw.len >= RELAXED_LOAD(&server->notable_request_bytes) ||
            reply_bytes >= RELAXED_LOAD(&server->notable_reply_bytes)) &&
           !call->blocked;
}

bool run_is_notable(const struct call *call, uint64_t us, uint64_t reply_bytes)
{
    return is_notable(call, us, reply_bytes);
}

/* Clients wait for keys of these shards: whoever waited for what the command brings is served
 * before the shards are dropped. That is not the command's time. */
static NOINLINE void run_watched(struct call *call, uint64_t *clock_us)
{
    struct lane *lane = call->lane;
    if (!(call->command->flags & CMD_READONLY))
        call_widen(call, call->key_hash, call->key_count);
    call->command->run(call);
    run_record(call);
    if (!lane->has_ready)
        return;
    uint64_t start_us = clock_ticks_us();
    block_serve(lane, &call->hold);
    uint64_t us = clock_ticks_us() - start_us;
    *clock_us += us;
    if (us > SLOW_US)
        lane_turn(lane);
}

/* Whether the command has to wait because it may change a value in place that a save has to capture
 * first, or that a command that runs aside reads; its shards are held. */
static NOINLINE bool must_wait(struct call *call)
{
    uint16_t flags[BATCH_MAX];
    uint32_t positions[BATCH_MAX];
    struct persist *persist = call->server->persist;
    if (!(call->command->flags & CMD_WRITE) || call->client->flags & CLIENT_INTERNAL)
        return false;
    int count =
        command_find_keys(call->command, call->argc, call->argv, positions, flags, BATCH_MAX);
    for (int i = 0; i < count; i++) {
        struct key key = call_key(call, positions[i]);
        /* XREADGROUP changes what it says to read. */
        if (!(flags[i] & KEY_RW) && !(call->command->flags & CMD_BLOCKING))
            continue;
        bool pinned = keyspace_is_pinned(&call->hold, &key);
        if (pinned || (persist != NULL && persist_must_wait(persist, &call->hold, &key))) {
            admit_after_use(call, pinned);
            return true;
        }
    }
    return false;
}

/* Runs one admitted command under its hold. *hold is kept from the last command if it fits. False:
 * it has to wait (must_wait). */
static bool run_held(struct call *call, const struct pending *p, struct hold *hold,
                     uint64_t *clock_us)
{
    struct lane *lane = call->lane;
    struct batch *batch = lane->batch;
    if (hold->mask != p->mask) {
        if (hold->mask != 0)
            hold_drop(hold);
        hold_take(hold, p->mask);
    }
    uint16_t flags = UNLIKELY(call->client->flags & CLIENT_INTERNAL)
                         ? HOLD_NO_TOUCH | HOLD_LOADING
                         : run_hold_flags(lane, call->command, call->client->flags);
    call->hold = *hold;
    call->hold.now_ms = lane->now_ms; /* into the copy: copying what was just written would stall */
    call->hold.flags = flags;
    if (p->key_count != 0 &&
        UNLIKELY(keyspace_epoch_active(hold->keyspace) || keyspace_has_pins(hold->keyspace)) &&
        must_wait(call)) {
        hold->mask = call->hold.mask;
        return false;
    }
    if (call->command->element_at != 0 && p >= batch->items + batch->foreseen)
        foresee(batch, p, &call->hold, call->db);
    if (LIKELY(hold->waited == 0)) {
        call->command->run(call);
        record_effect(call);
    } else {
        run_watched(call, clock_us);
    }
    *hold = call->hold; /* handlers without declared keys take and drop shards of their own */
    return true;
}

/* The command was not admitted yet; flags: of the client before it. */
static void run_later(struct lane *lane, struct client *client, uint32_t flags)
{
    lane->reply.muted = false;
    RELAXED_STORE(&client->flags, flags); /* CLIENT REPLY SKIP is for when it runs */
    client_wait(client);
}

/* True: go on with the next command. False: stop here, *run tells whether this one was run (or
 * rejected). */
static bool run_pending(struct lane *lane, struct client *client, const struct pending *p,
                        struct hold *hold, uint64_t *clock_us, bool quiet, bool *ran)
{
    const struct batch *batch = lane->batch;
    struct call call;
    call.server = lane->server;
    call.lane = lane;
    call.client = client;
    call.command = p->command;
    call.parent = p->parent;
    call.argc = p->argc;
    call.argv = p->argv;
    call.raw = p->raw;
    call.reply = &lane->reply;
    call.db = client->db;
    call.key_count = p->key_count;
    call.key_at = batch->key_at + p->first_key;
    call.key_hash = batch->key_hash + p->first_key;
    call.changes = 0;
    call.effect_replaced = false;
    call.effect_count = 0;
    call.failed = false;
    call.blocked = false;
    call.aside = ASIDE_NOT;
    call.hold.mask = 0;
    *ran = true;
    uint32_t flags_before = client->flags;
    set_reply_mode(&call);
    bool fits = check_shape(&call);
    enum admission admission = !fits                          ? ADMIT_REJECTED
                               : quiet && call.key_count != 0 ? admit_quietly(&call)
                                                              : admit(&call);
    if (UNLIKELY(admission == ADMIT_WAIT)) {
        *ran = false;
        run_later(lane, client, flags_before);
        return false;
    }
    if (UNLIKELY(admission == ADMIT_REJECTED)) {
        if (p->command != NULL)
            OWNER_ADD(&lane->command_stats[p->index].rejected, 1);
        lane->reply.muted = false;
        return !(client->flags & CLIENT_CLOSE_NOW);
    }
    RELAXED_STORE(&client->last, p->command);
    RELAXED_STORE(&client->last_parent, p->parent);
    uint64_t reply_before = reply_size(&lane->reply);
    if (UNLIKELY(!run_held(&call, p, hold, clock_us))) {
        *ran = false;
        run_later(lane, client, flags_before);
        return false;
    }
    uint64_t reply_bytes = reply_size(&lane->reply) - reply_before;
    uint64_t end_us = clock_ticks_us(), us = end_us - *clock_us;
    *clock_us = end_us;
    count_call(&call, p->index, us);
    lane->reply.muted = false;
    bool notable = is_notable(&call, us, reply_bytes);
    if (UNLIKELY(us > SLOW_US || notable)) {
        if (hold->mask != 0)
            hold_drop(hold);
        if (notable)
            lane->server->notable_call(&call, us, reply_bytes);
        lane_turn(lane);
        *clock_us = clock_ticks_us();
    }
    return !(client->flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_NOW | CLIENT_DEFERRED));
}

/* Whether memory must be looked at before this command: a few bytes of input may ask for much. */
static bool room_is_due(const struct lane *lane, const struct pending *p)
{
    return UNLIKELY(lane->room_until != UINT64_MAX) && p->command != NULL &&
           p->command->flags & CMD_DENYOOM && mem_thread_allocated() >= lane->room_until;
}

/* Runs the batch; returns how many bytes of the input are done with. */
static size_t run_batch(struct lane *lane, struct client *client, size_t parsed, bool *stopped)
{
    const struct batch *batch = lane->batch;
    struct hold hold = {.keyspace = lane->server->keyspace,
                        .lane = lane->index,
                        .stats = &lane->stats.keyspace,
                        .owner = lane};
    uint64_t clock_us = clock_ticks_us();
    uint32_t run = 0;
    bool go_on = true, quiet = admit_is_quiet(lane, client);
    for (; run < batch->count && go_on; run++) {
        bool ran;
        const struct pending *p = &batch->items[run];
        if (UNLIKELY(room_is_due(lane, p))) {
            if (hold.mask != 0)
                hold_drop(&hold);
            admit_make_room(lane);
            quiet = admit_is_quiet(lane, client);
        }
        go_on = run_pending(lane, client, p, &hold, &clock_us, quiet, &ran);
        if (!ran)
            break;
        if (p->key_count == 0)
            quiet = admit_is_quiet(lane, client);
    }
    if (hold.mask != 0)
        hold_drop(&hold);
    OWNER_ADD(&lane->stats.commands, run);
    RELAXED_STORE(&client->commands, client->commands + run);
    *stopped = run < batch->count || !go_on;
    if (run == batch->count)
        return parsed;
    return run == 0 ? 0 : batch->items[run - 1].end;
}

static enum feed_result feed_bad(struct lane *lane, struct client *client)
{
    lane->reply.resp3 = client->resp == 3;
    lane_count_error(lane, "ERR", 3);
    reply_errorf(&lane->reply, "ERR %s", client->parser.error);
    return FEED_CLOSE;
}

enum feed_result lane_feed(struct lane *lane, struct client *client, char *data, size_t len,
                           size_t *consumed, size_t *wanted)
{
    *consumed = 0;
    *wanted = 0;
    RELAXED_STORE(&client->active_ms, lane->now_ms);
    if (UNLIKELY(RELAXED_LOAD(&lane->server->settings->maxmemory) > 0))
        admit_make_room(lane);
    while (*consumed < len) {
        if (UNLIKELY(client->flags & (CLIENT_DEFERRED | CLIENT_PAUSED)))
            return FEED_STOPPED;
        size_t parsed = 0;
        enum request_result result =
            parse_batch(lane, client, data + *consumed, len - *consumed, &parsed, wanted);
        sweep(lane, client);
        bool stopped;
        size_t done = run_batch(lane, client, parsed, &stopped);
        *consumed += done;
        if (UNLIKELY(stopped)) {
            if (client->flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_NOW))
                return FEED_CLOSE;
            /* What was parsed ahead is parsed again later, from its first byte. */
            request_parser_free(&client->parser);
            request_parser_init(&client->parser);
            return FEED_STOPPED;
        }
        if (UNLIKELY(result == REQUEST_BAD))
            return feed_bad(lane, client);
        if (result == REQUEST_INCOMPLETE)
            break;
        if (UNLIKELY(lane->reply.bytes.len + lane->reply.reference_bytes >= LANE_REPLY_MAX &&
                     *consumed < len))
            return FEED_FULL;
    }
    return FEED_MORE;
}

bool lane_execute(struct lane *lane, struct client *client, uint32_t db, uint32_t argc,
                  const struct slice *argv, const char **why)
{
    static _Thread_local char reason[128];
    struct batch *batch = lane->batch;
    ASSERT(client->flags & CLIENT_INTERNAL && argc > 0);
    batch->key_count = 0;
    batch->count = 1;
    batch->foreseen = 1; /* nothing to overlap with */
    struct pending *p = &batch->items[0];
    p->argc = argc;
    p->argv = (struct slice *)argv;
    p->raw = slice_of(NULL, 0);
    client->db = db;
    reply_buffer_clear(&lane->reply);
    resolve(batch, p, lane->server);
    bool stopped;
    run_batch(lane, client, 0, &stopped);
    const struct bytes *reply = &lane->reply.bytes;
    bool good = reply->len == 0 || reply->data[0] != '-';
    if (!good) {
        size_t len = MIN_OF(reply->len - 1, sizeof reason - 1);
        while (len > 0 && (reply->data[len] == '\n' || reply->data[len] == '\r'))
            len--;
        memcpy(reason, reply->data + 1, len);
        reason[len] = '\0';
        *why = reason;
    }
    reply_buffer_clear(&lane->reply);
    return good;
}
