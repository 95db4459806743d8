/* main.c - the process: read the configuration, build the server bottom-up, load, serve, stop.
 *
 * Threads: this one waits for signals; a loader fills the keyspace while the workers already answer
 * LOADING; net/ runs the workers; guard/ and persist/ have threads of their own. Nothing here needs
 * a successful write: a pid file, log file or directory that cannot be written is a warning.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/rand.h"
#include "base/version.h"
#include "commands/commands.h"
#include "engine/aside.h"
#include "engine/hooks.h"
#include "engine/lane.h"
#include "engine/registry.h"
#include "net/net.h"
#include "ops/apply.h"
#include "ops/config.h"
#include "ops/ops.h"
#include "persist/lazyfree.h"
#include "plog/plog.h"

#define CLOCKS_US 1000 /* the loader's clocks are read so often */

static struct server server; /* the one of this process */
static unsigned stop_how;    /* atomic: enum server_stop_how */
static struct lane loader_lane;
static struct client loader_client;

/* ---- stopping ---- */

static void request_stop(struct server *s, unsigned how)
{
    __atomic_store_n(&stop_how, how, __ATOMIC_RELEASE);
    net_wake(s);
}

/* A signal always ends the process: what fails on the way is logged. */
static void on_signal(struct server *s, int number)
{
    bool interrupt = number == SIGINT;
    LOG_WARNING("Received %s scheduling shutdown...", interrupt ? "SIGINT" : "SIGTERM");
    int configured = RELAXED_LOAD(interrupt ? &s->settings->shutdown_on_sigint
                                            : &s->settings->shutdown_on_sigterm);
    unsigned how = STOP_SIGNAL | STOP_FORCE;
    if (configured & SHUTDOWN_SAVE)
        how |= STOP_SAVE;
    if (configured & SHUTDOWN_NOSAVE)
        how |= STOP_NOSAVE;
    request_stop(s, how);
}

/* ---- loading ---- */

/* On the loader, and later, when the log is loaded again, on the saver. */
static bool execute_record(void *ctx, uint32_t db, uint32_t argc, const struct slice *argv,
                           const char **why)
{
    static uint64_t turned_us; /* by clock_ticks_us: when the lane's clocks were read */
    (void)ctx;
    uint64_t now_us = clock_ticks_us();
    if (now_us - turned_us > CLOCKS_US) {
        lane_turn(&loader_lane);
        turned_us = now_us;
    }
    return lane_execute(&loader_lane, &loader_client, db, argc, argv, why);
}

static uint64_t count_changes(void *ctx)
{
    (void)ctx;
    uint64_t sum = 0;
    for (unsigned i = 0; i < server_counting_lanes(&server); i++)
        sum += RELAXED_LOAD(&server.lanes[i]->stats.dirty);
    return sum;
}

static void durable_moved(void *ctx)
{
    (void)ctx;
    net_durable_moved(&server);
}

static void *load(void *ctx)
{
    (void)ctx;
    mem_thread_join();
    uint64_t start_ms = clock_mono_ms();
    enum persist_loaded loaded = persist_load(server.persist);
    if (loaded == PERSIST_LOAD_FAILED) {
        LOG_WARNING("The data could not be loaded and must not be overwritten: exiting.");
        log_stop();
        _exit(1);
    }
    if (loaded != PERSIST_LOADED_NOTHING)
        LOG_NOTICE("DB loaded from %s: %.3f seconds",
                   loaded == PERSIST_LOADED_AOF ? "append only file" : "disk",
                   (double)(clock_mono_ms() - start_ms) / 1000.0);
    persist_start(server.persist);
    __atomic_store_n(&server.phase, SERVER_READY, __ATOMIC_RELEASE);
    LOG_NOTICE("Ready to accept connections");
    ops_notify_ready(&server);
    mem_thread_leave();
    return NULL;
}

/* ---- building ---- */

static void build_parts(void)
{
    struct keyspace_options keyspace = {.databases = (uint32_t)server.settings->databases,
                                        .active_expire = true};
    apply_keyspace(server.settings, &keyspace);
    server.keyspace = keyspace_new(&keyspace);
    server.seed = keyspace_seed(server.keyspace);
    server.plog = plog_new(0);
    server.lazyfree = lazyfree_new();

    struct apply_texts texts;
    struct guard_options guard;
    apply_guard(server.settings, &guard, &texts);
    server.guard = guard_create(&guard, ops_guard_hooks(&server));
    apply_texts_free(&texts);

    struct persist_options persist;
    apply_persist(server.settings, &persist, &texts);
    struct persist_parts parts = {.keyspace = server.keyspace,
                                  .plog = server.plog,
                                  .guard = server.guard,
                                  .appendfilename = server.settings->appendfilename,
                                  .appenddirname = server.settings->appenddirname,
                                  .lanes = (unsigned)server.settings->io_threads + 2,
                                  .execute = execute_record,
                                  .changes = count_changes,
                                  .durable_moved = durable_moved};
    server.persist = persist_new(&parts, &persist);
    apply_texts_free(&texts);
    server.gate_replies = persist.appendonly && persist.appendfsync == PERSIST_FSYNC_ALWAYS;
}

