/* aside.c - a lane without clients, and the thread that runs what is posted to it.
 *
 * What is posted is a waiter (engine/waiter.h) that stands in no queue and was claimed when it was
 * made, so that only this thread ends it. Its call is run as block_serve.c runs that of a client
 * whose key became ready, and its reply goes back to the client's lane the same way.
 *
 * What a command that lets its shards go puts into the keyspace afterwards must be what it would
 * have made of the values that it finds then, because the log has the command itself, at the place
 * of its end. So when the shards are taken back, what was found under the keys it reads is compared
 * with what is there now. If that is something else, all is done once more; and if
 * somebody was faster again, with the shards held all the time.
 *
 * While clients are paused (CLIENT PAUSE, DEBUG RELOAD) nothing begins here that the pause is
 * about, and nothing ends. A command that changes something runs even if its client is gone: it was
 * admitted, and would have been run before that.
 *
 * Between two commands the thread steps back if somebody waited to change what was pinned: else
 * commands that run aside one after the other would keep him waiting for all of them.
 *
 * It makes way for workers (base/pace.h): whatever goes from node to node of a large value calls
 * pace().
 */
#include "engine/aside.h"

#include <pthread.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "engine/block.h"
#include "engine/registry.h"
#include "engine/run.h"
#include "engine/waiter.h"
#include "keyspace/pin.h"

#define STEP_BACK_US  1000
#define STEP_BACK_MAX 50
#define PAUSE_LOOK_US 1000 /* between two looks whether clients are still paused */
#define TRIES_MAX     2    /* of a command, before it keeps its shards */

/* What was under a key that a command reads, even if it changes it in the end. */
struct source {
    uint32_t at;       /* argument */
    const void *value; /* NULL: none */
};

struct aside {
    struct lane lane;

    /* The thread's, of the command that runs. */
    uint64_t mask; /* of the hold that was let go */
    struct source *sources;
    uint32_t source_count;

    struct queue paused; /* the thread's: those that wait for the end of a pause */

    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool started, stop; /* written under the mutex; atomic */
    pthread_t thread;
};

/* ---- the thread ---- */

/* Lets those go first who were told to wait while something was pinned. */
static void step_back(const struct server *server)
{
    for (int i = 0; i < STEP_BACK_MAX && RELAXED_LOAD(&server->pin_waiters) != 0; i++)
        clock_sleep_us(STEP_BACK_US);
}

static bool is_stopping(const struct aside *a)
{
    return __atomic_load_n(&a->stop, __ATOMIC_ACQUIRE);
}

/* Whether the clients who send such commands are paused. */
static bool is_held_back(const struct server *server, const struct command *command)
{
    return UNLIKELY(RELAXED_LOAD(&server->pause_until_ms) != 0) &&
           server_is_paused(server, clock_wall_ms()) &&
           (RELAXED_LOAD(&server->pause_all) || command->flags & (CMD_WRITE | CMD_MAY_REPLICATE));
}

static struct waiter *waiter_of(struct queue_node *node)
{
    return CONTAINER_OF(CONTAINER_OF(node, struct lane_message, node), struct waiter, message);
}

static void take_one(struct aside *a)
{
    struct server *server = a->lane.server;
    bool was_paused = !queue_is_empty(&a->paused) && !server_is_paused(server, clock_wall_ms());
    struct queue_node *node = queue_pop(was_paused ? &a->paused : &a->lane.inbox);
    if (node == NULL)
        return;
    if (is_held_back(server, waiter_of(node)->command)) {
        queue_push(&a->paused, node);
        return;
    }
    step_back(server);
    lane_turn(&a->lane);
    pace_keep(true); /* except between call_let_go and call_take_back */
    waiter_of(node)->message.run(&a->lane, &waiter_of(node)->message);
}

/* The mutex is held. */
static void wait_for_more(struct aside *a)
{
    if (queue_is_empty(&a->paused)) {
        pthread_cond_wait(&a->cond, &a->mutex);
        return;
    }
    pthread_mutex_unlock(&a->mutex);
    clock_sleep_us(PAUSE_LOOK_US);
    pthread_mutex_lock(&a->mutex);
}

static void *run(void *context)
{
    struct aside *a = context;
    mem_thread_join();
    pace_background();
    pthread_setname_np(pthread_self(), "aside");
    pthread_mutex_lock(&a->mutex);
    while (!a->stop) {
        bool paused = server_is_paused(a->lane.server, clock_wall_ms());
        if (queue_is_empty(&a->lane.inbox) && (paused || queue_is_empty(&a->paused))) {
            wait_for_more(a);
            continue;
        }
        pthread_mutex_unlock(&a->mutex);
        take_one(a);
        pthread_mutex_lock(&a->mutex);
    }
    pthread_mutex_unlock(&a->mutex);
    mem_thread_leave();
    return NULL;
}

