/* info.c - INFO: one function per section, in the order in which Redis shows them. */
#include "ops/info.h"
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/version.h"
#include "commands/memory.h"
#include "engine/call.h"
#include "engine/memory.h"
#include "engine/registry.h"
#include "engine/settings.h"
#include "guard/guard.h"
#include "keyspace/wait.h"
#include "ops/config.h"
#include "ops/machine.h"
#include "ops/commands.h"
#include "ops/state.h"
#include "persist/persist.h"
#include "plog/plog.h"

struct info {
    struct server *server;
    struct hold *hold;
    struct bytes *out;
    int64_t now_ms;
};

typedef unsigned long long ull;

static void field(struct info *info, const char *name, uint64_t value)
{
    bytes_printf(info->out, "%s:%llu\r\n", name, (ull)value);
}

static void text_field(struct info *info, const char *name, const char *value)
{
    bytes_printf(info->out, "%s:%s\r\n", name, value);
}

/* A number of bytes, also as people read it. */
static void size_field(struct info *info, const char *name, uint64_t value)
{
    char human[32];
    number_print_human(human, value);
    bytes_printf(info->out, "%s:%llu\r\n%s_human:%s\r\n", name, (ull)value, name, human);
}

/* Fields that are zero because what they count does not happen here. */
static void zero_fields(struct info *info, const char *const *names)
{
    for (; *names != NULL; names++)
        bytes_printf(info->out, "%s:0\r\n", *names);
}

/* ---- server ---- */

static void server_version(struct info *info)
{
    struct utsname system;
    uname(&system);
    text_field(info, "redis_version", SPILLWAY_REDIS_VERSION);
    text_field(info, "redis_git_sha1", "00000000");
    field(info, "redis_git_dirty", 0);
    text_field(info, "redis_build_id", "0000000000000000");
    text_field(info, "redis_mode", "standalone");
    bytes_printf(info->out, "os:%s %s %s\r\n", system.sysname, system.release, system.machine);
    field(info, "arch_bits", sizeof(void *) * 8);
    text_field(info, "monotonic_clock", "POSIX clock_gettime");
    text_field(info, "multiplexing_api", "epoll");
    text_field(info, "atomicvar_api", "gcc-builtin");
#ifdef __clang__
    text_field(info, "gcc_version", "0.0.0");
#else
    bytes_printf(info->out, "gcc_version:%d.%d.%d\r\n", __GNUC__, __GNUC_MINOR__,
                 __GNUC_PATCHLEVEL__);
#endif
}

static void server_section(struct info *info)
{
    const struct server *server = info->server;
    struct settings *settings = server->settings;
    uint64_t uptime_s = (clock_mono_ms() - server->started_mono_ms) / 1000;
    server_version(info);
    field(info, "process_id", (uint64_t)getpid());
    text_field(info, "process_supervised",
               settings->supervised == SUPERVISED_SYSTEMD   ? "systemd"
               : settings->supervised == SUPERVISED_UPSTART ? "upstart"
                                                            : "no");
    text_field(info, "run_id", server->run_id);
    field(info, "tcp_port", (uint64_t)RELAXED_LOAD(&settings->port));
    field(info, "server_time_usec", (uint64_t)clock_wall_us());
    field(info, "uptime_in_seconds", uptime_s);
    field(info, "uptime_in_days", uptime_s / 86400);
    field(info, "hz", (uint64_t)RELAXED_LOAD(&settings->hz));
    field(info, "configured_hz", (uint64_t)RELAXED_LOAD(&settings->hz));
    field(info, "lru_clock", (uint64_t)(info->now_ms / 1000) & 0xffffff);
    text_field(info, "executable", server->executable != NULL ? server->executable : "");
    text_field(info, "config_file", server->config_path != NULL ? server->config_path : "");
    char *zone = settings_text_copy(server->settings, &server->settings->availability_zone);
    text_field(info, "availability_zone", zone);
    mem_free(zone);
    field(info, "io_threads_active", server->lane_count > 1);
    text_field(info, "spillway_version", SPILLWAY_VERSION);
    field(info, "workers", server->lane_count);
}

/* ---- clients ---- */

