/* request.c - the request parser.
 *
 * There are two paths. parse_whole handles the hot case, a well-formed multibulk command that lies
 * completely in the buffer: one pass, arguments straight into the batch's vector, no state.
 * Whatever it does not like (an end of the buffer, a long number, a wrong byte, a stranger) it
 * hands to the careful path, together with the arguments it has understood. The careful path keeps
 * its progress in the parser: `at` is the start of the line or of the argument that comes next,
 * `scanned` how much of that line was searched in vain, and the finished arguments are spans
 * (offsets, as the buffer may move). It is the only one that judges, so there is one place for each
 * error.
 *
 * The number of arguments that a client announces is never allocated for: parse_whole asks first
 * whether the buffer can hold that many, and spans grow with what has arrived.
 *
 * As in Redis the byte behind a CR and the two bytes behind an argument are skipped unseen. Unlike
 * Redis, a NUL in a line is a byte like any other (it ends Redis's search for the line's end and
 * leaves the client waiting).
 *
 * Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
#include "proto/request.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"

#define ARGUMENT_MIN  6         /* bytes of the smallest argument: $0 CR LF CR LF */
#define CHUNK_MIN     1024      /* slices of a vector's first chunk */
#define CHUNK_KEEP    (1 << 16) /* slices that a reset vector may hold on to */
#define SPANS_MIN     8
#define SPANS_KEEP    32 /* spans that a connection between commands may hold on to */
#define DIGITS_MAX    9  /* of a number that fits 32 bits whatever it is */
#define OUT_OF_MEMORY "Protocol error: out of memory for the arguments"

enum {
    NEXT_COMMAND, /* nothing of a command is understood */
    NEXT_INLINE,  /* an inline command */
    NEXT_COUNT,   /* the line with the number of arguments */
    NEXT_LENGTH,  /* the line with the length of an argument */
    NEXT_BULK     /* bulk_len bytes of an argument and two more */
};

struct request_chunk {
    struct request_chunk *older;
    struct slice items[];
};

/* What the careful path passes around. */
struct input {
    struct request_parser *p;
    const struct request_limits *limits;
    struct request_vector *vector;
    char *data;
    size_t len;
    size_t *wanted;
};

/* --- the vector --- */

static struct request_chunk *chunk_of(struct slice *items)
{
    return CONTAINER_OF(items, struct request_chunk, items);
}

static NOINLINE bool vector_grow(struct request_vector *v, size_t count)
{
    size_t cap = MAX_OF(MAX_OF(count, v->cap * 2), (size_t)CHUNK_MIN);
    if (v->cap >= CHUNK_KEEP)
        cap = MAX_OF(count, (size_t)CHUNK_KEEP);
    struct request_chunk *chunk = mem_try_alloc(sizeof *chunk + cap * sizeof(struct slice));
    if (!chunk)
        return false;
    if (v->items) {
        struct request_chunk *full = chunk_of(v->items);
        full->older = v->full;
        v->full = full;
    }
    v->items = chunk->items;
    v->len = 0;
    v->cap = cap;
    return true;
}

/* Room for count slices behind vector->len; NULL when memory is short. */
ALWAYS_INLINE struct slice *vector_room(struct request_vector *v, size_t count)
{
    if (UNLIKELY(v->cap - v->len < count) && !vector_grow(v, count))
        return NULL;
    return v->items + v->len;
}

void request_vector_reset(struct request_vector *v)
{
    v->len = 0;
    while (UNLIKELY(v->full != NULL)) {
        struct request_chunk *chunk = v->full;
        v->full = chunk->older;
        mem_free(chunk);
    }
    if (UNLIKELY(v->cap > CHUNK_KEEP))
        request_vector_free(v);
}

void request_vector_free(struct request_vector *v)
{
    if (v->items) {
        struct request_chunk *chunk = chunk_of(v->items);
        chunk->older = v->full;
        v->full = chunk;
    }
    while (v->full) {
        struct request_chunk *chunk = v->full;
        v->full = chunk->older;
        mem_free(chunk);
    }
    *v = (struct request_vector){0};
}

/* --- the parser's state --- */

