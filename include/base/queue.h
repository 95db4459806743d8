/* queue.h - a queue between threads: many producers, one consumer, first in first out.
 *
 * Intrusive: the caller embeds struct queue_node. Push never blocks and takes one atomic exchange
 * (Vyukov's intrusive MPSC queue); pop is the consumer's alone. */
#ifndef SPILLWAY_BASE_QUEUE_H
#define SPILLWAY_BASE_QUEUE_H

#include "base/common.h"

struct queue_node {
    struct queue_node *next; /* atomic */
};

struct queue {
    struct queue_node *head ALIGNED(CACHE_LINE); /* atomic; producers */
    struct queue_node *tail ALIGNED(CACHE_LINE); /* consumer only */
    struct queue_node stub;
};

void queue_init(struct queue *q);
void queue_push(struct queue *q, struct queue_node *node); /* any thread */
struct queue_node *queue_pop(struct queue *q); /* consumer; NULL = nothing complete yet */
bool queue_is_empty(const struct queue *q);    /* consumer */

#endif
