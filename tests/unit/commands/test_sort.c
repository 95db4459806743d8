/* test_sort.c - SORT: what is logged, notified and stored; patterns; which shards it holds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void forget(void)
{
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
}

static void test_store(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "RPUSH l 3 1 2", ":3");
    EXPECT(&f, "SET t old EX 1000", "+OK");
    forget();
    EXPECT(&f, "SORT l DESC STORE t", ":3");
    EXPECT(&f, "LRANGE t 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1");
    EXPECT(&f, "TTL t", ":-1");
    assert_string_equal(fixture_encoding(&f, "t"), "listpack");
    EXPECT_LOG(&f, "SORT l DESC STORE t");
    EXPECT_EVENTS(&f, "l:sortstore:t");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "SORT l STORE l", ":3");
    EXPECT(&f, "LRANGE l 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3");
    forget();
    EXPECT(&f, "SORT none STORE t", ":0");
    EXPECT(&f, "EXISTS t", ":0");
    EXPECT_LOG(&f, "SORT none STORE t");
    EXPECT_EVENTS(&f, "g:del:t");
    EXPECT_DIRTY(&f, 1);
    EXPECT(&f, "SORT none STORE t", ":0");
    EXPECT(&f, "SORT l LIMIT 3 1 STORE t", ":0");
    EXPECT_LOG(&f, "");
    EXPECT_DIRTY(&f, 0);
}

static void test_stored_lists_have_their_form(void **state)
{
    char line[4096] = "RPUSH l";
    fixture_reset(&f);
    for (int i = 0; i < 300; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %d", i);
    EXPECT(&f, line, ":300");
    EXPECT(&f, "SORT l GET # GET none_* STORE t", ":600");
    assert_string_equal(fixture_encoding(&f, "t"), "listpack");
    EXPECT(&f, "LINDEX t 598", "$3\r\n299");
    EXPECT(&f, "LINDEX t 599", "$0\r\n");
    EXPECT(&f, "SETRANGE w_5 20000 x", ":20001");
    EXPECT(&f, "SORT l GET w_* STORE t", ":300");
    assert_string_equal(fixture_encoding(&f, "t"), "quicklist");
}

static void test_numbers(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "RPUSH l 2 10 \" 1\" \"\"", ":4");
    EXPECT(&f, "SORT l", "*4\r\n$0\r\n\r\n$2\r\n 1\r\n$1\r\n2\r\n$2\r\n10");
    EXPECT(&f, "SORT l ALPHA", "*4\r\n$0\r\n\r\n$2\r\n 1\r\n$2\r\n10\r\n$1\r\n2");
    EXPECT(&f, "RPUSH l x", ":5");
    EXPECT(&f, "SORT l", "-ERR One or more scores can't be converted into double");
    EXPECT(&f, "SORT l STORE t", "-ERR One or more scores can't be converted into double");
    EXPECT(&f, "LSET l -1 1e400", "+OK");
    EXPECT(&f, "SORT l", "-ERR One or more scores can't be converted into double");
    EXPECT(&f, "LSET l -1 nan", "+OK");
    EXPECT(&f, "SORT l", "-ERR One or more scores can't be converted into double");
    EXPECT(&f, "LSET l -1 -inf", "+OK");
    EXPECT(&f, "SORT l LIMIT 0 1", "*1\r\n$4\r\n-inf");
    EXPECT(&f, "EXISTS t", ":0");
}

static void test_text_ends_at_a_zero_byte_unless_stored(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "RPUSH l \"a\\x00z\" \"a\\x00b\" a", ":3");
    fixture_run(&f, "SORT l ALPHA STORE t");
    assert_memory_equal(fixture_run(&f, "LINDEX t 0"), "$1\r\na", 5);
    assert_memory_equal(fixture_run(&f, "LINDEX t 1"), "$3\r\na\0b", 7);
    const char *reply = fixture_run(&f, "SORT l ALPHA");
    assert_memory_equal(reply, "*3\r\n$3\r\na\0z\r\n$3\r\na\0b\r\n$1\r\na", 26);
}

static void test_patterns(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "RPUSH l 1 2", ":2");
    EXPECT(&f, "MSET w_1 20 w_2 10 1 one 2 two w_1_x a", "+OK");
    EXPECT(&f, "HSET h_1 f F -> A >f B", ":3");
    EXPECT(&f, "SORT l BY w_*", "*2\r\n$1\r\n2\r\n$1\r\n1");
    EXPECT(&f, "SORT l GET *", "*2\r\n$3\r\none\r\n$3\r\ntwo");
    EXPECT(&f, "SORT l GET w_*_x GET # GET const",
           "*6\r\n$1\r\na\r\n$1\r\n1\r\n$-1\r\n"
           "$-1\r\n$1\r\n2\r\n$-1");
    EXPECT(&f, "SORT l GET h_*->f", "*2\r\n$1\r\nF\r\n$-1");
    EXPECT(&f, "SORT l GET h_*->->", "*2\r\n$1\r\nA\r\n$-1");
    EXPECT(&f, "SORT l GET h_*->>f", "*2\r\n$1\r\nB\r\n$-1");
    /* No field behind the arrow: it is part of the name. */
    EXPECT(&f, "SET h_1-> v", "+OK");
    EXPECT(&f, "SORT l GET h_*->", "*2\r\n$1\r\nv\r\n$-1");
    /* Of wrong types nothing is found. */
    EXPECT(&f, "SORT l GET w_*->f GET h_*", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1");
    EXPECT(&f, "SORT l BY h_*->f", "-ERR One or more scores can't be converted into double");
    f.client.resp = 3;
    EXPECT(&f, "SORT l GET none_*", "*2\r\n_\r\n_");
}

