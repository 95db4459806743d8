/* captured.h - what a snapshot pass has taken of keys and not written yet, packed in chunks.
 *
 * An item owns what it needs: bytes, a reference to a blob, parts of a value, or a whole value that
 * its key has given up. Lists are not locked: the owner guards them. Private to persist/.
 */
#ifndef SPILLWAY_PERSIST_CAPTURED_H
#define SPILLWAY_PERSIST_CAPTURED_H

#include "base/bytes.h"
#include "value/class.h"

enum captured_kind {
    CAPTURED_STRING, /* the bytes of a string */
    CAPTURED_BLOB,   /* of a large one, shared */
    CAPTURED_PARTS,  /* persist/rdb_parts.h */
    CAPTURED_VALUE   /* the value itself */
};

/* All of an item but key and contents. */
struct captured {
    int64_t expire_ms;
    uint64_t recency;
    uint64_t value_len; /* set by the list */
    uint32_t key_len;   /* the same */
    uint32_t db;
    uint8_t rdb_type, recency_kind, kind;
    bool owned; /* set by the list: many parts, in a buffer of their own */
};

struct captured_chunk;
struct captured_list { /* oldest first; zeroed: empty */
    struct captured_chunk *first, *last;
};

/* Contents of an item: which field counts says its kind. */
struct captured_content {
    struct slice string, parts;
    struct blob *blob;
    struct value value;
    size_t value_bytes; /* what it was said to take */
};

/* Appends an item; head->kind says what its content is. Bytes are copied, of parts (cleared, maybe
 * taken over) too; references and values are taken over. Returns the bytes that the item keeps in
 * memory. */
size_t captured_string(struct captured_list *list, struct captured *head, struct slice key,
                       struct slice string);
size_t captured_blob(struct captured_list *list, struct captured *head, struct slice key,
                     struct blob *blob);
size_t captured_parts(struct captured_list *list, struct captured *head, struct slice key,
                      struct bytes *parts);
size_t captured_value(struct captured_list *list, struct captured *head, struct slice key,
                      struct value value, size_t bytes);

/* Sees an item; what it owns is given up afterwards. */
typedef void (*captured_fn)(void *ctx, const struct captured *head, struct slice key,
                            const struct captured_content *content);
/* Takes all items out, oldest first, and shows each (each may be NULL). One chunk of memory is kept
 * for the next ones if `keep`. Returns the bytes that they kept in memory. */
size_t captured_consume(struct captured_list *list, captured_fn each, void *ctx, bool keep);

#endif