static void clients_section(struct info *info)
{
    struct memory_clients clients;
    memory_count_clients(info->server, &clients);
    field(info, "connected_clients", clients.count);
    field(info, "cluster_connections", 0);
    field(info, "maxclients", (uint64_t)RELAXED_LOAD(&info->server->settings->maxclients));
    field(info, "client_recent_max_input_buffer", clients.largest_input);
    field(info, "client_recent_max_output_buffer", clients.largest_output);
    field(info, "blocked_clients", RELAXED_LOAD(&info->server->blocked_clients));
    field(info, "tracking_clients", 0);
    field(info, "clients_in_timeout_table", RELAXED_LOAD(&info->server->timed_clients));
    field(info, "total_blocking_keys", wait_keys(info->server->keyspace));
    field(info, "total_blocking_keys_on_nokey", wait_keys_on_removal(info->server->keyspace));
}

/* ---- memory ---- */

static double ratio(uint64_t a, uint64_t b)
{
    return b != 0 ? (double)a / (double)b : 0;
}

static void used_memory(struct info *info, const struct memory_report *m)
{
    size_field(info, "used_memory", m->used);
    size_field(info, "used_memory_rss", m->rss);
    size_field(info, "used_memory_peak", m->peak);
    bytes_printf(info->out, "used_memory_peak_perc:%.2f%%\r\n", ratio(m->used, m->peak) * 100);
    field(info, "used_memory_overhead", m->overhead);
    field(info, "used_memory_startup", m->startup);
    field(info, "used_memory_dataset", m->dataset);
    bytes_printf(info->out, "used_memory_dataset_perc:%.2f%%\r\n", m->dataset_percent);
    field(info, "allocator_allocated", m->allocator.allocated);
    field(info, "allocator_active", m->allocator.active);
    field(info, "allocator_resident", m->allocator.resident);
    size_field(info, "total_system_memory", machine_memory());
}

static void script_memory(struct info *info)
{
    static const char *const before[] = {"used_memory_lua", "used_memory_vm_eval", NULL};
    static const char *const middle[] = {"used_memory_scripts_eval",
                                         "number_of_cached_scripts",
                                         "number_of_functions",
                                         "number_of_libraries",
                                         "used_memory_vm_functions",
                                         "used_memory_vm_total",
                                         NULL};
    static const char *const after[] = {"used_memory_functions", "used_memory_scripts", NULL};
    zero_fields(info, before);
    text_field(info, "used_memory_lua_human", "0B");
    zero_fields(info, middle);
    text_field(info, "used_memory_vm_total_human", "0B");
    zero_fields(info, after);
    text_field(info, "used_memory_scripts_human", "0B");
}

static void append_policy(struct info *info)
{
    struct bytes policy = {0};
    if (info->server->config != NULL &&
        config_get_one(info->server->config, "maxmemory-policy", &policy))
        text_field(info, "maxmemory_policy", bytes_str(&policy));
    bytes_free(&policy);
}

static void memory_section(struct info *info)
{
    struct memory_report m;
    memory_report(info->server, info->hold, &m);
    used_memory(info, &m);
    script_memory(info);
    size_field(info, "maxmemory", (uint64_t)RELAXED_LOAD(&info->server->settings->maxmemory));
    append_policy(info);
    bytes_printf(info->out, "allocator_frag_ratio:%.2f\r\nallocator_frag_bytes:%lld\r\n",
                 ratio(m.allocator.active, m.allocator.allocated),
                 (long long)(m.allocator.active - m.allocator.allocated));
    bytes_printf(info->out, "allocator_rss_ratio:%.2f\r\nallocator_rss_bytes:%lld\r\n",
                 ratio(m.allocator.resident, m.allocator.active),
                 (long long)(m.allocator.resident - m.allocator.active));
    bytes_printf(info->out, "rss_overhead_ratio:%.2f\r\nrss_overhead_bytes:%lld\r\n",
                 ratio(m.rss, m.allocator.resident), (long long)(m.rss - m.allocator.resident));
    bytes_printf(info->out, "mem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%lld\r\n",
                 ratio(m.rss, m.used), (long long)(m.rss - m.used));
    field(info, "mem_not_counted_for_evict", server_uncounted_memory(info->server));
    field(info, "mem_replication_backlog", 0);
    field(info, "mem_total_replication_buffers", m.log);
    field(info, "mem_clients_slaves", 0);
    field(info, "mem_clients_normal", m.clients);
    field(info, "mem_cluster_links", 0);
    field(info, "mem_aof_buffer", m.aof_buffer);
    text_field(info, "mem_allocator", mem_allocator_name());
    field(info, "active_defrag_running", 0);
    field(info, "lazyfree_pending_objects", m.lazyfree_pending);
    field(info, "lazyfreed_objects", m.lazyfreed);
}

