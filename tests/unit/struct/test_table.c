/* The table: finding, the order of positions, chains, memory, and what it does when there is none.
 * */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/table.h"

struct item {
    uint64_t hash;
    unsigned visits;
};

static uint64_t hash_of(const void *item, void *ctx)
{
    return ((const struct item *)item)->hash;
}

static bool is_item(const void *item, const void *key, void *ctx)
{
    return item == key;
}

static bool present(struct table *t, struct item *item)
{
    return table_find(t, item->hash, is_item, item, NULL) == item;
}

static struct item *random_items(size_t n)
{
    struct item *items = mem_zalloc(n * sizeof(*items));
    struct rand rand;
    rand_seed(&rand, n);
    for (size_t i = 0; i < n; i++)
        items[i].hash = rand_next(&rand);
    return items;
}

static void insert_all(struct table *t, struct item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        table_insert(t, items[i].hash, &items[i]);
}

static void count_visit(void *item, void *ctx)
{
    ((struct item *)item)->visits++;
}

static void test_empty(void **state)
{
    struct table *t = table_new(hash_of, NULL);
    struct item item = {.hash = 0}, other = {.hash = UINT64_MAX};
    void *out[4];
    assert_false(present(t, &item));
    assert_false(present(t, &other));
    assert_int_equal(table_candidate(t, 0), 0);
    assert_null(table_candidate_item(0, 0));
    assert_int_equal(table_count(t), 0);
    assert_int_equal(table_buckets(t), 1);
    assert_true(table_bytes(t) < 256);
    assert_int_equal(table_sample(t, 12345, out, 4), 0);
    assert_int_equal(table_scan(t, 0, 10, 10, count_visit, NULL), TABLE_END);
    assert_false(table_step(t, 10));
    table_free(t);
    table_free(NULL);
}

static void test_insert_replace_remove(void **state)
{
    struct table *t = table_new(hash_of, NULL);
    struct item a = {.hash = 0}, b = {.hash = 0}, c = {.hash = 1}, d = {.hash = UINT64_MAX};
    table_insert(t, a.hash, &a);
    table_insert(t, c.hash, &c);
    table_insert(t, d.hash, &d);
    assert_true(present(t, &a) && !present(t, &b) && present(t, &c) && present(t, &d));
    table_replace(t, 0, &a, &b);
    assert_true(!present(t, &a) && present(t, &b));
    assert_int_equal(table_count(t), 3);
    assert_ptr_equal(table_candidate_place(table_candidate(t, 0)), &b);
    assert_ptr_equal(table_candidate_item(table_candidate(t, 0), 0), &b);
    table_remove(t, 0, &b);
    assert_true(!present(t, &b) && present(t, &c) && present(t, &d));
    table_clear(t);
    assert_int_equal(table_count(t), 0);
    assert_false(present(t, &c));
    table_insert(t, c.hash, &c);
    assert_true(present(t, &c));
    table_free(t);
}

/* All with one hash: every slot's tag matches, and the chain gets long. */
static void test_one_hash(void **state)
{
    enum { N = 300 };
    for (uint64_t hash = 0; hash < 3; hash++) {
        struct table *t = table_new(hash_of, NULL);
        struct item items[N];
        for (unsigned i = 0; i < N; i++)
            items[i] = (struct item){.hash = hash};
        for (unsigned i = 0; i < N; i++) {
            assert_false(present(t, &items[i]));
            table_insert(t, hash, &items[i]);
            assert_true(present(t, &items[i]) && present(t, &items[0]));
        }
        assert_int_equal(table_longest(t), N);
        assert_int_equal(table_longest(t), 0);
        for (unsigned i = 0; i < N; i++) {
            table_remove(t, hash, &items[i]);
            assert_false(present(t, &items[i]));
            assert_true(i == N - 1 || present(t, &items[N - 1]));
        }
        assert_true(table_bytes(t) < 256);
        table_free(t);
    }
}

