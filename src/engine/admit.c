/* admit.c - the checks a command passes before it runs: authentication, phase, pause, memory, disk. */
#include "engine/admit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/settings.h"
#include "guard/guard.h"
#include "persist/persist.h"

#define EVICT_VICTIMS_PER_STEP 64   /* between two looks at the clock and at used memory */
#define EVICT_STEPS            64   /* of one call at most */
#define EVICT_SLICE_US         2000 /* time of one call at most */
#define RECORD_OVERHEAD        64 /* bytes of a log record besides the request's own: SELECT, PXAT */

static enum admission refuse(struct call *call, const char *text)
{
    call_error(call, text);
    return ADMIT_REJECTED;
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
    uint64_t until = RELAXED_LOAD(&call->server->pause_until_ms);
    if (LIKELY(until == 0) || (uint64_t)call->lane->now_ms >= until)
        return ADMIT_RUN;
    bool stops = RELAXED_LOAD(&call->server->pause_all) ||
                 call->command->flags & (CMD_WRITE | CMD_MAY_REPLICATE);
    /* CLIENT itself must pass, or nobody could end the pause. */
    bool is_client = call->parent != NULL && strcmp(call->parent->name, "client") == 0;
    return stops && !is_client ? ADMIT_WAIT : ADMIT_RUN;
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

static enum admission check_disk(struct call *call)
{
    if (call->server->guard == NULL || !grows(call->command))
        return ADMIT_RUN;
    struct guard_verdict *verdict = guard_verdict(call->server->guard);
    switch (guard_admit_growth(verdict, &call->lane->purse, call->raw.len + RECORD_OVERHEAD)) {
    case GUARD_ADMIT:
        return ADMIT_RUN;
    case GUARD_DELAY:
        return ADMIT_WAIT;
    case GUARD_REFUSE:
        break;
    }
    char text[512];
    guard_refusal_text(call->server->guard, text, sizeof text);
    guard_note_refused(call->server->guard);
    OWNER_ADD(&call->lane->stats.refused_disk, 1);
    return refuse(call, text);
}

static enum admission check_persistence(struct call *call)
{
    struct server *server = call->server;
    if (server->persist == NULL || !(call->command->flags & CMD_WRITE))
        return ADMIT_RUN;
    if (UNLIKELY(persist_is_saturated(server->persist)) && grows(call->command))
        return ADMIT_WAIT;
    if (LIKELY(!persist_save_failed(server->persist)) || call->command->flags & CMD_SHRINK ||
        !RELAXED_LOAD(&server->settings->stop_writes_on_bgsave_error))
        return ADMIT_RUN;
    return refuse(
        call,
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist "
        "to disk. Commands that may modify the data set are disabled, because this instance is "
        "configured to report errors during writes if RDB snapshotting fails "
        "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the "
        "RDB error.");
}

typedef enum admission (*check_fn)(struct call *call);
static const check_fn checks[] = {check_protected,   check_auth,  check_memory, check_disk,
                                  check_persistence, check_phase, check_pause};

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
    return client->authenticated && !lane->over_memory &&
           RELAXED_LOAD(&server->pause_until_ms) == 0 &&
           RELAXED_LOAD(&server->phase) == SERVER_READY &&
           (server->persist == NULL ||
            (!persist_is_saturated(server->persist) && !persist_save_failed(server->persist)));
}

enum admission admit_quietly(struct call *call)
{
    return check_disk(call);
}

bool admit_may_retry(struct lane *lane, const struct client *client)
{
    (void)client;
    uint64_t until = RELAXED_LOAD(&lane->server->pause_until_ms);
    return until == 0 || (uint64_t)lane->now_ms >= until || !RELAXED_LOAD(&lane->server->pause_all);
}

static void note_peak(struct server *server, size_t used)
{
    uint64_t peak = RELAXED_LOAD(&server->peak_memory);
    if (used > peak)
        RELAXED_STORE(&server->peak_memory, used);
}

void admit_make_room(struct lane *lane)
{
    struct server *server = lane->server;
    int64_t limit = RELAXED_LOAD(&server->settings->maxmemory);
    lane->over_memory = false;
    if (limit <= 0)
        return;
    size_t used = mem_used();
    note_peak(server, used);
    if (LIKELY(used <= (size_t)limit))
        return;
    struct hold hold = {.keyspace = server->keyspace,
                        .now_ms = lane->now_ms,
                        .lane = lane->index,
                        .stats = &lane->stats.keyspace,
                        .flags = HOLD_NO_TOUCH,
                        .owner = lane};
    uint64_t start_us = clock_mono_us();
    bool found = true;
    for (int step = 0; step < EVICT_STEPS && used > (size_t)limit && found; step++) {
        size_t freed = keyspace_evict(&hold, &lane->random, used - (size_t)limit,
                                      EVICT_VICTIMS_PER_STEP, REMOVED_EVICTED);
        found = freed != 0;
        used = mem_used();
        if (clock_mono_us() - start_us > EVICT_SLICE_US)
            break;
    }
    OWNER_ADD(&lane->stats.eviction_us, clock_mono_us() - start_us);
    /* Still above while victims are left: the next batch goes on; only a cache that cannot evict refuses. */
    lane->over_memory = used > (size_t)limit && !found;
}
