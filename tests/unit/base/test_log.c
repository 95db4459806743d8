/* test_log.c - lines look like Redis's, nobody waits for them, and what is lost is counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

static char path[64];

static int setup(void **state)
{
    strcpy(path, "/tmp/spillway-test-log-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    log_set_role('M');
    log_set_level(LOG_LEVEL_NOTICE);
    log_set_format(LOG_FORMAT_LEGACY, LOG_TIMESTAMP_LEGACY);
    return log_set_file(path);
}

static int teardown(void **state)
{
    log_set_file("");
    file_fault_clear();
    unlink(path);
    return 0;
}

static char *read_log(void)
{
    char *data;
    size_t len;
    assert_int_equal(file_read_all(path, 64 << 20, &data, &len), 0);
    return data;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0)
        fail_msg("'%s' does not match '%s'", text, pattern);
    regfree(&regex);
}

static void assert_log(const char *pattern)
{
    char *text = read_log();
    assert_matches(text, pattern);
    mem_free(text);
    assert_int_equal(truncate(path, 0), 0);
}

#define TIME "[0-3][0-9] [A-Z][a-z]{2} 20[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}"

static void test_legacy_lines(void **state)
{
    char pattern[256];
    LOG_NOTICE("Ready to accept %s", "connections");
    snprintf(pattern, sizeof(pattern), "^%d:M " TIME " \\* Ready to accept connections\n$",
             (int)getpid());
    assert_log(pattern);
    log_set_role('S');
    LOG_WARNING("w");
    assert_log("^[0-9]+:S " TIME " # w\n$");
    log_set_level(LOG_LEVEL_DEBUG);
    LOG_DEBUG("d");
    LOG_VERBOSE("v");
    assert_log("^[0-9]+:S " TIME " \\. d\n[0-9]+:S " TIME " - v\n$");
}

static void test_level(void **state)
{
    LOG_VERBOSE("hidden");
    LOG_DEBUG("hidden");
    assert_log("^$");
    log_set_level(LOG_LEVEL_WARNING);
    LOG_NOTICE("hidden");
    LOG_WARNING("shown");
    assert_log("^[^\n]* # shown\n$");
    log_set_level(LOG_LEVEL_NOTHING);
    LOG_WARNING("hidden");
    log_line(LOG_LEVEL_NOTHING, "hidden");
    assert_log("^$");
}

static void test_message_bound(void **state)
{
    char text[2000];
    memset(text, 'x', sizeof(text));
    text[1023] = '\0';
    LOG_NOTICE("%s", text);
    assert_log("[^x]x{200}"); /* repetition counts of regcomp end at 255 */
    LOG_NOTICE("%s", text);
    char *log = read_log();
    assert_int_equal(strlen(strchr(log, 'x')), 1024); /* 1023 and the line's end */
    mem_free(log);
    text[1023] = 'y';
    text[1999] = '\0';
    assert_int_equal(truncate(path, 0), 0);
    LOG_NOTICE("%s", text);
    log = read_log();
    assert_int_equal(strlen(strchr(log, 'x')), 1024);
    assert_null(strchr(log, 'y'));
    mem_free(log);
    assert_int_equal(truncate(path, 0), 0);
    LOG_NOTICE("%s", "");
    assert_log(" \\* \n$");
}

static void test_other_formats(void **state)
{
    log_set_format(LOG_FORMAT_LEGACY, LOG_TIMESTAMP_ISO8601);
    LOG_NOTICE("m");
    assert_log(
        " 20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}\\.[0-9]{3}[+-][0-9]{2}:[0-9]{2} \\* m\n$");
    log_set_format(LOG_FORMAT_LOGFMT, LOG_TIMESTAMP_MILLISECONDS);
    LOG_WARNING("say \"a\"\nb");
    assert_log(
        "^pid=[0-9]+ role=primary timestamp=\"[0-9]{13}\" level=warning message=\"say 'a' b\"\n$");
}

static void test_thread_drains_on_stop(void **state)
{
    log_start();
    for (int i = 0; i < 500; i++)
        LOG_NOTICE("line %d.", i);
    log_stop();
    char *log = read_log(), expected[32];
    const char *at = log;
    for (int i = 0; i < 500; i++) { /* all of them, in order */
        snprintf(expected, sizeof(expected), "line %d.\n", i);
        at = strstr(at, expected);
        assert_non_null(at);
    }
    mem_free(log);
    LOG_NOTICE("after the stop");
    assert_log("after the stop\n$");
    log_stop(); /* harmless */
    log_start();
    LOG_NOTICE("started again");
    log_stop();
    assert_log("started again\n$");
}

