/* sampler.h - a thread that looks at the counters ten times a second: rates per second and peak
 * memory. */
#ifndef SPILLWAY_OPS_SAMPLER_H
#define SPILLWAY_OPS_SAMPLER_H

#include <pthread.h>
#include "base/common.h"

struct server;

#define SAMPLER_PERIOD_MS 100
#define SAMPLER_SAMPLES   16 /* a rate is the mean of so many */

enum sampler_rate { RATE_COMMANDS, RATE_BYTES_IN, RATE_BYTES_OUT, RATE_COUNT };

struct sampler {
    struct server *server;
    pthread_t thread;
    bool running; /* starter */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop; /* mutex */
    /* The thread's own. */
    uint64_t last[RATE_COUNT], last_us;
    uint64_t samples[RATE_COUNT][SAMPLER_SAMPLES];
    uint32_t at;
    uint64_t rates[RATE_COUNT]; /* atomic: per second */
};

void sampler_start(struct sampler *s, struct server *server);
void sampler_stop(struct sampler *s); /* nothing if it was never started */
/* One look; the thread's step, and what tests call instead of it. */
void sampler_step(struct sampler *s, struct server *server, uint64_t now_us);
uint64_t sampler_rate(const struct sampler *s, enum sampler_rate what);

#endif
