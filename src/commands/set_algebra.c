/* set_algebra.c - intersections, unions and differences, replied, counted or stored.
 *
 * Intersections look the members of the smallest set up in the others. Differences either look the
 * members of the first set up in the others, or take the others' members out of a copy, whichever
 * is less work.
 */
#include "commands/set.h"

#include <stdlib.h>
#include "base/mem.h"
#include "engine/aside.h"
#include "engine/settings.h"
#include "value/hyperloglog.h"

/* Sets given by their keys; those that are absent are left out. */
struct operands {
    struct value *sets;
    uint32_t count;
    bool first_missing, any_missing;
};

enum work { OF_EACH, OF_LEAST }; /* members that are looked at: all, or the smallest set's in all */

/* `count` keys from argument `at` on; the sets may then be read, and nothing else of the keyspace.
 * False after replying WRONGTYPE, or if the command runs aside, with nothing to free. */
static bool find_operands(struct call *call, uint32_t at, uint32_t count, enum work work,
                          struct operands *out)
{
    uint64_t members = 0, least = UINT64_MAX;
    *out = (struct operands){.sets = mem_alloc(count * sizeof *out->sets)};
    for (uint32_t i = 0; i < count; i++) {
        struct key key = call_key(call, at + i);
        struct entry *entry;
        if (!set_find(call, &key, FIND_READ, &entry)) {
            mem_free(out->sets);
            return false;
        }
        if (entry != NULL) {
            out->sets[out->count++] = entry_value(entry);
            members += set_count(entry_value(entry));
            least = MIN_OF(least, (uint64_t)set_count(entry_value(entry)));
        } else {
            out->any_missing = true;
            out->first_missing |= i == 0;
        }
    }
    if (work == OF_LEAST)
        members = out->any_missing ? 0 : least * count;
    if (call_aside(call, members)) {
        mem_free(out->sets);
        return false;
    }
    call_let_go(call, out->sets, out->count);
    return true;
}

/* Files the result under the key at argument 1, or removes what is there if it is empty. */
static void store(struct call *call, struct value result, const char *event)
{
    if (!call_take_back(call)) {
        value_free(result);
        return;
    }
    struct key key = call_key(call, 1);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    size_t count = set_count(result);
    if (count != 0) {
        keyspace_put_value(&call->hold, &key, entry, result, EXPIRE_NONE);
        call_changed(call, 1);
        call_notify(call, 's', event, &key);
    } else {
        value_free(result);
        if (entry != NULL) {
            keyspace_remove(&call->hold, &key, entry,
                            RELAXED_LOAD(&call->server->settings->lazyfree_lazy_server_del));
            call_changed(call, 1);
            call_notify(call, 'g', "del", &key);
        }
    }
    reply_int(call->reply, (int64_t)count);
}

/* Members go to a set, if there is one, else to a reply, if there is one; and are counted. */
struct result {
    struct value *set;
    const struct value_limits *limits;
    struct reply_buffer *reply;
    uint64_t count, most; /* most: where to stop */
};

static bool give(struct result *result, struct slice member)
{
    if (result->set)
        set_add(result->set, result->limits, member);
    else if (result->reply)
        reply_bulk(result->reply, member);
    return ++result->count < result->most;
}

/* A walk over one set against others. */
struct sieve {
    const struct value *others;
    uint32_t count;
    bool wanted; /* in all of them, or (false) in none */
    struct result *result;
};

static bool pass_member(void *ctx, struct slice member)
{
    const struct sieve *sieve = ctx;
    for (uint32_t i = 0; i < sieve->count; i++)
        if (set_has(sieve->others[i], member) != sieve->wanted)
            return true;
    return give(sieve->result, member);
}

static int by_count(const void *a, const void *b)
{
    size_t x = set_count(*(const struct value *)a), y = set_count(*(const struct value *)b);
    return (x > y) - (x < y);
}

/* ---- intersections ---- */

static void intersect(struct operands *operands, struct result *result)
{
    struct sieve sieve = {operands->sets + 1, operands->count - 1, true, result};
    set_each(operands->sets[0], pass_member, &sieve);
}

void set_sinter(struct call *call)
{
    struct operands operands;
    if (!find_operands(call, 1, call->argc - 1, OF_LEAST, &operands))
        return;
    if (operands.any_missing) {
        reply_set(call->reply, 0);
    } else {
        struct result result = {.reply = call->reply, .most = UINT64_MAX};
        size_t mark = reply_array_deferred(call->reply);
        qsort(operands.sets, operands.count, sizeof *operands.sets, by_count);
        intersect(&operands, &result);
        reply_set_patch(call->reply, mark, result.count);
    }
    mem_free(operands.sets);
}

