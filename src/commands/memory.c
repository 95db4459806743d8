/* memory.c - where the memory is, and giving it back: the MEMORY family. */
#include "engine/memory.h"
#include "commands/memory.h"
#include <stdio.h>
#include "base/number.h"
#include "commands/commands.h"
#include "engine/block.h"
#include "persist/lazyfree.h"
#include "persist/persist.h"
#include "plog/plog.h"

/* ---- the report ---- */

void memory_count_clients(struct server *server, struct memory_clients *out)
{
    *out = (struct memory_clients){0};
    for (unsigned i = 0; i < server->lane_count; i++) {
        struct lane *lane = server->lanes[i];
        lock_take(&lane->registry);
        for (const struct client *client = lane->clients; client != NULL; client = client->next) {
            uint64_t input = RELAXED_LOAD(&client->input_bytes);
            uint64_t output = RELAXED_LOAD(&client->output_bytes);
            out->count++;
            out->bytes += sizeof *client + input + RELAXED_LOAD(&client->input_free) + output +
                          block_memory(client);
            out->largest_input = MAX_OF(out->largest_input, input);
            out->largest_output = MAX_OF(out->largest_output, output);
        }
        lock_drop(&lane->registry);
    }
}

void memory_report(struct server *server, struct hold *hold, struct memory_report *out)
{
    struct memory_clients clients;
    memory_count_clients(server, &clients);
    *out = (struct memory_report){.used = server_used_memory(server),
                                  .startup = server->startup_memory,
                                  .rss = mem_rss(),
                                  .clients = clients.bytes,
                                  .log = plog_memory(server->plog)};
    mem_stats_read(&out->allocator);
    out->peak = MAX_OF(RELAXED_LOAD(&server->peak_memory), out->used);
    if (server->persist != NULL)
        out->aof_buffer = persist_log_pending(server->persist);
    if (server->lazyfree != NULL) {
        out->lazyfree_pending = lazyfree_pending(server->lazyfree);
        out->lazyfreed = lazyfree_freed(server->lazyfree);
    }
    uint32_t databases = keyspace_options(server->keyspace)->databases;
    for (uint32_t db = 0; db < databases; db++) {
        size_t keys = keyspace_size(server->keyspace, db);
        out->keys += keys;
        if (keys != 0)
            out->tables += keyspace_overhead(hold, db);
    }
    out->overhead = MIN_OF(out->startup + out->clients + out->log + out->tables, out->used);
    out->dataset = out->used - out->overhead;
    uint64_t grown = out->used > out->startup ? out->used - out->startup : 0;
    out->dataset_percent =
        grown != 0 ? MIN_OF(100.0, (double)out->dataset * 100.0 / (double)grown) : 0;
}

/* ---- STATS ---- */

static void reply_count(struct reply_buffer *r, const char *name, uint64_t value)
{
    reply_bulk_str(r, name);
    reply_int(r, (int64_t)value);
}

static void reply_real(struct reply_buffer *r, const char *name, double value)
{
    reply_bulk_str(r, name);
    reply_double(r, value);
}

static double ratio(uint64_t a, uint64_t b)
{
    return b != 0 ? (double)a / (double)b : 0;
}

static size_t reply_databases(struct call *call)
{
    struct server *server = call->server;
    uint32_t databases = keyspace_options(server->keyspace)->databases;
    size_t shown = 0;
    for (uint32_t db = 0; db < databases; db++) {
        char name[32];
        if (keyspace_size(server->keyspace, db) == 0)
            continue;
        snprintf(name, sizeof name, "db.%u", db);
        reply_bulk_str(call->reply, name);
        reply_map(call->reply, 2);
        reply_count(call->reply, "overhead.hashtable.main", keyspace_overhead(&call->hold, db));
        reply_count(call->reply, "overhead.hashtable.expires", 0);
        shown++;
    }
    return shown;
}

