/* lane.c - a worker's buffers, clocks and turn: the inbox and the slices of background work. */
#include "engine/lane.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"
#include "engine/admit.h"
#include "engine/batch.h"
#include "engine/registry.h"
#include "engine/server.h"
#include "engine/waiter.h"
#include "guard/guard.h"
#include "persist/persist.h"

#define SLICE_PERIOD_US    10000 /* between two rounds of background work when nothing presses */
#define EVICT_DISK_CHUNK   (256 * 1024)
#define EVICT_DISK_VICTIMS 256

void lane_init(struct lane *lane, struct server *server, unsigned index)
{
    lane->server = server;
    lane->index = index;
    reply_buffer_init(&lane->reply);
    rand_seed(&lane->random, rand_system());
    lane->room_until = UINT64_MAX;
    lane->command_stats = mem_zalloc(registry_rows(server->registry) * sizeof *lane->command_stats);
    lane->batch = batch_new();
    lane->blocking = blocking_new();
    lane->timeout_us = UINT64_MAX;
    queue_init(&lane->inbox);
    lane_turn(lane);
}

void lane_free(struct lane *lane)
{
    reply_buffer_free(&lane->reply);
    request_vector_free(&lane->arguments);
    bytes_free(&lane->record);
    bytes_free(&lane->removals);
    mem_free(lane->command_stats);
    batch_free(lane->batch);
    blocking_free(lane->blocking);
}

void lane_turn(struct lane *lane)
{
    RELAXED_STORE(&lane->now_ms, clock_wall_ms());
    lane->now_us = clock_mono_us();
}

void lane_post(struct lane *lane, struct lane_message *message)
{
    queue_push(&lane->inbox, &message->node);
    if (lane->wake != NULL)
        lane->wake(lane);
}

void lane_count_error(struct lane *lane, const char *text, size_t len)
{
    struct lane_errors *errors = &lane->stats.by_code;
    size_t code = 0;
    while (code < len && code < sizeof errors->codes[0].code - 1 && text[code] != ' ')
        code++;
    OWNER_ADD(&lane->stats.errors, 1);
    for (uint32_t i = 0; i < errors->used; i++) {
        if (strncmp(errors->codes[i].code, text, code) == 0 &&
            errors->codes[i].code[code] == '\0') {
            OWNER_ADD(&errors->codes[i].count, 1);
            return;
        }
    }
    if (errors->used == LANE_ERROR_CODES)
        return;
    memcpy(errors->codes[errors->used].code, text, code);
    errors->codes[errors->used].count = 1;
    __atomic_store_n(&errors->used, errors->used + 1, __ATOMIC_RELEASE);
}

/* Both sides of impatience write to the same counter, so one of them comes later and sees what the
 * other did before: the poster that the lane has to be woken, or the owner the message. */
void lane_post_lazily(struct lane *lane, struct lane_message *message)
{
    queue_push(&lane->inbox, &message->node);
    if (__atomic_fetch_add(&lane->impatient, 0, __ATOMIC_ACQ_REL) != 0 && lane->wake != NULL)
        lane->wake(lane);
}

void lane_add_impatient(struct lane *lane, int clients)
{
    __atomic_fetch_add(&lane->impatient, (uint32_t)clients, __ATOMIC_ACQ_REL);
}

void lane_hear(struct lane *lane)
{
    struct queue_node *node;
    while ((node = queue_pop(&lane->inbox)) != NULL) {
        struct lane_message *message = CONTAINER_OF(node, struct lane_message, node);
        message->run(lane, message);
    }
}

/* Lets clients that waited to be admitted try again, first come first served. What client_ready
 * runs may close any client, and clients that have to wait on queue up again: each round asks the
 * first of the queue, as many times as there were clients in it. */
static void retry_waiting(struct lane *lane)
{
    for (uint32_t left = lane->paused; left != 0 && lane->waiting_first != NULL; left--) {
        struct client *client = lane->waiting_first;
        bool ready = admit_may_retry(lane, client);
        client_stop_waiting(client);
        if (!ready)
            client_wait(client);
        else if (lane->client_ready != NULL)
            lane->client_ready(lane, client);
    }
}

struct hold lane_hold(struct lane *lane)
{
    return (struct hold){.keyspace = lane->server->keyspace,
                         .now_ms = lane->now_ms,
                         .lane = lane->index,
                         .stats = &lane->stats.keyspace,
                         .flags = HOLD_NO_TOUCH,
                         .owner = lane};
}

/* The guard's share of eviction: what it wants gone so that the next base and log fit. */
static bool evict_for_disk(struct lane *lane, struct hold *hold)
{
    struct guard *guard = lane->server->guard;
    if (guard == NULL)
        return false;
    uint64_t bytes = guard_evict_take(guard_verdict(guard), EVICT_DISK_CHUNK);
    if (bytes == 0)
        return false;
    uint64_t before = lane->stats.keyspace.evicted_disk;
    size_t freed =
        keyspace_evict(hold, &lane->random, bytes, EVICT_DISK_VICTIMS, REMOVED_EVICTED_DISK);
    guard_note_evicted(guard, lane->stats.keyspace.evicted_disk - before, freed, freed == 0);
    return freed != 0;
}

/* For keys that became ready by other things than a command. */
static void serve_ready(struct lane *lane)
{
    struct hold hold = lane_hold(lane);
    block_serve(lane, &hold);
    if (hold.mask != 0)
        hold_drop(&hold);
}

bool lane_tick(struct lane *lane)
{
    struct server *server = lane->server;
    if (UNLIKELY(!queue_is_empty(&lane->inbox)))
        lane_hear(lane);
    if (UNLIKELY(lane->now_us >= lane->timeout_us))
        block_timeouts(lane);
    if (UNLIKELY(lane->has_ready))
        serve_ready(lane);
    struct hold hold = lane_hold(lane);
    bool more = false;
    if (LIKELY(lane->now_us < lane->next_slice_us))
        return more;
    if (RELAXED_LOAD(&server->phase) == SERVER_READY) {
        /* While clients are paused the data set stays as it is: whoever paused them counts on
         * that. */
        bool paused = server_is_paused(server, lane->now_ms);
        bool pressing = !paused && keyspace_expire_slice(&hold, server->lane_count);
        pressing |= keyspace_upkeep_slice(&hold, server->lane_count);
        pressing |= !paused && evict_for_disk(lane, &hold);
        pressing |= admit_make_room(lane);
        more |= pressing;
        lane->next_slice_us = lane->now_us + (pressing ? 0 : SLICE_PERIOD_US);
    } else {
        lane->next_slice_us = lane->now_us + SLICE_PERIOD_US;
    }
    if (UNLIKELY(lane->has_ready))
        serve_ready(lane);
    if (UNLIKELY(lane->paused != 0))
        retry_waiting(lane);
    return more;
}
