/* The request parser: every case is fed whole, cut in two at every place, and byte by byte, each
 * time in exact-size buffers that move; what is parsed must never depend on that. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "proto/request.h"

static const struct request_limits defaults = {REQUEST_MULTIBULK_MAX, REQUEST_BULK_MAX, true};
static const struct request_limits before_auth = {REQUEST_MULTIBULK_MAX, REQUEST_BULK_MAX, false};

/* A connection's input: what is buffered, and a transcript of what was parsed of it. */
struct feed {
    struct request_parser parser;
    struct request_vector vector;
    const struct request_limits *limits;
    char *data;
    size_t len;
    size_t wanted; /* of the last INCOMPLETE; 0 when nothing is buffered */
    bool bad;
    char *text; /* "[SET|k|v]" per command, "!error" at the end */
    size_t text_len;
};

static void say(struct feed *f, const char *data, size_t len)
{
    f->text = realloc(f->text, f->text_len + len * 4 + 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        bool plain = c >= ' ' && c < 0x7f;
        f->text_len += (size_t)sprintf(f->text + f->text_len, plain ? "%c" : "\\x%02x", c);
    }
    f->text[f->text_len] = '\0';
}

static void feed_start(struct feed *f, const struct request_limits *limits)
{
    *f = (struct feed){.limits = limits};
    request_parser_init(&f->parser);
    say(f, "", 0);
}

static void feed_stop(struct feed *f)
{
    request_parser_free(&f->parser);
    request_vector_free(&f->vector);
    free(f->data);
    free(f->text);
}

/* Arrival of bytes: parses what is complete, in a buffer that is new each time. */
static void feed(struct feed *f, const char *bytes, size_t len)
{
    size_t taken = 0;
    char *data = malloc(f->len + len);
    if (f->len)
        memcpy(data, f->data, f->len);
    memcpy(data + f->len, bytes, len);
    free(f->data);
    f->data = data;
    f->len += len;

    f->wanted = 0;
    while (!f->bad && taken < f->len) {
        struct request request;
        enum request_result result =
            request_parse(&f->parser, f->limits, &f->vector, f->data + taken, f->len - taken,
                          &request, &f->wanted);
        if (result == REQUEST_INCOMPLETE) {
            assert_true(f->wanted > 0);
            break;
        }
        f->wanted = 0;
        if (result == REQUEST_BAD) {
            f->bad = true;
            say(f, "!", 1);
            say(f, f->parser.error, strlen(f->parser.error));
            break;
        }
        say(f, "[", 1);
        for (uint32_t i = 0; i < request.argc; i++) {
            say(f, "|", i > 0);
            say(f, request.argv[i].data, request.argv[i].len);
        }
        say(f, "]", 1);
        assert_true(request.size > 0 && request.size <= f->len - taken);
        taken += request.size;
    }
    request_vector_reset(&f->vector);
    f->len -= taken;
    data = malloc(f->len ? f->len : 1);
    memcpy(data, f->data + taken, f->len);
    free(f->data);
    f->data = data;
}

static void expect(const struct request_limits *limits, struct slice input, const char *transcript,
                   size_t wanted)
{
    struct feed f;
    for (size_t cut = 0; cut <= input.len; cut++) { /* cut == len: whole; cut == 0: byte by byte */
        feed_start(&f, limits);
        if (cut > 0) {
            feed(&f, input.data, cut);
            if (cut < input.len)
                feed(&f, input.data + cut, input.len - cut);
        } else {
            for (size_t i = 0; i < input.len; i++)
                feed(&f, input.data + i, 1);
        }
        assert_string_equal(f.text, transcript);
        if (!f.bad)
            assert_int_equal(f.wanted, wanted);
        feed_stop(&f);
    }
}

#define PARSES(input, transcript)         expect(&defaults, SLICE(input), transcript, 0)
#define WANTS(input, transcript, missing) expect(&defaults, SLICE(input), transcript, missing)

