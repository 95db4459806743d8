/* sampler.c - rates and peaks by looking at the counters ten times a second. */
#include "ops/sampler.h"
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/memory.h"
#include "engine/lane.h"
#include "engine/server.h"

static void read_counters(const struct server *server, uint64_t counts[RATE_COUNT])
{
    memset(counts, 0, RATE_COUNT * sizeof *counts);
    for (unsigned i = 0; i < server->lane_count; i++) {
        const struct lane_stats *stats = &server->lanes[i]->stats;
        counts[RATE_COMMANDS] += RELAXED_LOAD(&stats->commands);
        counts[RATE_BYTES_IN] += RELAXED_LOAD(&stats->bytes_in);
        counts[RATE_BYTES_OUT] += RELAXED_LOAD(&stats->bytes_out);
    }
}

static void note_peak(struct server *server)
{
    uint64_t used = server_used_memory(server);
    if (used > RELAXED_LOAD(&server->peak_memory))
        RELAXED_STORE(&server->peak_memory, used);
}

void sampler_step(struct sampler *s, struct server *server, uint64_t now_us)
{
    uint64_t counts[RATE_COUNT], elapsed_us = now_us - s->last_us;
    note_peak(server);
    read_counters(server, counts);
    if (s->last_us != 0 && elapsed_us != 0) {
        for (int rate = 0; rate < RATE_COUNT; rate++) {
            uint64_t sum = 0;
            s->samples[rate][s->at] = (counts[rate] - s->last[rate]) * 1000000 / elapsed_us;
            for (int i = 0; i < SAMPLER_SAMPLES; i++)
                sum += s->samples[rate][i];
            RELAXED_STORE(&s->rates[rate], sum / SAMPLER_SAMPLES);
        }
        s->at = (s->at + 1) % SAMPLER_SAMPLES;
    }
    memcpy(s->last, counts, sizeof counts);
    s->last_us = now_us;
}

uint64_t sampler_rate(const struct sampler *s, enum sampler_rate what)
{
    return RELAXED_LOAD(&s->rates[what]);
}

/* The monotonic time SAMPLER_PERIOD_MS from now, as the condition wants it. */
static struct timespec next_look(void)
{
    uint64_t ns = clock_mono_ns() + SAMPLER_PERIOD_MS * UINT64_C(1000000);
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
}

static void *run(void *ctx)
{
    struct sampler *s = ctx;
    pthread_setname_np(pthread_self(), "sampler");
    mem_thread_join();
    pthread_mutex_lock(&s->mutex);
    while (!s->stop) {
        struct timespec until = next_look();
        sampler_step(s, s->server, clock_mono_us());
        while (!s->stop && pthread_cond_timedwait(&s->wake, &s->mutex, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&s->mutex);
    mem_thread_leave();
    return NULL;
}

void sampler_start(struct sampler *s, struct server *server)
{
    pthread_condattr_t attributes;
    s->server = server;
    s->stop = false;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    s->running = pthread_create(&s->thread, NULL, run, s) == 0;
    if (!s->running)
        LOG_WARNING("No thread for samples: INFO will show no rates");
}

void sampler_stop(struct sampler *s)
{
    if (!s->running)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    s->running = false;
}
