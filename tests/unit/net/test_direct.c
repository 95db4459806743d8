/* Answers that another worker sends on a connection: whole, in part, beside other messages, to
 * clients that leave meanwhile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include "net_fixture.h"

#define NARROW 4096  /* bytes of socket buffers */
#define BIG    48000 /* bytes of a value: more than a narrow connection takes at once */

static struct net_fixture f;
static char big[BIG + 1];

static long long id_of(int fd)
{
    say(fd, "ID\r\n");
    return strtoll(hear_line(fd) + 1, NULL, 10);
}

/* Waits until the client of lane 0 is blocked, or is not any more. */
static void wait_blocked(long long id, bool blocked)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        uint32_t flags = fixture_see(&f, (uint64_t)id).flags;
        if (!(flags & CLIENT_BLOCKED) == !blocked)
            return;
        clock_sleep_us(1000);
    }
    PANIC("the client is %s", blocked ? "not blocked" : "blocked");
}

/* Two connections, the first on worker 0, the second on worker 1. */
static long long open_pair(int *first, int *second)
{
    net_fixture_open(&f, 2, "");
    *first = client_of(&f);
    long long id = id_of(*first);
    *second = client_of(&f);
    id_of(*second);
    memset(big, 'x', BIG);
    return id;
}

static void close_pair(int first, int second)
{
    close(first);
    close(second);
    net_fixture_close(&f);
}

/* Worker 0 does nothing for some time: what a client of it gets then came from the other. */
static int keep_first_busy(int ms)
{
    int fd = client_of(&f);
    char line[32];
    snprintf(line, sizeof line, "BUSY %d\r\n", ms);
    id_of(fd);
    say(fd, line);
    clock_sleep_us(20000);
    return fd;
}

static struct lane_stats *stats_of(unsigned lane)
{
    return &f.server.lanes[lane]->stats;
}

/* Waits until worker 0 has counted so many bytes as sent since it was `before`. */
static void check_sent(uint64_t before, uint64_t bytes)
{
    for (int i = 0; i < PATIENCE_MS && RELAXED_LOAD(&stats_of(0)->bytes_out) < before + bytes; i++)
        clock_sleep_us(1000);
    assert_int_equal(RELAXED_LOAD(&stats_of(0)->bytes_out) - before, bytes);
}

/* Waits until the client of lane 0 has unsent replies: their bytes. */
static uint64_t wait_unsent(long long id)
{
    uint64_t bytes = 0;
    for (int i = 0; i < PATIENCE_MS && bytes == 0; i++) {
        bytes = fixture_see(&f, (uint64_t)id).output_bytes;
        clock_sleep_us(1000);
    }
    return bytes;
}

static void answers_come_from_the_other_worker(void **state)
{
    int waiting, pushing;
    long long id = open_pair(&waiting, &pushing);
    say(waiting, "TAKE k\r\n");
    wait_blocked(id, true);
    uint64_t before = RELAXED_LOAD(&stats_of(0)->bytes_out);
    int busy = keep_first_busy(500);
    uint64_t began_ms = clock_mono_ms();
    say(pushing, "SET k hello\r\n");
    assert_true(hears(waiting, "$5\r\nhello\r\n"));
    assert_true(hears(pushing, "+OK\r\n"));
    assert_true(clock_mono_ms() - began_ms < 450);
    say(waiting, "PING\r\n"); /* before its worker has heard of anything */
    assert_true(hears(waiting, "+PONG\r\n"));
    wait_blocked(id, false);
    assert_true(hears(busy, "+OK\r\n"));
    check_sent(before, strlen(":1\r\n$5\r\nhello\r\n+OK\r\n+PONG\r\n"));
    close(busy);
    close_pair(waiting, pushing);
}

static void wait_impatient(uint32_t clients)
{
    for (int i = 0; RELAXED_LOAD(&f.server.lanes[0]->impatient) != clients; i++) {
        assert_true(i < PATIENCE_MS);
        clock_sleep_us(1000);
    }
}

/* For a client whose next command is there already its worker is woken. */
static void who_has_more_to_say_is_impatient(void **state)
{
    int waiting, pushing;
    long long id = open_pair(&waiting, &pushing);
    say(waiting, "TAKE k\r\n");
    wait_blocked(id, true);
    wait_impatient(0);
    say(waiting, "ECHO 1\r\n");
    wait_impatient(1);
    say(pushing, "SET k v\r\n");
    assert_true(hears(waiting, "$1\r\nv\r\n$1\r\n1\r\n"));
    wait_impatient(0);
    say(waiting, "TAKE k\r\nTAKE k\r\n");
    wait_impatient(1);
    say(pushing, "SET k v\r\n");
    assert_true(hears(waiting, "$1\r\nv\r\n"));
    wait_impatient(0); /* the second waits without more behind it */
    say(waiting, "ECHO 1\r\n");
    wait_impatient(1);
    close(waiting);
    wait_impatient(0);
    close_pair(-1, pushing);
}