static void multibulk(void **state)
{
    PARSES("*1\r\n$4\r\nPING\r\n", "[PING]");
    PARSES("*3\r\n$3\r\nSET\r\n$16\r\n0123456789abcdef\r\n$0\r\n\r\n", "[SET|0123456789abcdef|]");
    PARSES("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n", "[GET|k][PING]");
    PARSES("*1\r\n$7\r\n\r\n*$\0x\xff\r\n", "[\\x0d\\x0a*$\\x00x\\xff]");
    PARSES("*12\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n"
           "$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n$1\r\nl\r\n",
           "[a|b|c|d|e|f|g|h|i|j|k|l]");
}

static void empty_commands(void **state)
{
    PARSES("*0\r\n", "[]");
    PARSES("*-1\r\n*-9223372036854775808\r\nPING\r\n", "[][][PING]");
    PARSES("\r\n\n  \r\n", "[][][]");
    PARSES("*0\r\n*1\r\n$4\r\nPING\r\n", "[][PING]");
}

/* Redis skips the byte behind a CR and the two behind an argument without a look; clients got
 * used to it. */
static void unverified_terminators(void **state)
{
    PARSES("*1\rX$4\rYPINGZZ", "[PING]");
    PARSES("*2\r\n$1\r\naXX$1\r\nb\r\r*0\r\n", "[a|b][]");
    PARSES("*1\r\r$1\r\r\r\r\r", "[\\x0d]");
}

static void inline_commands(void **state)
{
    PARSES("PING\r\n", "[PING]");
    PARSES("PING\n", "[PING]");
    PARSES("\rPING\r\r\n", "[PING]");
    PARSES(" set  k \"a b\\x41\" 'c d' \"\"\r\nGET k\n", "[set|k|a bA|c d|][GET|k]");
    PARSES("$4\r\nPING\r\n", "[$4][PING]");
    PARSES("a\0b c\n", "[a\\x00b|c]");
    PARSES("GET \"a\n", "!Protocol error: unbalanced quotes in request");
    PARSES("GET 'a'b\r\n", "!Protocol error: unbalanced quotes in request");
}

static void missing_bytes(void **state)
{
    WANTS("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\nabc", "", 999);
    WANTS("*2\r\n$3\r\nGET\r\n$3\r\nkey", "", 2);
    WANTS("*2\r\n$3\r\nGET\r\n$3\r\nkey\r", "", 1);
    WANTS("*2\r\n$3\r\nGET\r\n$3\r\n", "", 5);
    WANTS("*2\r\n$3\r\nGET\r\n$3\r", "", 1);
    WANTS("*2\r\n$3\r\nGET\r\n", "", 1);
    WANTS("*", "", 1);
    WANTS("PIN", "", 1);
    WANTS("*1\r\n$4\r\nPING\r\n*1\r\n$536870912\r\n", "[PING]", 536870914);
}

static void bad_multibulk_lengths(void **state)
{
    static const char error[] = "!Protocol error: invalid multibulk length";
    PARSES("*\r\n", error);
    PARSES("*x\r\n", error);
    PARSES("*+1\r\n", error);
    PARSES("*01\r\n", error);
    PARSES("*-0\r\n", error);
    PARSES("*1 \r\n$4\r\nPING\r\n", error);
    PARSES("* 1\r\n", error);
    PARSES("*1\n$4\nPING\n\r\n", error);
    PARSES("*2147483648\r\n", error);
    PARSES("*9223372036854775808\r\n", error);
    PARSES("*1\0\r\n", error);
    WANTS("*2147483647\r\n", "", 1);
    PARSES("PING\r\n*abc\r\n", "[PING]!Protocol error: invalid multibulk length");
}

static void bad_bulk_lengths(void **state)
{
    static const char error[] = "!Protocol error: invalid bulk length";
    PARSES("*1\r\n$\r\n", error);
    PARSES("*1\r\n$-1\r\n", error);
    PARSES("*1\r\n$01\r\na\r\n", error);
    PARSES("*1\r\n$00\r\n\r\n", error);
    PARSES("*1\r\n$1x\r\na\r\n", error);
    PARSES("*1\r\n$4294967297\r\na\r\n", error);
    PARSES("*1\r\n$18446744073709551617\r\na\r\n", error);
    PARSES("*2\r\n$3\r\nGET\r\n$536870913\r\n", error);
    PARSES("*2\r\n$3\r\nGET\r\n$x\r\n", error);
}

