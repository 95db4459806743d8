/* budget.h - effective free space, reserves and marks from the numbers of one sample. Pure
 * arithmetic.
 *
 * F = min(available, ceiling - own). Reserves and marks as bytes of F; entry marks rise strictly
 * from full to low, each leave mark lies above its entry mark. Where the capacity is too small
 * for the fixed reserves (R_reclaim + R_meta above 3 % of it, about 167 MiB) they are scaled to
 * 3 % and `undersized` says so. critical = R_compact + R_reclaim + R_meta, but for the log
 * growth in R_compact, which yields as F comes near: growth that is ours is slowed down, not
 * refused.
 */
#ifndef SPILLWAY_GUARD_BUDGET_H
#define SPILLWAY_GUARD_BUDGET_H

#include "guard/verdict.h"

#define BUDGET_NONE UINT64_MAX

struct budget_settings {
    uint64_t budget_bytes;   /* 0 = none */
    unsigned budget_percent; /* of the volume; 0 = none */
    unsigned low_percent, high_percent;
    uint64_t low_limit, high_limit; /* bytes */
    unsigned leave_factor_x100, rewrite_margin_percent;
    uint64_t meta_reserve, reclaim_reserve, inode_reserve;
};

struct budget_inputs {
    uint64_t total, available, block;
    uint64_t inodes, inodes_free; /* 0 and 0: not counted by the file system */
    uint64_t own;                 /* blocks of our files, ballast included */
    uint64_t ballast;             /* thereof ballast that really holds blocks */
    uint64_t predicted_base;      /* bytes of the next base */
    uint64_t surest_base;         /* what it cannot exceed; counts if it is more */
    uint64_t predicted_growth;    /* bytes of log while it is written */
    uint64_t building;            /* thereof already allocated by a rewrite under way */
};

struct budget {
    uint64_t ceiling;    /* for own bytes; BUDGET_NONE = only the volume limits */
    uint64_t capacity;   /* min(total, ceiling) */
    uint64_t reach;      /* own + F: all we have or may still take */
    uint64_t free_bytes; /* F */
    uint64_t neighbour;  /* bytes of the volume that are not ours */
    uint64_t r_compact, r_reclaim, r_meta;
    uint64_t spare_inodes; /* kept free; 0 = inodes are not counted */
    bool inodes_out;       /* fewer free inodes than spare: full */
    bool inodes_back;      /* twice as many: full may be left */
    bool scaled;           /* reserves were scaled to the capacity */
    bool one_copy;         /* base, new base and reserves can never fit side by side */
    uint64_t enter[GUARD_LEVELS], leave[GUARD_LEVELS]; /* LOW..FULL; [OK] is 0 */
};

void budget_compute(const struct budget_settings *s, const struct budget_inputs *in,
                    struct budget *out);
/* NULL, or what is wrong with the settings. */
const char *budget_check(const struct budget_settings *s);

/* Data-set bytes at which a rewrite would bring F up to high's leave mark, given `reach`, the
 * ratio of base to data bytes in 1/1000 and what the marks add to R_compact; 0 if no size does. */
uint64_t budget_data_target(const struct budget_settings *s, const struct budget *b, uint64_t reach,
                            uint64_t ballast, uint64_t growth, unsigned ratio_milli);
uint64_t budget_percent_of(uint64_t bytes, unsigned percent);

#endif
