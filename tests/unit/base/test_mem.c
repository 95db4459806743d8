/* test_mem.c - blocks are what was asked for, and every byte of every thread is counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/common.h"
#include "base/mem.h"

#define BLOCK 100000

/* Compilers may leave out an allocation that nobody looks at; this looks. */
static void *seen(void *p)
{
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

static void test_blocks(void **state)
{
    char *p = mem_alloc(100);
    memset(p, 1, 100);
    p = mem_realloc(p, 10000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 1);
    mem_free_sized(p, 10000);
    for (size_t size = 0; size < 5000; size = size * 2 + 1) {
        char *z = mem_zalloc(size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(z[i], 0);
        assert_true(mem_usable(z) >= size);
        mem_free_sized(z, size);
    }
    char *s = mem_strdup("spill"), *d = mem_dup("a\0b", 3);
    assert_string_equal(s, "spill");
    assert_memory_equal(d, "a\0b", 3);
    mem_free(s);
    mem_free(d);
    mem_free(NULL);
    mem_free_sized(NULL, 10);
}

static void test_size_zero(void **state)
{
    char *a = mem_alloc(0), *b = mem_zalloc(0), *c = mem_dup("", 0), *d = mem_try_alloc(0);
    assert_non_null(a);
    assert_non_null(d);
    assert_ptr_not_equal(a, d);
    a = mem_realloc(a, 0);
    assert_non_null(a);
    mem_free(a);
    mem_free_sized(b, 0);
    mem_free_sized(c, 0);
    mem_free_sized(d, 0);
    assert_true(mem_good_size(0) >= 1);
}

static void test_aligned(void **state)
{
    for (size_t align = 16; align <= 65536; align *= 2) {
        for (size_t size = 1; size < 300000; size = size * 7 + 5) {
            unsigned char *p = mem_try_zalloc_aligned(align, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xee, size); /* so that a block used again shows */
            mem_free(p);
        }
    }
}

static void test_good_size(void **state)
{
    for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1) {
        size_t good = mem_good_size(size);
        assert_true(good >= size);
        assert_true(good <= size + size / 4 + 16);
        assert_int_equal(mem_good_size(good), good);
        void *p = mem_alloc(good);
        assert_int_equal(mem_usable(p), good);
        mem_free_sized(p, good);
    }
}

static void test_impossible_sizes(void **state)
{
    volatile size_t huge = SIZE_MAX / 2 - 4096, top = SIZE_MAX; /* the compiler need not know */
    assert_null(seen(mem_try_alloc(huge)));
    assert_null(seen(mem_try_alloc(top)));
    assert_null(seen(mem_try_zalloc_aligned(64, huge)));
    char *p = mem_try_alloc(10);
    memset(p, 5, 10);
    assert_null(seen(mem_try_realloc(p, huge)));
    assert_int_equal(p[9], 5);
    mem_free(p);
    assert_true(mem_good_size(huge) >= huge || mem_good_size(huge) == 0);
}

static void test_injected_failure(void **state)
{
    mem_inject_failure(2);
    void *a = mem_try_alloc(10);
    assert_non_null(a);
    assert_null(mem_try_realloc(a, 100));
    a = mem_try_realloc(a, 100); /* the one before left it as it was */
    assert_non_null(a);
    mem_inject_failure(1);
    void *plain = mem_alloc(10); /* not a try: never fails */
    assert_null(mem_try_zalloc_aligned(64, 64));
    mem_inject_failure(1);
    mem_inject_failure(0);
    void *b = mem_try_alloc(1);
    assert_non_null(b);
    mem_free(a);
    mem_free(b);
    mem_free(plain);
}

static void test_used_follows(void **state)
{
    size_t before = mem_used();
    char *p = seen(mem_alloc(BLOCK));
    assert_int_equal(mem_used() - before, mem_usable(p));
    p = mem_realloc(p, 3 * BLOCK);
    assert_int_equal(mem_used() - before, mem_usable(p));
    void *aligned = mem_try_zalloc_aligned(64, BLOCK);
    assert_int_equal(mem_used() - before, mem_usable(p) + mem_usable(aligned));
    mem_free(aligned);
    mem_free_sized(p, 3 * BLOCK);
    assert_int_equal(mem_used(), before);
}

/* A thread whose steps the test takes one by one. */
struct stepper {
    pthread_t thread;
    pthread_barrier_t gate;
    void *block;
    bool join, leave;
};

static void *run_steps(void *arg)
{
    struct stepper *s = arg;
    if (s->join)
        mem_thread_join();
    s->block = seen(mem_alloc(BLOCK));
    pthread_barrier_wait(&s->gate); /* allocated */
    pthread_barrier_wait(&s->gate); /* may leave */
    if (s->leave)
        mem_thread_leave();
    return NULL;
}

static void start(struct stepper *s, bool join, bool leave)
{
    *s = (struct stepper){.join = join, .leave = leave};
    pthread_barrier_init(&s->gate, NULL, 2);
    assert_int_equal(pthread_create(&s->thread, NULL, run_steps, s), 0);
    pthread_barrier_wait(&s->gate);
}

static void finish(struct stepper *s)
{
    pthread_barrier_wait(&s->gate);
    pthread_join(s->thread, NULL);
    pthread_barrier_destroy(&s->gate);
}

/* pthread_create itself allocates a little in this thread, so sums over threads are compared with
 * slack. */
static void assert_used_near(size_t expected)
{
    size_t used = mem_used();
    assert_in_range(used, expected - MIN_OF(expected, BLOCK / 2), expected + BLOCK / 2);
}

static void test_threads_are_summed(void **state)
{
    struct stepper s[3];
    size_t before = mem_used();
    for (int i = 0; i < 3; i++)
        start(&s[i], true, i != 1); /* one forgets to leave */
    assert_used_near(before + 3 * BLOCK);
    for (int i = 0; i < 3; i++)
        finish(&s[i]);
    assert_used_near(before + 3 * BLOCK); /* what they left behind still counts */
    for (int i = 0; i < 3; i++)
        mem_free(s[i].block); /* freed by another thread than its owner */
    assert_used_near(before);
}

static void test_thread_that_never_joined(void **state)
{
    struct stepper s;
    size_t before = mem_used();
    start(&s, false, true);
    size_t during = mem_used();
    assert_true(during < before + 2 * BLOCK);
    finish(&s);
    mem_free(s.block);
    assert_true(mem_used() <= before + BLOCK); /* and no wrap below zero */
}

static void test_join_again(void **state)
{
    size_t before = mem_used();
    void *p = seen(mem_alloc(BLOCK));
    mem_thread_leave();
    mem_thread_leave();
    assert_used_near(before + BLOCK);
    mem_thread_join();
    mem_thread_join();
    assert_used_near(before + BLOCK);
    mem_free(p);
    assert_used_near(before);
}

static void test_process_figures(void **state)
{
    struct mem_stats stats;
    size_t size = 32 << 20;
    char *p = mem_alloc(size);
    memset(p, 1, size);
    seen(p);
    mem_stats_read(&stats);
    assert_true(stats.allocated >= size);
    assert_true(stats.active >= stats.allocated);
    assert_true(stats.resident >= stats.active);
    assert_true(mem_rss() >= size);
    mem_free(p);
    mem_purge();
    mem_stats_read(&stats);
#ifdef SPILLWAY_JEMALLOC
    assert_true(stats.resident < size);
    assert_true(mem_rss() < size);
    assert_memory_equal(mem_allocator_name(), "jemalloc-5.", 11);
#else
    assert_string_equal(mem_allocator_name(), "libc");
#endif
}

static void *churn(void *arg)
{
    void *blocks[16] = {0};
    mem_thread_join();
    for (int i = 0; i < 20000; i++) {
        mem_free(blocks[i % 16]);
        blocks[i % 16] = mem_alloc((size_t)(i * 7 % 3000));
    }
    for (int i = 0; i < 16; i++)
        mem_free(blocks[i]);
    mem_thread_leave();
    return NULL;
}

/* Reading while threads allocate, join and leave: clean under the thread sanitizer, and always
 * sensible. */
static void test_reading_while_counting(void **state)
{
    pthread_t threads[4];
    size_t before = mem_used();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, churn, NULL), 0);
        for (int i = 0; i < 200; i++)
            assert_true(mem_used() < before + (16 << 20));
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    assert_used_near(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_size_zero),
        cmocka_unit_test(test_aligned),
        cmocka_unit_test(test_good_size),
        cmocka_unit_test(test_impossible_sizes),
        cmocka_unit_test(test_injected_failure),
        cmocka_unit_test(test_used_follows),
        cmocka_unit_test(test_threads_are_summed),
        cmocka_unit_test(test_thread_that_never_joined),
        cmocka_unit_test(test_join_again),
        cmocka_unit_test(test_process_figures),
        cmocka_unit_test(test_reading_while_counting),
    };
    mem_thread_join();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
