/* test_queue.c - first in, first out, per producer; nothing lost and nothing twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include "base/common.h"
#include "base/queue.h"

#define PRODUCERS 4
#define EACH      20000

struct item {
    struct queue_node node;
    int producer, number;
};

static struct queue queue;
static struct item items[PRODUCERS][EACH];

static struct item *pop(void)
{
    struct queue_node *node = queue_pop(&queue);
    return node ? CONTAINER_OF(node, struct item, node) : NULL;
}

static void test_order(void **state)
{
    struct item three[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    queue_init(&queue);
    assert_true(queue_is_empty(&queue));
    assert_null(pop());
    for (int round = 0; round < 3; round++) { /* the same nodes again: none may keep a stale link */
        for (int i = 0; i < 3; i++) {
            queue_push(&queue, &three[i].node);
            assert_false(queue_is_empty(&queue));
        }
        for (int i = 0; i < 3; i++)
            assert_ptr_equal(pop(), &three[i]);
        assert_true(queue_is_empty(&queue));
        assert_null(pop());
        assert_true(queue_is_empty(&queue));
    }
}

static void test_push_between_pops(void **state)
{
    struct item a = {.number = 1}, b = {.number = 2};
    queue_init(&queue);
    for (int i = 0; i < 10; i++) {
        queue_push(&queue, &a.node);
        assert_ptr_equal(pop(), &a);
        queue_push(&queue, &b.node);
        queue_push(&queue, &a.node);
        assert_ptr_equal(pop(), &b);
        assert_false(queue_is_empty(&queue));
        assert_ptr_equal(pop(), &a);
        assert_null(pop());
    }
}

/* A push that stopped between its two steps, done by hand: what is before it comes out, nothing
 * beyond. */
static void test_half_done_push(void **state)
{
    struct item first = {.number = 1}, second = {.number = 2};
    queue_init(&queue);
    queue_push(&queue, &first.node);
    second.node.next = NULL;
    struct queue_node *before = __atomic_exchange_n(&queue.head, &second.node, __ATOMIC_ACQ_REL);
    assert_null(pop());
    assert_false(queue_is_empty(&queue));
    __atomic_store_n(&before->next, &second.node, __ATOMIC_RELEASE);
    assert_ptr_equal(pop(), &first);
    assert_ptr_equal(pop(), &second);
    assert_true(queue_is_empty(&queue));
}

static void *produce(void *arg)
{
    int producer = (int)(intptr_t)arg;
    for (int i = 0; i < EACH; i++) {
        items[producer][i].producer = producer; /* plain writes: the queue must publish them */
        items[producer][i].number = i;
        queue_push(&queue, &items[producer][i].node);
    }
    return NULL;
}

static void test_many_producers(void **state)
{
    pthread_t threads[PRODUCERS];
    int next[PRODUCERS] = {0};
    queue_init(&queue);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, produce, (void *)(intptr_t)i), 0);
    for (int taken = 0; taken < PRODUCERS * EACH;) {
        struct item *item = pop();
        if (!item) {
            sched_yield();
            continue;
        }
        assert_int_equal(item->number, next[item->producer]++);
        taken++;
    }
    assert_null(pop());
    assert_true(queue_is_empty(&queue));
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_push_between_pops),
        cmocka_unit_test(test_half_done_push),
        cmocka_unit_test(test_many_producers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