/* Replies to what came before are sent first, whatever they are. */
static void answers_keep_their_place(void **state)
{
    int waiting, pushing;
    open_pair(&waiting, &pushing);
    for (int round = 0; round < 200; round++) {
        say(waiting, "ECHO before\r\nTAKE k\r\nECHO after\r\n");
        say(pushing, round % 2 ? "PING\r\nSET k v\r\n" : "SET k v\r\nPING\r\n");
        assert_true(hears(waiting, "$6\r\nbefore\r\n$1\r\nv\r\n$5\r\nafter\r\n"));
        assert_true(hears(pushing, round % 2 ? "+PONG\r\n+OK\r\n" : "+OK\r\n+PONG\r\n"));
    }
    close_pair(waiting, pushing);
}

/* While it has unread replies its own worker sends the answer, behind them. */
static void answers_follow_what_is_unsent(void **state)
{
    int waiting, pushing;
    long long id = open_pair(&waiting, &pushing);
    static char filled[1 << 20];
    say(waiting, "FILL 20000000\r\nTAKE k\r\n");
    wait_blocked(id, true);
    assert_true(wait_unsent(id) != 0);
    say(pushing, "SET k hello\r\n");
    assert_true(hears(pushing, "+OK\r\n"));
    assert_true(hears(waiting, "$20000000\r\n"));
    for (size_t left = 20000000; left != 0;) {
        size_t part = MIN_OF(left, sizeof filled);
        assert_true(take(waiting, filled, part));
        left -= part;
    }
    assert_true(hears(waiting, "\r\n$5\r\nhello\r\n"));
    close_pair(waiting, pushing);
}

/* The socket of the client takes but a part of BIG bytes. */
static void narrow(int fd, long long id, int size)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fixture_see(&f, (uint64_t)id).descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static void hear_big(int fd, long long id)
{
    static char got[BIG];
    narrow(fd, id, 1 << 20); /* or it would take its time */
    assert_true(hears(fd, "$48000\r\n"));
    assert_true(take(fd, got, BIG));
    assert_memory_equal(got, big, BIG);
    assert_true(hears(fd, "\r\n"));
}