/* ---- persistence, disk ---- */

static void persistence_section(struct info *info)
{
    if (info->server->persist != NULL)
        persist_info(info->server->persist, info->out);
}

static void disk_section(struct info *info)
{
    if (info->server->guard != NULL)
        guard_info(info->server->guard, info->out);
}

/* ---- stats ---- */

static void traffic_stats(struct info *info, const struct lane_stats *sum)
{
    const struct sampler *rates = &info->server->ops->sampler;
    field(info, "total_connections_received", sum->connections);
    field(info, "total_commands_processed", sum->commands);
    field(info, "instantaneous_ops_per_sec", sampler_rate(rates, RATE_COMMANDS));
    field(info, "total_net_input_bytes", sum->bytes_in);
    field(info, "total_net_output_bytes", sum->bytes_out);
    field(info, "total_net_repl_input_bytes", 0);
    field(info, "total_net_repl_output_bytes", 0);
    bytes_printf(info->out, "instantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n",
                 (double)sampler_rate(rates, RATE_BYTES_IN) / 1024,
                 (double)sampler_rate(rates, RATE_BYTES_OUT) / 1024);
    text_field(info, "instantaneous_input_repl_kbps", "0.00");
    text_field(info, "instantaneous_output_repl_kbps", "0.00");
    field(info, "rejected_connections", sum->rejected_connections);
}

static void stats_section(struct info *info)
{
    static const char *const quiet[] = {"pubsub_channels",
                                        "pubsub_patterns",
                                        "pubsubshard_channels",
                                        "latest_fork_usec",
                                        "total_forks",
                                        "migrate_cached_sockets",
                                        "slave_expires_tracked_keys",
                                        "active_defrag_hits",
                                        "active_defrag_misses",
                                        "active_defrag_key_hits",
                                        "active_defrag_key_misses",
                                        "total_active_defrag_time",
                                        "current_active_defrag_time",
                                        "tracking_total_keys",
                                        "tracking_total_items",
                                        "tracking_total_prefixes",
                                        "unexpected_error_replies",
                                        NULL};
    static const char *const syncs[] = {"sync_full", "sync_partial_ok", "sync_partial_err", NULL};
    struct lane_stats sum;
    stats_sum(info->server, &sum);
    traffic_stats(info, &sum);
    zero_fields(info, syncs);
    field(info, "expired_subkeys", sum.keyspace.expired_elements); /* Redis's name for it ... */
    field(info, "expired_fields", sum.keyspace.expired_elements);  /* ... and Valkey's */
    field(info, "expired_keys", sum.keyspace.expired);
    text_field(info, "expired_stale_perc", "0.00");
    field(info, "expired_time_cap_reached_count", 0);
    field(info, "expire_cycle_cpu_milliseconds", 0);
    field(info, "evicted_keys", sum.keyspace.evicted + sum.keyspace.evicted_disk);
    field(info, "evicted_clients", 0);
    field(info, "total_eviction_exceeded_time", sum.eviction_us / 1000);
    field(info, "current_eviction_exceeded_time", 0);
    field(info, "keyspace_hits", sum.keyspace.hits);
    field(info, "keyspace_misses", sum.keyspace.misses);
    zero_fields(info, quiet);
    field(info, "total_error_replies", sum.errors);
    field(info, "dump_payload_sanitizations", 0);
    field(info, "total_reads_processed", sum.reads);
    field(info, "total_writes_processed", sum.writes);
    field(info, "io_threaded_reads_processed", 0);
    field(info, "io_threaded_writes_processed", 0);
    field(info, "reply_buffer_shrinks", 0);
    field(info, "reply_buffer_expands", 0);
    field(info, "client_query_buffer_limit_disconnections", sum.queries_too_big);
    field(info, "client_output_buffer_limit_disconnections", sum.outputs_too_big);
    field(info, "refused_by_memory", sum.refused_memory);
    field(info, "refused_by_disk", sum.refused_disk);
    field(info, "evicted_keys_for_disk", sum.keyspace.evicted_disk);
}

/* ---- replication, CPU, modules, cluster ---- */

