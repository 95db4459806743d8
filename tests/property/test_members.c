/* Members against a model: random additions, changes, removals, expiry, samples and walks, below
 * and above the size from which a collection has a heap of its own, and across it.
 *
 * SPILLWAY_SEED chooses the run (printed), SPILLWAY_ROUNDS how many runs there are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/calendar.h"
#include "struct/members.h"

#define VALUE_MAX 3000

/* What should be known of the name with this number. */
struct expected {
    bool in;
    uint16_t value_length;
    char value_byte;
    int64_t expire_ms;
    double score;
    uint64_t since; /* walk that was under way when it was added */
    uint64_t seen;  /* number of the walk that saw it last */
};

struct model {
    struct members *members;
    enum members_kind kind;
    struct expected *all;
    size_t universe, count, expiring;
    struct rand rand;
    int64_t now_ms;
    uint64_t cursor, walk;
    size_t walks, expired, moved;
    bool failing; /* an allocation may fail just now */
};

static uint64_t seed_base(void)
{
    const char *seed = getenv("SPILLWAY_SEED");
    return seed ? strtoull(seed, NULL, 0) : rand_system();
}

static unsigned rounds(unsigned by_default)
{
    const char *n = getenv("SPILLWAY_ROUNDS");
    return n ? (unsigned)atoi(n) : by_default;
}

/* Name k begins with its number; most are short, some are as long as anything. */
static struct slice name_of(size_t k, char *buffer)
{
    static const uint16_t LENGTHS[] = {8, 9, 10, 11, 12, 13, 14, 15, 16, 29, 30, 31, 255, 256, 600};
    size_t length = LENGTHS[k % 10 < 9 ? k % 9 : k / 10 % COUNT_OF(LENGTHS)];
    memset(buffer, 'n', length);
    char digits[16];
    snprintf(digits, sizeof(digits), "%08zu", k);
    memcpy(buffer, digits, 8);
    return slice_of(buffer, length);
}

static size_t number_of(struct slice name)
{
    char digits[9] = {0};
    memcpy(digits, name.data, 8);
    return strtoul(digits, NULL, 10);
}

static struct expected *expected_of(struct model *m, const struct member *r)
{
    size_t k = number_of(member_name(r));
    assert_true(k < m->universe);
    return &m->all[k];
}

/* The record is what the model says. */
static void check(struct model *m, size_t k, const struct member *r)
{
    const struct expected *e = &m->all[k];
    char buffer[600];
    assert_true(e->in && (uintptr_t)r % 4 == 0);
    assert_true(slice_eq(member_name(r), name_of(k, buffer)));
    if (m->kind == MEMBERS_ZSET)
        assert_true(member_score(r) == e->score);
    if (m->kind != MEMBERS_HASH)
        return;
    struct slice value = member_value(r);
    assert_int_equal(value.len, e->value_length);
    for (size_t i = 0; i < value.len; i += 1 + value.len / 16)
        assert_int_equal(value.data[i], e->value_byte);
    assert_int_equal(member_expire_ms(r), e->expire_ms);
}

/* Of names that are in and of others; it has no effect that could be seen. */
static void prefetch(struct model *m, size_t k)
{
    static char buffers[MEMBERS_AHEAD][600];
    struct slice names[MEMBERS_AHEAD];
    size_t count = rand_below(&m->rand, MEMBERS_AHEAD + 1);
    for (size_t i = 0; i < count; i++)
        names[i] = name_of(i == 0 ? k : rand_below(&m->rand, m->universe), buffers[i]);
    members_prefetch(m->members, names, count);
}

static struct member *find(struct model *m, size_t k)
{
    char buffer[600];
    if (rand_below(&m->rand, 8) == 0)
        prefetch(m, k);
    struct member *r = members_find(m->members, name_of(k, buffer));
    assert_int_equal(r != NULL, m->all[k].in);
    if (r)
        check(m, k, r);
    return r;
}

/* A number that is in, or not in; there must be one. */
static size_t any(struct model *m, bool in)
{
    for (;;) {
        size_t k = rand_below(&m->rand, m->universe);
        if (m->all[k].in == in)
            return k;
    }
}

static struct slice new_value(struct model *m, struct expected *e, char *buffer)
{
    size_t most = rand_below(&m->rand, 20) ? 40 : rand_below(&m->rand, 20) ? 600 : VALUE_MAX;
    e->value_length = (uint16_t)rand_below(&m->rand, most + 1);
    e->value_byte = (char)('a' + rand_below(&m->rand, 26));
    memset(buffer, e->value_byte, e->value_length);
    return slice_of(buffer, e->value_length);
}

