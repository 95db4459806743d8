/* test_config_rewrite.c - CONFIG REWRITE: what holds stays as it is written, the rest is
 * replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "ops/config_directive.h"

static struct config *c;

static int setup(void **state)
{
    (void)state;
    c = config_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_free(c);
    return 0;
}

static void set(const char *name, const char *value)
{
    struct slice pair[] = {slice_str(name), slice_str(value)};
    struct bytes error = {0};
    if (!config_set(c, pair, 2, 0, &error))
        fail_msg("%s", bytes_str(&error));
    bytes_free(&error);
}

static void load(const char *text)
{
    if (!config_load_text(c, "test.conf", slice_str(text)) || !config_finish(c))
        fail_msg("%s", config_error(c));
}

static void assert_rewritten(const char *old, const char *expected)
{
    struct bytes out = {0}, again = {0};
    config_rewrite_text(c, slice_str(old), &out);
    assert_string_equal(bytes_str(&out), expected);
    config_rewrite_text(c, bytes_slice(&out), &again);
    assert_string_equal(bytes_str(&again), expected);
    bytes_free(&out);
    bytes_free(&again);
}

#define MARK CONFIG_MARKER "\n"

static void test_nothing_changed(void **state)
{
    (void)state;
    const char *old = "# head\n\nPORT   7000\n   maxmemory 1000mb  \nsave 60 1\nsave 70 2\n"
                      "slave-priority 5\ndir .\nbind 127.0.0.1\nappendonly no\n# tail\n";
    load(old);
    assert_rewritten(old, old);
    assert_rewritten("", MARK "bind 127.0.0.1\nport 7000\nmaxmemory 1000mb\nsave 60 1\nsave 70 2\n"
                              "replica-priority 5\n");
}

static void test_in_place(void **state)
{
    (void)state;
    const char *old = "# memory\nmaxmemory 100mb\n# network\nport 7000\nslave-priority 5";
    load(old);
    set("maxmemory", "2147483648");
    set("replica-priority", "6");
    assert_rewritten(old, "# memory\nmaxmemory 2gb\n# network\nport 7000\nreplica-priority 6\n");
    set("maxmemory", "50%");
    assert_rewritten(old, "# memory\nmaxmemory 50%\n# network\nport 7000\nreplica-priority 6\n");
}

static void test_append(void **state)
{
    (void)state;
    const char *old = "# only this\nport 7000\n";
    load(old);
    set("requirepass", "a \"b\"\n");
    set("disk-budget", "80%");
    set("disk-leave-factor", "1.5");
    set("notify-keyspace-events", "KEA");
    assert_rewritten(old, "# only this\nport 7000\n" MARK
                          "requirepass \"a \\\"b\\\"\\n\"\ndisk-budget 80%\n"
                          "disk-leave-factor 1.5\nnotify-keyspace-events \"AKE\"\n");
}

static void test_back_to_default(void **state)
{
    (void)state;
    const char *old = "port 7000\nhz 20\n" MARK "timeout 5\nmaxmemory 1gb\n";
    load(old);
    set("timeout", "0");
    set("hz", "10");
    assert_rewritten(old, "port 7000\nhz 10\n" MARK "maxmemory 1gb\n");
}

static void test_lists(void **state)
{
    (void)state;
    const char *old = "save 60 1\n# between\nsave 70 2\nsave 80 3\ntimeout 1\n";
    load(old);
    set("save", "60 1 75 2");
    assert_rewritten(old, "save 60 1\n# between\nsave 75 2\ntimeout 1\n");
    set("save", "");
    assert_rewritten(old, "save \"\"\n# between\ntimeout 1\n");
    set("save", "1 1 2 2 3 3 4 4");
    assert_rewritten(old, "save 1 1\n# between\nsave 2 2\nsave 3 3\ntimeout 1\n" MARK "save 4 4\n");
    set("save", "3600 1 300 100 60 10000");
    set("client-output-buffer-limit", "pubsub 1 2 3");
    assert_rewritten("", MARK "timeout 1\nclient-output-buffer-limit normal 0 0 0\n"
                              "client-output-buffer-limit replica 268435456 67108864 60\n"
                              "client-output-buffer-limit pubsub 1 2 3\n");
}

static void test_duplicates(void **state)
{
    (void)state;
    const char *old = "timeout 1\n# x\ntimeout 2\n";
    load(old);
    assert_rewritten(old, old);
    set("timeout", "3");
    assert_rewritten(old, "timeout 3\n# x\n");
}

static void test_unreadable_lines(void **state)
{
    (void)state;
    load("timeout 1\n");
    assert_rewritten("timeout 1\nfoo \"bar\nnever-heard of\nport abc\n",
                     "timeout 1\n# ??? foo \"bar\nnever-heard of\nport 6379\n");
    assert_rewritten("timeout 1\r\n# windows\r\n", "timeout 1\n# windows\n");
    static const char nul[] = "timeout 1\n-'\r\0x\n";
    struct bytes out = {0};
    config_rewrite_text(c, slice_of(nul, sizeof nul - 1), &out);
    assert_string_equal(bytes_str(&out), "timeout 1\n# ??? -'\n");
    bytes_free(&out);
}

static void test_command_line_values(void **state)
{
    (void)state;
    assert_true(config_load_text(c, "f", SLICE("port 7000\n")));
    assert_true(config_load_text(c, CONFIG_COMMAND_LINE, SLICE("port 7001\nhz 50\n")));
    assert_true(config_finish(c));
    assert_rewritten("port 7000\n", "port 7001\n" MARK "hz 50\n");
}

/* ---- Files ---- */

