/* Members: what records hold at every width of their fields, where they lie, samples, expiry, and
 * freeing in steps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/members.h"

enum { SEED = 42, HEAPED = 6000 }; /* members of a collection with a heap of its own */

static char filling[70000];

static struct slice filled(size_t length)
{
    memset(filling, 'x', sizeof(filling));
    return slice_of(filling, length);
}

static struct slice number(char *buffer, size_t i)
{
    return slice_of(buffer, (size_t)sprintf(buffer, "member:%zu", i));
}

static struct member *add_field(struct members *m, size_t i, struct slice value)
{
    char name[32];
    bool added;
    struct member *r = members_add_value(m, number(name, i), value, &added);
    assert_true(r && added);
    return r;
}

static struct member *find(const struct members *m, size_t i)
{
    char name[32];
    return members_find(m, number(name, i));
}

static struct members *set_of(size_t n)
{
    struct members *m = members_new(MEMBERS_SET, SEED);
    for (size_t i = 0; i < n; i++) {
        char name[32];
        bool added;
        assert_non_null(members_add(m, number(name, i), &added));
        assert_true(added);
    }
    return m;
}

static struct members *hash_of(size_t n)
{
    struct members *m = members_new(MEMBERS_HASH, SEED);
    for (size_t i = 0; i < n; i++)
        add_field(m, i, SLICE("value"));
    return m;
}

static void count_visit(struct member *r, void *ctx)
{
    ++*(size_t *)ctx;
}

static void test_empty(void **state)
{
    for (unsigned kind = MEMBERS_SET; kind <= MEMBERS_ZSET; kind++) {
        struct members *m = members_new((enum members_kind)kind, SEED);
        struct member *out[2];
        size_t visits = 0;
        assert_int_equal(members_kind(m), kind);
        assert_int_equal(members_count(m), 0);
        assert_null(members_find(m, SLICE("")));
        assert_null(members_random(m, 1));
        assert_int_equal(members_sample(m, 1, out, 2), 0);
        assert_int_equal(members_scan(m, 0, 1, 1, count_visit, &visits), MEMBERS_END);
        assert_int_equal(visits, 0);
        assert_false(members_remove_name(m, SLICE("a")));
        assert_int_equal(members_expiring(m), 0);
        assert_int_equal(members_expire_next(m), MEMBERS_NOTHING_DUE);
        assert_false(members_expire_step(m, INT64_MAX - 1, 10, NULL, NULL));
        assert_false(members_step(m, 10));
        assert_true(members_bytes(m) < 400);
        assert_int_equal(members_idle(m), 0);
        members_clear(m);
        assert_true(members_free_step(m, 1));
    }
    assert_true(members_free_step(NULL, 1));
    members_free(NULL);
}

static void test_set(void **state)
{
    struct members *m = members_new(MEMBERS_SET, SEED);
    static const size_t LENGTHS[] = {0, 1, 28, 29, 30, 31, 255, 256, 511, 512, 513, 70000};
    bool added;
    for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
        struct slice name = filled(LENGTHS[i]);
        assert_null(members_find(m, name));
        struct member *r = members_add(m, name, &added);
        assert_true(added && slice_eq(member_name(r), name));
        assert_ptr_equal(members_add(m, name, &added), r);
        assert_false(added);
    }
    assert_int_equal(members_count(m), COUNT_OF(LENGTHS));
    for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
        struct slice name = filled(LENGTHS[i]);
        assert_true(slice_eq(member_name(members_find(m, name)), name));
        assert_true(members_remove_name(m, name));
        assert_false(members_remove_name(m, name));
    }
    assert_int_equal(members_count(m), 0);
    members_free(m);
}

