/* test_block.c - clients of two lanes that wait for keys: every way for it to end, and that only
 * one of them happens. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include "commands/commands.h"
#include "engine/block.h"
#include "engine/waiter.h"
#include "feed.h"

#define PEOPLE 10

static struct engine_fixture f;
static struct lane second;           /* f.lane is the first */
static struct client people[PEOPLE]; /* those with odd numbers are on the second lane */
static struct bytes said[PEOPLE];    /* what each was replied */
static bool alive[PEOPLE];
static unsigned runs; /* of take_command */

/* TAKE key...: a string, which it removes; or waits, for removals too. The word "not"
 * is no answer to it. */
static void take_command(struct call *call)
{
    struct block_options options = {.type = TYPE_STRING, .on_removal = true};
    runs++;
    for (uint32_t i = 1; i < call->argc; i++) {
        struct key key = call_key(call, i);
        struct entry *entry;
        if (!call_find_string(call, &key, FIND_WRITE, &entry))
            return;
        if (entry == NULL || slice_eq(entry_string(entry), SLICE("not")))
            continue;
        call_reply_string(call, entry);
        keyspace_remove(&call->hold, &key, entry, false);
        call_changed(call, 1);
        return;
    }
    if (call_may_block(call))
        call_block(call, &options);
    else
        reply_null(call->reply);
}

/* CHANGED key: runs again with "other" for the last argument. */
static void replaced_command(struct call *call)
{
    struct key key = call_key(call, 1);
    struct slice argv[] = {call->argv[0], call->argv[1], SLICE("other")};
    struct block_options options = {.type = TYPE_STRING, .keys = 1, .argv = argv};
    if (keyspace_find(&call->hold, &key, FIND_PEEK) != NULL)
        reply_bulk(call->reply, call->argv[2]);
    else
        call_block(call, &options);
}

static const struct command own_commands[] = {
    {.name = "take",
     .run = take_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_BLOCKING,
     .keys = KEYS_ALL(KEY_RW)},
    {.name = "replaced",
     .run = replaced_command,
     .arity = 3,
     .flags = CMD_READONLY | CMD_BLOCKING,
     .keys = KEYS_ONE(KEY_RO)},
    {.name = NULL},
};

static struct lane *lane_of(unsigned who)
{
    return who % 2 ? &second : &f.lane;
}

/* What net/ does with a client that was answered: here, its reply is kept. */
static void hear(struct lane *lane, struct client *client)
{
    struct bytes *own = &said[client - people];
    bytes_append(own, lane->reply.bytes.data, lane->reply.bytes.len);
    reply_buffer_clear(&lane->reply);
}

static int setup(void **state)
{
    (void)state;
    const struct command *const families[] = {
        string_commands,  list_commands, zset_commands, client_commands,
        generic_commands, own_commands,  NULL};
    fixture_open(&f, families);
    f.server.lanes[1] = &second;
    f.server.lane_count = 2;
    lane_init(&second, &f.server, 1);
    f.lane.client_ready = second.client_ready = hear;
    for (unsigned i = 0; i < PEOPLE; i++) {
        client_init(&people[i], lane_of(i));
        alive[i] = true;
    }
    runs = 0;
    return 0;
}

static void leave(unsigned who)
{
    client_free(&people[who]);
    alive[who] = false;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PEOPLE; i++) {
        if (alive[i])
            leave(i);
        bytes_free(&said[i]);
        people[i] = (struct client){0};
    }
    lane_tick(&f.lane);
    lane_tick(&second);
    assert_int_equal(f.server.blocked_clients, 0);
    assert_int_equal(f.server.timed_clients, 0);
    assert_int_equal(wait_keys(f.server.keyspace), 0);
    lane_free(&second);
    second = (struct lane){0};
    fixture_close(&f);
    return 0;
}

