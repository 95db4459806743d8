/* admit.c - the checks a command passes before it runs: authentication, phase, pause, memory,
 * disk. */
#include "engine/admit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/memory.h"
#include "engine/settings.h"
#include "guard/guard.h"
#include "keyspace/pin.h"
#include "persist/persist.h"

#define EVICT_VICTIMS_PER_STEP 64   /* between two looks at the clock and at used memory */
#define EVICT_STEPS            64   /* of one call at most */
#define EVICT_SLICE_US         500  /* time of one call at most */
#define RECORD_OVERHEAD        64   /* bytes of a log record besides the request's: SELECT, PXAT */
#define ARGUMENT_OVERHEAD      16   /* bytes around an argument in RESP, about */
#define RETRY_SNAPSHOT_US      2000 /* between two attempts while a pass is saturated */
#define LOOK_LEAST             (64 * 1024) /* bytes allocated between two looks at used memory */
#define LOOK_MOST              (1024 * 1024)

static enum admission refuse(struct call *call, const char *text)
{
    call_error(call, text);
    return ADMIT_REJECTED;
}

static enum admission wait_for(struct call *call, enum client_wait what, uint64_t us)
{
    call->client->waits_for = (uint8_t)what;
    call->client->retry_at_us = call->lane->now_us + us;
    return ADMIT_WAIT;
}

static enum admission check_auth(struct call *call)
{
    if (call->client->authenticated || call->command->flags & CMD_NO_AUTH)
        return ADMIT_RUN;
    return refuse(call, "NOAUTH Authentication required.");
}

static bool action_allowed(const struct call *call, int action)
{
    if (action == ACTION_YES)
        return true;
    const char *peer = call->client->peer;
    bool local = call->client->flags & (CLIENT_UNIX_SOCKET | CLIENT_INTERNAL) ||
                 strncmp(peer, "127.", 4) == 0 || strncmp(peer, "[::1]:", 6) == 0;
    return action == ACTION_LOCAL && local;
}

static enum admission check_protected(struct call *call)
{
    const struct command *top = call->parent != NULL ? call->parent : call->command;
    if (LIKELY(!(top->flags & CMD_ADMIN)) || strcmp(top->name, "debug") != 0)
        return ADMIT_RUN;
    if (action_allowed(call, RELAXED_LOAD(&call->server->settings->enable_debug_command)))
        return ADMIT_RUN;
    return refuse(
        call,
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "
        "you can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.");
}

static enum admission check_phase(struct call *call)
{
    if (RELAXED_LOAD(&call->server->phase) != SERVER_LOADING || call->command->flags & CMD_LOADING)
        return ADMIT_RUN;
    return refuse(call, "LOADING Redis is loading the dataset in memory");
}

static enum admission check_pause(struct call *call)
{
    if (LIKELY(!server_is_paused(call->server, call->lane->now_ms)))
        return ADMIT_RUN;
    bool writes = call->command->flags & (CMD_WRITE | CMD_MAY_REPLICATE);
    if (!writes && !RELAXED_LOAD(&call->server->pause_all))
        return ADMIT_RUN;
    /* CLIENT itself must pass, or nobody could end the pause. */
    if (call->parent != NULL && strcmp(call->parent->name, "client") == 0)
        return ADMIT_RUN;
    return wait_for(call, writes ? CLIENT_WAITS_FOR_PAUSE : CLIENT_WAITS_FOR_READS, 0);
}

static enum admission check_memory(struct call *call)
{
    if (LIKELY(!call->lane->over_memory) || !(call->command->flags & CMD_DENYOOM))
        return ADMIT_RUN;
    OWNER_ADD(&call->lane->stats.refused_memory, 1);
    return refuse(call, "OOM command not allowed when used memory > 'maxmemory'.");
}

/* A write that may make the log or the data set larger. */
static bool grows(const struct command *command)
{
    return command->flags & CMD_WRITE && !(command->flags & (CMD_SHRINK | CMD_NEUTRAL));
}