/* As many as are looked ahead, about twice as many, and most of them. */
static void test_remove_many(void **state)
{
    static const size_t COUNTS[] = {0, 1, 15, 16, 17, 31, 32, 33, 5000};
    static struct member *gone[5000], *all[HEAPED];
    for (size_t i = 0; i < COUNT_OF(COUNTS); i++) {
        struct members *m = set_of(HEAPED);
        for (size_t at = 0; at < HEAPED; at++)
            all[at] = find(m, at);
        size_t n = members_sample(m, i, gone, COUNTS[i]);
        assert_int_equal(n, COUNTS[i]);
        members_remove_many(m, gone, n);
        assert_int_equal(members_count(m), HEAPED - n);
        for (size_t at = 0; at < HEAPED; at++) {
            bool stays = true;
            for (size_t g = 0; g < n && stays; g++)
                stays = gone[g] != all[at];
            assert_ptr_equal(find(m, at), stays ? all[at] : NULL);
        }
        members_free(m);
    }
}

/* A short member of a large set takes a byte more than its name, and its slot. */
static void test_memory(void **state)
{
    struct members *m = members_new(MEMBERS_SET, SEED);
    size_t n = 20000;
    for (size_t i = 0; i < n; i++) {
        char name[16];
        bool added;
        sprintf(name, "%011zu", i);
        assert_non_null(members_add(m, slice_of(name, 11), &added));
    }
    assert_true(members_bytes(m) / n <= 12 + 12);
    assert_true(members_idle(m) < 100000);
    members_free(m);
}

static void test_hash_values(void **state)
{
    static const size_t LENGTHS[] = {0, 1, 254, 255, 256, 490, 520, 5, 65000, 16, 20, 0};
    for (unsigned expires = 0; expires < 2; expires++)
        for (size_t others = 0; others <= HEAPED; others += HEAPED) {
            struct members *m = hash_of(others);
            bool added;
            struct member *r = members_add_value(m, SLICE("field"), SLICE("first"), &added);
            assert_true(added && slice_eq(member_value(r), SLICE("first")));
            assert_ptr_equal(members_add_value(m, SLICE("field"), SLICE("other"), &added), r);
            assert_true(!added && slice_eq(member_value(r), SLICE("first")));
            int64_t expire_ms = expires ? 1000 : MEMBER_NO_EXPIRY;
            r = members_set_expiry(m, r, expire_ms);
            for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
                struct slice value = filled(LENGTHS[i]);
                r = members_set_value(m, r, value);
                assert_true(slice_eq(member_value(r), value));
                assert_true(slice_eq(member_name(r), SLICE("field")));
                assert_int_equal(member_expire_ms(r), expire_ms);
                assert_ptr_equal(members_find(m, SLICE("field")), r);
            }
            assert_int_equal(members_count(m), others + 1);
            members_free(m);
        }
}

/* The same room: the record stays where it is, also while its value moves within it. */
static void test_hash_in_place(void **state)
{
    struct members *m = hash_of(HEAPED);
    struct member *r = add_field(m, HEAPED, SLICE("0123456789"));
    assert_ptr_equal(members_set_value(m, r, SLICE("abcdefghij")), r);
    assert_true(slice_eq(member_value(r), SLICE("abcdefghij")));
    struct slice own = member_value(r);
    r = members_set_value(m, r, slice_of(own.data + 2, own.len - 2));
    assert_true(slice_eq(member_value(r), SLICE("cdefghij")));
    struct members *small = members_new(MEMBERS_HASH, SEED); /* allocations are rounded to 16 */
    r = add_field(small, 1, SLICE("v"));
    assert_ptr_equal(members_set_value(small, r, SLICE("val")), r);
    r = members_set_value(small, r, SLICE("valu"));
    for (int64_t i = 0; i < 3; i++) {
        r = members_set_expiry(small, r, i);
        assert_true(slice_eq(member_value(r), SLICE("valu")));
        assert_int_equal(member_expire_ms(r), i);
        r = members_set_expiry(small, r, MEMBER_NO_EXPIRY);
        assert_true(slice_eq(member_value(r), SLICE("valu")));
        assert_int_equal(member_expire_ms(r), MEMBER_NO_EXPIRY);
    }
    members_free(small);
    members_free(m);
}