static void test_scan_is_in_order_of_positions(void **state)
{
    enum { N = 5000 };
    struct table *t = table_new(hash_of, NULL);
    struct item *items = random_items(N);
    insert_all(t, items, N);
    for (uint64_t from = 0, next; from < TABLE_END; from = next) {
        next = table_scan(t, from, 1, 1, count_visit, NULL);
        for (size_t i = 0; i < N; i++) {
            uint64_t position = items[i].hash >> 16 & TABLE_POSITION_MASK;
            assert_int_equal(items[i].visits, position < next);
        }
        if (from == 0) /* the rest in few steps */
            next = table_scan(t, next, N / 3, SIZE_MAX, count_visit, NULL);
        for (unsigned i = 0; i < 20 && next < TABLE_END; i++)
            next = table_scan(t, next, 10, 100, count_visit, NULL);
    }
    table_free(t);
    mem_free(items);
}

/* Any cursor, from within a bucket too, visits exactly the items at or behind it. */
static void test_scan_from_anywhere(void **state)
{
    enum { N = 1000 };
    struct table *t = table_new(hash_of, NULL);
    struct item *items = random_items(N);
    insert_all(t, items, N);
    for (size_t k = 0; k < N; k += 13) {
        uint64_t from = items[k].hash >> 16 & TABLE_POSITION_MASK;
        for (size_t i = 0; i < N; i++)
            items[i].visits = 0;
        assert_int_equal(table_scan(t, from, SIZE_MAX, SIZE_MAX, count_visit, NULL), TABLE_END);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(items[i].visits, (items[i].hash >> 16 & TABLE_POSITION_MASK) >= from);
    }
    table_free(t);
    mem_free(items);
}

static void test_scan_limits(void **state)
{
    enum { N = 2000 };
    struct table *t = table_new(hash_of, NULL);
    struct item *items = random_items(N);
    insert_all(t, items, N);
    size_t visits = 0;
    table_scan(t, 0, 100, SIZE_MAX, count_visit, NULL);
    for (size_t i = 0; i < N; i++)
        visits += items[i].visits;
    assert_true(visits >= 100 && visits < 140);
    for (size_t i = 0; i < N; i++)
        items[i].visits = 0;
    table_scan(t, 0, SIZE_MAX, 3, count_visit, NULL);
    visits = 0;
    for (size_t i = 0; i < N; i++)
        visits += items[i].visits;
    assert_true(visits > 0 && visits < 80);
    table_free(t);
    mem_free(items);
}

static void test_memory_per_item(void **state)
{
    enum { N = 20000 };
    struct table *t = table_new(hash_of, NULL);
    struct item *items = random_items(N);
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        table_insert(t, items[i].hash, &items[i]);
        double bytes = (double)table_bytes(t) / (double)(i + 1);
        assert_true(i < 1000 || bytes < 14);
        assert_true(i < 10000 || bytes < 10.5);
        sum += i < N / 2 ? 0 : bytes;
    }
    assert_true(sum / (N / 2) < 9.75);
    for (size_t i = 0; i < N - 100; i++)
        table_remove(t, items[i].hash, &items[i]);
    assert_true(table_bytes(t) < 4000);
    for (size_t i = N - 100; i < N; i++)
        assert_true(present(t, &items[i]));
    table_free(t);
    mem_free(items);
}

static void test_sample_reaches_everything(void **state)
{
    enum { N = 500 };
    struct table *t = table_new(hash_of, NULL);
    struct item *items = random_items(N);
    insert_all(t, items, N);
    struct rand rand;
    rand_seed(&rand, 3);
    for (unsigned i = 0; i < 20000; i++) {
        void *out[3];
        size_t n = table_sample(t, rand_next(&rand), out, COUNT_OF(out));
        assert_true(n <= COUNT_OF(out));
        for (size_t k = 0; k < n; k++)
            count_visit(out[k], NULL);
    }
    for (size_t i = 0; i < N; i++)
        assert_true(items[i].visits > 0);
    table_free(t);
    mem_free(items);
}

