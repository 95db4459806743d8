/* ticker.c - a thread that runs a function again and again. */
#include "guard/ticker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"

struct ticker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    unsigned (*run)(void *ctx);
    void *ctx;
    char name[16];
    bool stopping, woken, ended; /* mutex */
};

/* Mutex held. Waits until *flag or the monotonic time in ns. */
static void wait_for(struct ticker *t, const bool *flag, const bool *other, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    while (!*flag && !*other)
        if (pthread_cond_timedwait(&t->moved, &t->mutex, &until) == ETIMEDOUT)
            break;
}

static void *turn(void *arg)
{
    struct ticker *t = arg;
    bool stop = false;
    mem_thread_join();
    pthread_setname_np(pthread_self(), t->name);
    while (!stop) {
        uint64_t delay_ms = t->run(t->ctx);
        pthread_mutex_lock(&t->mutex);
        wait_for(t, &t->woken, &t->stopping, clock_mono_ns() + delay_ms * 1000000);
        t->woken = false;
        stop = t->stopping;
        pthread_mutex_unlock(&t->mutex);
    }
    mem_thread_leave();
    pthread_mutex_lock(&t->mutex);
    t->ended = true;
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

struct ticker *ticker_start(const char *name, unsigned (*run)(void *ctx), void *ctx)
{
    struct ticker *t = mem_zalloc(sizeof(*t));
    pthread_condattr_t monotonic;
    t->run = run;
    t->ctx = ctx;
    snprintf(t->name, sizeof(t->name), "%s", name);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&t->thread, NULL, turn, t) == 0)
        return t;
    mem_free(t);
    return NULL;
}

void ticker_wake(struct ticker *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    t->woken = true;
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->mutex);
}

bool ticker_stop(struct ticker *t, unsigned timeout_ms)
{
    if (!t)
        return true;
    pthread_mutex_lock(&t->mutex);
    t->stopping = true;
    pthread_cond_broadcast(&t->moved);
    wait_for(t, &t->ended, &t->ended, clock_mono_ns() + (uint64_t)timeout_ms * 1000000);
    bool ended = t->ended;
    pthread_mutex_unlock(&t->mutex);
    if (!ended) {
        pthread_detach(t->thread);
        return false;
    }
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->moved);
    pthread_mutex_destroy(&t->mutex);
    mem_free(t);
    return true;
}
