/* test_lock.c - one holder at a time, nobody left asleep, and what was written inside is seen by
 * the next. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include "base/clock.h"
#include "base/lock.h"

#define THREADS 4
#define ROUNDS  20000

static struct lock lock;
static uint64_t counter; /* lock; deliberately not atomic */

static void test_states(void **state)
{
    struct lock l = {0};
    assert_int_equal(sizeof(l), 4);
    assert_false(lock_is_taken(&l));
    lock_take(&l);
    assert_true(lock_is_taken(&l));
    assert_false(lock_try(&l));
    lock_drop(&l);
    assert_int_equal(l.state, 0);
    assert_true(lock_try(&l));
    lock_drop(&l);
    assert_false(lock_is_taken(&l));
}

static void *count_up(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 16 == 0 && lock_try(&lock)) {
            counter++;
            lock_drop(&lock);
            continue;
        }
        lock_take(&lock);
        counter++;
        if (i % 4096 == 0)
            clock_sleep_us(200); /* long enough for the others to park */
        lock_drop(&lock);
    }
    return NULL;
}

static void test_exclusion(void **state)
{
    pthread_t threads[THREADS];
    counter = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_int_equal(lock.state, 0);
}

static int passed; /* atomic */

static void *pass_once(void *arg)
{
    lock_take(&lock);
    RELAXED_ADD(&passed, 1);
    lock_drop(&lock);
    return NULL;
}

/* Each drop wakes one sleeper, so all of them must get through. */
static void test_parked_threads_all_wake(void **state)
{
    pthread_t threads[8];
    passed = 0;
    lock_take(&lock);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pass_once, NULL), 0);
    while (RELAXED_LOAD(&lock.state) != 2)
        clock_sleep_us(100);
    clock_sleep_us(20000);
    assert_int_equal(RELAXED_LOAD(&passed), 0);
    lock_drop(&lock);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(passed, 8);
    assert_int_equal(lock.state, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_exclusion),
        cmocka_unit_test(test_parked_threads_all_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
