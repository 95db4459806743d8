/* zset_combine.c - unions, intersections and differences of sorted sets, and of sets, whose members
 * all have the score 1.
 *
 * A result is built in the large form, whatever its size, because members come in no order and
 * their scores may change until the last source was read; what is stored is given its proper form
 * then.
 */
#include "commands/zset.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "commands/plain.h"
#include "engine/aside.h"
#include "keyspace/pin.h"
#include "value/set.h"

enum operation { UNION, INTER, DIFF };
enum aggregate { SUM, MIN, MAX, COUNT };

struct source {
    struct value value; /* pointer NULL: the key is absent */
    size_t count;
    uint32_t order; /* among the arguments */
    double weight;
};

struct combining {
    enum operation operation;
    enum aggregate aggregate;
    bool only_count, with_scores;
    int64_t limit; /* of only_count; 0: none */
    uint32_t sources;
    struct source *source; /* [sources] */
    struct value result;   /* pointer NULL: only_count */
    size_t found, longest;
    double score; /* of the member at hand */
};

/* ---- sources ---- */

/* False: enough, stop. */
typedef bool (*source_visit_fn)(struct combining *c, const struct source *from, struct slice member,
                                double score);

struct set_walk {
    struct combining *c;
    const struct source *from;
    source_visit_fn visit;
};

static bool visit_of_set(void *ctx, struct slice member)
{
    const struct set_walk *walk = ctx;
    return walk->visit(walk->c, walk->from, member, 1);
}

static void source_each(struct combining *c, const struct source *from, source_visit_fn visit)
{
    struct zset_at at;
    struct zset_item item;
    if (from->count == 0)
        return;
    if (from->value.type == TYPE_SET) {
        struct set_walk walk = {c, from, visit};
        set_each(from->value, visit_of_set, &walk);
        return;
    }
    zset_seek(from->value, 0, &at);
    while (zset_next(from->value, &at, &item) && visit(c, from, item.member, item.score))
        ;
}

static bool source_score(const struct source *from, struct slice member, double *score)
{
    *score = 1;
    if (from->count == 0)
        return false;
    return from->value.type == TYPE_SET ? set_has(from->value, member)
                                        : zset_score(from->value, member, score);
}

/* ---- operations ---- */

/* What a source gives to the score of a member: with COUNT its weight, whatever its own score. */
static double share(const struct combining *c, const struct source *from, double score)
{
    return c->aggregate == COUNT ? from->weight : score * from->weight;
}

static double weighted(const struct combining *c, const struct source *from, double score)
{
    double product = share(c, from, score);
    return isnan(product) ? 0 : product;
}

static double joined(enum aggregate how, double a, double b)
{
    if (how == MIN)
        return b < a ? b : a;
    if (how == MAX)
        return b > a ? b : a;
    double sum = a + b;
    return isnan(sum) ? 0 : sum; /* of infinities of different signs */
}

static void add_result(struct combining *c, struct slice member, double score)
{
    c->found++;
    c->longest = MAX_OF(c->longest, member.len);
    if (c->result.pointer != NULL)
        zset_add(&c->result, NULL, member, score); /* large: no limits */
}

static bool add_to_union(struct combining *c, const struct source *from, struct slice member,
                         double score)
{
    double old;
    score = weighted(c, from, score);
    if (!zset_score(c->result, member, &old)) {
        add_result(c, member, score);
        return true;
    }
    score = joined(c->aggregate, old, score);
    if (score != old || signbit(score) != signbit(old))
        zset_move(&c->result, member, old, score);
    return true;
}

static bool add_if_in_all(struct combining *c, const struct source *from, struct slice member,
                          double score)
{
    score = weighted(c, from, score);
    for (uint32_t i = 1; i < c->sources; i++) {
        double other;
        if (!source_score(&c->source[i], member, &other))
            return true;
        score = joined(c->aggregate, score, share(c, &c->source[i], other));
    }
    add_result(c, member, score);
    return c->limit == 0 || c->found < (uint64_t)c->limit;
}

