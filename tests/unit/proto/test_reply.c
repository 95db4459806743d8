/* Replies, byte for byte, in both dialects; deferred lengths, references, muting. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "proto/reply.h"

/* One call in both dialects. */
#define BOTH(call, resp2, resp3_bytes)                                                             \
    do {                                                                                           \
        struct reply_buffer buffer_, *r = &buffer_;                                                \
        for (int dialect_ = 2; dialect_ <= 3; dialect_++) {                                        \
            struct slice wanted_ = dialect_ == 2 ? SLICE(resp2) : SLICE(resp3_bytes);              \
            reply_buffer_init(r);                                                                  \
            r->resp3 = dialect_ == 3;                                                              \
            call;                                                                                  \
            assert_int_equal(r->bytes.len, wanted_.len);                                           \
            assert_memory_equal(r->bytes.data, wanted_.data, wanted_.len);                         \
            reply_buffer_clear(r);                                                                 \
            r->muted = true;                                                                       \
            call;                                                                                  \
            assert_int_equal(r->bytes.len, 0);                                                     \
            reply_buffer_free(r);                                                                  \
        }                                                                                          \
    } while (0)
#define SAME(call, bytes) BOTH(call, bytes, bytes)

static void lines(void **state)
{
    SAME(reply_ok(r), "+OK\r\n");
    SAME(reply_simple(r, "PONG"), "+PONG\r\n");
    SAME(reply_simple(r, ""), "+\r\n");
    SAME(reply_error(r, "ERR syntax error"), "-ERR syntax error\r\n");
    SAME(reply_error(r, "ERR a\r\nb\nc\r\n"), "-ERR a  b c\r\n");
    SAME(reply_error(r, "\r\n"), "-\r\n");
    SAME(reply_errorf(r, "ERR no '%s' of %d", "x\r\n$1", 7), "-ERR no 'x  $1' of 7\r\n");
    SAME(reply_errorf(r, "%s", ""), "-\r\n");
    SAME(reply_errorf(r, "ERR %%s %s", "%n%s%d"), "-ERR %s %n%s%d\r\n");
}

static void integers(void **state)
{
    SAME(reply_int(r, 0), ":0\r\n");
    SAME(reply_int(r, 9), ":9\r\n");
    SAME(reply_int(r, 10), ":10\r\n");
    SAME(reply_int(r, 99), ":99\r\n");
    SAME(reply_int(r, 100), ":100\r\n");
    SAME(reply_int(r, -1), ":-1\r\n");
    SAME(reply_int(r, -10), ":-10\r\n");
    SAME(reply_int(r, INT64_MAX), ":9223372036854775807\r\n");
    SAME(reply_int(r, INT64_MIN), ":-9223372036854775808\r\n");
}

static void bulks(void **state)
{
    SAME(reply_bulk(r, SLICE("")), "$0\r\n\r\n");
    SAME(reply_bulk(r, slice_of(NULL, 0)), "$0\r\n\r\n");
    SAME(reply_bulk(r, SLICE("a\r\n\0b")), "$5\r\na\r\n\0b\r\n");
    SAME(reply_bulk(r, SLICE("0123456789")), "$10\r\n0123456789\r\n");
    SAME(reply_bulk_str(r, "text"), "$4\r\ntext\r\n");
    SAME(reply_bulk_int(r, -42), "$3\r\n-42\r\n");
    SAME(reply_bulk_int(r, INT64_MIN), "$20\r\n-9223372036854775808\r\n");
    SAME(reply_bulkf(r, "%s:%d", "a", 12), "$4\r\na:12\r\n");
    SAME(reply_bulkf(r, "%s", ""), "$0\r\n\r\n");
    SAME(reply_raw(r, SLICE("+raw\r\n")), "+raw\r\n");
    SAME(reply_raw(r, slice_of(NULL, 0)), "");
}

/* Headers and bodies of every length around the widths of a header and of a formatted text. */
static void bulk_lengths(void **state)
{
    static const size_t lens[] = {1, 9, 10, 99, 100, 254, 255, 256, 257, 999, 1000, 16383, 100000};
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        size_t len = lens[i];
        char *text = malloc(len + 1), *wanted = malloc(len + 32);
        memset(text, 'a' + (int)(i % 26), len);
        text[len] = '\0';
        int total = sprintf(wanted, "$%zu\r\n%s\r\n", len, text);
        struct reply_buffer r;
        for (int way = 0; way < 2; way++) {
            reply_buffer_init(&r);
            if (way == 0)
                reply_bulk(&r, slice_of(text, len));
            else
                reply_bulkf(&r, "%s", text);
            assert_int_equal(r.bytes.len, total);
            assert_memory_equal(r.bytes.data, wanted, (size_t)total);
            reply_buffer_free(&r);
        }
        total = sprintf(wanted, "-ERR %s\r\n", text);
        reply_buffer_init(&r);
        reply_errorf(&r, "ERR %s", text);
        assert_int_equal(r.bytes.len, total);
        assert_memory_equal(r.bytes.data, wanted, (size_t)total);
        reply_buffer_free(&r);
        free(text);
        free(wanted);
    }
}

