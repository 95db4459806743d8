/* test_info.c - sums over lanes, resets, rates, and INFO's sections. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "../commands/engine_fixture.h"
#include "commands/commands.h"
#include "ops/commands.h"
#include "ops/info.h"
#include "ops/ops.h"
#include "ops/state.h"

static struct engine_fixture f;
static struct lane *far;

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, (const struct command *const[]){info_commands, string_commands,
                                                     connection_commands, NULL});
    far = mem_try_zalloc_aligned(CACHE_LINE, sizeof *far);
    lane_init(far, &f.server, 1);
    f.server.lanes[1] = far;
    f.server.lane_count = 2;
    f.settings.latency_tracking = true;
    f.settings.percentiles[0] = 50;
    f.settings.percentiles[1] = 99.9;
    f.settings.percentile_count = 2;
    f.settings.slowlog_log_slower_than_us = -1;
    f.settings.commandlog_reply_larger_than = -1;
    f.settings.commandlog_request_larger_than = -1;
    ops_install(&f.server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ops_uninstall(&f.server);
    f.server.lane_count = 1;
    lane_free(far);
    mem_free(far);
    fixture_close(&f);
    return 0;
}

static const char *info(const char *sections)
{
    char line[128];
    snprintf(line, sizeof line, "INFO %s", sections);
    return fixture_run(&f, line);
}

#define HAS(sections, text)    assert_non_null(strstr(info(sections), text))
#define HAS_NO(sections, text) assert_null(strstr(info(sections), text))

static void test_sums_and_reset(void **state)
{
    (void)state;
    struct lane_stats sum;
    uint32_t row;
    registry_find(f.server.registry, SLICE("get"), &row);
    fixture_run(&f, "GET none");
    far->stats.keyspace.misses = 10;
    far->stats.commands = 5;
    far->command_stats[row].calls = 7;
    far->command_stats[row].by_time[3] = 7;
    lane_count_error(far, "WRONGTYPE x", 11);
    lane_count_error(far, "ERR x", 5);
    lane_count_error(&f.lane, "ERR y", 5);
    stats_sum(&f.server, &sum);
    assert_int_equal(sum.keyspace.misses, 11);
    assert_int_equal(sum.errors, 3);
    HAS("commandstats", "\r\ncmdstat_get:calls=8,usec=");
    HAS("errorstats", "errorstat_ERR:count=2\r\nerrorstat_WRONGTYPE:count=1\r\n");

    stats_reset(&f.server);
    stats_sum(&f.server, &sum);
    assert_int_equal(sum.keyspace.misses, 0);
    assert_int_equal(sum.by_code.used, 0);
    HAS_NO("commandstats", "cmdstat_get");
    HAS_NO("latencystats", "usec_get");
    lane_count_error(far, "ERR x", 5);
    lane_count_error(far, "NEW x", 5);
    far->command_stats[row].calls++;
    far->stats.keyspace.misses++;
    HAS("errorstats", "errorstat_ERR:count=1\r\nerrorstat_NEW:count=1\r\n");
    HAS("commandstats", "cmdstat_get:calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_"
                        "calls=0\r\n");
    HAS("stats", "keyspace_misses:1\r\n");
}

static void test_percentiles(void **state)
{
    (void)state;
    uint32_t row;
    registry_find(f.server.registry, SLICE("getset"), &row);
    stats_reset(&f.server);
    far->command_stats[row].by_time[0] += 50;
    f.lane.command_stats[row].by_time[5] += 49;
    far->command_stats[row].by_time[COMMAND_TIME_BUCKETS - 1] += 1;
    HAS("latencystats", "latency_percentiles_usec_getset:p50=1.000,p99.9=8388608.000\r\n");
    f.settings.latency_tracking = false;
    HAS_NO("latencystats", "usec_getset");
    f.settings.latency_tracking = true;
}

static void test_time_buckets(void **state)
{
    (void)state;
    assert_int_equal(command_time_bucket(0), 0);
    for (unsigned i = 1; i < COMMAND_TIME_BUCKETS - 1; i++) {
        assert_int_equal(command_time_bucket((UINT64_C(1) << i) - 1), i);
        assert_int_equal(command_time_bucket(UINT64_C(1) << (i - 1)), i);
    }
    assert_int_equal(command_time_bucket(UINT64_MAX / 2), COMMAND_TIME_BUCKETS - 1);
}

static void test_sections(void **state)
{
    (void)state;
    static const char *const standard[] = {
        "# Server",      "# Clients", "# Memory",  "# Persistence", "# Disk",    "# Stats",
        "# Replication", "# CPU",     "# Modules", "# Errorstats",  "# Cluster", "# Keyspace"};
    const char *text = info("");
    for (size_t i = 0; i < COUNT_OF(standard); i++) {
        text = strstr(text, standard[i]);
        assert_non_null(text);
    }
    HAS_NO("", "# Commandstats");
    HAS("all", "# Commandstats");
    HAS("EVERYTHING", "# Latencystats");
    HAS_NO("default", "# Latencystats");
    assert_memory_equal(strchr(info("keyspace Cpu nosuch"), '\n') + 1, "# CPU\r\n", 7);
    HAS("keyspace Cpu", "\r\n\r\n# Keyspace\r\n");
    EXPECT_BULK(&f, "INFO nosuch", "");
    HAS("server", "\r\nredis_mode:standalone\r\n");
    HAS("clients", "connected_clients:1\r\n");
    fixture_run(&f, "SET k v PX 100000");
    HAS("keyspace", "db0:keys=1,expires=1,avg_ttl=");
    f.client.resp = 3;
    assert_memory_equal(info("cluster"), "=", 1);
    f.client.resp = 2;
}

static void test_rates(void **state)
{
    (void)state;
    struct sampler *s = &f.server.ops->sampler;
    uint64_t now_us = 1000000;
    sampler_step(s, &f.server, now_us);
    assert_int_equal(sampler_rate(s, RATE_COMMANDS), 0);
    for (int i = 0; i < SAMPLER_SAMPLES; i++) {
        far->stats.commands += 100;
        far->stats.bytes_in += 2048;
        sampler_step(s, &f.server, now_us += 100000);
    }
    assert_int_equal(sampler_rate(s, RATE_COMMANDS), 1000);
    assert_int_equal(sampler_rate(s, RATE_BYTES_IN), 20480);
    HAS("stats", "instantaneous_ops_per_sec:1000\r\n");
    HAS("stats", "instantaneous_input_kbps:20.00\r\n");
    for (int i = 0; i < SAMPLER_SAMPLES; i++)
        sampler_step(s, &f.server, now_us += 100000);
    assert_in_range(sampler_rate(s, RATE_COMMANDS), 0, 10);
}

static void test_sampler_thread(void **state)
{
    (void)state;
    struct sampler sampler = {0};
    f.server.peak_memory = 0;
    sampler_stop(&sampler); /* never started */
    sampler_start(&sampler, &f.server);
    uint64_t until_ms = clock_mono_ms() + 30000;
    while (RELAXED_LOAD(&f.server.peak_memory) == 0 && clock_mono_ms() < until_ms)
        clock_sleep_us(1000);
    assert_true(RELAXED_LOAD(&f.server.peak_memory) > 0);
    sampler_stop(&sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_and_reset), cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_time_buckets),   cmocka_unit_test(test_sections),
        cmocka_unit_test(test_rates),          cmocka_unit_test(test_sampler_thread)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
