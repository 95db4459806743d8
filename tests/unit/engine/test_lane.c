/* test_lane.c - a lane's clients, messages, error counters and turn. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>
#include "commands/commands.h"
#include "feed.h"

static struct engine_fixture f;

static int setup(void **state)
{
    (void)state;
    const struct command *const families[] = {string_commands, generic_commands, NULL};
    fixture_open(&f, families);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void test_clients(void **state)
{
    (void)state;
    struct client a = {.flags = 0}, b = {.flags = 0}, c = {.flags = 0};
    client_init(&a, &f.lane);
    client_init(&b, &f.lane);
    client_init(&c, &f.lane);
    assert_true(a.id < b.id && b.id < c.id);
    assert_int_equal(f.lane.client_count, 4);
    assert_ptr_equal(lane_find_client(&f.lane, b.id), &b);
    client_free(&b); /* out of the middle */
    assert_null(lane_find_client(&f.lane, b.id));
    assert_ptr_equal(lane_find_client(&f.lane, a.id), &a);
    assert_ptr_equal(lane_find_client(&f.lane, c.id), &c);
    client_free(&c);
    client_free(&a);
    assert_ptr_equal(f.lane.clients, &f.client);
    assert_int_equal(f.lane.client_count, 1);
    assert_null(lane_find_client(&f.lane, 0));
}

static void test_error_codes(void **state)
{
    (void)state;
    const struct lane_errors *e = &f.lane.stats.by_code;
    uint64_t before = f.lane.stats.errors;
    char text[64];
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < LANE_ERROR_CODES + 10; i++) {
            snprintf(text, sizeof text, "CODE%u and more", i);
            lane_count_error(&f.lane, text, strlen(text));
        }
    assert_int_equal(e->used, LANE_ERROR_CODES); /* what is new then is only counted in all */
    assert_int_equal(f.lane.stats.errors - before, 3 * (LANE_ERROR_CODES + 10));
    assert_string_equal(e->codes[1].code, "CODE1"); /* no prefix of CODE10 */
    for (unsigned i = 0; i < LANE_ERROR_CODES; i++)
        assert_int_equal(e->codes[i].count, 3);
    f.lane.stats.by_code = (struct lane_errors){0};
    lane_count_error(&f.lane, "ALONE", 5);
    lane_count_error(&f.lane, "", 0);
    lane_count_error(&f.lane, "0123456789012345678901234567890123456789 x", 42);
    lane_count_error(&f.lane, "0123456789012345678901234567890999999999 x", 42);
    assert_int_equal(e->used, 3);
    assert_string_equal(e->codes[2].code, "0123456789012345678901234567890"); /* cut at 31 */
    assert_int_equal(e->codes[2].count, 2);
}

struct numbered {
    struct lane_message message;
    unsigned number;
};

static unsigned next_number;
static unsigned woken; /* atomic */

static void take_number(struct lane *lane, struct lane_message *message)
{
    struct numbered *n = CONTAINER_OF(message, struct numbered, message);
    assert_ptr_equal(lane, &f.lane);
    assert_int_equal(n->number, next_number);
    next_number++;
    mem_free(n);
}

static void wake(struct lane *lane)
{
    (void)lane;
    RELAXED_ADD(&woken, 1);
}

static void *post_numbers(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 1000; i++) {
        struct numbered *n = mem_alloc(sizeof *n);
        *n = (struct numbered){.message.run = take_number, .number = i};
        lane_post(&f.lane, &n->message);
    }
    return NULL;
}

static void test_messages_keep_their_order(void **state)
{
    (void)state;
    pthread_t thread;
    f.lane.wake = wake;
    next_number = 0;
    assert_int_equal(pthread_create(&thread, NULL, post_numbers, NULL), 0);
    while (next_number < 1000) {
        lane_turn(&f.lane);
        lane_tick(&f.lane);
    }
    pthread_join(thread, NULL);
    assert_int_equal(RELAXED_LOAD(&woken), 1000);
    f.lane.wake = NULL;
}

static void test_background_work(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET a 1 PX 1", "+OK");
    EXPECT(&f, "SET b 1", "+OK");
    fixture_log(&f);
    usleep(200 * 1000);
    f.server.phase = SERVER_LOADING;
    lane_turn(&f.lane);
    f.lane.next_slice_us = 0;
    lane_tick(&f.lane);
    assert_int_equal(keyspace_size(f.server.keyspace, 0), 2);
    f.server.phase = SERVER_READY;
    lane_turn(&f.lane);
    f.lane.next_slice_us = f.lane.now_us + 1; /* not yet */
    assert_false(lane_tick(&f.lane));
    assert_int_equal(keyspace_size(f.server.keyspace, 0), 2);
    f.lane.next_slice_us = f.lane.now_us;
    lane_tick(&f.lane);
    assert_int_equal(keyspace_size(f.server.keyspace, 0), 1);
    EXPECT_LOG(&f, "DEL a");
}

static void test_time_buckets(void **state)
{
    (void)state;
    assert_int_equal(command_time_bucket(0), 0);
    assert_int_equal(command_time_bucket(1), 1);
    assert_int_equal(command_time_bucket(2), 2);
    assert_int_equal(command_time_bucket(3), 2);
    assert_int_equal(command_time_bucket(4), 3);
    assert_int_equal(command_time_bucket((1 << 22) - 1), 22);
    assert_int_equal(command_time_bucket(1 << 22), 23);
    assert_int_equal(command_time_bucket(UINT64_MAX / 2), 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_messages_keep_their_order),
        cmocka_unit_test(test_background_work),
        cmocka_unit_test(test_time_buckets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
