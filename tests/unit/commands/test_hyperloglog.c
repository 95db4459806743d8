/* test_hyperloglog.c - the hyperloglog family: replies, what is logged and notified, kept
 * counts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

#define NO_SKETCH "-WRONGTYPE Key is not a valid HyperLogLog string value."
#define CORRUPT   "-INVALIDOBJ Corrupted HLL object detected"
#define HEAD      "HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80"

static struct engine_fixture f;

static void test_add(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "PFADD k", ":1");
    EXPECT(&f, "PFADD k", ":0");
    EXPECT(&f, "PFADD k a b a", ":1");
    EXPECT(&f, "PFADD k b", ":0");
    EXPECT(&f, "PFADD n a b", ":1");
    EXPECT_LOG(&f, "PFADD k; PFADD k a b a; PFADD n a b");
    EXPECT_EVENTS(&f, "$:pfadd:k $:pfadd:k $:pfadd:n");
    EXPECT_DIRTY(&f, 6);
    assert_string_equal(fixture_encoding(&f, "k"), "raw");
    EXPECT(&f, "PFDEBUG TODENSE k", ":1");
    EXPECT(&f, "PFADD k a", ":0");
    EXPECT(&f, "PFADD k c d", ":1");
    EXPECT(&f, "PFCOUNT k", ":4");
    EXPECT(&f, "STRLEN k", ":12304");
}

static void test_kept_count(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "PFCOUNT none", ":0");
    EXPECT(&f, "PFADD k a b", ":1");
    EXPECT(&f, "PFCOUNT k", ":2");
    EXPECT(&f, "PFCOUNT k", ":2");
    EXPECT(&f, "GETRANGE k 8 8", "$1\r\n\2");
    EXPECT(&f, "PFCOUNT k k none", ":2");
    EXPECT(&f, "PFCOUNT none none", ":0");
    EXPECT_LOG(&f, "PFADD k a b; PFCOUNT k"); /* only what changed the string */
    fixture_run(&f, "SETRANGE k 8 \"\\x07\"");
    EXPECT(&f, "PFCOUNT k", ":7"); /* what is kept is what is answered */
    EXPECT(&f, "PFCOUNT k none", ":2");
    EXPECT(&f, "PFADD k c", ":1");
    EXPECT(&f, "PFCOUNT k", ":3");
}

static void test_merge(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "PFADD a 1 2 3", ":1");
    EXPECT(&f, "PFADD b 3 4", ":1");
    EXPECT(&f, "PFMERGE m a b none", "+OK");
    EXPECT(&f, "PFCOUNT m", ":4");
    EXPECT(&f, "PFDEBUG ENCODING m", "+sparse");
    EXPECT(&f, "PFDEBUG TODENSE b", ":1");
    EXPECT(&f, "PFDEBUG TODENSE b", ":0");
    EXPECT(&f, "PFMERGE m b", "+OK");
    EXPECT(&f, "PFDEBUG ENCODING m", "+dense");
    EXPECT(&f, "PFDEBUG DECODE m", "-ERR HLL encoding is not sparse");
    EXPECT(&f, "PFCOUNT m a", ":4");
    EXPECT(&f, "PFMERGE new", "+OK");
    EXPECT(&f, "PFDEBUG DECODE new", "$7\r\nZ:16384");
    EXPECT(&f, "PFSELFTEST", "+OK");
}

static void test_bound(void **state)
{
    (void)state;
    fixture_reset(&f);
    int64_t *bound = &keyspace_options(f.server.keyspace)->limits.hll_sparse_max_bytes;
    int64_t before = *bound;
    EXPECT(&f, "PFADD k x", ":1");
    EXPECT(&f, "STRLEN k", ":20");
    RELAXED_STORE(bound, 20);
    EXPECT(&f, "PFADD k y", ":1");
    EXPECT(&f, "PFDEBUG ENCODING k", "+dense");
    EXPECT(&f, "PFADD n x", ":1");
    EXPECT(&f, "PFDEBUG ENCODING n", "+sparse");
    RELAXED_STORE(bound, 19);
    EXPECT(&f, "PFADD o x", ":1");
    EXPECT(&f, "PFDEBUG ENCODING o", "+dense");
    RELAXED_STORE(bound, before);
}

static void test_errors(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "SET s text", "+OK");
    EXPECT(&f, "SET c \"" HEAD "\\x7f\\xfe\"", "+OK");
    EXPECT(&f, "PFADD l a", WRONG_TYPE);
    EXPECT(&f, "PFCOUNT l", WRONG_TYPE);
    EXPECT(&f, "PFMERGE l none", WRONG_TYPE);
    EXPECT(&f, "PFADD s a", NO_SKETCH);
    EXPECT(&f, "PFCOUNT none s", NO_SKETCH);
    EXPECT(&f, "PFMERGE none s", NO_SKETCH);
    EXPECT(&f, "PFCOUNT c", CORRUPT);
    EXPECT(&f, "PFCOUNT c none", CORRUPT);
    EXPECT(&f, "PFMERGE none c", CORRUPT);
    EXPECT(&f, "PFDEBUG TODENSE c", CORRUPT);
    EXPECT(&f, "PFDEBUG GETREG c", CORRUPT);
    EXPECT(&f, "PFDEBUG GETREG none", "-ERR The specified key does not exist");
    EXPECT(&f, "PFDEBUG what c", "-ERR Unknown PFDEBUG subcommand 'what'");
    EXPECT(&f, "EXISTS none", ":0");
    EXPECT(&f, "STRLEN c", ":18");
}

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, (const struct command *const[]){string_commands, generic_commands,
                                                     hyperloglog_commands, NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add), cmocka_unit_test(test_kept_count), cmocka_unit_test(test_merge),
        cmocka_unit_test(test_bound), cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
