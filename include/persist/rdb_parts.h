/* rdb_parts.h - a value on its way to a file: copied while its key is held, encoded when it no
 * longer is.
 *
 * Parts are one after the other in a buffer, each with its length and kind in front:
 *
 *      +------------------------+- - - - - - - -+
 *      | length << 1 | string   | bytes         |   8 bytes, as the machine has them
 *      +------------------------+- - - - - - - -+
 *
 * A string is written as RDB writes strings (as a number, compressed, plain); everything else as it
 * is. All parts of a value together are what rdb_value_append writes.
 */
#ifndef SPILLWAY_PERSIST_RDB_PARTS_H
#define SPILLWAY_PERSIST_RDB_PARTS_H

#include "persist/rdb.h"

ALWAYS_INLINE void rdb_parts_add(struct bytes *parts, const void *data, size_t len, bool string)
{
    uint64_t head = (uint64_t)len << 1 | string;
    bytes_append(parts, &head, sizeof head);
    bytes_append(parts, data, len);
}

ALWAYS_INLINE void rdb_parts_string(struct bytes *parts, struct slice s)
{
    rdb_parts_add(parts, s.data, s.len, true);
}

ALWAYS_INLINE void rdb_parts_length(struct bytes *parts, uint64_t len)
{
    uint8_t text[RDB_LENGTH_MAX];
    rdb_parts_add(parts, text, rdb_length(text, len), false);
}

/* Takes the next part off the front. False: there is none. */
ALWAYS_INLINE bool rdb_parts_next(struct slice *parts, struct slice *part, bool *string)
{
    uint64_t head;
    if (parts->len < sizeof head)
        return false;
    memcpy(&head, parts->data, sizeof head);
    *part = slice_of(parts->data + sizeof head, (size_t)(head >> 1));
    *string = head & 1;
    *parts = slice_of(part->data + part->len, parts->len - sizeof head - part->len);
    return true;
}

#endif
