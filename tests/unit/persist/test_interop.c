/* test_interop.c - redis-server reads what we write, and we read what it writes. Skipped where
 * there is no redis-server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include "base/rand.h"
#include "world.h"

#define NAMES 300

static bool shell(const char *format, ...) PRINTF_LIKE(1, 2);

static bool shell(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

static void skip_without_redis(void)
{
    if (!shell("command -v redis-server >/dev/null && command -v redis-check-aof >/dev/null"))
        skip();
}

/* ---- a redis-server over a directory ---- */

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

static int redis_start(const char *dir, bool appendonly)
{
    int port = free_port();
    assert_true(shell("redis-server --port %d --bind 127.0.0.1 --dir %s --appendonly %s --save '' "
                      "--daemonize yes --logfile %s/redis.log >/dev/null",
                      port, dir, appendonly ? "yes" : "no", dir));
    bool up = false;
    for (int i = 0; i < 1500 && !up; i++) {
        clock_sleep_us(20000);
        up = shell("redis-cli -p %d dbsize 2>/dev/null | grep -q '^[0-9]'", port);
    }
    if (!up)
        fail_msg("redis-server did not load the files; see %s/redis.log", dir);
    return port;
}

static void redis_stop(int port)
{
    shell("redis-cli -p %d shutdown nosave >/dev/null 2>&1", port);
    clock_sleep_us(100000);
}

/* ---- the data: numbers, text that compresses and that does not, expiries, databases ---- */

static void value_of(int i, char out[2100])
{
    static const long long bounds[] = {0, -1, 127, 128, -129, 32767, 32768, 2147483647, 2147483648};
    if (i < (int)COUNT_OF(bounds)) {
        snprintf(out, 2100, "%lld", bounds[i]);
    } else if (i % 3 == 0) {
        for (int at = 0; at < 20 * (i % 100); at += 5)
            memcpy(out + at, "abcde", 6);
        if (i % 100 == 0)
            strcpy(out, "x");
    } else {
        struct rand r;
        rand_seed(&r, (uint64_t)i);
        int len = 1 + i * 7 % 2000;
        for (int at = 0; at < len; at++)
            out[at] = (char)('!' + rand_below(&r, 90));
        out[len] = '\0';
    }
}

static void write_data(struct world *w, int from, int to)
{
    char line[2300], value[2100];
    for (int i = from; i < to; i++) {
        value_of(i, value);
        snprintf(line, sizeof line, i % 7 == 0 ? "set k%d %s PXAT 4102444800000" : "set k%d %s", i,
                 value);
        world_run(w, 0, (uint32_t)(i % 3), line);
    }
}

static void expect_in_redis(int port)
{
    char value[2100], path[] = "/tmp/interop-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < NAMES; i += 11) {
        value_of(i, value);
        FILE *f = fopen(path, "w");
        fprintf(f, "%s\n", value);
        fclose(f);
        if (!shell("redis-cli -p %d -n %d --raw get k%d | cmp -s - %s", port, i % 3, i, path))
            fail_msg("k%d differs in redis-server", i);
    }
    remove(path);
    assert_true(shell("redis-cli -p %d -n 0 pexpiretime k0 | grep -q 4102444800000", port));
    assert_true(shell("redis-cli -p %d -n 1 dbsize | grep -q '^100$'", port));
}

static void expect_in_world(struct world *w)
{
    char value[2100], name[16];
    for (int i = 0; i < NAMES; i++) {
        value_of(i, value);
        snprintf(name, sizeof name, "k%d", i);
        world_expect(w, (uint32_t)(i % 3), name, value);
    }
    assert_int_equal(keyspace_size(w->ks, 1), 100);
    assert_int_equal(keyspace_expires(w->ks, 0) + keyspace_expires(w->ks, 1) +
                         keyspace_expires(w->ks, 2),
                     (NAMES + 6) / 7);
}