/* Each item is picked as often as any other, though their buckets differ in length and in width. */
static void test_picks_are_fair(void **state)
{
    static const size_t COUNTS[] = {1, 9, 10, 100, 450, 500, 550, 600};
    struct rand rand;
    rand_seed(&rand, 3);
    for (size_t c = 0; c < COUNT_OF(COUNTS); c++) {
        size_t n = COUNTS[c], picks = 0;
        struct table *t = table_new(hash_of, NULL);
        assert_null(table_pick(t, rand_next(&rand)));
        struct item *items = random_items(n);
        insert_all(t, items, n);
        for (size_t tries = 0; picks < 200 * n; tries++) {
            struct item *item = table_pick(t, rand_next(&rand));
            if (item)
                item->visits++, picks++;
            assert_true(tries < 200 * n * 20);
        }
        double chi = 0, variance = 2 * (double)n; /* the mean of chi is n - 1 */
        for (size_t i = 0; i < n; i++)
            chi += ((double)items[i].visits - 200) * ((double)items[i].visits - 200) / 200;
        double over = chi - (double)n + 1;
        assert_true(over < 0 || over * over < 25 * variance);
        table_free(t);
        mem_free(items);
    }
}

/* Every item of one bucket, however many there are. */
static void test_picks_reach_a_long_chain(void **state)
{
    enum { N = 300 };
    struct table *t = table_new(hash_of, NULL);
    struct item items[N] = {0};
    insert_all(t, items, N);
    for (uint64_t i = 0; i < 100000; i++) { /* the hash is 0, and so is the position */
        struct item *item = table_pick(t, i * 43 % (UINT64_C(1) << 22));
        if (item)
            item->visits++;
    }
    for (unsigned i = 0; i < N; i++)
        assert_true(items[i].visits > 0);
    table_free(t);
}

/* At any stage of growth and shrink; a private table gives back everything. */
static void test_free_in_steps(void **state)
{
    struct item *items = random_items(20000);
    mem_thread_join();
    size_t used = mem_used();
    for (size_t n = 1; n <= 20000; n = n * 5 / 4 + 1)
        for (unsigned shrunk = 0; shrunk < 2; shrunk++) {
            struct table *t = table_new_private(hash_of, NULL);
            insert_all(t, items, n);
            for (size_t i = 0; shrunk && i < n / 3 * 2; i++)
                table_remove(t, items[i].hash, &items[i]);
            size_t steps = 1;
            while (!table_free_step(t, 2))
                steps++;
            assert_true(steps >= (n - n / 3 * 2 * shrunk) / 800);
            assert_int_equal(mem_used(), used);
        }
    mem_thread_leave();
    struct table *t = table_new(hash_of, NULL);
    insert_all(t, items, 20000);
    assert_false(table_free_step(t, 0));
    assert_false(table_free_step(t, 1));
    assert_true(table_free_step(t, SIZE_MAX));
    t = table_new(hash_of, NULL); /* the same head, as new */
    insert_all(t, items, 1000);
    assert_true(present(t, &items[999]) && !present(t, &items[1000]));
    table_free(t);
    mem_free(items);
}

static void test_expect(void **state)
{
    enum { N = 30000 };
    struct table *t = table_new(hash_of, NULL);
    struct item *items = random_items(N);
    insert_all(t, items, 100);
    assert_true(table_expect(t, N));
    size_t buckets = table_buckets(t), bytes = table_bytes(t);
    assert_true(buckets > N / 16 && buckets < N / 8);
    assert_true(table_expect(t, N / 2));
    assert_int_equal(table_bytes(t), bytes);
    for (size_t i = 0; i < 100; i++)
        assert_true(present(t, &items[i]));
    insert_all(t, items + 100, N - 100);
    for (size_t i = 0; i < N; i++)
        assert_true(present(t, &items[i]));
    table_free(t);
    mem_free(items);
}

