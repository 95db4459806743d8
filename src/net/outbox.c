/* outbox.c - a connection's unsent bytes as a list of segments.
 *
 *      segments   [ chunk | reference | chunk .... tail_room ]
 *                   ^ sent                        ^ small replies are appended here
 *      gates      positions of the stream from which on a log offset is waited for
 *
 * The list slides to the front of its array when it meets the end, so appending and sending are
 * constant per segment over time. Everything is given back when the last byte is sent.
 */
#include "net/outbox.h"

#include "base/mem.h"
#include "base/panic.h"

#define OUTBOX_STEAL_MIN 65536 /* bytes of a reply buffer that are worth more than a copy */

/* ---- segments ---- */

static bool push(struct outbox *out, struct outbox_segment segment)
{
    if (out->first + out->count == out->cap) {
        if (out->first > out->count) {
            memmove(out->segments, out->segments + out->first, out->count * sizeof segment);
            out->first = 0;
        } else {
            uint32_t cap = out->cap == 0 ? 4 : out->cap * 2;
            struct outbox_segment *grown = mem_try_realloc(out->segments, cap * sizeof segment);
            if (grown == NULL)
                return false;
            out->segments = grown;
            out->cap = cap;
        }
    }
    out->segments[out->first + out->count++] = segment;
    out->bytes += segment.len;
    out->tail_room = 0;
    return true;
}

/* A new chunk has room for `least` bytes. */
static bool push_copy(struct outbox *out, const char *data, size_t len, size_t least)
{
    size_t fits = MIN_OF(len, out->tail_room);
    if (fits != 0) {
        struct outbox_segment *tail = &out->segments[out->first + out->count - 1];
        memcpy((char *)tail->owner + tail->len, data, fits); /* a chunk starts at its owner */
        tail->len += fits;
        out->tail_room -= (uint32_t)fits;
        out->bytes += fits;
    }
    if (fits == len)
        return true;
    size_t rest = len - fits, room = MAX_OF(rest, least);
    char *chunk = mem_try_alloc(room);
    if (chunk == NULL)
        return false;
    memcpy(chunk, data + fits, rest);
    if (!push(out, (struct outbox_segment){chunk, rest, mem_free, chunk})) {
        mem_free(chunk);
        return false;
    }
    out->tail_room = (uint32_t)(room - rest); /* at most OUTBOX_CHUNK */
    return true;
}

/* A reply that is one long run of bytes gives its memory away instead of being copied. */
static bool steal(struct outbox *out, struct reply_buffer *reply, uint64_t skip)
{
    struct bytes *bytes = &reply->bytes;
    if (!push(out, (struct outbox_segment){bytes->data + skip, bytes->len - skip, mem_free,
                                           bytes->data}))
        return false;
    *bytes = (struct bytes){0};
    return true;
}

bool outbox_take(struct outbox *out, struct reply_buffer *reply, uint64_t skip)
{
    bool good = true;
    if (reply->reference_count == 0 && reply->bytes.len - skip >= OUTBOX_STEAL_MIN) {
        good = steal(out, reply, skip);
        reply_buffer_clear(reply);
        return good;
    }
    size_t at = 0;
    for (uint32_t i = 0; i <= reply->reference_count && good; i++) {
        struct reply_reference *reference =
            i < reply->reference_count ? &reply->references[i] : NULL;
        size_t end = reference != NULL ? reference->at : reply->bytes.len;
        size_t gone = (size_t)MIN_OF(skip, (uint64_t)(end - at));
        skip -= gone;
        if (end - at > gone)
            good = push_copy(out, reply->bytes.data + at + gone, end - at - gone,
                             reference != NULL ? 0 : OUTBOX_CHUNK);
        at = end;
        if (reference == NULL || !good)
            continue;
        if (skip >= reference->body.len) {
            skip -= reference->body.len; /* sent in full: released by the clear below */
            continue;
        }
        good = push(out,
                    (struct outbox_segment){reference->body.data + skip, reference->body.len - skip,
                                            reference->release, reference->owner});
        if (good)
            reference->release = NULL; /* the outbox's from now on */
        skip = 0;
    }
    reply_buffer_clear(reply);
    return good;
}