void request_parser_init(struct request_parser *p)
{
    *p = (struct request_parser){.state = NEXT_COMMAND};
}

void request_parser_free(struct request_parser *p)
{
    mem_free(p->spans);
    request_parser_init(p);
}

/* Ready for the next command. */
static void parser_rewind(struct request_parser *p)
{
    p->state = NEXT_COMMAND;
    p->at = p->scanned = 0;
    p->argc_seen = p->argc_wanted = 0;
    if (p->spans_cap > SPANS_KEEP) {
        mem_free(p->spans);
        p->spans = NULL;
        p->spans_cap = 0;
    }
}

static bool spans_reserve(struct request_parser *p, uint32_t count)
{
    if (count <= p->spans_cap)
        return true;
    size_t cap = MAX_OF(MAX_OF((size_t)count, (size_t)p->spans_cap * 2), (size_t)SPANS_MIN);
    cap = MIN_OF(cap, MAX_OF((size_t)p->argc_wanted, (size_t)SPANS_MIN));
    struct request_span *spans = mem_try_realloc(p->spans, cap * sizeof *spans);
    if (!spans)
        return false;
    p->spans = spans;
    p->spans_cap = (uint32_t)cap;
    return true;
}

static enum request_result bad(struct request_parser *p, const char *text)
{
    snprintf(p->error, sizeof p->error, "%s", text);
    return REQUEST_BAD;
}

static enum request_result bad_sigil(struct request_parser *p, char got)
{
    snprintf(p->error, sizeof p->error, "Protocol error: expected '$', got '%c'", got ? got : ' ');
    return REQUEST_BAD;
}

/* --- the careful path --- */

/* Looks for `ending` in the line at p->at. READY: *line_len bytes precede it. BAD: there is none
 * where one must be. */
static enum request_result find_line(struct input *in, char ending, size_t *line_len)
{
    struct request_parser *p = in->p;
    size_t window = MIN_OF(in->len - p->at, (size_t)REQUEST_INLINE_MAX + 1);
    const char *line = in->data + p->at;
    const char *found =
        window > p->scanned ? memchr(line + p->scanned, ending, window - p->scanned) : NULL;
    *in->wanted = 1;
    if (!found) {
        p->scanned = window;
        return window > REQUEST_INLINE_MAX ? REQUEST_BAD : REQUEST_INCOMPLETE;
    }
    *line_len = (size_t)(found - line);
    p->scanned = *line_len;
    return REQUEST_READY;
}

/* A length line: sigil, number, CR and one byte more. READY: its number is *value (or *valid is
 * false) and p->at is still at its start, *size bytes before its end. */
static enum request_result find_length(struct input *in, int64_t *value, bool *valid, size_t *size)
{
    size_t line_len;
    enum request_result found = find_line(in, '\r', &line_len);
    if (found != REQUEST_READY)
        return found;
    if (in->len - in->p->at < line_len + 2)
        return REQUEST_INCOMPLETE;
    const char *line = in->data + in->p->at;
    *valid = line_len > 0 && number_parse_i64(slice_of(line + 1, line_len - 1), value);
    *size = line_len + 2;
    return REQUEST_READY;
}

static void line_done(struct request_parser *p, size_t size, uint8_t next)
{
    p->at += size;
    p->scanned = 0;
    p->state = next;
}

static enum request_result parse_inline(struct input *in, struct request *out)
{
    struct request_parser *p = in->p;
    size_t line_len;
    enum request_result found = find_line(in, '\n', &line_len);
    if (found == REQUEST_BAD)
        return bad(p, "Protocol error: too big inline request");
    if (found != REQUEST_READY)
        return found;

    size_t size = line_len + 1;
    if (line_len > 0 && in->data[line_len - 1] == '\r')
        line_len--;
    const char *at = in->data, *end = in->data + line_len;
    size_t len, text_len = 0;
    uint32_t argc = 0;
    int more;
    while ((more = split_next(&at, end, NULL, &len)) > 0) {
        text_len += len;
        argc++;
    }
    if (more < 0)
        return bad(p, "Protocol error: unbalanced quotes in request");
    /* The words are copied behind their slices: the input stays as it is, so that a command that
     * cannot be run now can be parsed again. */
    size_t slices = argc + (text_len + sizeof(struct slice) - 1) / sizeof(struct slice);
    struct slice *argv = argc ? vector_room(in->vector, slices) : NULL;
    if (!argv && argc)
        return bad(p, OUT_OF_MEMORY);