/* Runs a command; its reply and what both lanes then have to say to others is in said[]. */
static enum feed_result say(unsigned who, const char *line)
{
    struct lane *lane = lane_of(who);
    size_t consumed, wanted;
    f.input.len = 0;
    feed_add(&f.input, line);
    lane_turn(lane);
    enum feed_result result =
        lane_feed(lane, &people[who], f.input.data, f.input.len, &consumed, &wanted);
    hear(lane, &people[who]);
    return result;
}

static void tick(void)
{
    lane_tick(&f.lane);
    lane_tick(&second);
}

static void check_said(unsigned who, const char *want)
{
    assert_string_equal(bytes_str(&said[who]), want);
    said[who].len = 0;
}

static void check_waits(unsigned who, bool waits)
{
    uint32_t flags = CLIENT_BLOCKED | CLIENT_DEFERRED;
    assert_int_equal(people[who].flags & flags, waits ? flags : 0);
    assert_true((people[who].waiter != NULL) == waits);
    check_said(who, "");
}

static void wait_with(unsigned who, const char *line)
{
    assert_int_equal(say(who, line), FEED_STOPPED);
    check_waits(who, true);
}

/* ---- being served ---- */

static void test_served_by_the_other_lane(void **state)
{
    (void)state;
    wait_with(0, "BLPOP k 0");
    assert_int_equal(f.server.blocked_clients, 1);
    say(1, "RPUSH k a");
    check_said(1, ":1\r\n");
    assert_int_equal(f.server.blocked_clients, 0); /* at once, though it has not heard of it yet */
    EXPECT_LOG(&f, "RPUSH k a; LPOP k");
    check_waits(0, true);
    lane_tick(&second);
    check_waits(0, true);
    lane_tick(&f.lane);
    check_said(0, "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
    check_waits(0, false);
}

static void test_served_by_its_own_lane(void **state)
{
    (void)state;
    wait_with(0, "BZPOPMIN z 0");
    say(2, "ZADD z 1 m");
    tick();
    check_said(0, "*3\r\n$1\r\nz\r\n$1\r\nm\r\n$1\r\n1\r\n");
    EXPECT_LOG(&f, "ZADD z 1 m; ZPOPMIN z");
}

static void test_first_come_first_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        wait_with(i, "BLPOP k other 0");
    say(4, "RPUSH k 0 1 2");
    tick();
    for (unsigned i = 0; i < 3; i++) {
        char want[64];
        snprintf(want, sizeof want, "*2\r\n$1\r\nk\r\n$1\r\n%u\r\n", i);
        check_said(i, want);
    }
    check_waits(3, true);
    EXPECT_LOG(&f, "RPUSH k 0 1 2; LPOP k; LPOP k; LPOP k");
}

static void test_chains(void **state)
{
    (void)state;
    wait_with(0, "BLMOVE a b LEFT LEFT 0");
    wait_with(1, "BRPOPLPUSH b c 0");
    wait_with(2, "BLPOP d c 0");
    say(3, "RPUSH a x");
    EXPECT_LOG(&f, "RPUSH a x; LMOVE a b LEFT LEFT; RPOPLPUSH b c; LPOP c");
    tick();
    check_said(0, "$1\r\nx\r\n");
    check_said(1, "$1\r\nx\r\n");
    check_said(2, "*2\r\n$1\r\nc\r\n$1\r\nx\r\n");
}

/* A run that finds nothing leaves it where it stands. */
static void test_waits_on_in_its_place(void **state)
{
    (void)state;
    wait_with(0, "TAKE k");
    wait_with(1, "TAKE k");
    assert_int_equal(runs, 2);
    say(3, "SET k not");
    assert_int_equal(runs, 4);
    tick();
    check_waits(0, true);
    check_waits(1, true);
    say(3, "SET k yes"); /* a string in a string's place: nobody is told of that */
    assert_int_equal(runs, 4);
    say(3, "DEL k");
    assert_int_equal(runs, 6);
    say(3, "MSET k first other x");
    tick();
    check_said(0, "$5\r\nfirst\r\n");
    check_waits(1, true);
    say(3, "RENAME other k");
    tick();
    check_said(1, "$1\r\nx\r\n");
}

