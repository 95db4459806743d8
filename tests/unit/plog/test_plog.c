/* test_plog.c - the propagation log: offsets, SELECT, readers, memory given back, waiting, and
 * threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "plog/plog.h"

#define SELECT_0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
#define SELECT_5 "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n"

static void append(struct plog *log, uint32_t db, const char *text)
{
    plog_append(log, db, slice_str(text), PLOG_GROW);
}

static void expect(struct plog_reader *r, const char *text)
{
    struct slice got = plog_peek(r);
    assert_int_equal(got.len, strlen(text));
    assert_memory_equal(got.data, text, got.len);
    plog_advance(r, got.len);
}

static void nothing_is_kept_without_readers(void **state)
{
    struct plog *log = plog_new(100);
    assert_false(plog_is_active(log));
    append(log, 0, "x");
    assert_int_equal(plog_end(log), 100);
    assert_int_equal(plog_memory(log), 0);
    plog_free(log);
}

static void select_is_inserted_where_the_database_changes(void **state)
{
    struct plog *log = plog_new(0);
    struct plog_reader *r = plog_reader_open(log);
    assert_true(plog_is_active(log));
    append(log, 0, "a");
    append(log, 0, "b");
    append(log, 5, "c");
    append(log, 0, "d");
    expect(r, SELECT_0 "ab" SELECT_5 "c" SELECT_0 "d");
    uint64_t cut = plog_cut(log);
    assert_int_equal(cut, plog_reader_at(r));
    append(log, 0, "e");
    expect(r, SELECT_0 "e");
    struct plog_reader *second = plog_reader_open(log);
    append(log, 0, "f");
    expect(r, SELECT_0 "f");
    expect(second, SELECT_0 "f");
    append(log, 54321, "g");
    expect(r, "*2\r\n$6\r\nSELECT\r\n$5\r\n54321\r\ng");
    assert_int_equal(plog_peek(r).len, 0);
    plog_reader_close(r);
    plog_reader_close(second);
    assert_false(plog_is_active(log));
    assert_int_equal(plog_memory(log), 0);
    plog_free(log);
}

static void classes_are_counted(void **state)
{
    struct plog *log = plog_new(0);
    struct plog_reader *r = plog_reader_open(log);
    plog_append(log, 0, SLICE("abc"), PLOG_GROW);
    plog_append(log, 0, SLICE("de"), PLOG_SHRINK);
    assert_int_equal(plog_appended(log, PLOG_GROW), strlen(SELECT_0) + 3);
    assert_int_equal(plog_appended(log, PLOG_SHRINK), 2);
    plog_reader_close(r);
    plog_free(log);
}

static void memory_behind_the_slowest_is_given_back(void **state)
{
    struct plog *log = plog_new(0);
    struct plog_reader *fast = plog_reader_open(log), *slow = plog_reader_open(log);
    size_t len = 100 * 1000;
    char *text = mem_zalloc(len);
    for (int i = 0; i < 100; i++) {
        plog_append(log, 0, slice_of(text, len), PLOG_GROW);
        for (struct slice s; (s = plog_peek(fast)).len;)
            plog_advance(fast, s.len);
    }
    size_t full = plog_memory(log);
    assert_true(full > 100 * len);
    for (struct slice s; (s = plog_peek(slow)).len;)
        plog_advance(slow, MIN_OF(s.len, (size_t)70000));
    assert_true(plog_memory(log) <= 3 * 256 * 1024);
    assert_int_equal(plog_reader_at(slow), plog_end(log));
    for (int i = 0; i < 100; i++)
        plog_append(log, 0, slice_of(text, len), PLOG_GROW);
    assert_int_equal(plog_skip_to_end(slow), 100 * len);
    assert_int_equal(plog_skip_to_end(fast), 100 * len);
    assert_true(plog_memory(log) <= 3 * 256 * 1024);
    append(log, 0, "z");
    expect(slow, SELECT_0 "z");
    expect(fast, SELECT_0 "z");
    plog_reader_close(fast);
    plog_reader_close(slow);
    assert_int_equal(plog_memory(log), 0);
    plog_free(log);
    mem_free(text);
}

static void a_record_larger_than_a_segment_is_contiguous(void **state)
{
    struct plog *log = plog_new(0);
    struct plog_reader *r = plog_reader_open(log);
    append(log, 0, "a");
    size_t len = 1000 * 1000;
    char *text = mem_zalloc(len);
    text[len - 1] = 'e';
    plog_append(log, 0, slice_of(text, len), PLOG_GROW);
    append(log, 0, "b");
    expect(r, SELECT_0 "a");
    struct slice got = plog_peek(r);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, text, len);
    plog_advance(r, len - 1);
    expect(r, "e");
    expect(r, "b");
    plog_reader_close(r);
    plog_free(log);
    mem_free(text);
}

static void *append_later(void *arg)
{
    clock_sleep_us(20000);
    append(arg, 0, "x");
    return NULL;
}

static void *kick_later(void *arg)
{
    clock_sleep_us(20000);
    plog_kick(arg);
    return NULL;
}

static void waiting_ends_by_append_kick_or_time(void **state)
{
    struct plog *log = plog_new(0);
    struct plog_reader *r = plog_reader_open(log);
    uint64_t begin = clock_mono_ms();
    assert_false(plog_wait(log, 0, 30));
    assert_true(clock_mono_ms() - begin >= 29);
    pthread_t thread;
    pthread_create(&thread, NULL, append_later, log);
    assert_true(plog_wait(log, 0, 10000));
    pthread_join(thread, NULL);
    assert_true(plog_wait(log, 0, 10000));
    pthread_create(&thread, NULL, kick_later, log);
    assert_false(plog_wait(log, plog_end(log), 10000));
    pthread_join(thread, NULL);
    assert_true(clock_mono_ms() - begin < 9000);
    plog_reader_close(r);
    plog_free(log);
}

/* ---- threads: every reader sees every record whole, once, and each writer's in its order ---- */

