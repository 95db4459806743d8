/* bytes.h - slices (borrowed bytes) and bytes (an owned, growing buffer). */
#ifndef SPILLWAY_BASE_BYTES_H
#define SPILLWAY_BASE_BYTES_H

#include <string.h>
#include "base/common.h"

/* Borrowed bytes; not terminated. Valid as long as whoever lent them says. */
struct slice {
    const char *data;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

ALWAYS_INLINE struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){(const char *)data, len};
}

ALWAYS_INLINE struct slice slice_str(const char *s)
{
    return (struct slice){s, strlen(s)};
}

/* memcmp(a, b, len) == 0 for the names of hot paths, which are short and mostly equal. */
ALWAYS_INLINE bool bytes_equal(const char *a, const char *b, size_t len)
{
    uint64_t x, y, differ = 0;
    uint32_t v, w;
    if (UNLIKELY(len > 64))
        return memcmp(a, b, len) == 0;
    if (len < 4) {
        for (size_t i = 0; i < len; i++)
            differ |= (uint64_t)(a[i] ^ b[i]);
        return differ == 0;
    }
    if (len < 8) { /* two words that overlap; so do the last two below */
        memcpy(&v, a, 4), memcpy(&w, b, 4);
        differ = v ^ w;
        memcpy(&v, a + len - 4, 4), memcpy(&w, b + len - 4, 4);
        return (differ | (v ^ w)) == 0;
    }
    for (size_t i = 0; i + 8 < len; i += 8) {
        memcpy(&x, a + i, 8), memcpy(&y, b + i, 8);
        differ |= x ^ y;
    }
    memcpy(&x, a + len - 8, 8), memcpy(&y, b + len - 8, 8);
    return (differ | (x ^ y)) == 0;
}

ALWAYS_INLINE bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Equal to a literal or C string, ASCII letters compared without case. */
bool slice_is(struct slice s, const char *word);
/* memcmp order, then length, as Redis compares strings. */
int slice_compare(struct slice a, struct slice b);
/* A NUL-terminated copy on the heap; mem_free it. */
char *slice_to_str(struct slice s);

/* An owned buffer that grows by half. data is NULL while cap is 0. No NUL unless asked for. */
struct bytes {
    char *data;
    size_t len, cap;
};

void bytes_free(struct bytes *b);                 /* leaves an empty, usable buffer */
void bytes_reserve(struct bytes *b, size_t more); /* room for `more` bytes behind len */
void bytes_append(struct bytes *b, const void *data, size_t len);
void bytes_append_str(struct bytes *b, const char *s);
void bytes_append_char(struct bytes *b, char c);
void bytes_printf(struct bytes *b, const char *format, ...) PRINTF_LIKE(2, 3);
const char *bytes_str(struct bytes *b); /* NUL behind len, not counted */

ALWAYS_INLINE struct slice bytes_slice(const struct bytes *b)
{
    return (struct slice){b->data ? b->data : "", b->len}; /* memcpy and memcmp want no NULL */
}

#endif