static void test_other_arguments(void **state)
{
    (void)state;
    wait_with(0, "REPLACED k these");
    say(0, "GET k"); /* it is not asked before it was answered */
    say(1, "SET k 1");
    tick();
    check_said(0, "$5\r\nother\r\n");
}

static void test_dialect_and_silence(void **state)
{
    (void)state;
    people[0].resp = 3;
    wait_with(0, "BZPOPMIN z 0");
    people[1].flags |= CLIENT_REPLY_SKIP_NEXT;
    wait_with(1, "BZPOPMIN z 0");
    wait_with(2, "BZPOPMIN z 0");
    say(3, "ZADD z 1 a 2 b 3 c");
    tick();
    check_said(0, "*3\r\n$1\r\nz\r\n$1\r\na\r\n,1\r\n");
    check_said(1, "");
    check_said(2, "*3\r\n$1\r\nz\r\n$1\r\nc\r\n$1\r\n3\r\n");
    assert_false(people[1].flags & CLIENT_BLOCKED);
}

static void test_counted_once(void **state)
{
    (void)state;
    uint32_t blpop;
    registry_find(f.server.registry, SLICE("blpop"), &blpop);
    const struct command_stats *first = &f.lane.command_stats[blpop];
    const struct command_stats *other = &second.command_stats[blpop];
    wait_with(0, "BLPOP k 0");
    assert_int_equal(first->calls + other->calls, 0);
    say(1, "RPUSH k 1");
    assert_int_equal(first->calls + other->calls, 1);
    tick();
    said[0].len = 0;
    wait_with(0, "BLPOP k 0");
    assert_true(block_end(&f.server, &second, people[0].id, true));
    tick();
    assert_int_equal(first->calls + other->calls, 2);
    assert_int_equal(first->failed + other->failed, 1);
}

static void test_who_may_not_wait(void **state)
{
    (void)state;
    people[0].flags |= CLIENT_DENY_BLOCKING;
    assert_int_equal(say(0, "BLPOP k 0"), FEED_MORE);
    check_said(0, "*-1\r\n");
    say(0, "BLMOVE k j LEFT LEFT 0");
    check_said(0, "$-1\r\n");
    say(0, "BRPOPLPUSH k j 0");
    check_said(0, "$-1\r\n");
    say(0, "BLMPOP 0 1 k LEFT");
    check_said(0, "*-1\r\n");
    say(0, "BZPOPMAX k 0");
    check_said(0, "*-1\r\n");
    say(0, "BZMPOP 0 1 k MAX");
    check_said(0, "*-1\r\n");
    say(0, "TAKE k");
    check_said(0, "$-1\r\n");
    assert_int_equal(f.server.blocked_clients, 0);
}

/* ---- claims ---- */

static struct waiter *claim(unsigned who) /* as a lane that is about to serve it */
{
    struct waiter *w = people[who].waiter;
    assert_true(waiter_move(w, WAITER_WAITING, WAITER_CLAIMED));
    assert_false(waiter_move(w, WAITER_WAITING, WAITER_CLAIMED));
    return w;
}

/* While one lane serves it, nothing else ends it: not its time, not CLIENT UNBLOCK, no pusher. */
static void test_a_claimed_one_is_left_alone(void **state)
{
    (void)state;
    wait_with(0, "BLPOP k 0.001");
    struct waiter *w = claim(0);
    f.lane.now_us = w->until_us;
    uint64_t before = w->until_us;
    block_timeouts(&f.lane);
    check_waits(0, true);
    assert_true(w->until_us > before && f.lane.timeout_us == w->until_us);
    assert_false(block_end(&f.server, &second, people[0].id, true));
    say(1, "RPUSH k x");
    tick();
    check_waits(0, true);
    say(1, "LPOP k");
    assert_true(waiter_move(w, WAITER_CLAIMED, WAITER_WAITING)); /* the other found nothing */
    f.lane.now_us = w->until_us - 1;
    block_timeouts(&f.lane);
    check_waits(0, true);
    f.lane.now_us = w->until_us;
    block_timeouts(&f.lane);
    check_said(0, "*-1\r\n");
    check_waits(0, false);
    assert_true(f.lane.timeout_us == UINT64_MAX);
}

