/* main.c - the process: read the configuration, build the server bottom-up, load, serve, stop.
 *
 * Threads: this one waits for signals; a loader fills the keyspace while the workers already answer LOADING;
 * net/ runs the workers; guard/ and persist/ have threads of their own. Nothing here needs a successful write:
 * a pid file, log file or directory that cannot be written is a warning.
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
#include "engine/hooks.h"
#include "engine/lane.h"
#include "engine/registry.h"
#include "net/net.h"
#include "ops/apply.h"
#include "ops/config.h"
#include "ops/ops.h"
#include "persist/lazyfree.h"
#include "plog/plog.h"

static struct server server; /* the one of this process */
static pthread_t main_thread;
static unsigned stop_how; /* atomic: enum server_stop_how */
static struct lane loader_lane;
static struct client loader_client;

/* ---- stopping ---- */

static void request_stop(struct server *s, unsigned how)
{
    (void)s;
    __atomic_store_n(&stop_how, how, __ATOMIC_RELEASE);
    pthread_kill(main_thread, SIGUSR1);
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* Waits until somebody asks to stop; returns how. */
static unsigned wait_for_stop(const sigset_t *set)
{
    for (;;) {
        int signal_number = 0;
        if (sigwait(set, &signal_number) != 0)
            continue;
        if (signal_number == SIGUSR1)
            return __atomic_load_n(&stop_how, __ATOMIC_ACQUIRE);
        LOG_WARNING("Received %s scheduling shutdown...",
                    signal_number == SIGINT ? "SIGINT" : "SIGTERM");
        int configured =
            RELAXED_LOAD(signal_number == SIGINT ? &server.settings->shutdown_on_sigint
                                                 : &server.settings->shutdown_on_sigterm);
        return STOP_SIGNAL | (configured & SHUTDOWN_SAVE ? STOP_SAVE : 0) |
               (configured & SHUTDOWN_NOSAVE ? STOP_NOSAVE : 0) | STOP_FORCE;
    }
}

/* ---- loading ---- */

static bool execute_record(void *ctx, uint32_t db, uint32_t argc, const struct slice *argv,
                           const char **why)
{
    (void)ctx;
    return lane_execute(&loader_lane, &loader_client, db, argc, argv, why);
}

static uint64_t count_changes(void *ctx)
{
    (void)ctx;
    uint64_t sum = 0;
    for (unsigned i = 0; i < server.lane_count; i++)
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

static void build_lanes(void)
{
    server.lane_count = (unsigned)server.settings->io_threads;
    for (unsigned i = 0; i < server.lane_count; i++) {
        server.lanes[i] = mem_try_zalloc_aligned(CACHE_LINE, sizeof *server.lanes[i]);
        ASSERT(server.lanes[i] != NULL);
        lane_init(server.lanes[i], &server, i);
    }
    lane_init(&loader_lane, &server, 0);
    loader_client.flags = CLIENT_INTERNAL;
    client_init(&loader_client, &loader_lane);
}

static void build_server(void)
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
    build_lanes();
    hooks_install(&server);
    ops_install(&server);
    apply_watch(&server);
}

/* Tears down in reverse. Returns the exit code. */
static int stop_server(unsigned how, struct net *net)
{
    server.phase = SERVER_STOPPING;
    net_stop(net);
    struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
    bool save = how & STOP_SAVE ||
                (!(how & STOP_NOSAVE) && settings_save_points(server.settings, points) != 0);
    int error =
        persist_stop(server.persist, save, (uint32_t)server.settings->shutdown_timeout_s * 1000);
    if (error != 0)
        LOG_WARNING("The last writes before exiting failed: %s", strerror(-error));
    ops_stop(&server);
    guard_stop(server.guard);
    if (server.settings->pidfile[0] != '\0')
        (void)!file_remove(server.settings->pidfile);
    LOG_WARNING("Spillway is now ready to exit, bye bye...");
    log_stop();
    return 0;
}

int main(int argc, char **argv)
{
    sigset_t signals;
    mem_thread_join();
    struct config *config = config_new();
    struct bytes text = {0};
    enum config_start start = config_start(config, argc, argv, &text);
    if (text.len != 0)
        fwrite(text.data, 1, text.len, start == CONFIG_START_FAIL ? stderr : stdout);
    if (start != CONFIG_START_RUN)
        return start == CONFIG_START_FAIL;
    bytes_free(&text);
    server.config = config;
    server.settings = config_settings(config);
    ops_process(&server, argv[0]);
    block_signals(&signals);
    main_thread = pthread_self();
    log_start();
    build_server();
    struct net *net = net_start(&server);
    if (net == NULL) {
        log_stop();
        return 1;
    }
    guard_start(server.guard);
    ops_start(&server);
    pthread_t loader;
    if (pthread_create(&loader, NULL, load, NULL) != 0)
        PANIC("cannot create a thread");
    pthread_detach(loader);
    unsigned how = wait_for_stop(&signals);
    return stop_server(how, net);
}
