/* Listpacks and intsets beside redis-server's: the bytes its DUMP shows are ours, and it restores
 * ours, with every element checked. Skipped where there is no redis-server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "struct/intset.h"
#include "struct/listpack.h"

#define PACKED 2 /* the container of a list's node that is a listpack */

enum { SET_INTSET = 11, HASH_LISTPACK = 16, ZSET_LISTPACK = 17, LIST_QUICKLIST_2 = 18 };

struct redis {
    pid_t pid;
    redisContext *link;
    char dir[32];
};

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool have_redis(void)
{
    return system("command -v redis-server >/dev/null") == 0;
}

static int redis_start(void **state)
{
    struct redis *r = mem_zalloc(sizeof *r);
    *state = r;
    if (!have_redis()) {
        fprintf(stderr, "*** no redis-server: its bytes are NOT compared with ours ***\n");
        return 0;
    }
    strcpy(r->dir, "/tmp/flat-redis-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    int number = free_port();
    char port[16];
    snprintf(port, sizeof port, "%d", number);
    r->pid = fork();
    if (r->pid == 0) {
        execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir",
               r->dir, "--save", "", "--rdbcompression", "no", "--logfile", "log",
               "--hash-max-listpack-entries", "1000000", "--hash-max-listpack-value", "1000000",
               "--zset-max-listpack-entries", "1000", "--sanitize-dump-payload", "yes",
               (char *)NULL);
        _exit(127);
    }
    assert_true(r->pid > 0);
    for (int i = 0; i < 250; i++) {
        r->link = redisConnect("127.0.0.1", number);
        if (r->link && !r->link->err)
            return 0;
        redisFree(r->link);
        r->link = NULL;
        clock_sleep_us(20000);
    }
    fail_msg("redis-server does not answer; see %s/log", r->dir);
    return -1;
}

static int redis_stop(void **state)
{
    struct redis *r = *state;
    redisFree(r->link);
    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
        char path[64];
        snprintf(path, sizeof path, "%s/log", r->dir);
        unlink(path);
        rmdir(r->dir);
    }
    mem_free(r);
    return 0;
}

/* ---- requests ---- */

/* Sends the words and then the values; anything but an error comes back. */
static redisReply *call(struct redis *r, const char *command, const char *key,
                        const struct slice *values, size_t count)
{
    const char **argv = mem_alloc((count + 2) * sizeof *argv);
    size_t *lens = mem_alloc((count + 2) * sizeof *lens);
    argv[0] = command;
    lens[0] = strlen(command);
    argv[1] = key;
    lens[1] = strlen(key);
    for (size_t i = 0; i < count; i++) {
        argv[2 + i] = values[i].data;
        lens[2 + i] = values[i].len;
    }
    redisReply *reply = redisCommandArgv(r->link, (int)count + 2, argv, lens);
    mem_free(argv);
    mem_free(lens);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, reply->str);
    return reply;
}

static void run(struct redis *r, const char *command, const char *key, const struct slice *values,
                size_t count)
{
    freeReplyObject(call(r, command, key, values, count));
}

/* The head of a string or count in RDB; moves *at behind it. */
static size_t rdb_length(const unsigned char **at)
{
    const unsigned char *p = *at;
    if (p[0] < 0x40) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0x80) {
        *at += 2;
        return (size_t)(p[0] & 0x3F) << 8 | p[1];
    }
    assert_int_equal(p[0], 0x80);
    *at += 5;
    return (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
}

/* RESTOREs a value that is one string of bytes; replaces the key. */
static void restore(struct redis *r, const char *key, uint8_t type, const unsigned char *bytes,
                    size_t len)
{
    struct bytes payload = {0};
    bytes_append_char(&payload, (char)type);
    bytes_append_char(&payload, (char)0x80);
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes_append_char(&payload, (char)(len >> shift));
    bytes_append(&payload, bytes, len);
    bytes_append(&payload, "\x0a\x00", 2);
    uint64_t crc = crc64(0, payload.data, payload.len);
    for (unsigned i = 0; i < 8; i++)
        bytes_append_char(&payload, (char)(crc >> 8 * i));
    struct slice words[] = {SLICE("0"), bytes_slice(&payload), SLICE("REPLACE")};
    run(r, "RESTORE", key, words, COUNT_OF(words));
    bytes_free(&payload);
}

/* What DUMP shows of a value that is one string. */
static redisReply *dump(struct redis *r, const char *key, uint8_t type, struct slice *bytes)
{
    redisReply *reply = call(r, "DUMP", key, NULL, 0);
    const unsigned char *at = (const unsigned char *)reply->str;
    assert_int_equal(*at++, type);
    size_t len = rdb_length(&at);
    *bytes = slice_of(at, len);
    assert_int_equal((const char *)at + len + 10 - reply->str, reply->len);
    return reply;
}