    char *to = argc ? (char *)(argv + argc) : NULL;
    at = in->data;
    for (uint32_t i = 0; i < argc && split_next(&at, end, to, &len) > 0; i++) {
        argv[i] = slice_of(to, len);
        to += len;
    }
    in->vector->len += argc ? slices : 0;
    *out = (struct request){.argc = argc, .argv = argv, .size = size};
    parser_rewind(p);
    return REQUEST_READY;
}

static enum request_result parse_count(struct input *in)
{
    struct request_parser *p = in->p;
    int64_t count;
    bool valid;
    size_t size;
    enum request_result found = find_length(in, &count, &valid, &size);
    if (found == REQUEST_BAD)
        return bad(p, "Protocol error: too big mbulk count string");
    if (found != REQUEST_READY)
        return found;
    if (!valid || count > MIN_OF(in->limits->multibulk_max, REQUEST_MULTIBULK_MAX))
        return bad(p, "Protocol error: invalid multibulk length");
    if (count > REQUEST_UNAUTH_MULTIBULK_MAX && !in->limits->authenticated)
        return bad(p, "Protocol error: unauthenticated multibulk length");
    p->argc_wanted = count > 0 ? (uint32_t)count : 0;
    p->argc_seen = 0;
    line_done(p, size, NEXT_LENGTH);
    return REQUEST_READY;
}

static enum request_result parse_length(struct input *in)
{
    struct request_parser *p = in->p;
    int64_t len;
    bool valid;
    size_t size;
    enum request_result found = find_length(in, &len, &valid, &size);
    if (found == REQUEST_BAD)
        return bad(p, "Protocol error: too big bulk count string");
    if (found != REQUEST_READY)
        return found;
    if (in->data[p->at] != '$')
        return bad_sigil(p, in->data[p->at]);
    if (!valid || len < 0 || len > in->limits->bulk_max)
        return bad(p, "Protocol error: invalid bulk length");
    if (len > REQUEST_UNAUTH_BULK_MAX && !in->limits->authenticated)
        return bad(p, "Protocol error: unauthenticated bulk length");
    p->bulk_len = (size_t)len;
    line_done(p, size, NEXT_BULK);
    return REQUEST_READY;
}

static enum request_result parse_bulk(struct input *in)
{
    struct request_parser *p = in->p;
    size_t there = in->len - p->at;
    if (there < p->bulk_len + 2) {
        *in->wanted = p->bulk_len + 2 - there;
        return REQUEST_INCOMPLETE;
    }
    if (!spans_reserve(p, p->argc_seen + 1))
        return bad(p, OUT_OF_MEMORY);
    p->spans[p->argc_seen++] = (struct request_span){.at = p->at, .len = p->bulk_len};
    p->at += p->bulk_len + 2;
    p->state = NEXT_LENGTH;
    return REQUEST_READY;
}

/* Turns the spans of a complete command into slices of the buffer. */
static enum request_result finish(struct input *in, struct request *out)
{
    struct request_parser *p = in->p;
    uint32_t argc = p->argc_wanted;
    struct slice *argv = argc ? vector_room(in->vector, argc) : NULL;
    if (!argv && argc)
        return bad(p, OUT_OF_MEMORY);
    for (uint32_t i = 0; i < argc; i++)
        argv[i] = slice_of(in->data + p->spans[i].at, p->spans[i].len);
    in->vector->len += argc;
    *out = (struct request){.argc = argc, .argv = argv, .size = p->at};
    parser_rewind(p);
    return REQUEST_READY;
}