void set_sinterstore(struct call *call)
{
    struct operands operands;
    if (!find_operands(call, 2, call->argc - 2, OF_LEAST, &operands))
        return;
    struct value stored = set_new_as(ENCODING_LISTPACK, 0);
    if (!operands.any_missing) {
        qsort(operands.sets, operands.count, sizeof *operands.sets, by_count);
        if (operands.sets[0].encoding == ENCODING_INTSET) {
            value_free(stored);
            stored = set_new_as(ENCODING_INTSET, 0);
        }
        struct result result = {.set = &stored, .limits = set_limits_of(call), .most = UINT64_MAX};
        intersect(&operands, &result);
        set_compact(&stored, result.limits);
    }
    mem_free(operands.sets);
    store(call, stored, "sinterstore");
}

/* What the counting commands are told behind the number of keys and the keys. */
struct counting {
    uint32_t keys;
    int64_t limit; /* 0: none */
    bool approximate;
};

/* False after replying what is wrong. */
static bool read_counting(struct call *call, bool may_approximate, struct counting *out)
{
    int64_t number;
    *out = (struct counting){0};
    if (!call_i64_range(call, 1, 1, INT64_MAX, &number, "ERR numkeys should be greater than 0"))
        return false;
    if (number > call->argc - 2) {
        call_error(call, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    out->keys = (uint32_t)number;
    for (uint32_t i = 2 + out->keys; i < call->argc; i++) {
        if (may_approximate && slice_is(call->argv[i], "approx")) {
            out->approximate = true;
            continue;
        }
        if (i + 1 == call->argc || !slice_is(call->argv[i], "limit")) {
            call_syntax_error(call);
            return false;
        }
        if (!call_i64_range(call, ++i, 0, INT64_MAX, &out->limit, "ERR LIMIT can't be negative"))
            return false;
    }
    return true;
}

static uint64_t most_of(const struct counting *counting)
{
    return counting->limit != 0 ? (uint64_t)counting->limit : UINT64_MAX;
}

void set_sintercard(struct call *call)
{
    struct operands operands;
    struct counting counting;
    if (!read_counting(call, false, &counting) ||
        !find_operands(call, 2, counting.keys, OF_LEAST, &operands))
        return;
    struct result result = {.most = most_of(&counting)};
    if (!operands.any_missing) {
        qsort(operands.sets, operands.count, sizeof *operands.sets, by_count);
        intersect(&operands, &result);
    }
    mem_free(operands.sets);
    reply_int(call->reply, (int64_t)result.count);
}

/* ---- unions ---- */

static bool give_member(void *result, struct slice member)
{
    return give(result, member);
}

static void unite(const struct operands *operands, struct result *result)
{
    for (uint32_t i = 0; i < operands->count; i++)
        set_each(operands->sets[i], give_member, result);
}

void set_sunion(struct call *call)
{
    struct operands operands;
    if (!find_operands(call, 1, call->argc - 1, OF_EACH, &operands))
        return;
    if (operands.count == 0) {
        reply_set(call->reply, 0);
    } else if (operands.count == 1) {
        set_reply_all(call, operands.sets[0]);
    } else {
        bool integers = true;
        size_t most = 0;
        for (uint32_t i = 0; i < operands.count; i++) {
            integers &= operands.sets[i].encoding == ENCODING_INTSET;
            most = MAX_OF(most, set_count(operands.sets[i]));
        }
        struct value all = set_new_as(integers ? ENCODING_INTSET : ENCODING_HASHTABLE, most);
        struct result result = {.set = &all, .limits = set_limits_of(call), .most = UINT64_MAX};
        unite(&operands, &result);
        set_reply_all(call, all);
        value_free(all);
    }
    mem_free(operands.sets);
}

void set_sunionstore(struct call *call)
{
    struct operands operands;
    if (!find_operands(call, 2, call->argc - 2, OF_EACH, &operands))
        return;
    struct value stored = set_new_as(ENCODING_INTSET, 0);
    struct result result = {.set = &stored, .limits = set_limits_of(call), .most = UINT64_MAX};
    unite(&operands, &result);
    mem_free(operands.sets);
    store(call, stored, "sunionstore");
}

struct gathering {
    struct value all;
    const struct value_limits *limits;
    uint64_t most;
};

static bool gather(void *ctx, struct slice member)
{
    struct gathering *g = ctx;
    set_add(&g->all, g->limits, member);
    return set_count(g->all) < g->most;
}

/* A union is gathered to know what was there before, but not beyond the limit. */
static uint64_t count_union(const struct operands *operands, const struct value_limits *limits,
                            uint64_t most)
{
    struct gathering g = {.limits = limits, .most = most};
    if (operands->count == 0)
        return 0;
    if (operands->count == 1)
        return MIN_OF(set_count(operands->sets[0]), most);
    g.all = set_new_as(ENCODING_HASHTABLE,
                       (size_t)MIN_OF(set_count(operands->sets[operands->count - 1]), most));
    for (uint32_t i = 0; i < operands->count; i++)
        if (!set_each(operands->sets[operands->count - 1 - i], gather, &g))
            break;
    uint64_t count = set_count(g.all);
    value_free(g.all);
    return count;
}

static bool sketch(void *registers, struct slice member)
{
    struct hll_point point = hll_point_of(member);
    uint8_t *at = (uint8_t *)registers + point.index;
    *at = MAX_OF(*at, point.rank);
    return true;
}

/* The estimate that PFCOUNT would give: nothing of the union is kept. */
static uint64_t estimate_union(const struct operands *operands, uint64_t most)
{
    uint8_t *registers = mem_zalloc(HLL_REGISTERS);
    for (uint32_t i = 0; i < operands->count; i++)
        set_each(operands->sets[i], sketch, registers);
    uint64_t count = hll_count_registers(registers);
    mem_free(registers);
    return MIN_OF(count, most);
}

void set_sunioncard(struct call *call)
{
    struct operands operands;
    struct counting counting;
    if (!read_counting(call, true, &counting) ||
        !find_operands(call, 2, counting.keys, OF_EACH, &operands))
        return;
    uint64_t most = most_of(&counting);
    qsort(operands.sets, operands.count, sizeof *operands.sets, by_count);
    uint64_t count = counting.approximate ? estimate_union(&operands, most)
                                          : count_union(&operands, set_limits_of(call), most);
    mem_free(operands.sets);
    reply_int(call->reply, (int64_t)count);
}

/* ---- differences ---- */

/* Whether to look up in the others (cheaper, as it may stop at the first and copies nothing)
 * rather than to take out of a copy. */
static bool is_lookup_less(const struct operands *operands)
{
    uint64_t first = set_count(operands->sets[0]), all = 0;
    for (uint32_t i = 0; i < operands->count; i++)
        all += set_count(operands->sets[i]);
    return first * operands->count / 2 <= all;
}

static bool take_out(void *set, struct slice member)
{
    set_remove(set, member);
    return set_count(*(struct value *)set) != 0;
}

/* The first set is there. With result->set, which is empty, the difference is made in it. */
static void subtract(struct operands *operands, struct result *result)
{
    struct value *others = operands->sets + 1;
    uint32_t count = operands->count - 1;
    if (result->set == NULL || is_lookup_less(operands)) {
        struct sieve sieve = {others, count, false, result};
        set_each(operands->sets[0], pass_member, &sieve);
        return;
    }
    set_each(operands->sets[0], give_member, result);
    for (uint32_t i = 0; i < count && set_count(*result->set) != 0; i++)
        set_each(others[i], take_out, result->set);
}

/* The others by size, the largest first: it is likeliest to have a member. */
static void order_others(struct operands *operands)
{
    uint32_t last = operands->count - 1;
    if (operands->count < 3)
        return;
    qsort(operands->sets + 1, last, sizeof *operands->sets, by_count);
    for (uint32_t i = 1; i < last; i++, last--) {
        struct value other = operands->sets[i];
        operands->sets[i] = operands->sets[last];
        operands->sets[last] = other;
    }
}

void set_sdiff(struct call *call)
{
    struct operands operands;
    if (!find_operands(call, 1, call->argc - 1, OF_EACH, &operands))
        return;
    struct result result = {.most = UINT64_MAX, .limits = set_limits_of(call)};
    if (operands.first_missing) {
        reply_set(call->reply, 0);
    } else if (is_lookup_less(&operands)) {
        size_t mark = reply_array_deferred(call->reply);
        result.reply = call->reply;
        order_others(&operands);
        subtract(&operands, &result);
        reply_set_patch(call->reply, mark, result.count);
    } else {
        struct value rest = set_new_as(ENCODING_HASHTABLE, set_count(operands.sets[0]));
        result.set = &rest;
        subtract(&operands, &result);
        set_reply_all(call, rest);
        value_free(rest);
    }
    mem_free(operands.sets);
}

void set_sdiffstore(struct call *call)
{
    struct operands operands;
    if (!find_operands(call, 2, call->argc - 2, OF_EACH, &operands))
        return;
    struct value stored = set_new_as(ENCODING_INTSET, 0);
    struct result result = {.set = &stored, .limits = set_limits_of(call), .most = UINT64_MAX};
    if (!operands.first_missing) {
        order_others(&operands);
        subtract(&operands, &result);
    }
    mem_free(operands.sets);
    store(call, stored, "sdiffstore");
}

void set_sdiffcard(struct call *call)
{
    struct operands operands;
    struct counting counting;
    if (!read_counting(call, false, &counting) ||
        !find_operands(call, 2, counting.keys, OF_EACH, &operands))
        return;
    struct result result = {.most = most_of(&counting)};
    if (!operands.first_missing) {
        order_others(&operands);
        subtract(&operands, &result);
    }
    mem_free(operands.sets);
    reply_int(call->reply, (int64_t)result.count);
}
