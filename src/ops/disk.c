/* disk.c - DISK STATUS, PLAN, SIMULATE, COMPACT, PROBE and HELP: what the disk-budget guard
 * knows and will do.
 *
 * None of them waits for the disk on a worker. PROBE's answer comes from a thread that waits for
 * the guard's own and gives up after five seconds.
 */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/number.h"
#include "engine/call.h"
#include "engine/settings.h"
#include "guard/guard.h"
#include "ops/commands.h"

#define PROBE_TIMEOUT_MS 5000
#define PROBE_POLL_US    2000

static bool has_guard(struct call *call)
{
    if (call->server->guard != NULL)
        return true;
    call_error(call, "ERR This server runs without a disk guard");
    return false;
}

static void reply_text(struct call *call, struct bytes *text)
{
    reply_verbatim(call->reply, "txt", bytes_slice(text));
    bytes_free(text);
}

static void disk_status(struct call *call)
{
    struct bytes text = {0};
    if (!has_guard(call))
        return;
    guard_status(call->server->guard, &text);
    reply_text(call, &text);
}

static void disk_plan(struct call *call)
{
    struct bytes text = {0};
    if (!has_guard(call))
        return;
    guard_plan(call->server->guard, &text);
    reply_text(call, &text);
}

/* DISK SIMULATE bytes [OWN | NEIGHBOUR] */
static void disk_simulate(struct call *call)
{
    struct bytes text = {0};
    uint64_t bytes;
    bool own = true;
    if (!has_guard(call))
        return;
    if (!number_parse_memory(call->argv[2], &bytes)) {
        call_error(call, "ERR value is not a memory size: digits and an optional unit");
        return;
    }
    if (call->argc > 4 ||
        (call->argc == 4 && !slice_is(call->argv[3], "own") &&
         !slice_is(call->argv[3], "neighbour") && !slice_is(call->argv[3], "neighbor"))) {
        call_syntax_error(call);
        return;
    }
    if (call->argc == 4)
        own = slice_is(call->argv[3], "own");
    guard_simulate(call->server->guard, bytes, own, &text);
    reply_text(call, &text);
}

static void disk_compact(struct call *call)
{
    if (!has_guard(call))
        return;
    if (!RELAXED_LOAD(&call->server->settings->appendonly)) {
        call_error(call, "ERR There is no append only file to compact (appendonly no)");
        return;
    }
    guard_want_compaction(call->server->guard);
    reply_simple(call->reply, "Compaction starts as soon as it fits");
}

/* ---- PROBE ---- */

struct probe_answer {
    struct lane_message message;
    struct lane *lane;
    struct guard *guard;
    uint64_t client_id;
    int64_t before; /* when the last probe was, as the guard tells */
    bool done;
    int error;
    uint64_t us;
};

static void reply_probed(struct lane *lane, struct lane_message *message)
{
    struct probe_answer *answer = CONTAINER_OF(message, struct probe_answer, message);
    struct client *client = lane_find_client(lane, answer->client_id);
    if (client != NULL && client->deferred == answer) {
        if (!answer->done)
            reply_error(&lane->reply, "ERR The disk did not answer the probe in 5 seconds");
        else if (answer->error)
            reply_errorf(&lane->reply, "ERR The probe failed: %s", strerror(answer->error));
        else
            reply_bulkf(&lane->reply, "written and synced in %llu us",
                        (unsigned long long)answer->us);
        client_complete(client);
    }
    mem_free(answer);
}

static void *await_probe(void *ctx)
{
    struct probe_answer *answer = ctx;
    uint64_t until = clock_mono_ms() + PROBE_TIMEOUT_MS;
    mem_thread_join();
    while (!answer->done && clock_mono_ms() < until) {
        clock_sleep_us(PROBE_POLL_US);
        int64_t at = guard_probe_result(answer->guard, &answer->error, &answer->us);
        answer->done = at != answer->before;
    }
    mem_thread_leave();
    lane_post(answer->lane, &answer->message);
    return NULL;
}

static void disk_probe(struct call *call)
{
    int error;
    uint64_t us;
    pthread_t thread;
    if (!has_guard(call))
        return;
    struct probe_answer *answer = mem_zalloc(sizeof(*answer));
    answer->message.run = reply_probed;
    answer->lane = call->lane;
    answer->guard = call->server->guard;
    answer->client_id = call->client->id;
    answer->before = guard_probe_result(answer->guard, &error, &us);
    guard_want_probe(answer->guard);
    if (pthread_create(&thread, NULL, await_probe, answer) != 0) {
        mem_free(answer);
        call_error(call, "ERR No thread could be started for the probe");
        return;
    }
    pthread_detach(thread);
    call_defer(call, answer, NULL);
}

static void disk_help(struct call *call)
{
    static const char *const lines[] = {
        "STATUS",
        "    Answers level, persistence, budget, marks and the last error.",
        "PLAN",
        "    Says in words what will happen next and what to do.",
        "SIMULATE <bytes> [OWN|NEIGHBOUR]",
        "    Says what would hold if so many bytes more were written.",
        "COMPACT",
        "    Rewrites the append only file as soon as it fits.",
        "PROBE",
        "    Writes and syncs a small file on the volume, and answers how long it took.",
        NULL};
    reply_help(call->reply, "DISK", lines);
}

#define IN_FAMILY   .group = GROUP_SERVER
#define ADMIN_FLAGS CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

static const struct command disk_subcommands[] = {
    {.name = "compact",
     .run = disk_compact,
     .arity = 2,
     .flags = ADMIN_FLAGS,
     .since = "7.2.0",
     .summary = "Rewrites the append only file as soon as it fits.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "help",
     .run = disk_help,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "7.2.0",
     .summary = "Answers what the subcommands of DISK do.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "plan",
     .run = disk_plan,
     .arity = 2,
     .flags = ADMIN_FLAGS,
     .since = "7.2.0",
     .summary = "Says what the disk guard will do next and what the operator should do.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "probe",
     .run = disk_probe,
     .arity = 2,
     .flags = ADMIN_FLAGS | CMD_NO_MULTI,
     .since = "7.2.0",
     .summary = "Writes and syncs a small file on the volume.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "simulate",
     .run = disk_simulate,
     .arity = -3,
     .flags = ADMIN_FLAGS,
     .usage = "bytes [origin(OWN | NEIGHBOUR)]",
     .since = "7.2.0",
     .summary = "Says what would hold if more bytes were written.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "status",
     .run = disk_status,
     .arity = 2,
     .flags = ADMIN_FLAGS,
     .since = "7.2.0",
     .summary = "Answers the state of the disk guard.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = NULL}};

const struct command disk_commands[] = {
    {.name = "disk",
     .run = NULL,
     .arity = -2,
     .flags = CMD_PARENT,
     .since = "7.2.0",
     .summary = "Container of commands about the disk-budget guard.",
     .complexity = "Depends on the subcommand",
     .subcommands = disk_subcommands,
     IN_FAMILY},
    {.name = NULL}};