static void expect_dump(struct redis *r, const char *key, uint8_t type, const unsigned char *bytes,
                        size_t len)
{
    struct slice theirs;
    redisReply *reply = dump(r, key, type, &theirs);
    assert_int_equal(theirs.len, len);
    assert_memory_equal(theirs.data, bytes, len);
    freeReplyObject(reply);
}

/* ---- values at the bounds of encodings ---- */

struct values {
    struct slice *list;
    size_t count;
};

static void add(struct values *v, struct slice value)
{
    v->list = v->list ? mem_realloc(v->list, (v->count + 1) * sizeof *v->list)
                      : mem_alloc(sizeof *v->list);
    v->list[v->count++] = slice_of(mem_dup(value.data, value.len), value.len);
}

static void add_filled(struct values *v, size_t len)
{
    char *data = mem_alloc(len);
    memset(data, 'a' + (int)(len % 26), len);
    add(v, slice_of(data, len));
    mem_free(data);
}

static struct values bound_values(void)
{
    static const size_t lens[] = {
        0,    1,    2,    62,    63,    64,    65,    124,   125,   126,     127,     255,    256,
        4094, 4095, 4096, 16376, 16377, 16378, 16379, 16380, 40000, 2097145, 2097146, 2097147};
    static const char *const words[] = {"-0",
                                        "+1",
                                        "01",
                                        " 1",
                                        "1 ",
                                        "1.5",
                                        "-",
                                        "1e5",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551616",
                                        "123456789012345678901"};
    struct values v = {0};
    char text[LISTPACK_TEXT];
    for (unsigned bits = 0; bits < 64; bits++)
        for (int beside = -2; beside <= 2; beside++)
            for (int sign = -1; sign <= 1; sign += 2) {
                int64_t n = (int64_t)(((UINT64_C(1) << bits) + (uint64_t)beside) * (uint64_t)sign);
                add(&v, slice_of(text, number_print_i64(text, n)));
            }
    for (size_t i = 0; i < COUNT_OF(words); i++)
        add(&v, slice_str(words[i]));
    for (size_t i = 0; i < COUNT_OF(lens); i++)
        add_filled(&v, lens[i]);
    return v;
}

static void values_free(struct values *v)
{
    for (size_t i = 0; i < v->count; i++)
        mem_free((void *)v->list[i].data);
    mem_free(v->list);
}

/* ---- tests ---- */

static struct redis *ready(void **state)
{
    struct redis *r = *state;
    if (!r->link)
        skip();
    return r;
}

/* Every node of the list holds the next so many values; built by us they are the same bytes. */
static void test_lists(void **state)
{
    struct redis *r = ready(state);
    struct values v = bound_values();
    size_t done = 0;
    run(r, "RPUSH", "list", v.list, v.count);
    redisReply *reply = call(r, "DUMP", "list", NULL, 0);
    const unsigned char *at = (const unsigned char *)reply->str;
    assert_int_equal(*at++, LIST_QUICKLIST_2);
    for (size_t nodes = rdb_length(&at); nodes > 0; nodes--) {
        assert_int_equal(rdb_length(&at), PACKED);
        size_t len = rdb_length(&at);
        assert_true(listpack_validate(at, len, true, NULL, NULL));
        size_t count = listpack_count(at);
        assert_true(count > 0 && count <= v.count - done);
        unsigned char *lp = listpack_new(0);
        listpack_append_many(&lp, v.list + done, count);
        assert_int_equal(listpack_bytes(lp), len);
        assert_memory_equal(lp, at, len);
        listpack_free(lp);
        done += count;
        at += len;
    }
    assert_int_equal(done, v.count);
    freeReplyObject(reply);
    values_free(&v);
}

/* The bounds as fields and values, then changes: replaced, removed, added. Restored by redis, read
 * back, and dumped again. */