static void stats_command(struct call *call)
{
    struct reply_buffer *r = call->reply;
    struct memory_report m;
    memory_report(call->server, &call->hold, &m);
    const struct mem_stats *a = &m.allocator;
    size_t mark = reply_array_deferred(r);
    reply_count(r, "peak.allocated", m.peak);
    reply_count(r, "total.allocated", m.used);
    reply_count(r, "startup.allocated", m.startup);
    reply_count(r, "replication.backlog", m.log);
    reply_count(r, "clients.slaves", 0);
    reply_count(r, "clients.normal", m.clients);
    reply_count(r, "cluster.links", 0);
    reply_count(r, "aof.buffer", m.aof_buffer);
    reply_count(r, "lua.caches", 0);
    reply_count(r, "functions.caches", 0);
    size_t databases = reply_databases(call);
    reply_count(r, "overhead.total", m.overhead);
    reply_count(r, "keys.count", m.keys);
    reply_count(r, "keys.bytes-per-key",
                m.keys != 0 && m.used > m.startup ? (m.used - m.startup) / m.keys : 0);
    reply_count(r, "dataset.bytes", m.dataset);
    reply_real(r, "dataset.percentage", m.dataset_percent);
    reply_real(r, "peak.percentage", ratio(m.used, m.peak) * 100);
    reply_count(r, "allocator.allocated", a->allocated);
    reply_count(r, "allocator.active", a->active);
    reply_count(r, "allocator.resident", a->resident);
    reply_real(r, "allocator-fragmentation.ratio", ratio(a->active, a->allocated));
    reply_count(r, "allocator-fragmentation.bytes", a->active - a->allocated);
    reply_real(r, "allocator-rss.ratio", ratio(a->resident, a->active));
    reply_count(r, "allocator-rss.bytes", a->resident - a->active);
    reply_real(r, "rss-overhead.ratio", ratio(m.rss, a->resident));
    reply_count(r, "rss-overhead.bytes", m.rss - a->resident);
    reply_real(r, "fragmentation", ratio(m.rss, m.used));
    reply_count(r, "fragmentation.bytes", m.rss - m.used);
    reply_map_patch(r, mark, 27 + databases);
}

/* ---- USAGE ---- */

#define USAGE_SAMPLES_DEFAULT 5

static void usage_command(struct call *call)
{
    struct key key = call_key(call, 2);
    int64_t samples = USAGE_SAMPLES_DEFAULT;
    for (uint32_t i = 3; i < call->argc; i += 2) {
        if (!slice_is(call->argv[i], "samples") || i + 1 == call->argc) {
            call_syntax_error(call);
            return;
        }
        if (!call_i64(call, i + 1, &samples, NULL))
            return;
        if (samples < 0) {
            call_syntax_error(call);
            return;
        }
    }
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_PEEK);
    if (entry != NULL)
        reply_int(call->reply, (int64_t)entry_memory(entry, (size_t)samples));
    else
        reply_null(call->reply);
}

/* ---- DOCTOR ---- */

#define DOCTOR_MIN_BYTES (5 * 1024 * 1024) /* below this, ratios say nothing */

struct finding {
    bool found;
    const char *text;
};

static void doctor_command(struct call *call)
{
    struct memory_report m;
    memory_report(call->server, &call->hold, &m);
    const struct mem_stats *a = &m.allocator;
    struct memory_clients clients;
    memory_count_clients(call->server, &clients);
    const struct finding findings[] = {
        {m.peak > m.used + m.used / 2,
         "Peak: at its peak the server used more than one and a half times of what it uses now. "
         "The "
         "process may still have those pages; MEMORY PURGE gives back what is free.\n"},
        {ratio(a->active, a->allocated) > 1.1 && a->active - a->allocated > 10 << 20,
         "Fragmentation: more than a tenth of the allocator's active pages is unused space between "
         "objects, typically after many keys of one size went away.\n"},
        {ratio(a->resident, a->active) > 1.1 && a->resident - a->active > 10 << 20,
         "Free pages: the allocator keeps pages that hold nothing. MEMORY PURGE gives them "
         "back.\n"},
        {m.rss > a->resident && ratio(m.rss, a->resident) > 1.1 && m.rss - a->resident > 10 << 20,
         "Outside the allocator: the process has much more memory resident than the allocator, for "
         "stacks, code and mapped files.\n"},
        {clients.count != 0 && clients.bytes / clients.count > 200 * 1024,
         "Clients: their buffers average more than 200 KiB. Somebody reads slowly or sends very "
         "large requests; CLIENT LIST shows who.\n"},
    };
    struct bytes text = {0};
    if (m.used < DOCTOR_MIN_BYTES) {
        bytes_append_str(&text, "There is too little in memory to say anything about it.\n");
    } else {
        for (size_t i = 0; i < COUNT_OF(findings); i++)
            if (findings[i].found)
                bytes_append_str(&text, findings[i].text);
        if (text.len == 0)
            bytes_append_str(&text, "No memory problems were found.\n");
    }
    reply_verbatim(call->reply, "txt", bytes_slice(&text));
    bytes_free(&text);
}