static void missing_dollar(void **state)
{
    PARSES("*1\r\nPING\r\n", "!Protocol error: expected '$', got 'P'");
    PARSES("*2\r\n$3\r\nGET\r\n:1\r\n", "!Protocol error: expected '$', got ':'");
    PARSES("*1\r\n\0\r\n", "!Protocol error: expected '$', got ' '");
    PARSES("*1\r\n\r\n", "!Protocol error: expected '$', got '\\x0d'");
    /* Nothing is judged before its line is complete. */
    WANTS("*1\r\nPING", "", 1);
}

/* An input of `head`, `fill` times 'x' and `tail`. */
static void expect_long(const struct request_limits *limits, const char *head, size_t fill,
                        struct slice tail, const char *ending)
{
    size_t head_len = strlen(head), len = head_len + fill + tail.len;
    char *input = malloc(len);
    memcpy(input, head, head_len);
    memset(input + head_len, 'x', fill);
    memcpy(input + head_len + fill, tail.data, tail.len);

    static const size_t pieces[] = {1 << 20, 65537, 65536, 4099, 37};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct feed f;
        feed_start(&f, limits);
        for (size_t at = 0; at < len; at += pieces[i])
            feed(&f, input + at, MIN_OF(pieces[i], len - at));
        size_t text = strlen(ending);
        assert_true(f.text_len >= text);
        assert_string_equal(f.text + f.text_len - text, ending);
        feed_stop(&f);
    }
    free(input);
}

/* A line may have REQUEST_INLINE_MAX bytes before its end, and not one more. */
static void line_limits(void **state)
{
    size_t max = REQUEST_INLINE_MAX;
    expect_long(&defaults, "", max, SLICE("\n"), "x]");
    expect_long(&defaults, "", max - 1, SLICE("\r\n"), "x]");
    expect_long(&defaults, "", max, SLICE(""), "");
    expect_long(&defaults, "", max + 1, SLICE(""), "!Protocol error: too big inline request");
    expect_long(&defaults, "", max + 1, SLICE("\n"), "!Protocol error: too big inline request");
    expect_long(&defaults, "", max, SLICE("\r\n"), "!Protocol error: too big inline request");

    expect_long(&defaults, "*", max - 1, SLICE("\r\n"),
                "!Protocol error: invalid multibulk length");
    expect_long(&defaults, "*", max, SLICE("\r\n"), "!Protocol error: too big mbulk count string");
    expect_long(&defaults, "*", max - 1, SLICE(""), "");
    expect_long(&defaults, "*1\r\n$", max - 1, SLICE("\r\n"),
                "!Protocol error: invalid bulk length");
    expect_long(&defaults, "*1\r\n$", max, SLICE("\r\n"),
                "!Protocol error: too big bulk count string");
    expect_long(&defaults, "*1\r\n", max + 1, SLICE(""),
                "!Protocol error: too big bulk count string");
}

static void limits_before_auth(void **state)
{
    const struct request_limits *l = &before_auth;
    expect(l, SLICE("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n"), "[AUTH|x]", 0);
    expect(l, SLICE("*10\r\n"), "", 1);
    expect(l, SLICE("*11\r\n"), "!Protocol error: unauthenticated multibulk length", 0);
    expect(l, SLICE("*2147483648\r\n"), "!Protocol error: invalid multibulk length", 0);
    expect(l, SLICE("*2\r\n$4\r\nAUTH\r\n$16384\r\n"), "", 16386);
    expect(l, SLICE("*2\r\n$4\r\nAUTH\r\n$16385\r\n"),
           "!Protocol error: unauthenticated bulk length", 0);
    expect(l, SLICE("*1\r\n$536870913\r\n"), "!Protocol error: invalid bulk length", 0);
    expect(l, SLICE("PING\r\n"), "[PING]", 0);
    expect_long(l, "*2\r\n$4\r\nAUTH\r\n$16384\r\n", 16384, SLICE("\r\n"), "x]");
}

