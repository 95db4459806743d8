/* entry.c - building, measuring and freeing entries. */
#include "keyspace/shard.h"
#include "base/mem.h"
#include "base/number.h"

/* A value whose freeing takes more than this is given to another thread: if it may be freed lazily,
 * and if not, where it would take some 50 us and more. */
#define LAZY_EFFORT_MIN  64
#define EAGER_EFFORT_MAX 512
#define MEMORY_SAMPLES   5 /* parts of a value looked at to tell its size */

enum value_encoding string_encoding_of(struct slice value)
{
    int64_t ignored;
    if (value.len <= 20 && number_parse_i64(value, &ignored))
        return ENCODING_INT;
    return value.len <= STRING_EMBSTR_MAX ? ENCODING_EMBSTR : ENCODING_RAW;
}

static size_t head_size(size_t key_len, bool expires)
{
    return sizeof(struct entry) + (expires ? 8 : 0) + (key_len >= ENTRY_KEY_SHORT ? 4 : 0) +
           key_len;
}

size_t entry_shape_size(const struct entry_shape *shape)
{
    return head_size(shape->key.len, shape->expire_ms != EXPIRE_NONE) +
           (shape->pointer != NULL ? sizeof(void *) : shape->value.len);
}

size_t entry_size(const struct entry *e)
{
    return head_size(entry_key(e).len, entry_expires(e)) +
           (e->flags & ENTRY_OUTLINE ? sizeof(void *) : e->value_len);
}

size_t entry_memory(const struct entry *e, size_t samples)
{
    size_t size = entry_size(e);
    size_t total = size <= CELLS_MAX ? cells_class_size(size) : mem_usable(e);
    if (e->flags & ENTRY_OUTLINE)
        total += value_memory(entry_value(e), samples);
    return total;
}

struct entry *entry_build(struct shard *shard, const struct entry_shape *shape)
{
    size_t size = entry_shape_size(shape);
    struct entry *e = size <= CELLS_MAX ? cells_alloc(shard->cells, size) : mem_alloc(size);
    if (LIKELY(size <= CELLS_MAX))
        RELAXED_STORE(&shard->mean_size,
                      shard->mean_size - (shard->mean_size >> MEAN_SHIFT) + (uint32_t)size);
    RELAXED_STORE(&shard->idle, cells_idle(shard->cells));
    e->type_encoding = (uint8_t)(shape->type | shape->encoding << 4);
    e->flags = (uint8_t)(shape->keep_flags | shard->keyspace->epoch << ENTRY_EPOCH_SHIFT);
    e->clock[0] = (uint8_t)shape->clock;
    e->clock[1] = (uint8_t)(shape->clock >> 8);
    e->clock[2] = (uint8_t)(shape->clock >> 16);
    char *at = e->rest;
    if (shape->expire_ms != EXPIRE_NONE) {
        e->flags |= ENTRY_EXPIRES;
        memcpy(at, &shape->expire_ms, 8);
        at += 8;
    }
    e->key_len = (uint8_t)shape->key.len;
    if (UNLIKELY(shape->key.len >= ENTRY_KEY_SHORT)) {
        uint32_t len = (uint32_t)shape->key.len;
        e->flags |= ENTRY_LONG_KEY;
        memcpy(at, &len, 4);
        at += 4;
    }
    memcpy(at, shape->key.data, shape->key.len);
    at += shape->key.len;
    e->value_len = 0;
    if (shape->pointer != NULL) {
        e->flags |= ENTRY_OUTLINE;
        memcpy(at, &shape->pointer, sizeof shape->pointer);
    } else {
        e->value_len = (uint16_t)shape->value.len;
        if (shape->value.data != NULL)
            memcpy(at, shape->value.data, shape->value.len);
    }
    return e;
}

void entry_free_shell(struct shard *shard, struct entry *e)
{
    size_t size = entry_size(e);
    if (UNLIKELY(size > CELLS_MAX)) {
        mem_free_sized(e, size);
        return;
    }
    cells_free(shard->cells, e, size);
    RELAXED_STORE(&shard->idle, cells_idle(shard->cells));
}

/* A value on its way to another thread. */
struct boxed {
    struct keyspace *keyspace;
    struct value value;
};

static void free_boxed(void *thing)
{
    struct boxed *boxed = thing;
    keyspace_await_unpinned(boxed->keyspace, boxed->value);
    value_free(boxed->value);
    mem_free(boxed);
}

void value_discard(struct keyspace *ks, struct value value, bool lazy)
{
    size_t most = lazy ? LAZY_EFFORT_MIN : EAGER_EFFORT_MAX; /* that is freed here */
    bool pinned = UNLIKELY(value_is_pinned(ks, value));
    if (ks->hooks.free_later == NULL || (!pinned && value_effort(value) <= most)) {
        keyspace_await_unpinned(ks, value);
        value_free(value);
        return;
    }
    struct boxed boxed = {ks, value};
    ks->hooks.free_later(ks->hooks.ctx, free_boxed, mem_dup(&boxed, sizeof boxed), 1,
                         value_memory(value, MEMORY_SAMPLES));
}

void entry_free_value(struct keyspace *ks, struct entry *e, bool lazy)
{
    if (e->flags & ENTRY_OUTLINE && entry_pointer(e) != NULL)
        value_discard(ks, entry_value(e), lazy);
}
