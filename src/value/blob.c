/* blob.c - counted, shared bytes of large string values. */
#include "value/blob.h"
#include "base/mem.h"
#include "base/panic.h"
#include "value/class.h"

#define BLOB_DOUBLING_MAX (1024 * 1024) /* room doubles up to this many bytes, then grows by it */
#define EFFORT_BYTES      16384 /* giving back so many is about as much work as one small block */

struct blob *blob_new(const void *data, size_t len, size_t cap)
{
    ASSERT(cap >= len);
    struct blob *blob = mem_alloc(sizeof *blob + cap);
    blob->references = 1;
    blob->reserved = 0;
    blob->len = len;
    blob->cap = cap;
    if (data != NULL)
        memcpy(blob->data, data, len);
    return blob;
}

void blob_release(void *p)
{
    struct blob *blob = p;
    /* Alone: nobody else can take a reference any more, so no atomic write is needed. */
    if (__atomic_load_n(&blob->references, __ATOMIC_ACQUIRE) == 1 ||
        __atomic_fetch_sub(&blob->references, 1, __ATOMIC_ACQ_REL) == 1)
        mem_free(blob);
}

struct blob *blob_writable(struct blob *blob, size_t cap)
{
    bool alone = __atomic_load_n(&blob->references, __ATOMIC_ACQUIRE) == 1;
    if (alone && blob->cap >= cap)
        return blob;
    size_t room = cap;
    if (cap > blob->cap)
        room = cap < BLOB_DOUBLING_MAX ? cap * 2 : cap + BLOB_DOUBLING_MAX;
    if (alone) {
        blob = mem_realloc(blob, sizeof *blob + room);
        blob->cap = room;
        return blob;
    }
    struct blob *copy = blob_new(blob->data, blob->len, room);
    blob_release(blob);
    return copy;
}

/* ---- strings as a class of values ---- */

static void string_free(struct value value)
{
    blob_release(value.pointer);
}

static size_t string_effort(struct value value)
{
    /* One block, but of pages that have to go back one by one. */
    return 1 + ((struct blob *)value.pointer)->cap / EFFORT_BYTES;
}

static size_t string_memory(struct value value, size_t samples)
{
    return mem_usable(value.pointer);
}

/* A blob is copied when it is written while it is shared. */
static struct value string_copy(struct value value)
{
    blob_share(value.pointer);
    return value;
}

static void string_each(struct value value, value_visit_fn visit, void *ctx)
{
    const struct blob *blob = value.pointer;
    visit(ctx, &(struct slice){blob->data, blob->len}, 1);
}

const struct value_class string_class = {
    .ordered = true,
    .free = string_free,
    .effort = string_effort,
    .memory = string_memory,
    .copy = string_copy,
    .each = string_each,
};