/* ---- PURGE, MALLOC-STATS, HELP ---- */

static void purge_command(struct call *call)
{
    mem_purge();
    reply_ok(call->reply);
}

static void malloc_stats_command(struct call *call)
{
    struct mem_stats stats;
    struct bytes text = {0};
    mem_stats_read(&stats);
    bytes_printf(&text,
                 "allocator: %s\nallocated: %zu\nactive: %zu\nresident: %zu\nmapped: %zu\n"
                 "retained: %zu\nmetadata: %zu\n",
                 mem_allocator_name(), stats.allocated, stats.active, stats.resident, stats.mapped,
                 stats.retained, stats.metadata);
    reply_verbatim(call->reply, "txt", bytes_slice(&text));
    bytes_free(&text);
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {"DOCTOR",
                                        "    Looks for memory problems and names them.",
                                        "MALLOC-STATS",
                                        "    What the allocator says of itself.",
                                        "PURGE",
                                        "    Gives free pages back to the system.",
                                        "STATS",
                                        "    Where the memory is.",
                                        "USAGE <key> [SAMPLES <count>]",
                                        "    The bytes that a key and its value take. Values know "
                                        "their size, so SAMPLES changes nothing.",
                                        NULL};
    reply_help(call->reply, "MEMORY", lines);
}

/* ---- rows ---- */

#define IN_FAMILY .group = GROUP_SERVER
#define CONSTANT  .complexity = "O(1)"

static const char *const shard_report[] = {"nondeterministic_output", "request_policy:all_shards",
                                           "response_policy:special", NULL};
static const char *const shard_success[] = {"request_policy:all_shards",
                                            "response_policy:all_succeeded", NULL};

static const struct command subcommands[] = {
    {.name = "doctor",
     .run = doctor_command,
     .arity = 2,
     .since = "4.0.0",
     .summary = "Looks for memory problems.",
     .tips = shard_report,
     CONSTANT,
     IN_FAMILY},
    {.name = "help",
     .run = help_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "4.0.0",
     .summary = "Lists the subcommands.",
     CONSTANT,
     IN_FAMILY},
    {.name = "malloc-stats",
     .run = malloc_stats_command,
     .arity = 2,
     .flags = CMD_LOADING,
     .since = "4.0.0",
     .summary = "Answers what the allocator says of itself.",
     .tips = shard_report,
     .complexity = "Depends on the allocator.",
     IN_FAMILY},
    {.name = "purge",
     .run = purge_command,
     .arity = 2,
     .flags = CMD_LOADING,
     .since = "4.0.0",
     .summary = "Gives free pages back to the system.",
     .tips = shard_success,
     .complexity = "Depends on the allocator.",
     IN_FAMILY},
    {.name = "stats",
     .run = stats_command,
     .arity = 2,
     .since = "4.0.0",
     .summary = "Answers where the memory is.",
     .tips = shard_report,
     CONSTANT,
     IN_FAMILY},
    {.name = "usage",
     .run = usage_command,
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = KEYS_SECOND(KEY_RO),
     .usage = "key#0 [SAMPLES count:integer]",
     .since = "4.0.0",
     .summary = "Answers the bytes that a key and its value take.",
     CONSTANT,
     IN_FAMILY},
    {.name = NULL}};

const struct command memory_commands[] = {{.name = "memory",
                                           .arity = -2,
                                           .flags = CMD_PARENT,
                                           .since = "4.0.0",
                                           .summary = "Commands about memory.",
                                           .complexity = "Depends on the subcommand.",
                                           .subcommands = subcommands,
                                           IN_FAMILY},
                                          {.name = NULL}};
