/* test_bitmap.c - the bitmap family, against known answers and against a model bit by bit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rand.h"
#include "commands/commands.h"
#include "engine_fixture.h"

#define BAD_OFFSET "-ERR bit offset is not an integer or out of range"
#define BAD_TYPE                                                                                   \
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "   \
    "i64 is."

static struct engine_fixture f;

static void test_setbit_getbit(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "SETBIT k 7 1", ":0");
    EXPECT(&f, "SETBIT k 7 1", ":1");
    EXPECT(&f, "SETBIT k 8 0", ":0");
    EXPECT(&f, "SETBIT k 8 0", ":0");
    EXPECT(&f, "SETBIT k 7 0", ":1");
    EXPECT_LOG(&f, "SETBIT k 7 1; SETBIT k 8 0; SETBIT k 7 0");
    EXPECT_EVENTS(&f, "$:setbit:k $:setbit:k $:setbit:k");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "STRLEN k", ":2");
    assert_string_equal(fixture_encoding(&f, "k"), "raw");
    EXPECT(&f, "SET n 1", "+OK");
    EXPECT(&f, "GETBIT n 2", ":1");
    EXPECT(&f, "GETBIT n 3", ":1");
    EXPECT(&f, "GETBIT n 4", ":0");
    EXPECT(&f, "GETBIT n 8", ":0");
    EXPECT(&f, "GETBIT none 4294967295", ":0");
    EXPECT(&f, "GETBIT none 4294967296", BAD_OFFSET);
    EXPECT(&f, "GETBIT l -1", BAD_OFFSET);
    EXPECT(&f, "GETBIT l a", BAD_OFFSET);
    EXPECT(&f, "GETBIT l 1", WRONG_TYPE);
    EXPECT(&f, "SETBIT l -1 2", BAD_OFFSET);
    EXPECT(&f, "SETBIT l 1 2", "-ERR bit is not an integer or out of range");
    EXPECT(&f, "SETBIT l 1 a", "-ERR bit is not an integer or out of range");
    EXPECT(&f, "SETBIT l 1 1", WRONG_TYPE);
    EXPECT(&f, "SETBIT none 4294967296 1", BAD_OFFSET);
    f.settings.proto_max_bulk_len = 10;
    EXPECT(&f, "SETBIT k 80 1", BAD_OFFSET);
    EXPECT(&f, "SETBIT k 79 1", ":0");
    EXPECT(&f, "STRLEN k", ":10");
    f.settings.proto_max_bulk_len = 512 * 1024 * 1024;
    EXPECT(&f, "SET t v PXAT 99999999999999", "+OK");
    EXPECT(&f, "SETBIT t 200 1", ":0");
    EXPECT(&f, "PEXPIRETIME t", ":99999999999999");
}

static void test_largest_offset(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SETBIT k 4294967295 1", ":0");
    EXPECT(&f, "STRLEN k", ":536870912");
    EXPECT(&f, "GETBIT k 4294967295", ":1");
    EXPECT(&f, "BITPOS k 1", ":4294967295");
    EXPECT(&f, "BITCOUNT k", ":1");
    EXPECT(&f, "BITFIELD k GET u1 #4294967295 GET u2 4294967294", "*2\r\n:1\r\n:1");
    EXPECT(&f, "BITFIELD k GET u2 #2147483648", BAD_OFFSET);
    fixture_reset(&f);
}

static void test_bitcount(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "SET k foobar", "+OK");
    EXPECT(&f, "BITCOUNT k", ":26");
    EXPECT(&f, "BITCOUNT k 0 0", ":4");
    EXPECT(&f, "BITCOUNT k 1 1 BYTE", ":6");
    EXPECT(&f, "BITCOUNT k 5 30 BIT", ":17");
    EXPECT(&f, "BITCOUNT k -2 -1", ":7");
    EXPECT(&f, "BITCOUNT k 3 2", ":0");
    EXPECT(&f, "BITCOUNT k 6 100", ":0");
    EXPECT(&f, "BITCOUNT k -1 -2", ":0");
    EXPECT(&f, "BITCOUNT k -1 -2 FOO", SYNTAX);
    EXPECT(&f, "BITCOUNT k 1 2 FOO", SYNTAX);
    EXPECT(&f, "BITCOUNT k 0", ":26");
    EXPECT(&f, "BITCOUNT k -1", ":4");
    EXPECT(&f, "BITCOUNT k 6", ":0");
    EXPECT(&f, "BITCOUNT k x", NOT_INTEGER);
    EXPECT(&f, "BITCOUNT k 1 2 BIT BIT", SYNTAX);
    EXPECT(&f, "BITCOUNT k 0 b", NOT_INTEGER);
    EXPECT(&f, "BITCOUNT none 1 2", ":0");
    EXPECT(&f, "BITCOUNT none a b", NOT_INTEGER);
    EXPECT(&f, "BITCOUNT none 1 2 FOO", SYNTAX);
    EXPECT(&f, "BITCOUNT l 1 2", WRONG_TYPE);
    EXPECT(&f, "BITCOUNT l a b", NOT_INTEGER);
    EXPECT(&f, "SET e \"\"", "+OK");
    EXPECT(&f, "BITCOUNT e", ":0");
    EXPECT(&f, "BITCOUNT k -9223372036854775808 9223372036854775807 BIT", ":26");
}

static void test_bitpos(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "SET k \"\\xff\\xf0\\x00\"", "+OK");
    EXPECT(&f, "BITPOS k 0", ":12");
    EXPECT(&f, "BITPOS k 1 2", ":-1");
    EXPECT(&f, "BITPOS k 1 7 15 BIT", ":7");
    EXPECT(&f, "BITPOS k 0 0 0", ":-1");
    EXPECT(&f, "SET k \"\\xff\\xff\"", "+OK");
    EXPECT(&f, "BITPOS k 0", ":16");
    EXPECT(&f, "BITPOS k 0 1", ":16");
    EXPECT(&f, "BITPOS k 0 2", ":-1");
    EXPECT(&f, "BITPOS k 0 0 -1", ":-1");
    EXPECT(&f, "BITPOS k 0 0 20 BIT", ":-1");
    EXPECT(&f, "BITPOS k 1 9 12 BIT", ":9");
    EXPECT(&f, "BITPOS none 0", ":0");
    EXPECT(&f, "BITPOS none 1", ":-1");
    EXPECT(&f, "SET e \"\"", "+OK");
    EXPECT(&f, "BITPOS e 0", ":-1");
    EXPECT(&f, "BITPOS l 2", "-ERR The bit argument must be 1 or 0.");
    EXPECT(&f, "BITPOS l a", NOT_INTEGER);
    EXPECT(&f, "BITPOS l 1 a", NOT_INTEGER);
    EXPECT(&f, "BITPOS l 1 0", WRONG_TYPE);
    EXPECT(&f, "BITPOS none 1 a b", NOT_INTEGER);
    EXPECT(&f, "BITPOS none 1 0 1 FOO", SYNTAX);
    EXPECT(&f, "BITPOS none 1 0 1 bit", ":-1");
    EXPECT(&f, "BITPOS k 1 a", NOT_INTEGER);
    EXPECT(&f, "BITPOS k 1 0 b FOO", SYNTAX);
    EXPECT(&f, "BITPOS k 1 0 b BIT", NOT_INTEGER);
    EXPECT(&f, "BITPOS k 1 0 1 BIT BIT", SYNTAX);
}

static void test_bitop(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "MSET a \"\\xff\\x0f\" b \"\\x3c\" c \"\\x81\\x01\"", "+OK");
    EXPECT(&f, "BITOP AND d a b", ":2");
    EXPECT(&f, "GETRANGE d 0 0", "$1\r\n\x3c");
    EXPECT(&f, "BITOP OR d a c", ":2");
    EXPECT(&f, "GETRANGE d 0 1", "$2\r\n\xff\x0f");
    EXPECT(&f, "BITOP XOR d a b c", ":2");
    EXPECT(&f, "GETRANGE d 0 1", "$2\r\n\x42\x0e");
    EXPECT(&f, "BITOP NOT d b", ":1");
    EXPECT(&f, "GET d", "$1\r\n\xc3");
    EXPECT(&f, "BITOP DIFF d a b c", ":2");
    EXPECT(&f, "GET d", "$2\r\n\x42\x0e");
    EXPECT(&f, "BITOP DIFF1 d b a c", ":2");
    EXPECT(&f, "GET d", "$2\r\n\xc3\x0f");
    EXPECT(&f, "BITOP ANDOR d a b c", ":2");
    EXPECT(&f, "GET d", "$2\r\n\xbd\x01");
    EXPECT(&f, "BITOP ONE d a b c", ":2");
    EXPECT(&f, "GET d", "$2\r\n\x42\x0e");
    EXPECT(&f, "BITOP AND a a a", ":2");
    assert_string_equal(fixture_encoding(&f, "d"), "raw");
    EXPECT(&f, "BITOP AND l a b", ":2");
    EXPECT(&f, "STRLEN l", ":2");
}

static void test_bitop_destination(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "SET a x", "+OK");
    EXPECT(&f, "SET d old PXAT 99999999999999", "+OK");
    fixture_events(&f);
    fixture_log(&f);
    EXPECT(&f, "BITOP OR d a", ":1");
    EXPECT(&f, "PTTL d", ":-1");
    EXPECT(&f, "BITOP DIFF d a none", ":1");
    EXPECT(&f, "BITOP AND d none none2", ":0");
    EXPECT(&f, "BITOP AND d none", ":0");
    EXPECT_LOG(&f, "BITOP OR d a; SET d x; DEL d");
    EXPECT_EVENTS(&f, "$:set:d $:set:d g:del:d");
    EXPECT(&f, "BITOP NOPE d l", SYNTAX);
    EXPECT(&f, "BITOP NOT d l a", "-ERR BITOP NOT must be called with a single source key.");
    EXPECT(&f, "BITOP DIFF d l", "-ERR BITOP DIFF must be called with at least two source keys.");
    EXPECT(&f, "BITOP ANDOR d l", "-ERR BITOP ANDOR must be called with at least two source keys.");
    EXPECT(&f, "BITOP AND d a l", WRONG_TYPE);
    EXPECT(&f, "BITOP NOT d", "-ERR wrong number of arguments for 'bitop' command");
}

static void test_bitfield(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "BITFIELD k SET u8 0 255 GET u8 0 GET i8 0 GET u4 4 GET u16 0",
           "*5\r\n:0\r\n:255\r\n:-1\r\n:15\r\n:65280");
    EXPECT(&f, "BITFIELD k INCRBY i5 100 1 GET u4 0", "*2\r\n:1\r\n:15");
    EXPECT(&f, "BITFIELD k SET i8 #1 -2 GET i8 8 GET u8 #1", "*3\r\n:0\r\n:-2\r\n:254");
    EXPECT(&f, "BITFIELD k INCRBY u8 0 1", "*1\r\n:0");
    EXPECT(&f,
           "BITFIELD k OVERFLOW SAT INCRBY u8 0 300 INCRBY u8 0 -5 OVERFLOW FAIL INCRBY u8 0 "
           "6 INCRBY u8 0 5",
           "*4\r\n:255\r\n:250\r\n$-1\r\n:255");
    EXPECT(&f, "BITFIELD k OVERFLOW SAT INCRBY u8 0 -300 SET u8 0 -1", "*2\r\n:0\r\n:0");
    EXPECT(&f, "BITFIELD k GET u8 0", "*1\r\n:255");
    EXPECT(&f, "BITFIELD i SET i8 0 127 OVERFLOW WRAP INCRBY i8 0 1 OVERFLOW SAT INCRBY i8 0 -1",
           "*3\r\n:0\r\n:-128\r\n:-128");
    EXPECT(&f, "BITFIELD i OVERFLOW SAT SET i8 0 1000 GET i8 0 SET i8 0 -1000 GET i8 0",
           "*4\r\n:-128\r\n:127\r\n:127\r\n:-128");
    EXPECT(&f, "BITFIELD j SET i64 3 9223372036854775807 INCRBY i64 3 1 GET i64 3",
           "*3\r\n:0\r\n:-9223372036854775808\r\n:-9223372036854775808");
    EXPECT(&f, "BITFIELD j OVERFLOW SAT INCRBY i64 3 -1 SET u63 1 -1 GET u63 1",
           "*3\r\n:-9223372036854775808\r\n:1152921504606846976\r\n:9223372036854775807");
    EXPECT(&f, "BITFIELD m", "*0");
    EXPECT(&f, "BITFIELD m GET u8 0", "*1\r\n:0");
    EXPECT(&f, "EXISTS m", ":0");
    EXPECT(&f, "BITFIELD_RO i GET i8 0 GET u1 1000", "*2\r\n:-128\r\n:0");
}

static void test_bitfield_changes(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "BITFIELD k SET u8 0 0 SET u8 8 1", "*2\r\n:0\r\n:0");
    EXPECT(&f, "BITFIELD k GET u8 0 SET u8 0 0", "*2\r\n:0\r\n:0");
    EXPECT(&f, "BITFIELD k OVERFLOW FAIL SET u8 0 256", "*1\r\n$-1");
    EXPECT_LOG(&f, "BITFIELD k SET u8 0 0 SET u8 8 1");
    EXPECT_EVENTS(&f, "$:setbit:k");
    EXPECT(&f, "BITFIELD g OVERFLOW FAIL SET u1 0 5", "*1\r\n$-1");
    EXPECT(&f, "STRLEN g", ":1");
    EXPECT_LOG(&f, "BITFIELD g OVERFLOW FAIL SET u1 0 5");
    f.client.resp = 3;
    EXPECT(&f, "BITFIELD g OVERFLOW FAIL SET u1 0 5", "*1\r\n_");
}

static void test_bitfield_errors(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "BITFIELD l GET u64 0", BAD_TYPE);
    EXPECT(&f, "BITFIELD l GET i65 0", BAD_TYPE);
    EXPECT(&f, "BITFIELD l GET i0 0", BAD_TYPE);
    EXPECT(&f, "BITFIELD l GET I8 0", BAD_TYPE);
    EXPECT(&f, "BITFIELD l GET i08 0", BAD_TYPE);
    EXPECT(&f, "BITFIELD l GET i 0", BAD_TYPE);
    EXPECT(&f, "BITFIELD l GET \"\" 0", BAD_TYPE);
    EXPECT(&f, "BITFIELD l GET u63 0", WRONG_TYPE);
    EXPECT(&f, "BITFIELD l FOO", SYNTAX);
    EXPECT(&f, "BITFIELD l GET i8", SYNTAX);
    EXPECT(&f, "BITFIELD l SET i8 0", SYNTAX);
    EXPECT(&f, "BITFIELD l GET i8 ##1", BAD_OFFSET);
    EXPECT(&f, "BITFIELD l GET i8 -1", BAD_OFFSET);
    EXPECT(&f, "BITFIELD l GET i8 #9223372036854775807", BAD_OFFSET);
    EXPECT(&f, "BITFIELD l GET i8 #536870912", BAD_OFFSET);
    EXPECT(&f, "BITFIELD l GET i8 #536870911", WRONG_TYPE);
    EXPECT(&f, "BITFIELD l SET i8 0 a", NOT_INTEGER);
    EXPECT(&f, "BITFIELD l OVERFLOW foo", "-ERR Invalid OVERFLOW type specified");
    EXPECT(&f, "BITFIELD l OVERFLOW", SYNTAX);
    EXPECT(&f, "BITFIELD_RO l SET i8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand");
    EXPECT(&f, "BITFIELD_RO l SET i8 0", SYNTAX);
    EXPECT(&f, "BITFIELD_RO l GET i8 0", WRONG_TYPE);
}

/* ---- against a model: one byte for each bit ---- */

