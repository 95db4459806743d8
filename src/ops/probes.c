/* probes.c - what the HTTP probes and metrics say of the server.
 *
 * Live means that every lane's loop turns: each probe posts a message to each lane and waits up
 * to a second for all of them to be run. A lane that still owes the last answer is asked no
 * second time; its message stays valid, for it may answer long after the probe gave up.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "engine/memory.h"
#include "base/version.h"
#include "engine/lane.h"
#include "engine/server.h"
#include "engine/settings.h"
#include "guard/guard.h"
#include "ops/health.h"
#include "ops/probes.h"
#include "persist/persist.h"

#define LIVE_TIMEOUT_MS 1000
#define LIVE_POLL_US    200

struct heartbeat {
    struct lane_message message;
    uint32_t owed; /* atomic: posted and not yet run */
};

struct probes {
    struct server *server;
    struct health *health; /* NULL without http-port */
    struct lock lock;      /* two probes must not post the same message */
    struct heartbeat heartbeats[LANES_MAX];
};

/* ---- live ---- */

static void beat(struct lane *lane, struct lane_message *message)
{
    struct heartbeat *heartbeat = CONTAINER_OF(message, struct heartbeat, message);
    (void)lane;
    __atomic_store_n(&heartbeat->owed, 0, __ATOMIC_RELEASE);
}

static void ask_lanes(struct probes *p)
{
    lock_take(&p->lock);
    for (unsigned i = 0; i < p->server->lane_count; i++) {
        struct heartbeat *heartbeat = &p->heartbeats[i];
        if (__atomic_load_n(&heartbeat->owed, __ATOMIC_ACQUIRE))
            continue;
        heartbeat->message.run = beat;
        RELAXED_STORE(&heartbeat->owed, 1);
        lane_post(p->server->lanes[i], &heartbeat->message);
    }
    lock_drop(&p->lock);
}

static unsigned lanes_owing(const struct probes *p, unsigned *one)
{
    unsigned owing = 0;
    for (unsigned i = 0; i < p->server->lane_count; i++)
        if (__atomic_load_n(&p->heartbeats[i].owed, __ATOMIC_ACQUIRE)) {
            owing++;
            *one = i;
        }
    return owing;
}

static bool is_live(void *ctx, struct bytes *why)
{
    struct probes *p = ctx;
    uint64_t until = clock_mono_ms() + LIVE_TIMEOUT_MS;
    unsigned one = 0, owing;
    ask_lanes(p);
    while ((owing = lanes_owing(p, &one)) != 0 && clock_mono_ms() < until)
        clock_sleep_us(LIVE_POLL_US);
    if (owing == 0)
        return true;
    bytes_printf(why, "%u of %u workers do not turn, e.g. number %u\n", owing,
                 p->server->lane_count, one);
    return false;
}

/* ---- started, ready ---- */

static bool has_started(void *ctx, struct bytes *why)
{
    const struct server *server = ((struct probes *)ctx)->server;
    uint32_t phase = RELAXED_LOAD(&server->phase);
    if (phase >= SERVER_READY)
        return true;
    bytes_append_str(why, phase == SERVER_LOADING ? "loading the data\n" : "starting\n");
    return false;
}

/* Growing commands are refused, or what is promised to be kept is not kept. */
static bool disk_is_ready(const struct server *server, struct bytes *why)
{
    const struct guard_verdict *v = server->guard != NULL ? guard_verdict(server->guard) : NULL;
    if (v == NULL)
        return true;
    enum guard_level level = (enum guard_level)RELAXED_LOAD(&v->level);
    enum guard_health state = (enum guard_health)RELAXED_LOAD(&v->health);
    bool refuses = RELAXED_LOAD(&v->growth) == GUARD_GROWTH_REFUSED;
    bytes_printf(why, "disk level %s, persistence %s%s\n", guard_level_name(level),
                 guard_health_name(state), refuses ? ", growing commands are refused" : "");
    return !refuses && state != GUARD_SUSPENDED;
}

static bool is_ready(void *ctx, bool exclude_disk, struct bytes *why)
{
    const struct server *server = ((struct probes *)ctx)->server;
    if (!has_started(ctx, why))
        return false;
    if (RELAXED_LOAD(&server->phase) == SERVER_STOPPING) {
        bytes_append_str(why, "stopping\n");
        return false;
    }
    return exclude_disk || disk_is_ready(server, why);
}

/* ---- metrics ---- */

static void metric(struct bytes *out, const char *type, const char *name, const char *help,
                   uint64_t value)
{
    bytes_printf(out, "# HELP spillway_%s %s\n# TYPE spillway_%s %s\nspillway_%s %llu\n", name,
                 help, name, type, name, (unsigned long long)value);
}

struct totals {
    uint64_t clients, commands, errors, connections, bytes_in, bytes_out, dirty;
    struct keyspace_stats keyspace;
};