/* What the command will append to the log, about. */
static uint64_t record_bytes(const struct call *call)
{
    uint64_t bytes = call->raw.len + RECORD_OVERHEAD;
    for (uint32_t i = 0; call->raw.len == 0 && i < call->argc; i++)
        bytes += call->argv[i].len + ARGUMENT_OVERHEAD;
    return bytes;
}

static enum admission check_disk(struct call *call)
{
    if (call->server->guard == NULL || !grows(call->command))
        return ADMIT_RUN;
    struct guard_verdict *verdict = guard_verdict(call->server->guard);
    switch (guard_admit_growth(verdict, &call->lane->purse, record_bytes(call))) {
    case GUARD_ADMIT:
        return ADMIT_RUN;
    case GUARD_DELAY:
        return wait_for(call, CLIENT_WAITS_FOR_DISK,
                        RELAXED_LOAD(&verdict->retry_ms) * UINT64_C(1000));
    case GUARD_REFUSE:
        break;
    }
    char text[512];
    guard_refusal_text(call->server->guard, text, sizeof text);
    guard_note_refused(call->server->guard);
    OWNER_ADD(&call->lane->stats.refused_disk, 1);
    return refuse(call, text);
}

static enum admission check_disk_refusal(struct call *call)
{
    struct guard *guard = call->server->guard;
    bool refused =
        guard != NULL && RELAXED_LOAD(&guard_verdict(guard)->growth) == GUARD_GROWTH_REFUSED;
    return UNLIKELY(refused) ? check_disk(call) : ADMIT_RUN;
}

/* stop-writes-on-bgsave-error: only while save points are configured, for without them nobody tries
 * again. */
static bool save_error_counts(const struct server *server)
{
    return persist_save_failed(server->persist) &&
           RELAXED_LOAD(&server->settings->stop_writes_on_bgsave_error) &&
           RELAXED_LOAD(&server->settings->save_count) > 0;
}

static enum admission check_persistence(struct call *call)
{
    struct server *server = call->server;
    if (server->persist == NULL || !(call->command->flags & CMD_WRITE))
        return ADMIT_RUN;
    if (UNLIKELY(persist_is_saturated(server->persist)) && grows(call->command))
        return wait_for(call, CLIENT_WAITS_FOR_SNAPSHOT, RETRY_SNAPSHOT_US);
    if (LIKELY(!save_error_counts(server)) || call->command->flags & CMD_SHRINK)
        return ADMIT_RUN;
    return refuse(
        call,
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist "
        "to disk. Commands that may modify the data set are disabled, because this instance is "
        "configured to report errors during writes if RDB snapshotting fails "
        "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the "
        "RDB error.");
}

/* Metering comes last: it is the only check that takes something, and a command that is asked again
 * after a wait for another must not pay twice. */
typedef enum admission (*check_fn)(struct call *call);
static const check_fn checks[] = {
    check_protected,   check_auth,  check_memory, check_disk_refusal,
    check_persistence, check_phase, check_pause,  check_disk,
};

enum admission admit(struct call *call)
{
    if (UNLIKELY(call->client->flags & CLIENT_INTERNAL))
        return ADMIT_RUN;
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        enum admission answer = checks[i](call);
        if (UNLIKELY(answer != ADMIT_RUN))
            return answer;
    }
    return ADMIT_RUN;
}

bool admit_is_quiet(const struct lane *lane, const struct client *client)
{
    const struct server *server = lane->server;
    return client->authenticated && !lane->over_memory && !(client->flags & CLIENT_INTERNAL) &&
           RELAXED_LOAD(&server->pause_until_ms) == 0 &&
           RELAXED_LOAD(&server->phase) == SERVER_READY &&
           (server->persist == NULL ||
            (!persist_is_saturated(server->persist) && !save_error_counts(server)));
}

enum admission admit_quietly(struct call *call)
{
    return check_disk(call);
}