static void add(struct model *m, size_t k)
{
    char name_buffer[600], value_buffer[VALUE_MAX];
    struct slice name = name_of(k, name_buffer);
    struct expected e = {.in = true, .expire_ms = MEMBER_NO_EXPIRY, .since = m->walk};
    struct member *r;
    bool added;
    if (m->kind == MEMBERS_SET)
        r = members_add(m->members, name, &added);
    else if (m->kind == MEMBERS_HASH)
        r = members_add_value(m->members, name, new_value(m, &e, value_buffer), &added);
    else
        r = members_add_score(m->members, name, e.score = (double)rand_next(&m->rand), &added);
    if (!r) {
        assert_true(m->failing && !added && !m->all[k].in);
        return;
    }
    assert_int_equal(added, !m->all[k].in);
    m->count += added;
    if (added)
        m->all[k] = e;
    check(m, k, r);
}

static void gone(struct model *m, struct expected *e)
{
    assert_true(e->in);
    m->count--;
    m->expiring -= e->expire_ms != MEMBER_NO_EXPIRY;
    e->in = false;
}

static void drop(struct model *m, size_t k)
{
    char buffer[600];
    struct member *r = find(m, k);
    if (r && rand_below(&m->rand, 2))
        members_remove(m->members, r);
    else
        assert_int_equal(members_remove_name(m->members, name_of(k, buffer)), r != NULL);
    if (r)
        gone(m, &m->all[k]);
}

static void set_expiry(struct model *m, size_t k, int64_t expire_ms)
{
    struct expected *e = &m->all[k];
    struct member *r = members_set_expiry(m->members, find(m, k), expire_ms);
    if (!r) {
        assert_true(m->failing);
        return;
    }
    m->expiring += (expire_ms != MEMBER_NO_EXPIRY) - (size_t)(e->expire_ms != MEMBER_NO_EXPIRY);
    e->expire_ms = expire_ms;
    check(m, k, r);
}

/* Changes one that is in. */
static void change(struct model *m)
{
    size_t k = any(m, true);
    struct expected *e = &m->all[k], with = *e;
    struct member *r = find(m, k);
    char buffer[VALUE_MAX];
    if (m->kind == MEMBERS_ZSET) {
        members_set_score(m->members, r, e->score = -(double)k);
        assert_ptr_equal(find(m, k), r);
    }
    if (m->kind != MEMBERS_HASH)
        return;
    switch (rand_below(&m->rand, 4)) {
    case 0:
        set_expiry(m, k, MEMBER_NO_EXPIRY);
        break;
    case 1:
        set_expiry(m, k, m->now_ms + (int64_t)rand_below(&m->rand, 20000) - 100);
        break;
    default:
        r = members_set_value(m->members, r, new_value(m, &with, buffer));
        if (r)
            *e = with;
        assert_true(r || m->failing);
        break;
    }
    find(m, k);
}

static void expired(struct member *r, void *ctx)
{
    struct model *m = ctx;
    struct expected *e = expected_of(m, r);
    check(m, (size_t)(e - m->all), r);
    assert_true(e->expire_ms != MEMBER_NO_EXPIRY && e->expire_ms < m->now_ms);
    gone(m, e);
    m->expired++;
}

/* Time passes; when all due work is done, nothing that is long past its expiry is left. */
static void expire(struct model *m)
{
    m->now_ms += (int64_t)rand_below(&m->rand, 300);
    bool all = rand_below(&m->rand, 4) == 0;
    do {
        size_t budget = 1 + rand_below(&m->rand, 100), before = m->expired;
        if (!members_expire_step(m->members, m->now_ms, budget, expired, m))
            break;
        assert_true(m->expired - before <= budget);
    } while (all);
    if (!all || rand_below(&m->rand, 10))
        return;
    for (size_t k = 0; k < m->universe; k++)
        if (m->all[k].in && m->all[k].expire_ms != MEMBER_NO_EXPIRY)
            assert_true(m->all[k].expire_ms >= m->now_ms - CALENDAR_GRAIN_MS);
}

static void visit(struct member *r, void *ctx)
{
    struct model *m = ctx;
    struct expected *e = expected_of(m, r);
    check(m, (size_t)(e - m->all), r);
    assert_true(e->seen != m->walk || e->since == m->walk); /* once, or added anew since */
    e->seen = m->walk;
}

/* A step of the walk under way; at its end, all that were there throughout must have been seen. */
static void walk(struct model *m)
{
    size_t items = 1 + rand_below(&m->rand, 60), buckets = 1 + rand_below(&m->rand, 24);
    uint64_t next = members_scan(m->members, m->cursor, items, buckets, visit, m);
    assert_true(next > m->cursor && next <= MEMBERS_END);
    m->cursor = next;
    if (next < MEMBERS_END)
        return;
    for (size_t k = 0; k < m->universe; k++)
        assert_true(!m->all[k].in || m->all[k].since == m->walk || m->all[k].seen == m->walk);
    m->cursor = 0;
    m->walk++;
    m->walks++;
}

