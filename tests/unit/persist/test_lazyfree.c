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
        lazyfree_push(arg, release, mem_alloc(32), 10, 32);
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
    lazyfree_push(l, release, mem_alloc(32), 0, 32); /* wakes the thread, or is found at the end */
    lazyfree_free(l);
    assert_int_equal(RELAXED_LOAD(&released), PRODUCERS * PIECES + 1);
}

/* Frees the first half of what it got, and the rest when it is told to. */
struct halves {
    void *first, *second;
    uint32_t half, go_on; /* atomic */
};

static void release_halves(void *what)
{
    struct halves *h = what;
    mem_free(h->first);
    RELAXED_STORE(&h->half, 1);
    while (!RELAXED_LOAD(&h->go_on))
        clock_sleep_us(100);
    mem_free(h->second);
}

static void bytes_are_pending_until_they_are_freed(void **state)
{
    enum { HALF = 1 << 20, ROUNDS = 5 };
    struct lazyfree *l = lazyfree_new();
    struct halves all[ROUNDS] = {0};
    assert_int_equal(lazyfree_pending_bytes(l), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct halves *h = &all[i];
        size_t announced = i * 2 * HALF; /* the truth in the second round */
        h->first = mem_alloc(HALF);
        h->second = mem_alloc(HALF);
        lazyfree_push(l, release_halves, h, 1, announced);
        while (!RELAXED_LOAD(&h->half))
            clock_sleep_us(100);
        size_t left = lazyfree_pending_bytes(l);
        size_t wanted = announced > HALF ? announced - HALF : 0;
        assert_true(left <= wanted && wanted - left < HALF / 2); /* allocators round up */
        RELAXED_STORE(&h->go_on, 1);
        while (lazyfree_pending(l))
            clock_sleep_us(100);
        assert_int_equal(lazyfree_pending_bytes(l), 0);
    }
    lazyfree_free(l);
}

int main(void)
{
    mem_thread_join();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_freed_once),
        cmocka_unit_test(bytes_are_pending_until_they_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