static struct aside *aside_of(struct lane *lane)
{
    return CONTAINER_OF(lane, struct aside, lane);
}

static void wake(struct lane *lane)
{
    struct aside *a = aside_of(lane);
    pthread_mutex_lock(&a->mutex);
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->mutex);
}

/* Whether there is a thread: it is begun when it is first asked for. */
static bool is_running(struct aside *a)
{
    if (LIKELY(__atomic_load_n(&a->started, __ATOMIC_ACQUIRE)))
        return !is_stopping(a);
    pthread_mutex_lock(&a->mutex);
    if (!a->started && !a->stop && pthread_create(&a->thread, NULL, run, a) == 0)
        __atomic_store_n(&a->started, true, __ATOMIC_RELEASE);
    bool running = a->started && !a->stop;
    pthread_mutex_unlock(&a->mutex);
    return running;
}

struct aside *aside_new(struct server *server)
{
    struct aside *a = mem_try_zalloc_aligned(CACHE_LINE, sizeof *a);
    ASSERT(a != NULL);
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->cond, NULL);
    lane_init(&a->lane, server, server->lane_count);
    queue_init(&a->paused);
    a->lane.wake = wake;
    server->lanes[server->lane_count] = &a->lane;
    RELAXED_STORE(&server->aside_from, ASIDE_ELEMENTS);
    return a;
}

void aside_stop(struct aside *a, uint32_t timeout_ms)
{
    pthread_mutex_lock(&a->mutex);
    bool started = a->started;
    __atomic_store_n(&a->stop, true, __ATOMIC_RELEASE);
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->mutex);
    if (!started)
        return;
    int64_t at = clock_wall_ms() + timeout_ms;
    struct timespec until = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    if (pthread_timedjoin_np(a->thread, NULL, &until) == 0)
        __atomic_store_n(&a->started, false, __ATOMIC_RELEASE);
    else
        LOG_WARNING("A command that runs aside goes on; it will not be answered");
}

static void drop_all(struct queue *queue)
{
    struct queue_node *node;
    while ((node = queue_pop(queue)) != NULL)
        waiter_free(waiter_of(node));
}

void aside_free(struct aside *a)
{
    drop_all(&a->lane.inbox);
    drop_all(&a->paused);
    a->lane.server->lanes[a->lane.index] = NULL;
    lane_free(&a->lane);
    pthread_cond_destroy(&a->cond);
    pthread_mutex_destroy(&a->mutex);
    mem_free(a);
}

/* ---- a command, on the thread ---- */

static void ask_again(struct lane *lane, struct lane_message *message)
{
    lane->next_slice_us = 0;
    mem_free(message);
}

/* Those who wait to change what was pinned try again now. */
static void wake_waiting(struct server *server)
{
    if (LIKELY(RELAXED_LOAD(&server->pin_waiters) == 0))
        return;
    for (unsigned i = 0; i < server->lane_count; i++) {
        struct lane_message *message = mem_alloc(sizeof *message);
        message->run = ask_again;
        lane_post(server->lanes[i], message);
    }
}

/* Takes the shards, once no pause forbids it. False: the server stops; nothing is held. */
static bool take_shards(struct aside *a, struct call *call, uint64_t mask)
{
    struct server *server = a->lane.server;
    for (;;) {
        while (is_held_back(server, call->command) && !is_stopping(a))
            clock_sleep_us(PAUSE_LOOK_US);
        if (is_stopping(a))
            return false;
        hold_take(&call->hold, mask);
        if (!(call->command->flags & CMD_READONLY))
            call_widen(call, call->key_hash, call->key_count);
        /* A pause that begins from now on is followed by a hold of all shards, if it matters. */
        if (!is_held_back(server, call->command))
            return true;
        mask = call->hold.mask;
        hold_drop(&call->hold);
    }
}

/* Runs the command once. ASIDE_STALE: it did nothing. */
static enum call_aside run_once(struct aside *a, struct waiter *w, enum call_aside how)
{
    struct lane *lane = &a->lane;
    struct keyspace *ks = lane->server->keyspace;
    struct keyspace_stats *stats = &lane->stats.keyspace;
    struct call call = {.hold = lane_hold(lane),
                        .command = w->command,
                        .key_count = w->key_count,
                        .key_hash = w->key_hash};
    keyspace_pins_begin(ks);
    if (!take_shards(a, &call, w->shards))
        return ASIDE_STALE;
    struct hold hold = call.hold;
    call = (struct call){.aside = (uint8_t)how};
    uint64_t hits = stats->hits, misses = stats->misses;
    waiter_run(w, lane, &hold, &call);
    RELAXED_STORE(&stats->hits, hits); /* they were counted when the handler ran first */
    RELAXED_STORE(&stats->misses, misses);
    if (lane->has_ready)
        block_serve(lane, &hold);
    if (hold.mask != 0)
        hold_drop(&hold);
    keyspace_pins_end(ks);
    wake_waiting(lane->server);
    if (call.aside == ASIDE_STALE)
        reply_buffer_free(&w->reply);
    return call.aside;
}

