/* Tests of the outbox: order, references, partial sends, gates, memory given back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/rand.h"
#include "net/outbox.h"

static unsigned released;

static void release(void *owner)
{
    released++;
    mem_free(owner);
}

static void reply_big(struct reply_buffer *r, char fill, size_t len)
{
    char *body = mem_alloc(len);
    memset(body, fill, len);
    reply_bulk_reference(r, slice_of(body, len), release, body);
}

/* Takes everything sendable in sends of at most `step` bytes, appended to `got`. */
static void drain(struct outbox *out, uint64_t durable, size_t step, struct bytes *got)
{
    struct iovec vectors[3];
    size_t bytes;
    uint32_t count;
    while ((count = outbox_gather(out, durable, vectors, 3, &bytes)) != 0) {
        size_t send = bytes < step ? bytes : step, left = send;
        for (uint32_t i = 0; i < count && left != 0; i++) {
            size_t part = vectors[i].iov_len < left ? vectors[i].iov_len : left;
            assert_true(vectors[i].iov_len != 0);
            bytes_append(got, vectors[i].iov_base, part);
            left -= part;
        }
        outbox_sent(out, send);
    }
}

static void is_empty(const struct outbox *out)
{
    assert_int_equal(out->bytes, 0);
    assert_null(out->segments);
    assert_int_equal(out->cap, 0);
    assert_int_equal(out->gate_count, 0);
}

static void small_replies_share_a_chunk(void **state)
{
    struct outbox out = {0};
    struct reply_buffer r;
    struct bytes got = {0};
    reply_buffer_init(&r);
    for (int i = 0; i < 1000; i++) {
        reply_ok(&r);
        assert_true(outbox_take(&out, &r, 0));
        assert_int_equal(r.bytes.len, 0);
    }
    assert_int_equal(out.bytes, 5000);
    assert_int_equal(out.count, 1);
    drain(&out, UINT64_MAX, 7, &got);
    assert_int_equal(got.len, 5000);
    assert_memory_equal(got.data + 4995, "+OK\r\n", 5);
    is_empty(&out);
    assert_int_equal(out.position, 5000);
    bytes_free(&got);
    reply_buffer_free(&r);
}

static void a_chunk_ends_at_its_bound(void **state)
{
    struct outbox out = {0};
    struct reply_buffer r;
    char body[OUTBOX_CHUNK];
    memset(body, 'x', sizeof body);
    reply_buffer_init(&r);
    reply_raw(&r, slice_of(body, OUTBOX_CHUNK - 1));
    assert_true(outbox_take(&out, &r, 0));
    assert_int_equal(out.tail_room, 1);
    reply_raw(&r, SLICE("y"));
    assert_true(outbox_take(&out, &r, 0));
    assert_int_equal(out.count, 1);
    assert_int_equal(out.tail_room, 0);
    reply_raw(&r, SLICE("z"));
    assert_true(outbox_take(&out, &r, 0));
    assert_int_equal(out.count, 2);
    assert_int_equal(out.bytes, OUTBOX_CHUNK + 1);
    outbox_free(&out);
    is_empty(&out);
    reply_buffer_free(&r);
}

static void skips_what_was_sent(void **state)
{
    struct reply_buffer r;
    struct bytes whole = {0};
    size_t total = 0;
    reply_buffer_init(&r);
    for (size_t skip = 0; skip == 0 || skip < total; skip += 1 + skip / 7) {
        struct outbox out = {0};
        struct bytes got = {0};
        struct iovec vectors[8];
        released = 0;
        reply_ok(&r);
        reply_big(&r, 'a', 20000);
        reply_big(&r, 'b', REPLY_REFERENCE_MIN);
        reply_int(&r, 7);
        uint32_t count = outbox_gather_reply(&r, vectors, 8, &total);
        assert_int_equal(total, r.bytes.len + r.reference_bytes);
        whole.len = 0;
        for (uint32_t i = 0; i < count; i++)
            bytes_append(&whole, vectors[i].iov_base, vectors[i].iov_len);
        assert_int_equal(whole.len, total);
        assert_true(outbox_take(&out, &r, skip));
        assert_int_equal(r.reference_count, 0);
        assert_int_equal(out.bytes, total - skip);
        drain(&out, UINT64_MAX, 5000, &got);
        assert_int_equal(released, 2);
        assert_int_equal(got.len, total - skip);
        assert_memory_equal(got.data, whole.data + skip, got.len);
        is_empty(&out);
        bytes_free(&got);
    }
    bytes_free(&whole);
    reply_buffer_free(&r);
}

