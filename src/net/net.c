/* net.c - the network side put together: workers, the front, starting and stopping them. */
#include "net/net.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "engine/settings.h"
#include "net/listener.h"
#include "net/session.h"
#include "net/worker.h"
#include "persist/persist.h"

#define SPARE_FILES 128 /* descriptors for everything that is no client */

static uint64_t durable(const struct server *server)
{
    return server->persist != NULL ? persist_durable(server->persist) : UINT64_MAX;
}

int net_new(struct server *server, const struct net_options *options)
{
    struct net *net = mem_zalloc(sizeof *net);
    net->server = server;
    net->durable = options != NULL && options->durable != NULL ? options->durable : durable;
    if (uv_sem_init(&net->wake, 0) != 0) {
        mem_free(net);
        return -ENOMEM;
    }
    int error = front_new(net, options, &net->front);
    unsigned wanted = (unsigned)MIN_OF(MAX_OF(server->settings->io_threads, 1), LANES_MAX);
    server->lane_count = 0;
    for (unsigned i = 0; i < wanted && error == 0; i++) {
        struct worker *worker;
        error = worker_new(net, i, &worker);
        if (error == 0)
            server->lanes[server->lane_count++] = &worker->lane;
    }
    if (error == 0)
        return 0;
    LOG_WARNING("Could not create the event loops: %s", uv_strerror(error));
    while (server->lane_count != 0) {
        worker_free(worker_of(server->lanes[--server->lane_count]));
        server->lanes[server->lane_count] = NULL;
    }
    if (net->front != NULL)
        front_free(net->front);
    uv_sem_destroy(&net->wake);
    mem_free(net);
    return error;
}

int64_t net_maxclients(int64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    rlim_t files = (rlim_t)wanted + SPARE_FILES;
    if (limit.rlim_cur >= files)
        return wanted;
    struct rlimit raised = {.rlim_cur = files, .rlim_max = MAX_OF(files, limit.rlim_max)};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return wanted;
    raised = (struct rlimit){.rlim_cur = MIN_OF(files, limit.rlim_max), .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    return limit.rlim_cur > SPARE_FILES ? (int64_t)(limit.rlim_cur - SPARE_FILES) : 1;
}

static void adjust_open_files(struct settings *settings)
{
    int64_t wanted = RELAXED_LOAD(&settings->maxclients);
    int64_t possible = net_maxclients(wanted);
    if (possible >= wanted)
        return;
    LOG_WARNING("maxclients is lowered from %lld to %lld: the limit of open files does not allow "
                "more (ulimit -n)",
                (long long)wanted, (long long)possible);
    RELAXED_STORE(&settings->maxclients, possible);
}

static void stop_workers(struct server *server, uint32_t timeout_ms)
{
    for (unsigned i = 0; i < server->lane_count; i++)
        if (worker_of(server->lanes[i])->started)
            worker_stop(worker_of(server->lanes[i]), timeout_ms);
    for (unsigned i = 0; i < server->lane_count; i++)
        worker_join(worker_of(server->lanes[i]));
}

int net_start(struct server *server)
{
    struct net *net = net_of(server);
    ASSERT(net != NULL);
    signal(SIGPIPE, SIG_IGN);
    adjust_open_files(server->settings);
    int error = front_bind(net->front);
    for (unsigned i = 0; i < server->lane_count && error == 0; i++)
        error = worker_start(worker_of(server->lanes[i]));
    if (error == 0)
        error = front_start(net->front);
    if (error == 0)
        return 0;
    LOG_WARNING("Could not start the network side: %s", uv_strerror(error));
    stop_workers(server, 0);
    net->stopped = true;
    return error;
}

void net_wait(struct server *server)
{
    uv_sem_wait(&net_of(server)->wake);
}

void net_wake(struct server *server)
{
    uv_sem_post(&net_of(server)->wake);
}

void net_stop(struct server *server, uint32_t timeout_ms)
{
    struct net *net = net_of(server);
    if (net == NULL || net->stopped)
        return;
    net->stopped = true;
    front_close(net->front);
    stop_workers(server, timeout_ms);
}

void net_free(struct server *server)
{
    struct net *net = net_of(server);
    if (net == NULL)
        return;
    front_free(net->front);
    while (server->lane_count != 0) {
        struct worker *worker = worker_of(server->lanes[--server->lane_count]);
        server->lanes[server->lane_count] = NULL;
        worker_free(worker);
    }
    uv_sem_destroy(&net->wake);
    mem_free(net);
}

int net_rebind(struct server *server)
{
    struct net *net = net_of(server);
    return net == NULL || net->stopped ? -ECANCELED : front_rebind(net->front);
}

void net_durable_moved(void *context)
{
    struct server *server = context;
    for (unsigned i = 0; i < server->lane_count; i++) {
        struct worker *worker = worker_of(server->lanes[i]);
        /* A read that is also a write: it orders the durable offset, stored before, against
         * gated_link of session.c, whichever of the two comes first. */
        if (__atomic_fetch_or(&worker->gates, 0, __ATOMIC_ACQ_REL) == 0)
            continue;
        __atomic_store_n(&worker->durable_moved, 1, __ATOMIC_RELEASE);
        uv_async_send(&worker->async);
    }
}
