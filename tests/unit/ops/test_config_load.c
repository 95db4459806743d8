/* test_config_load.c - files: syntax, includes, fatal texts, the check's verdicts, the command
 * line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/version.h"
#include "ops/config_directive.h"

static struct config *c;
static char dir[64], home[4096];

static int setup(void **state)
{
    (void)state;
    c = config_new();
    strcpy(dir, "/tmp/spillway-config-XXXXXX");
    return mkdtemp(dir) != NULL && getcwd(home, sizeof(home)) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    config_free(c);
    file_fault_clear();
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return chdir(home) == 0 ? system(command) : -1;
}

/* Path of a file of the test's directory; written with `text` if that is not NULL. */
static const char *file(const char *name, const char *text)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    if (text != NULL)
        assert_int_equal(file_replace(path, text, strlen(text)), 0);
    return path;
}

static bool load(const char *text)
{
    return config_load_text(c, "test.conf", slice_str(text)) && config_finish(c);
}

static const char *get(const char *name)
{
    static char text[1024];
    struct bytes out = {0};
    assert_true(config_get_one(c, name, &out));
    snprintf(text, sizeof(text), "%s", bytes_str(&out));
    bytes_free(&out);
    return text;
}

#define HEAD "*** FATAL CONFIG FILE ERROR (Spillway " SPILLWAY_VERSION ") ***\n"
#define AT(file, line, text)                                                                       \
    HEAD "Reading the configuration file '" file "', at line " line "\n>>> '" text "'\n"

static void test_syntax(void **state)
{
    (void)state;
    assert_true(load("# comment\n\n   \t\r\n  PORT 7000\r\n"
                     "requirepass \"a b\\x41\\n\"\n\tlogfile 'x y'\nmaxmemory 1gb"));
    assert_string_equal(get("port"), "7000");
    assert_string_equal(get("requirepass"), "a bA\n");
    assert_string_equal(get("logfile"), "x y");
    assert_string_equal(config_settings(c)->logfile, "x y");
    assert_int_equal(config_settings(c)->maxmemory, 1 << 30);
}

static void test_lists(void **state)
{
    (void)state;
    assert_true(load("save 10 1\nsave 20 2 30 3\nbind 127.0.0.1 ::1\n"
                     "client-output-buffer-limit normal 1 2 3\n"
                     "client-output-buffer-limit pubsub 4 5 6\n"));
    assert_string_equal(get("save"), "10 1 20 2 30 3");
    assert_string_equal(get("bind"), "127.0.0.1 ::1");
    assert_string_equal(get("client-output-buffer-limit"),
                        "normal 1 2 3 slave 268435456 67108864 60 pubsub 4 5 6");
    assert_true(load("save 1 1\nsave \"\"\n"));
    assert_string_equal(get("save"), "");
    assert_true(load("save\n"));
    assert_string_equal(get("save"), "");
    assert_true(load("save 1 1\nsave\nsave 2 2\n"));
    assert_string_equal(get("save"), "1 1 2 2");
    assert_true(load("bind 127.0.0.1\nbind\nclient-output-buffer-limit normal 1 2 3\n"
                     "client-output-buffer-limit\nlatency-tracking-info-percentiles\n"));
    assert_string_equal(get("bind"), "");
    assert_string_equal(get("client-output-buffer-limit"),
                        "normal 1 2 3 slave 268435456 67108864 60 pubsub 4 5 6");
    assert_string_equal(get("latency-tracking-info-percentiles"), "");
}

static void test_fatal(void **state)
{
    (void)state;
    assert_false(load("port 1\nmaxmemry 5\n"));
    assert_string_equal(config_error(c),
                        AT("test.conf", "2",
                           "maxmemry 5") "Unknown directive 'maxmemry', did you mean 'maxmemory'?");
    assert_false(load("qqqqqqqqqqqq 1"));
    assert_string_equal(config_error(c),
                        AT("test.conf", "1", "qqqqqqqqqqqq 1") "Unknown directive 'qqqqqqqqqqqq'");
    assert_false(load("port 1 2"));
    assert_string_equal(config_error(c),
                        AT("test.conf", "1", "port 1 2") "wrong number of arguments");
    assert_false(load("port"));
    assert_string_equal(config_error(c), AT("test.conf", "1", "port") "wrong number of arguments");
    assert_false(load("notify-keyspace-events"));
    assert_false(load("oom-score-adj-values"));
    assert_false(load("port \"1"));
    assert_string_equal(config_error(c),
                        AT("test.conf", "1", "port \"1") "Unbalanced quotes in configuration line");
    assert_false(load("requirepass a b"));
    assert_string_equal(config_error(c),
                        AT("test.conf", "1", "requirepass (hidden)") "wrong number of arguments");
    assert_false(load("loadmodule x.so"));
    assert_string_equal(config_error(c),
                        AT("test.conf", "1", "loadmodule x.so") "this server has no modules");
    assert_false(load("mptcp yes"));
    assert_string_equal(config_error(c), AT("test.conf", "1",
                                            "mptcp yes") "this server does not open MPTCP sockets");
}