/* Whatever part is asked for, it is that of the whole in order. */
static void test_parts_of_many(void **state)
{
    static const int parts[][2] = {{0, 0},   {0, 1},   {0, 10},   {3, 4},   {99, 1},  {100, 50},
                                   {148, 2}, {150, 3}, {290, 10}, {299, 1}, {250, 99}};
    char line[64], wanted[4096];
    fixture_reset(&f);
    for (int i = 0; i < 300; i++) { /* every number twice, in a mixed order */
        snprintf(line, sizeof line, "RPUSH l %d", i * 7919 % 150);
        fixture_run(&f, line);
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        int first = parts[i][0], count = MIN_OF(parts[i][1], 300 - first);
        snprintf(line, sizeof line, "SORT l LIMIT %d %d", first, parts[i][1]);
        snprintf(wanted, sizeof wanted, "*%d", count);
        for (int k = first; k < first + count; k++) {
            int value = k / 2;
            snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "\r\n$%d\r\n%d",
                     value < 10    ? 1
                     : value < 100 ? 2
                                   : 3,
                     value);
        }
        EXPECT(&f, line, wanted);
    }
    EXPECT(&f, "SORT l DESC LIMIT 0 3", "*3\r\n$3\r\n149\r\n$3\r\n149\r\n$3\r\n148");
    EXPECT(&f, "SORT l BY none_* LIMIT 0 3", "*3\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n1");
    EXPECT(&f, "SORT l ALPHA BY none_* LIMIT 0 2", "*2\r\n$1\r\n0\r\n$3\r\n119");
}

static void test_mistakes(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "HSET h f v", ":1");
    EXPECT(&f, "SORT s", WRONG_TYPE);
    EXPECT(&f, "SORT h", WRONG_TYPE);
    EXPECT(&f, "SORT s BY", SYNTAX);
    EXPECT(&f, "SORT s LIMIT 1", SYNTAX);
    EXPECT(&f, "SORT s LIMIT 1 x ALPHA nonsense", NOT_INTEGER);
    EXPECT(&f, "SORT s nonsense LIMIT 1 x", SYNTAX);
    EXPECT(&f, "SORT_RO s STORE t", SYNTAX);
    EXPECT(&f, "SORT none", "*0");
}

