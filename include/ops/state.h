/* state.h - what ops/ keeps of a running server beside its parts. Private to ops/. */
#ifndef SPILLWAY_OPS_STATE_H
#define SPILLWAY_OPS_STATE_H

#include "base/lock.h"
#include "engine/lane.h"
#include "ops/latency.h"
#include "ops/sampler.h"
#include "ops/slowlog.h"

/* What a lane had counted when the counters were last set to zero. */
struct stats_baseline {
    struct lane_stats stats;        /* ops->lock */
    struct command_stats *commands; /* ops->lock; by row */
};

struct probes;

struct ops {
    struct lock lock;
    struct stats_baseline *baselines; /* by lane */
    struct sampler sampler;
    struct slowlog logs[SLOWLOG_KINDS];
    struct latency latency;
    struct probes *probes; /* NULL before ops_start */
};

/* Counters of all lanes since the last reset. Any thread. */
void stats_sum(struct server *server, struct lane_stats *out);
/* Of one row of the registry. */
void stats_sum_command(struct server *server, uint32_t row, struct command_stats *out);

#endif
