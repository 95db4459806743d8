/* test_config.c - defaults, CONFIG SET with Redis's texts and bounds, roll back, CONFIG GET,
 * settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "ops/config_directive.h"

static struct config *c;
static struct settings *s;

static int setup(void **state)
{
    (void)state;
    c = config_new();
    s = config_settings(c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_free(c);
    return 0;
}

/* The error of CONFIG SET with these pairs, "" = done. Valid until the next call. */
static const char *set_flags(unsigned flags, size_t count, const char *const *words)
{
    static char text[1024];
    struct slice pairs[16];
    struct bytes error = {0};
    for (size_t i = 0; i < count; i++)
        pairs[i] = slice_str(words[i]);
    bool done = config_set(c, pairs, count, flags, &error);
    snprintf(text, sizeof(text), "%s", bytes_str(&error));
    assert_int_equal(done, text[0] == '\0');
    bytes_free(&error);
    return text;
}

#define SET(...)                                                                                   \
    set_flags(0, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                           \
              (const char *[]){__VA_ARGS__})

static const char *get(const char *name)
{
    static char text[4096];
    struct bytes out = {0};
    if (!config_get_one(c, name, &out))
        return NULL;
    snprintf(text, sizeof(text), "%s", bytes_str(&out));
    bytes_free(&out);
    return text;
}

#define FAILED(name, reason)                                                                       \
    "ERR CONFIG SET failed (possibly related to argument '" name "') - " reason
#define assert_refused(name, value, reason)                                                        \
    assert_string_equal(SET(name, value), FAILED(name, reason))
#define assert_kept(name, value, shown)                                                            \
    do {                                                                                           \
        assert_string_equal(SET(name, value), "");                                                 \
        assert_string_equal(get(name), shown);                                                     \
    } while (0)

