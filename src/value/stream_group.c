/* stream_group.c - consumer groups: who has read what and not acknowledged it.
 *
 * A pending entry is one record in two trees, that of its group and that of its consumer. Every one
 * has a consumer, except while a codec builds a group (stream_pending_create without one).
 */
#include "value/stream_group.h"
#include "base/mem.h"
#include "base/panic.h"

#define EFFORT_GROUPS 32 /* groups looked at to guess how long freeing takes */

static struct slice consumer_key(const void *consumer)
{
    return stream_consumer_name(consumer);
}

static struct slice nack_key(const void *nack)
{
    return slice_of(((const struct stream_nack *)nack)->id, STREAM_ID_BYTES);
}

struct slice stream_group_key(const void *group)
{
    return stream_group_name(group);
}

static void *new_with_name(size_t size, struct slice name)
{
    void *p = mem_try_alloc(size + name.len);
    if (p == NULL || name.len > UINT32_MAX)
        PANIC("no memory for a name of %zu bytes", name.len);
    memset(p, 0, size);
    memcpy((char *)p + size, name.data, name.len);
    return p;
}

/* ---- groups ---- */

struct stream_group *stream_group_find(const struct stream *s, struct slice name)
{
    return radix_find(&s->groups, name);
}

struct stream_group *stream_group_create(struct stream *s, struct slice name,
                                         struct stream_id last_id, int64_t entries_read)
{
    if (stream_group_find(s, name) != NULL)
        return NULL;
    struct stream_group *g = new_with_name(offsetof(struct stream_group, name), name);
    g->name_len = (uint32_t)name.len;
    g->last_id = last_id;
    g->entries_read = entries_read;
    radix_init(&g->pending, nack_key);
    radix_init(&g->consumers, consumer_key);
    radix_insert(&s->groups, g);
    return g;
}

static void release(void *record, void *ctx)
{
    (void)ctx;
    mem_free(record);
}

static void release_consumer(void *consumer, void *ctx)
{
    (void)ctx;
    radix_clear(&((struct stream_consumer *)consumer)->pending, NULL, NULL);
    mem_free(consumer);
}

static void release_group(void *group, void *ctx)
{
    struct stream_group *g = group;
    (void)ctx;
    radix_clear(&g->consumers, release_consumer, NULL);
    radix_clear(&g->pending, release, NULL);
    mem_free(g);
}

void stream_group_destroy(struct stream *s, struct stream_group *g)
{
    radix_remove(&s->groups, stream_group_name(g));
    release_group(g, NULL);
}

struct value stream_group_detach(struct stream *s, struct stream_group *g)
{
    struct stream *only = stream_new();
    radix_remove(&s->groups, stream_group_name(g));
    radix_insert(&only->groups, g);
    return stream_value(only);
}

/* ---- consumers ---- */

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name)
{
    return radix_find(&g->consumers, name);
}

static struct stream_consumer *consumer_new(struct slice name, int64_t now_ms)
{
    struct stream_consumer *c = new_with_name(offsetof(struct stream_consumer, name), name);
    c->name_len = (uint32_t)name.len;
    c->seen_ms = now_ms;
    c->active_ms = -1;
    radix_init(&c->pending, nack_key);
    return c;
}

struct stream_consumer *stream_consumer_create(struct stream_group *g, struct slice name,
                                               int64_t now_ms)
{
    if (stream_consumer_find(g, name) != NULL)
        return NULL;
    struct stream_consumer *c = consumer_new(name, now_ms);
    radix_insert(&g->consumers, c);
    return c;
}

static void take_tree(struct radix *to, struct radix *from)
{
    bool joined = radix_join(to, from);
    ASSERT(joined); /* there is nothing in it */
}

struct value stream_pending_detach(struct stream_group *g, struct stream_consumer *c)
{
    struct stream *only = stream_new();
    struct stream_group *group = stream_group_create(only, SLICE("g"), STREAM_ID_MIN, 0);
    struct stream_consumer *consumer = stream_consumer_create(group, SLICE("c"), 0);
    ASSERT(radix_count(&c->pending) == radix_count(&g->pending));
    take_tree(&group->pending, &g->pending);
    take_tree(&consumer->pending, &c->pending);
    return stream_value(only);
}

static void forget(void *nack, void *group)
{
    radix_remove(&((struct stream_group *)group)->pending, nack_key(nack));
    mem_free(nack);
}

uint64_t stream_consumer_delete(struct stream_group *g, struct stream_consumer *c)
{
    uint64_t pending = radix_count(&c->pending);
    radix_remove(&g->consumers, stream_consumer_name(c));
    radix_clear(&c->pending, forget, g);
    mem_free(c);
    return pending;
}

