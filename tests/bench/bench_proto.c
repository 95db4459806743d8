/* bench_proto.c - nanoseconds per parsed request and per appended reply, of the protocol layer
 * alone.
 *
 * Usage: bench_proto [milliseconds per line]. Requests are parsed in batches out of a 16 KiB
 * buffer, as a worker does; replies go into one buffer that is cleared as often.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/reply.h"
#include "proto/request.h"

#define BUFFER_BYTES (16 << 10)
#define BATCH        64

static uint64_t budget_ns = 300 * 1000000ULL;
static uint64_t sink; /* keeps the compiler from dropping what is measured */

static void report(const char *what, uint64_t operations, uint64_t ns, uint64_t bytes)
{
    printf("%-44s %8.1f ns %10.0f MB/s\n", what, (double)ns / (double)operations,
           (double)bytes * 1000.0 / (double)ns);
}

/* --- requests --- */

/* Fills the buffer with commands; returns how many bytes of it are used. */
static size_t fill(char *data, const char *name, size_t key_len, size_t value_len, bool inlined)
{
    char one[BUFFER_BYTES], key[64], value[4096];
    memset(key, 'k', key_len);
    memset(value, 'v', value_len);
    key[key_len] = value[value_len] = '\0';
    int len;
    if (inlined)
        len = snprintf(one, sizeof one, "%s %s %s\r\n", name, key, value);
    else if (value_len)
        len = snprintf(one, sizeof one, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                       strlen(name), name, key_len, key, value_len, value);
    else
        len = snprintf(one, sizeof one, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name,
                       key_len, key);
    size_t used = 0;
    while (used + (size_t)len <= BUFFER_BYTES) {
        memcpy(data + used, one, (size_t)len);
        used += (size_t)len;
    }
    return used;
}

static void bench_requests(const char *what, const char *name, size_t key_len, size_t value_len,
                           bool inlined)
{
    static const struct request_limits limits = {REQUEST_MULTIBULK_MAX, REQUEST_BULK_MAX, true};
    static char data[BUFFER_BYTES];
    static struct request batch[BATCH];
    struct request_parser parser;
    struct request_vector vector = {0};
    size_t len = fill(data, name, key_len, value_len, inlined);
    uint64_t parsed = 0, bytes = 0, start = clock_mono_ns(), ns;

    request_parser_init(&parser);
    do {
        size_t at = 0, count = 0, wanted;
        while (at < len) {
            if (request_parse(&parser, &limits, &vector, data + at, len - at, &batch[count],
                              &wanted) != REQUEST_READY)
                abort();
            at += batch[count].size;
            sink += batch[count].argv[1].len;
            if (++count == BATCH || at == len) {
                parsed += count;
                count = 0;
                request_vector_reset(&vector);
            }
        }
        bytes += len;
        ns = clock_mono_ns() - start;
    } while (ns < budget_ns);
    request_vector_free(&vector);
    request_parser_free(&parser);
    report(what, parsed, ns, bytes);
}

/* --- replies --- */

#define BENCH_REPLY(what, call)                                                                    \
    do {                                                                                           \
        struct reply_buffer buffer_, *r = &buffer_;                                                \
        reply_buffer_init(r);                                                                      \
        uint64_t count_ = 0, bytes_ = 0, ns_, start_ = clock_mono_ns();                            \
        do {                                                                                       \
            for (int batch_ = 0; batch_ < 100; batch_++) {                                         \
                for (int i = 0; i < BATCH; i++)                                                    \
                    call;                                                                          \
                bytes_ += r->bytes.len;                                                            \
                sink += (uint8_t)r->bytes.data[r->bytes.len / 2];                                  \
                reply_buffer_clear(r);                                                             \
            }                                                                                      \
            count_ += 100 * BATCH;                                                                 \
            ns_ = clock_mono_ns() - start_;                                                        \
        } while (ns_ < budget_ns);                                                                 \
        reply_buffer_free(r);                                                                      \
        report(what, count_, ns_, bytes_);                                                         \
    } while (0)

static void deferred(struct reply_buffer *r, int count)
{
    size_t mark = reply_array_deferred(r);
    for (int i = 0; i < count; i++)
        reply_bulk(r, SLICE("element-of-16-by"));
    reply_array_patch(r, mark, (size_t)count);
}

static void bench_replies(void)
{
    static char body[4096];
    memset(body, 'v', sizeof body);
    BENCH_REPLY("reply_ok", reply_ok(r));
    BENCH_REPLY("reply_null", reply_null(r));
    BENCH_REPLY("reply_int, 1 digit", reply_int(r, i & 7));
    BENCH_REPLY("reply_int, 6 digits", reply_int(r, 123456 + i));
    BENCH_REPLY("reply_bulk, 3 bytes", reply_bulk(r, slice_of(body, 3)));
    BENCH_REPLY("reply_bulk, 16 bytes", reply_bulk(r, slice_of(body, 16)));
    BENCH_REPLY("reply_bulk, 64 bytes", reply_bulk(r, slice_of(body, 64)));
    BENCH_REPLY("reply_bulk, 1 to 64 bytes", reply_bulk(r, slice_of(body, (size_t)i + 1)));
    BENCH_REPLY("reply_bulk, 1024 bytes", reply_bulk(r, slice_of(body, 1024)));
    BENCH_REPLY("reply_double", reply_double(r, 1.5 + i));
    BENCH_REPLY("reply_errorf", reply_errorf(r, "ERR unknown subcommand '%s'", "x"));
    BENCH_REPLY("deferred array of 100 x 16 bytes", deferred(r, 100));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        budget_ns = strtoull(argv[1], NULL, 10) * 1000000ULL;
    bench_requests("parse PING x", "PING", 1, 0, false);
    bench_requests("parse GET, key 16", "GET", 16, 0, false);
    bench_requests("parse SET, key 16, value 3", "SET", 16, 3, false);
    bench_requests("parse SET, key 16, value 64", "SET", 16, 64, false);
    bench_requests("parse SET, key 16, value 1024", "SET", 16, 1024, false);
    bench_requests("parse inline SET, key 16, value 3", "SET", 16, 3, true);
    bench_replies();
    return sink == 1;
}
