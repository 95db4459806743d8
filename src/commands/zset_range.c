/* zset_range.c - parts of sorted sets: by rank, by score, by member; replied, stored, counted,
 * removed.
 *
 * Whatever a range is given by, it is turned into the ranks it covers (struct zset_part), which is
 * two descents of the tree, and the rest is the same for all.
 */
#include "commands/zset.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "engine/aside.h"

/* ---- ranges as commands give them ---- */

enum range_by { BY_RANK, BY_SCORE, BY_LEX };

struct bound {
    bool open; /* the value itself is left out */
    double score;
    int end; /* by member: -1 before all, 1 behind all, 0: member */
    struct slice member;
    int64_t rank;
};

struct range {
    enum range_by by;
    struct bound min, max;
};

/* As strtod reads it, which redis-server uses here: blanks before it, and nothing at all, are
 * allowed, and what follows a zero byte is not seen. */
static bool read_score(struct slice text, double *out)
{
    char few[64], *copy = few, *end;
    if (text.len < sizeof few) {
        memcpy(few, text.data, text.len);
        few[text.len] = '\0';
    } else {
        copy = slice_to_str(text);
    }
    *out = strtod(copy, &end);
    bool ok = *end == '\0' && !isnan(*out);
    if (copy != few)
        mem_free(copy);
    return ok;
}

static bool read_score_bound(struct slice text, struct bound *out)
{
    out->open = text.len != 0 && text.data[0] == '(';
    return read_score(slice_of(text.data + out->open, text.len - out->open), &out->score);
}

static bool read_lex_bound(struct slice text, struct bound *out)
{
    if (text.len == 0)
        return false;
    if (text.data[0] == '+' || text.data[0] == '-') {
        out->end = text.data[0] == '+' ? 1 : -1;
        return text.len == 1;
    }
    out->open = text.data[0] == '(';
    out->member = slice_of(text.data + 1, text.len - 1);
    return out->open || text.data[0] == '[';
}

/* The bounds at two arguments; false after replying what is wrong. */
static bool read_range(struct call *call, uint32_t min, uint32_t max, struct range *out)
{
    struct slice low = call->argv[min], high = call->argv[max];
    out->min = out->max = (struct bound){0};
    switch (out->by) {
    case BY_SCORE:
        if (read_score_bound(low, &out->min) && read_score_bound(high, &out->max))
            return true;
        call_error(call, "ERR min or max is not a float");
        return false;
    case BY_LEX:
        if (read_lex_bound(low, &out->min) && read_lex_bound(high, &out->max))
            return true;
        call_error(call, "ERR min or max not valid string range item");
        return false;
    default:
        return call_i64(call, min, &out->min.rank, NULL) &&
               call_i64(call, max, &out->max.rank, NULL);
    }
}

/* The members below a bound; with `after`, those at it too. */
static size_t below(struct value z, const struct range *range, const struct bound *bound,
                    bool after)
{
    if (range->by == BY_SCORE)
        return zset_below_score(z, bound->score, after);
    if (bound->end != 0)
        return bound->end < 0 ? 0 : zset_count(z);
    return zset_below_member(z, bound->member, after);
}

/* The ranks a range covers. Ranks that are given count from the other end for a reverse one. */
static struct zset_part part_of(struct value z, const struct range *range, bool reverse)
{
    size_t count = zset_count(z), first, end;
    if (range->by == BY_RANK) {
        int64_t n = (int64_t)count, start = range->min.rank, stop = range->max.rank;
        start = start < 0 ? MAX_OF(start + n, 0) : start;
        stop = stop < 0 ? stop + n : MIN_OF(stop, n - 1);
        if (start > stop || start >= n)
            return (struct zset_part){.reverse = reverse};
        first = (size_t)(reverse ? n - 1 - stop : start);
        end = first + (size_t)(stop - start) + 1;
    } else {
        first = below(z, range, &range->min, range->min.open);
        end = below(z, range, &range->max, !range->max.open);
    }
    return (struct zset_part){first, end > first ? end - first : 0, reverse};
}

/* LIMIT: leaves out the first `offset`, in the order that is wanted, and what is behind `limit`
 * others (negative: nothing). */
static void limit_part(struct zset_part *part, int64_t offset, int64_t limit)
{
    size_t skipped = offset < 0 ? part->count : (size_t)MIN_OF((uint64_t)offset, part->count);
    size_t left = part->count - skipped;
    size_t kept = limit < 0 ? left : (size_t)MIN_OF((uint64_t)limit, left);
    part->first += part->reverse ? left - kept : skipped;
    part->count = kept;
}

/* ---- ZRANGE and its kin ---- */

struct options {
    struct range range;
    bool reverse, with_scores;
    int64_t offset, limit;
};

/* What the command's name has decided is no option any more. */
struct fixed {
    bool by, direction, store;
};

