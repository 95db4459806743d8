/* zset_pop.c - the lowest, the highest, or any members of sorted sets: ZPOPMIN, ZPOPMAX, ZMPOP,
 * ZRANDMEMBER.
 */
#include "commands/zset.h"

#include "base/mem.h"
#include "base/number.h"
#include "base/pace.h"
#include "base/rand.h"
#include "engine/aside.h"

/* ---- ZPOPMIN, ZPOPMAX ---- */

size_t zset_pop(struct call *call, const struct key *key, struct entry *entry, uint64_t count,
                bool highest, enum zset_shape shape)
{
    struct value z = entry_value(entry);
    size_t all = zset_count(z), taken = (size_t)MIN_OF(count, all);
    struct zset_part part = {highest ? all - taken : 0, taken, highest};
    call_let_go(call, &z, 1);
    zset_reply_part(call, z, &part, shape);
    return zset_cut(call, key, entry, z, &part, highest ? "zpopmax" : "zpopmin") ? taken : 0;
}

static void pop_command(struct call *call, bool highest)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t count = 1;
    if (call->argc > 3) {
        call_syntax_error(call);
        return;
    }
    bool counted = call->argc == 3;
    if (counted && !call_i64_range(call, 2, 0, INT64_MAX, &count,
                                   "ERR value is out of range, must be positive"))
        return;
    if (!zset_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL || count == 0)
        reply_array(call->reply, 0);
    else if (!call_aside(call, MIN_OF((uint64_t)count, zset_count(entry_value(entry)))))
        zset_pop(call, &key, entry, (uint64_t)count, highest,
                 counted ? zset_shape_of(call) : ZSET_FLAT);
}

void zset_zpopmin(struct call *call)
{
    pop_command(call, false);
}

void zset_zpopmax(struct call *call)
{
    pop_command(call, true);
}

/* ---- ZMPOP ---- */

static bool read_end(struct call *call, uint32_t at, bool *highest)
{
    *highest = slice_is(call->argv[at], "max");
    if (*highest || slice_is(call->argv[at], "min"))
        return true;
    call_syntax_error(call);
    return false;
}

/* The number of keys, the keys, the end, and COUNT if there is one. */
bool zset_read_mpop(struct call *call, uint32_t at, struct zset_mpop *out)
{
    static const char wrong_count[] = "ERR count should be greater than 0";
    int64_t number;
    *out = (struct zset_mpop){.first_key = at + 1, .count = 1};
    if (!call_i64_range(call, at, 1, INT64_MAX, &number, "ERR numkeys should be greater than 0"))
        return false;
    if (number >= call->argc - at - 1) {
        call_syntax_error(call);
        return false;
    }
    out->keys = (uint32_t)number;
    at += 1 + out->keys;
    if (!read_end(call, at, &out->highest))
        return false;
    if (at + 1 == call->argc)
        return true;
    if (at + 3 > call->argc || !slice_is(call->argv[at + 1], "count")) {
        call_syntax_error(call);
        return false;
    }
    /* The first COUNT is read before what follows it is found to be too much. */
    if (!call_i64_range(call, at + 2, 1, INT64_MAX, &out->count, wrong_count))
        return false;
    if (at + 3 != call->argc)
        call_syntax_error(call);
    return at + 3 == call->argc;
}

/* Logged as the pop of one sorted set that it is. */
static void log_pop(struct call *call, const struct key *key, size_t count, bool highest)
{
    char digits[NUMBER_TEXT_MAX];
    struct slice argv[] = {highest ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), key->name,
                           slice_of(digits, number_print_u64(digits, count))};
    call_effect(call, COUNT_OF(argv), argv);
}

bool zset_mpop(struct call *call, const struct zset_mpop *what)
{
    for (uint32_t i = 0; i < what->keys; i++) {
        struct key key = call_key(call, what->first_key + i);
        struct entry *entry;
        if (!zset_find(call, &key, FIND_WRITE, &entry))
            return true;
        if (entry != NULL) {
            uint64_t count = MIN_OF((uint64_t)what->count, zset_count(entry_value(entry)));
            if (what->aside && call_aside(call, count))
                return true;
            reply_array(call->reply, 2);
            reply_bulk(call->reply, key.name);
            size_t taken = zset_pop(call, &key, entry, count, what->highest, ZSET_PAIRS);
            if (taken != 0)
                log_pop(call, &key, taken, what->highest);
            return true;
        }
    }
    return false;
}

