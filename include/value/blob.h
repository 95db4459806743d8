/* blob.h - a string value too large to live in its entry: counted bytes that may be shared.
 *
 * Readers (replies being sent, a snapshot being written) hold references and see bytes that never
 * change: whoever would write a blob that is shared makes a copy first (blob_writable). The count
 * is atomic; everything else belongs to the holder of the shard lock of the entry that owns it.
 */
#ifndef SPILLWAY_VALUE_BLOB_H
#define SPILLWAY_VALUE_BLOB_H

#include "base/bytes.h"

struct blob {
    uint32_t references; /* atomic */
    uint32_t reserved;
    size_t len; /* bytes of data in use */
    size_t cap; /* bytes of data allocated */
    char data[];
};

/* Copies len bytes (data may be NULL: left unset); cap >= len; one reference. */
struct blob *blob_new(const void *data, size_t len, size_t cap);
/* Any thread; frees with the last reference. Takes void * so that it can serve as a release
 * callback. */
void blob_release(void *blob);
/* The same bytes in a blob with one reference and room for cap bytes: this one if it is not shared
 * and large enough, else a copy (the caller's reference to the old one is given up). */
struct blob *blob_writable(struct blob *blob, size_t cap);

ALWAYS_INLINE struct blob *blob_share(struct blob *blob)
{
    __atomic_fetch_add(&blob->references, 1, __ATOMIC_RELAXED);
    return blob;
}

#endif