static void a_long_reply_is_taken_over(void **state)
{
    struct outbox out = {0};
    struct reply_buffer r;
    struct bytes got = {0}, wanted = {0};
    reply_buffer_init(&r);
    for (int i = 0; i < 20000; i++)
        reply_int(&r, i);
    bytes_append(&wanted, r.bytes.data, r.bytes.len);
    reply_buffer_clear(&r);
    for (int i = 0; i < 20000; i++)
        reply_int(&r, i);
    const char *memory = r.bytes.data;
    assert_true(outbox_take(&out, &r, 3));
    assert_null(r.bytes.data);
    assert_ptr_equal(out.segments[0].data, memory + 3);
    reply_ok(&r); /* must not be appended to what was taken over */
    bytes_append_str(&wanted, "+OK\r\n");
    assert_true(outbox_take(&out, &r, 0));
    drain(&out, UINT64_MAX, 1000, &got);
    assert_int_equal(got.len, wanted.len - 3);
    assert_memory_equal(got.data, wanted.data + 3, got.len);
    bytes_free(&got);
    bytes_free(&wanted);
    reply_buffer_free(&r);
}

static void gathers_at_most_max(void **state)
{
    struct reply_buffer r;
    struct iovec vectors[4];
    size_t bytes;
    released = 0;
    reply_buffer_init(&r);
    for (int i = 0; i < 10; i++)
        reply_big(&r, 'x', REPLY_REFERENCE_MIN);
    for (uint32_t max = 1; max <= 4; max++) {
        size_t sum = 0;
        assert_int_equal(outbox_gather_reply(&r, vectors, max, &bytes), max);
        for (uint32_t i = 0; i < max; i++)
            sum += vectors[i].iov_len;
        assert_int_equal(sum, bytes);
    }
    reply_buffer_free(&r);
    assert_int_equal(released, 10);
}

static void put(struct outbox *out, const char *text)
{
    struct reply_buffer r;
    reply_buffer_init(&r);
    reply_raw(&r, slice_str(text));
    assert_true(outbox_take(out, &r, 0));
    reply_buffer_free(&r);
}

static void got_is(struct outbox *out, uint64_t durable, const char *wanted)
{
    struct bytes got = {0};
    assert_int_equal(outbox_sendable(out, durable), strlen(wanted));
    drain(out, durable, 2, &got);
    assert_string_equal(bytes_str(&got), wanted);
    bytes_free(&got);
}

static void gates_hold_back(void **state)
{
    struct outbox out = {0};
    put(&out, "one ");
    outbox_gate(&out, 10);
    put(&out, "two ");
    outbox_gate(&out, 10); /* nothing new */
    put(&out, "three ");
    outbox_gate(&out, 20);
    put(&out, "four");
    got_is(&out, 9, "one ");
    got_is(&out, 9, "");
    got_is(&out, 10, "two three ");
    got_is(&out, 19, "");
    got_is(&out, 20, "four");
    is_empty(&out);
}

