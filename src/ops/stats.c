/* stats.c - counters of all lanes as one, since the last reset.
 *
 * A counter is written by its lane alone, so nobody else may set it to zero. A reset takes a copy
 * of all of them; sums are taken off by it.
 */
#include "base/mem.h"
#include "engine/registry.h"
#include "ops/info.h"
#include "ops/state.h"
#include "persist/lazyfree.h"

/* The counters before by_code are all one word each. */
#define WORDS (offsetof(struct lane_stats, by_code) / sizeof(uint64_t))
_Static_assert(offsetof(struct lane_stats, by_code) % sizeof(uint64_t) == 0, "counters are words");
_Static_assert(sizeof(struct command_stats) % sizeof(uint64_t) == 0, "counters are words");
#define COMMAND_WORDS (sizeof(struct command_stats) / sizeof(uint64_t))

static void add_words(uint64_t *sum, const uint64_t *counters, const uint64_t *baseline,
                      size_t words)
{
    for (size_t i = 0; i < words; i++)
        sum[i] += RELAXED_LOAD(&counters[i]) - (baseline != NULL ? baseline[i] : 0);
}

static uint64_t *count_of(struct lane_errors *errors, const char *code)
{
    for (uint32_t i = 0; i < errors->used; i++)
        if (strcmp(errors->codes[i].code, code) == 0)
            return &errors->codes[i].count;
    if (errors->used == LANE_ERROR_CODES)
        return NULL;
    strcpy(errors->codes[errors->used].code, code);
    errors->codes[errors->used].count = 0;
    return &errors->codes[errors->used++].count;
}

/* Codes keep their place in a lane, so one that the baseline has is at the same index there. */
static void add_errors(struct lane_errors *sum, const struct lane_errors *errors,
                       const struct lane_errors *baseline)
{
    uint32_t used = __atomic_load_n(&errors->used, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < used; i++) {
        uint64_t count = RELAXED_LOAD(&errors->codes[i].count);
        if (baseline != NULL && i < baseline->used)
            count -= baseline->codes[i].count;
        uint64_t *total = count != 0 ? count_of(sum, errors->codes[i].code) : NULL;
        if (total != NULL)
            *total += count;
    }
}

void stats_sum(struct server *server, struct lane_stats *out)
{
    struct ops *ops = server->ops;
    memset(out, 0, sizeof *out);
    lock_take(&ops->lock);
    for (unsigned i = 0; i < server_counting_lanes(server); i++) {
        const struct lane_stats *stats = &server->lanes[i]->stats;
        const struct lane_stats *baseline = &ops->baselines[i].stats;
        add_words((uint64_t *)out, (const uint64_t *)stats, (const uint64_t *)baseline, WORDS);
        add_errors(&out->by_code, &stats->by_code, &baseline->by_code);
    }
    lock_drop(&ops->lock);
}

void stats_sum_command(struct server *server, uint32_t row, struct command_stats *out)
{
    struct ops *ops = server->ops;
    memset(out, 0, sizeof *out);
    lock_take(&ops->lock);
    for (unsigned i = 0; i < server_counting_lanes(server); i++)
        add_words((uint64_t *)out, (const uint64_t *)&server->lanes[i]->command_stats[row],
                  (const uint64_t *)&ops->baselines[i].commands[row], COMMAND_WORDS);
    lock_drop(&ops->lock);
}

static void take_baseline(struct stats_baseline *baseline, const struct lane *lane, size_t rows)
{
    memset(&baseline->stats, 0, sizeof baseline->stats);
    add_words((uint64_t *)&baseline->stats, (const uint64_t *)&lane->stats, NULL, WORDS);
    const struct lane_errors *errors = &lane->stats.by_code;
    uint32_t used = __atomic_load_n(&errors->used, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < used; i++)
        baseline->stats.by_code.codes[i].count = RELAXED_LOAD(&errors->codes[i].count);
    baseline->stats.by_code.used = used;
    memset(baseline->commands, 0, rows * sizeof *baseline->commands);
    for (size_t row = 0; row < rows; row++)
        add_words((uint64_t *)&baseline->commands[row], (const uint64_t *)&lane->command_stats[row],
                  NULL, COMMAND_WORDS);
}

void stats_reset(struct server *server)
{
    struct ops *ops = server->ops;
    size_t rows = registry_rows(server->registry);
    lock_take(&ops->lock);
    for (unsigned i = 0; i < server_counting_lanes(server); i++)
        take_baseline(&ops->baselines[i], server->lanes[i], rows);
    lock_drop(&ops->lock);
    if (server->lazyfree != NULL)
        lazyfree_reset_freed(server->lazyfree);
}
