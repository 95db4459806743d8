/* request.h - RESP and inline requests out of bytes: no copies, no allocation in the common case, no sockets.
 *
 * A parser holds the state of one connection's input between reads (how far the incomplete command at the front was
 * understood, so that a large request is never parsed twice). Arguments are slices of the buffer that was passed in.
 * Limits and error texts are Redis's ("Protocol error: invalid multibulk length" ...).
 */
#ifndef SPILLWAY_PROTO_REQUEST_H
#define SPILLWAY_PROTO_REQUEST_H

#include "base/bytes.h"

#define REQUEST_INLINE_MAX (64 * 1024) /* bytes of an inline command or of a length line */

struct request_limits {
    int64_t multibulk_max; /* arguments of one command: 1024 * 1024 * 1024, or 10 before AUTH */
    int64_t bulk_max;      /* bytes of one argument: proto-max-bulk-len, or 16384 before AUTH */
};

/* The arguments of one parsed command. argv points into a vector of the parser that is reused by request_vector_reset. */
struct request {
    uint32_t argc;
    struct slice *argv;
    size_t size;           /* bytes of input that the command took */
};

enum request_result {
    REQUEST_READY,      /* *out is a command (argc may be 0: an empty line; skip it); its bytes are consumed */
    REQUEST_INCOMPLETE, /* more bytes are needed; *wanted says how many more at least (a hint for the buffer) */
    REQUEST_BAD         /* protocol error: parser->error holds the text behind "-ERR "; close after the reply */
};

struct request_parser {
    uint32_t state;      /* internal: kind of the command at the front and what has been understood of it */
    uint32_t argc_seen;
    int64_t argc_wanted;
    int64_t bulk_wanted; /* -1: a length line comes next */
    size_t at;           /* offset behind what was understood, relative to the command's first byte */
    struct slice *argv;  /* arguments of the incomplete command, as offsets in disguise; owned */
    uint32_t argv_cap;
    char error[128];
};

/* Room for the arguments of the commands of one batch; grows, never shrinks below its first size. One per worker. */
struct request_vector {
    struct slice *items;
    size_t len, cap;
};

void request_parser_init(struct request_parser *p);
void request_parser_free(struct request_parser *p);
/* Takes the next command from data[0..len), whose first byte must be the first byte of a command (the same one as last time
 * after REQUEST_INCOMPLETE). The hot case (a whole multibulk command in the buffer) touches each byte once. On READY out->argv
 * is valid until the vector is reset, and the slices as long as the buffer. Quoting of inline commands is undone in place
 * in the buffer, which is why data is not const. */
enum request_result request_parse(struct request_parser *p, const struct request_limits *limits, struct request_vector *vector,
                                  char *data, size_t len, struct request *out, size_t *wanted);
void request_vector_reset(struct request_vector *v);
void request_vector_free(struct request_vector *v);

/* Splits a line as redis-cli, inline commands and configuration files do: blanks, 'single' and "double\n\x41" quotes.
 * Arguments are fresh strings in one allocation, *args (mem_free it). -1: unbalanced quotes. */
int split_line(struct slice line, struct slice **args) NODISCARD;

#endif
