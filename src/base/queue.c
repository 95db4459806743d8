/* queue.c - Dmitry Vyukov's intrusive queue: many producers, one consumer.
 *
 * Nodes are linked from tail (oldest) to head (newest). A producer first swings head to its node,
 * then links the former head to it; between the two the chain is broken there, and the consumer
 * sees nothing beyond. The stub node stands in the chain whenever it would else be empty.
 */
#include "base/queue.h"

void queue_init(struct queue *q)
{
    q->stub.next = NULL;
    q->head = q->tail = &q->stub;
}

void queue_push(struct queue *q, struct queue_node *node)
{
    RELAXED_STORE(&node->next, NULL);
    struct queue_node *before = __atomic_exchange_n(&q->head, node, __ATOMIC_ACQ_REL);
    __atomic_store_n(&before->next, node, __ATOMIC_RELEASE);
}

struct queue_node *queue_pop(struct queue *q)
{
    struct queue_node *oldest = q->tail;
    struct queue_node *next = __atomic_load_n(&oldest->next, __ATOMIC_ACQUIRE);

    if (oldest == &q->stub) {
        if (!next)
            return NULL;
        q->tail = oldest = next;
        next = __atomic_load_n(&oldest->next, __ATOMIC_ACQUIRE);
    }
    if (!next) {
        if (oldest != __atomic_load_n(&q->head, __ATOMIC_ACQUIRE))
            return NULL; /* a producer is between its two steps */
        queue_push(q, &q->stub);
        next = __atomic_load_n(&oldest->next, __ATOMIC_ACQUIRE);
        if (!next)
            return NULL;
    }
    q->tail = next;
    return oldest;
}

bool queue_is_empty(const struct queue *q)
{
    return q->tail == &q->stub && __atomic_load_n(&q->head, __ATOMIC_ACQUIRE) == &q->stub;
}
