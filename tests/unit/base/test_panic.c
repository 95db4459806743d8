/* test_panic.c - a panic names its place, says why, and ends the process by SIGABRT. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/panic.h"

static void panic_plainly(void)
{
    PANIC("shard %d is %s", 7, "gone");
}

static void fail_assertion(void)
{
    ASSERT(1 + 1 == 3);
}

static void panic_at_length(void)
{
    static char text[5000];
    memset(text, 'x', sizeof(text) - 1);
    PANIC("%s", text);
}

static void hold_assertion(void)
{
    ASSERT(1 + 1 == 2);
    _exit(0);
}

/* Runs it in a child; what it said on stderr, and its wait status. */
static int run_in_child(void (*run)(void), char *said, size_t room)
{
    int ends[2], status;
    size_t used = 0;
    ssize_t got;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        run();
        _exit(99);
    }
    close(ends[1]);
    while (used < room - 1 && (got = read(ends[0], said + used, room - 1 - used)) > 0)
        used += (size_t)got;
    said[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_message_and_abort(void **state)
{
    char said[16384];
    int status = run_in_child(panic_plainly, said, sizeof(said));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "test_panic.c:"));
    assert_non_null(strstr(said, ": shard 7 is gone\n"));
    assert_non_null(strstr(said, "test_panic(")); /* the backtrace */
}

static void test_assert(void **state)
{
    char said[16384];
    int status = run_in_child(fail_assertion, said, sizeof(said));
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(said, "assertion failed: 1 + 1 == 3\n"));
    assert_int_equal(run_in_child(hold_assertion, said, sizeof(said)), 0);
    assert_string_equal(said, "");
}

static void test_long_message_is_cut(void **state)
{
    char said[16384];
    int status = run_in_child(panic_at_length, said, sizeof(said));
    assert_true(WIFSIGNALED(status));
    char *newline = strchr(said, '\n');
    assert_non_null(newline);
    assert_true(newline - said > 1000 && newline - said < 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_and_abort),
        cmocka_unit_test(test_assert),
        cmocka_unit_test(test_long_message_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