static void limits_of_the_caller(void **state)
{
    const struct request_limits small = {3, 5, true};
    expect(&small, SLICE("*3\r\n$1\r\na\r\n$5\r\n12345\r\n$0\r\n\r\n"), "[a|12345|]", 0);
    expect(&small, SLICE("*4\r\n$1\r\na\r\n"), "!Protocol error: invalid multibulk length", 0);
    expect(&small, SLICE("*2\r\n$1\r\na\r\n$6\r\n123456\r\n"),
           "!Protocol error: invalid bulk length", 0);
}

/* The argv of every command of a batch stays where it is while the vector grows. */
static void argv_stays(void **state)
{
    enum { COMMANDS = 5000 };
    static struct request requests[COMMANDS];
    struct request_parser parser;
    struct request_vector vector = {0};
    size_t cap = COMMANDS * 64, len = 0, at = 0, wanted;
    char *data = malloc(cap);
    for (int i = 0; i < COMMANDS; i++)
        len += (size_t)sprintf(data + len, "*3\r\n$4\r\nECHO\r\n$4\r\n%04d\r\n$1\r\n%d\r\n", i,
                               i % 10);

    request_parser_init(&parser);
    for (int turn = 0; turn < 3; turn++, at = 0) {
        for (int i = 0; i < COMMANDS; i++) {
            assert_int_equal(request_parse(&parser, &defaults, &vector, data + at, len - at,
                                           &requests[i], &wanted),
                             REQUEST_READY);
            at += requests[i].size;
        }
        assert_int_equal(at, len);
        for (int i = 0; i < COMMANDS; i++) {
            char number[16];
            sprintf(number, "%04d", i);
            assert_int_equal(requests[i].argc, 3);
            assert_true(slice_eq(requests[i].argv[0], SLICE("ECHO")));
            assert_true(slice_eq(requests[i].argv[1], slice_str(number)));
            assert_true(slice_eq(requests[i].argv[2], slice_of(number + 3, 1)));
        }
        request_vector_reset(&vector);
    }
    request_vector_free(&vector);
    request_parser_free(&parser);
    free(data);
}

/* Reset lets go of the room that only an unusual command needed, and a large one works. */
static void many_arguments(void **state)
{
    enum { ARGC = 300000 };
    struct request_parser parser;
    struct request_vector vector = {0};
    struct request request;
    size_t wanted, len, cap = ARGC * 12 + 32;
    char *data = malloc(cap);
    len = (size_t)sprintf(data, "*%d\r\n", ARGC);
    for (int i = 0; i < ARGC; i++) {
        char text[16];
        int digits = sprintf(text, "%d", i);
        len += (size_t)sprintf(data + len, "$%d\r\n%s\r\n", digits, text);
    }
    assert_true(len <= cap);

    request_parser_init(&parser);
    /* Whole, and in two pieces: the first knows all but the last argument. */
    for (size_t first = len - 1; first <= len; first++) {
        if (first < len)
            assert_int_equal(
                request_parse(&parser, &defaults, &vector, data, first, &request, &wanted),
                REQUEST_INCOMPLETE);
        assert_int_equal(request_parse(&parser, &defaults, &vector, data, len, &request, &wanted),
                         REQUEST_READY);
        assert_int_equal(request.argc, ARGC);
        assert_int_equal(request.size, len);
        for (int i = 0; i < ARGC; i += 777)
            assert_int_equal(atoi(request.argv[i].data), i);
        request_vector_reset(&vector);
        assert_int_equal(vector.cap, 0);
        assert_true(parser.spans_cap <= 32);
    }
    request_vector_free(&vector);
    request_parser_free(&parser);
    free(data);
}