static char dir[64];

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(file_replace(path, text, strlen(text)), 0);
}

static void test_includes(void **state)
{
    (void)state;
    char path[128], old[256], expected[300];
    strcpy(dir, "/tmp/spillway-rewrite-XXXXXX");
    assert_non_null(mkdtemp(dir));
    write_file("inner.conf", "timeout 5\nhz 30\n");
    snprintf(old, sizeof(old), "timeout 1\ninclude %s/inner.conf\nport 7000\n", dir);
    write_file("outer.conf", old);
    snprintf(path, sizeof(path), "%s/outer.conf", dir);
    assert_true(config_load_file(c, path));
    assert_true(config_finish(c));
    assert_rewritten(old, old);
    set("timeout", "1"); /* hidden by the include unless it comes behind it */
    set("hz", "10");     /* a default, but the included file says otherwise */
    snprintf(expected, sizeof(expected),
             "include %s/inner.conf\nport 7000\n" MARK "hz 10\ntimeout 1\n", dir);
    struct bytes out = {0};
    config_rewrite_text(c, slice_str(old), &out);
    config_free(c);
    c = config_new();
    assert_true(config_load_text(c, "again", bytes_slice(&out)));
    assert_true(config_finish(c));
    assert_int_equal(config_settings(c)->timeout_s, 1);
    assert_int_equal(config_settings(c)->hz, 10);
    assert_int_equal(config_settings(c)->port, 7000);
    bytes_free(&out);
    snprintf(old, sizeof(old), "rm -rf '%s'", dir);
    assert_int_equal(system(old), 0);
}

static void user_lines(void *ctx, struct bytes *out)
{
    bytes_append_str(out, ctx);
}

static void test_hooked_lines(void **state)
{
    (void)state;
    const char *old = "user a on\n# x\nuser b on\nport 1\n";
    config_accept(c, "user");
    load(old);
    assert_rewritten(old, old);
    config_on_rewrite(c, "user", user_lines, "user default on nopass\n");
    assert_rewritten(old, "user default on nopass\n# x\nport 1\n");
}

static void test_rewrite_file(void **state)
{
    (void)state;
    char path[128], command[128];
    struct bytes out = {0};
    assert_int_equal(config_rewrite(c, NULL), -ENOENT);
    strcpy(dir, "/tmp/spillway-rewrite-XXXXXX");
    assert_non_null(mkdtemp(dir));
    write_file("x.conf", "# mine\nport 7000\n");
    snprintf(path, sizeof(path), "%s/x.conf", dir);
    char *argv[] = {"spillway", path, NULL};
    assert_int_equal(config_start(c, 2, argv, &out), CONFIG_START_RUN);
    set("port", "7001");
    assert_int_equal(config_rewrite(c, NULL), 0);
    char *text;
    size_t len;
    assert_int_equal(file_read_all(path, 1000, &text, &len), 0);
    assert_true(slice_eq(slice_of(text, len), SLICE("# mine\nport 7001\n")));
    mem_free(text);
    struct file_fault full = {.op = FILE_OP_WRITE, .error = ENOSPC};
    assert_true(file_fault_add(&full) > 0);
    set("port", "7002");
    assert_int_equal(config_rewrite(c, NULL), -ENOSPC);
    file_fault_clear();
    assert_int_equal(file_read_all(path, 1000, &text, &len), 0);
    assert_true(slice_eq(slice_of(text, len), SLICE("# mine\nport 7001\n")));
    mem_free(text);
    bytes_free(&out);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_nothing_changed),
        T(test_in_place),
        T(test_append),
        T(test_back_to_default),
        T(test_lists),
        T(test_duplicates),
        T(test_unreadable_lines),
        T(test_command_line_values),
        T(test_includes),
        T(test_hooked_lines),
        T(test_rewrite_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