/* ---- pending entries ---- */

struct stream_nack *stream_pending_find(const struct stream_group *g, struct stream_id id)
{
    unsigned char key[STREAM_ID_BYTES];
    stream_id_to_bytes(key, id);
    return radix_find(&g->pending, slice_of(key, sizeof key));
}

void stream_claim(struct stream_nack *nack, struct stream_consumer *c)
{
    if (nack->consumer == c)
        return;
    if (nack->consumer != NULL)
        radix_remove(&nack->consumer->pending, nack_key(nack));
    nack->consumer = c;
    if (c != NULL)
        radix_insert(&c->pending, nack);
}

struct stream_nack *stream_pending_create(struct stream_group *g, struct stream_consumer *c,
                                          struct stream_id id, int64_t now_ms)
{
    struct stream_nack *nack = mem_alloc(sizeof *nack);
    *nack = (struct stream_nack){.delivered_ms = now_ms};
    stream_id_to_bytes(nack->id, id);
    if (!radix_insert(&g->pending, nack)) {
        mem_free(nack);
        return NULL;
    }
    stream_claim(nack, c);
    return nack;
}

struct stream_nack *stream_deliver(struct stream_group *g, struct stream_consumer *c,
                                   struct stream_id id, int64_t now_ms)
{
    struct stream_nack *nack = stream_pending_create(g, c, id, now_ms);
    if (nack == NULL) {
        nack = stream_pending_find(g, id);
        stream_claim(nack, c);
        nack->delivered_ms = now_ms;
    }
    nack->deliveries = 1;
    return nack;
}

void stream_batch_init(struct stream_batch *b, const struct stream_group *g, struct slice consumer,
                       int64_t now_ms)
{
    radix_init(&b->pending, nack_key);
    radix_init(&b->of_consumer, nack_key);
    b->consumer = stream_consumer_find(g, consumer);
    b->is_new = b->consumer == NULL;
    if (b->is_new)
        b->consumer = consumer_new(consumer, now_ms);
}

const struct stream_nack *stream_batch_deliver(struct stream_batch *b, struct stream_id id,
                                               int64_t now_ms)
{
    struct stream_nack *nack = mem_alloc(sizeof *nack);
    *nack = (struct stream_nack){.consumer = b->consumer, .delivered_ms = now_ms, .deliveries = 1};
    stream_id_to_bytes(nack->id, id);
    bool added = radix_insert(&b->pending, nack) && radix_insert(&b->of_consumer, nack);
    ASSERT(added);
    return nack;
}

/* Some may be pending already: the group was set back. */
static void deliver_again(struct stream_batch *b, struct stream_group *g)
{
    const struct stream_nack *nack;
    struct radix_cursor at;
    radix_first(&b->pending, &at);
    while ((nack = stream_pending_next(&at)) != NULL)
        stream_deliver(g, b->consumer, stream_nack_id(nack), nack->delivered_ms);
    radix_clear(&b->of_consumer, NULL, NULL);
    radix_clear(&b->pending, release, NULL);
}

void stream_batch_attach(struct stream_batch *b, struct stream_group *g)
{
    if (b->is_new)
        radix_insert(&g->consumers, b->consumer);
    b->is_new = false;
    if (!radix_join(&g->pending, &b->pending)) {
        deliver_again(b, g);
        return;
    }
    bool joined = radix_join(&b->consumer->pending, &b->of_consumer);
    ASSERT(joined); /* what the consumer has is among what the group has */
}

void stream_batch_free(struct stream_batch *b)
{
    radix_clear(&b->of_consumer, NULL, NULL);
    radix_clear(&b->pending, release, NULL);
    if (b->is_new)
        mem_free(b->consumer);
}

void stream_pending_delete(struct stream_group *g, struct stream_nack *nack)
{
    stream_claim(nack, NULL);
    forget(nack, g);
}

bool stream_acknowledge(struct stream_group *g, struct stream_id id)
{
    struct stream_nack *nack = stream_pending_find(g, id);
    if (nack != NULL)
        stream_pending_delete(g, nack);
    return nack != NULL;
}

void stream_pending_seek(const struct radix *pending, struct stream_id from,
                         struct radix_cursor *at)
{
    unsigned char key[STREAM_ID_BYTES];
    stream_id_to_bytes(key, from);
    radix_seek(pending, slice_of(key, sizeof key), false, at);
}

/* ---- references ---- */