static void test_nearest(void **state)
{
    (void)state;
    assert_string_equal(config_nearest(SLICE("prot")), "port");
    assert_string_equal(config_nearest(SLICE("max-memory")), "maxmemory");
    assert_string_equal(config_nearest(SLICE("Append_Only")), "appendonly");
    assert_string_equal(config_nearest(SLICE("save-")), "save");
    assert_null(config_nearest(SLICE("")));
    assert_null(config_nearest(SLICE("zzzzzzzz")));
}

static void test_conditions(void **state)
{
    (void)state;
    assert_false(load("disk-low-percent 3\n"));
    assert_string_equal(config_error(c),
                        HEAD "disk-high-percent must not be above disk-low-percent: the disk gets "
                             "low before it gets high");
}

static void test_unsupported(void **state)
{
    (void)state;
    assert_true(load("replicaof no one\ntls-port 0\n"));
    assert_false(load("replicaof host 1\n"));
    assert_string_equal(
        config_error(c),
        AT("test.conf", "1", "replicaof host 1") "this server does not follow a primary");
}

static void test_include(void **state)
{
    (void)state;
    char text[512];
    file("b2.conf", "hz 22\ntimeout 2\n");
    file("b1.conf", "timeout 1\n");
    file(".b3.conf", "timeout 3\n");
    file("inner.conf", "tcp-keepalive 7\n");
    assert_int_equal(file_mkdir(file("sub", NULL)), 0);
    file("sub/x.conf", "maxclients 77\n");
    snprintf(text, sizeof(text),
             "timeout 9\ninclude %s/b*.conf\ninclude inner.conf\ninclude %s/s?b/x.conf\n"
             "include /nonexistent/*.conf\n",
             dir, dir);
    assert_true(config_load_file(c, file("a.conf", text)));
    assert_true(config_finish(c));
    assert_string_equal(get("timeout"), "2");
    assert_string_equal(get("hz"), "22");
    assert_string_equal(get("tcp-keepalive"), "7");
    assert_string_equal(get("maxclients"), "77");
}

static void test_include_errors(void **state)
{
    (void)state;
    assert_false(load("include /nonexistent/x.conf"));
    assert_string_equal(
        config_error(c),
        AT("test.conf", "1",
           "include /nonexistent/x.conf") "can't open config file '/nonexistent/x.conf': No such "
                                          "file or directory");
    const char *self = file("self.conf", "include self.conf\n");
    assert_int_equal(chdir(dir), 0);
    assert_false(config_load_file(c, self));
    assert_non_null(strstr(config_error(c), "too many files include each other"));
    file("bad.conf", "\nfoo bar baz\n");
    assert_false(config_load_file(c, file("outer.conf", "port 1\ninclude bad.conf\n")));
    assert_non_null(
        strstr(config_error(c), "Reading the configuration file 'bad.conf', at line 2"));
    assert_false(config_load_file(c, "/nonexistent.conf"));
    assert_string_equal(config_error(c), "Fatal error, can't open config file "
                                         "'/nonexistent.conf': No such file or directory");
}

static void test_extras(void **state)
{
    (void)state;
    size_t count;
    assert_false(load("user x on\n"));
    assert_string_equal(
        config_error(c),
        AT("test.conf", "1",
           "user x on") "this server has one user only, whose password is requirepass");
    config_accept(c, "user");
    config_accept(c, "rename-command");
    assert_true(load("port 1\nuser default on nopass ~*\nrename-command FLUSHALL \"\"\n"));
    const struct config_extra *extras = config_extras(c, &count);
    assert_int_equal(count, 2);
    assert_int_equal(extras[0].argc, 5);
    assert_true(slice_eq(extras[0].argv[4], SLICE("~*")));
    assert_int_equal(extras[1].line, 3);
    assert_int_equal(extras[1].argv[2].len, 0);
    config_fail_extra(c, &extras[0], "Error in user declaration");
    assert_string_equal(
        config_error(c),
        AT("test.conf", "2", "user default on nopass ~*") "Error in user declaration");
    assert_false(load("user\n"));
    assert_false(load("rename-command x\n"));
}

static void test_effectless(void **state)
{
    (void)state;
    char *none = config_effectless(c);
    assert_string_equal(none, "");
    mem_free(none);
    assert_true(load("cluster-node-timeout 5000\nactiverehashing no\nport 1\n"
                     "lua-replicate-commands yes\n"));
    assert_string_equal(get("cluster-node-timeout"), "5000");
    char *names = config_effectless(c);
    assert_string_equal(names, "activerehashing, cluster-node-timeout, lua-replicate-commands");
    mem_free(names);
}

static void test_missing_dir_is_no_error(void **state)
{
    (void)state;
    assert_true(load("dir /nonexistent/data\n"));
    assert_string_equal(get("dir"), "/nonexistent/data");
}

static void test_dir(void **state)
{
    (void)state;
    char text[128], here[4096];
    snprintf(text, sizeof(text), "dir %s\n", dir);
    assert_true(load(text));
    assert_string_equal(getcwd(here, sizeof(here)), dir);
    assert_string_equal(config_settings(c)->dir.text, dir);
}