static struct totals add_up(const struct server *server)
{
    struct totals t = {0};
    for (unsigned i = 0; i < server_counting_lanes(server); i++) {
        const struct lane *lane = server->lanes[i];
        const struct lane_stats *s = &lane->stats;
        t.clients += RELAXED_LOAD(&lane->client_count);
        t.commands += RELAXED_LOAD(&s->commands);
        t.errors += RELAXED_LOAD(&s->errors);
        t.connections += RELAXED_LOAD(&s->connections);
        t.bytes_in += RELAXED_LOAD(&s->bytes_in);
        t.bytes_out += RELAXED_LOAD(&s->bytes_out);
        t.dirty += RELAXED_LOAD(&s->dirty);
        t.keyspace.hits += RELAXED_LOAD(&s->keyspace.hits);
        t.keyspace.misses += RELAXED_LOAD(&s->keyspace.misses);
        t.keyspace.expired += RELAXED_LOAD(&s->keyspace.expired);
        t.keyspace.expired_elements += RELAXED_LOAD(&s->keyspace.expired_elements);
        t.keyspace.evicted += RELAXED_LOAD(&s->keyspace.evicted);
        t.keyspace.evicted_disk += RELAXED_LOAD(&s->keyspace.evicted_disk);
    }
    return t;
}

static void persistence_metrics(const struct server *server, struct bytes *out)
{
    const struct persist *p = server->persist;
    if (p == NULL)
        return;
    metric(out, "gauge", "loading", "1 while data is loaded.", persist_is_loading(p));
    metric(out, "gauge", "rdb_bgsave_in_progress", "1 while a snapshot is written.",
           persist_bgsave_in_progress(p));
    metric(out, "gauge", "rdb_last_bgsave_ok", "0 after a failed snapshot.",
           !persist_save_failed(p));
    metric(out, "gauge", "rdb_last_save_timestamp_seconds", "Unix time of the last good snapshot.",
           (uint64_t)persist_lastsave_s(p));
    metric(out, "gauge", "rdb_changes_since_last_save", "Changes not yet in a snapshot.",
           persist_changes(p));
    metric(out, "gauge", "aof_rewrite_in_progress", "1 while the log is rewritten.",
           persist_rewrite_in_progress(p));
    metric(out, "gauge", "aof_last_write_ok", "0 after a failed write of the log.",
           !persist_log_failed(p));
    metric(out, "gauge", "aof_pending_bytes", "Log bytes not yet written.", persist_log_pending(p));
}

static void write_metrics(void *ctx, struct bytes *out)
{
    struct server *server = ((struct probes *)ctx)->server;
    struct totals t = add_up(server);
    bytes_printf(out,
                 "# HELP spillway_info Version and run.\n# TYPE spillway_info gauge\n"
                 "spillway_info{version=\"%s\",redis_version=\"%s\"} 1\n",
                 SPILLWAY_VERSION, SPILLWAY_REDIS_VERSION);
    metric(out, "gauge", "uptime_seconds", "Since the start.",
           (clock_mono_ms() - server->started_mono_ms) / 1000);
    metric(out, "gauge", "workers", "Worker threads.", server->lane_count);
    metric(out, "gauge", "connected_clients", "Connections now.", t.clients);
    metric(out, "gauge", "blocked_clients", "Connections that wait for a key.",
           RELAXED_LOAD(&server->blocked_clients));
    metric(out, "counter", "connections_received_total", "Connections.", t.connections);
    metric(out, "counter", "commands_processed_total", "Commands run.", t.commands);
    metric(out, "counter", "error_replies_total", "Errors replied.", t.errors);
    metric(out, "counter", "net_input_bytes_total", "Bytes read.", t.bytes_in);
    metric(out, "counter", "net_output_bytes_total", "Bytes written.", t.bytes_out);
    metric(out, "counter", "keyspace_hits_total", "Lookups that found a key.", t.keyspace.hits);
    metric(out, "counter", "keyspace_misses_total", "Lookups that found none.", t.keyspace.misses);
    metric(out, "counter", "expired_keys_total", "Keys expired.", t.keyspace.expired);
    metric(out, "counter", "expired_fields_total", "Fields of hashes expired.",
           t.keyspace.expired_elements);
    metric(out, "counter", "evicted_keys_total", "Keys evicted for memory.", t.keyspace.evicted);
    metric(out, "counter", "changes_total", "Changes to the data set.", t.dirty);
    metric(out, "gauge", "memory_used_bytes", "Allocated.", server_used_memory(server));
    metric(out, "gauge", "memory_peak_bytes", "Most ever allocated.",
           MAX_OF(RELAXED_LOAD(&server->peak_memory), (uint64_t)server_used_memory(server)));
    metric(out, "gauge", "memory_rss_bytes", "Resident.", mem_rss());
    persistence_metrics(server, out);
    if (server->guard != NULL)
        guard_metrics(server->guard, out);
}

/* ---- life ---- */

struct probes *probes_start(struct server *server)
{
    const struct settings *settings = server->settings;
    struct probes *p = mem_zalloc(sizeof(*p));
    struct health_parts parts = {.ctx = p,
                                 .live = is_live,
                                 .started = has_started,
                                 .ready = is_ready,
                                 .metrics = write_metrics};
    p->server = server;
    if (settings->http_port != 0)
        p->health = health_start(settings->http_bind, (uint16_t)settings->http_port, &parts);
    return p;
}

void probes_stop(struct probes *p)
{
    unsigned one;
    health_stop(p->health);
    if (lanes_owing(p, &one) == 0)
        mem_free(p);
}
