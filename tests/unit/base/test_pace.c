/* pace(): on an ordinary thread nothing happens; a thread in the background offers the processor, at
 * times that follow from how long others took, and never while it keeps it. The offer is replaced
 * by one that counts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/pace.h"

static _Thread_local uint64_t offers, others_us, returned_at, gap; /* of the last two offers */

int sched_yield(void)
{
    uint64_t now = clock_ticks_us();
    gap = now - returned_at;
    offers++;
    while (clock_ticks_us() - now < others_us)
        continue;
    returned_at = clock_ticks_us();
    return 0;
}

struct seen {
    int policy, nice;
};

static void look(struct seen *seen)
{
    struct sched_param param;
    assert_int_equal(pthread_getschedparam(pthread_self(), &seen->policy, &param), 0);
    seen->nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

static void pace_until_offered(uint64_t count)
{
    for (uint64_t until = offers + count; offers < until;)
        pace();
}

/* At least so long, in microseconds, it works between two offers if others take `us`; and once at
 * least not as long as `unless`, which nothing but the scheduler could make of it. */
static void expect_work(uint64_t us, uint64_t least, uint64_t unless)
{
    others_us = us;
    pace_until_offered(2); /* the first knows of the time before only */
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 10 || shortest >= unless; i++) {
        pace_until_offered(1);
        shortest = MIN_OF(shortest, gap);
    }
    assert_true(shortest >= least);
}

static void *in_background(void *out)
{
    pace_background();
    look(out);
    expect_work(0, 99, 1000);      /* the least */
    expect_work(1600, 399, 1600);  /* a quarter */
    expect_work(10000, 499, 2500); /* the most */
    pace_keep(true);
    uint64_t before = offers;
    for (uint64_t end = clock_ticks_us() + 2000; clock_ticks_us() < end;)
        pace();
    assert_int_equal(offers, before);
    pace_keep(false);
    pace_until_offered(1);
    return NULL;
}

static void test_background(void **state)
{
    struct seen before, after, background = {0};
    pthread_t thread;
    look(&before);
    assert_int_equal(pthread_create(&thread, NULL, in_background, &background), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    look(&after);
    assert_int_equal(background.policy, SCHED_BATCH);
    assert_int_equal(background.nice, MIN_OF(before.nice + 5, 19));
    assert_int_equal(after.policy, before.policy); /* of the thread alone */
    assert_int_equal(after.nice, before.nice);
}

static void test_foreground(void **state)
{
    for (uint64_t end = clock_ticks_us() + 2000; clock_ticks_us() < end;)
        pace();
    assert_int_equal(offers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_background),
                                       cmocka_unit_test(test_foreground)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