static bool read_options(struct call *call, uint32_t at, struct fixed fixed, struct options *out)
{
    out->offset = 0;
    out->limit = -1;
    for (uint32_t i = at; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (!fixed.store && slice_is(word, "withscores")) {
            out->with_scores = true;
        } else if (i + 2 < call->argc && slice_is(word, "limit")) {
            if (!call_i64(call, i + 1, &out->offset, NULL) ||
                !call_i64(call, i + 2, &out->limit, NULL))
                return false;
            i += 2;
        } else if (!fixed.direction && slice_is(word, "rev")) {
            out->reverse = fixed.direction = true;
        } else if (!fixed.by && (slice_is(word, "bylex") || slice_is(word, "byscore"))) {
            out->range.by = slice_is(word, "bylex") ? BY_LEX : BY_SCORE;
            fixed.by = true;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    const char *wrong = NULL;
    if (out->limit != -1 && out->range.by == BY_RANK)
        wrong = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
                "BYLEX";
    else if (out->with_scores && out->range.by == BY_LEX)
        wrong = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    if (wrong != NULL)
        call_error(call, wrong);
    return wrong == NULL;
}

/* In the order that is wanted, and by rank in the large form at once if it will be that: both
 * decide whether a -0 has been in a listpack, which makes it 0. */
static void store_part(struct call *call, const struct entry *entry, const struct range *range,
                       const struct zset_part *part)
{
    const struct value_limits *limits = zset_limits_of(call);
    struct key target = call_key(call, 1);
    bool large = range->by == BY_RANK &&
                 part->count > (uint64_t)RELAXED_LOAD(&limits->zset_max_listpack_entries);
    struct value z = large ? zset_new_large() : zset_new(), from;
    struct zset_at at;
    struct zset_item item;
    if (entry) {
        from = entry_value(entry);
        call_let_go(call, &from, 1);
        zset_seek(from, part->reverse ? part->first + part->count : part->first, &at);
        for (size_t i = 0; i < part->count; i++)
            if (part->reverse ? zset_prev(from, &at, &item) : zset_next(from, &at, &item))
                zset_add(&z, limits, item.member, item.score);
    }
    if (!call_take_back(call)) {
        value_free(z);
        return;
    }
    zset_store(call, &target, z, "zrangestore");
}

/* The source's key is argument `at`, its bounds follow; then come options. */
static void reply_range(struct call *call, uint32_t at, struct options *options, struct fixed fixed)
{
    struct key key = call_key(call, at);
    struct entry *entry;
    struct zset_part part = {0};
    if (!read_options(call, at + 3, fixed, options))
        return;
    bool swapped = options->reverse && options->range.by != BY_RANK; /* given as max, min */
    if (!read_range(call, at + (swapped ? 2 : 1), at + (swapped ? 1 : 2), &options->range) ||
        !zset_find(call, &key, FIND_READ, &entry))
        return;
    struct value z = {0};
    if (entry) {
        z = entry_value(entry);
        part = part_of(z, &options->range, options->reverse);
        if (options->range.by != BY_RANK)
            limit_part(&part, options->offset, options->limit);
    }
    if (call_aside(call, part.count))
        return;
    if (fixed.store) {
        store_part(call, entry, &options->range, &part);
        return;
    }
    if (entry)
        call_let_go(call, &z, 1);
    zset_reply_part(call, z, &part, options->with_scores ? zset_shape_of(call) : ZSET_MEMBERS);
}

static void old_range(struct call *call, enum range_by by, bool reverse)
{
    struct options options = {.range = {.by = by}, .reverse = reverse};
    reply_range(call, 1, &options, (struct fixed){.by = true, .direction = true});
}

void zset_zrange(struct call *call)
{
    struct options options = {0};
    reply_range(call, 1, &options, (struct fixed){0});
}

void zset_zrangestore(struct call *call)
{
    struct options options = {0};
    reply_range(call, 2, &options, (struct fixed){.store = true});
}

void zset_zrevrange(struct call *call)
{
    old_range(call, BY_RANK, true);
}

void zset_zrangebyscore(struct call *call)
{
    old_range(call, BY_SCORE, false);
}

void zset_zrevrangebyscore(struct call *call)
{
    old_range(call, BY_SCORE, true);
}

void zset_zrangebylex(struct call *call)
{
    old_range(call, BY_LEX, false);
}

void zset_zrevrangebylex(struct call *call)
{
    old_range(call, BY_LEX, true);
}

/* ---- counting, removing ---- */

static void count_range(struct call *call, enum range_by by)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct range range = {.by = by};
    if (read_range(call, 2, 3, &range) && zset_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply,
                  entry ? (int64_t)part_of(entry_value(entry), &range, false).count : 0);
}

void zset_zcount(struct call *call)
{
    count_range(call, BY_SCORE);
}

void zset_zlexcount(struct call *call)
{
    count_range(call, BY_LEX);
}

static void remove_range(struct call *call, enum range_by by, const char *event)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct range range = {.by = by};
    struct zset_part part = {0};
    if (!read_range(call, 2, 3, &range) || !zset_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry)
        part = part_of(entry_value(entry), &range, false);
    if (part.count != 0) {
        struct value z = entry_value(entry);
        if (call_aside(call, MIN_OF(part.count, zset_count(z) - part.count)))
            return;
        call_let_go(call, &z, 1);
        if (!zset_cut(call, &key, entry, z, &part, event))
            return;
    }
    reply_int(call->reply, (int64_t)part.count);
}

void zset_zremrangebyrank(struct call *call)
{
    remove_range(call, BY_RANK, "zremrangebyrank");
}

void zset_zremrangebyscore(struct call *call)
{
    remove_range(call, BY_SCORE, "zremrangebyscore");
}

void zset_zremrangebylex(struct call *call)
{
    remove_range(call, BY_LEX, "zremrangebylex");
}