static void test_hashes(void **state)
{
    struct redis *r = ready(state);
    struct values v = bound_values();
    unsigned char *lp = listpack_new(0);
    for (size_t i = 0; i < v.count; i++) {
        struct slice pair[] = {v.list[i], v.list[v.count - 1 - i]};
        if (pair[0].len > 5000 || pair[1].len > 5000)
            continue;
        run(r, "HSET", "hash", pair, 2);
        uint32_t at = listpack_find(lp, listpack_first(lp), pair[0], 1);
        if (at)
            listpack_replace(&lp, listpack_next(lp, at), pair[1]);
        else
            listpack_append_many(&lp, pair, 2);
        if (i % 5 == 3) {
            run(r, "HDEL", "hash", &v.list[i / 2], 1);
            at = listpack_find(lp, listpack_first(lp), v.list[i / 2], 1);
            if (at)
                listpack_delete_many(&lp, at, 2);
        }
    }
    expect_dump(r, "hash", HASH_LISTPACK, lp, listpack_bytes(lp));
    restore(r, "hash2", HASH_LISTPACK, lp, listpack_bytes(lp));
    expect_dump(r, "hash2", HASH_LISTPACK, lp, listpack_bytes(lp));
    redisReply *all = call(r, "HGETALL", "hash2", NULL, 0);
    assert_int_equal(all->elements, listpack_count(lp));
    uint32_t at = listpack_first(lp);
    for (size_t i = 0; i < all->elements; i++, at = listpack_next(lp, at)) {
        char room[LISTPACK_TEXT];
        struct slice theirs = slice_of(all->element[i]->str, all->element[i]->len);
        assert_true(slice_eq(listpack_text(lp, at, room), theirs));
    }
    freeReplyObject(all);
    listpack_free(lp);
    values_free(&v);
}

static void test_sorted_sets(void **state)
{
    struct redis *r = ready(state);
    struct slice words[] = {SLICE("-3"),  SLICE("a"), SLICE("0.5"), SLICE("b"),
                            SLICE("700"), SLICE("c"), SLICE("1e3"), SLICE("d")};
    struct slice kept[] = {SLICE("a"), SLICE("-3"),  SLICE("b"), SLICE("0.5"),
                           SLICE("c"), SLICE("700"), SLICE("d"), SLICE("1000")};
    unsigned char *lp = listpack_new(0);
    run(r, "ZADD", "zset", words, COUNT_OF(words));
    listpack_append_many(&lp, kept, COUNT_OF(kept));
    expect_dump(r, "zset", ZSET_LISTPACK, lp, listpack_bytes(lp));
    restore(r, "zset2", ZSET_LISTPACK, lp, listpack_bytes(lp));
    expect_dump(r, "zset2", ZSET_LISTPACK, lp, listpack_bytes(lp));
    listpack_free(lp);
}

/* A count that the head cannot hold. */
static void test_uncounted(void **state)
{
    struct redis *r = ready(state);
    for (int64_t pairs = 32766; pairs <= 32769; pairs++) {
        unsigned char *lp = listpack_new(1 << 19);
        for (int64_t i = 0; i < pairs; i++) {
            listpack_append_integer(&lp, i);
            listpack_append_integer(&lp, -i);
        }
        assert_int_equal(listpack_head_count(lp), MIN_OF(pairs * 2, LISTPACK_UNCOUNTED));
        restore(r, "large", HASH_LISTPACK, lp, listpack_bytes(lp));
        redisReply *len = call(r, "HLEN", "large", NULL, 0);
        assert_int_equal(len->integer, pairs);
        freeReplyObject(len);
        expect_dump(r, "large", HASH_LISTPACK, lp, listpack_bytes(lp));
        listpack_free(lp);
    }
}

/* Every pair of bounds of widths, in either order of adding, and with one removed. */
static void test_intsets(void **state)
{
    struct redis *r = ready(state);
    static const int64_t bounds[] = {0,
                                     -1,
                                     INT16_MAX,
                                     INT16_MIN,
                                     INT16_MAX + 1,
                                     INT16_MIN - 1,
                                     INT32_MAX,
                                     INT32_MIN,
                                     INT64_C(1) + INT32_MAX,
                                     INT64_C(-1) + INT32_MIN,
                                     INT64_MAX,
                                     INT64_MIN};
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        unsigned char *set = intset_new();
        run(r, "DEL", "set", NULL, 0);
        for (size_t j = 0; j < COUNT_OF(bounds); j++) {
            char text[NUMBER_TEXT_MAX];
            int64_t n = bounds[(i * 5 + j * 7) % COUNT_OF(bounds)];
            struct slice word = slice_of(text, number_print_i64(text, n));
            run(r, "SADD", "set", &word, 1);
            assert_true(intset_add(&set, n));
            if (j % 4 == 3) {
                run(r, "SREM", "set", &word, 1);
                assert_true(intset_remove(&set, n));
            }
            expect_dump(r, "set", SET_INTSET, set, intset_bytes(set));
        }
        restore(r, "set2", SET_INTSET, set, intset_bytes(set));
        expect_dump(r, "set2", SET_INTSET, set, intset_bytes(set));
        assert_true(intset_validate(set, intset_bytes(set), true));
        intset_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),       cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_sorted_sets), cmocka_unit_test(test_uncounted),
        cmocka_unit_test(test_intsets),
    };
    return cmocka_run_group_tests(tests, redis_start, redis_stop);
}