void admit_after_use(struct call *call, bool pinned)
{
    if (pinned)
        wait_for(call, CLIENT_WAITS_FOR_PINS, 0);
    else
        wait_for(call, CLIENT_WAITS_FOR_SNAPSHOT, RETRY_SNAPSHOT_US);
}

bool admit_may_retry(struct lane *lane, const struct client *client)
{
    const struct server *server = lane->server;
    if (lane->now_us < client->retry_at_us)
        return false;
    switch ((enum client_wait)client->waits_for) {
    case CLIENT_WAITS_FOR_PAUSE:
    case CLIENT_WAITS_FOR_READS:
        return !server_is_paused(server, lane->now_ms) ||
               (client->waits_for == CLIENT_WAITS_FOR_READS && !RELAXED_LOAD(&server->pause_all));
    case CLIENT_WAITS_FOR_SNAPSHOT:
        return server->persist == NULL || !persist_is_saturated(server->persist);
    case CLIENT_WAITS_FOR_PINS:
        return !keyspace_has_pins(server->keyspace);
    case CLIENT_WAITS_FOR_DISK:
        break;
    }
    return true;
}

static void note_peak(struct server *server, size_t used)
{
    uint64_t peak = RELAXED_LOAD(&server->peak_memory);
    if (used > peak)
        RELAXED_STORE(&server->peak_memory, used);
}

/* Up to where this lane may allocate until it looks again: half of its share of what is left. Other
 * lanes do the same, so together they pass the limit by LOOK_LEAST each and one command. */
static void plan_next_look(struct lane *lane, size_t used, size_t limit)
{
    size_t left = used < limit ? (limit - used) / 2 / MAX_OF(lane->server->lane_count, 1u) : 0;
    size_t step = MIN_OF(MAX_OF(left, (size_t)LOOK_LEAST), (size_t)LOOK_MOST);
    lane->room_until = mem_thread_allocated() + step;
}

/* What maxmemory is compared with: server_counted_memory. */
static size_t counted_memory(const struct server *server, size_t used)
{
    return used - MIN_OF(used, server_uncounted_memory(server));
}

/* Evicts in steps until below the limit, out of time, or out of victims (false); *used is kept up
 * to date. */
static bool evict_for_memory(struct lane *lane, size_t *used, size_t limit)
{
    struct hold hold = {.keyspace = lane->server->keyspace,
                        .now_ms = lane->now_ms,
                        .lane = lane->index,
                        .stats = &lane->stats.keyspace,
                        .flags = HOLD_NO_TOUCH,
                        .owner = lane};
    uint64_t start_us = clock_mono_us(), us = 0;
    bool found = true;
    for (int step = 0; step<EVICT_STEPS && * used> limit && found && us <= EVICT_SLICE_US; step++) {
        found = keyspace_evict(&hold, &lane->random, *used - limit, EVICT_VICTIMS_PER_STEP,
                               REMOVED_EVICTED) != 0;
        *used = counted_memory(lane->server, server_used_memory(lane->server));
        us = clock_mono_us() - start_us;
    }
    OWNER_ADD(&lane->stats.eviction_us, us);
    return found;
}

bool admit_make_room(struct lane *lane)
{
    struct server *server = lane->server;
    int64_t maxmemory = RELAXED_LOAD(&server->settings->maxmemory);
    size_t limit = (size_t)maxmemory;
    lane->over_memory = false;
    lane->room_until = UINT64_MAX;
    if (maxmemory <= 0)
        return false;
    size_t all = server_used_memory(server), used = counted_memory(server, all);
    note_peak(server, all);
    /* Still above while victims are left: the next look goes on; only a cache that cannot evict
     * refuses. */
    bool evicts = used > limit && !server_is_paused(server, lane->now_ms);
    if (UNLIKELY(evicts))
        lane->over_memory = !evict_for_memory(lane, &used, limit) && used > limit;
    plan_next_look(lane, used, limit);
    return evicts && used > limit && !lane->over_memory;
}
