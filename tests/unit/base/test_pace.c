/* pace(): on an ordinary thread nothing happens; a thread in the background has less claim to the
 * processor, and gets on.
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
#include "base/common.h"
#include "base/pace.h"

struct seen {
    int policy, nice;
    uint64_t paced; /* calls */
};

static void look(struct seen *seen)
{
    struct sched_param param;
    assert_int_equal(pthread_getschedparam(pthread_self(), &seen->policy, &param), 0);
    seen->nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

static void *in_background(void *out)
{
    struct seen *seen = out;
    pace_background();
    for (uint64_t end = clock_mono_us() + 2000; clock_mono_us() < end; seen->paced++)
        pace();
    look(seen);
    return NULL;
}

/* Only the thread that says so has less claim to the processor, and it gets on. */
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
    assert_true(background.paced > 0);
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.nice, before.nice);
}

/* On any other thread a call does nothing. */
static void test_foreground(void **state)
{
    struct seen before, after;
    look(&before);
    for (int i = 0; i < 1000; i++)
        pace();
    look(&after);
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.nice, before.nice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_background),
                                       cmocka_unit_test(test_foreground)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