static bool build_lanes(void)
{
    struct net_options net = {.signals = {SIGTERM, SIGINT}, .on_signal = on_signal};
    if (net_new(&server, &net) != 0)
        return false;
    server.aside = aside_new(&server);
    lane_init(&loader_lane, &server, 0);
    loader_client.flags = CLIENT_INTERNAL;
    client_init(&loader_client, &loader_lane);
    return true;
}

/* ---- what CONFIG SET changes in the network layer, which configuration may not know ---- */

static const char *listeners_changed(void *ctx, struct settings *settings)
{
    (void)settings;
    return net_rebind(ctx) == 0 ? NULL : "Unable to listen on this port. Check server logs.";
}

static const char *addresses_changed(void *ctx, struct settings *settings)
{
    (void)settings;
    return net_rebind(ctx) == 0 ? NULL : "Failed to bind to specified addresses.";
}

static const char *maxclients_changed(void *ctx, struct settings *settings)
{
    (void)ctx;
    int64_t wanted = RELAXED_LOAD(&settings->maxclients);
    return net_maxclients(wanted) >= wanted
               ? NULL
               : "The operating system is not able to handle the specified number of clients";
}

static void watch_network(void)
{
    config_on_change(server.config, "port", listeners_changed, &server);
    config_on_change(server.config, "bind", addresses_changed, &server);
    config_on_change(server.config, "maxclients", maxclients_changed, NULL);
}

static bool build_server(void)
{
    rand_hex(server.run_id, 40);
    server.started_ms = clock_wall_ms();
    server.started_mono_ms = clock_mono_ms();
    server.phase = SERVER_LOADING;
    server.stop = request_stop;
    server.registry = registry_new();
    commands_register(server.registry);
    ops_register(server.registry);
    build_parts();
    if (!build_lanes())
        return false;
    hooks_install(&server);
    ops_install(&server);
    apply_watch(&server);
    watch_network();
    return true;
}

/* Tears down in reverse. Returns the exit code. */
static int stop_server(unsigned how)
{
    struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
    uint32_t timeout_ms = (uint32_t)server.settings->shutdown_timeout_s * 1000;
    bool save = how & STOP_SAVE ||
                (!(how & STOP_NOSAVE) && settings_save_points(server.settings, points) != 0);
    RELAXED_STORE(&server.phase, SERVER_STOPPING);
    net_stop(&server, 1000);
    aside_stop(server.aside, 1000);
    int error = persist_stop(server.persist, save, timeout_ms);
    if (error != 0)
        LOG_WARNING("The last writes before exiting failed: %s", strerror(-error));
    ops_stop(&server);
    guard_stop(server.guard);
    if (server.settings->pidfile[0] != '\0' && file_exists(server.settings->pidfile) &&
        file_remove(server.settings->pidfile) != 0)
        LOG_WARNING("The PID file could not be removed");
    LOG_WARNING("Spillway is now ready to exit, bye bye...");
    log_stop();
    return 0;
}

/* Reads the command line into server.config. Returns -1 to run, else the exit code. */
static int configure(int argc, char **argv)
{
    struct bytes text = {0};
    server.config = config_new();
    enum config_start start = config_start(server.config, argc, argv, &text);
    if (text.len != 0)
        fwrite(text.data, 1, text.len, start == CONFIG_START_FAIL ? stderr : stdout);
    bytes_free(&text);
    server.settings = config_settings(server.config);
    return start == CONFIG_START_RUN ? -1 : start == CONFIG_START_FAIL;
}

int main(int argc, char **argv)
{
    mem_thread_join();
    int code = configure(argc, argv);
    if (code >= 0)
        return code;
    ops_process(&server, argv[0]);
    log_start();
    if (!build_server() || net_start(&server) != 0) {
        log_stop();
        return 1;
    }
    guard_start(server.guard);
    ops_start(&server);
    pthread_t loader;
    if (pthread_create(&loader, NULL, load, NULL) != 0)
        PANIC("cannot create a thread");
    net_wait(&server);
    if (RELAXED_LOAD(&server.phase) == SERVER_LOADING) {
        /* Nothing has been written yet, so there is nothing to finish. */
        LOG_WARNING("Exiting before the data was loaded");
        log_stop();
        _exit(0);
    }
    pthread_join(loader, NULL);
    return stop_server(__atomic_load_n(&stop_how, __ATOMIC_ACQUIRE));
}