/* A rotated file: the next burst makes a new one. */
static void test_file_may_go(void **state)
{
    LOG_NOTICE("one");
    assert_int_equal(unlink(path), 0);
    LOG_NOTICE("two");
    assert_log("^[^\n]* two\n$");
}

static int stderr_copy = -1;

static void capture_stderr(void)
{
    stderr_copy = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    dup2(fileno(file), STDERR_FILENO);
    fclose(file);
}

static void release_stderr(char *text, size_t room)
{
    ssize_t got = pread(STDERR_FILENO, text, room - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void test_full_disk(void **state)
{
    struct file_fault fault = {.op = FILE_OP_WRITE, .error = ENOSPC};
    strcpy(fault.path_part, "spillway-test-log");
    assert_true(file_fault_add(&fault) > 0);
    uint64_t before = log_dropped();
    char said[65536];
    capture_stderr();
    log_start();
    for (int i = 0; i < 100; i++)
        LOG_WARNING("lost %d", i);
    log_stop();
    release_stderr(said, sizeof(said));
    assert_int_equal(log_dropped() - before, 100);
    assert_matches(said, "# lost 0\n");
    assert_in_range(count_lines(said), 10, 20); /* ten a second, and a second may have turned */
    file_fault_clear();
    LOG_NOTICE("space again");
    assert_log("^[^\n]*space again\n$");
}

static void test_file_that_cannot_be_opened(void **state)
{
    char said[4096];
    uint64_t before = log_dropped();
    capture_stderr();
    int result = log_set_file("/nonexistent-spillway/log");
    LOG_NOTICE("to nowhere");
    release_stderr(said, sizeof(said));
    assert_int_equal(result, -ENOENT);
    assert_int_equal(log_dropped() - before, 1);
    char long_path[5000];
    memset(long_path, 'p', sizeof(long_path));
    long_path[4999] = '\0';
    assert_int_equal(log_set_file(long_path), -ENAMETOOLONG);
}

/* The disk stalls: callers go on at once, and the buffer fills and drops instead of growing. */
static void test_stalled_disk(void **state)
{
    struct file_fault fault = {.op = FILE_OP_WRITE, .stall_ms = 3000, .times = 1};
    int id = file_fault_add(&fault);
    uint64_t before = log_dropped();
    log_start();
    LOG_NOTICE("first");
    while (file_fault_hits(id) == 0)
        clock_sleep_us(1000);
    uint64_t start = clock_mono_ms();
    const int lines = 10000;
    for (int i = 0; i < lines; i++)
        LOG_NOTICE("a line of some length, to fill the buffer sooner: number %d", i);
    assert_true(clock_mono_ms() - start < 2900);
    uint64_t lost = log_dropped() - before;
    assert_in_range(lost, lines - 3000, lines - 1000);
    log_stop();
    char *log = read_log();
    assert_int_equal(count_lines(log), 1 + lines - (int)lost);
    mem_free(log);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 300; i++)
        LOG_NOTICE("thread %d line %d.", (int)(intptr_t)arg, i);
    return NULL;
}

static void test_many_threads(void **state)
{
    pthread_t threads[4];
    uint64_t before = log_dropped();
    log_start();
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, (void *)(intptr_t)i), 0);
    log_set_role('S');
    log_set_level(LOG_LEVEL_VERBOSE);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_stop();
    char *log = read_log();
    assert_int_equal(count_lines(log) + (int)(log_dropped() - before), 4 * 300);
    for (const char *at = log; *at; at = strchr(at, '\n') + 1)
        assert_true(at[strcspn(at, "\n") - 1] == '.'); /* no line is torn */
    mem_free(log);
}

static void test_syslog_facility(void **state)
{
    assert_false(log_set_syslog("spillway", "mail"));
    assert_false(log_set_syslog("spillway", "local8"));
    assert_false(log_set_syslog("spillway", "local"));
    assert_false(log_set_syslog("spillway", "local00"));
    assert_true(log_set_syslog("spillway", "LOCAL7"));
    assert_true(log_set_syslog("spillway", "user"));
    LOG_NOTICE("to both");
    assert_log("to both\n$");
    assert_true(log_set_syslog(NULL, NULL));
}

static void test_stdout(void **state)
{
    char text[256] = {0};
    int copy = dup(STDOUT_FILENO), ends[2];
    assert_int_equal(pipe(ends), 0);
    log_set_file("");
    dup2(ends[1], STDOUT_FILENO);
    LOG_NOTICE("on stdout");
    dup2(copy, STDOUT_FILENO);
    close(copy);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    close(ends[0]);
    assert_matches(text, "^[0-9]+:M " TIME " \\* on stdout\n$");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_legacy_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_level, setup, teardown),
        cmocka_unit_test_setup_teardown(test_message_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_formats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thread_drains_on_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_may_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_that_cannot_be_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stalled_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syslog_facility, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stdout, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