/* ---- tests ---- */

static void redis_loads_our_dump(void **state)
{
    skip_without_redis();
    for (int compress = 0; compress < 2; compress++) {
        struct world w;
        char dir[64];
        world_dir(dir);
        world_init(&w, dir, false);
        w.options.rdbcompression = compress;
        world_load(&w);
        world_start(&w);
        write_data(&w, 0, NAMES);
        assert_int_equal(world_close_saving(&w, true), 0);
        assert_true(shell("redis-check-rdb %s/dump.rdb >%s/check.log", dir, dir));
        int port = redis_start(dir, false);
        expect_in_redis(port);
        redis_stop(port);
        world_remove(dir);
    }
}

static void redis_loads_a_log(bool preamble)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_init(&w, dir, true);
    w.options.aof_use_rdb_preamble = preamble;
    w.options.aof_timestamp_enabled = !preamble;
    world_load(&w);
    world_start(&w);
    write_data(&w, 0, 100);
    persist_rewrite(w.persist);
    write_data(&w, 100, 200);
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    write_data(&w, 200, NAMES);
    assert_int_equal(world_close(&w), 0);
    assert_true(
        shell("redis-check-aof %s/appendonlydir/appendonly.aof.manifest >%s/check.log", dir, dir));
    int port = redis_start(dir, true);
    expect_in_redis(port);
    redis_stop(port);
    /* And what it appended and rewrote is ours again. */
    port = redis_start(dir, true);
    assert_true(shell("redis-cli -p %d set extra 1 >/dev/null", port));
    redis_stop(port);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "extra", "1");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void redis_loads_our_log(void **state)
{
    skip_without_redis();
    redis_loads_a_log(true);
    redis_loads_a_log(false);
}

static void fill_redis(int port, int from, int to)
{
    char value[2100], path[] = "/tmp/interop-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    FILE *f = fopen(path, "w");
    for (int i = from; i < to; i++) {
        char name[16];
        value_of(i, value);
        snprintf(name, sizeof name, "k%d", i);
        fprintf(f, "*2\r\n$6\r\nSELECT\r\n$1\r\n%d\r\n", i % 3);
        fprintf(f, "*%d\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", i % 7 == 0 ? 5 : 3,
                strlen(name), name, strlen(value), value);
        if (i % 7 == 0)
            fprintf(f, "$4\r\nPXAT\r\n$13\r\n4102444800000\r\n");
    }
    fclose(f);
    assert_true(shell("redis-cli -p %d --pipe <%s >/dev/null", port, path));
    remove(path);
}

static void we_load_the_dump_of_redis(void **state)
{
    skip_without_redis();
    struct world w;
    char dir[64];
    world_dir(dir);
    int port = redis_start(dir, false);
    fill_redis(port, 0, NAMES);
    assert_true(shell("redis-cli -p %d save >/dev/null", port));
    redis_stop(port);
    assert_int_equal(world_open(&w, dir, false), PERSIST_LOADED_RDB);
    expect_in_world(&w);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void we_load_the_log_of_redis(void **state)
{
    skip_without_redis();
    struct world w;
    char dir[64];
    world_dir(dir);
    int port = redis_start(dir, true);
    fill_redis(port, 0, 150);
    assert_true(shell("redis-cli -p %d config set aof-timestamp-enabled yes >/dev/null", port));
    assert_true(shell("redis-cli -p %d bgrewriteaof >/dev/null", port));
    clock_sleep_us(300000);
    fill_redis(port, 150, NAMES);
    redis_stop(port);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
        expect_in_world(&w);
        assert_int_equal(world_close(&w), 0);
    }
    world_remove(dir);
}

int main(void)
{
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTHING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_loads_our_dump),
        cmocka_unit_test(redis_loads_our_log),
        cmocka_unit_test(we_load_the_dump_of_redis),
        cmocka_unit_test(we_load_the_log_of_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