static void test_faults(void **state)
{
    (void)state;
    const char *rule = "op=write,path=incr,errno=ENOSPC";
    char text[256];
    struct slice pair[] = {SLICE("disk-fault"), slice_str(rule)};
    struct bytes error = {0};
    snprintf(text, sizeof(text), "disk-fault %s\n", rule);
    assert_false(load(text));
    assert_string_equal(config_error(c), HEAD "disk-fault needs enable-debug-command");
    snprintf(text, sizeof(text), "enable-debug-command yes\ndisk-fault %s\ndisk-fault op=sync\n",
             rule);
    config_free(c);
    c = config_new();
    assert_true(load(text));
    assert_string_equal(get("disk-fault"), "op=write,path=incr,errno=ENOSPC op=sync");
    assert_true(config_set(c, pair, 2, 0, &error));
    pair[1] = SLICE("op=nonsense");
    assert_false(config_set(c, pair, 2, 0, &error));
    assert_string_equal(bytes_str(&error), "ERR CONFIG SET failed (possibly related to argument "
                                           "'disk-fault') - Invalid disk fault 'op=nonsense'");
    bytes_free(&error);
}

/* ---- --check-config ---- */

static void test_check(void **state)
{
    (void)state;
    struct bytes out = {0};
    const char *path =
        file("c.conf", "# x\nport 7000\nactiverehashing no\n\nprot 1\nport x\nmptcp no\n");
    assert_int_equal(config_check(c, path, &out), 2);
    const char *expected[] = {":2: honoured               port 7000\n",
                              ":3: stored without effect  activerehashing no\n",
                              ":5: refused                prot 1  (Unknown directive 'prot', did "
                              "you mean 'port'?)\n",
                              ":6: refused                port x  (argument couldn't be parsed "
                              "into an integer)\n",
                              ":7: stored without effect  mptcp no\n",
                              ": 2 refused\n"};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_non_null(strstr(bytes_str(&out), expected[i]));
    out.len = 0;
    assert_int_equal(config_check(c, "/nonexistent", &out), 1);
    bytes_free(&out);
}

/* ---- The command line ---- */

static enum config_start start(struct bytes *out, const char *const *argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    out->len = 0;
    config_free(c);
    c = config_new();
    return config_start(c, argc, (char *const *)argv, out);
}

#define START(...) start(&out, (const char *[]){"spillway", __VA_ARGS__})

static void test_command_line(void **state)
{
    (void)state;
    struct bytes out = {0};
    assert_int_equal(START(NULL), CONFIG_START_RUN);
    assert_null(config_path(c));
    assert_int_equal(START("--version", NULL), CONFIG_START_EXIT);
    assert_non_null(strstr(bytes_str(&out), "v=" SPILLWAY_VERSION));
    assert_int_equal(START("-h", NULL), CONFIG_START_EXIT);
    assert_int_equal(START("--port", "7001", "--save", "60", "1", "--requirepass", "--x", NULL),
                     CONFIG_START_RUN);
    assert_string_equal(get("port"), "7001");
    assert_string_equal(get("save"), "60 1");
    assert_string_equal(get("requirepass"), "--x");
    assert_int_equal(START("--save", "--port 7002", "--logfile", "a b\"", NULL), CONFIG_START_RUN);
    assert_string_equal(get("save"), "");
    assert_string_equal(get("port"), "7002");
    assert_string_equal(get("logfile"), "a b\"");
    assert_int_equal(START("--port", NULL), CONFIG_START_FAIL);
    assert_non_null(strstr(bytes_str(&out), "Reading the command line\n>>> 'port'\n"));
    assert_int_equal(START("--prot", "1", NULL), CONFIG_START_FAIL);
    assert_non_null(strstr(bytes_str(&out), "did you mean 'port'?"));
    assert_int_equal(START("--check-config", NULL), CONFIG_START_FAIL);
    bytes_free(&out);
}

static void test_command_line_with_file(void **state)
{
    (void)state;
    struct bytes out = {0};
    const char *path = file("f.conf", "port 7000\nsave 1 1\nhz 20\n");
    assert_int_equal(START(path, "--port", "7001", "--save", "2 2", NULL), CONFIG_START_RUN);
    assert_string_equal(config_path(c), path);
    assert_string_equal(get("port"), "7001");
    assert_string_equal(get("save"), "1 1 2 2");
    assert_string_equal(get("hz"), "20");
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(START("f.conf", NULL), CONFIG_START_RUN);
    assert_string_equal(config_path(c), path);
    assert_int_equal(START("g.conf", NULL), CONFIG_START_FAIL);
    assert_int_equal(START("--check-config", "f.conf", NULL), CONFIG_START_EXIT);
    bytes_free(&out);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_syntax),
        T(test_lists),
        T(test_fatal),
        T(test_nearest),
        T(test_conditions),
        T(test_unsupported),
        T(test_include),
        T(test_include_errors),
        T(test_extras),
        T(test_effectless),
        T(test_missing_dir_is_no_error),
        T(test_dir),
        T(test_faults),
        T(test_check),
        T(test_command_line),
        T(test_command_line_with_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
