/* process.c - the process as an operator sees it: daemon, pid file, log, systemd, what the guard
 * asks of us. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include "base/file.h"
#include "base/library.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/memory.h"
#include "base/number.h"
#include "base/version.h"
#include "engine/lane.h"
#include "engine/settings.h"
#include "guard/guard.h"
#include "ops/apply.h"
#include "ops/config.h"
#include "ops/ops.h"
#include "persist/persist.h"
#include "plog/plog.h"

DECLARE_SYMBOL(sd_notify);

static struct guard_hooks guard_hooks;

static void daemonize(void)
{
    pid_t pid = fork();
    if (pid < 0) {
        LOG_WARNING("Cannot become a daemon: going on in the foreground");
        return;
    }
    if (pid > 0)
        _exit(0);
    setsid();
    if (freopen("/dev/null", "r", stdin) == NULL || freopen("/dev/null", "w", stdout) == NULL ||
        freopen("/dev/null", "w", stderr) == NULL)
        LOG_WARNING("Standard streams could not be redirected");
}

static void write_pid_file(const char *path)
{
    char digits[NUMBER_TEXT_MAX + 1];
    size_t len = number_print_i64(digits, getpid());
    digits[len++] = '\n';
    int error = file_replace(path, digits, len);
    if (error != 0)
        LOG_WARNING("Failed to write PID file %s: %s", path, strerror(-error));
}

static void log_effectless(struct config *config)
{
    char *names = config_effectless(config);
    if (names[0] != '\0')
        LOG_NOTICE("Known directives that have no effect here: %s", names);
    mem_free(names);
}

void ops_process(struct server *server, const char *executable)
{
    struct settings *settings = server->settings;
    if (settings->daemonize)
        daemonize();
    if (settings->logfile[0] != '\0') {
        int error = log_set_file(settings->logfile);
        if (error != 0)
            LOG_WARNING("Can't open the log file %s: %s", settings->logfile, strerror(-error));
    }
    if (settings->pidfile[0] != '\0' || settings->daemonize)
        write_pid_file(settings->pidfile[0] != '\0' ? settings->pidfile : "/var/run/spillway.pid");
    if (settings->disable_thp)
        prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    server->config_path =
        config_path(server->config) != NULL ? mem_strdup(config_path(server->config)) : NULL;
    server->executable = mem_strdup(executable);
    apply_process(server, server->executable);
    LOG_NOTICE("Spillway %s is starting, pid %d, %lld worker%s", SPILLWAY_VERSION, (int)getpid(),
               (long long)settings->io_threads, settings->io_threads == 1 ? "" : "s");
    log_effectless(server->config);
}

/* What the next base will hold, as far as memory tells: all but an empty server and the log. */
static uint64_t data_bytes(void *ctx)
{
    const struct server *server = ctx;
    uint64_t used = server_used_memory(server),
             other = server->startup_memory + plog_memory(server->plog);
    return used > other ? used - other : 0;
}

static uint64_t log_pending(void *ctx)
{
    struct server *server = ctx;
    return server->persist != NULL ? persist_log_pending(server->persist) : 0;
}

const struct guard_hooks *ops_guard_hooks(struct server *server)
{
    guard_hooks =
        (struct guard_hooks){.ctx = server, .data_bytes = data_bytes, .log_pending = log_pending};
    return &guard_hooks;
}

void ops_notify_ready(struct server *server)
{
    int supervised = server->settings->supervised;
    if (supervised != SUPERVISED_SYSTEMD && supervised != SUPERVISED_AUTO)
        return;
    static const struct library_symbol symbols[] = {SYMBOL(sd_notify)};
    const char *why;
    if (library_load("libsystemd.so.0", symbols, COUNT_OF(symbols), &why))
        call_sd_notify(0, "STATUS=Ready to accept connections\nREADY=1\n");
    else if (supervised == SUPERVISED_SYSTEMD)
        LOG_WARNING("systemd cannot be told that the server is ready: %s", why);
}
