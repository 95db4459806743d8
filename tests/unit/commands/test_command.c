/* test_command.c - COMMAND: what it says of rows, and the keys it finds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void nothing(struct call *call)
{
    reply_ok(call->reply);
}

/* Rows with the key specifications that no command here has yet. */
static const struct command odd_rows[] = {
    {.name = "eval",
     .run = nothing,
     .arity = -3,
     .flags = CMD_NOSCRIPT | CMD_MOVABLEKEYS,
     .acl = ACL_SCRIPTING,
     .group = GROUP_SCRIPTING,
     .summary = "s",
     .since = "2.6.0",
     .keys = {{.flags = KEY_RW | KEY_ACCESS, .begin = 2, .counted = true, .first = 1, .step = 1}}},
    {.name = "migrate",
     .run = nothing,
     .arity = -6,
     .flags = CMD_WRITE | CMD_MOVABLEKEYS,
     .deprecated_since = "9.0.0",
     .replaced_by = "something",
     .usage = "key#0 [COPY@3.0.0] [auth(AUTH password=word | a!4.0.0)] [KEYS key#1...]",
     .history = "3.0.0 Copies.\n4.0.0 More keys.",
     .keys = {{.flags = KEY_RW, .begin = 3, .step = 1},
              {.flags = KEY_RW | KEY_INCOMPLETE,
               .keyword = "KEYS",
               .begin = -2,
               .last = -1,
               .step = 1}}},
    {.name = "xread",
     .run = nothing,
     .arity = -4,
     .flags = CMD_READONLY | CMD_MOVABLEKEYS,
     .keys =
         {{.flags = KEY_RO, .keyword = "STREAMS", .begin = 1, .last = -1, .step = 1, .limit = 2}}},
    {.name = "sort",
     .run = nothing,
     .arity = -2,
     .flags = CMD_WRITE | CMD_MOVABLEKEYS | CMD_NO_MANDATORY_KEYS,
     .keys = {{.flags = KEY_RO, .begin = 1, .step = 1}, {.flags = KEY_OW}}},
    {.name = NULL}};

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, (const struct command *const[]){command_commands, string_commands, odd_rows,
                                                     memory_commands, NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

#define HAS(command, text) assert_non_null(strstr(fixture_run(&f, command), text))

static void test_info(void **state)
{
    (void)state;
    EXPECT(&f, "COMMAND INFO get",
           "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n"
           "+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access"
           "\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5"
           "\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec"
           "\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0");
    EXPECT(&f, "COMMAND INFO nosuch get|x", "*2\r\n$-1\r\n$-1");
    HAS("COMMAND INFO Mset", ":1\r\n:-1\r\n:2\r\n");
    HAS("COMMAND INFO eval", "$6\r\nkeynum\r\n$4\r\nspec\r\n*6\r\n$9\r\nkeynumidx\r\n:0\r\n$8\r\n"
                             "firstkey\r\n:1\r\n$7\r\nkeystep\r\n:1\r\n");
    HAS("COMMAND INFO eval", "+movablekeys\r\n:0\r\n:0\r\n:0\r\n");
    HAS("COMMAND INFO migrate", "+movablekeys\r\n:3\r\n:3\r\n:1\r\n");
    HAS("COMMAND INFO migrate", "keyword\r\n$4\r\nKEYS\r\n$9\r\nstartfrom\r\n:-2\r\n");
    HAS("COMMAND INFO sort", "$7\r\nunknown\r\n$4\r\nspec\r\n*0\r\n");
    HAS("COMMAND INFO memory|usage", "memory|usage\r\n:-3\r\n");
    f.client.resp = 3;
    HAS("COMMAND INFO get", "~2\r\n+readonly\r\n+fast\r\n");
    f.client.resp = 2;
}

static void test_docs(void **state)
{
    (void)state;
    EXPECT(&f, "COMMAND DOCS nosuch", "*0");
    EXPECT(&f, "COMMAND DOCS EVAL nosuch",
           "*2\r\n$4\r\neval\r\n*6\r\n$7\r\nsummary\r\n$1\r\ns\r\n$5\r\nsince\r\n$5\r\n2.6.0\r\n$5"
           "\r\ngroup\r\n$9\r\nscripting");
    HAS("COMMAND DOCS migrate",
        "doc_flags\r\n*1\r\n+deprecated\r\n$16\r\ndeprecated_since\r\n$5\r\n"
        "9.0.0\r\n$11\r\nreplaced_by\r\n$9\r\nsomething\r\n");
    HAS("COMMAND DOCS migrate",
        "history\r\n*2\r\n*2\r\n$5\r\n3.0.0\r\n$7\r\nCopies.\r\n*2\r\n$5\r\n4.0.0\r\n$10\r\n"
        "More keys.\r\n$9\r\narguments\r\n*4\r\n*8\r\n$4\r\nname\r\n$3\r\nkey\r\n");
    HAS("COMMAND DOCS memory", "subcommands\r\n*12\r\n");
}

static void test_docs_arguments(void **state)
{
    (void)state;
    f.client.resp = 3;
    HAS("COMMAND DOCS get",
        "$9\r\narguments\r\n*1\r\n%4\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3"
        "\r\nkey\r\n$12\r\ndisplay_text\r\n$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0"
        "\r\n");
    HAS("COMMAND DOCS migrate", "*4\r\n%4\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$"
                                "3\r\nkey\r\n$12\r\ndisplay_text\r\n$3\r\n"
                                "key\r\n$14\r\nkey_spec_index\r\n:0\r\n%6\r\n$4\r\nname\r\n$"
                                "4\r\ncopy\r\n$4\r\ntype\r\n$10\r\n"
                                "pure-token\r\n$12\r\ndisplay_text\r\n$4\r\ncopy\r\n$"
                                "5\r\ntoken\r\n$4\r\nCOPY\r\n$5\r\nsince\r\n$5"
                                "\r\n3.0.0\r\n$5\r\nflags\r\n~1\r\n+optional\r\n%4\r\n$"
                                "4\r\nname\r\n$4\r\nauth\r\n$4\r\ntype\r\n$5"
                                "\r\noneof\r\n$5\r\nflags\r\n~1\r\n+optional\r\n$"
                                "9\r\narguments\r\n*2\r\n%4\r\n$4\r\nname\r\n$8\r\n"
                                "password\r\n$4\r\ntype\r\n$6\r\nstring\r\n$12\r\ndisplay_text\r\n$"
                                "4\r\nword\r\n$5\r\ntoken\r\n$4"
                                "\r\nAUTH\r\n");
    HAS("COMMAND DOCS migrate",
        "token\r\n$4\r\nKEYS\r\n$5\r\nflags\r\n~2\r\n+optional\r\n+multiple\r\n");
    f.client.resp = 2;
}

static void test_count_and_list(void **state)
{
    (void)state;
    char wanted[32];
    snprintf(wanted, sizeof wanted, ":%zu", registry_count(f.server.registry));
    EXPECT(&f, "COMMAND COUNT", wanted);
    snprintf(wanted, sizeof wanted, "*%zu\r\n", registry_rows(f.server.registry));
    assert_memory_equal(fixture_run(&f, "COMMAND LIST"), wanted, strlen(wanted));
    EXPECT(&f, "COMMAND LIST FILTERBY PATTERN ME*us*", "*1\r\n$12\r\nmemory|usage");
    EXPECT(&f, "COMMAND LIST filterby ACLCAT Scripting", "*1\r\n$4\r\neval");
    EXPECT(&f, "COMMAND LIST filterby ACLCAT x", "*0");
    EXPECT(&f, "COMMAND LIST filterby module x", "*0");
    EXPECT(&f, "COMMAND LIST filterby x y", SYNTAX);
    EXPECT(&f, "COMMAND LIST filterby module", SYNTAX);
    EXPECT(&f, "COMMAND LIST x", SYNTAX);
    EXPECT(&f, "COMMAND x", "-ERR unknown subcommand 'x'. Try COMMAND HELP.");
}

static void test_getkeys(void **state)
{
    (void)state;
    EXPECT(&f, "COMMAND GETKEYS get k", "*1\r\n$1\r\nk");
    EXPECT(&f, "COMMAND GETKEYS mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb");
    EXPECT(&f, "COMMAND GETKEYS eval s 2 a b c", "*2\r\n$1\r\na\r\n$1\r\nb");
    EXPECT(&f, "COMMAND GETKEYS eval s 4 a b c", "-ERR Invalid arguments specified for command");
    EXPECT(&f, "COMMAND GETKEYS xread streams a b 0 0", "*2\r\n$1\r\na\r\n$1\r\nb");
    EXPECT(&f, "COMMAND GETKEYS memory usage k", "*1\r\n$1\r\nk");
    EXPECT(&f, "COMMAND GETKEYS memory doctor", "-ERR The command has no key arguments");
    EXPECT(&f, "COMMAND GETKEYS memory x k", "-ERR Invalid command specified");
    EXPECT(&f, "COMMAND GETKEYS nosuch k", "-ERR Invalid command specified");
    EXPECT(&f, "COMMAND GETKEYS get", "-ERR Invalid number of arguments specified for command");
    EXPECT(&f, "COMMAND GETKEYSANDFLAGS set k get", "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update");
    EXPECT(&f, "COMMAND GETKEYSANDFLAGS set k v", "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update");
    EXPECT(&f, "COMMAND GETKEYSANDFLAGS set k v GET",
           "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n+RW\r\n+access\r\n+update");
    EXPECT(&f, "COMMAND GETKEYSANDFLAGS eval s 1 a", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RW\r\n+access");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_info), cmocka_unit_test(test_docs),
                                       cmocka_unit_test(test_docs_arguments),
                                       cmocka_unit_test(test_count_and_list),
                                       cmocka_unit_test(test_getkeys)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
