/* test_call.c - the verbs of a handler: keys and their hashes, arguments at their bounds, large
 * replies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "feed.h"

static struct engine_fixture f;

/* HASHES store a b ...: the keys are found by several specs, with their own hashes. */
static void hashes_command(struct call *call)
{
    for (uint32_t i = 1; i < call->argc; i++) {
        struct key key = call_key(call, i);
        struct key same = call_key_in(call, call->argv[i], call->db);
        if (key.hash != same.hash || !slice_eq(key.name, call->argv[i]) ||
            key.db != call->client->db)
            call_error(call, "ERR hash of another key");
        bool declared = false;
        for (uint32_t k = 0; k < call->key_count; k++)
            declared |= call->key_at[k] == i;
        if (declared != ((call->hold.mask & shard_bit(key.hash)) != 0) && declared)
            call_error(call, "ERR shard is not held");
    }
    if (!call->failed)
        reply_int(call->reply, call->key_count);
}

static void number_command(struct call *call)
{
    int64_t n;
    if (call_i64_range(call, 1, -5, 5, &n, call->argc > 2 ? "ERR mine" : NULL))
        reply_int(call->reply, n);
}

static void float_command(struct call *call)
{
    double d;
    if (call_double(call, 1, &d, NULL))
        reply_double(call->reply, d);
}

static const struct command own_commands[] = {
    {.name = "hashes",
     .run = hashes_command,
     .arity = -2,
     .keys = {{.flags = KEY_RO, .begin = -2, .keyword = "store", .step = 1},
              {.flags = KEY_RO, .begin = 1, .counted = true, .first = 1, .step = 1}}},
    {.name = "number", .run = number_command, .arity = -2},
    {.name = "float", .run = float_command, .arity = 2},
    {.name = NULL},
};

static int setup(void **state)
{
    (void)state;
    const struct command *const families[] = {string_commands, generic_commands,
                                              connection_commands, own_commands, NULL};
    fixture_open(&f, families);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void test_keys_and_hashes(void **state)
{
    (void)state;
    EXPECT(&f, "HASHES 2 a b", ":2");
    EXPECT(&f, "HASHES 3 a b c store d", ":4"); /* not in ascending order */
    EXPECT(&f, "HASHES 0", ":0");
    EXPECT(&f, "HASHES 9 a", ":0"); /* keys that are not there: none is held */
    EXPECT(&f, "SELECT 2", "+OK");
    EXPECT(&f, "HASHES 2 a a", ":2");
    EXPECT(&f, "SELECT 0", "+OK");
}

static void test_numbers(void **state)
{
    (void)state;
    EXPECT(&f, "NUMBER 5", ":5");
    EXPECT(&f, "NUMBER -5", ":-5");
    EXPECT(&f, "NUMBER 6", "-ERR value is out of range, value must between -5 and 5");
    EXPECT(&f, "NUMBER -6 x", "-ERR mine");
    EXPECT(&f, "NUMBER x", NOT_INTEGER);
    EXPECT(&f, "NUMBER x x", "-ERR mine");
    EXPECT(&f, "NUMBER \" 1\"", NOT_INTEGER);
    EXPECT(&f, "NUMBER 9223372036854775808", NOT_INTEGER);
    EXPECT_BULK(&f, "FLOAT 1.5", "1.5");
    EXPECT(&f, "FLOAT nan", "-ERR value is not a valid float");
    EXPECT(&f, "FLOAT 1x", "-ERR value is not a valid float");
}

/* Strings from 16 KiB on are sent from where they are, and outlive their key. */
static void test_replies_by_reference(void **state)
{
    (void)state;
    static char line[40000];
    for (unsigned size = 16383; size <= 16385; size++) {
        snprintf(line, sizeof line, "SET big %0*d", (int)size, 1);
        EXPECT(&f, line, "+OK");
        f.input.len = 0;
        feed_add(&f.input, "GET big");
        feed_add(&f.input, "DEL big");
        feed_add(&f.input, "GET big");
        size_t consumed, wanted;
        lane_feed(&f.lane, &f.client, f.input.data, f.input.len, &consumed, &wanted);
        struct reply_buffer *r = &f.lane.reply;
        assert_int_equal(r->reference_count, size >= 16384);
        if (r->reference_count != 0) {
            assert_int_equal(r->references[0].body.len, size);
            assert_int_equal(r->references[0].body.data[size - 1], '1');
            assert_int_equal(r->bytes.len, strlen("$16384\r\n\r\n:1\r\n$-1\r\n"));
        }
        reply_buffer_clear(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_and_hashes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_replies_by_reference),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