static void test_zset(void **state)
{
    struct members *m = members_new(MEMBERS_ZSET, SEED);
    bool added;
    for (size_t i = 0; i < HEAPED; i++) {
        char name[32];
        struct member *r = members_add_score(m, number(name, i), (double)i / 3, &added);
        assert_true(added && member_score(r) == (double)i / 3);
    }
    struct member *r = find(m, 7);
    assert_ptr_equal(members_add_score(m, SLICE("member:7"), 5, &added), r);
    assert_true(!added && member_score(r) == 7.0 / 3);
    members_set_score(m, r, -INFINITY);
    for (size_t i = 0; i < HEAPED; i++)
        assert_true(member_score(find(m, i)) == (i == 7 ? -INFINITY : (double)i / 3));
    assert_ptr_equal(find(m, 7), r); /* it stays where it is */
    members_remove(m, r);
    assert_null(find(m, 7));
    members_free(m);
}

static void test_no_memory(void **state)
{
    struct members *m = hash_of(HEAPED);
    struct member *r = add_field(m, HEAPED, SLICE("small"));
    bool added;
    size_t bytes = members_bytes(m);
    mem_inject_failure(1);
    assert_null(members_add_value(m, SLICE("large"), filled(60000), &added));
    assert_false(added);
    mem_inject_failure(1);
    assert_null(members_set_value(m, r, filled(60000)));
    assert_true(slice_eq(member_value(r), SLICE("small")));
    assert_int_equal(members_bytes(m), bytes);
    assert_int_equal(members_count(m), HEAPED + 1);
    r = members_set_value(m, r, filled(60000));
    assert_non_null(r);
    mem_inject_failure(0);
    members_free(m);
}

/* All of them have the same chance, in small ones and while the table grows. */
static void test_random_is_fair(void **state)
{
    static const size_t COUNTS[] = {1, 2, 9, 10, 64, 100, 1500, 1700};
    struct rand rand;
    rand_seed(&rand, 99);
    for (size_t c = 0; c < COUNT_OF(COUNTS); c++) {
        size_t n = COUNTS[c], draws = n * 400;
        struct members *m = members_new(MEMBERS_ZSET, SEED);
        for (size_t i = 0; i < n; i++) {
            char name[32];
            bool added;
            assert_non_null(members_add_score(m, number(name, i), 0, &added));
        }
        for (size_t i = 0; i < draws; i++) {
            struct member *r = members_random(m, rand_next(&rand));
            members_set_score(m, r, member_score(r) + 1);
        }
        double chi = 0; /* its mean is n - 1, its variance twice that */
        for (size_t i = 0; i < n; i++) {
            double off = member_score(find(m, i)) - 400;
            chi += off * off / 400;
        }
        assert_true(chi < (double)n - 1 + 5 * sqrt(2 * (double)n));
        members_free(m);
    }
}

static void test_sample(void **state)
{
    struct members *m = members_new(MEMBERS_ZSET, SEED);
    struct member *out[700];
    enum { N = 600, ROUNDS = 300 };
    for (size_t i = 0; i < N; i++) {
        char name[32];
        bool added;
        assert_non_null(members_add_score(m, number(name, i), 0, &added));
    }
    static const size_t WANTED[] = {0, 1, 5, 199, 200, 201, 599, 600, 601, 700};
    for (size_t w = 0; w < COUNT_OF(WANTED); w++) {
        size_t n = MIN_OF(WANTED[w], (size_t)N);
        double total = 0, chi = 0, mean = ROUNDS * (double)n / N;
        for (size_t i = 0; i < N; i++)
            members_set_score(m, find(m, i), 0);
        for (uint64_t round = 0; round < ROUNDS; round++) {
            assert_int_equal(members_sample(m, round * 77, out, WANTED[w]), n);
            for (size_t i = 0; i < n; i++)
                members_set_score(m, out[i], member_score(out[i]) + 1);
        }
        for (size_t i = 0; i < N; i++) {
            double times = member_score(find(m, i));
            assert_true(times <= ROUNDS); /* distinct in each round */
            total += times;
            chi += n ? (times - mean) * (times - mean) / mean : 0;
        }
        assert_true(total == (double)(n * ROUNDS));
        assert_true(chi < N + 5 * sqrt(2.0 * N));
    }
    members_free(m);
}