static void test_defaults(void **state)
{
    (void)state;
    char here[4096];
    assert_string_equal(get("maxmemory"), "0");
    assert_string_equal(get("save"), "3600 1 300 100 60 10000");
    assert_string_equal(get("client-output-buffer-limit"),
                        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    assert_string_equal(get("bind"), "* -::*");
    assert_string_equal(get("latency-tracking-info-percentiles"), "50 99 99.9");
    assert_string_equal(get("proto-max-bulk-len"), "536870912");
    assert_string_equal(get("dir"), getcwd(here, sizeof(here)));
    assert_string_equal(get("rdma-completion-vector"), "-1");
    assert_string_equal(get("disk-leave-factor"), "1.25");
    assert_int_equal(s->port, 6379);
    assert_int_equal(s->save_count, 3);
    assert_int_equal(s->save[2].changes, 10000);
    assert_int_equal(s->client_output_buffer_limit[CLIENT_CLASS_REPLICA].soft_bytes, 64 << 20);
    assert_int_equal(s->percentile_count, 3);
    assert_int_equal(s->disk_budget, SETTING_AUTO);
    assert_int_equal(s->disk_leave_factor_x100, 125);
    assert_int_equal(s->appendfsync, APPENDFSYNC_EVERYSEC);
    assert_true(s->io_threads >= 1 && s->io_threads <= 128);
    assert_string_equal(s->appendfilename, "appendonly.aof");
    assert_string_equal(s->bind.text, "* -::*");
    assert_true(settings_text_is_empty(s, &s->requirepass));
}

static void test_numbers(void **state)
{
    (void)state;
    assert_kept("timeout", "0", "0");
    assert_kept("timeout", "2147483647", "2147483647");
    assert_int_equal(s->timeout_s, INT32_MAX);
    assert_refused("timeout", "2147483648", "argument must be between 0 and 2147483647 inclusive");
    assert_refused("timeout", "-1", "argument must be between 0 and 2147483647 inclusive");
    assert_refused("timeout", "", "argument couldn't be parsed into an integer");
    assert_refused("timeout", "010", "argument couldn't be parsed into an integer");
    assert_refused("timeout", "+5", "argument couldn't be parsed into an integer");
    assert_refused("timeout", "99999999999999999999",
                   "argument couldn't be parsed into an integer");
    assert_kept("maxclients", "4294967295", "4294967295");
    assert_refused("maxclients", "0", "argument must be between 1 and 4294967295 inclusive");
    assert_kept("slowlog-log-slower-than", "-1", "-1");
    assert_refused("slowlog-log-slower-than", "-2",
                   "argument must be between -1 and 9223372036854775807 inclusive");
    assert_kept("list-max-listpack-size", "-2147483648", "-2147483648");
    assert_kept("maxmemory-eviction-tenacity", "100", "100");
    assert_refused("maxmemory-eviction-tenacity", "101",
                   "argument must be between 0 and 100 inclusive");
    assert_kept("disk-stall-timeout", "30s", "30");
    assert_kept("hz", "0", "1");
    assert_kept("hz", "501", "500");
    assert_kept("hz", "500", "500");
    assert_refused("disk-stall-timeout", "s", "argument couldn't be parsed into an integer");
    assert_refused("timeout", "30s", "argument couldn't be parsed into an integer");
}

static void test_decimals(void **state)
{
    (void)state;
    assert_kept("disk-leave-factor", "1.01", "1.01");
    assert_kept("disk-leave-factor", "1.5", "1.5");
    assert_int_equal(s->disk_leave_factor_x100, 150);
    assert_kept("disk-leave-factor", "10", "10");
    assert_refused("disk-leave-factor", "1", "argument must be between 1.01 and 10.00 inclusive");
    assert_refused("disk-leave-factor", "10.01",
                   "argument must be between 1.01 and 10.00 inclusive");
    assert_refused("disk-leave-factor", "1.005",
                   "argument must be a number with at most two decimals");
    assert_refused("disk-leave-factor", "1.",
                   "argument must be a number with at most two decimals");
    assert_refused("disk-leave-factor", "1.x",
                   "argument must be a number with at most two decimals");
    assert_refused("disk-leave-factor", "", "argument must be a number with at most two decimals");
}

static void test_memory(void **state)
{
    (void)state;
    assert_kept("repl-backlog-size", "1k", "1000");
    assert_kept("repl-backlog-size", "1KB", "1024");
    assert_kept("repl-backlog-size", "2gb", "2147483648");
    assert_int_equal(s->repl_backlog_size, INT64_C(2) << 30);
    assert_refused("repl-backlog-size", "0",
                   "argument must be between 1 and 9223372036854775807 inclusive");
    assert_refused("repl-backlog-size", "-1", "argument must be a memory value");
    assert_refused("repl-backlog-size", "1.5gb", "argument must be a memory value");
    assert_kept("proto-max-bulk-len", "1mb", "1048576");
    assert_refused("proto-max-bulk-len", "1048575",
                   "argument must be between 1048576 and 9223372036854775807 inclusive");
    assert_refused("proto-max-bulk-len", "9223372036854775808",
                   "argument must be between 1048576 and 9223372036854775807 inclusive");
    assert_kept("maxmemory-clients", "10%", "10%");
    assert_int_equal(setting_resolve(s->maxmemory_clients, 1000, 7), 100);
    assert_kept("maxmemory-clients", "0%", "0");
    assert_kept("maxmemory-clients", "100%", "100%");
    assert_refused("maxmemory-clients", "101%", "percentage argument must be less or equal to 100");
    assert_refused("maxmemory-clients", "-5%", "argument must be a memory or percent value");
    assert_refused("maxmemory-clients", "auto", "argument must be a memory or percent value");
    assert_kept("disk-budget", "AUTO", "auto");
    assert_int_equal(setting_resolve(s->disk_budget, 1000, 7), 7);
    assert_kept("disk-budget", "80%", "80%");
    assert_kept("disk-budget", "32mb", "33554432");
    assert_int_equal(setting_resolve(s->disk_budget, 1000, 7), 32 << 20);
}

static void test_maxmemory(void **state)
{
    (void)state;
    assert_kept("maxmemory", "100mb", "104857600");
    assert_int_equal(s->maxmemory, 100 << 20);
    assert_refused("maxmemory", "x", "argument must be a memory value");
    assert_refused("maxmemory", "", "argument must be a memory value");
    assert_refused("maxmemory", "101%", "percentage argument must be less or equal to 100");
    assert_string_equal(SET("maxmemory", "50%"), "");
    int64_t half = s->maxmemory;
    assert_true(half > 0);
    assert_string_equal(SET("maxmemory", "auto"), "");
    assert_true(s->maxmemory > half);
    assert_kept("maxmemory", "0", "0");
}

static void test_words(void **state)
{
    (void)state;
    assert_kept("appendonly", "YES", "yes");
    assert_refused("appendonly", "1", "argument must be 'yes' or 'no'");
    assert_kept("appendfsync", "ALWAYS", "always");
    assert_int_equal(s->appendfsync, APPENDFSYNC_ALWAYS);
    assert_refused("appendfsync", "x",
                   "argument(s) must be one of the following: everysec, always, no");
    assert_kept("oom-score-adj", "relative", "yes");
    assert_kept("acl-pubsub-default", "allchannels", "allchannels");
    assert_true(s->acl_pubsub_default_all);
    assert_kept("shutdown-on-sigterm", "now save", "save now");
    assert_int_equal(s->shutdown_on_sigterm, SHUTDOWN_SAVE | SHUTDOWN_NOW);
    assert_kept("shutdown-on-sigterm", "default", "default");
    assert_refused("shutdown-on-sigterm", "save nosave",
                   "shutdown options SAVE and NOSAVE can't be used simultaneously");
    assert_refused("shutdown-on-sigterm", "",
                   "argument(s) must be one of the following: default, save, nosave, now, force");
    assert_refused("proc-title-template", "{foo}",
                   "template format is invalid or contains unknown variables");
    assert_refused("proc-title-template", "{title",
                   "template format is invalid or contains unknown variables");
    assert_refused("cluster-announce-hostname", "a b",
                   "Hostnames may only contain alphanumeric characters, hyphens or dots");
}

static void test_specials(void **state)
{
    (void)state;
    assert_kept("save", "60 5 70 6", "60 5 70 6");
    assert_kept("save", "1 0", "1 0");
    assert_refused("save", "0 1", "Invalid save parameters");
    assert_refused("save", "60", "Invalid save parameters");
    assert_refused("save", "x y", "Invalid save parameters");
    assert_kept("save", "", "");
    struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
    assert_int_equal(settings_save_points(s, points), 0);
    assert_kept("client-output-buffer-limit", "replica 1mb 2mb 3",
                "normal 0 0 0 slave 1048576 2097152 3 pubsub 33554432 8388608 60");
    assert_kept("client-output-buffer-limit", "NORMAL 1 1 1 pubsub 0 0 0",
                "normal 1 1 1 slave 1048576 2097152 3 pubsub 0 0 0");
    assert_int_equal(s->client_output_buffer_limit[CLIENT_CLASS_REPLICA].soft_seconds, 3);
    assert_kept("client-output-buffer-limit", "",
                "normal 1 1 1 slave 1048576 2097152 3 pubsub 0 0 0");
    assert_refused("client-output-buffer-limit", "master 1 1 1",
                   "Invalid client class specified in buffer limit configuration.");
    assert_refused("client-output-buffer-limit", "normal 1 1",
                   "Wrong number of arguments in buffer limit configuration.");
    assert_refused("client-output-buffer-limit", "normal x 1 1",
                   "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    assert_kept("oom-score-adj-values", "5 -2000 2000", "5 -2000 2000");
    assert_int_equal(s->oom_score_adj_values[1], -2000);
    assert_refused("oom-score-adj-values", "0 0 2001",
                   "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    assert_refused("oom-score-adj-values", "0 0", "wrong number of arguments");
    assert_kept("latency-tracking-info-percentiles", "0 5e1 99.99", "0 50 99.99");
    assert_kept("latency-tracking-info-percentiles", "", "");
    assert_refused("latency-tracking-info-percentiles", "100.1",
                   "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    assert_refused("latency-tracking-info-percentiles", "a",
                   "Invalid latency-tracking-info-percentiles parameters");
    assert_kept("bind", "", "");
    assert_kept("bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
                "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
    assert_refused("bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
                   "Too many bind addresses specified.");
}

static void test_save_points_at_the_limit(void **state)
{
    (void)state;
    struct bytes text = {0};
    struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
    for (int i = 1; i <= SETTING_SAVE_POINTS_MAX; i++)
        bytes_printf(&text, "%d %d ", i, i);
    assert_string_equal(SET("save", bytes_str(&text)), "");
    assert_int_equal(settings_save_points(s, points), SETTING_SAVE_POINTS_MAX);
    assert_int_equal(points[63].seconds, 64);
    bytes_append_str(&text, "65 65");
    assert_refused("save", bytes_str(&text), "at most 64 save points");
    bytes_free(&text);
}

static void test_notify(void **state)
{
    (void)state;
    assert_kept("notify-keyspace-events", "KEA", "AKE");
    assert_kept("notify-keyspace-events", "g$lshzxetd", "A");
    assert_kept("notify-keyspace-events", "$lshzxe", "$lshzxe");
    assert_kept("notify-keyspace-events", "Em", "Em");
    assert_kept("notify-keyspace-events", "AKEnm", "AKEmn");
    assert_int_equal(s->notify_keyspace_events,
                     NOTIFY_ALL | NOTIFY_KEYSPACE | NOTIFY_KEYEVENT | NOTIFY_KEY_MISS | NOTIFY_NEW);
    assert_kept("notify-keyspace-events", "", "");
    assert_refused("notify-keyspace-events", "Kq",
                   "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
}

static void test_set_errors(void **state)
{
    (void)state;
    assert_string_equal(SET("foo", "bar"),
                        "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
    assert_string_equal(SET("timeout"), "ERR syntax error");
    assert_string_equal(SET("timeout", "1", "hz"), "ERR syntax error");
    assert_string_equal(SET("timeout", "1", "timeout", "2"),
                        FAILED("timeout", "duplicate parameter"));
    assert_string_equal(SET("slave-priority", "1", "replica-priority", "2"),
                        FAILED("replica-priority", "duplicate parameter"));
    assert_refused("databases", "4", "can't set immutable config");
    assert_refused("aclfile", "x", "can't set immutable config");
    assert_refused("dir", "/", "can't set protected config");
    assert_string_equal(SET("user", "x"),
                        "ERR Unknown option or number of arguments for CONFIG SET - 'user'");
    assert_refused("tls-port", "7000", "this server speaks no TLS; put a TLS proxy in front of it");
    assert_kept("tls-port", "0", "0");
    assert_string_equal(set_flags(CONFIG_SET_LOADING, 2, (const char *[]){"appendonly", "yes"}),
                        "LOADING Redis is loading the dataset in memory");
    assert_int_equal(s->appendonly, false);
}

static void test_all_or_nothing(void **state)
{
    (void)state;
    assert_string_equal(SET("timeout", "9", "hz", "x"),
                        FAILED("hz", "argument couldn't be parsed into an integer"));
    assert_string_equal(get("timeout"), "0");
    assert_int_equal(s->timeout_s, 0);
    assert_string_equal(SET("timeout", "9", "hz", "20", "requirepass", "secret"), "");
    assert_int_equal(s->timeout_s, 9);
    char *password = settings_text_copy(s, &s->requirepass);
    assert_string_equal(password, "secret");
    mem_free(password);
}

static void test_conditions(void **state)
{
    (void)state;
    assert_refused("disk-high-percent", "11",
                   "disk-high-percent must not be above disk-low-percent: the disk gets low "
                   "before it gets high");
    assert_refused("disk-low-percent", "4",
                   "disk-high-percent must not be above disk-low-percent: the disk gets low "
                   "before it gets high");
    assert_int_equal(s->disk_low_percent, 10);
    assert_string_equal(SET("disk-high-percent", "20", "disk-low-percent", "20"), "");
    assert_int_equal(s->disk_high_percent, 20);
}

static void test_protected(void **state)
{
    (void)state;
    const char *pair[] = {"dbfilename", "x.rdb"};
    assert_true(config_load_text(c, "test", SLICE("enable-protected-configs local\ndir /tmp\n")));
    assert_true(config_finish(c));
    assert_string_equal(set_flags(0, 2, pair), FAILED("dbfilename", "can't set protected config"));
    assert_string_equal(set_flags(CONFIG_SET_LOCAL, 2, pair), "");
    pair[1] = "a/b";
    assert_string_equal(set_flags(CONFIG_SET_LOCAL, 2, pair),
                        FAILED("dbfilename", "dbfilename can't be a path, just a filename"));
    pair[0] = "dir";
    pair[1] = "/nonexistent";
    assert_string_equal(set_flags(CONFIG_SET_LOCAL, 2, pair),
                        FAILED("dir", "No such file or directory"));
    pair[1] = "/etc/passwd";
    assert_string_equal(set_flags(CONFIG_SET_LOCAL, 2, pair), FAILED("dir", "Not a directory"));
    pair[1] = "/";
    assert_string_equal(set_flags(CONFIG_SET_LOCAL, 2, pair), "");
    char here[4096];
    assert_string_equal(getcwd(here, sizeof(here)), "/");
}

/* ---- Hooks ---- */

struct hook_log {
    int calls;
    int64_t seen; /* timeout at the last call */
    const char *answer;
};

static const char *on_change(void *ctx, struct settings *settings)
{
    struct hook_log *log = ctx;
    log->calls++;
    log->seen = RELAXED_LOAD(&settings->timeout_s);
    return log->answer;
}

static void test_hooks(void **state)
{
    (void)state;
    struct hook_log a = {0}, b = {0};
    config_on_change(c, "timeout", on_change, &a);
    config_on_change(c, "hz", on_change, &a);
    config_on_change(c, "hz", on_change, &b);
    assert_string_equal(SET("timeout", "5", "hz", "11"), "");
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.seen, 5);
    assert_int_equal(b.calls, 1);
    assert_string_equal(SET("timeout", "5"), ""); /* the same value: nothing to do */
    assert_int_equal(a.calls, 1);
    assert_string_equal(SET("port", "1"), "");
    assert_int_equal(a.calls, 1);
}

static void test_hooks_roll_back(void **state)
{
    (void)state;
    struct hook_log a = {0}, b = {.answer = "no more sockets"}, never = {0};
    config_on_change(c, "timeout", on_change, &a);
    config_on_change(c, "hz", on_change, &b);
    config_on_change(c, "hz", on_change, &never);
    assert_string_equal(SET("timeout", "5", "hz", "11"), FAILED("hz", "no more sockets"));
    assert_int_equal(a.calls, 2);
    assert_int_equal(a.seen, 0);
    assert_int_equal(b.calls, 2);
    assert_int_equal(never.calls, 0);
    assert_int_equal(s->hz, 10);
    assert_string_equal(get("hz"), "10");
}

/* ---- GET ---- */

static void collect(void *ctx, struct slice name, struct slice value)
{
    struct bytes *out = ctx;
    bytes_append(out, name.data, name.len);
    bytes_append_char(out, '=');
    bytes_append(out, value.data, value.len);
    bytes_append_char(out, ';');
}

static void assert_got(const char *expected, size_t count, const char *const *patterns)
{
    struct slice slices[4];
    struct bytes out = {0};
    for (size_t i = 0; i < count; i++)
        slices[i] = slice_str(patterns[i]);
    config_get(c, slices, count, collect, &out);
    assert_string_equal(bytes_str(&out), expected);
    bytes_free(&out);
}

static void test_get(void **state)
{
    (void)state;
    assert_got("port=6379;timeout=0;", 4, (const char *[]){"timeout", "PORT", "time*", "port"});
    assert_got("list-max-listpack-size=-2;list-max-ziplist-size=-2;", 1,
               (const char *[]){"LIST-MAX-*"});
    assert_got("slave-priority=100;", 1, (const char *[]){"slave-priority"});
    assert_got("", 1, (const char *[]){"disk-fa*"});
    assert_got("disk-fault=;", 1, (const char *[]){"disk-fault"});
    assert_got("", 2, (const char *[]){"user", "rename-command"});
    assert_true(config_is_sensitive(SLICE("REQUIREPASS")));
    assert_true(config_is_sensitive(SLICE("primaryauth")));
    assert_false(config_is_sensitive(SLICE("port")));
    assert_false(config_is_sensitive(SLICE("nothing")));
}

static void test_store(void **state)
{
    (void)state;
    struct bytes error = {0};
    assert_true(config_store(c, "replicaof", SLICE("host 6380"), &error));
    assert_string_equal(get("slaveof"), "host 6380");
    assert_string_equal(s->replicaof.text, "host 6380");
    assert_false(config_store(c, "replicaof", SLICE("host 65536"), &error));
    assert_string_equal(bytes_str(&error), "Invalid master port");
    assert_true(config_store(c, "replicaof", SLICE("no one"), &error));
    assert_string_equal(get("replicaof"), "");
    bytes_free(&error);
}

/* ---- Readers while values change (for the thread sanitizer) ---- */

static bool stop;

static void *read_settings(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
        uint32_t count = settings_save_points(s, points);
        assert_true(count == 0 || count == 2 || count == 3);
        char *text = settings_text_copy(s, &s->requirepass);
        assert_true(strcmp(text, "") == 0 || strcmp(text, "secret") == 0);
        mem_free(text);
        (void)RELAXED_LOAD(&s->timeout_s);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t reader;
    __atomic_store_n(&stop, false, __ATOMIC_RELAXED);
    assert_int_equal(pthread_create(&reader, NULL, read_settings, NULL), 0);
    for (int i = 0; i < 300; i++) {
        assert_string_equal(SET("save", "1 1 2 2", "requirepass", "secret", "timeout", "1"), "");
        assert_string_equal(SET("save", "", "requirepass", "", "timeout", "2"), "");
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(reader, NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_defaults),
        T(test_numbers),
        T(test_decimals),
        T(test_memory),
        T(test_maxmemory),
        T(test_words),
        T(test_specials),
        T(test_save_points_at_the_limit),
        T(test_notify),
        T(test_set_errors),
        T(test_all_or_nothing),
        T(test_conditions),
        T(test_hooks),
        T(test_hooks_roll_back),
        T(test_get),
        T(test_store),
        T(test_threads),
        T(test_protected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
