/* worker.c - a thread's loop: clocks at the start of a turn, the lane's background work at its end.
 *
 *      events     connections (session.c), the async handle (inbox, log durable further)
 *      check      ends the turn: lane_tick, gated outboxes, the end of the worker
 *      timer      bounds how long a turn waits for events
 *      deadline   ends the wait when the first blocked client has waited enough
 *      idle       active while lane_tick has more to do: the loop then does not wait
 *
 * The async handle outlives the thread, until worker_free: others may post to a lane that has
 * stopped; nobody reads it then.
 */
#include "net/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "engine/server.h"
#include "engine/settings.h"
#include "net/session.h"

#define QUIET_AFTER 20 /* timer calls without an event until the timer slows down */
#define SWEEP_MIN   16 /* sessions looked at per timer call, and a fraction of all of them */
#define SWEEP_MAX   512
#define SWEEP_PART  100

struct net *net_of(const struct server *server)
{
    return server->lane_count != 0 && server->lanes[0] != NULL ? worker_of(server->lanes[0])->net
                                                               : NULL;
}

void worker_begin_turn_slow(struct worker *w)
{
    w->in_turn = true;
    lane_turn(&w->lane);
}

static void set_tick(struct worker *w, bool quiet)
{
    uint64_t every_ms = quiet ? WORKER_TICK_QUIET_MS : WORKER_TICK_MS;
    w->quiet = quiet;
    uv_timer_set_repeat(&w->timer, every_ms);
    uv_timer_again(&w->timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct worker *w = CONTAINER_OF(timer, struct worker, timer);
    worker_begin_turn(w);
    bool was_quiet = w->quiet;
    bool quiet = ++w->idle_ticks > QUIET_AFTER && w->lane.paused == 0 && !w->stopping;
    if (quiet != was_quiet)
        set_tick(w, quiet);
    uint32_t part = w->lane.client_count / SWEEP_PART * (was_quiet ? 10 : 1);
    session_sweep(w, MIN_OF(MAX_OF(part, (uint32_t)SWEEP_MIN), (uint32_t)SWEEP_MAX));
    /* The loop may now wait for events: whatever wakes it reads the clocks again. */
    w->in_turn = false;
}

static void on_idle(uv_idle_t *idle) {} /* its being active is all it is for */

static void on_async(uv_async_t *async) {} /* the check handle does the work */

static void set_more(struct worker *w, bool more)
{
    w->more = more;
    if (more)
        uv_idle_start(&w->idle, on_idle);
    else
        uv_idle_stop(&w->idle);
}

/* The loop was waiting, or is about to: a turn without waiting, whose tick sees whose time is
 * over. */
static void on_deadline(uv_timer_t *timer)
{
    struct worker *w = CONTAINER_OF(timer, struct worker, deadline);
    w->deadline_us = 0; /* it is set to nothing now */
    set_more(w, true);
}

/* The loop's clock counts whole milliseconds and may be a turn old: rather a little too early, when
 * the tick finds nothing and the rest is waited for, than too late. */
static void set_deadline(struct worker *w)
{
    uint64_t due_us = w->lane.timeout_us, now_us = w->lane.now_us;
    w->deadline_us = due_us;
    if (due_us == UINT64_MAX)
        uv_timer_stop(&w->deadline);
    else
        uv_timer_start(&w->deadline, on_deadline,
                       due_us > now_us ? (due_us - now_us + 999) / 1000 : 0, 0);
}

/* Sessions end as their outboxes drain; the last one ends the loop. */
static void go_on_stopping(struct worker *w)
{
    if (w->lane.client_count != 0 && w->lane.now_us >= w->stop_by_us)
        session_stop_all(w, true);
    if (w->lane.client_count == 0)
        uv_stop(&w->loop);
}

static void on_check(uv_check_t *check)
{
    struct worker *w = CONTAINER_OF(check, struct worker, check);
    worker_begin_turn(w); /* if only a timer or a message woke the loop */
    session_send_parked(w);
    bool more = lane_tick(&w->lane);
    if (UNLIKELY(w->ready != NULL))
        session_run_ready(w);
    if (UNLIKELY(RELAXED_LOAD(&w->durable_moved) != 0)) {
        __atomic_exchange_n(&w->durable_moved, 0, __ATOMIC_ACQ_REL);
        session_run_gated(w);
    }
    if (UNLIKELY(w->parked_count != 0)) /* of clients that could go on only now */
        session_send_parked(w);
    if (UNLIKELY(w->stopping))
        go_on_stopping(w);
    /* What was posted to this lane by what ran since its tick. */
    more |= !queue_is_empty(&w->lane.inbox);
    if (UNLIKELY(w->lane.timeout_us != w->deadline_us))
        set_deadline(w);
    if (UNLIKELY(more != w->more))
        set_more(w, more);
    if (UNLIKELY(w->quiet && w->idle_ticks == 0))
        set_tick(w, false);
    w->in_turn = false;
}

static void wake(struct lane *lane)
{
    uv_async_send(&worker_of(lane)->async);
}

/* ---- start ---- */

int worker_new(struct net *net, unsigned index, struct worker **out)
{
    struct worker *w = mem_try_zalloc_aligned(CACHE_LINE, sizeof *w);
    if (w == NULL)
        return -ENOMEM;
    int error = uv_loop_init(&w->loop);
    if (error == 0 && (error = uv_async_init(&w->loop, &w->async, on_async)) != 0)
        uv_loop_close(&w->loop);
    if (error != 0) {
        mem_free(w);
        return error;
    }
    w->net = net;
    uv_check_init(&w->loop, &w->check);
    uv_idle_init(&w->loop, &w->idle);
    uv_timer_init(&w->loop, &w->timer);
    uv_timer_init(&w->loop, &w->deadline);
    w->deadline_us = UINT64_MAX;
    w->read_buffer = mem_alloc(WORKER_READ_BUFFER);
    w->lane.loop = w;
    w->lane.wake = wake;
    w->lane.client_ready = session_client_ready;
    w->lane.send_directly = session_send_directly;
    lane_init(&w->lane, net->server, index);
    *out = w;
    return 0;
}

/* server-cpulist, "0-7:2,9": ranges of processors with steps. */
static void pin_to_processors(const char *list)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    while (*list != '\0') {
        int from, to, step = 1, used = 0;
        if (sscanf(list, "%d%n", &from, &used) != 1 || from < 0)
            break;
        list += used;
        to = from;
        if (*list == '-' && sscanf(list, "-%d%n", &to, &used) == 1)
            list += used;
        if (*list == ':' && sscanf(list, ":%d%n", &step, &used) == 1)
            list += used;
        for (int i = from; i <= to && i < CPU_SETSIZE && step > 0; i += step)
            CPU_SET(i, &set);
        if (*list != ',')
            break;
        list++;
    }
    if (*list != '\0' || CPU_COUNT(&set) == 0 ||
        pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
        LOG_WARNING("server-cpulist is no list of processors of this machine: ignored");
}

static void run(void *context)
{
    struct worker *w = context;
    const char *processors = w->lane.server->settings->server_cpulist;
    char name[16];
    mem_thread_join();
    snprintf(name, sizeof name, "worker-%u", w->lane.index);
    pthread_setname_np(pthread_self(), name);
    if (processors != NULL && processors[0] != '\0')
        pin_to_processors(processors);
    lane_turn(&w->lane);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    mem_thread_leave();
}

int worker_start(struct worker *w)
{
    uv_check_start(&w->check, on_check);
    uv_timer_start(&w->timer, on_timer, WORKER_TICK_MS, WORKER_TICK_MS);
    int error = uv_thread_create(&w->thread, run, w);
    w->started = error == 0;
    return error;
}

/* ---- stop ---- */

struct stop_message {
    struct lane_message message;
    uint32_t timeout_ms;
};

static void take_stop(struct lane *lane, struct lane_message *message)
{
    struct worker *w = worker_of(lane);
    struct stop_message *stop = CONTAINER_OF(message, struct stop_message, message);
    w->stopping = true;
    w->stop_by_us = lane->now_us + stop->timeout_ms * UINT64_C(1000);
    mem_free(stop);
    set_tick(w, false);
    session_stop_all(w, false);
}

void worker_stop(struct worker *w, uint32_t timeout_ms)
{
    struct stop_message *stop = mem_alloc(sizeof *stop);
    stop->message.run = take_stop;
    stop->timeout_ms = timeout_ms;
    lane_post(&w->lane, &stop->message);
}

void worker_join(struct worker *w)
{
    if (!w->started)
        return;
    uv_thread_join(&w->thread);
    w->started = false;
}

void worker_free(struct worker *w)
{
    ASSERT(!w->started && w->lane.client_count == 0);
    uv_close((uv_handle_t *)&w->async, NULL);
    uv_close((uv_handle_t *)&w->check, NULL);
    uv_close((uv_handle_t *)&w->idle, NULL);
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_close((uv_handle_t *)&w->deadline, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    int error = uv_loop_close(&w->loop);
    ASSERT(error == 0);
    lane_free(&w->lane);
    for (unsigned i = 0; i < WORKER_PARKED; i++)
        reply_buffer_free(&w->parked[i].reply);
    mem_free(w->read_buffer);
    mem_free(w);
}
