/* zset.c - sorted sets: adding, removing and asking by member, and what the family shares. */
#include "commands/zset.h"

#include <math.h>
#include "base/mem.h"
#include "commands/plain.h"
#include "engine/aside.h"

/* What takes at least one member to so many that stay, aside, leaves a copy of those that stay,
 * which is made while the shard is let go. Fewer are taken out in place: some 130 ns each. */
#define LEFT_SHARE 16

/* ---- what the family shares ---- */

void zset_shrunk(struct call *call, const struct key *key, struct entry *entry, struct value z,
                 size_t removed, const char *event)
{
    call_changed(call, removed);
    keyspace_value_edited(entry, z);
    call_notify(call, 'z', event, key);
    if (zset_count(z) != 0)
        return;
    keyspace_remove(&call->hold, key, entry, false);
    call_notify(call, 'g', "del", key);
}

static void remove_emptied(struct call *call, const struct key *key, struct entry *entry,
                           const char *event)
{
    call_notify(call, 'z', event, key);
    keyspace_remove(&call->hold, key, entry, false);
    call_notify(call, 'g', "del", key);
}

/* What is left of a pinned sorted set, if that is to be another value. */
static struct value left_aside(const struct call *call, struct value z,
                               const struct zset_part *part)
{
    size_t left = zset_count(z) - part->count;
    if (call->aside != ASIDE_LET_GO || z.encoding == ENCODING_LISTPACK || left == 0 ||
        left / LEFT_SHARE > part->count)
        return (struct value){0};
    return zset_copy_outside(z, part->first, part->count);
}

bool zset_cut(struct call *call, const struct key *key, struct entry *entry, struct value z,
              const struct zset_part *part, const char *event)
{
    struct value left = {0}, rest;
    if (UNLIKELY(call->aside)) {
        left = left_aside(call, z, part);
        if (!call_take_back(call)) {
            if (left.pointer != NULL)
                value_free(left);
            return false;
        }
        entry = keyspace_find(&call->hold, key, FIND_PEEK);
    }
    call_changed(call, part->count);
    if (part->count == zset_count(z)) {
        remove_emptied(call, key, entry, event);
        return true;
    }
    if (left.pointer != NULL) {
        keyspace_put_value(&call->hold, key, entry, left, entry_expire_ms(entry));
    } else {
        z = keyspace_edit_value(&call->hold, key, entry);
        zset_cut_range(&z, part->first, part->count, &rest);
        keyspace_value_edited(entry, z);
        if (rest.pointer != NULL)
            keyspace_discard(&call->hold, rest, true);
    }
    call_notify(call, 'z', event, key);
    return true;
}

void zset_store(struct call *call, const struct key *key, struct value z, const char *event)
{
    struct entry *entry = keyspace_find(&call->hold, key, FIND_PEEK);
    size_t count = zset_count(z);
    if (count != 0) {
        keyspace_put_value(&call->hold, key, entry, z, EXPIRE_NONE);
        call_changed(call, 1);
        call_notify(call, 'z', event, key);
    } else {
        value_free(z);
        if (entry != NULL)
            plain_remove(call, key, entry, false);
    }
    reply_int(call->reply, (int64_t)count);
}

void zset_reply_item(struct call *call, struct slice member, double score, enum zset_shape shape)
{
    if (shape == ZSET_PAIRS)
        reply_array(call->reply, 2);
    reply_bulk(call->reply, member);
    if (shape != ZSET_MEMBERS)
        reply_double(call->reply, score);
}

void zset_reply_count(struct call *call, size_t count, enum zset_shape shape)
{
    reply_array(call->reply, shape == ZSET_FLAT ? 2 * count : count);
}

void zset_reply_part(struct call *call, struct value z, const struct zset_part *part,
                     enum zset_shape shape)
{
    struct zset_at at;
    struct zset_item item;
    zset_reply_count(call, part->count, shape);
    if (part->count == 0)
        return;
    zset_seek(z, part->reverse ? part->first + part->count : part->first, &at);
    for (size_t i = 0; i < part->count; i++) {
        bool there = part->reverse ? zset_prev(z, &at, &item) : zset_next(z, &at, &item);
        if (!there) /* cannot be: the part lies within */
            item = (struct zset_item){.member = SLICE("")};
        zset_reply_item(call, item.member, item.score, shape);
    }
}

/* ---- ZADD, ZINCRBY ---- */

struct adding {
    bool nx, xx, gt, lt, changed, increment;
    uint32_t first; /* argument of the first score */
    uint32_t count; /* pairs */
};

static bool read_flags(struct call *call, struct adding *out)
{
    uint32_t i = 2;
    for (; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (slice_is(word, "nx"))
            out->nx = true;
        else if (slice_is(word, "xx"))
            out->xx = true;
        else if (slice_is(word, "gt"))
            out->gt = true;
        else if (slice_is(word, "lt"))
            out->lt = true;
        else if (slice_is(word, "ch"))
            out->changed = true;
        else if (slice_is(word, "incr"))
            out->increment = true;
        else
            break;
    }
    out->first = i;
    out->count = (call->argc - i) / 2;
    const char *wrong = NULL;
    if ((call->argc - i) % 2 != 0 || out->count == 0)
        wrong = "ERR syntax error";
    else if (out->nx && out->xx)
        wrong = "ERR XX and NX options at the same time are not compatible";
    else if ((out->gt && out->nx) || (out->lt && out->nx) || (out->gt && out->lt))
        wrong = "ERR GT, LT, and/or NX options at the same time are not compatible";
    else if (out->increment && out->count > 1)
        wrong = "ERR INCR option supports a single increment-element pair";
    if (wrong != NULL)
        call_error(call, wrong);
    return wrong == NULL;
}

