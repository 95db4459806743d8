/* captured.c - items one after the other in chunks: head, key, contents, padded to 8 bytes. */
#include "persist/captured.h"

#include "base/mem.h"
#include "value/blob.h"

#define CHUNK_BYTES (64u * 1024)
#define PARTS_OWNED (CHUNK_BYTES / 4) /* parts of so many bytes stay in their own buffer */

struct captured_chunk {
    struct captured_chunk *next;
    size_t len, cap;
    char data[] ALIGNED(8);
};

/* A value, and what it was said to take. */
struct given_up {
    struct value value;
    size_t bytes;
};

static size_t round_up(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* Room for `need` bytes at the end of the list. */
static struct captured_chunk *list_room(struct captured_list *list, size_t need)
{
    struct captured_chunk *c = list->last;
    if (c != NULL && c->cap - c->len >= need)
        return c;
    size_t cap = MAX_OF(need, (size_t)CHUNK_BYTES - sizeof *c);
    c = mem_alloc(sizeof *c + cap);
    *c = (struct captured_chunk){.cap = cap};
    *(list->last != NULL ? &list->last->next : &list->first) = c;
    list->last = c;
    return c;
}

static size_t append(struct captured_list *list, struct captured *head, struct slice key,
                     const void *contents, size_t len)
{
    head->key_len = (uint32_t)key.len;
    head->value_len = len;
    size_t need = round_up(sizeof *head + key.len + len);
    struct captured_chunk *c = list_room(list, need);
    char *to = c->data + c->len;
    memcpy(to, head, sizeof *head);
    memcpy(to + sizeof *head, key.data, key.len);
    memcpy(to + sizeof *head + key.len, contents, len);
    c->len += need;
    return need;
}

size_t captured_string(struct captured_list *list, struct captured *head, struct slice key,
                       struct slice string)
{
    head->kind = CAPTURED_STRING;
    return append(list, head, key, string.data, string.len);
}

size_t captured_blob(struct captured_list *list, struct captured *head, struct slice key,
                     struct blob *blob)
{
    head->kind = CAPTURED_BLOB;
    return append(list, head, key, &blob, sizeof blob) + blob->len;
}

size_t captured_parts(struct captured_list *list, struct captured *head, struct slice key,
                      struct bytes *parts)
{
    head->kind = CAPTURED_PARTS;
    head->owned = parts->len >= PARTS_OWNED;
    if (!head->owned) {
        size_t bytes = append(list, head, key, bytes_slice(parts).data, parts->len);
        parts->len = 0;
        return bytes;
    }
    size_t bytes = append(list, head, key, parts, sizeof *parts) + parts->cap;
    *parts = (struct bytes){0};
    return bytes;
}

size_t captured_value(struct captured_list *list, struct captured *head, struct slice key,
                      struct value value, size_t bytes)
{
    head->kind = CAPTURED_VALUE;
    struct given_up given = {value, bytes};
    return append(list, head, key, &given, sizeof given) + bytes;
}

/* Shows an item whose contents are at `at` and gives up what it owns; returns the bytes that it
 * kept besides itself. */
static size_t consume_one(const struct captured *head, struct slice key, const char *at,
                          captured_fn each, void *ctx)
{
    struct captured_content content = {.string = slice_of(at, head->value_len)};
    struct bytes parts = {0};
    struct given_up given = {.bytes = 0};
    if (head->kind == CAPTURED_BLOB)
        memcpy(&content.blob, at, sizeof content.blob);
    if (head->kind == CAPTURED_PARTS && head->owned)
        memcpy(&parts, at, sizeof parts);
    content.parts = head->owned ? bytes_slice(&parts) : content.string;
    if (head->kind == CAPTURED_VALUE)
        memcpy(&given, at, sizeof given);
    content.value = given.value;
    content.value_bytes = given.bytes;
    if (each != NULL)
        each(ctx, head, key, &content);
    size_t kept = given.bytes + parts.cap + (content.blob != NULL ? content.blob->len : 0);
    if (content.blob != NULL)
        blob_release(content.blob);
    if (head->kind == CAPTURED_VALUE)
        value_free(given.value);
    bytes_free(&parts);
    return kept;
}

static size_t chunk_consume(struct captured_chunk *c, captured_fn each, void *ctx)
{
    size_t kept = 0;
    for (size_t at = 0; at < c->len;) {
        struct captured head;
        memcpy(&head, c->data + at, sizeof head);
        struct slice key = slice_of(c->data + at + sizeof head, head.key_len);
        size_t size = round_up(sizeof head + head.key_len + head.value_len);
        kept += size + consume_one(&head, key, key.data + key.len, each, ctx);
        at += size;
    }
    c->len = 0;
    return kept;
}

size_t captured_consume(struct captured_list *list, captured_fn each, void *ctx, bool keep)
{
    size_t kept = 0;
    struct captured_chunk *spare = NULL;
    for (struct captured_chunk *c = list->first, *next; c != NULL; c = next) {
        next = c->next;
        kept += chunk_consume(c, each, ctx);
        if (keep && spare == NULL && c->cap <= CHUNK_BYTES) {
            spare = c;
            spare->next = NULL;
        } else {
            mem_free(c);
        }
    }
    *list = (struct captured_list){spare, spare};
    return kept;
}