void outbox_sent(struct outbox *out, size_t bytes)
{
    ASSERT(bytes <= out->bytes);
    out->bytes -= bytes;
    out->position += bytes;
    bytes += out->sent;
    while (out->count != 0) {
        struct outbox_segment *segment = &out->segments[out->first];
        if (bytes < segment->len)
            break;
        bytes -= segment->len;
        if (segment->release != NULL)
            segment->release(segment->owner);
        out->first++;
        out->count--;
    }
    out->sent = bytes;
    if (out->count == 0)
        outbox_free(out);
}

void outbox_free(struct outbox *out)
{
    for (uint32_t i = 0; i < out->count; i++) {
        struct outbox_segment *segment = &out->segments[out->first + i];
        if (segment->release != NULL)
            segment->release(segment->owner);
    }
    mem_free(out->segments);
    *out = (struct outbox){.position = out->position + out->bytes};
}

/* ---- gates ---- */

void outbox_gate(struct outbox *out, uint64_t log_offset)
{
    if (out->gate_count != 0) {
        struct outbox_gate *last = &out->gates[out->gate_count - 1];
        if (last->log_offset >= log_offset)
            return;
        if (out->gate_count == OUTBOX_GATES) {
            last->log_offset = log_offset;
            return;
        }
    }
    out->gates[out->gate_count++] =
        (struct outbox_gate){.from = out->position + out->bytes, .log_offset = log_offset};
}

uint64_t outbox_sendable(struct outbox *out, uint64_t durable)
{
    uint32_t passed = 0;
    while (passed < out->gate_count && out->gates[passed].log_offset <= durable)
        passed++;
    if (UNLIKELY(passed != 0)) {
        out->gate_count -= passed;
        memmove(out->gates, out->gates + passed, out->gate_count * sizeof out->gates[0]);
    }
    return out->gate_count == 0 ? out->bytes : out->gates[0].from - out->position;
}

/* ---- vectors ---- */

uint32_t outbox_gather(struct outbox *out, uint64_t durable, struct iovec *vectors, uint32_t max,
                       size_t *bytes)
{
    uint64_t left = outbox_sendable(out, durable);
    uint32_t used = 0;
    size_t skip = out->sent;
    *bytes = 0;
    for (uint32_t i = 0; i < out->count && used < max && left != 0; i++) {
        const struct outbox_segment *segment = &out->segments[out->first + i];
        size_t len = (size_t)MIN_OF((uint64_t)(segment->len - skip), left);
        vectors[used++] = (struct iovec){(char *)(uintptr_t)(segment->data + skip), len};
        *bytes += len;
        left -= len;
        skip = 0;
    }
    return used;
}

uint32_t outbox_gather_reply(const struct reply_buffer *reply, struct iovec *vectors, uint32_t max,
                             size_t *bytes)
{
    uint32_t used = 0;
    size_t at = 0;
    *bytes = 0;
    for (uint32_t i = 0; i <= reply->reference_count && used < max; i++) {
        const struct reply_reference *reference =
            i < reply->reference_count ? &reply->references[i] : NULL;
        size_t end = reference != NULL ? reference->at : reply->bytes.len;
        if (end > at) {
            vectors[used++] = (struct iovec){reply->bytes.data + at, end - at};
            *bytes += end - at;
        }
        at = end;
        if (reference == NULL || used == max)
            break;
        if (reference->body.len != 0) {
            vectors[used++] =
                (struct iovec){(char *)(uintptr_t)reference->body.data, reference->body.len};
            *bytes += reference->body.len;
        }
    }
    return used;
}
