/* request.h - RESP and inline requests out of bytes: no copies, no allocation in the common case,
 * no sockets.
 *
 * A parser holds the state of one connection's input between reads (how far the incomplete command
 * at the front was understood, so that a large request is never parsed twice). Arguments are slices
 * of the buffer that was passed in. Limits and error texts are Redis's ("Protocol error: invalid
 * multibulk length" ...). What is parsed depends only on the bytes, never on the pieces they arrive
 * in.
 */
#ifndef SPILLWAY_PROTO_REQUEST_H
#define SPILLWAY_PROTO_REQUEST_H

#include "base/bytes.h"
#include "proto/split.h"

#define REQUEST_INLINE_MAX           (64 * 1024)  /* bytes of an inline command or length line */
#define REQUEST_MULTIBULK_MAX        INT32_MAX    /* arguments of one command */
#define REQUEST_BULK_MAX             (512L << 20) /* the default of proto-max-bulk-len */
#define REQUEST_UNAUTH_MULTIBULK_MAX 10           /* arguments, before AUTH */
#define REQUEST_UNAUTH_BULK_MAX      16384        /* bytes of one argument, before AUTH */

struct request_limits {
    int64_t multibulk_max; /* arguments of one command; at most REQUEST_MULTIBULK_MAX */
    int64_t bulk_max;      /* bytes of one argument: proto-max-bulk-len */
    bool authenticated; /* false: the REQUEST_UNAUTH_* limits hold too, with texts of their own */
};

/* The arguments of one parsed command. argv points into the request_vector, until that is reset. */
struct request {
    uint32_t argc;
    struct slice *argv; /* NULL when argc is 0 */
    size_t size;        /* bytes of input that the command took */
};

enum request_result {
    REQUEST_READY,      /* *out is a command (argc may be 0: nothing to run; skip it) */
    REQUEST_INCOMPLETE, /* more bytes are needed; *wanted says how many at least */
    REQUEST_BAD /* protocol error: parser->error holds the text behind "-ERR "; reply and close */
};

/* An argument of an incomplete command: bytes [at, at + len) from the command's first byte. */
struct request_span {
    size_t at, len;
};

struct request_parser {
    uint8_t state;        /* internal: what comes next at `at` */
    uint32_t argc_wanted; /* of the incomplete command */
    uint32_t argc_seen;
    uint32_t spans_cap;
    size_t at;       /* offset behind what was understood, from the command's first byte */
    size_t scanned;  /* bytes from there on that are known not to end the line */
    size_t bulk_len; /* of the argument at `at` when its length line is understood */
    struct request_span *spans; /* the arguments seen so far; owned, NULL while none were kept */
    char error[64];             /* set by REQUEST_BAD */
};

/* Room for the arguments of the commands of one batch. Growing adds a chunk and leaves the older
 * ones in place, so the argv of earlier requests stay valid until the reset. One per worker; all
 * zeros is an empty one. */
struct request_vector {
    struct slice *items;        /* of the newest chunk; NULL while there is none */
    size_t len, cap;            /* slices used of it, and its room */
    struct request_chunk *full; /* older chunks of this batch */
};

void request_parser_init(struct request_parser *p);
void request_parser_free(struct request_parser *p);

/* Takes the next command from data[0..len), len > 0, whose first byte must be the first byte of
 * a command: the same one as last time after REQUEST_INCOMPLETE (the buffer may have moved in
 * between), the byte behind the last command (data + out->size) after REQUEST_READY. After
 * REQUEST_BAD the parser must not be used but to free it.
 *
 * On READY out->argv is valid until the vector is reset, its slices as long as the buffer;
 * the words of an inline command are copied, quoting undone, into the vector. The input is never
 * written to, so what was parsed but not run may be parsed again. On INCOMPLETE *wanted is the
 * number of bytes that are missing of the current argument and its CRLF, so that the caller can
 * size its buffer; at least 1. The hot case (a whole multibulk command in the
 * buffer) allocates nothing; any command costs time linear in its bytes, however many pieces it
 * arrives in, and memory only for arguments that have arrived. */
enum request_result request_parse(struct request_parser *p, const struct request_limits *limits,
                                  struct request_vector *vector, char *data, size_t len,
                                  struct request *out, size_t *wanted) NODISCARD;

void request_vector_reset(struct request_vector *v); /* frees what only an unusual batch needed */
void request_vector_free(struct request_vector *v);

#endif
