/* test_apply_process.c - the title by its template, and that it reaches what ps reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "ops/apply.h"
#include "ops/config.h"

static struct server server;

static int setup(void **state)
{
    (void)state;
    server.config = config_new();
    server.settings = config_settings(server.config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_free(server.config);
    return 0;
}

static void set(const char *name, const char *value)
{
    struct slice pair[] = {slice_str(name), slice_str(value)};
    struct bytes error = {0};
    if (!config_set(server.config, pair, 2, 0, &error))
        fail_msg("%s", bytes_str(&error));
}

/* What ps shows, without the zeros behind it. */
static void assert_shown(const char *expected)
{
    char *text;
    size_t len;
    assert_int_equal(file_read_all("/proc/self/cmdline", 65536, &text, &len), 0);
    char *shown = slice_to_str(slice_of(text, len));
    assert_string_equal(shown, expected);
    mem_free(shown);
    mem_free(text);
}

static void test_title(void **state)
{
    (void)state;
    assert_int_equal(setenv("SPILLWAY_TEST", "before", 1), 0);
    apply_process(&server, "/opt/spillway");
    assert_shown("/opt/spillway *:6379");
    assert_string_equal(getenv("SPILLWAY_TEST"), "before");
    assert_non_null(getenv("PATH"));
    set("bind", "127.0.0.1 ::1");
    assert_shown("/opt/spillway 127.0.0.1:6379");
    set("proc-title-template", "x {port} {config-file}{unixsocket} {server-mode}  ");
    assert_shown("x 6379");
    set("loglevel", "warning");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_title, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
