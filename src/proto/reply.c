/* reply.c - replies as RESP bytes.
 *
 * Every function reserves once, at most, and stores its bytes directly. A header (sigil, count,
 * CRLF) takes at most HEAD_MAX bytes; those of one or two digits are written without a loop.
 *
 * A deferred header occupies HOLE bytes, the size of one with a single digit. Patching a longer one
 * in moves what follows it, references included; as marks are patched inner before outer, a mark
 * never moves.
 *
 * Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2 and RESP3)
 */
#include "proto/reply.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"

#define HEAD_MAX        24 /* a sigil, the digits of any 64-bit number, CRLF */
#define HOLE            4
#define NO_MARK         SIZE_MAX
#define BYTES_KEEP      (1 << 20)   /* bytes that a cleared buffer may hold on to */
#define MOVE_MIN        (64 * 1024) /* memory that is worth more than a copy */
#define REFERENCES_KEEP 1024
#define FORMAT_GUESS    256 /* bytes that a formatted text is given at first */

void reply_buffer_init(struct reply_buffer *r)
{
    *r = (struct reply_buffer){0};
}

void reply_buffer_clear(struct reply_buffer *r)
{
    for (uint32_t i = 0; i < r->reference_count; i++) {
        struct reply_reference *reference = &r->references[i];
        if (reference->release)
            reference->release(reference->owner);
    }
    r->reference_count = 0;
    r->reference_bytes = 0;
    r->bytes.len = 0;
    if (UNLIKELY(r->bytes.cap > BYTES_KEEP))
        bytes_free(&r->bytes);
    if (UNLIKELY(r->reference_cap > REFERENCES_KEEP)) {
        mem_free(r->references);
        r->references = NULL;
        r->reference_cap = 0;
    }
}

void reply_buffer_move(struct reply_buffer *to, struct reply_buffer *from, size_t cap_max)
{
    ASSERT(to->bytes.len == 0 && to->reference_count == 0);
    struct reply_buffer was = *to;
    to->references = from->references;
    to->reference_count = from->reference_count;
    to->reference_cap = from->reference_cap;
    to->reference_bytes = from->reference_bytes;
    from->references = was.references;
    from->reference_count = 0;
    from->reference_cap = was.reference_cap;
    from->reference_bytes = 0;
    if (LIKELY(from->bytes.cap <= cap_max)) {
        to->bytes = from->bytes;
        from->bytes = was.bytes;
    } else {
        bytes_append(&to->bytes, from->bytes.data, from->bytes.len);
        from->bytes.len = 0;
    }
}

void reply_buffer_skip(struct reply_buffer *r, uint64_t bytes)
{
    size_t cut = 0; /* of r->bytes */
    uint32_t gone = 0;
    ASSERT(bytes <= reply_buffer_size(r));
    for (; gone < r->reference_count && bytes >= r->references[gone].at - cut; gone++) {
        struct reply_reference *reference = &r->references[gone];
        bytes -= reference->at - cut;
        cut = reference->at;
        if (bytes < reference->body.len) {
            reference->body = slice_of(reference->body.data + bytes, reference->body.len - bytes);
            r->reference_bytes -= bytes;
            bytes = 0;
            break;
        }
        bytes -= reference->body.len;
        r->reference_bytes -= reference->body.len;
        if (reference->release)
            reference->release(reference->owner);
    }
    cut += bytes;
    r->bytes.len -= cut;
    if (r->bytes.len != 0)
        memmove(r->bytes.data, r->bytes.data + cut, r->bytes.len);
    r->reference_count -= gone;
    for (uint32_t i = 0; i < r->reference_count; i++) {
        r->references[i] = r->references[i + gone];
        r->references[i].at -= cut;
    }
}

static void keep_reference(struct reply_buffer *r, struct reply_reference reference)
{
    if (r->reference_count == r->reference_cap) {
        r->reference_cap = r->reference_cap ? r->reference_cap * 2 : 16;
        r->references = mem_realloc(r->references, r->reference_cap * sizeof *r->references);
    }
    r->references[r->reference_count++] = reference;
    r->reference_bytes += reference.body.len;
}