/* Whichever allocation fails, expecting fails whole, and the items stay. */
static void test_expect_without_memory(void **state)
{
    enum { N = 8000 };
    struct item *items = random_items(N);
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        struct table *t = table_new(hash_of, NULL);
        insert_all(t, items, 50);
        size_t bytes = table_bytes(t);
        mem_inject_failure(nth);
        failed = !table_expect(t, N);
        mem_inject_failure(0);
        assert_true(nth < 100 && (nth > 5 || failed));
        if (failed)
            assert_true(table_bytes(t) < bytes + 1500);
        insert_all(t, items + 50, N - 50);
        for (size_t i = 0; i < N; i++)
            assert_true(present(t, &items[i]));
        table_free(t);
    }
    mem_free(items);
}

/* Without memory for buckets, chains do; with it, the table catches up. */
static void test_growth_without_memory(void **state)
{
    enum { N = 6000 };
    struct table *t = table_new(hash_of, NULL);
    struct item *items = random_items(N);
    insert_all(t, items, 1000);
    size_t buckets = table_buckets(t);
    for (size_t i = 1000; i < 3000; i++) {
        mem_inject_failure(1);
        table_insert(t, items[i].hash, &items[i]);
    }
    mem_inject_failure(0);
    assert_true(table_buckets(t) <= buckets * 3 / 2);
    for (size_t i = 0; i < 3000; i++)
        assert_true(present(t, &items[i]));
    insert_all(t, items + 3000, N - 3000);
    assert_true(table_buckets(t) >= N / 10);
    for (size_t i = 0; i < N; i++)
        assert_true(present(t, &items[i]));
    for (size_t i = 0; i < N; i++) {
        mem_inject_failure(i % 2);
        table_remove(t, items[i].hash, &items[i]);
    }
    mem_inject_failure(0);
    assert_int_equal(table_count(t), 0);
    table_free(t);
    mem_free(items);
}

#if defined(SPILLWAY_JEMALLOC) /* sanitizers rightly call this a race, and use after free */
static struct table *shared;   /* atomic */
static bool stop;              /* atomic */

static void *read_unlocked(void *ctx)
{
    struct rand rand;
    rand_seed(&rand, 9);
    uintptr_t sum = 0;
    while (!RELAXED_LOAD(&stop)) {
        uint64_t hash = rand_next(&rand);
        table_prefetch_bucket(RELAXED_LOAD(&shared), hash);
        uint64_t candidate = table_candidate(RELAXED_LOAD(&shared), hash);
        sum += (uintptr_t)table_candidate_item(candidate, hash);
    }
    *(uintptr_t *)ctx = sum;
    return NULL;
}

/* Readers without the lock survive whatever happens to the table. */
static void test_unlocked_readers(void **state)
{
    enum { N = 20000 };
    struct item *items = random_items(N);
    pthread_t reader;
    uintptr_t sum;
    shared = table_new(hash_of, NULL);
    assert_int_equal(pthread_create(&reader, NULL, read_unlocked, &sum), 0);
    for (unsigned round = 0; round < 40; round++) {
        struct table *t = shared;
        size_t n = N >> round % 8;
        insert_all(t, items, n);
        for (size_t i = round % 3; i < n && round % 2; i++)
            table_remove(t, items[i].hash, &items[i]);
        RELAXED_STORE(&shared, table_new(hash_of, NULL));
        table_free(t);
        void *other = mem_alloc(1000 + round * 100); /* takes what was freed, if it can */
        memset(other, 0xFF, 1000 + round * 100);
        mem_free(other);
    }
    RELAXED_STORE(&stop, true);
    pthread_join(reader, NULL);
    table_free(shared);
    mem_free(items);
}
#else
static void test_unlocked_readers(void **state)
{
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_insert_replace_remove),
        cmocka_unit_test(test_one_hash),
        cmocka_unit_test(test_scan_is_in_order_of_positions),
        cmocka_unit_test(test_scan_from_anywhere),
        cmocka_unit_test(test_scan_limits),
        cmocka_unit_test(test_memory_per_item),
        cmocka_unit_test(test_sample_reaches_everything),
        cmocka_unit_test(test_picks_are_fair),
        cmocka_unit_test(test_picks_reach_a_long_chain),
        cmocka_unit_test(test_free_in_steps),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_expect_without_memory),
        cmocka_unit_test(test_growth_without_memory),
        cmocka_unit_test(test_unlocked_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