static void say_big(int fd)
{
    say(fd, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$48000\r\n");
    give(fd, big, BIG);
    say(fd, "\r\n");
}

static void the_owner_sends_the_rest(void **state)
{
    int waiting, pushing;
    long long id = open_pair(&waiting, &pushing);
    narrow(waiting, id, NARROW);
    for (int round = 0; round < 2; round++) {
        uint64_t before = RELAXED_LOAD(&stats_of(0)->bytes_out);
        say(waiting, "TAKE k\r\nPING\r\n");
        wait_blocked(id, true);
        int busy = keep_first_busy(100);
        say_big(pushing);
        assert_true(hears(pushing, "+OK\r\n"));
        assert_true(hears(busy, "+OK\r\n"));
        wait_blocked(id, false);
        uint64_t left = wait_unsent(id);
        assert_true(left > 0 && left < BIG); /* some went out directly, not all */
        hear_big(waiting, id);
        narrow(waiting, id, NARROW);
        assert_true(hears(waiting, "+PONG\r\n"));
        id_of(waiting);
        assert_int_equal(fixture_see(&f, (uint64_t)id).output_bytes, 0);
        assert_in_range(RELAXED_LOAD(&stats_of(0)->bytes_out) - before, BIG + 10 + 7,
                        BIG + 10 + 7 + 64);
        close(busy);
    }
    close_pair(waiting, pushing);
}

/* Messages for a blocked client, before and while it is answered. */
static void other_messages_do_not_mix(void **state)
{
    int waiting, pushing;
    long long id = open_pair(&waiting, &pushing);
    char tell[64];
    snprintf(tell, sizeof tell, "TELL %lld news\r\n", id);
    narrow(waiting, id, NARROW);
    for (int round = 0; round < 2; round++) {
        say(waiting, "TAKE k\r\n");
        wait_blocked(id, true);
        if (round % 2) {
            say(pushing, tell);
            assert_true(hears(pushing, "+OK\r\n"));
            assert_true(hears(waiting, "+news\r\n"));
        }
        int busy = keep_first_busy(100);
        say(pushing, tell); /* read by its worker before it hears of the answer */
        assert_true(hears(pushing, "+OK\r\n"));
        say_big(pushing);
        assert_true(hears(pushing, "+OK\r\n"));
        if (round % 2)
            assert_true(hears(waiting, "+news\r\n"));
        hear_big(waiting, id);
        narrow(waiting, id, NARROW);
        if (round % 2 == 0)
            assert_true(hears(waiting, "+news\r\n"));
        assert_true(hears(busy, "+OK\r\n"));
        close(busy);
        say(waiting, "PING\r\n");
        assert_true(hears(waiting, "+PONG\r\n"));
    }
    close_pair(waiting, pushing);
}

/* The peer has reset the connection: the sender's error is the owner's to find. */
static void a_broken_connection_ends(void **state)
{
    int waiting, pushing;
    long long id = open_pair(&waiting, &pushing);
    say(waiting, "TAKE k\r\n");
    wait_blocked(id, true);
    int busy = keep_first_busy(200);
    struct linger reset = {.l_onoff = 1};
    setsockopt(waiting, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(waiting);
    say(pushing, "SET k hello\r\nPING\r\n");
    assert_true(hears(pushing, "+OK\r\n+PONG\r\n"));
    assert_true(hears(busy, "+OK\r\n"));
    close(busy);
    assert_true(fixture_clients_become(&f, 1));
    close_pair(-1, pushing);
}

static void the_output_limit_holds_for_the_rest(void **state)
{
    int waiting, pushing;
    long long id = open_pair(&waiting, &pushing);
    narrow(waiting, id, NARROW);
    say(waiting, "TAKE k\r\n");
    wait_blocked(id, true);
    f.settings->client_output_buffer_limit[CLIENT_CLASS_NORMAL].hard_bytes = 1000;
    say_big(pushing);
    assert_true(hears(pushing, "+OK\r\n"));
    assert_true(fixture_clients_become(&f, 1));
    assert_int_equal(RELAXED_LOAD(&stats_of(0)->outputs_too_big), 1);
    close_pair(waiting, pushing);
}

/* ---- many ---- */

static uint32_t taking; /* atomic: takers that are not done */

/* Takes keys of its own, and leaves in every possible way: an answer that is sent to a descriptor
 * that has become another's would be heard by that one. */
static void *take_and_leave(void *number)
{
    unsigned own = (unsigned)(uintptr_t)number;
    struct rand random;
    rand_seed(&random, own);
    const char *given = getenv("ITER");
    int rounds = given != NULL ? atoi(given) : 300;
    for (int i = 0; i < rounds; i++) {
        char request[64], wanted[64];
        int fd = client_of(&f);
        say(fd, "PING\r\n");
        if (!hears(fd, "+PONG\r\n"))
            PANIC("wrong answer");
        for (uint64_t left = rand_below(&random, 8); left != 0; left--) {
            bool more = rand_below(&random, 4) == 0; /* behind it, while it is blocked */
            snprintf(request, sizeof request, "TAKE k%u\r\n%s", own, more ? "ECHO hello\r\n" : "");
            snprintf(wanted, sizeof wanted, "$2\r\nv%u\r\n%s", own, more ? "$5\r\nhello\r\n" : "");
            say(fd, request);
            if (!hears(fd, wanted))
                PANIC("wrong value");
        }
        snprintf(request, sizeof request, "TAKE k%u\r\n", own);
        say(fd, request); /* blocked, perhaps being served, when it goes */
        struct linger reset = {.l_onoff = 1};
        if (rand_below(&random, 2) == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        clock_sleep_us(rand_below(&random, 200));
        close(fd);
    }
    RELAXED_ADD(&taking, (uint32_t)-1);
    return NULL;
}

static void *bring(void *number)
{
    unsigned first = (unsigned)(uintptr_t)number;
    int fd = client_of(&f);
    for (unsigned i = first; RELAXED_LOAD(&taking) != 0; i++) {
        char request[64];
        unsigned whose = i % 6;
        snprintf(request, sizeof request, "SET k%u v%u\r\n", whose, whose);
        say(fd, request);
        if (!hears(fd, "+OK\r\n"))
            PANIC("wrong answer");
    }
    close(fd);
    return NULL;
}

static void nobody_hears_what_was_meant_for_others(void **state)
{
    pthread_t takers[6], bringers[2];
    net_fixture_open(&f, 4, "");
    taking = COUNT_OF(takers);
    for (size_t i = 0; i < COUNT_OF(takers); i++)
        pthread_create(&takers[i], NULL, take_and_leave, (void *)i);
    for (size_t i = 0; i < COUNT_OF(bringers); i++)
        pthread_create(&bringers[i], NULL, bring, (void *)(i * 3));
    for (size_t i = 0; i < COUNT_OF(takers); i++)
        pthread_join(takers[i], NULL);
    for (size_t i = 0; i < COUNT_OF(bringers); i++)
        pthread_join(bringers[i], NULL);
    assert_true(fixture_clients_become(&f, 0));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(RELAXED_LOAD(&f.server.lanes[i]->impatient), 0);
    assert_int_equal(RELAXED_LOAD(&f.server.blocked_clients), 0);
    net_fixture_close(&f);
}

static int close_after_failure(void **state)
{
    if (f.server.lane_count != 0)
        net_fixture_close(&f);
    return 0;
}

#define TEST(function) cmocka_unit_test_teardown(function, close_after_failure)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_come_from_the_other_worker),
        TEST(who_has_more_to_say_is_impatient),
        TEST(answers_keep_their_place),
        TEST(answers_follow_what_is_unsent),
        TEST(the_owner_sends_the_rest),
        TEST(other_messages_do_not_mix),
        TEST(a_broken_connection_ends),
        TEST(the_output_limit_holds_for_the_rest),
        TEST(nobody_hears_what_was_meant_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