void reply_buffer_append(struct reply_buffer *to, struct reply_buffer *from)
{
    if (to->bytes.len == 0 && to->reference_count == 0 && from->bytes.cap > MOVE_MIN) {
        reply_buffer_move(to, from, SIZE_MAX);
        return;
    }
    for (uint32_t i = 0; i < from->reference_count; i++) {
        struct reply_reference reference = from->references[i];
        reference.at += to->bytes.len;
        keep_reference(to, reference);
    }
    bytes_append(&to->bytes, from->bytes.data, from->bytes.len);
    from->reference_count = 0;
    from->reference_bytes = 0;
    from->bytes.len = 0;
}

void reply_buffer_free(struct reply_buffer *r)
{
    reply_buffer_clear(r);
    bytes_free(&r->bytes);
    mem_free(r->references);
    r->references = NULL;
    r->reference_cap = 0;
}

/* --- the pieces --- */

/* Where `more` bytes may be stored; what was is counted by wrote(). */
ALWAYS_INLINE char *room(struct reply_buffer *r, size_t more)
{
    if (UNLIKELY(r->bytes.cap - r->bytes.len < more))
        bytes_reserve(&r->bytes, more);
    return r->bytes.data + r->bytes.len;
}

ALWAYS_INLINE void wrote(struct reply_buffer *r, const char *end)
{
    r->bytes.len = (size_t)(end - r->bytes.data);
}

ALWAYS_INLINE char *put_crlf(char *out)
{
    memcpy(out, "\r\n", 2);
    return out + 2;
}

ALWAYS_INLINE char *put_slice(char *out, struct slice s)
{
    if (s.len)
        memcpy(out, s.data, s.len);
    return out + s.len;
}

/* A header; may store up to HEAD_MAX bytes. */
ALWAYS_INLINE char *put_head(char *out, char sigil, uint64_t n)
{
    out[0] = sigil;
    if (n < 10) {
        out[1] = (char)('0' + n);
        return put_crlf(out + 2);
    }
    if (n < 100) {
        out[1] = (char)('0' + n / 10);
        out[2] = (char)('0' + n % 10);
        return put_crlf(out + 3);
    }
    return put_crlf(out + 1 + number_print_u64(out + 1, n));
}

/* Appends a literal, which is short. */
#define REPLY_LITERAL(r, literal)                                                                  \
    do {                                                                                           \
        if ((r)->muted)                                                                            \
            return;                                                                                \
        char *out_ = room((r), sizeof(literal) - 1);                                               \
        memcpy(out_, (literal), sizeof(literal) - 1);                                              \
        (r)->bytes.len += sizeof(literal) - 1;                                                     \
    } while (0)

static void append_head(struct reply_buffer *r, char sigil, uint64_t n)
{
    if (r->muted)
        return;
    wrote(r, put_head(room(r, HEAD_MAX), sigil, n));
}

/* A sigil, bytes, CRLF. */
static void append_line(struct reply_buffer *r, char sigil, struct slice s)
{
    if (r->muted)
        return;
    char *out = room(r, s.len + 3);
    *out++ = sigil;
    wrote(r, put_crlf(put_slice(out, s)));
}

/* --- lines --- */

void reply_simple(struct reply_buffer *r, const char *text)
{
    append_line(r, '+', slice_str(text));
}

void reply_ok(struct reply_buffer *r)
{
    REPLY_LITERAL(r, "+OK\r\n");
}

/* Ends the error line whose text begins at offset `start`: nothing in it may end it earlier. */
static void finish_error(struct reply_buffer *r, size_t start)
{
    char *text = r->bytes.data + start, *end = r->bytes.data + r->bytes.len;
    while (end > text && (end[-1] == '\r' || end[-1] == '\n'))
        end--;
    for (char *c = text; c < end; c++) {
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    }
    wrote(r, end);
    wrote(r, put_crlf(room(r, 2)));
}

void reply_error(struct reply_buffer *r, const char *text)
{
    if (r->muted)
        return;
    size_t len = strlen(text);
    char *out = room(r, len + 3);
    *out++ = '-';
    wrote(r, put_slice(out, slice_of(text, len)));
    finish_error(r, r->bytes.len - len);
}

