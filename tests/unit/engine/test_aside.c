/* test_aside.c - commands that run aside: which do, what becomes of them when others come between,
 * and when their clients or the server go away. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine/aside.h"
#include "engine/waiter.h"
#include "keyspace/pin.h"
#include "persist/lazyfree.h"
#include "value/set.h"
#include "feed.h"

#define PEOPLE    6
#define PATIENCE  20000 /* looks, a millisecond apart: 20 s */
#define LONG_TIME 100   /* elements of the commands below */

static struct engine_fixture f;
static struct lane second;           /* f.lane is the first */
static struct client people[PEOPLE]; /* those with odd numbers are on the second lane */
static struct bytes said[PEOPLE];    /* what each was replied */
static struct bytes unsent[PEOPLE];  /* what each has yet to be asked */
static bool alive[PEOPLE];

static uint32_t runs;    /* atomic: how often LONG and LONGSTORE began to run aside */
static uint32_t is_open; /* atomic: they may end */

static void wait_for(uint32_t *what, uint32_t least)
{
    for (int i = 0; __atomic_load_n(what, __ATOMIC_ACQUIRE) < least; i++) {
        assert_true(i < PATIENCE);
        clock_sleep_us(1000);
    }
}

static void take_long(struct call *call, struct value *set)
{
    call_let_go(call, set, set->pointer != NULL);
    if (!call->aside)
        return;
    __atomic_fetch_add(&runs, 1, __ATOMIC_ACQ_REL);
    wait_for(&is_open, 1);
}

static bool find_set(struct call *call, uint32_t at, struct value *out)
{
    struct key key = call_key(call, at);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
    *out = entry != NULL ? entry_value(entry) : (struct value){0};
    return !call_aside(call, LONG_TIME);
}

/* LONG key: how many members it has, after a long time. */
static void long_command(struct call *call)
{
    struct value set;
    if (!find_set(call, 1, &set))
        return;
    take_long(call, &set);
    reply_int(call->reply, set.pointer != NULL ? (int64_t)set_count(set) : 0);
}

/* LONGSTORE to key: copies the set. */
static void longstore_command(struct call *call)
{
    struct value set;
    struct key to = call_key(call, 1);
    if (!find_set(call, 2, &set))
        return;
    take_long(call, &set);
    struct value copy = set.pointer != NULL ? value_copy(set) : set;
    if (!call_take_back(call)) {
        if (copy.pointer != NULL)
            value_free(copy);
        return;
    }
    struct entry *old = keyspace_find(&call->hold, &to, FIND_WRITE);
    if (copy.pointer != NULL)
        keyspace_put_value(&call->hold, &to, old, copy, EXPIRE_NONE);
    else if (old != NULL)
        keyspace_remove(&call->hold, &to, old, false);
    call_changed(call, 1);
    reply_int(call->reply, copy.pointer != NULL ? (int64_t)set_count(copy) : 0);
}

static const struct command own_commands[] = {
    {.name = "long",
     .run = long_command,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO)},
    {.name = "longstore",
     .run = longstore_command,
     .arity = 3,
     .flags = CMD_WRITE,
     .keys = {{.flags = KEY_OW, .begin = 1, .step = 1}, {.flags = KEY_RO, .begin = 2, .step = 1}}},
    {.name = NULL},
};

/* ---- people ---- */

static struct lane *lane_of(unsigned who)
{
    return who % 2 ? &second : &f.lane;
}

static void take_reply(unsigned who)
{
    struct reply_buffer *reply = &lane_of(who)->reply;
    bytes_append(&said[who], reply->bytes.data, reply->bytes.len);
    reply_buffer_clear(reply);
}

/* What net/ does: replies are kept, and what is left is asked as soon as it may be. */
static void go_on(struct lane *lane, struct client *client)
{
    unsigned who = (unsigned)(client - people);
    size_t consumed, wanted;
    take_reply(who);
    if (client->flags & (CLIENT_DEFERRED | CLIENT_PAUSED) || unsent[who].len == 0)
        return;
    lane_turn(lane);
    lane_feed(lane, client, unsent[who].data, unsent[who].len, &consumed, &wanted);
    memmove(unsent[who].data, unsent[who].data + consumed, unsent[who].len - consumed);
    unsent[who].len -= consumed;
    take_reply(who);
}

