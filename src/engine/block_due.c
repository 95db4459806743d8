/* block_due.c - the waiters of a lane by when their time is over: a binary heap.
 *
 * lane->timeout_us is the first one's time: the loop wakes then, and the lane's tick compares it
 * with the clock. Owner only.
 */
#include "base/mem.h"
#include "base/panic.h"
#include "engine/waiter.h"

static void put(struct blocking *b, uint32_t at, struct waiter *w)
{
    b->due[at] = w;
    w->due_at = at;
}

static void sift_up(struct blocking *b, struct waiter *w, uint32_t at)
{
    for (; at > 0 && b->due[(at - 1) / 2]->until_us > w->until_us; at = (at - 1) / 2)
        put(b, at, b->due[(at - 1) / 2]);
    put(b, at, w);
}

static void sift_down(struct blocking *b, struct waiter *w, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < b->due_count; at = child) {
        if (child + 1 < b->due_count && b->due[child + 1]->until_us < b->due[child]->until_us)
            child++;
        if (b->due[child]->until_us >= w->until_us)
            break;
        put(b, at, b->due[child]);
    }
    put(b, at, w);
}

static void note_first(struct lane *lane)
{
    const struct blocking *b = lane->blocking;
    lane->timeout_us = b->due_count != 0 ? b->due[0]->until_us : UINT64_MAX;
}

struct waiter *due_first(const struct lane *lane)
{
    return lane->blocking->due_count != 0 ? lane->blocking->due[0] : NULL;
}

void due_add(struct lane *lane, struct waiter *w)
{
    struct blocking *b = lane->blocking;
    if (w->until_us == 0)
        return;
    if (b->due_count == b->due_cap) {
        b->due_cap = b->due_cap != 0 ? b->due_cap * 2 : 16;
        b->due = mem_realloc(b->due, b->due_cap * sizeof(struct waiter *));
    }
    sift_up(b, w, b->due_count++);
    note_first(lane);
    RELAXED_ADD(&lane->server->timed_clients, 1);
}

static void settle(struct blocking *b, struct waiter *w, uint32_t at)
{
    if (at > 0 && b->due[(at - 1) / 2]->until_us > w->until_us)
        sift_up(b, w, at);
    else
        sift_down(b, w, at);
}

void due_remove(struct lane *lane, struct waiter *w)
{
    struct blocking *b = lane->blocking;
    if (w->until_us == 0)
        return;
    DEBUG_ASSERT(b->due[w->due_at] == w);
    struct waiter *last = b->due[--b->due_count];
    if (last != w)
        settle(b, last, w->due_at);
    w->until_us = 0;
    note_first(lane);
    RELAXED_ADD(&lane->server->timed_clients, (uint32_t)-1);
}

void due_put_off(struct lane *lane, struct waiter *w, uint64_t until_us)
{
    w->until_us = until_us;
    settle(lane->blocking, w, w->due_at);
    note_first(lane);
}