static void nulls_and_booleans(void **state)
{
    BOTH(reply_null(r), "$-1\r\n", "_\r\n");
    BOTH(reply_null_array(r), "*-1\r\n", "_\r\n");
    BOTH(reply_bool(r, true), ":1\r\n", "#t\r\n");
    BOTH(reply_bool(r, false), ":0\r\n", "#f\r\n");
}

static void numbers(void **state)
{
    BOTH(reply_double(r, 1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    BOTH(reply_double(r, 0), "$1\r\n0\r\n", ",0\r\n");
    BOTH(reply_double(r, -0.0), "$2\r\n-0\r\n", ",-0\r\n");
    BOTH(reply_double(r, 3), "$1\r\n3\r\n", ",3\r\n");
    BOTH(reply_double(r, 0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
    BOTH(reply_double(r, (double)INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    BOTH(reply_double(r, (double)-INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    BOTH(reply_double(r, (double)NAN), "$3\r\nnan\r\n", ",nan\r\n");
    SAME(reply_long_double(r, 10.5L), "$4\r\n10.5\r\n");
    BOTH(reply_human_double(r, 10.5L), "$4\r\n10.5\r\n", ",10.5\r\n");
    BOTH(reply_big_number(r, SLICE("1234567999999999999999999999999999999")),
         "$37\r\n1234567999999999999999999999999999999\r\n",
         "(1234567999999999999999999999999999999\r\n");
    BOTH(reply_verbatim(r, "txt", SLICE("This is")), "$7\r\nThis is\r\n", "=11\r\ntxt:This is\r\n");
    BOTH(reply_verbatim(r, "mkd", SLICE("")), "$0\r\n\r\n", "=4\r\nmkd:\r\n");
}

static void aggregates(void **state)
{
    SAME(reply_array(r, 0), "*0\r\n");
    SAME(reply_array(r, 12), "*12\r\n");
    SAME(reply_array(r, 123456), "*123456\r\n");
    BOTH(reply_map(r, 7), "*14\r\n", "%7\r\n");
    BOTH(reply_set(r, 3), "*3\r\n", "~3\r\n");
    BOTH(reply_push(r, 3), "*3\r\n", ">3\r\n");

    struct reply_buffer r;
    reply_buffer_init(&r);
    r.resp3 = true;
    reply_attribute(&r, 1);
    assert_true(slice_eq(bytes_slice(&r.bytes), SLICE("|1\r\n")));
    reply_buffer_free(&r);
}

static void help(void **state)
{
    static const char *const lines_of_help[] = {"GET <key>", "    Gets.", NULL};
    SAME(reply_help(r, "object", lines_of_help),
         "*5\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"
         "+GET <key>\r\n+    Gets.\r\n+HELP\r\n+    Prints this help.\r\n");
}

static void deferred_array(struct reply_buffer *r, size_t count)
{
    reply_simple(r, "before");
    size_t mark = reply_array_deferred(r);
    for (size_t i = 0; i < count; i++)
        reply_int(r, (int64_t)i);
    reply_array_patch(r, mark, count);
    reply_simple(r, "after");
}

static void deferred_lengths(void **state)
{
    static const size_t counts[] = {0, 1, 9, 10, 11, 99, 100, 101, 1000, 12345};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct reply_buffer r, wanted;
        reply_buffer_init(&r);
        reply_buffer_init(&wanted);
        deferred_array(&r, counts[i]);
        reply_simple(&wanted, "before");
        reply_array(&wanted, counts[i]);
        for (size_t n = 0; n < counts[i]; n++)
            reply_int(&wanted, (int64_t)n);
        reply_simple(&wanted, "after");
        assert_true(slice_eq(bytes_slice(&r.bytes), bytes_slice(&wanted.bytes)));
        reply_buffer_free(&r);
        reply_buffer_free(&wanted);
    }
}

static void deferred_maps_and_sets(void **state)
{
    BOTH(
        {
            size_t map = reply_array_deferred(r);
            size_t set = reply_array_deferred(r);
            reply_int(r, 1);
            reply_set_patch(r, set, 12);
            reply_map_patch(r, map, 5);
        },
        "*10\r\n*12\r\n:1\r\n", "%5\r\n~12\r\n:1\r\n");
}

static void count_release(void *owner)
{
    ++*(int *)owner;
}

/* The bytes as a peer would get them: references between the buffer's bytes. */
static char *interleave(const struct reply_buffer *r, size_t *len)
{
    char *all = malloc(r->bytes.len + r->reference_bytes + 1);
    size_t done = 0;
    *len = 0;
    for (uint32_t i = 0; i <= r->reference_count; i++) {
        size_t until = i < r->reference_count ? r->references[i].at : r->bytes.len;
        memcpy(all + *len, r->bytes.data + done, until - done);
        *len += until - done;
        done = until;
        if (i < r->reference_count) {
            memcpy(all + *len, r->references[i].body.data, r->references[i].body.len);
            *len += r->references[i].body.len;
        }
    }
    return all;
}

/* References keep their places when headers of any width are patched in before, between and
 * around them. */
static void references_and_patches(void **state)
{
    char *body = malloc(REPLY_REFERENCE_MIN + 30);
    memset(body, 'b', REPLY_REFERENCE_MIN + 30);
    static const size_t counts[] = {1, 10, 100, 1000};
    for (size_t outer = 0; outer < COUNT_OF(counts); outer++) {
        for (size_t inner = 0; inner < COUNT_OF(counts); inner++) {
            struct reply_buffer r, plain;
            int released = 0, used = 0;
            reply_buffer_init(&r);
            reply_buffer_init(&plain);

            reply_bulk_reference(&r, slice_of(body, REPLY_REFERENCE_MIN), count_release, &released);
            size_t outer_mark = reply_array_deferred(&r);
            reply_bulk_reference(&r, slice_of(body, REPLY_REFERENCE_MIN + 1), count_release,
                                 &released);
            size_t inner_mark = reply_array_deferred(&r);
            reply_bulk_reference(&r, slice_of(body, REPLY_REFERENCE_MIN + 2), count_release,
                                 &released);
            reply_array_patch(&r, inner_mark, counts[inner]);
            reply_bulk_reference(&r, slice_of(body, REPLY_REFERENCE_MIN + 3), NULL, NULL);
            reply_array_patch(&r, outer_mark, counts[outer]);
            reply_ok(&r);
            used = 3;

            reply_bulk(&plain, slice_of(body, REPLY_REFERENCE_MIN));
            reply_array(&plain, counts[outer]);
            reply_bulk(&plain, slice_of(body, REPLY_REFERENCE_MIN + 1));
            reply_array(&plain, counts[inner]);
            reply_bulk(&plain, slice_of(body, REPLY_REFERENCE_MIN + 2));
            reply_bulk(&plain, slice_of(body, REPLY_REFERENCE_MIN + 3));
            reply_ok(&plain);

            size_t len;
            char *all = interleave(&r, &len);
            assert_int_equal(r.reference_count, 4);
            assert_int_equal(len, plain.bytes.len);
            assert_memory_equal(all, plain.bytes.data, len);
            assert_int_equal(released, 0);
            reply_buffer_clear(&r);
            assert_int_equal(released, used);
            assert_int_equal(r.reference_bytes, 0);
            reply_buffer_free(&r);
            assert_int_equal(released, used);
            reply_buffer_free(&plain);
            free(all);
        }
    }
    free(body);
}

static void small_references_are_copied(void **state)
{
    struct reply_buffer r;
    int released = 0;
    char *body = malloc(REPLY_REFERENCE_MIN);
    memset(body, 'x', REPLY_REFERENCE_MIN);
    reply_buffer_init(&r);
    reply_bulk_reference(&r, slice_of(body, REPLY_REFERENCE_MIN - 1), count_release, &released);
    assert_int_equal(released, 1);
    assert_int_equal(r.reference_count, 0);
    assert_int_equal(r.bytes.len, 8 + REPLY_REFERENCE_MIN - 1 + 2);
    reply_bulk_reference(&r, slice_of(body, REPLY_REFERENCE_MIN), count_release, &released);
    assert_int_equal(released, 1);
    assert_int_equal(r.reference_count, 1);
    reply_buffer_free(&r);
    assert_int_equal(released, 2);
    free(body);
}

static void muted(void **state)
{
    struct reply_buffer r;
    int released = 0;
    static char body[REPLY_REFERENCE_MIN];
    reply_buffer_init(&r);
    reply_ok(&r);
    r.muted = true;
    size_t mark = reply_array_deferred(&r);
    reply_bulk_reference(&r, slice_of(body, sizeof body), count_release, &released);
    assert_int_equal(released, 1);
    reply_array_patch(&r, mark, 1000);
    reply_map_patch(&r, mark, 1000);
    assert_true(slice_eq(bytes_slice(&r.bytes), SLICE("+OK\r\n")));
    assert_int_equal(r.reference_count, 0);

    /* Muted between the mark and the patch: the announced array must not stay open. */
    r.muted = false;
    mark = reply_array_deferred(&r);
    r.muted = true;
    reply_array_patch(&r, mark, 0);
    assert_true(slice_eq(bytes_slice(&r.bytes), SLICE("+OK\r\n*0\r\n")));
    reply_buffer_free(&r);
}

/* A buffer that once was huge does not stay so. */
static void clear_lets_go(void **state)
{
    struct reply_buffer r;
    reply_buffer_init(&r);
    for (int i = 0; i < 40000; i++)
        reply_bulk(&r,
                   SLICE("0123456789012345678901234567890123456789012345678901234567890123456789"));
    reply_buffer_clear(&r);
    assert_int_equal(r.bytes.cap, 0);
    reply_ok(&r);
    assert_true(slice_eq(bytes_slice(&r.bytes), SLICE("+OK\r\n")));
    reply_buffer_clear(&r);
    assert_true(r.bytes.cap > 0);
    reply_buffer_free(&r);
}

/* By exchange and by copy; what was held goes along, the dialect does not. */
static void moves(void **state)
{
    for (size_t cap_max = 0; cap_max <= 1 << 20; cap_max += 1 << 20) {
        static char body[REPLY_REFERENCE_MIN];
        struct reply_buffer from, to;
        int released = 0;
        size_t len;
        reply_buffer_init(&from);
        reply_buffer_init(&to);
        from.resp3 = true;
        for (int round = 0; round < 3; round++) {
            reply_null(&from);
            reply_bulk_reference(&from, slice_of(body, sizeof body), count_release, &released);
            reply_ok(&from);
            char *before = interleave(&from, &len), *after;
            size_t was = len;
            reply_buffer_move(&to, &from, cap_max);
            after = interleave(&to, &len);
            assert_int_equal(len, was);
            assert_memory_equal(before, after, len);
            free(before);
            free(after);
            assert_true(from.bytes.len == 0 && from.reference_count == 0);
            assert_true(from.reference_bytes == 0 && from.resp3 && !to.resp3);
            reply_buffer_clear(&from);
            assert_int_equal(released, round);
            reply_buffer_clear(&to);
            assert_int_equal(released, round + 1);
        }
        reply_buffer_free(&from);
        reply_buffer_free(&to);
    }
}

/* From every position on what is left is what was there; references within what is gone are
 * released, once. */
static void skips(void **state)
{
    static char body[2][REPLY_REFERENCE_MIN];
    memset(body[0], 'a', sizeof body[0]);
    memset(body[1], 'b', sizeof body[1]);
    uint64_t size = 1;
    for (uint64_t skip = 0; skip <= size;) {
        struct reply_buffer r;
        int released[2] = {0};
        size_t len;
        reply_buffer_init(&r);
        reply_ok(&r);
        for (int i = 0; i < 2; i++)
            reply_bulk_reference(&r, slice_of(body[i], sizeof body[i]), count_release,
                                 &released[i]);
        char *before = interleave(&r, &len);
        size = reply_buffer_size(&r);
        assert_int_equal(size, len);
        size_t first_end = 5 + 8 + sizeof body[0], second_end = first_end + 2 + 8 + sizeof body[1];
        reply_buffer_skip(&r, skip);
        assert_int_equal(reply_buffer_size(&r), size - skip);
        char *after = interleave(&r, &len);
        assert_int_equal(len, size - skip);
        assert_memory_equal(before + skip, after, len);
        assert_int_equal(released[0], skip >= first_end);
        assert_int_equal(released[1], skip >= second_end);
        free(before);
        free(after);
        reply_buffer_skip(&r, (size - skip) / 2); /* and what is left of that, again */
        reply_buffer_skip(&r, reply_buffer_size(&r));
        assert_true(released[0] == 1 && released[1] == 1);
        assert_true(r.bytes.len == 0 && r.reference_count == 0 && r.reference_bytes == 0);
        reply_ok(&r);
        assert_true(slice_eq(bytes_slice(&r.bytes), SLICE("+OK\r\n")));
        reply_buffer_free(&r);
        bool inside =
            (skip > 20 && skip < first_end - 5) || (skip > first_end + 20 && skip < second_end - 5);
        skip += inside ? 997 : 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(integers),
        cmocka_unit_test(bulks),
        cmocka_unit_test(bulk_lengths),
        cmocka_unit_test(nulls_and_booleans),
        cmocka_unit_test(numbers),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(help),
        cmocka_unit_test(deferred_lengths),
        cmocka_unit_test(deferred_maps_and_sets),
        cmocka_unit_test(references_and_patches),
        cmocka_unit_test(small_references_are_copied),
        cmocka_unit_test(muted),
        cmocka_unit_test(clear_lets_go),
        cmocka_unit_test(moves),
        cmocka_unit_test(skips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
