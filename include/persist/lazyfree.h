/* lazyfree.h - a thread that frees what others hand to it, so that no worker pays for a large
 * value.
 *
 * Handing over is one push onto a queue between threads. What is handed over belongs to nobody
 * else any more.
 */
#ifndef SPILLWAY_PERSIST_LAZYFREE_H
#define SPILLWAY_PERSIST_LAZYFREE_H

#include "base/common.h"

struct lazyfree;

struct lazyfree *lazyfree_new(void);    /* starts the thread */
void lazyfree_free(struct lazyfree *l); /* frees all that is pending, then ends the thread */
/* Calls release(what) on the thread. objects: how many it stands for, for the statistics; bytes:
 * about how many that frees. Any thread. */
void lazyfree_push(struct lazyfree *l, void (*release)(void *what), void *what, uint64_t objects,
                   size_t bytes);
uint64_t lazyfree_pending(
    const struct lazyfree *l); /* objects not yet freed (lazyfree_pending_objects) */
/* Bytes not yet freed, about: used memory that is on its way out. Any thread. */
size_t lazyfree_pending_bytes(const struct lazyfree *l);
/* Objects freed since the start or the last reset (lazyfreed_objects). */
uint64_t lazyfree_freed(const struct lazyfree *l);
void lazyfree_reset_freed(struct lazyfree *l); /* CONFIG RESETSTAT */

#endif