static bool add_if_in_no_other(struct combining *c, const struct source *from, struct slice member,
                               double score)
{
    double other;
    for (uint32_t i = 1; i < c->sources; i++)
        if (source_score(&c->source[i], member, &other))
            return true;
    add_result(c, member, score);
    return true;
}

static int smaller_first(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void combine(struct combining *c)
{
    if (!c->only_count)
        c->result = zset_new_large();
    if (c->operation != DIFF)
        qsort(c->source, c->sources, sizeof *c->source, smaller_first);
    if (c->operation == INTER)
        source_each(c, &c->source[0], add_if_in_all);
    else if (c->operation == DIFF)
        source_each(c, &c->source[0], add_if_in_no_other);
    else
        for (uint32_t i = 0; i < c->sources; i++)
            source_each(c, &c->source[i], add_to_union);
}

/* ---- arguments ---- */

static bool find_sources(struct call *call, uint32_t first, struct combining *c)
{
    for (uint32_t i = 0; i < c->sources; i++) {
        struct key key = call_key(call, first + i);
        const struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
        c->source[i] = (struct source){.order = i, .weight = 1};
        if (entry == NULL)
            continue;
        if (entry_type(entry) != TYPE_ZSET && entry_type(entry) != TYPE_SET) {
            call_wrong_type(call);
            return false;
        }
        struct value value = entry_value(entry);
        c->source[i].value = value;
        c->source[i].count = value.type == TYPE_SET ? set_count(value) : zset_count(value);
    }
    return true;
}

static bool read_weights(struct call *call, uint32_t at, struct combining *c)
{
    for (uint32_t i = 0; i < c->sources; i++)
        if (!call_double(call, at + i, &c->source[i].weight, "ERR weight value is not a float"))
            return false;
    return true;
}

static bool read_aggregate(struct call *call, uint32_t at, struct combining *c)
{
    struct slice word = call->argv[at];
    if (slice_is(word, "sum"))
        c->aggregate = SUM;
    else if (slice_is(word, "min"))
        c->aggregate = MIN;
    else if (slice_is(word, "max"))
        c->aggregate = MAX;
    else if (slice_is(word, "count"))
        c->aggregate = COUNT;
    else
        return call_syntax_error(call), false;
    return true;
}

static bool read_options(struct call *call, uint32_t at, bool store, struct combining *c)
{
    bool scored = c->operation != DIFF && !c->only_count;
    while (at < call->argc) {
        struct slice word = call->argv[at];
        uint32_t left = call->argc - at; /* this one counted */
        if (scored && left > c->sources && slice_is(word, "weights")) {
            if (!read_weights(call, at + 1, c))
                return false;
            at += 1 + c->sources;
        } else if (scored && left >= 2 && slice_is(word, "aggregate")) {
            if (!read_aggregate(call, at + 1, c))
                return false;
            at += 2;
        } else if (!store && !c->only_count && slice_is(word, "withscores")) {
            c->with_scores = true;
            at++;
        } else if (c->only_count && left >= 2 && slice_is(word, "limit")) {
            if (!call_i64_range(call, at + 1, 0, INT64_MAX, &c->limit,
                                "ERR LIMIT can't be negative"))
                return false;
            at += 2;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* The number of keys is argument `at`; false after replying that it is wrong. */
static bool read_key_count(struct call *call, uint32_t at, struct combining *c)
{
    int64_t count;
    if (!call_i64(call, at, &count, NULL))
        return false;
    if (count < 1) {
        call_errorf(call, "ERR at least 1 input key is needed for '%s' command",
                    call->command->name);
        return false;
    }
    if (count > call->argc - (at + 1)) {
        call_syntax_error(call);
        return false;
    }
    c->sources = (uint32_t)count;
    return true;
}

/* ---- commands ---- */

static void reply_result(struct call *call, struct combining *c)
{
    struct zset_part all = {.count = c->found};
    if (c->only_count) {
        reply_int(call->reply, (int64_t)c->found);
        return;
    }
    zset_reply_part(call, c->result, &all, c->with_scores ? zset_shape_of(call) : ZSET_MEMBERS);
    value_free(c->result);
}

#define LOGGED_AT_ONCE 32 /* members in one command */

/* Logs the members themselves: not every server knows COUNT. */
static void log_result(struct call *call, struct slice name, struct value z)
{
    char texts[LOGGED_AT_ONCE][ZSET_SCORE_TEXT];
    struct zset_item items[LOGGED_AT_ONCE];
    struct slice argv[2 + 2 * LOGGED_AT_ONCE] = {SLICE("ZADD"), name};
    struct zset_at at;
    uint32_t count;
    plain_effect_delete(call, name, false);
    zset_seek(z, 0, &at);
    do {
        for (count = 0; count < LOGGED_AT_ONCE && zset_next(z, &at, &items[count]); count++) {
            size_t len = zset_print_score(texts[count], items[count].score);
            argv[2 + 2 * count] = slice_of(texts[count], len);
            argv[3 + 2 * count] = items[count].member;
        }
        if (count != 0)
            call_effect(call, 2 + 2 * count, argv);
    } while (count == LOGGED_AT_ONCE);
}

static void store_result(struct call *call, struct combining *c)
{
    static const char *const events[] = {"zunionstore", "zinterstore", "zdiffstore"};
    struct key target = call_key(call, 1);
    zset_settle(&c->result, zset_limits_of(call), c->longest);
    if (!call_take_back(call)) {
        value_free(c->result);
        return;
    }
    zset_store(call, &target, c->result, events[c->operation]);
    if (c->aggregate == COUNT && c->found != 0)
        log_result(call, target.name, c->result);
}

/* How many are looked at. */
static uint64_t members_of(const struct combining *c)
{
    uint64_t members = 0, least = UINT64_MAX;
    for (uint32_t i = 0; i < c->sources; i++) {
        members += c->source[i].count;
        least = MIN_OF(least, (uint64_t)c->source[i].count);
    }
    return c->operation == INTER ? least * c->sources : members;
}

static void let_go(struct call *call, const struct combining *c)
{
    struct value values[PINS_MAX];
    uint32_t count = 0;
    if (LIKELY(!call->aside) || c->sources > PINS_MAX)
        return;
    for (uint32_t i = 0; i < c->sources; i++)
        if (c->source[i].count != 0)
            values[count++] = c->source[i].value;
    call_let_go(call, values, count);
}

static void run(struct call *call, enum operation operation, bool store, bool only_count)
{
    struct combining c = {.operation = operation, .only_count = only_count};
    uint32_t at = store ? 2 : 1;
    if (!read_key_count(call, at, &c))
        return;
    c.source = mem_alloc(c.sources * sizeof *c.source);
    if (find_sources(call, at + 1, &c) && read_options(call, at + 1 + c.sources, store, &c) &&
        !call_aside(call, members_of(&c))) {
        let_go(call, &c);
        combine(&c);
        store ? store_result(call, &c) : reply_result(call, &c);
    }
    mem_free(c.source);
}

void zset_zunion(struct call *call)
{
    run(call, UNION, false, false);
}

void zset_zinter(struct call *call)
{
    run(call, INTER, false, false);
}

void zset_zdiff(struct call *call)
{
    run(call, DIFF, false, false);
}

void zset_zunionstore(struct call *call)
{
    run(call, UNION, true, false);
}

void zset_zinterstore(struct call *call)
{
    run(call, INTER, true, false);
}

void zset_zdiffstore(struct call *call)
{
    run(call, DIFF, true, false);
}

void zset_zintercard(struct call *call)
{
    run(call, INTER, false, true);
}