static void replication_section(struct info *info)
{
    struct server *server = info->server;
    char id[41];
    lock_take(&server->settings->lock);
    memcpy(id, server->repl_id, sizeof id);
    lock_drop(&server->settings->lock);
    text_field(info, "role", "master");
    field(info, "connected_slaves", 0);
    text_field(info, "master_failover_state", "no-failover");
    text_field(info, "master_replid", id);
    text_field(info, "master_replid2", "0000000000000000000000000000000000000000");
    field(info, "master_repl_offset", 0);
    text_field(info, "second_repl_offset", "-1");
    field(info, "repl_backlog_active", 0);
    field(info, "repl_backlog_size", (uint64_t)RELAXED_LOAD(&server->settings->repl_backlog_size));
    field(info, "repl_backlog_first_byte_offset", 0);
    field(info, "repl_backlog_histlen", 0);
}

static void cpu_fields(struct info *info, int who, const char *suffix)
{
    struct rusage usage;
    getrusage(who, &usage);
    bytes_printf(info->out, "used_cpu_sys%s:%ld.%06ld\r\nused_cpu_user%s:%ld.%06ld\r\n", suffix,
                 (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec, suffix,
                 (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec);
}

static void cpu_section(struct info *info)
{
    cpu_fields(info, RUSAGE_SELF, "");
    cpu_fields(info, RUSAGE_CHILDREN, "_children");
    cpu_fields(info, RUSAGE_THREAD, "_main_thread"); /* the worker that answers */
}

static void modules_section(struct info *info)
{
    (void)info;
}

static void cluster_section(struct info *info)
{
    field(info, "cluster_enabled", RELAXED_LOAD(&info->server->settings->cluster_enabled));
}

/* ---- commands, errors, latency ---- */

static const char *row_name(const struct info *info, uint32_t row, char out[64])
{
    const struct command *parent, *command = registry_row(info->server->registry, row, &parent);
    return command_full_name(command, parent, out);
}

static void commandstats_section(struct info *info)
{
    char name[64];
    for (uint32_t row = 0; row < registry_rows(info->server->registry); row++) {
        struct command_stats sum;
        stats_sum_command(info->server, row, &sum);
        if (sum.calls == 0 && sum.rejected == 0 && sum.failed == 0)
            continue;
        bytes_printf(info->out,
                     "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                     "failed_calls=%llu\r\n",
                     row_name(info, row, name), (ull)sum.calls, (ull)sum.us,
                     ratio(sum.us, sum.calls), (ull)sum.rejected, (ull)sum.failed);
    }
}

static void errorstats_section(struct info *info)
{
    struct lane_stats sum;
    stats_sum(info->server, &sum);
    for (uint32_t i = 0; i < sum.by_code.used; i++)
        bytes_printf(info->out, "errorstat_%s:count=%llu\r\n", sum.by_code.codes[i].code,
                     (ull)sum.by_code.codes[i].count);
}

/* The microseconds within which so many percent of the calls ended: the end of their bucket. */
static uint64_t percentile_us(const struct command_stats *stats, uint64_t total, double percent)
{
    double wanted = (double)total * percent / 100;
    uint64_t seen = 0;
    for (unsigned i = 0; i < COMMAND_TIME_BUCKETS; i++) {
        seen += stats->by_time[i];
        if (seen != 0 && (double)seen >= wanted)
            return UINT64_C(1) << i;
    }
    return UINT64_C(1) << (COMMAND_TIME_BUCKETS - 1);
}

static void latencystats_section(struct info *info)
{
    double percentiles[SETTING_PERCENTILES_MAX];
    uint32_t count = settings_percentiles(info->server->settings, percentiles);
    char name[64], number[NUMBER_TEXT_MAX + 8];
    if (!RELAXED_LOAD(&info->server->settings->latency_tracking))
        return;
    for (uint32_t row = 0; row < registry_rows(info->server->registry); row++) {
        struct command_stats sum;
        uint64_t total = 0;
        stats_sum_command(info->server, row, &sum);
        for (unsigned i = 0; i < COMMAND_TIME_BUCKETS; i++)
            total += sum.by_time[i];
        if (total == 0)
            continue;
        bytes_printf(info->out, "latency_percentiles_usec_%s:", row_name(info, row, name));
        for (uint32_t i = 0; i < count; i++) {
            size_t len = number_print_double(number, percentiles[i]);
            bytes_printf(info->out, "%sp%.*s=%llu.000", i != 0 ? "," : "", (int)len, number,
                         (ull)percentile_us(&sum, total, percentiles[i]));
        }
        bytes_append_str(info->out, "\r\n");
    }
}

/* ---- keyspace ---- */

static void keyspace_section(struct info *info)
{
    const struct keyspace *keyspace = info->server->keyspace;
    uint32_t databases = keyspace_options(info->server->keyspace)->databases;
    for (uint32_t db = 0; db < databases; db++) {
        size_t keys = keyspace_size(keyspace, db);
        if (keys == 0)
            continue;
        size_t timed = keyspace_elements_expire(keyspace, db);
        bytes_printf(info->out, "db%u:keys=%zu,expires=%zu,avg_ttl=%lld", db, keys,
                     keyspace_expires(keyspace, db),
                     (long long)keyspace_average_ttl_ms(info->hold, db));
        if (timed != 0)
            bytes_printf(info->out, ",subexpiry=%zu", timed);
        bytes_append_str(info->out, "\r\n");
    }
}

/* ---- which sections ---- */

enum { SHOWN_ALWAYS, SHOWN_IN_ALL, SHOWN_IN_EVERYTHING };

static const struct section {
    const char *name, *title;
    int shown;
    void (*append)(struct info *info);
} sections[] = {{"server", "Server", SHOWN_ALWAYS, server_section},
                {"clients", "Clients", SHOWN_ALWAYS, clients_section},
                {"memory", "Memory", SHOWN_ALWAYS, memory_section},
                {"persistence", "Persistence", SHOWN_ALWAYS, persistence_section},
                {"disk", "Disk", SHOWN_ALWAYS, disk_section},
                {"stats", "Stats", SHOWN_ALWAYS, stats_section},
                {"replication", "Replication", SHOWN_ALWAYS, replication_section},
                {"cpu", "CPU", SHOWN_ALWAYS, cpu_section},
                {"modules", "Modules", SHOWN_ALWAYS, modules_section},
                {"commandstats", "Commandstats", SHOWN_IN_ALL, commandstats_section},
                {"errorstats", "Errorstats", SHOWN_ALWAYS, errorstats_section},
                {"latencystats", "Latencystats", SHOWN_IN_ALL, latencystats_section},
                {"cluster", "Cluster", SHOWN_ALWAYS, cluster_section},
                {"keyspace", "Keyspace", SHOWN_ALWAYS, keyspace_section}};

static bool is_wanted(const struct section *section, const struct slice *names, size_t count)
{
    if (count == 0)
        return section->shown == SHOWN_ALWAYS;
    for (size_t i = 0; i < count; i++) {
        if (slice_is(names[i], section->name) || slice_is(names[i], "everything") ||
            (slice_is(names[i], "all") && section->shown <= SHOWN_IN_ALL) ||
            (slice_is(names[i], "default") && section->shown == SHOWN_ALWAYS))
            return true;
    }
    return false;
}

void info_append(struct server *server, struct hold *hold, const struct slice *names, size_t count,
                 struct bytes *out)
{
    struct info info = {.server = server, .hold = hold, .out = out, .now_ms = clock_wall_ms()};
    bool first = true;
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (!is_wanted(&sections[i], names, count))
            continue;
        bytes_printf(out, "%s# %s\r\n", first ? "" : "\r\n", sections[i].title);
        sections[i].append(&info);
        first = false;
    }
}

static void info_command(struct call *call)
{
    struct bytes text = {0};
    info_append(call->server, &call->hold, call->argv + 1, call->argc - 1, &text);
    reply_verbatim(call->reply, "txt", bytes_slice(&text));
    bytes_free(&text);
}

static const char *const info_tips[] = {"nondeterministic_output", "request_policy:all_shards",
                                        "response_policy:special", NULL};

const struct command info_commands[] = {{.name = "info",
                                         .run = info_command,
                                         .arity = -1,
                                         .flags = CMD_LOADING | CMD_STALE,
                                         .acl = ACL_DANGEROUS,
                                         .group = GROUP_SERVER,
                                         .usage = "[section...]",
                                         .history = "7.0.0 Several sections.",
                                         .since = "1.0.0",
                                         .summary = "Describes the server, in sections of fields.",
                                         .complexity = "O(1)",
                                         .tips = info_tips},
                                        {.name = NULL}};
