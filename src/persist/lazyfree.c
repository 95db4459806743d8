/* lazyfree.c - a queue, a thread that drains it, and counters.
 *
 * Pushing wakes the thread only if it sleeps: it says so in `sleeping` before it looks at the
 * queue a last time, and a producer pushes before it looks at `sleeping` (both sequentially
 * consistent), so one of them sees the other.
 *
 * Pending bytes fall while one large value is being freed: they are what was announced less what
 * the thread has freed in all, and whenever it is done with a value, what was announced of it is
 * put right.
 *
 * The thread makes way for workers (base/pace.h): what it is given to release, if that takes long,
 * calls pace().
 */
#include "persist/lazyfree.h"

#include <pthread.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/queue.h"

struct freeing {
    struct queue_node node;
    void (*release)(void *what);
    void *what;
    uint64_t objects;
    size_t bytes;
};

struct lazyfree {
    struct queue queue;
    uint64_t pushed, freed;      /* atomic: objects */
    uint64_t counted;            /* atomic: of those freed, by statistics that were reset */
    uint64_t announced;          /* atomic: bytes; put right to what was freed */
    const uint64_t *freed_bytes; /* atomic: of the thread; NULL until it runs */
    uint32_t sleeping;           /* atomic */
    uint32_t stop;               /* atomic */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_t thread;
};

static void drain(struct lazyfree *l)
{
    for (struct queue_node *node; (node = queue_pop(&l->queue)) != NULL;) {
        struct freeing *f = CONTAINER_OF(node, struct freeing, node);
        uint64_t objects = f->objects, announced = f->bytes, before = *l->freed_bytes;
        f->release(f->what);
        mem_free(f);
        RELAXED_ADD(&l->announced, *l->freed_bytes - before - announced);
        RELAXED_ADD(&l->freed, objects);
        pace();
    }
}

static void *run(void *arg)
{
    struct lazyfree *l = arg;
    mem_thread_join();
    pace_background();
    const uint64_t *freed_bytes = mem_thread_freed();
    RELAXED_ADD(&l->announced, *freed_bytes);
    __atomic_store_n(&l->freed_bytes, freed_bytes, __ATOMIC_RELEASE);
    for (;;) {
        drain(l);
        if (__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE) && queue_is_empty(&l->queue))
            break;
        pthread_mutex_lock(&l->mutex);
        __atomic_store_n(&l->sleeping, 1, __ATOMIC_SEQ_CST);
        if (lazyfree_pending(l) == 0 && !__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE))
            pthread_cond_wait(&l->cond, &l->mutex);
        __atomic_store_n(&l->sleeping, 0, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&l->mutex);
    }
    mem_thread_leave();
    return NULL;
}

static void wake(struct lazyfree *l)
{
    pthread_mutex_lock(&l->mutex);
    pthread_cond_signal(&l->cond);
    pthread_mutex_unlock(&l->mutex);
}

struct lazyfree *lazyfree_new(void)
{
    struct lazyfree *l = mem_try_zalloc_aligned(CACHE_LINE, sizeof *l);
    queue_init(&l->queue);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->cond, NULL);
    pthread_create(&l->thread, NULL, run, l);
    return l;
}

void lazyfree_free(struct lazyfree *l)
{
    __atomic_store_n(&l->stop, 1, __ATOMIC_RELEASE);
    wake(l);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->cond);
    pthread_mutex_destroy(&l->mutex);
    mem_free(l);
}

void lazyfree_push(struct lazyfree *l, void (*release)(void *what), void *what, uint64_t objects,
                   size_t bytes)
{
    struct freeing *f = mem_alloc(sizeof *f);
    *f = (struct freeing){
        .release = release, .what = what, .objects = MAX_OF(objects, 1u), .bytes = bytes};
    RELAXED_ADD(&l->announced, bytes);
    __atomic_fetch_add(&l->pushed, f->objects, __ATOMIC_SEQ_CST);
    queue_push(&l->queue, &f->node);
    if (__atomic_load_n(&l->sleeping, __ATOMIC_SEQ_CST))
        wake(l);
}

uint64_t lazyfree_pending(const struct lazyfree *l)
{
    uint64_t freed = RELAXED_LOAD(&l->freed);
    return __atomic_load_n(&l->pushed, __ATOMIC_SEQ_CST) - freed;
}

size_t lazyfree_pending_bytes(const struct lazyfree *l)
{
    const uint64_t *freed_bytes = __atomic_load_n(&l->freed_bytes, __ATOMIC_ACQUIRE);
    uint64_t announced = RELAXED_LOAD(&l->announced);
    uint64_t freed = freed_bytes ? RELAXED_LOAD(freed_bytes) : 0;
    return announced > freed ? (size_t)(announced - freed) : 0;
}

uint64_t lazyfree_freed(const struct lazyfree *l)
{
    return RELAXED_LOAD(&l->freed) - RELAXED_LOAD(&l->counted);
}

void lazyfree_reset_freed(struct lazyfree *l)
{
    RELAXED_STORE(&l->counted, RELAXED_LOAD(&l->freed));
}
