/* fuzz_request.c - the request parser under any bytes: what is parsed must not depend on the pieces
 * they arrive in.
 *
 * The first byte of an input chooses the limits, the rest is what a client sends: once whole, then
 * a few times in random pieces (drawn from a hash of the input, so that a crash repeats), always in
 * exact-size buffers that move between reads. The transcripts of all runs must be the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/panic.h"
#include "base/rand.h"
#include "proto/request.h"

#define RUNS 4 /* in pieces */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct request_parser parser;
    struct request_vector vector;
    const struct request_limits *limits;
    struct bytes transcript;
    char *data;
    size_t len;
    bool bad;
};

static void record(struct bytes *transcript, const void *data, size_t len)
{
    bytes_append(transcript, &len, sizeof len);
    bytes_append(transcript, data, len);
}

/* Parses what is complete; returns how many bytes that took. Requests are recorded when the
 * batch ends, as their arguments must live until then. */
static size_t parse_batch(struct run *run)
{
    enum { BATCH = 64 };
    struct request batch[BATCH];
    size_t count = 0, taken = 0, wanted = 0;
    while (taken < run->len && count < BATCH) {
        enum request_result result =
            request_parse(&run->parser, run->limits, &run->vector, run->data + taken,
                          run->len - taken, &batch[count], &wanted);
        if (result != REQUEST_READY) {
            ASSERT(result == REQUEST_BAD || wanted > 0);
            run->bad = result == REQUEST_BAD;
            break;
        }
        ASSERT(batch[count].size > 0 && batch[count].size <= run->len - taken);
        taken += batch[count++].size;
    }
    for (size_t i = 0; i < count; i++) {
        record(&run->transcript, &batch[i].size, sizeof batch[i].size);
        for (uint32_t arg = 0; arg < batch[i].argc; arg++)
            record(&run->transcript, batch[i].argv[arg].data, batch[i].argv[arg].len);
    }
    if (run->bad)
        record(&run->transcript, run->parser.error, strlen(run->parser.error));
    request_vector_reset(&run->vector);
    return taken;
}

static void arrive(struct run *run, const uint8_t *more, size_t len)
{
    char *data = malloc(run->len + len);
    if (run->len)
        memcpy(data, run->data, run->len);
    memcpy(data + run->len, more, len);
    free(run->data);
    run->data = data;
    run->len += len;

    size_t taken;
    do {
        taken = parse_batch(run);
        run->len -= taken;
        data = malloc(run->len ? run->len : 1);
        memcpy(data, run->data + taken, run->len);
        free(run->data);
        run->data = data;
    } while (taken > 0 && run->len > 0 && !run->bad);
}

/* Feeds the input in pieces of at most `piece_max` bytes; the transcript is the caller's to
 * free. */
static struct bytes run_input(const struct request_limits *limits, const uint8_t *data, size_t size,
                              struct rand *rand, size_t piece_max)
{
    struct run run = {.limits = limits};
    request_parser_init(&run.parser);
    while (size > 0 && !run.bad) {
        size_t piece = piece_max >= size ? size : 1 + rand_below(rand, MIN_OF(piece_max, size));
        arrive(&run, data, piece);
        data += piece;
        size -= piece;
    }
    request_parser_free(&run.parser);
    request_vector_free(&run.vector);
    free(run.data);
    return run.transcript;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct request_limits limits = {
        .multibulk_max = data[0] & 1 ? 5 : REQUEST_MULTIBULK_MAX,
        .bulk_max = data[0] & 2 ? 20 : REQUEST_BULK_MAX,
        .authenticated = !(data[0] & 4),
    };
    data++;
    size--;

    uint64_t seed = size;
    for (size_t i = 0; i < size; i++)
        seed = (seed ^ data[i]) * 0x100000001b3ULL;
    struct rand rand;
    rand_seed(&rand, seed);

    struct bytes whole = run_input(&limits, data, size, &rand, SIZE_MAX);
    for (int i = 0; i < RUNS; i++) {
        struct bytes cut =
            run_input(&limits, data, size, &rand, i == 0 ? 1 : 1 + rand_below(&rand, size + 1));
        if (!slice_eq(bytes_slice(&whole), bytes_slice(&cut)))
            PANIC("parsed whole and in pieces differ");
        bytes_free(&cut);
    }
    bytes_free(&whole);
    return 0;
}
