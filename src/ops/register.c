/* register.c - the commands of ops/ in the registry, and its observers and threads. */
#include "base/mem.h"
#include "engine/memory.h"
#include "base/rand.h"
#include "engine/settings.h"
#include "ops/commands.h"
#include "ops/config.h"
#include "ops/ops.h"
#include "ops/probes.h"
#include "ops/state.h"

void ops_register(struct registry *registry)
{
    static const struct command *const families[] = {config_commands, disk_commands, info_commands,
                                                     slowlog_commands, latency_commands};
    for (size_t i = 0; i < COUNT_OF(families); i++)
        registry_add(registry, families[i]);
}

/* ---- calls that were slow or large ---- */

/* `value` has reached a threshold that is not below zero (-1 = never). */
static bool reaches(uint64_t value, int64_t threshold)
{
    return threshold >= 0 && value >= (uint64_t)threshold;
}

static void note_call(struct call *call, uint64_t us, uint64_t reply_bytes)
{
    struct settings *s = call->server->settings;
    struct ops *ops = call->server->ops;
    int64_t latency_ms = RELAXED_LOAD(&s->latency_monitor_threshold_ms);
    if (latency_ms > 0 && us / 1000 >= (uint64_t)latency_ms)
        latency_add(&ops->latency, call->command->flags & CMD_FAST ? "fast-command" : "command",
                    call->lane->now_ms / 1000, us / 1000);
    if (call->command->flags & CMD_SKIP_SLOWLOG)
        return;
    if (reaches(us, RELAXED_LOAD(&s->slowlog_log_slower_than_us)))
        slowlog_add(&ops->logs[SLOWLOG_SLOW], call, us, (size_t)RELAXED_LOAD(&s->slowlog_max_len));
    if (reaches(call->raw.len, RELAXED_LOAD(&s->commandlog_request_larger_than)))
        slowlog_add(&ops->logs[SLOWLOG_LARGE_REQUEST], call, call->raw.len,
                    (size_t)RELAXED_LOAD(&s->commandlog_large_request_max_len));
    if (reaches(reply_bytes, RELAXED_LOAD(&s->commandlog_reply_larger_than)))
        slowlog_add(&ops->logs[SLOWLOG_LARGE_REPLY], call, reply_bytes,
                    (size_t)RELAXED_LOAD(&s->commandlog_large_reply_max_len));
}

static uint64_t or_never(int64_t threshold)
{
    return threshold >= 0 ? (uint64_t)threshold : UINT64_MAX;
}

/* Tells the engine which calls to report. */
static const char *set_thresholds(void *ctx, struct settings *s)
{
    struct server *server = ctx;
    int64_t latency_ms = RELAXED_LOAD(&s->latency_monitor_threshold_ms);
    uint64_t us = or_never(RELAXED_LOAD(&s->slowlog_log_slower_than_us));
    if (latency_ms > 0 && (uint64_t)latency_ms < us / 1000)
        us = (uint64_t)latency_ms * 1000;
    RELAXED_STORE(&server->notable_us, us);
    RELAXED_STORE(&server->notable_request_bytes,
                  or_never(RELAXED_LOAD(&s->commandlog_request_larger_than)));
    RELAXED_STORE(&server->notable_reply_bytes,
                  or_never(RELAXED_LOAD(&s->commandlog_reply_larger_than)));
    return NULL;
}

static void watch_thresholds(struct server *server)
{
    static const char *const names[] = {"slowlog-log-slower-than", "latency-monitor-threshold",
                                        "commandlog-request-larger-than",
                                        "commandlog-reply-larger-than"};
    set_thresholds(server, server->settings);
    for (size_t i = 0; i < COUNT_OF(names) && server->config != NULL; i++)
        config_on_change(server->config, names[i], set_thresholds, server);
}

/* ---- life ---- */

void ops_install(struct server *server)
{
    struct ops *ops = mem_zalloc(sizeof *ops);
    size_t rows = registry_rows(server->registry);
    ops->baselines = mem_zalloc(server_counting_lanes(server) * sizeof *ops->baselines);
    for (unsigned i = 0; i < server_counting_lanes(server); i++)
        ops->baselines[i].commands = mem_zalloc(rows * sizeof *ops->baselines[i].commands);
    server->ops = ops;
    rand_hex(server->repl_id, 40);
    server->notable_call = note_call;
    watch_thresholds(server);
    server->startup_memory = server_used_memory(server);
}

void ops_uninstall(struct server *server)
{
    struct ops *ops = server->ops;
    for (unsigned i = 0; i < server_counting_lanes(server); i++)
        mem_free(ops->baselines[i].commands);
    mem_free(ops->baselines);
    for (int kind = 0; kind < SLOWLOG_KINDS; kind++)
        slowlog_reset(&ops->logs[kind]);
    mem_free(ops);
    server->notable_call = NULL;
    server->ops = NULL;
}

void ops_start(struct server *server)
{
    sampler_start(&server->ops->sampler, server);
    server->ops->probes = probes_start(server);
}

void ops_stop(struct server *server)
{
    probes_stop(server->ops->probes);
    sampler_stop(&server->ops->sampler);
}
