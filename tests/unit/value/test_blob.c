/* test_blob.c - counted bytes: growth, sharing, and threads that drop their references at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include "value/blob.h"

static void test_new(void **state)
{
    (void)state;
    struct blob *b = blob_new("abc", 3, 3);
    assert_int_equal(b->references, 1);
    assert_int_equal(b->len, 3);
    assert_int_equal(b->cap, 3);
    assert_memory_equal(b->data, "abc", 3);
    blob_release(b);
    b = blob_new(NULL, 0, 0);
    assert_int_equal(b->cap, 0);
    blob_release(b);
    b = blob_new(NULL, 10, 1000);
    memset(b->data, 1, 1000); /* all of the room is ours */
    blob_release(b);
}

static void test_growth(void **state)
{
    (void)state;
    struct blob *b = blob_new("abc", 3, 8);
    assert_ptr_equal(blob_writable(b, 3), b);
    assert_ptr_equal(blob_writable(b, 8), b);
    b = blob_writable(b, 9);
    assert_int_equal(b->cap, 18);
    assert_int_equal(b->len, 3);
    assert_memory_equal(b->data, "abc", 3);
    b = blob_writable(b, (1 << 20) - 1);
    assert_int_equal(b->cap, 2 * ((1 << 20) - 1));
    blob_release(b);
    b = blob_writable(blob_new(NULL, 0, 0), 1 << 20);
    assert_int_equal(b->cap, 2 << 20);
    b = blob_writable(b, (2 << 20) + 1);
    assert_int_equal(b->cap, (3 << 20) + 1);
    blob_release(b);
}

/* A byte at a time moves it a logarithmic number of times. */
static void test_growth_is_amortised(void **state)
{
    (void)state;
    struct blob *b = blob_new(NULL, 0, 0);
    unsigned grown = 0;
    for (size_t i = 0; i < 100000; i++) {
        grown += b->cap < i + 1;
        b = blob_writable(b, i + 1);
        b->data[i] = (char)i;
        b->len = i + 1;
    }
    assert_in_range(grown, 10, 20);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(b->data[i], (char)i);
    blob_release(b);
}

static void test_a_shared_blob_is_copied(void **state)
{
    (void)state;
    struct blob *b = blob_new("abc", 3, 100), *reader = blob_share(b);
    assert_int_equal(b->references, 2);
    struct blob *own = blob_writable(b, 3);
    assert_ptr_not_equal(own, reader);
    assert_int_equal(reader->references, 1);
    assert_int_equal(own->references, 1);
    assert_memory_equal(own->data, "abc", 3);
    own->data[0] = 'x';
    assert_memory_equal(reader->data, "abc", 3);
    struct blob *second = blob_share(own);
    own = blob_writable(own, 200); /* shared and too small */
    assert_int_equal(own->cap, 400);
    assert_memory_equal(own->data, "xbc", 3);
    blob_release(second);
    blob_release(own);
    assert_ptr_equal(blob_writable(reader, 3), reader); /* alone again */
    blob_release(reader);
}

#define THREADS 2
#define ROUNDS  1000

/* The owner shares, gives the references away and goes on writing; readers must never see that. */
static void *read_and_release(void *arg)
{
    struct blob **slots = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct blob *b;
        while ((b = __atomic_exchange_n(&slots[i % 16], NULL, __ATOMIC_ACQ_REL)) == NULL)
            sched_yield();
        for (size_t k = 1; k < b->len; k++)
            if (b->data[k] != b->data[0])
                return "a reader saw a write";
        blob_release(b);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    static struct blob *slots[THREADS][16];
    pthread_t threads[THREADS];
    for (unsigned t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, read_and_release, slots[t]), 0);
    struct blob *b = blob_new(NULL, 64, 64);
    memset(b->data, 'a', 64);
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned t = 0; t < THREADS; t++) {
            while (__atomic_load_n(&slots[t][i % 16], __ATOMIC_ACQUIRE) != NULL)
                sched_yield();
            __atomic_store_n(&slots[t][i % 16], blob_share(b), __ATOMIC_RELEASE);
        }
        b = blob_writable(b, 64);
        memset(b->data, 'a' + (int)(i % 26), 64);
    }
    blob_release(b);
    for (unsigned t = 0; t < THREADS; t++) {
        void *wrong;
        pthread_join(threads[t], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_growth_is_amortised),
        cmocka_unit_test(test_a_shared_blob_is_copied),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