/* 100 MB that arrive in 16 KiB pieces: linear, or this would take minutes. */
static void large_command_in_pieces(void **state)
{
    const size_t size = 100 << 20, piece = 16 << 10, value = 1000;
    char *data = malloc(size + 2 * value);
    uint32_t pairs = (uint32_t)(size / (value + 24));
    size_t len = (size_t)sprintf(data, "*%u\r\n$4\r\nMSET\r\n", 1 + 2 * pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        len += (size_t)sprintf(data + len, "$7\r\n%07u\r\n$1000\r\n", i);
        memset(data + len, 'v', value);
        memcpy(data + len + value, "\r\n", 2);
        len += value + 2;
    }
    struct request_parser parser;
    struct request_vector vector = {0};
    struct request request = {0};
    size_t wanted;
    uint64_t start = clock_mono_ms();
    request_parser_init(&parser);
    for (size_t there = piece; there < len; there += piece)
        assert_int_equal(request_parse(&parser, &defaults, &vector, data, there, &request, &wanted),
                         REQUEST_INCOMPLETE);
    assert_int_equal(request_parse(&parser, &defaults, &vector, data, len, &request, &wanted),
                     REQUEST_READY);
    assert_true(clock_mono_ms() - start < 5000);
    assert_int_equal(request.argc, 1 + 2 * pairs);
    assert_int_equal(atoi(request.argv[1999].data), 999);
    assert_int_equal(request.argv[2 * pairs].len, value);
    request_vector_free(&vector);
    request_parser_free(&parser);
    free(data);
}

/* What a client announces is not allocated for; only what has arrived is. */
static void announced_counts_cost_nothing(void **state)
{
    struct request_parser parser;
    struct request_vector vector = {0};
    struct request request;
    size_t wanted;
    char data[] = "*2147483647\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
    request_parser_init(&parser);
    assert_int_equal(
        request_parse(&parser, &defaults, &vector, data, sizeof data - 1, &request, &wanted),
        REQUEST_INCOMPLETE);
    assert_true(parser.spans_cap <= 32);
    assert_true(vector.cap <= 1024);
    request_vector_free(&vector);
    request_parser_free(&parser);
}

/* Every allocation may fail: an error instead of a crash, and nothing leaks. */
static void failing_allocations(void **state)
{
    static const char input[] =
        "*12\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n"
        "$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n$1\r\nl\r\n";
    for (size_t cut = 1; cut <= sizeof input - 1; cut++) {
        for (uint64_t nth = 1; nth <= 4; nth++) {
            struct request_parser parser;
            struct request_vector vector = {0};
            struct request request;
            char data[sizeof input];
            size_t wanted;
            memcpy(data, input, sizeof input);
            request_parser_init(&parser);
            mem_inject_failure(nth);
            enum request_result result =
                request_parse(&parser, &defaults, &vector, data, cut, &request, &wanted);
            if (result == REQUEST_INCOMPLETE)
                result = request_parse(&parser, &defaults, &vector, data, sizeof input - 1,
                                       &request, &wanted);
            mem_inject_failure(0);
            if (result == REQUEST_BAD)
                assert_string_equal(parser.error,
                                    "Protocol error: out of memory for the arguments");
            else
                assert_int_equal(result, REQUEST_READY);
            request_vector_free(&vector);
            request_parser_free(&parser);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multibulk),
        cmocka_unit_test(empty_commands),
        cmocka_unit_test(unverified_terminators),
        cmocka_unit_test(inline_commands),
        cmocka_unit_test(missing_bytes),
        cmocka_unit_test(bad_multibulk_lengths),
        cmocka_unit_test(bad_bulk_lengths),
        cmocka_unit_test(missing_dollar),
        cmocka_unit_test(line_limits),
        cmocka_unit_test(limits_before_auth),
        cmocka_unit_test(limits_of_the_caller),
        cmocka_unit_test(argv_stays),
        cmocka_unit_test(many_arguments),
        cmocka_unit_test(large_command_in_pieces),
        cmocka_unit_test(announced_counts_cost_nothing),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