bool stream_is_referenced(const struct stream *s, struct stream_id id)
{
    const struct stream_group *g;
    struct radix_cursor at;
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL)
        if (stream_id_compare(g->last_id, id) < 0 || stream_pending_find(g, id) != NULL)
            return true;
    return false;
}

struct stream_id stream_groups_lowest(const struct stream *s)
{
    const struct stream_group *g;
    struct radix_cursor at;
    struct stream_id lowest = STREAM_ID_MAX;
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL)
        if (stream_id_compare(g->last_id, lowest) < 0)
            lowest = g->last_id;
    return lowest;
}

size_t stream_unreference(struct stream *s, struct stream_id id)
{
    struct stream_group *g;
    struct radix_cursor at;
    size_t had = 0;
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL)
        had += stream_acknowledge(g, id);
    return had;
}

/* ---- all of them ---- */

void stream_groups_free(struct stream *s)
{
    radix_clear(&s->groups, release_group, NULL);
}

size_t stream_groups_effort(const struct stream *s)
{
    const struct stream_group *g;
    struct radix_cursor at;
    size_t effort = radix_count(&s->groups);
    radix_first(&s->groups, &at);
    for (unsigned i = 0; i < EFFORT_GROUPS && (g = stream_group_next(&at)) != NULL; i++)
        effort += radix_count(&g->pending) + radix_count(&g->consumers);
    return effort;
}

/* What a sum over `looked` of `count` things is for all of them. */
static size_t scaled(size_t bytes, size_t looked, size_t count)
{
    return looked < count ? (size_t)((double)bytes / (double)looked * (double)count) : bytes;
}

static size_t consumers_memory(const struct stream_group *g, size_t samples)
{
    const struct stream_consumer *c;
    struct radix_cursor at;
    size_t bytes = 0, looked = 0;
    radix_first(&g->consumers, &at);
    for (; (samples == 0 || looked < samples) && (c = stream_consumer_next(&at)) != NULL; looked++)
        bytes += mem_usable(c) + radix_bytes(&c->pending);
    return scaled(bytes, looked, radix_count(&g->consumers)) + radix_bytes(&g->consumers);
}

static size_t pending_memory(const struct stream_group *g)
{
    struct radix_cursor at;
    radix_first(&g->pending, &at);
    const struct stream_nack *one = stream_pending_next(&at);
    return radix_bytes(&g->pending) +
           (one != NULL ? mem_usable(one) * radix_count(&g->pending) : 0);
}

size_t stream_groups_memory(const struct stream *s, size_t samples)
{
    const struct stream_group *g;
    struct radix_cursor at;
    size_t bytes = 0, looked = 0;
    radix_first(&s->groups, &at);
    for (; (samples == 0 || looked < samples) && (g = stream_group_next(&at)) != NULL; looked++)
        bytes += mem_usable(g) + consumers_memory(g, samples) + pending_memory(g);
    return scaled(bytes, looked, radix_count(&s->groups)) + radix_bytes(&s->groups);
}

static void copy_group(struct stream *to, const struct stream_group *g,
                       const struct stream_consumer *without)
{
    const struct stream_consumer *c;
    const struct stream_nack *nack;
    struct radix_cursor at, of_nacks;
    struct stream_group *copy =
        stream_group_create(to, stream_group_name(g), g->last_id, g->entries_read);
    radix_first(&g->consumers, &at);
    while ((c = stream_consumer_next(&at)) != NULL) {
        if (c == without)
            continue;
        struct stream_consumer *consumer =
            stream_consumer_create(copy, stream_consumer_name(c), c->seen_ms);
        consumer->active_ms = c->active_ms;
        radix_first(&c->pending, &of_nacks);
        while ((nack = stream_pending_next(&of_nacks)) != NULL)
            stream_pending_create(copy, consumer, stream_nack_id(nack), nack->delivered_ms)
                ->deliveries = nack->deliveries;
    }
}

void stream_groups_copy(struct stream *to, const struct stream *from)
{
    const struct stream_group *g;
    struct radix_cursor at;
    radix_first(&from->groups, &at);
    while ((g = stream_group_next(&at)) != NULL)
        copy_group(to, g, NULL);
}

struct stream *stream_group_copy(const struct stream_group *g,
                                 const struct stream_consumer *without)
{
    struct stream *only = stream_new();
    copy_group(only, g, without);
    return only;
}

void stream_group_exchange(struct stream *s, struct stream *with, struct slice name)
{
    struct stream_group *g = radix_remove(&s->groups, name);
    struct stream_group *other = radix_remove(&with->groups, name);
    ASSERT(g != NULL && other != NULL);
    radix_insert(&s->groups, other);
    radix_insert(&with->groups, g);
}