/* Appends formatted text; returns its length. */
static size_t append_format(struct reply_buffer *r, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(room(r, FORMAT_GUESS), FORMAT_GUESS, format, args);
    ASSERT(len >= 0);
    if (len >= FORMAT_GUESS)
        vsnprintf(room(r, (size_t)len + 1), (size_t)len + 1, format, again);
    va_end(again);
    r->bytes.len += (size_t)len;
    return (size_t)len;
}

void reply_errorf(struct reply_buffer *r, const char *format, ...)
{
    if (r->muted)
        return;
    va_list args;
    *room(r, 1) = '-';
    r->bytes.len++;
    va_start(args, format);
    size_t len = append_format(r, format, args);
    va_end(args);
    finish_error(r, r->bytes.len - len);
}

void reply_int(struct reply_buffer *r, int64_t v)
{
    if (r->muted)
        return;
    char *out = room(r, HEAD_MAX);
    if (LIKELY(v >= 0)) {
        wrote(r, put_head(out, ':', (uint64_t)v));
        return;
    }
    out[0] = ':';
    wrote(r, put_crlf(out + 1 + number_print_i64(out + 1, v)));
}

/* --- bulk strings --- */

ALWAYS_INLINE void append_bulk(struct reply_buffer *r, struct slice s)
{
    char *out = put_head(room(r, HEAD_MAX + s.len + 2), '$', s.len);
    wrote(r, put_crlf(put_slice(out, s)));
}

void reply_bulk(struct reply_buffer *r, struct slice s)
{
    if (!r->muted)
        append_bulk(r, s);
}

void reply_bulk_str(struct reply_buffer *r, const char *s)
{
    reply_bulk(r, slice_str(s));
}

void reply_bulk_int(struct reply_buffer *r, int64_t v)
{
    char text[NUMBER_TEXT_MAX];
    reply_bulk(r, slice_of(text, number_print_i64(text, v)));
}

void reply_bulkf(struct reply_buffer *r, const char *format, ...)
{
    if (r->muted)
        return;
    va_list args;
    size_t start = r->bytes.len;
    va_start(args, format);
    size_t len = append_format(r, format, args);
    va_end(args);

    /* The text stands where its header belongs: let it make room. */
    char head[HEAD_MAX];
    size_t head_len = (size_t)(put_head(head, '$', len) - head);
    room(r, head_len + 2);
    char *at = r->bytes.data + start;
    memmove(at + head_len, at, len);
    memcpy(at, head, head_len);
    wrote(r, put_crlf(at + head_len + len));
}

void reply_bulk_reference(struct reply_buffer *r, struct slice body, void (*release)(void *),
                          void *owner)
{
    if (r->muted || body.len < REPLY_REFERENCE_MIN) {
        reply_bulk(r, body);
        if (release)
            release(owner);
        return;
    }
    append_head(r, '$', body.len);
    keep_reference(r, (struct reply_reference){r->bytes.len, body, release, owner});
    wrote(r, put_crlf(room(r, 2)));
}

/* --- nulls, booleans, numbers --- */

void reply_null(struct reply_buffer *r)
{
    if (r->resp3)
        REPLY_LITERAL(r, "_\r\n");
    else
        REPLY_LITERAL(r, "$-1\r\n");
}

void reply_null_array(struct reply_buffer *r)
{
    if (r->resp3)
        REPLY_LITERAL(r, "_\r\n");
    else
        REPLY_LITERAL(r, "*-1\r\n");
}

void reply_bool(struct reply_buffer *r, bool v)
{
    if (!r->resp3)
        reply_int(r, v);
    else if (v)
        REPLY_LITERAL(r, "#t\r\n");
    else
        REPLY_LITERAL(r, "#f\r\n");
}

/* A number as text: a line of its own kind in RESP3, a bulk string in RESP2. */
static void append_number(struct reply_buffer *r, char sigil, struct slice text)
{
    if (r->resp3)
        append_line(r, sigil, text);
    else
        reply_bulk(r, text);
}

void reply_double(struct reply_buffer *r, double v)
{
    char text[NUMBER_TEXT_MAX + 8];
    append_number(r, ',', slice_of(text, number_print_double(text, v)));
}

void reply_long_double(struct reply_buffer *r, long double v)
{
    char text[NUMBER_FLOAT_TEXT_MAX];
    reply_bulk(r, slice_of(text, number_print_long_double(text, v)));
}