/* Whoever reads the log later sees all fields: so it has what was found, not the command. */
static void test_fields_that_expire(void **state)
{
    char line[4096] = "RPUSH l", wanted[4096] = "MULTI; DEL t";
    fixture_reset(&f);
    for (int i = 10; i < 75; i++) {
        snprintf(line + strlen(line), sizeof line - strlen(line), " %d", i);
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s %s",
                 (i - 10) % 32 == 0 ? "; RPUSH t" : "", i == 20 ? "x" : "");
    }
    EXPECT(&f, line, ":65");
    EXPECT(&f, "HSET h_20 f x", ":1");
    forget();
    EXPECT(&f, "SORT l GET h_*->f STORE t", ":65");
    EXPECT_LOG(&f, "SORT l GET h_*->f STORE t");
    EXPECT(&f, "HEXPIRE h_20 1000 FIELDS 1 f", "*1\r\n:1");
    forget();
    EXPECT(&f, "SORT l GET h_*->f STORE t", ":65");
    assert_string_equal(fixture_log(&f), strcat(wanted, "; EXEC"));
    EXPECT(&f, "SORT l BY h_*->f STORE t",
           "-ERR One or more scores can't be converted into double");
    EXPECT(&f, "SORT l ALPHA BY h_*->f LIMIT 65 1 STORE t", ":0");
    EXPECT_LOG(&f, "DEL t");
}

/* The shards that a command asks for: of what it names, or all. */
static uint64_t mask_of(const char *line)
{
    struct slice *args;
    uint32_t positions[16];
    uint64_t mask = 0;
    int argc = split_line(slice_str(line), &args);
    assert_in_range(argc, 1, COUNT_OF(positions));
    const struct command *row = registry_find(f.server.registry, args[0], NULL);
    assert_true(row->flags & CMD_WHOLE_KEYSPACE);
    int count = command_find_keys(row, (uint32_t)argc, args, positions, NULL, (uint32_t)argc);
    for (int i = 0; i < count; i++)
        mask |= shard_bit(keyspace_key(f.server.seed, 0, args[positions[i]]).hash);
    if (row->wants_all((uint32_t)argc, args))
        mask = HOLD_ALL;
    mem_free(args);
    return mask;
}

static uint64_t bit_of(const char *name)
{
    return shard_bit(keyspace_key(f.server.seed, 0, slice_str(name)).hash);
}

static void test_holds(void **state)
{
    assert_true(mask_of("SORT k") == bit_of("k"));
    assert_true(mask_of("SORT k ALPHA DESC LIMIT 0 1 STORE t") == (bit_of("k") | bit_of("t")));
    assert_true(mask_of("SORT k STORE t STORE u") == (bit_of("k") | bit_of("u")));
    assert_true(mask_of("SORT k GET STORE GET t") == bit_of("k"));
    assert_true(mask_of("SORT k BY nosort GET #") == bit_of("k"));
    assert_true(mask_of("SORT k BY w_*") == HOLD_ALL);
    assert_true(mask_of("SORT k GET w_* BY nosort") == HOLD_ALL);
    assert_true(mask_of("SORT_RO k GET # GET h_*->f") == HOLD_ALL);
    assert_true(mask_of("SORT_RO k STORE t") == bit_of("k"));
    assert_true(mask_of("SORT") == 0);
}

static int open_fixture(void **state)
{
    static const struct command *const families[] = {
        sort_commands, list_commands, hash_commands, string_commands, generic_commands, NULL};
    fixture_open(&f, families);
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_stored_lists_have_their_form),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text_ends_at_a_zero_byte_unless_stored),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_parts_of_many),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_fields_that_expire),
        cmocka_unit_test(test_holds),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