enum outcome { OUT_NOTHING, OUT_SAME, OUT_UPDATED, OUT_ADDED, OUT_NAN };

/* Adds one member, or changes its score; *score is the one it has then. */
static enum outcome add_one(struct value *z, const struct value_limits *limits,
                            const struct adding *how, struct slice member, double *score)
{
    double old;
    if (!zset_score(*z, member, &old)) {
        if (how->xx)
            return OUT_NOTHING;
        zset_add(z, limits, member, *score);
        return OUT_ADDED;
    }
    if (how->nx)
        return OUT_NOTHING;
    if (how->increment)
        *score += old;
    if (isnan(*score))
        return OUT_NAN;
    if ((how->lt && *score >= old) || (how->gt && *score <= old))
        return OUT_NOTHING;
    if (*score == old)
        return OUT_SAME;
    zset_move(z, member, old, *score);
    return OUT_UPDATED;
}

static void reply_added(struct call *call, const struct adding *how, size_t added, size_t updated,
                        bool processed, double score)
{
    if (!how->increment)
        reply_int(call->reply, (int64_t)(how->changed ? added + updated : added));
    else if (processed)
        reply_double(call->reply, score);
    else
        reply_null(call->reply);
}

static void add_all(struct call *call, const struct adding *how, const double *scores)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    size_t added = 0, updated = 0;
    enum outcome outcome = OUT_NOTHING;
    double score = 0;
    if (!zset_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL && how->xx) {
        reply_added(call, how, 0, 0, false, 0);
        return;
    }
    struct value z = entry ? keyspace_edit_value(&call->hold, &key, entry) : zset_new();
    for (uint32_t i = 0; i < how->count && outcome != OUT_NAN; i++) {
        score = scores[i];
        outcome =
            add_one(&z, zset_limits_of(call), how, call->argv[how->first + 2 * i + 1], &score);
        added += outcome == OUT_ADDED;
        updated += outcome == OUT_UPDATED;
    }
    if (entry)
        keyspace_value_edited(entry, z);
    else
        keyspace_put_value(&call->hold, &key, NULL, z, EXPIRE_NONE);
    if (outcome == OUT_NAN)
        call_error(call, "ERR resulting score is not a number (NaN)");
    else
        reply_added(call, how, added, updated, outcome != OUT_NOTHING, score);
    call_changed(call, added + updated);
    if (added + updated != 0)
        call_notify(call, 'z', how->increment ? "zincr" : "zadd", &key);
}

static void add(struct call *call, const struct adding *how)
{
    double few[16], *scores = few;
    bool ok = true;
    if (how->count > COUNT_OF(few))
        scores = mem_alloc(how->count * sizeof *scores);
    for (uint32_t i = 0; i < how->count && ok; i++)
        ok = call_double(call, how->first + 2 * i, &scores[i], NULL);
    if (ok)
        add_all(call, how, scores);
    if (scores != few)
        mem_free(scores);
}

void zset_zadd(struct call *call)
{
    struct adding how = {0};
    if (read_flags(call, &how))
        add(call, &how);
}

void zset_zincrby(struct call *call)
{
    const struct adding how = {.increment = true, .first = 2, .count = 1};
    add(call, &how);
}

/* ---- ZREM ---- */

void zset_zrem(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    size_t removed = 0;
    if (!zset_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry) {
        struct value z = keyspace_edit_value(&call->hold, &key, entry);
        for (uint32_t i = 2; i < call->argc && zset_count(z) != 0; i++)
            removed += zset_remove(&z, call->argv[i]);
        if (removed != 0)
            zset_shrunk(call, &key, entry, z, removed, "zrem");
        else
            keyspace_value_edited(entry, z);
    }
    reply_int(call->reply, (int64_t)removed);
}

/* ---- asking ---- */

void zset_zcard(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (zset_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry ? (int64_t)zset_count(entry_value(entry)) : 0);
}

static void reply_score(struct call *call, const struct entry *entry, struct slice member)
{
    double score;
    if (entry && zset_score(entry_value(entry), member, &score))
        reply_double(call->reply, score);
    else
        reply_null(call->reply);
}

void zset_zscore(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (zset_find(call, &key, FIND_READ, &entry))
        reply_score(call, entry, call->argv[2]);
}

void zset_zmscore(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!zset_find(call, &key, FIND_READ, &entry))
        return;
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++)
        reply_score(call, entry, call->argv[i]);
}

static void reply_rank(struct call *call, bool reverse)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    bool with_score = call->argc == 4;
    size_t rank;
    double score;
    if (call->argc > 4) {
        call_wrong_arity(call);
        return;
    }
    if (with_score && !slice_is(call->argv[3], "withscore")) {
        call_syntax_error(call);
        return;
    }
    if (!zset_find(call, &key, FIND_READ, &entry))
        return;
    if (!entry || !zset_rank(entry_value(entry), call->argv[2], &rank, &score)) {
        with_score ? reply_null_array(call->reply) : reply_null(call->reply);
        return;
    }
    if (reverse)
        rank = zset_count(entry_value(entry)) - 1 - rank;
    if (with_score)
        reply_array(call->reply, 2);
    reply_int(call->reply, (int64_t)rank);
    if (with_score)
        reply_double(call->reply, score);
}

void zset_zrank(struct call *call)
{
    reply_rank(call, false);
}

void zset_zrevrank(struct call *call)
{
    reply_rank(call, true);
}
