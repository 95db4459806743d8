/* test_keys.c - key specifications of every form: where a command's keys are, and calls they do not
 * fit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "engine/registry.h"
#include "proto/split.h"

/* "2 3 5" or "bad" or "": the positions found in a command line. */
static const char *keys_of(const struct command *command, const char *line)
{
    static char text[256];
    struct slice *argv;
    int argc = split_line(slice_str(line), &argv);
    assert_true(argc > 0);
    uint32_t positions[32];
    uint16_t flags[32];
    int count = command_find_keys(command, (uint32_t)argc, argv, positions, flags, 32);
    int plain = command_find_keys(command, (uint32_t)argc, argv, positions, NULL, (uint32_t)argc);
    assert_int_equal(count, plain);
    mem_free(argv);
    text[0] = '\0';
    if (count < 0)
        strcpy(text, "bad");
    for (int i = 0; i < count; i++) {
        assert_int_equal(flags[i], command->keys[0].flags);
        assert_in_range(positions[i], 1, argc - 1);
        snprintf(text + strlen(text), 16, "%s%u", i ? " " : "", positions[i]);
    }
    return text;
}

#define EXPECT_KEYS(command, line, wanted) assert_string_equal(keys_of(command, line), wanted)
#define RANGE(...)                                                                                 \
    {                                                                                              \
        .keys = { {.flags = KEY_RO, __VA_ARGS__} }                                                 \
    }

static void test_ranges(void **state)
{
    (void)state;
    const struct command one = RANGE(.begin = 1, .step = 1),
                         all = RANGE(.begin = 1, .last = -1, .step = 1),
                         pairs = RANGE(.begin = 1, .last = -1, .step = 2),
                         but_last = RANGE(.begin = 1, .last = -2, .step = 1),
                         two = RANGE(.begin = 2, .last = 1, .step = 1),
                         no_step = RANGE(.begin = 1, .last = -1);
    EXPECT_KEYS(&one, "get", "");
    EXPECT_KEYS(&one, "get a", "1");
    EXPECT_KEYS(&one, "get a b c", "1");
    EXPECT_KEYS(&all, "del", "");
    EXPECT_KEYS(&all, "del a", "1");
    EXPECT_KEYS(&all, "del a b c", "1 2 3");
    EXPECT_KEYS(&no_step, "del a b c", "1 2 3");
    EXPECT_KEYS(&pairs, "mset a 1 b 2", "1 3");
    EXPECT_KEYS(&pairs, "mset a 1 b", "1 3");
    EXPECT_KEYS(&but_last, "blpop a b 0", "1 2");
    EXPECT_KEYS(&but_last, "blpop a", "");
    EXPECT_KEYS(&two, "object x a b c", "2 3");
    EXPECT_KEYS(&two, "object x a", "bad");
    EXPECT_KEYS(&two, "object x", "");
}

static void test_limits(void **state)
{
    (void)state;
    /* The first half of what is left, the first third: XREAD's and Redis's limits. */
    const struct command half = RANGE(.keyword = "streams", .begin = 1, .last = -1, .step = 1,
                                      .limit = 2),
                         third = RANGE(.begin = 1, .last = -1, .step = 1, .limit = 3);
    EXPECT_KEYS(&half, "xread streams a 0", "2");
    EXPECT_KEYS(&half, "xread count 2 STREAMS a b c 0 0 0", "4 5 6");
    EXPECT_KEYS(&half, "xread streams a b 0", "2");
    EXPECT_KEYS(&half, "xread streams a", "");
    EXPECT_KEYS(&half, "xread streams", "");
    EXPECT_KEYS(&half, "xread count 2", "");
    EXPECT_KEYS(&third, "x a b c d e f", "1 2");
}

static void test_keywords(void **state)
{
    (void)state;
    const struct command backwards = RANGE(.keyword = "keys", .begin = -2, .last = -1, .step = 1),
                         forwards = RANGE(.keyword = "store", .begin = 3, .step = 1);
    EXPECT_KEYS(&backwards, "migrate host port \"\" 0 10 copy keys a b", "8 9");
    EXPECT_KEYS(&backwards, "migrate host port \"\" 0 10 keys a keys b", "9"); /* the last one */
    EXPECT_KEYS(&backwards, "migrate host port key 0 10", "");
    EXPECT_KEYS(&backwards, "migrate host port key 0 10 keys", "");
    EXPECT_KEYS(&backwards, "migrate", "");
    EXPECT_KEYS(&forwards, "sort a desc STORE b", "4");
    EXPECT_KEYS(&forwards, "sort a store b", ""); /* searched from 3 on */
    EXPECT_KEYS(&forwards, "sort a desc store", "");
}

static void test_counted(void **state)
{
    (void)state;
    const struct command eval = RANGE(.begin = 2, .counted = true, .first = 1, .step = 1),
                         pairs = RANGE(.begin = 1, .counted = true, .first = 1, .step = 2);
    EXPECT_KEYS(&eval, "eval s 0", "");
    EXPECT_KEYS(&eval, "eval s 0 x", "");
    EXPECT_KEYS(&eval, "eval s 2 a b c", "3 4");
    EXPECT_KEYS(&eval, "eval s 3 a b c", "3 4 5");
    EXPECT_KEYS(&eval, "eval s 4 a b c", "bad");
    EXPECT_KEYS(&eval, "eval s 1", "bad");
    EXPECT_KEYS(&eval, "eval s -1 a", "bad");
    EXPECT_KEYS(&eval, "eval s x a", "bad");
    EXPECT_KEYS(&eval, "eval s 9223372036854775807 a", "bad");
    EXPECT_KEYS(&eval, "eval s 9223372036854775808 a", "bad");
    EXPECT_KEYS(&eval, "eval s", "");
    EXPECT_KEYS(&pairs, "x 2 a 1 b 2", "2 4");
    EXPECT_KEYS(&pairs, "x 2 a 1 b", "2 4");
    EXPECT_KEYS(&pairs, "x 3 a 1 b 2", "bad");
}

static int last_argument(uint32_t argc, const struct slice *argv, uint32_t *positions,
                         uint16_t *flags, uint32_t max)
{
    (void)argv, (void)max;
    positions[0] = argc - 1;
    if (flags != NULL)
        flags[0] = 0;
    return argc > 1 ? 1 : -1;
}

static void test_several_and_none(void **state)
{
    (void)state;
    const struct command store = {
        .keys = {{.flags = KEY_RO, .begin = 1, .step = 1},
                 {.flags = KEY_RO, .begin = 2, .counted = true, .first = 1, .step = 1}}};
    EXPECT_KEYS(&store, "zunionstore d 2 a b", "1 3 4");
    EXPECT_KEYS(&store, "zunionstore d 3 a b", "bad");
    const struct command no_keys = {.name = "ping"};
    EXPECT_KEYS(&no_keys, "ping a b", "");
    const struct command channel = RANGE(.begin = 1, .step = 1);
    struct command not_key = channel;
    not_key.keys[0].flags |= KEY_NOT_KEY;
    EXPECT_KEYS(&not_key, "spublish channel x", "");
    const struct command movable = {.find_keys = last_argument};
    EXPECT_KEYS(&movable, "x a b c", "3");
    EXPECT_KEYS(&movable, "x", "bad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),           cmocka_unit_test(test_limits),
        cmocka_unit_test(test_keywords),         cmocka_unit_test(test_counted),
        cmocka_unit_test(test_several_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