static void run_aside(struct lane *lane, struct lane_message *message)
{
    struct aside *a = aside_of(lane);
    struct waiter *w = CONTAINER_OF(message, struct waiter, message);
    if (!waiter_is_orphan(w) || w->command->flags & CMD_WRITE) {
        enum call_aside how = ASIDE_RUNS;
        for (int tries = 1; run_once(a, w, how) == ASIDE_STALE && !is_stopping(a); tries++)
            how = tries < TRIES_MAX ? ASIDE_RUNS : ASIDE_KEEPS;
    }
    mem_free(a->sources);
    a->sources = NULL;
    a->source_count = 0;
    waiter_post(w, lane, OUTCOME_SERVED);
}

/* ---- what it looked at ---- */

static const void *value_at(const struct call *call, uint32_t at)
{
    struct hold peek = call->hold;
    peek.flags |= HOLD_READER; /* what has expired stays, and is none */
    struct key key = call_key(call, at);
    const struct entry *e = keyspace_find(&peek, &key, FIND_PEEK);
    if (e == NULL)
        return NULL;
    return entry_type(e) != TYPE_STRING ? entry_value(e).pointer : e;
}

static void note_sources(struct aside *a, const struct call *call)
{
    a->source_count = 0;
    if (!(call->command->flags & CMD_WRITE))
        return;
    uint32_t *positions = mem_alloc(call->argc * sizeof *positions);
    uint16_t *flags = mem_alloc(call->argc * sizeof *flags);
    int count =
        command_find_keys(call->command, call->argc, call->argv, positions, flags, call->argc);
    a->sources = mem_realloc(a->sources, call->argc * sizeof *a->sources);
    for (int i = 0; i < count; i++)
        if (flags[i] & (KEY_RO | KEY_RW))
            a->sources[a->source_count++] =
                (struct source){positions[i], value_at(call, positions[i])};
    mem_free(positions);
    mem_free(flags);
}

static bool sources_are_same(const struct aside *a, const struct call *call)
{
    for (uint32_t i = 0; i < a->source_count; i++)
        if (value_at(call, a->sources[i].at) != a->sources[i].value)
            return false;
    return !keyspace_pins_are_broken(call->server->keyspace);
}

void call_let_go_slow(struct call *call, const struct value *values, uint32_t count)
{
    struct aside *a = call->server->aside;
    struct keyspace *ks = call->server->keyspace;
    if (call->aside != ASIDE_RUNS || count > PINS_MAX)
        return;
    call->aside = ASIDE_LET_GO;
    a->mask = call->hold.mask;
    /* What is replied depends on what the log has of these shards until now. */
    if (UNLIKELY(RELAXED_LOAD(&call->server->gate_replies)))
        call->lane->log_gate = MAX_OF(call->lane->log_gate, keyspace_logged(ks, a->mask));
    note_sources(a, call);
    keyspace_pin(&call->hold, values, count);
    hold_drop(&call->hold);
    pace_keep(false);
}

bool call_take_back_slow(struct call *call)
{
    struct aside *a = call->server->aside;
    struct keyspace *ks = call->server->keyspace;
    if (call->aside != ASIDE_LET_GO)
        return true;
    pace_keep(true);
    keyspace_pins_watch(ks);
    bool taken = take_shards(a, call, a->mask);
    lane_turn(&a->lane);
    call->hold.now_ms = a->lane.now_ms;
    bool same = taken && sources_are_same(a, call);
    keyspace_pins_end(ks);
    call->aside = same ? ASIDE_BACK : ASIDE_STALE;
    if (same)
        return true;
    if (taken)
        hold_drop(&call->hold);
    call->blocked = true; /* nothing is counted */
    return false;
}

/* ---- a command, on its client's lane ---- */

bool call_aside_slow(struct call *call)
{
    struct server *server = call->server;
    if (call->aside != ASIDE_NOT || server->aside == NULL || !call_may_block(call) ||
        call->hold.mask == HOLD_ALL || call->client == &call->lane->blocking->stand_in ||
        !is_running(server->aside))
        return false;
    struct waiter *w = waiter_begin(call, &(struct block_options){0}, 0, WAITER_CLAIMED);
    w->message.run = run_aside;
    lane_post(&server->aside->lane, &w->message);
    return true;
}