static void the_last_gate_takes_the_rest(void **state)
{
    struct outbox out = {0};
    char text[OUTBOX_GATES + 3] = {0};
    for (uint64_t i = 0; i < OUTBOX_GATES + 2; i++) {
        outbox_gate(&out, 10 + i);
        text[i] = (char)('a' + i);
        put(&out, &text[i]);
    }
    assert_int_equal(out.gate_count, OUTBOX_GATES);
    text[OUTBOX_GATES - 1] = '\0';
    got_is(&out, 10 + OUTBOX_GATES, text); /* all but those behind the last gate */
    text[OUTBOX_GATES - 1] = 'a' + OUTBOX_GATES - 1;
    got_is(&out, 10 + OUTBOX_GATES + 1, &text[OUTBOX_GATES - 1]);
    is_empty(&out);
}

static void without_memory_the_reply_is_dropped(void **state)
{
    struct reply_buffer r;
    reply_buffer_init(&r);
    for (uint64_t nth = 1; nth <= 4; nth++) {
        struct outbox out = {0};
        released = 0;
        reply_ok(&r);
        reply_big(&r, 'a', 20000);
        mem_inject_failure(nth);
        bool good = outbox_take(&out, &r, 0);
        mem_inject_failure(0);
        assert_int_equal(good, nth == 4); /* two chunks and the list are asked for */
        assert_int_equal(r.reference_count, 0);
        outbox_free(&out);
        assert_int_equal(released, 1);
    }
    reply_buffer_free(&r);
}

/* Random replies, sends and gates against a plain string. */
static void random_runs(void **state)
{
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20240711;
    struct rand random;
    struct outbox out = {0};
    struct reply_buffer r;
    struct bytes wanted = {0}, got = {0};
    uint64_t gate = 0, durable = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    rand_seed(&random, seed);
    reply_buffer_init(&r);
    for (int i = 0; i < 20000; i++) {
        struct iovec vectors[5];
        size_t bytes;
        if (rand_below(&random, 2) == 0) {
            size_t from = wanted.len;
            for (uint64_t n = rand_below(&random, 3); n != 0; n--)
                reply_int(&r, (int64_t)rand_below(&random, 1000000));
            if (rand_below(&random, 20) == 0)
                reply_big(&r, (char)('a' + i % 26), REPLY_REFERENCE_MIN + rand_below(&random, 9));
            uint32_t count = outbox_gather_reply(&r, vectors, 5, &bytes);
            for (uint32_t k = 0; k < count; k++)
                bytes_append(&wanted, vectors[k].iov_base, vectors[k].iov_len);
            if (wanted.len == from)
                continue;
            if (rand_below(&random, 4) == 0)
                outbox_gate(&out, ++gate);
            assert_true(outbox_take(&out, &r, 0));
        } else {
            if (rand_below(&random, 3) == 0 && durable < gate)
                durable++;
            uint32_t count = outbox_gather(&out, durable, vectors, 5, &bytes);
            size_t send = bytes == 0 ? 0 : rand_below(&random, bytes + 1), left = send;
            for (uint32_t k = 0; k < count && left != 0; k++) {
                size_t part = vectors[k].iov_len < left ? vectors[k].iov_len : left;
                bytes_append(&got, vectors[k].iov_base, part);
                left -= part;
            }
            outbox_sent(&out, send);
        }
        assert_int_equal(out.bytes, wanted.len - got.len);
    }
    drain(&out, UINT64_MAX, 100000, &got);
    assert_int_equal(got.len, wanted.len);
    assert_memory_equal(got.data, wanted.data, got.len);
    is_empty(&out);
    bytes_free(&got);
    bytes_free(&wanted);
    reply_buffer_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_replies_share_a_chunk),
        cmocka_unit_test(a_chunk_ends_at_its_bound),
        cmocka_unit_test(skips_what_was_sent),
        cmocka_unit_test(a_long_reply_is_taken_over),
        cmocka_unit_test(gathers_at_most_max),
        cmocka_unit_test(gates_hold_back),
        cmocka_unit_test(the_last_gate_takes_the_rest),
        cmocka_unit_test(without_memory_the_reply_is_dropped),
        cmocka_unit_test(random_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