/* It leaves its queues at once, and is freed when whoever claimed it is done with it. */
static void test_client_goes_while_served(void **state)
{
    (void)state;
    wait_with(0, "BLPOP k j 5");
    wait_with(1, "BLPOP k 0");
    struct waiter *w = claim(0);
    leave(0);
    assert_int_equal(w->state, WAITER_ORPHANED);
    assert_false(waiter_move(w, WAITER_CLAIMED, WAITER_WAITING));
    assert_int_equal(f.server.timed_clients, 0);
    say(3, "RPUSH k x");
    tick();
    check_said(1, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
    waiter_ended(w);
    waiter_post(w, &second, OUTCOME_SERVED);
    lane_tick(&f.lane);
}

static void test_client_goes_while_queued(void **state)
{
    (void)state;
    wait_with(0, "BLPOP k j 5");
    wait_with(1, "BLPOP k 0");
    leave(0);
    assert_int_equal(f.server.blocked_clients, 1);
    assert_int_equal(wait_keys(f.server.keyspace), 1);
    say(3, "RPUSH k x");
    tick();
    check_said(1, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
}

static void test_client_goes_before_it_hears(void **state)
{
    (void)state;
    wait_with(0, "BLPOP k 0");
    say(1, "RPUSH k x");
    leave(0); /* the element is lost with it */
    wait_with(2, "BLPOP k 0");
    assert_true(block_end(&f.server, &second, people[2].id, false));
    leave(2);
    tick();
}

static void test_unblock(void **state)
{
    (void)state;
    assert_false(block_end(&f.server, &f.lane, people[0].id, false));
    assert_false(block_end(&f.server, &f.lane, 12345, false));
    for (unsigned i = 0; i < 4; i++) {
        struct lane *from = i < 2 ? &f.lane : &second;
        wait_with(i, "BLPOP k j 0");
        assert_true(block_end(&f.server, from, people[i].id, i % 2));
        assert_false(block_end(&f.server, from, people[i].id, i % 2));
        say(5, "RPUSH k x"); /* too late for it */
        say(5, "DEL k");
        tick();
        check_said(i, i % 2 ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n" : "*-1\r\n");
        check_waits(i, false);
        assert_int_equal(f.server.blocked_clients, 0);
    }
}

/* ---- answers that whoever serves sends itself ---- */

static uint64_t takes;            /* bytes that the connection takes of each reply */
static unsigned sends;            /* of send_for_them */
static unsigned wakes;            /* of the first lane */
static uint32_t holding, letting; /* atomic: a send is going on; it may end */

/* As net/ does it. No shard is held then, or this would never end. */
static uint64_t send_for_them(struct client *client, const struct reply_buffer *reply)
{
    struct hold hold = lane_hold(&second);
    hold_take(&hold, HOLD_ALL);
    hold_drop(&hold);
    uint64_t taken = MIN_OF(takes, reply_buffer_size(reply));
    assert_true(reply->reference_count == 0 || taken == 0 || taken > reply->bytes.len);
    assert_int_equal(waiter_state(client->waiter), WAITER_SENDING);
    bytes_append(&said[client - people], reply->bytes.data,
                 (size_t)MIN_OF(taken, (uint64_t)reply->bytes.len));
    sends++;
    return taken;
}

static uint64_t send_slowly(struct client *client, const struct reply_buffer *reply)
{
    __atomic_store_n(&holding, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&letting, __ATOMIC_ACQUIRE))
        clock_sleep_us(100);
    clock_sleep_us(2000);
    __atomic_store_n(&holding, 2, __ATOMIC_RELEASE);
    return 0;
}

static void wake_first(struct lane *lane)
{
    wakes++;
}

static int setup_direct(void **state)
{
    setup(state);
    f.lane.send_directly = second.send_directly = send_for_them;
    f.lane.wake = wake_first;
    takes = UINT64_MAX;
    sends = wakes = 0;
    holding = letting = 0;
    return 0;
}

static void wait_directly(unsigned who, const char *line)
{
    wait_with(who, line);
    block_allow_direct(&people[who]);
}

static void test_sent_by_who_serves(void **state)
{
    (void)state;
    wait_directly(0, "BLPOP k 0");
    say(1, "RPUSH k a");
    EXPECT_LOG(&f, "RPUSH k a; LPOP k");
    check_said(1, ":1\r\n");
    check_said(0, "*2\r\n$1\r\nk\r\n$1\r\na\r\n"); /* its lane has heard of nothing */
    check_waits(0, true);
    assert_true(block_is_answered(&people[0]));
    assert_false(block_end(&f.server, &second, people[0].id, true));
    assert_int_equal(wakes, 0);
    tick();
    check_waits(0, false);
    assert_false(block_is_answered(&people[0]));
    assert_int_equal(sends, 1);
    assert_int_equal(f.lane.stats.writes, 1);
    assert_int_equal(f.lane.stats.bytes_out, 18);
    assert_int_equal(people[0].bytes_out, 18);
    assert_int_equal(second.stats.bytes_out, 0);
    wait_with(0, "BLPOP k 0"); /* allowed once, not for ever */
    say(1, "RPUSH k a");
    assert_int_equal(sends, 1);
}

/* Whatever the connection takes, the owner has the rest to send. */
static void test_sent_in_part(void **state)
{
    (void)state;
    const char *whole = "*2\r\n$1\r\nk\r\n$1\r\na\r\n";
    size_t size = strlen(whole);
    for (takes = 0; takes <= size; takes++) {
        wait_directly(0, "BLPOP k 5");
        say(1, "RPUSH k a");
        said[1].len = 0;
        assert_int_equal(said[0].len, takes);
        assert_int_equal(wakes, takes < size ? takes + 1 : size);
        tick();
        check_said(0, whole);
        check_waits(0, false);
        assert_int_equal(people[0].bytes_out, takes * (takes + 1) / 2);
    }
}

/* Replies of 64 KiB are sent directly, larger ones by their lane; those of four clients, but not of
 * five. The pusher's own lane sends at the end of its turn. */
static void test_limits_of_direct_sends(void **state)
{
    (void)state;
    static char line[70000];
    const char *head = "*2\r\n$1\r\nk\r\n$65515\r\n"; /* and CR LF in the end */
    for (int over = 0; over <= 1; over++) {
        int push = snprintf(line, sizeof line, "RPUSH k ");
        size_t len = 65536 - strlen(head) - 2 + (size_t)over;
        memset(line + push, 'x', len);
        line[push + (int)len] = '\0';
        wait_directly(0, "BLPOP k 0");
        say(1, line);
        assert_int_equal(sends, 1);
        tick();
        assert_null(people[0].waiter);
        said[0].len = said[1].len = 0;
    }
    wait_directly(1, "BLPOP k 0");
    for (unsigned i = 0; i < 8; i += 2)
        wait_directly(i, "BLPOP k 0");
    say(9, "RPUSH k 0 1 2 3 4");
    assert_int_equal(sends, 1 + 4);
    assert_int_equal(said[0].len, 18);
    check_waits(1, true);
    tick();
    for (unsigned i = 0; i < PEOPLE; i++)
        said[i].len = 0;
    for (unsigned i = 0; i < PEOPLE; i += 2)
        wait_directly(i, "BLPOP j 0");
    say(9, "RPUSH j 0 1 2 3 4");
    assert_int_equal(sends, 1 + 4);
    tick();
    for (unsigned i = 0; i < PEOPLE; i += 2)
        assert_non_null(strstr(bytes_str(&said[i]), "$1\r\nj\r\n"));
}

static void test_what_waits_for_the_log_is_the_owners(void **state)
{
    (void)state;
    f.server.gate_replies = true;
    wait_directly(0, "BLPOP k 0");
    say(1, "RPUSH k a");
    assert_int_equal(sends, 0);
    assert_false(block_is_answered(&people[0]));
    tick();
    check_said(0, "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
    assert_true(f.lane.log_gate != 0);
}

static void test_nothing_to_send(void **state)
{
    (void)state;
    people[0].flags |= CLIENT_REPLY_OFF;
    wait_directly(0, "BLPOP k 0");
    say(1, "RPUSH k a");
    assert_int_equal(sends, 0);
    tick();
    check_waits(0, false);
}

/* A client that waits on keeps its permission. */
static void test_permission_outlives_a_vain_run(void **state)
{
    (void)state;
    wait_directly(0, "TAKE k");
    say(1, "SET k not");
    assert_int_equal(sends, 0);
    say(1, "DEL k");
    say(1, "SET k yes");
    check_said(0, "$3\r\nyes\r\n");
    assert_int_equal(sends, 1);
}

static void test_taken_back(void **state)
{
    (void)state;
    assert_null(block_take_back(&people[0]));
    wait_directly(0, "BLPOP k 0");
    assert_null(block_take_back(&people[0]));
    say(1, "RPUSH k a");
    assert_null(block_take_back(&people[0]));
    assert_int_equal(sends, 0);
    tick();
    check_said(0, "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
    for (takes = 0; takes <= 18; takes += 9) {
        wait_directly(0, "BLPOP k 0");
        say(1, "RPUSH k a");
        struct reply_buffer *rest = block_take_back(&people[0]);
        assert_true((rest != NULL) == (takes == 9));
        if (rest != NULL) { /* it goes out before the rest of the turn */
            bytes_append(&said[0], rest->bytes.data, rest->bytes.len);
            reply_buffer_clear(rest);
        }
        tick();
        check_said(0, "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
    }
}

static void test_who_is_impatient_is_woken(void **state)
{
    (void)state;
    wait_directly(0, "BLPOP k 0");
    lane_add_impatient(&f.lane, 1);
    say(1, "RPUSH k a");
    assert_int_equal(wakes, 1);
    tick();
    lane_add_impatient(&f.lane, -1);
    wait_directly(2, "BLPOP k 0");
    say(1, "RPUSH k a");
    assert_int_equal(wakes, 1);
    tick();
}

static void test_client_goes_before_it_is_sent(void **state)
{
    (void)state;
    wait_directly(0, "BLPOP k 0");
    struct waiter *w = claim(0);
    leave(0);
    assert_int_equal(waiter_state(w), WAITER_ORPHANED);
    waiter_ended(w);
    waiter_post(w, &second, OUTCOME_SERVED);
    wait_directly(2, "BLPOP k 0");
    takes = 5;
    say(1, "RPUSH k a");
    leave(2); /* what is left of it goes with it */
    tick();
    assert_int_equal(f.lane.stats.bytes_out, 5);
}

static void *push_from_the_other(void *unused)
{
    mem_thread_join();
    say(1, "RPUSH k a");
    mem_thread_leave();
    return NULL;
}

/* Its socket is in use on the other thread: it stays until that is over. */
static void test_client_goes_while_it_is_sent(void **state)
{
    (void)state;
    pthread_t thread;
    f.lane.send_directly = send_slowly;
    wait_directly(0, "BLPOP k 0");
    assert_int_equal(pthread_create(&thread, NULL, push_from_the_other, NULL), 0);
    while (__atomic_load_n(&holding, __ATOMIC_ACQUIRE) == 0)
        clock_sleep_us(100);
    __atomic_store_n(&letting, 1, __ATOMIC_RELEASE);
    leave(0);
    assert_int_equal(__atomic_load_n(&holding, __ATOMIC_ACQUIRE), 2);
    pthread_join(thread, NULL);
    tick();
}

/* ---- timeouts ---- */

/* Many waiters of one lane whose times end in any order, some of which are ended before. */
static void test_timeouts_in_order(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static struct client many[MANY];
    static uint64_t until[MANY];
    struct lane *lane = &f.lane;
    struct rand random;
    rand_seed(&random, 7);
    lane->client_ready = NULL;
    for (unsigned i = 0; i < MANY; i++) {
        char line[64];
        client_init(&many[i], lane);
        snprintf(line, sizeof line, "BLPOP k%u %u", i % 7, (unsigned)rand_below(&random, 1000));
        feed_line(&f, &many[i], line);
        until[i] = many[i].waiter->until_us;
    }
    for (unsigned i = 0; i < MANY; i += 3) {
        client_free(&many[i]);
        until[i] = 0;
    }
    for (uint64_t last = 0;;) {
        uint64_t next = UINT64_MAX;
        for (unsigned i = 0; i < MANY; i++)
            if (until[i] > last)
                next = MIN_OF(next, until[i]);
        assert_true(lane->timeout_us == next);
        if (next == UINT64_MAX)
            break;
        lane->now_us = next;
        block_timeouts(lane);
        for (unsigned i = 0; i < MANY; i++)
            if (until[i] != 0)
                assert_true((many[i].waiter == NULL) == (until[i] <= next));
        last = next;
    }
    for (unsigned i = 0; i < MANY; i++)
        if (i % 3 != 0)
            client_free(&many[i]);
    reply_buffer_clear(&lane->reply);
}

static void test_timeout_words(void **state)
{
    (void)state;
    say(0, "BLPOP k x");
    check_said(0, "-ERR timeout is not a float or out of range\r\n");
    say(0, "BLPOP k -1");
    check_said(0, "-ERR timeout is negative\r\n");
    say(0, "BLPOP k 9223372036854775.8");
    check_said(0, "-ERR timeout is out of range\r\n");
    wait_with(0, "BLPOP k 9000000000000000"); /* in microseconds it is more than can be counted */
    assert_true(f.lane.timeout_us == UINT64_MAX - 1);
    leave(0);
    uint64_t before_us = clock_mono_us();
    wait_with(2, "BLPOP k 0.0001"); /* a part of a millisecond is one */
    assert_in_range(f.lane.timeout_us, before_us, clock_mono_us() + 1000);
}

/* ---- keys that go, databases ---- */

static void test_removals(void **state)
{
    (void)state;
    wait_with(0, "TAKE k");
    say(1, "SET k not");
    say(1, "PEXPIRE k 1");
    unsigned before = runs;
    for (int64_t now = clock_wall_ms(); clock_wall_ms() < now + 3;)
        ;
    lane_turn(&second);
    say(1, "EXISTS k"); /* finds that it has expired */
    assert_int_equal(runs, before + 1);
    say(1, "SET k not");
    say(1, "RPUSH l 1");
    say(1, "RENAME l k");
    tick();
    check_said(0, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
}

#define TEST(name)        cmocka_unit_test_setup_teardown(name, setup, teardown)
#define DIRECT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_direct, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_served_by_the_other_lane),
        TEST(test_served_by_its_own_lane),
        TEST(test_first_come_first_served),
        TEST(test_chains),
        TEST(test_waits_on_in_its_place),
        TEST(test_other_arguments),
        TEST(test_dialect_and_silence),
        TEST(test_counted_once),
        TEST(test_who_may_not_wait),
        TEST(test_a_claimed_one_is_left_alone),
        TEST(test_client_goes_while_served),
        TEST(test_client_goes_while_queued),
        TEST(test_client_goes_before_it_hears),
        TEST(test_unblock),
        DIRECT_TEST(test_sent_by_who_serves),
        DIRECT_TEST(test_sent_in_part),
        DIRECT_TEST(test_limits_of_direct_sends),
        DIRECT_TEST(test_what_waits_for_the_log_is_the_owners),
        DIRECT_TEST(test_nothing_to_send),
        DIRECT_TEST(test_permission_outlives_a_vain_run),
        DIRECT_TEST(test_taken_back),
        DIRECT_TEST(test_who_is_impatient_is_woken),
        DIRECT_TEST(test_client_goes_before_it_is_sent),
        DIRECT_TEST(test_client_goes_while_it_is_sent),
        TEST(test_timeouts_in_order),
        TEST(test_timeout_words),
        TEST(test_removals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
