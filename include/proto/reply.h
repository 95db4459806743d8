/* reply.h - replies as RESP2 or RESP3 bytes, into a buffer that many commands share.
 *
 * A reply_buffer collects the bytes of a turn; large values are not copied but kept as references
 * that the flush interleaves. Each function appends one RESP element in the dialect of
 * buffer->resp3; aggregates announce their length first and are followed by that many elements
 * (maps and attributes: twice as many). Owned by a worker; not locked.
 */
#ifndef SPILLWAY_PROTO_REPLY_H
#define SPILLWAY_PROTO_REPLY_H

#include "base/bytes.h"

/* Bodies of this many bytes and more are sent by reference, smaller ones are copied. */
#define REPLY_REFERENCE_MIN 16384

/* Bytes outside the buffer: sent between data[at-1] and data[at]. `release` is called once with
 * `owner` when they are sent or dropped; it may be NULL. */
struct reply_reference {
    size_t at; /* offset in bytes.data; ascending from reference to reference */
    struct slice body;
    void (*release)(void *owner);
    void *owner;
};

struct reply_buffer {
    struct bytes bytes;
    struct reply_reference *references;
    uint32_t reference_count, reference_cap;
    uint64_t reference_bytes; /* sum of the bodies */
    bool resp3;               /* dialect for what is appended next */
    bool muted;               /* append nothing (CLIENT REPLY OFF / SKIP) */
};

void reply_buffer_init(struct reply_buffer *r);
void reply_buffer_free(struct reply_buffer *r);
/* Releases the references and forgets the bytes, keeps some capacity; the dialect and muting
 * stay. */
void reply_buffer_clear(struct reply_buffer *r);
/* Moves what `from` holds to `to`, which is empty: by exchanging their memory, so that both keep
 * some capacity; bytes in a buffer of more than cap_max are copied instead. Dialects and muting
 * stay. */
void reply_buffer_move(struct reply_buffer *to, struct reply_buffer *from, size_t cap_max);

/* Bytes that it will be on the wire. */
ALWAYS_INLINE uint64_t reply_buffer_size(const struct reply_buffer *r)
{
    return r->bytes.len + r->reference_bytes;
}
/* Drops the first so many bytes, at most all, and releases references that lie within them. */
void reply_buffer_skip(struct reply_buffer *r, uint64_t bytes);
/* Moves what `from` holds behind what `to` holds already; a large buffer without a copy if `to` is
 * empty. */
void reply_buffer_append(struct reply_buffer *to, struct reply_buffer *from);

void reply_simple(struct reply_buffer *r, const char *text); /* +TEXT */
void reply_ok(struct reply_buffer *r);
/* -TEXT; the text begins with its code ("ERR ...", "WRONGTYPE ..."). CR and LF at its end are
 * dropped, others become blanks. */
void reply_error(struct reply_buffer *r, const char *text);
void reply_errorf(struct reply_buffer *r, const char *format, ...) PRINTF_LIKE(2, 3);
void reply_int(struct reply_buffer *r, int64_t v);
void reply_bulk(struct reply_buffer *r, struct slice s);
void reply_bulk_str(struct reply_buffer *r, const char *s);
void reply_bulk_int(struct reply_buffer *r, int64_t v); /* a number as a bulk string */
void reply_bulkf(struct reply_buffer *r, const char *format, ...) PRINTF_LIKE(2, 3);
/* A bulk string by reference; bodies below REPLY_REFERENCE_MIN are copied and released at once. */
void reply_bulk_reference(struct reply_buffer *r, struct slice body, void (*release)(void *),
                          void *owner);
void reply_null(struct reply_buffer *r);       /* $-1 or _ */
void reply_null_array(struct reply_buffer *r); /* *-1 or _ */
void reply_array(struct reply_buffer *r, size_t count);
void reply_map(struct reply_buffer *r, size_t pairs);       /* RESP2: array of 2 x pairs */
void reply_set(struct reply_buffer *r, size_t count);       /* RESP2: array */
void reply_push(struct reply_buffer *r, size_t count);      /* RESP2: array */
void reply_attribute(struct reply_buffer *r, size_t pairs); /* RESP3 only; the caller checks */
void reply_bool(struct reply_buffer *r, bool v);            /* RESP2: :1 or :0 */
void reply_double(struct reply_buffer *r, double v);        /* RESP2: a bulk string */
/* %.17Lf without trailing zeros: a bulk string in both dialects (INCRBYFLOAT), ... */
void reply_long_double(struct reply_buffer *r, long double v);
/* ... or, as coordinates are replied (GEOPOS), a double in RESP3. */
void reply_human_double(struct reply_buffer *r, long double v);
void reply_big_number(struct reply_buffer *r, struct slice digits); /* RESP2: a bulk string */
/* RESP2: a bulk string. */
void reply_verbatim(struct reply_buffer *r, const char format[3], struct slice s);
void reply_raw(struct reply_buffer *r, struct slice bytes); /* bytes that are RESP already */
/* The answer to COMMAND HELP: `lines` is NULL-terminated; header and the lines about HELP are
 * added. */
void reply_help(struct reply_buffer *r, const char *command, const char *const *lines);

/* An aggregate whose length is known only at its end: reserve, append the elements, then patch.
 * Nested ones are patched inner before outer. A patch moves the elements when the count has two
 * digits or more: linear in their bytes. Marks of a muted buffer do nothing. */
size_t reply_array_deferred(struct reply_buffer *r); /* returns a mark */
void reply_array_patch(struct reply_buffer *r, size_t mark, size_t count);
void reply_map_patch(struct reply_buffer *r, size_t mark, size_t pairs);
void reply_set_patch(struct reply_buffer *r, size_t mark, size_t count);

#endif
