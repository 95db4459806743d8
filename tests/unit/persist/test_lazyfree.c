/* test_lazyfree.c - what is handed over is freed once, by another thread, and counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include "base/clock.h"
#include "base/mem.h"
#include "persist/lazyfree.h"

#define PRODUCERS 3
#define PIECES    5000

static uint32_t released; /* atomic */

static void release(void *what)
{
    RELAXED_ADD(&released, 1);
    mem_free(what);
}

static void *produce(void *arg)
{
    for (int i = 0; i < PIECES; i++)
        lazyfree_push(arg, release, mem_alloc(32), 10);
    return NULL;
}

static void all_is_freed_once(void **state)
{
    struct lazyfree *l = lazyfree_new();
    pthread_t thread[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++)
        pthread_create(&thread[i], NULL, produce, l);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 5000 && lazyfree_pending(l); i++)
        clock_sleep_us(1000);
    assert_int_equal(lazyfree_pending(l), 0);
    assert_int_equal(lazyfree_freed(l), PRODUCERS * PIECES * 10);
    assert_int_equal(RELAXED_LOAD(&released), PRODUCERS * PIECES);
    lazyfree_push(l, release, mem_alloc(32), 0); /* wakes the thread, or is found at the end */
    lazyfree_free(l);
    assert_int_equal(RELAXED_LOAD(&released), PRODUCERS * PIECES + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_is_freed_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