static void test_free_in_steps(void **state)
{
    static const size_t COUNTS[] = {1, 300, HEAPED, 50000};
    for (size_t c = 0; c < COUNT_OF(COUNTS); c++)
        for (size_t budget = 1; budget <= 10000; budget *= 100) {
            struct members *m = hash_of(COUNTS[c]);
            struct member *r = find(m, 0);
            assert_non_null(members_set_value(m, r, filled(1000)));
            assert_non_null(members_set_expiry(m, find(m, 0), 1000));
            if (COUNTS[c] > 256)
                members_expire_step(m, 2000, 0, NULL, NULL); /* a calendar */
            size_t steps = 1;
            while (!members_free_step(m, budget))
                steps++;
            assert_true(budget > 1 || steps >= COUNTS[c] / 1000);
        }
}

static void count_moved(const struct member *from, struct member *to, void *ctx)
{
    assert_ptr_not_equal(from, to);
    assert_true(slice_eq(member_name(from), member_name(to)));
    ++*(size_t *)ctx;
}

/* Removes all but every n-th, then moves what is left while others come and go. */
static void shrink_and_compact(size_t n)
{
    enum { ALL = 100000 };
    struct members *m = hash_of(ALL);
    size_t moved = 0;
    assert_non_null(members_set_value(m, find(m, 0), filled(1000)));
    assert_non_null(members_set_expiry(m, find(m, n), 1000));
    assert_false(members_compact_step(m, 100, count_moved, &moved)); /* no need */
    assert_int_equal(moved, 0);
    for (size_t i = 0; i < ALL; i++)
        if (i % n != 0)
            assert_true(members_remove_name(m, member_name(find(m, i))));
    size_t left = members_count(m), extra = ALL;
    assert_true(members_idle(m) > 2 * left * 20);
    for (; members_compact_step(m, 100, count_moved, &moved); extra++) {
        add_field(m, extra, SLICE("meanwhile"));
        if (extra % 2)
            assert_true(members_remove_name(m, member_name(find(m, extra))));
    }
    assert_true(moved > left / 2 && moved < members_count(m));
    assert_true(members_idle(m) < (left > 4096 ? 131072 : 1));
    for (size_t i = 0; i < ALL; i += n)
        assert_int_equal(member_value(find(m, i)).len, i == 0 ? 1000 : 5);
    assert_int_equal(member_expire_ms(find(m, n)), 1000);
    moved = 0;
    assert_false(members_compact_step(m, 100, count_moved, &moved));
    assert_int_equal(moved, 0);
    for (size_t i = 0; i < 10000; i++) /* it grows anew */
        add_field(m, extra + i, SLICE("again"));
    assert_true(members_idle(m) > 0);
    members_free(m);
}

static void test_compaction(void **state)
{
    shrink_and_compact(4);    /* to another heap */
    shrink_and_compact(32);   /* out of it; not few */
    shrink_and_compact(1000); /* few */
}

/* Freed while records are in two heaps; and no memory to move one. */
static void test_compaction_unfinished(void **state)
{
    struct members *m = hash_of(50000);
    for (size_t i = 0; i < 49900; i++)
        assert_true(members_remove_name(m, member_name(find(m, i))));
    mem_inject_failure(1);
    assert_true(members_compact_step(m, 10, NULL, NULL));
    mem_inject_failure(0);
    assert_true(members_compact_step(m, 10, NULL, NULL));
    for (size_t i = 49900; i < 50000; i++)
        assert_non_null(find(m, i));
    members_clear(m);
    assert_true(members_bytes(m) < 400);
    assert_false(members_compact_step(m, 10, NULL, NULL));
    members_free(m);
}