static void say(unsigned who, const char *line)
{
    feed_add(&unsent[who], line);
    go_on(lane_of(who), &people[who]);
}

static void check_said(unsigned who, const char *want)
{
    assert_string_equal(bytes_str(&said[who]), want);
    said[who].len = 0;
}

static bool waits(unsigned who)
{
    return people[who].flags & (CLIENT_DEFERRED | CLIENT_PAUSED);
}

static void tick(void)
{
    lane_turn(&f.lane);
    lane_tick(&f.lane);
    lane_turn(&second);
    lane_tick(&second);
}

static void hear(unsigned who, const char *want)
{
    for (int i = 0; waits(who); i++) {
        assert_true(i < PATIENCE);
        clock_sleep_us(1000);
        tick();
    }
    check_said(who, want);
}

static void begin_long(unsigned who, const char *line)
{
    uint32_t before = __atomic_load_n(&runs, __ATOMIC_ACQUIRE);
    say(who, line);
    assert_true(waits(who));
    wait_for(&runs, before + 1);
}

static void open_up(void)
{
    __atomic_store_n(&is_open, 1, __ATOMIC_RELEASE);
}

static void leave(unsigned who)
{
    client_free(&people[who]);
    alive[who] = false;
}

static int setup(void **state)
{
    (void)state;
    const struct command *const families[] = {string_commands, set_commands,  list_commands,
                                              hash_commands,   zset_commands, generic_commands,
                                              stream_commands, own_commands,  NULL};
    runs = is_open = 0;
    fixture_open(&f, families);
    f.server.lazyfree = lazyfree_new();
    hooks_install(&f.server);
    f.server.lanes[1] = &second;
    f.server.lane_count = 2;
    lane_init(&second, &f.server, 1);
    f.lane.client_ready = second.client_ready = go_on;
    f.server.aside = aside_new(&f.server);
    f.server.aside_from = 3;
    for (unsigned i = 0; i < PEOPLE; i++) {
        client_init(&people[i], lane_of(i));
        alive[i] = true;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    open_up();
    for (unsigned i = 0; i < PEOPLE; i++)
        if (alive[i])
            leave(i);
    aside_stop(f.server.aside, 10000);
    tick();
    aside_free(f.server.aside);
    f.server.aside = NULL;
    assert_int_equal(f.server.blocked_clients, 0);
    assert_int_equal(f.server.pin_waiters, 0);
    assert_false(keyspace_has_pins(f.server.keyspace));
    lazyfree_free(f.server.lazyfree);
    for (unsigned i = 0; i < PEOPLE; i++) {
        bytes_free(&said[i]);
        bytes_free(&unsent[i]);
        people[i] = (struct client){0};
    }
    lane_free(&second);
    second = (struct lane){0};
    fixture_close(&f);
    return 0;
}

/* ---- which commands do ---- */

static void test_from_so_many_elements_on(void **state)
{
    (void)state;
    say(0, "RPUSH l a b");
    check_said(0, ":2\r\n");
    say(0, "LRANGE l 0 -1");
    check_said(0, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    say(0, "RPUSH l c");
    check_said(0, ":3\r\n");
    say(0, "LRANGE l 0 1");
    assert_false(waits(0));
    said[0].len = 0;
    say(0, "LRANGE l 0 2");
    assert_true(waits(0));
    assert_int_equal(people[0].flags & CLIENT_BLOCKED, 0);
    assert_int_equal(f.server.blocked_clients, 0);
    say(0, "LLEN l"); /* in its turn */
    hear(0, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n:3\r\n");
}

/* Lists of many nodes: a search in one listpack is short. */
static void use_small_nodes(void)
{
    keyspace_options(f.server.keyspace)->limits.list_max_listpack_size = 2;
}

static void test_lists_that_are_taken_from(void **state)
{
    (void)state;
    use_small_nodes();
    say(0, "RPUSH l a b c d e f g h");
    check_said(0, ":8\r\n");
    say(0, "LPOP l 2");
    check_said(0, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    say(0, "RPOP l 3");
    assert_true(waits(0));
    hear(0, "*3\r\n$1\r\nh\r\n$1\r\ng\r\n$1\r\nf\r\n");
    say(0, "LMPOP 2 none l LEFT COUNT 9");
    assert_true(waits(0));
    hear(0, "*2\r\n$1\r\nl\r\n*3\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n");
    EXPECT_LOG(&f, "RPUSH l a b c d e f g h; LPOP l 2; RPOP l 3; LPOP l 3");
    say(0, "EXISTS l");
    check_said(0, ":0\r\n");
    say(0, "RPUSH l a b c");
    check_said(0, ":3\r\n");
    say(0, "BLMPOP 0 1 l RIGHT COUNT 3"); /* it may have to wait */
    assert_false(waits(0));
    said[0].len = 0;
    assert_int_equal(f.lane.stats.dirty + f.server.lanes[2]->stats.dirty, 8 + 8 + 3 + 3);
}

static void test_lists_that_are_searched(void **state)
{
    (void)state;
    use_small_nodes();
    say(0, "RPUSH l a b a c a d");
    check_said(0, ":6\r\n");
    say(0, "LREM l -2 a");
    assert_true(waits(0));
    hear(0, ":2\r\n");
    say(0, "LINSERT l AFTER c x");
    assert_true(waits(0));
    say(0, "LINSERT l BEFORE nowhere y");
    say(0, "LREM l 0 nothing");
    hear(0, ":5\r\n:-1\r\n:0\r\n");
    EXPECT_LOG(&f, "RPUSH l a b a c a d; LREM l -2 a; LINSERT l AFTER c x");
    say(0, "RPUSH l 6 7 8 9");
    for (int i = 0; i < 10; i++)
        say(0, "RPUSH l f i l l . . . . . .");
    said[0].len = 0;
    f.server.aside_from = 5 * 16; /* five elements are near */
    say(0, "LREM l 1 d");         /* the fifth */
    assert_false(waits(0));
    check_said(0, ":1\r\n");
    say(0, "LINSERT l BEFORE 6 y");
    assert_false(waits(0));
    said[0].len = 0;
    say(0, "LINSERT l BEFORE 6 z"); /* the sixth now */
    assert_true(waits(0));
    while (waits(0))
        tick();
    said[0].len = 0;
}

static void test_a_list_that_changes_before(void **state)
{
    (void)state;
    use_small_nodes();
    say(0, "RPUSH l a b c d");
    say(0, "SADD s 1 2 3");
    said[0].len = 0;
    begin_long(2, "LONG s");
    say(0, "LPOP l 3"); /* in its turn */
    assert_true(waits(0));
    say(1, "DEL l");
    say(1, "RPUSH l x y");
    check_said(1, ":1\r\n:2\r\n");
    say(3, "LREM l 0 x");
    check_said(3, ":1\r\n");
    open_up();
    hear(0, "*1\r\n$1\r\ny\r\n");
    hear(2, ":3\r\n");
    EXPECT_LOG(&f, "RPUSH l a b c d; SADD s 1 2 3; DEL l; RPUSH l x y; LREM l 0 x; LPOP l 3");
}

/* What was logged, without the times. */
static const char *log_without_times(void)
{
    static struct bytes out;
    out.len = 0;
    for (const char *at = fixture_log(&f), *time; *at != '\0'; at = time) {
        time = strstr(at, " TIME ");
        if (time == NULL)
            time = at + strlen(at);
        bytes_append(&out, at, (size_t)(time - at));
        if (*time != '\0')
            time += 6 + strspn(time + 6, "0123456789");
    }
    return bytes_str(&out);
}

#define ENTRY(id) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
#define OF_S      "*1\r\n*2\r\n$1\r\ns\r\n"

/* Entries 1-1 to 5-1, and a group that was given none yet. */
static void make_stream(void)
{
    say(0, "XADD s 1-1 f v");
    say(0, "XADD s 2-1 f v");
    say(0, "XADD s 3-1 f v");
    say(0, "XADD s 4-1 f v");
    say(0, "XADD s 5-1 f v");
    say(0, "XGROUP CREATE s g 0");
    said[0].len = 0;
    fixture_log(&f);
}

static void test_streams_that_are_delivered(void **state)
{
    (void)state;
    make_stream();
    say(0, "XREADGROUP GROUP g a COUNT 3 STREAMS s >");
    assert_true(waits(0));
    hear(0, OF_S "*3\r\n" ENTRY("1-1") ENTRY("2-1") ENTRY("3-1"));
    assert_string_equal(log_without_times(),
                        "MULTI; XGROUP CREATECONSUMER s g a; XCLAIM s g a 0 1-1 2-1 3-1 RETRYCOUNT "
                        "1 FORCE JUSTID LASTID 3-1; XGROUP SETID s g 3-1 ENTRIESREAD 3; EXEC");
    say(0, "XDEL s 2-1");
    say(0, "XREADGROUP GROUP g a STREAMS s 0");
    assert_true(waits(0));
    hear(0, ":1\r\n" OF_S "*3\r\n" ENTRY("1-1") "*2\r\n$3\r\n2-1\r\n*-1\r\n" ENTRY("3-1"));
    assert_string_equal(log_without_times(), "XDEL s 2-1; XCLAIM s g a 0 1-1 3-1 RETRYCOUNT 2 "
                                             "FORCE JUSTID LASTID 3-1");
    say(0, "XREADGROUP GROUP g b NOACK STREAMS s >"); /* two: few */
    assert_false(waits(0));
    check_said(0, OF_S "*2\r\n" ENTRY("4-1") ENTRY("5-1"));
    say(0, "XAUTOCLAIM s g b 0 - COUNT 9 JUSTID");
    assert_true(waits(0));
    hear(0, "*3\r\n$3\r\n0-0\r\n*2\r\n$3\r\n1-1\r\n$3\r\n3-1\r\n*1\r\n$3\r\n2-1\r\n");
    fixture_log(&f);
    say(0, "XGROUP SETID s g 0");
    say(0, "XREADGROUP GROUP g c STREAMS s >");
    assert_true(waits(0));
    hear(0, "+OK\r\n" OF_S "*4\r\n" ENTRY("1-1") ENTRY("3-1") ENTRY("4-1") ENTRY("5-1"));
    say(0, "XADD s 6-1 f v");
    say(0, "XREADGROUP GROUP g b STREAMS s >");
    check_said(0, "$3\r\n6-1\r\n" OF_S "*1\r\n" ENTRY("6-1"));
    say(0, "XGROUP DELCONSUMER s g c");
    assert_true(waits(0));
    hear(0, ":4\r\n");
    say(0, "XPENDING s g");
    check_said(0, "*4\r\n:1\r\n$3\r\n6-1\r\n$3\r\n6-1\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
}

static void test_a_stream_that_changes_before(void **state)
{
    (void)state;
    make_stream();
    say(1, "SADD set 1 2 3");
    check_said(1, ":3\r\n");
    begin_long(2, "LONG set");
    say(0, "XREADGROUP GROUP g a STREAMS s >"); /* in their turn */
    say(4, "XREADGROUP GROUP h a STREAMS s >");
    assert_true(waits(0) && !waits(4));
    said[4].len = 0;
    say(4, "XREADGROUP GROUP g b STREAMS s >");
    assert_true(waits(4));
    say(1, "XADD s 6-1 f v");
    say(1, "XTRIM s MAXLEN 1");
    check_said(1, "$3\r\n6-1\r\n:5\r\n");
    open_up();
    hear(0, OF_S "*1\r\n" ENTRY("6-1"));
    hear(4, "*-1\r\n"); /* but b is a consumer now */
    hear(2, ":3\r\n");
    assert_non_null(strstr(fixture_log(&f), "EXEC; XGROUP CREATECONSUMER s g b"));
}

static void test_where_nothing_may_wait(void **state)
{
    (void)state;
    say(0, "RPUSH l a b c");
    people[0].flags |= CLIENT_DENY_BLOCKING;
    say(0, "LRANGE l 0 -1");
    assert_false(waits(0));
    struct aside *aside = f.server.aside;
    f.server.aside = NULL;
    say(1, "LRANGE l 0 -1");
    f.server.aside = aside;
    assert_false(waits(1));
    assert_string_equal(bytes_str(&said[1]), "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
}

static void test_counted_once(void **state)
{
    (void)state;
    struct lane_stats *aside = &f.server.lanes[2]->stats, *own = &f.lane.stats;
    uint32_t row;
    registry_find(f.server.registry, SLICE("sunionstore"), &row);
    say(0, "SADD s 1 2 3");
    say(0, "SUNIONSTORE d s none");
    hear(0, ":3\r\n:3\r\n");
    EXPECT_LOG(&f, "SADD s 1 2 3; SUNIONSTORE d s none");
    assert_int_equal(own->keyspace.hits + aside->keyspace.hits, 1);
    assert_int_equal(own->keyspace.misses + aside->keyspace.misses, 1);
    assert_int_equal(f.lane.command_stats[row].calls + f.server.lanes[2]->command_stats[row].calls,
                     1);
    assert_int_equal(own->dirty + aside->dirty, 4);
}

/* ---- what takes elements out ---- */

static void test_sorted_sets(void **state)
{
    (void)state;
    say(0, "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i");
    check_said(0, ":9\r\n");
    say(0, "ZPOPMIN z 2");
    assert_false(waits(0));
    check_said(0, "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n");
    say(0, "ZPOPMAX z 3");
    assert_true(waits(0));
    hear(0, "*6\r\n$1\r\ni\r\n$1\r\n9\r\n$1\r\nh\r\n$1\r\n8\r\n$1\r\ng\r\n$1\r\n7\r\n");
    say(0, "ZREMRANGEBYSCORE z (0 3");
    hear(0, ":1\r\n");
    say(0, "ZMPOP 2 none z MIN COUNT 100");
    assert_true(waits(0));
    hear(0, "*2\r\n$1\r\nz\r\n*3\r\n*2\r\n$1\r\nd\r\n$1\r\n4\r\n*2\r\n$1\r\ne\r\n$1\r\n5\r\n"
            "*2\r\n$1\r\nf\r\n$1\r\n6\r\n");
    say(0, "EXISTS z");
    check_said(0, ":0\r\n");
    say(0, "ZMPOP 2 none z MIN COUNT 100");
    check_said(0, "*-1\r\n");
    EXPECT_LOG(&f, "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i; ZPOPMIN z 2; ZPOPMAX z 3; "
                   "ZREMRANGEBYSCORE z (0 3; ZPOPMIN z 3");
}

/* Most of a large one: a copy of the others takes its place, and its time to live stays. */
static void test_large_sorted_set(void **state)
{
    (void)state;
    char line[64];
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "ZADD z %d m%d", i, i);
        say(0, line);
    }
    say(0, "PEXPIREAT z 9999999999999");
    said[0].len = 0;
    fixture_log(&f);
    say(0, "ZREMRANGEBYRANK z 100 899");
    hear(0, ":800\r\n");
    say(0, "ZREMRANGEBYRANK z 198 200");
    hear(0, ":2\r\n");
    say(0, "ZRANGE z 97 101");
    hear(0, "*5\r\n$3\r\nm97\r\n$3\r\nm98\r\n$3\r\nm99\r\n$4\r\nm900\r\n$4\r\nm901\r\n");
    say(0, "PEXPIRETIME z");
    say(0, "ZCARD z");
    check_said(0, ":9999999999999\r\n:198\r\n");
    say(0, "ZREMRANGEBYRANK z 1 -1"); /* few stay */
    hear(0, ":197\r\n");
    say(0, "ZRANGE z 0 -1");
    check_said(0, "*1\r\n$2\r\nm0\r\n");
    EXPECT_LOG(&f, "ZREMRANGEBYRANK z 100 899; ZREMRANGEBYRANK z 198 200; ZREMRANGEBYRANK z 1 -1");
}

/* So many integers, or words, under "s". */
static void add_members(int count, const char *prefix)
{
    char line[64];
    for (int i = 0; i < count; i++) {
        snprintf(line, sizeof line, "SADD s %s%d", prefix, i);
        say(0, line);
    }
    said[0].len = 0;
    fixture_log(&f);
}

static void pop_members(int count, int from)
{
    char line[32], begin[32];
    snprintf(line, sizeof line, "SPOP s %d", count);
    snprintf(begin, sizeof begin, "*%d\r\n", count < from ? count : from);
    say(0, line);
    while (waits(0)) {
        clock_sleep_us(1000);
        tick();
    }
    assert_memory_equal(bytes_str(&said[0]), begin, strlen(begin));
    said[0].len = 0;
    snprintf(begin, sizeof begin, ":%d\r\n", count < from ? from - count : 0);
    say(0, "SCARD s");
    check_said(0, begin);
}

/* What is logged is the shorter of two ways to say it. */
static void test_sets(void **state)
{
    (void)state;
    const char *log;
    static const char *const prefixes[] = {"", "m"};
    for (int i = 0; i < 2; i++) {
        add_members(2000, prefixes[i]); /* tables */
        say(0, "PEXPIREAT s 9999999999999");
        check_said(0, ":1\r\n");
        fixture_log(&f);
        pop_members(3, 2000);
        log = fixture_log(&f);
        assert_memory_equal(log, "SREM s ", 7);
        assert_null(strchr(log, ';'));
        pop_members(397, 1997);
        assert_memory_equal(fixture_log(&f), "SREM s ", 7);
        pop_members(1500, 1600);
        log = fixture_log(&f);
        assert_memory_equal(log, "MULTI; UNLINK s; SADD s ", 24);
        assert_non_null(strstr(log, "; PEXPIREAT s 9999999999999; EXEC"));
        say(0, "PEXPIRETIME s");
        check_said(0, ":9999999999999\r\n");
        pop_members(100, 100);
        EXPECT_LOG(&f, "DEL s");
    }
    add_members(8, "");
    pop_members(4, 8);
    assert_memory_equal(fixture_log(&f), "SREM s ", 7);
    assert_string_equal(fixture_encoding(&f, "s"), "intset");
    pop_members(100, 4);
    EXPECT_LOG(&f, "DEL s");
    add_members(8, "m");
    pop_members(5, 8);
    assert_memory_equal(fixture_log(&f), "MULTI; UNLINK s; SADD s m", 25);
    assert_string_equal(fixture_encoding(&f, "s"), "listpack");
}

/* ---- others come between ---- */

static void test_others_go_on(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    check_said(0, ":3\r\n");
    begin_long(0, "LONG s");
    say(1, "SISMEMBER s 2");
    check_said(1, ":1\r\n");
    say(1, "RENAME s other"); /* of its writes: what edits the value, or says it may */
    assert_true(waits(1));
    assert_int_equal(f.server.pin_waiters, 1);
    say(2, "DEL s");
    check_said(2, ":1\r\n");
    say(2, "SADD s x");
    check_said(2, ":1\r\n");
    open_up();
    hear(0, ":3\r\n");
    hear(1, "+OK\r\n");
}

/* True: the next command that runs aside saw the write that had waited. */
static bool write_came_first(void)
{
    __atomic_store_n(&is_open, 0, __ATOMIC_RELEASE);
    say(0, "DEL s");
    say(0, "SADD s 1 2 3");
    said[0].len = 0;
    begin_long(0, "LONG s");
    say(1, "SADD s 4");
    assert_true(waits(1));
    assert_int_equal(f.server.pin_waiters, 1);
    tick(); /* it is too early */
    assert_true(waits(1));
    say(2, "LONG s");
    open_up();
    hear(0, ":3\r\n");
    hear(1, ":1\r\n");
    while (waits(2))
        tick();
    bool first = strcmp(bytes_str(&said[2]), ":4\r\n") == 0;
    said[2].len = 0;
    assert_int_equal(f.server.pin_waiters, 0);
    return first;
}

/* It is given time to come first; a machine that stalls may take all of that, but not always. */
static void test_a_write_waits_and_comes_first(void **state)
{
    (void)state;
    bool came = false;
    for (int i = 0; i < 10 && !came; i++)
        came = write_came_first();
    assert_true(came);
}

static void test_one_who_waits_for_a_pin_leaves(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    check_said(0, ":3\r\n");
    begin_long(0, "LONG s");
    say(1, "SADD s 4");
    assert_int_equal(f.server.pin_waiters, 1);
    leave(1);
    assert_int_equal(f.server.pin_waiters, 0);
    open_up();
    hear(0, ":3\r\n");
}

/* What the log makes of it is what is there. */
static void test_sources_that_change(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    check_said(0, ":3\r\n");
    begin_long(0, "LONGSTORE d s");
    say(1, "DEL s");
    say(1, "SADD s x");
    check_said(1, ":1\r\n:1\r\n");
    open_up();
    hear(0, ":1\r\n");
    assert_int_equal(runs, 2);
    EXPECT_LOG(&f, "SADD s 1 2 3; DEL s; SADD s x; LONGSTORE d s");
    say(0, "SMEMBERS d");
    hear(0, "*1\r\n$1\r\nx\r\n");
}

static void test_a_source_that_comes(void **state)
{
    (void)state;
    begin_long(0, "LONGSTORE d s");
    say(1, "SADD s x");
    check_said(1, ":1\r\n");
    say(1, "SADD d y");
    check_said(1, ":1\r\n");
    open_up();
    hear(0, ":1\r\n");
    EXPECT_LOG(&f, "SADD s x; SADD d y; LONGSTORE d s");
}

static void test_a_source_that_expires(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    say(0, "PEXPIRE s 500");
    said[0].len = 0;
    begin_long(0, "LONGSTORE d s");
    clock_sleep_us(600000);
    open_up();
    hear(0, ":0\r\n");
    assert_int_equal(runs, 2);
    say(0, "EXISTS d");
    check_said(0, ":0\r\n");
}

static void test_a_destination_that_changes(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    check_said(0, ":3\r\n");
    begin_long(0, "LONGSTORE d s");
    say(1, "SET d x");
    check_said(1, "+OK\r\n");
    open_up();
    hear(0, ":3\r\n");
    assert_int_equal(runs, 1);
    EXPECT_LOG(&f, "SADD s 1 2 3; SET d x; LONGSTORE d s");
}

static void test_a_pause(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    check_said(0, ":3\r\n");
    begin_long(0, "LONGSTORE d s");
    say(2, "LONGSTORE e s");
    __atomic_store_n(&f.server.pause_until_ms, UINT64_MAX, __ATOMIC_RELAXED);
    open_up();
    clock_sleep_us(20000);
    tick();
    assert_true(waits(0) && waits(2));
    EXPECT_LOG(&f, "SADD s 1 2 3");
    __atomic_store_n(&f.server.pause_until_ms, 0, __ATOMIC_RELAXED);
    hear(0, ":3\r\n");
    hear(2, ":3\r\n");
    EXPECT_LOG(&f, "LONGSTORE d s; LONGSTORE e s");
}

/* ---- going away ---- */

static void test_clients_that_leave(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    begin_long(0, "LONG s");
    say(1, "LONG s");          /* does not run */
    say(2, "SUNIONSTORE d s"); /* runs */
    say(3, "LONG s");
    leave(0); /* while it runs */
    leave(1); /* before */
    leave(2);
    open_up();
    hear(3, ":3\r\n");
    assert_int_equal(runs, 2);
    EXPECT_LOG(&f, "SADD s 1 2 3; SUNIONSTORE d s");
    uint32_t before = runs;
    begin_long(4, "LONG s");
    assert_int_equal(runs, before + 1);
    clock_sleep_us(10000);
    leave(4); /* the answer is on its way */
    tick();
}

static void test_stopped_while_commands_wait(void **state)
{
    (void)state;
    say(0, "SADD s 1 2 3");
    begin_long(0, "LONGSTORE d s");
    say(1, "LONG s");
    say(2, "SUNIONSTORE d s");
    open_up();
    aside_stop(f.server.aside, 10000);
    say(3, "LONG s"); /* nothing runs aside any more */
    check_said(3, ":3\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_from_so_many_elements_on),
        TEST(test_lists_that_are_taken_from),
        TEST(test_lists_that_are_searched),
        TEST(test_a_list_that_changes_before),
        TEST(test_streams_that_are_delivered),
        TEST(test_a_stream_that_changes_before),
        TEST(test_where_nothing_may_wait),
        TEST(test_counted_once),
        TEST(test_sorted_sets),
        TEST(test_large_sorted_set),
        TEST(test_sets),
        TEST(test_others_go_on),
        TEST(test_a_write_waits_and_comes_first),
        TEST(test_one_who_waits_for_a_pin_leaves),
        TEST(test_sources_that_change),
        TEST(test_a_source_that_comes),
        TEST(test_a_source_that_expires),
        TEST(test_a_destination_that_changes),
        TEST(test_a_pause),
        TEST(test_clients_that_leave),
        TEST(test_stopped_while_commands_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
