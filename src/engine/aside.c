/* aside.c - a lane without clients, and the thread that runs what is posted to it.
 *
 * What is posted is a waiter (engine/waiter.h) that stands in no queue and was claimed when it was
 * made, so that only this thread ends it. Its call is run as block_serve.c runs that of a client
 * whose key became ready, and its reply goes back to the client's lane the same way.
 *
 * Between two commands the thread steps back if somebody waited for what was pinned: the lock of
 * the pins is not fair, and commands that run aside one after the other would keep those who free
 * or change values waiting for all of them.
 *
 * It has less claim to a processor than workers have: where they share one, a request does not wait
 * for the end of a time slice.
 */
#include "engine/aside.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "engine/registry.h"
#include "engine/run.h"
#include "engine/waiter.h"
#include "keyspace/pin.h"

#define ASIDE_NICE    5
#define STEP_BACK_US  1000
#define STEP_BACK_MAX 50

struct aside {
    struct lane lane;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t cond;
    bool started, stop;
    pthread_t thread;
};

/* ---- the thread ---- */

/* Lets those go first who were told to wait while something was pinned. */
static void step_back(const struct server *server)
{
    for (int i = 0; i < STEP_BACK_MAX && RELAXED_LOAD(&server->pin_waiters) != 0; i++)
        clock_sleep_us(STEP_BACK_US);
}

static void take_one(struct aside *a)
{
    struct queue_node *node = queue_pop(&a->lane.inbox);
    if (node == NULL)
        return;
    struct lane_message *message = CONTAINER_OF(node, struct lane_message, node);
    step_back(a->lane.server);
    lane_turn(&a->lane);
    message->run(&a->lane, message);
}

static void *run(void *context)
{
    struct aside *a = context;
    mem_thread_join();
    (void)!nice(ASIDE_NICE); /* of this thread alone */
    pthread_setname_np(pthread_self(), "aside");
    pthread_mutex_lock(&a->mutex);
    while (!a->stop) {
        if (queue_is_empty(&a->lane.inbox)) {
            pthread_cond_wait(&a->cond, &a->mutex);
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
    if (!a->started && !a->stop) {
        if (pthread_create(&a->thread, NULL, run, a) != 0)
            PANIC("cannot create a thread");
        a->started = true;
    }
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->mutex);
}

struct aside *aside_new(struct server *server)
{
    struct aside *a = mem_try_zalloc_aligned(CACHE_LINE, sizeof *a);
    ASSERT(a != NULL);
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->cond, NULL);
    lane_init(&a->lane, server, server->lane_count);
    a->lane.wake = wake;
    server->lanes[server->lane_count] = &a->lane;
    RELAXED_STORE(&server->aside_from, ASIDE_ELEMENTS);
    return a;
}

void aside_stop(struct aside *a, uint32_t timeout_ms)
{
    pthread_mutex_lock(&a->mutex);
    bool started = a->started;
    a->stop = true;
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->mutex);
    if (!started)
        return;
    int64_t at = clock_wall_ms() + timeout_ms;
    struct timespec until = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    if (pthread_timedjoin_np(a->thread, NULL, &until) != 0)
        LOG_WARNING("A command that runs aside goes on; it will not be answered");
}

void aside_free(struct aside *a)
{
    struct queue_node *node;
    while ((node = queue_pop(&a->lane.inbox)) != NULL)
        waiter_free(
            CONTAINER_OF(CONTAINER_OF(node, struct lane_message, node), struct waiter, message));
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

static void run_aside(struct lane *lane, struct lane_message *message)
{
    struct waiter *w = CONTAINER_OF(message, struct waiter, message);
    struct server *server = lane->server;
    struct hold hold = lane_hold(lane);
    struct call call = {.aside = ASIDE_RUNS};
    if (!waiter_is_orphan(w)) {
        hold.stats = NULL; /* hits and misses were counted when the handler ran first */
        keyspace_pins_begin(server->keyspace);
        hold_take(&hold, w->shards);
        waiter_run(w, lane, &hold, &call);
        if (lane->has_ready)
            block_serve(lane, &hold);
        if (hold.mask != 0)
            hold_drop(&hold);
        if (call.aside != ASIDE_BACK)
            keyspace_pins_end(server->keyspace);
        wake_waiting(server);
    }
    waiter_post(w, lane, OUTCOME_SERVED);
}

void call_let_go_slow(struct call *call, const struct value *values, uint32_t count)
{
    struct keyspace *ks = call->server->keyspace;
    if (call->aside != ASIDE_RUNS || count > PINS_MAX)
        return;
    call->aside = ASIDE_LET_GO;
    call->aside_mask = call->hold.mask;
    /* What is replied depends on what the log has of these shards until now. */
    if (UNLIKELY(RELAXED_LOAD(&call->server->gate_replies)))
        call->lane->log_gate = MAX_OF(call->lane->log_gate, keyspace_logged(ks, call->hold.mask));
    keyspace_pin(&call->hold, values, count);
    hold_drop(&call->hold);
}

void call_take_back_slow(struct call *call)
{
    if (call->aside != ASIDE_LET_GO)
        return;
    call->aside = ASIDE_BACK;
    keyspace_pins_end(call->server->keyspace);
    hold_take(&call->hold, call->aside_mask);
}

/* ---- a command, on its client's lane ---- */

bool call_aside_slow(struct call *call)
{
    struct server *server = call->server;
    if (call->aside != ASIDE_NOT || server->aside == NULL || !call_may_block(call) ||
        call->hold.mask == HOLD_ALL || call->client == &call->lane->blocking->stand_in)
        return false;
    struct waiter *w = waiter_begin(call, &(struct block_options){0}, 0, WAITER_CLAIMED);
    w->message.run = run_aside;
    lane_post(&server->aside->lane, &w->message);
    return true;
}