static void test_clear(void **state)
{
    struct members *m = set_of(HEAPED * 2);
    members_clear(m);
    assert_int_equal(members_count(m), 0);
    assert_null(find(m, 1));
    assert_true(members_bytes(m) < 400);
    bool added;
    assert_non_null(members_add(m, SLICE("again"), &added));
    assert_non_null(members_find(m, SLICE("again")));
    members_free(m);
    m = hash_of(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_non_null(members_set_expiry(m, find(m, i), 5));
    members_clear(m);
    assert_int_equal(members_expiring(m), 0);
    assert_int_equal(members_expire_next(m), MEMBERS_NOTHING_DUE);
    members_free(m);
}

static void test_expect(void **state)
{
    struct members *m = members_new(MEMBERS_SET, SEED);
    assert_true(members_expect(m, 10000));
    size_t bytes = members_bytes(m);
    assert_true(bytes > 10000 * 6);
    members_free(m);
    m = set_of(100);
    mem_inject_failure(1);
    assert_false(members_expect(m, 10000));
    mem_inject_failure(0);
    assert_int_equal(members_count(m), 100);
    assert_non_null(find(m, 99));
    members_free(m);
}

/* ---- Expiry ---------------------------------------------------------------------------------- */

/* Steps until nothing is due any more; returns how many fields went. */
static size_t expire_all(struct members *m, int64_t now_ms, size_t budget)
{
    size_t removed = 0, before = members_count(m);
    while (members_expire_step(m, now_ms, budget, count_visit, &removed))
        ;
    assert_int_equal(before - members_count(m), removed);
    return removed;
}

static void expire(struct members *m, size_t i, int64_t expire_ms)
{
    assert_non_null(members_set_expiry(m, find(m, i), expire_ms));
}

static void test_expire_small(void **state)
{
    struct members *m = hash_of(256);
    int64_t t = 1700000000000;
    for (size_t i = 0; i < 100; i++)
        expire(m, i, t + (int64_t)i);
    assert_int_equal(members_expiring(m), 100);
    assert_int_equal(members_expire_next(m), t + 1);
    assert_int_equal(expire_all(m, t, 10), 0); /* past it is greater, as with keys */
    assert_int_equal(expire_all(m, t + 1, 10), 1);
    assert_int_equal(members_expire_next(m), t + 2);
    assert_null(find(m, 0));
    assert_non_null(find(m, 1));
    assert_true(members_expire_step(m, t + 1000, 10, NULL, NULL)); /* bounded */
    assert_int_equal(members_expiring(m), 89);
    assert_int_equal(expire_all(m, t + 1000, 7), 89);
    assert_int_equal(members_expiring(m), 0);
    assert_int_equal(members_expire_next(m), MEMBERS_NOTHING_DUE);
    assert_int_equal(members_count(m), 156);
    members_free(m);
}

static void test_expire_changes(void **state)
{
    for (size_t n = 10; n <= 1000; n += 990) {
        struct members *m = hash_of(n);
        int64_t t = 1700000000000;
        expire(m, 1, t + 5000);
        expire(m, 2, t + 5000);
        expire(m, 3, t);
        assert_int_equal(expire_all(m, t + 1000, 10), 1);
        expire(m, 1, t + 90000); /* later */
        expire(m, 2, t + 2000);  /* earlier */
        expire(m, 4, t + 3000);  /* taken back */
        expire(m, 4, MEMBER_NO_EXPIRY);
        expire(m, 5, t + 3000);                                                    /* removed */
        assert_non_null(members_set_value(m, find(m, 2), SLICE("another value"))); /* it stays */
        assert_true(members_remove_name(m, SLICE("member:5")));
        assert_int_equal(members_expiring(m), 2);
        assert_int_equal(expire_all(m, t + 1999, 10), 0);
        assert_int_equal(expire_all(m, t + 2200, 10), 1);
        assert_null(find(m, 2));
        assert_int_equal(expire_all(m, t + 80000, 10), 0);
        assert_true(find(m, 1) && find(m, 4));
        assert_true(members_expire_next(m) > t + 80000);
        assert_int_equal(expire_all(m, t + 90200, 10), 1);
        assert_int_equal(members_count(m), n - 4);
        assert_int_equal(members_expire_next(m), MEMBERS_NOTHING_DUE);
        members_free(m);
    }
}

/* Due within a grain of the calendar, in bounded steps, in a large collection. */
static void test_expire_large(void **state)
{
    enum { N = 20000 };
    struct members *m = hash_of(N);
    int64_t t = 1700000000000;
    for (size_t i = 0; i < N; i += 2)
        expire(m, i, t + (int64_t)i);
    size_t gone = 0, steps = 0;
    for (int64_t now = t; now <= t + N + 200; now += 100) {
        if (members_expire_next(m) > now)
            continue;
        size_t left;
        do {
            left = members_count(m);
            steps++;
            bool more = members_expire_step(m, now, 50, count_visit, &gone);
            assert_true(left - members_count(m) <= 50);
            if (!more)
                break;
        } while (true);
        size_t due = (size_t)(now - t + 1) / 2, slack = 70; /* (128 ms of grain) / 2 */
        assert_true(gone <= due && gone + slack >= MIN_OF(due, N / 2));
    }
    assert_true(steps >= N / 100);
    assert_int_equal(gone, N / 2);
    assert_int_equal(members_count(m), N / 2);
    members_free(m);
}

/* A collection that grows past the bound of sweeps, and one whose tokens go stale. */
static void test_expire_refreshed(void **state)
{
    struct members *m = hash_of(100);
    int64_t t = 1700000000000;
    for (size_t i = 0; i < 100; i++)
        expire(m, i, t + 100);
    for (size_t i = 100; i < 1000; i++)
        add_field(m, i, SLICE("value"));
    assert_int_equal(expire_all(m, t + 400, 30), 100);
    expire(m, 500, t + 1000000);
    expire(m, 501, t + 1000);
    assert_int_equal(expire_all(m, t + 1200, 30), 1); /* makes a calendar */
    size_t bytes = members_bytes(m);
    for (size_t i = 0; i < 20000; i++) {
        expire(m, 502, t + 1000000);
        expire(m, 502, MEMBER_NO_EXPIRY);
    }
    assert_true(members_bytes(m) < bytes + 30000); /* not 9 bytes for each */
    expire(m, 502, t + 2000);
    assert_int_equal(expire_all(m, t + 2200, 30), 1);
    assert_int_equal(expire_all(m, t + 1000200, 30), 1);
    assert_int_equal(members_count(m), 1000 - 103);
    members_free(m);
}

static void test_expire_extremes(void **state)
{
    for (size_t n = 10; n <= 1000; n += 990) {
        struct members *m = hash_of(n);
        expire(m, 1, INT64_MAX);
        expire(m, 2, 0);
        expire(m, 3, -5);
        expire(m, 4, INT64_MIN + 1);
        assert_int_equal(expire_all(m, 1700000000000, 30), 3);
        assert_int_equal(members_expiring(m), 1);
        assert_int_equal(member_expire_ms(find(m, 1)), INT64_MAX);
        members_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_remove_many),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_hash_values),
        cmocka_unit_test(test_hash_in_place),
        cmocka_unit_test(test_zset),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_random_is_fair),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_free_in_steps),
        cmocka_unit_test(test_compaction),
        cmocka_unit_test(test_compaction_unfinished),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_expire_small),
        cmocka_unit_test(test_expire_changes),
        cmocka_unit_test(test_expire_large),
        cmocka_unit_test(test_expire_refreshed),
        cmocka_unit_test(test_expire_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