void zset_zmpop(struct call *call)
{
    struct zset_mpop what;
    if (!zset_read_mpop(call, 1, &what))
        return;
    what.aside = true;
    if (!zset_mpop(call, &what))
        reply_null_array(call->reply);
}

/* ---- ZRANDMEMBER ---- */

#define REPEATED_MAX (INT64_C(1) << 24) /* members of one reply that may be the same */

static void reply_any(struct call *call, struct value z, enum zset_shape shape)
{
    struct zset_at at;
    struct zset_item item;
    zset_seek(z, (size_t)rand_below(&call->lane->random, zset_count(z)), &at);
    if (zset_next(z, &at, &item))
        zset_reply_item(call, item.member, item.score, shape);
}

/* `count` of n different ones, each choice with the same chance, in the order of their ranks: a
 * member is taken with the chance of what is wanted yet over what is left (Knuth, Algorithm S). */
static void reply_walked(struct call *call, struct value z, size_t count, enum zset_shape shape)
{
    struct zset_at at;
    struct zset_item item;
    size_t left = zset_count(z);
    for (zset_seek(z, 0, &at); count != 0 && zset_next(z, &at, &item); left--) {
        if (rand_below(&call->lane->random, left) >= count)
            continue;
        zset_reply_item(call, item.member, item.score, shape);
        count--;
    }
}

/* The same from a large one that has many more: not all of it is looked at. */
static void reply_sampled(struct call *call, struct value z, size_t count, enum zset_shape shape)
{
    const struct zset *large = z.pointer;
    struct member **chosen = mem_alloc(count * sizeof *chosen);
    size_t n = members_sample(large->members, rand_next(&call->lane->random), chosen, count);
    for (size_t i = 0; i < n; i++, pace())
        zset_reply_item(call, member_name(chosen[i]), member_score(chosen[i]), shape);
    mem_free(chosen);
}

static void reply_random(struct call *call, struct value z, int64_t count, enum zset_shape shape)
{
    size_t all = zset_count(z);
    if (count < 0) {
        zset_reply_count(call, (size_t)-count, shape);
        for (int64_t i = 0; i < -count; i++, pace())
            reply_any(call, z, shape);
        return;
    }
    size_t wanted = (size_t)MIN_OF((uint64_t)count, all);
    zset_reply_count(call, wanted, shape);
    if (z.encoding == ENCODING_LISTPACK || wanted > all / 4)
        reply_walked(call, z, wanted, shape);
    else if (wanted != 0)
        reply_sampled(call, z, wanted, shape);
}

static bool read_zrandmember(struct call *call, int64_t *count, bool *scores)
{
    *scores = call->argc == 4;
    if (!call_i64_range(call, 2, -INT64_MAX, INT64_MAX, count, NULL))
        return false;
    if (call->argc > 4 || (*scores && !slice_is(call->argv[3], "withscores"))) {
        call_syntax_error(call);
        return false;
    }
    if (*count < -REPEATED_MAX || (*scores && *count > INT64_MAX / 2)) {
        call_error(call, "ERR value is out of range");
        return false;
    }
    return true;
}

void zset_zrandmember(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t count = 0;
    bool counted = call->argc > 2, scores = false;
    if ((counted && !read_zrandmember(call, &count, &scores)) ||
        !zset_find(call, &key, FIND_READ, &entry))
        return;
    if (counted && entry) {
        struct value z = entry_value(entry);
        uint64_t most = count < 0 ? (uint64_t)-count : MIN_OF((uint64_t)count, zset_count(z));
        if (call_aside(call, aside_chosen(most, zset_count(z))))
            return;
        call_let_go(call, &z, 1);
        reply_random(call, z, count, scores ? zset_shape_of(call) : ZSET_MEMBERS);
    } else if (counted) {
        reply_array(call->reply, 0);
    } else if (entry) {
        reply_any(call, entry_value(entry), ZSET_MEMBERS);
    } else {
        reply_null(call->reply);
    }
}