static NOINLINE enum request_result parse_careful(struct input *in, struct request *out)
{
    struct request_parser *p = in->p;
    ASSERT(in->len > 0 && in->len >= p->at);
    if (p->state == NEXT_COMMAND)
        p->state = in->data[0] == '*' ? NEXT_COUNT : NEXT_INLINE;
    if (p->state == NEXT_INLINE)
        return parse_inline(in, out);

    enum request_result result = p->state == NEXT_COUNT ? parse_count(in) : REQUEST_READY;
    while (result == REQUEST_READY && p->argc_seen < p->argc_wanted)
        result = p->state == NEXT_LENGTH ? parse_length(in) : parse_bulk(in);
    return result == REQUEST_READY ? finish(in, out) : result;
}

/* --- the hot path --- */

/* A number without sign or leading zeros and the two bytes behind it, CR first. At least 5 bytes
 * must be readable at *cursor. False, with *cursor unmoved, for anything else or longer. */
ALWAYS_INLINE bool short_number(const char **cursor, const char *end, uint32_t *out)
{
    const char *at = *cursor;
    uint32_t value = (uint8_t)*at++ - (uint32_t)'0';
    if (UNLIKELY(value > 9))
        return false;
    uint32_t digit = (uint8_t)*at - (uint32_t)'0';
    if (digit <= 9) {
        if (UNLIKELY(value == 0))
            return false;
        const char *stop = MIN_OF(end - 2, *cursor + DIGITS_MAX);
        do {
            value = value * 10 + digit;
            digit = (uint8_t) * ++at - (uint32_t)'0';
        } while (digit <= 9 && at < stop);
    }
    if (UNLIKELY(*at != '\r' || end - at < 2))
        return false;
    *out = value;
    *cursor = at + 2;
    return true;
}

/* Leaves the judgement of what is at `at`, behind `seen` arguments, to the careful path. */
static NOINLINE enum request_result hand_over(struct input *in, const char *at, uint32_t argc,
                                              uint32_t seen, const struct slice *argv,
                                              struct request *out)
{
    struct request_parser *p = in->p;
    p->argc_wanted = argc;
    if (!spans_reserve(p, seen))
        return bad(p, OUT_OF_MEMORY);
    for (uint32_t i = 0; i < seen; i++)
        p->spans[i] = (struct request_span){(size_t)(argv[i].data - in->data), argv[i].len};
    p->argc_seen = seen;
    p->at = (size_t)(at - in->data);
    p->state = NEXT_LENGTH;
    return parse_careful(in, out);
}

ALWAYS_INLINE enum request_result parse_whole(struct input *in, struct request *out)
{
    const char *at = in->data + 1, *end = in->data + in->len;
    uint32_t argc, i;
    if (UNLIKELY(!short_number(&at, end, &argc)))
        return parse_careful(in, out);
    if (UNLIKELY(argc == 0 || argc > in->limits->multibulk_max ||
                 (size_t)(end - at) / ARGUMENT_MIN < argc))
        return parse_careful(in, out);
    struct slice *argv = vector_room(in->vector, argc);
    if (UNLIKELY(!argv))
        return parse_careful(in, out);

    for (i = 0; i < argc; i++) {
        const char *bulk = at + 1;
        uint32_t len;
        if (UNLIKELY(end - at < ARGUMENT_MIN || *at != '$' || !short_number(&bulk, end, &len)))
            break;
        if (UNLIKELY((size_t)(end - bulk) < (size_t)len + 2 || len > in->limits->bulk_max))
            break;
        argv[i] = slice_of(bulk, len);
        at = bulk + len + 2;
    }
    if (UNLIKELY(i < argc))
        return hand_over(in, at, argc, i, argv, out);
    in->vector->len += argc;
    *out = (struct request){.argc = argc, .argv = argv, .size = (size_t)(at - in->data)};
    return REQUEST_READY;
}

enum request_result request_parse(struct request_parser *p, const struct request_limits *limits,
                                  struct request_vector *vector, char *data, size_t len,
                                  struct request *out, size_t *wanted)
{
    struct input in = {p, limits, vector, data, len, wanted};
    if (LIKELY(p->state == NEXT_COMMAND && len > ARGUMENT_MIN && data[0] == '*' &&
               limits->authenticated))
        return parse_whole(&in, out);
    return parse_careful(&in, out);
}