#define WRITERS 4
#define RECORDS 20000

struct record {
    uint32_t magic, writer, number, size;
};

static void *write_records(void *arg)
{
    struct plog *log = ((void **)arg)[0];
    uint32_t writer = (uint32_t)(uintptr_t)((void **)arg)[1];
    char buf[2048];
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record r = {.magic = 0x600d600d, .writer = writer, .number = i};
        r.size = (uint32_t)(sizeof r + (i * 7919u + writer) % 1500);
        memset(buf, (int)i, sizeof buf);
        memcpy(buf, &r, sizeof r);
        plog_append(log, 0, slice_of(buf, r.size), i & 1 ? PLOG_GROW : PLOG_SHRINK);
    }
    return NULL;
}

static void *read_records(void *arg)
{
    struct plog *log = ((void **)arg)[0];
    struct plog_reader *reader = ((void **)arg)[1];
    uint32_t next[WRITERS] = {0};
    size_t left = WRITERS * RECORDS;
    bool first = true;
    while (left) {
        struct slice s = plog_peek(reader);
        if (s.len == 0) {
            plog_wait(log, plog_reader_at(reader), 1000);
            continue;
        }
        size_t at = first ? strlen(SELECT_0) : 0;
        first = false;
        while (at < s.len) {
            struct record r;
            memcpy(&r, s.data + at, sizeof r);
            if (r.magic != 0x600d600d || r.number != next[r.writer] || at + r.size > s.len)
                abort();
            next[r.writer]++;
            at += r.size;
            left--;
        }
        plog_advance(reader, s.len);
    }
    return NULL;
}

static void threads_agree_on_one_order(void **state)
{
    struct plog *log = plog_new(12345);
    struct plog_reader *readers[2] = {plog_reader_open(log), plog_reader_open(log)};
    pthread_t writer[WRITERS], reader[2];
    void *writer_args[WRITERS][2], *reader_args[2][2];
    for (int i = 0; i < 2; i++) {
        reader_args[i][0] = log;
        reader_args[i][1] = readers[i];
        pthread_create(&reader[i], NULL, read_records, reader_args[i]);
    }
    for (uintptr_t i = 0; i < WRITERS; i++) {
        writer_args[i][0] = log;
        writer_args[i][1] = (void *)i;
        pthread_create(&writer[i], NULL, write_records, writer_args[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writer[i], NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(reader[i], NULL);
    assert_int_equal(plog_end(log) - 12345,
                     plog_appended(log, PLOG_GROW) + plog_appended(log, PLOG_SHRINK));
    assert_true(plog_memory(log) <= 4 * 256 * 1024);
    plog_reader_close(readers[0]);
    plog_reader_close(readers[1]);
    assert_int_equal(plog_memory(log), 0);
    plog_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_kept_without_readers),
        cmocka_unit_test(select_is_inserted_where_the_database_changes),
        cmocka_unit_test(classes_are_counted),
        cmocka_unit_test(memory_behind_the_slowest_is_given_back),
        cmocka_unit_test(a_record_larger_than_a_segment_is_contiguous),
        cmocka_unit_test(waiting_ends_by_append_kick_or_time),
        cmocka_unit_test(threads_agree_on_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