static void sample(struct model *m)
{
    struct member *out[200];
    size_t n = rand_below(&m->rand, COUNT_OF(out) + 1);
    if (n < COUNT_OF(out) / 2 && m->count > COUNT_OF(out) * 4)
        n /= 4; /* cheap ones mostly */
    size_t got = members_sample(m->members, rand_next(&m->rand), out, n);
    assert_int_equal(got, MIN_OF(n, m->count));
    for (size_t i = 0; i < got; i++)
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(out[i], out[j]);
    for (size_t i = 0; i < got; i++)
        check(m, number_of(member_name(out[i])), out[i]);
    struct member *r = members_random(m->members, rand_next(&m->rand));
    assert_int_equal(r != NULL, m->count > 0);
    if (r)
        check(m, number_of(member_name(r)), r);
}

static void moved(const struct member *from, struct member *to, void *ctx)
{
    struct model *m = ctx;
    assert_ptr_not_equal(from, to);
    check(m, number_of(member_name(from)), from);
    check(m, number_of(member_name(to)), to);
    m->moved++;
}

static void sum_visit(struct member *r, void *ctx)
{
    ++*(size_t *)ctx;
}

static void check_all(struct model *m)
{
    size_t visits = 0;
    assert_int_equal(members_count(m->members), m->count);
    assert_int_equal(members_expiring(m->members), m->expiring);
    assert_int_equal(members_expire_next(m->members) == MEMBERS_NOTHING_DUE, m->expiring == 0);
    for (size_t k = 0; k < m->universe; k++)
        find(m, k);
    members_scan(m->members, 0, SIZE_MAX, SIZE_MAX, sum_visit, &visits);
    assert_int_equal(visits, m->count);
}

static void seldom(struct model *m)
{
    switch (rand_below(&m->rand, 5)) {
    case 0:
        sample(m);
        break;
    case 1:
        members_step(m->members, (unsigned)rand_below(&m->rand, 40));
        break;
    case 2:
        m->failing = true;
        mem_inject_failure(1 + rand_below(&m->rand, 3));
        break;
    case 3:
        if (rand_below(&m->rand, 50) == 0)
            (void)members_expect(m->members, rand_below(&m->rand, m->universe));
        break;
    default:
        mem_inject_failure(0);
        m->failing = false;
        break;
    }
}

/* Random operations that drive the count towards `goal` and let it wander there. */
static void drive(struct model *m, size_t goal, size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        bool up = rand_below(&m->rand, 100) < (m->count < goal ? 90u : 10u);
        if ((up && m->count < m->universe) || m->count == 0)
            add(m, any(m, false));
        else
            drop(m, any(m, true));
        if (m->count == 0)
            continue;
        switch (rand_below(&m->rand, 12)) {
        case 0:
        case 1:
        case 2:
            change(m);
            break;
        case 3:
            walk(m);
            break;
        case 4:
            find(m, rand_below(&m->rand, m->universe));
            break;
        case 5:
            add(m, any(m, true));
            break;
        case 6:
            if (m->kind == MEMBERS_HASH && rand_below(&m->rand, 4) == 0)
                expire(m);
            break;
        case 7:
            members_compact_step(m->members, rand_below(&m->rand, 50), moved, m);
            break;
        case 8:
            if (rand_below(&m->rand, 8) == 0)
                seldom(m);
            break;
        default:
            break;
        }
    }
    mem_inject_failure(0);
    m->failing = false;
    check_all(m);
}

static void one_round(uint64_t seed, enum members_kind kind, size_t scale)
{
    struct model m = {.kind = kind, .walk = 1, .universe = scale * 3 / 2};
    rand_seed(&m.rand, seed);
    m.now_ms = 1700000000000;
    m.all = mem_zalloc(m.universe * sizeof(*m.all));
    m.members = members_new(kind, seed);
    size_t goals[] = {scale, scale / 3, scale / 50, scale / 2, 0};
    for (size_t i = 0; i < COUNT_OF(goals); i++)
        drive(&m, goals[i], scale + scale / 2);
    if (rand_below(&m.rand, 2)) {
        members_clear(m.members);
        for (size_t k = 0; k < m.universe; k++)
            m.all[k].in = false;
        m.count = m.expiring = 0;
        m.cursor = 0, m.walk++;
        drive(&m, scale / 4, scale / 2);
    }
    size_t budget = 1 + rand_below(&m.rand, 2000);
    while (!members_free_step(m.members, budget))
        ;
    assert_true(scale < 10000 || m.moved > 0);
    assert_true(scale < 1000 || (m.walks > 0 && (kind != MEMBERS_HASH || m.expired > 0)));
    mem_free(m.all);
}

static void test_against_model(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(1); i++)
        for (unsigned kind = MEMBERS_SET; kind <= MEMBERS_ZSET; kind++) {
            one_round(seed + i, (enum members_kind)kind, 200 + seed % 97);
            one_round(seed + i, (enum members_kind)kind, 1000);
            one_round(seed + i, (enum members_kind)kind, 12000);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
