/* budget.c - effective free space, reserves and marks from the numbers of one sample. */
#include "guard/budget.h"

#define META_BLOCKS       64
#define SCALED_PERCENT    3
#define INODES_MIN        4   /* a rewrite creates a base, an increment and a manifest */
#define MARK_STEP_DIVISOR 256 /* marks lie so far apart at least */
#define MARK_STEP_LIMIT   (1024 * 1024)

uint64_t budget_percent_of(uint64_t bytes, unsigned percent)
{
    return bytes / 100 * percent + bytes % 100 * percent / 100;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t ceiling_of(const struct budget_settings *s, uint64_t total)
{
    if (s->budget_bytes)
        return s->budget_bytes;
    if (s->budget_percent)
        return budget_percent_of(total, s->budget_percent);
    return BUDGET_NONE;
}

/* Whether base and new base fit side by side does not depend on what neighbours hold now. */
static bool one_copy(const struct budget_settings *s, const struct budget_inputs *in,
                     const struct budget *b)
{
    uint64_t base =
        in->predicted_base + budget_percent_of(in->predicted_base, s->rewrite_margin_percent);
    return in->predicted_base + base + b->r_reclaim + b->r_meta + in->ballast > b->capacity;
}

static void reserves(const struct budget_settings *s, const struct budget_inputs *in,
                     struct budget *b)
{
    uint64_t allowed = budget_percent_of(b->capacity, SCALED_PERCENT);
    uint64_t surest = MAX_OF(in->surest_base, in->predicted_base);
    uint64_t base = surest + budget_percent_of(surest, s->rewrite_margin_percent);
    b->r_compact = minus(base, in->building) + in->predicted_growth;
    b->r_reclaim = s->reclaim_reserve;
    b->r_meta = MAX_OF(s->meta_reserve, META_BLOCKS * in->block);
    b->scaled = b->r_reclaim + b->r_meta > allowed;
    if (b->scaled) {
        b->r_meta = allowed / 5;
        b->r_reclaim = allowed - b->r_meta;
    }
    b->one_copy = one_copy(s, in, b);
}

static void inodes(const struct budget_settings *s, const struct budget_inputs *in,
                   struct budget *b)
{
    uint64_t share = MAX_OF(in->inodes / 16, (uint64_t)INODES_MIN);
    b->spare_inodes = in->inodes ? MIN_OF(s->inode_reserve, share) : 0;
    b->inodes_out = in->inodes_free < b->spare_inodes;
    b->inodes_back = in->inodes_free >= 2 * b->spare_inodes;
}

static void low_and_high(const struct budget_settings *s, uint64_t capacity, uint64_t r_compact,
                         uint64_t *low, uint64_t *high)
{
    *low = 2 * r_compact + MIN_OF(budget_percent_of(capacity, s->low_percent), s->low_limit);
    *high = r_compact + MIN_OF(budget_percent_of(capacity, s->high_percent), s->high_limit);
}

/* The reserve for log growth yields before it makes the level critical: that growth is ours, it
 * is slowed down at high and admitted by cost. */
static uint64_t critical_mark(const struct budget_inputs *in, const struct budget *b)
{
    uint64_t rigid = b->r_compact - in->predicted_growth + b->r_reclaim + b->r_meta;
    return rigid + MIN_OF(in->predicted_growth, minus(b->free_bytes, rigid) / 2);
}

static void marks(const struct budget_settings *s, const struct budget_inputs *in, struct budget *b)
{
    uint64_t share = MIN_OF(b->capacity / MARK_STEP_DIVISOR, (uint64_t)MARK_STEP_LIMIT);
    uint64_t step = MAX_OF(share, MAX_OF(in->block, 1));
    uint64_t *enter = b->enter, *leave = b->leave;
    low_and_high(s, b->capacity, b->r_compact, &enter[GUARD_LOW], &enter[GUARD_HIGH]);
    enter[GUARD_CRITICAL] = critical_mark(in, b);
    enter[GUARD_FULL] = b->r_meta;
    for (int level = GUARD_CRITICAL; level >= GUARD_LOW; level--)
        enter[level] = MAX_OF(enter[level], enter[level + 1] + step);
    leave[GUARD_LOW] = budget_percent_of(enter[GUARD_LOW], s->leave_factor_x100);
    for (int level = GUARD_HIGH; level <= GUARD_FULL; level++)
        leave[level] = enter[level - 1];
}

void budget_compute(const struct budget_settings *s, const struct budget_inputs *in,
                    struct budget *out)
{
    *out = (struct budget){.ceiling = ceiling_of(s, in->total)};
    out->capacity = MIN_OF(in->total, out->ceiling);
    out->free_bytes = in->available;
    if (out->ceiling != BUDGET_NONE)
        out->free_bytes = MIN_OF(in->available, minus(out->ceiling, in->own));
    out->reach = in->own + out->free_bytes;
    out->neighbour = minus(minus(in->total, in->available), in->own);
    reserves(s, in, out);
    inodes(s, in, out);
    marks(s, in, out);
}

const char *budget_check(const struct budget_settings *s)
{
    if (s->budget_percent > 100)
        return "disk-budget: a share of the volume is at most 100%";
    if (s->low_percent > 100 || s->high_percent > 100)
        return "disk marks: a share of the volume is at most 100%";
    if (s->high_percent > s->low_percent || s->high_limit > s->low_limit)
        return "disk marks: high may not begin before low";
    if (s->leave_factor_x100 <= 100)
        return "disk-leave-factor: a leave mark must lie above its entry mark";
    return NULL;
}

/* After a rewrite F' = reach - ballast - r D, and high is left at F' >= low's entry mark, that is
 * 2 (1.15 r D + g) + share: solved for D. */
uint64_t budget_data_target(const struct budget_settings *s, const struct budget *b, uint64_t reach,
                            uint64_t ballast, uint64_t growth, unsigned ratio_milli)
{
    uint64_t share, unused_high, fixed, room;
    low_and_high(s, b->capacity, 0, &share, &unused_high);
    fixed = ballast + 2 * growth + MAX_OF(share, b->r_reclaim + b->r_meta);
    room = minus(reach, fixed);
    if (!ratio_milli)
        return room;
    return (uint64_t)((double)room * 1e5 / ((300.0 + 2 * s->rewrite_margin_percent) * ratio_milli));
}
