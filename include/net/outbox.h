/* outbox.h - what one connection has yet to be sent: copied bytes and references, in order.
 *
 * Replies that the socket takes at once never come here. What it does not take is moved out of the
 * lane's reply buffer: bytes are copied (or, if many, the buffer itself is taken over), references
 * keep referring. A gate holds back everything from a position on until the log is durable up to an
 * offset (appendfsync always). Knows no sockets; not locked. All zeros is an empty one, and an
 * emptied one keeps no memory.
 */
#ifndef SPILLWAY_NET_OUTBOX_H
#define SPILLWAY_NET_OUTBOX_H

#include <sys/uio.h>
#include "proto/reply.h"

#define OUTBOX_CHUNK 16384 /* bytes: the least that is allocated, so that small replies share one */
#define OUTBOX_GATES 4

struct outbox_segment {
    const char *data;
    size_t len;
    void (*release)(void *owner); /* called once when it is sent or dropped; may be NULL */
    void *owner;
};

struct outbox_gate {
    uint64_t from;       /* stream position of the first byte held back */
    uint64_t log_offset; /* until the log is durable so far */
};

struct outbox {
    uint64_t bytes;    /* unsent, references counted in full */
    uint64_t position; /* stream position of the first unsent byte */
    struct outbox_segment *segments;
    uint32_t first, count, cap; /* segments[first .. first + count) are unsent */
    uint32_t tail_room;         /* bytes that may be appended behind the last segment's */
    size_t sent;                /* bytes of the first segment that are sent */
    uint32_t gate_count;
    struct outbox_gate gates[OUTBOX_GATES]; /* both fields ascending */
};

/* Holds back what is appended from now on until the log is durable up to log_offset. When all gates
 * are in use the last one takes the later offset, which only delays. */
void outbox_gate(struct outbox *out, uint64_t log_offset);
/* Moves what `reply` holds behind its first `skip` bytes (those were sent), and clears it. False:
 * no memory; the reply is dropped and the stream broken, so the connection must be closed. */
bool outbox_take(struct outbox *out, struct reply_buffer *reply, uint64_t skip) NODISCARD;
/* Fills at most max vectors with what may be sent now; returns how many and their bytes. Gates that
 * `durable` has reached are forgotten. */
uint32_t outbox_gather(struct outbox *out, uint64_t durable, struct iovec *vectors, uint32_t max,
                       size_t *bytes);
/* Bytes that may be sent now. */
uint64_t outbox_sendable(struct outbox *out, uint64_t durable);
void outbox_sent(struct outbox *out, size_t bytes); /* the first so many bytes are gone */
void outbox_free(struct outbox *out);               /* drops everything; leaves an empty outbox */

/* Vectors of a reply buffer that is sent directly, from its first byte on, at most max; returns how
 * many and their bytes. */
uint32_t outbox_gather_reply(const struct reply_buffer *reply, struct iovec *vectors, uint32_t max,
                             size_t *bytes);

#endif