void reply_human_double(struct reply_buffer *r, long double v)
{
    char text[NUMBER_FLOAT_TEXT_MAX];
    append_number(r, ',', slice_of(text, number_print_long_double(text, v)));
}

void reply_big_number(struct reply_buffer *r, struct slice digits)
{
    append_number(r, '(', digits);
}

void reply_verbatim(struct reply_buffer *r, const char format[3], struct slice s)
{
    if (r->muted)
        return;
    if (!r->resp3) {
        append_bulk(r, s);
        return;
    }
    char *out = put_head(room(r, HEAD_MAX + 4 + s.len + 2), '=', s.len + 4);
    memcpy(out, format, 3);
    out[3] = ':';
    wrote(r, put_crlf(put_slice(out + 4, s)));
}

void reply_raw(struct reply_buffer *r, struct slice bytes)
{
    if (!r->muted)
        wrote(r, put_slice(room(r, bytes.len + 1), bytes));
}

/* --- aggregates --- */

void reply_array(struct reply_buffer *r, size_t count)
{
    append_head(r, '*', count);
}

/* Sigil and number of a map of `pairs`. */
static char map_head(const struct reply_buffer *r, size_t pairs, size_t *count)
{
    *count = r->resp3 ? pairs : pairs * 2;
    return r->resp3 ? '%' : '*';
}

void reply_map(struct reply_buffer *r, size_t pairs)
{
    size_t count;
    char sigil = map_head(r, pairs, &count);
    append_head(r, sigil, count);
}

void reply_set(struct reply_buffer *r, size_t count)
{
    append_head(r, r->resp3 ? '~' : '*', count);
}

void reply_push(struct reply_buffer *r, size_t count)
{
    append_head(r, r->resp3 ? '>' : '*', count);
}

void reply_attribute(struct reply_buffer *r, size_t pairs)
{
    ASSERT(r->resp3);
    append_head(r, '|', pairs);
}

void reply_help(struct reply_buffer *r, const char *command, const char *const *lines)
{
    char name[64];
    size_t len = 0, count = 0;
    for (; command[len] && len < sizeof name - 1; len++)
        name[len] = (char)toupper((unsigned char)command[len]);
    name[len] = '\0';
    while (lines[count])
        count++;

    reply_array(r, count + 3);
    char intro[128];
    snprintf(intro, sizeof intro,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_simple(r, intro);
    for (size_t i = 0; i < count; i++)
        reply_simple(r, lines[i]);
    reply_simple(r, "HELP");
    reply_simple(r, "    Prints this help.");
}

size_t reply_array_deferred(struct reply_buffer *r)
{
    if (r->muted)
        return NO_MARK;
    size_t mark = r->bytes.len;
    memset(room(r, HOLE), '?', HOLE);
    r->bytes.len += HOLE;
    return mark;
}

/* Puts a header into the hole at mark. The buffer may have been muted since: the hole is there
 * all the same. */
static void patch(struct reply_buffer *r, size_t mark, char sigil, uint64_t count)
{
    if (mark == NO_MARK)
        return;
    DEBUG_ASSERT(mark + HOLE <= r->bytes.len && memcmp(r->bytes.data + mark, "????", HOLE) == 0);
    char head[HEAD_MAX];
    size_t head_len = (size_t)(put_head(head, sigil, count) - head);
    size_t more = head_len - HOLE;
    if (more) {
        room(r, more);
        char *behind = r->bytes.data + mark + HOLE;
        memmove(behind + more, behind, r->bytes.len - mark - HOLE);
        r->bytes.len += more;
        for (uint32_t i = r->reference_count; i > 0 && r->references[i - 1].at > mark; i--)
            r->references[i - 1].at += more;
    }
    memcpy(r->bytes.data + mark, head, head_len);
}

void reply_array_patch(struct reply_buffer *r, size_t mark, size_t count)
{
    patch(r, mark, '*', count);
}

void reply_map_patch(struct reply_buffer *r, size_t mark, size_t pairs)
{
    size_t count;
    char sigil = map_head(r, pairs, &count);
    patch(r, mark, sigil, count);
}

void reply_set_patch(struct reply_buffer *r, size_t mark, size_t count)
{
    patch(r, mark, r->resp3 ? '~' : '*', count);
}