enum { MODEL_BITS = 2000 };

static unsigned char model[MODEL_BITS];

/* Sets k to random bytes in runs (so that whole words are alike) and the model to the same bits. */
static size_t make_random_string(struct rand *r)
{
    size_t len = rand_below(r, MODEL_BITS / 8) + 1;
    f.input.len = 0;
    bytes_printf(&f.input, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", len);
    unsigned char byte = 0;
    size_t run = 0;
    for (size_t i = 0; i < len; i++, run--) {
        if (run == 0) {
            static const unsigned char kinds[] = {0, 0xff, 0, 0xff, 1, 0x80};
            size_t kind = rand_below(r, 8);
            byte = kind < sizeof kinds ? kinds[kind] : (unsigned char)rand_next(r);
            run = kind < 4 ? rand_below(r, 60) + 1 : 1;
        }
        bytes_append_char(&f.input, (char)byte);
        for (int b = 0; b < 8; b++)
            model[i * 8 + (size_t)b] = byte >> (7 - b) & 1;
    }
    bytes_append_str(&f.input, "\r\n");
    fixture_feed(&f, &f.input);
    return len * 8;
}

static int64_t ask(const char *line)
{
    return strtoll(fixture_run(&f, line) + 1, NULL, 10);
}

static void check_range(size_t bits, size_t from, size_t to)
{
    char line[128];
    int64_t count = 0, first[2] = {-1, -1};
    for (size_t i = from; i <= to && i < bits; i++) {
        count += model[i];
        if (first[model[i]] < 0)
            first[model[i]] = (int64_t)i;
    }
    snprintf(line, sizeof line, "BITCOUNT k %zu %zu BIT", from, to);
    assert_int_equal(ask(line), count);
    for (int bit = 0; bit < 2; bit++) {
        snprintf(line, sizeof line, "BITPOS k %d %zu %zu BIT", bit, from, to);
        assert_int_equal(ask(line), first[bit]);
    }
}

static void test_ranges_against_model(void **state)
{
    (void)state;
    struct rand r;
    fixture_reset(&f);
    rand_seed(&r, 7);
    for (int round = 0; round < 60; round++) {
        size_t bits = make_random_string(&r);
        check_range(bits, 0, bits - 1);
        for (int i = 0; i < 20; i++) {
            size_t from = rand_below(&r, bits);
            check_range(bits, from, from + rand_below(&r, bits - from + 3));
        }
    }
}

/* Random fields of every width at every alignment; the bits around them must not change. */
static void test_fields_against_model(void **state)
{
    (void)state;
    struct rand r;
    char line[160];
    fixture_reset(&f);
    rand_seed(&r, 11);
    size_t bits = make_random_string(&r);
    for (int round = 0; round < 2000; round++) {
        unsigned width = (unsigned)rand_below(&r, 63) + 1;
        size_t at = rand_below(&r, bits + 8);
        uint64_t value = rand_next(&r) >> (64 - width), old = 0;
        for (unsigned i = 0; i < width; i++) {
            size_t bit = at + i;
            old = old << 1 | (bit < bits ? model[bit] : 0);
        }
        snprintf(line, sizeof line, "BITFIELD k GET u%u %zu", width, at);
        assert_int_equal(strtoull(fixture_run(&f, line) + 5, NULL, 10), old);
        if (at + width > bits)
            continue;
        snprintf(line, sizeof line, "BITFIELD k SET u%u %zu %llu", width, at,
                 (unsigned long long)value);
        assert_int_equal(strtoull(fixture_run(&f, line) + 5, NULL, 10), old);
        for (unsigned i = 0; i < width; i++)
            model[at + i] = value >> (width - 1 - i) & 1;
    }
    for (size_t i = 0; i < bits; i++) {
        snprintf(line, sizeof line, "GETBIT k %zu", i);
        assert_int_equal(ask(line), model[i]);
    }
}

/* BITOP over several blocks and strings of different lengths, byte by byte. */
static void test_bitop_blocks(void **state)
{
    (void)state;
    enum { SIZE = 9001 };
    static unsigned char a[SIZE], b[SIZE / 2], c[SIZE - 100];
    static const char *const names[] = {"AND", "OR", "XOR", "DIFF", "DIFF1", "ANDOR", "ONE"};
    struct rand r;
    struct {
        const char *name;
        unsigned char *data;
        size_t len;
    } sources[] = {{"a", a, sizeof a}, {"b", b, sizeof b}, {"c", c, sizeof c}};
    fixture_reset(&f);
    rand_seed(&r, 13);
    for (size_t s = 0; s < COUNT_OF(sources); s++) {
        f.input.len = 0;
        bytes_printf(&f.input, "*3\r\n$3\r\nSET\r\n$1\r\n%s\r\n$%zu\r\n", sources[s].name,
                     sources[s].len);
        for (size_t i = 0; i < sources[s].len; i++)
            sources[s].data[i] = (unsigned char)rand_next(&r);
        bytes_append(&f.input, sources[s].data, sources[s].len);
        bytes_append_str(&f.input, "\r\n");
        fixture_feed(&f, &f.input);
    }
    for (size_t n = 0; n < COUNT_OF(names); n++) {
        char line[64];
        snprintf(line, sizeof line, "BITOP %s d a b c", names[n]);
        EXPECT(&f, line, ":9001");
        const unsigned char *got = (const unsigned char *)fixture_run(&f, "GET d") + 7;
        for (size_t i = 0; i < SIZE; i++) {
            unsigned x = a[i], y = i < sizeof b ? b[i] : 0, z = i < sizeof c ? c[i] : 0;
            unsigned wanted[] = {x & y & z,
                                 x | y | z,
                                 x ^ y ^ z,
                                 x & ~(y | z),
                                 ~x & (y | z),
                                 x & (y | z),
                                 (x ^ y ^ z) & ~(x & y & z)};
            if (got[i] != (wanted[n] & 0xff))
                fail_msg("%s: byte %zu is %02x, not %02x", names[n], i, got[i], wanted[n] & 0xff);
        }
    }
}

static int open_fixture(void **state)
{
    static const struct command *const families[] = {string_commands, bitmap_commands,
                                                     generic_commands, NULL};
    (void)state;
    fixture_open(&f, families);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setbit_getbit),
        cmocka_unit_test(test_largest_offset),
        cmocka_unit_test(test_bitcount),
        cmocka_unit_test(test_bitpos),
        cmocka_unit_test(test_bitop),
        cmocka_unit_test(test_bitop_destination),
        cmocka_unit_test(test_bitfield),
        cmocka_unit_test(test_bitfield_changes),
        cmocka_unit_test(test_bitfield_errors),
        cmocka_unit_test(test_ranges_against_model),
        cmocka_unit_test(test_fields_against_model),
        cmocka_unit_test(test_bitop_blocks),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
