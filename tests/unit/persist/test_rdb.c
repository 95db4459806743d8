/* test_rdb.c - RDB: lengths and strings at their bounds, records, whole files, damage, DUMP
 * payloads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "base/rand.h"
#include "persist/dump.h"
#include "persist/rdb.h"
#include "persist/rdb_load.h"
#include "persist/rdb_save.h"

static struct keyspace *new_keyspace(void)
{
    struct keyspace_options options = {.databases = 16,
                                       .policy = EVICT_NONE,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .lfu_decay_minutes = 1};
    return keyspace_new(&options);
}

static int into_bytes(void *ctx, const void *data, size_t len)
{
    bytes_append(ctx, data, len);
    return 0;
}

/* ---- parts ---- */

static void lengths_round_trip_at_every_bound(void **state)
{
    const uint64_t lengths[] = {
        0, 1, 63, 64, 16383, 16384, 100000, UINT32_MAX, UINT32_MAX + UINT64_C(1), UINT64_MAX};
    const size_t sizes[] = {1, 1, 1, 2, 2, 5, 5, 5, 9, 9};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct bytes b = {0};
        rdb_append_length(&b, lengths[i]);
        assert_int_equal(b.len, sizes[i]);
        struct rdb_reader r;
        rdb_reader_init(&r, bytes_slice(&b));
        uint64_t back;
        assert_true(rdb_read_length(&r, &back));
        assert_int_equal(back, lengths[i]);
        for (size_t cut = 0; cut < b.len; cut++) {
            rdb_reader_init(&r, slice_of(b.data, cut));
            assert_false(rdb_read_length(&r, &back));
            assert_true(r.truncated);
        }
        bytes_free(&b);
    }
}

static void check_string(struct slice s, bool compress, size_t size)
{
    struct bytes b = {0}, back = {0};
    rdb_append_string(&b, s, compress);
    if (size)
        assert_int_equal(b.len, size);
    struct rdb_reader r;
    rdb_reader_init(&r, bytes_slice(&b));
    assert_true(rdb_read_string(&r, &back));
    assert_true(slice_eq(bytes_slice(&back), s));
    assert_int_equal(rdb_reader_offset(&r), b.len);
    for (size_t cut = 0; cut < b.len; cut += 1 + b.len / 50) {
        rdb_reader_init(&r, slice_of(b.data, cut));
        assert_false(rdb_read_string(&r, &back));
    }
    bytes_free(&b);
    bytes_free(&back);
}

static void strings_take_their_smallest_form(void **state)
{
    check_string(SLICE(""), true, 1);
    check_string(SLICE("0"), true, 2);
    check_string(SLICE("-0"), true, 3);
    check_string(SLICE("007"), true, 4);
    check_string(SLICE("127"), true, 2);
    check_string(SLICE("-128"), true, 2);
    check_string(SLICE("128"), true, 3);
    check_string(SLICE("-32768"), true, 3);
    check_string(SLICE("32768"), true, 5);
    check_string(SLICE("2147483647"), true, 5);
    check_string(SLICE("-2147483648"), true, 5);
    check_string(SLICE("2147483648"), true, 11);
    check_string(SLICE("+1"), true, 3);
    check_string(SLICE("aaaaaaaaaaaaaaaaaaaa"), true, 21); /* 20: not worth compressing */
    check_string(SLICE("aaaaaaaaaaaaaaaaaaaaa"), false, 22);
    struct bytes big = {0};
    for (int i = 0; i < 200000; i++)
        bytes_append(&big, "hello world ", 12);
    check_string(bytes_slice(&big), true, 0);
    check_string(bytes_slice(&big), false, 5 + big.len);
    struct rand rand;
    rand_seed(&rand, 7);
    for (size_t i = 0; i < big.len; i++)
        big.data[i] = (char)rand_next(&rand);
    check_string(bytes_slice(&big), true, 5 + big.len);
    check_string(slice_of(big.data, 70), true, 72);
    bytes_free(&big);
}

static void compressed_strings_shrink(void **state)
{
    struct bytes b = {0};
    char text[1000];
    memset(text, 'x', sizeof text);
    rdb_append_string(&b, slice_of(text, sizeof text), true);
    assert_true(b.len < 40);
    assert_int_equal((uint8_t)b.data[0], RDB_ENC_LZF);
    bytes_free(&b);
}

static void impossible_claims_are_refused(void **state)
{
    const char *const bad[] = {
        "\xC4",                                          /* unknown encoding */
        "\x82zzzz",                                      /* unknown length */
        "\x81\x7f\xff\xff\xff\xff\xff\xff\xff",          /* 2^63 bytes announced */
        "\xC3\x01\x81\x7f\xff\xff\xff\xff\xff\xff\xffz", /* one byte that unpacks to 2^63 */
        "\xC3\x03\x14zzz",                               /* does not unpack */
        "\xC3\xC3\x01",
    };
    const size_t lens[] = {1, 5, 9, 12, 6, 3};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct rdb_reader r;
        struct bytes out = {0};
        rdb_reader_init(&r, slice_of(bad[i], lens[i]));
        assert_false(rdb_read_string(&r, &out));
        assert_non_null(r.why);
        bytes_free(&out);
    }
}

/* ---- files ---- */

static void write_sample(struct bytes *out, bool checksum)
{
    struct rdb_writer w;
    rdb_writer_init(&w, into_bytes, out, true, checksum);
    rdb_put_header(&w, 1700000000, 12345, true, false);
    rdb_put_resize(&w, 0, 3, 1);
    struct rdb_record r = {
        .db = 0, .expire_ms = EXPIRE_NONE, .key = SLICE("a"), .value = SLICE("1")};
    rdb_put_record(&w, &r);
    r.key = SLICE("b");
    r.expire_ms = clock_wall_ms() + 3600000;
    r.recency_kind = RDB_RECENCY_IDLE;
    r.recency = 1000;
    rdb_put_record(&w, &r);
    r.key = SLICE("old");
    r.expire_ms = 1000;
    r.recency_kind = RDB_RECENCY_FREQ;
    r.recency = 200;
    rdb_put_record(&w, &r);
    struct bytes large = {0};
    for (int i = 0; i < 100000; i++)
        bytes_printf(&large, "%d ", i * 17);
    r = (struct rdb_record){
        .db = 9, .expire_ms = EXPIRE_NONE, .key = SLICE("large"), .value = bytes_slice(&large)};
    rdb_put_record(&w, &r);
    assert_int_equal(rdb_writer_finish(&w), 0);
    assert_int_equal(w.written, out->len);
    assert_int_equal(w.keys, 4);
    rdb_writer_free(&w);
    bytes_free(&large);
}

static bool load(struct slice file, struct keyspace *ks, bool keep_expired,
                 struct rdb_load_result *result)
{
    struct rdb_reader r;
    rdb_reader_init(&r, file);
    struct rdb_load_options options = {.keep_expired = keep_expired, .checksum = true};
    bool ok = rdb_load(&r, ks, &options, result);
    rdb_reader_free(&r);
    return ok;
}

static void a_file_is_read_back(void **state)
{
    for (int checksum = 0; checksum < 2; checksum++) {
        struct bytes file = {0};
        write_sample(&file, checksum);
        struct keyspace *ks = new_keyspace();
        struct rdb_load_result result;
        assert_true(load(bytes_slice(&file), ks, false, &result));
        assert_int_equal(result.version, 10);
        assert_int_equal(result.created_s, 1700000000);
        assert_int_equal(result.keys, 3);
        assert_int_equal(result.expired, 1);
        assert_int_equal(result.offset, file.len);
        assert_int_equal(keyspace_size(ks, 0), 2);
        assert_int_equal(keyspace_expires(ks, 0), 1);
        assert_int_equal(keyspace_size(ks, 9), 1);
        assert_true(load(bytes_slice(&file), ks, true, &result));
        assert_int_equal(result.keys, 4);
        keyspace_free(ks);
        bytes_free(&file);
    }
}

static void every_cut_and_flip_is_noticed_or_harmless(void **state)
{
    struct bytes file = {0};
    write_sample(&file, true);
    struct rdb_load_result result;
    for (size_t cut = 0; cut < file.len; cut += cut < 200 ? 1 : 997) {
        struct keyspace *ks = new_keyspace();
        assert_false(load(slice_of(file.data, cut), ks, false, &result));
        assert_true(result.truncated);
        assert_non_null(result.why);
        keyspace_free(ks);
    }
    for (size_t at = 0; at < file.len; at += at < 300 ? 1 : 1499) {
        file.data[at] ^= 0x10;
        struct keyspace *ks = new_keyspace();
        assert_false(load(bytes_slice(&file), ks, false, &result));
        keyspace_free(ks);
        file.data[at] ^= 0x10;
    }
    bytes_free(&file);
}

static int fail_later(void *ctx, const void *data, size_t len)
{
    int *left = ctx;
    return (*left)-- > 0 ? 0 : -ENOSPC;
}

static void an_error_of_the_sink_sticks(void **state)
{
    for (int after = 0; after < 3; after++) {
        int left = after;
        struct rdb_writer w;
        rdb_writer_init(&w, fail_later, &left, false, true);
        rdb_put_header(&w, 0, 0, false, false);
        char value[70000] = {0};
        struct rdb_record r = {
            .expire_ms = EXPIRE_NONE, .key = SLICE("k"), .value = slice_of(value, sizeof value)};
        for (int i = 0; i < 10; i++)
            rdb_put_record(&w, &r);
        assert_int_equal(rdb_writer_finish(&w), -ENOSPC);
        rdb_writer_free(&w);
    }
}

/* ---- DUMP ---- */

static void payloads_round_trip(void **state)
{
    const char *const values[] = {"", "0", "-17", "hello", "12345678901234567890123"};
    struct keyspace *ks = new_keyspace();
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = ks, .now_ms = clock_wall_ms(), .stats = &stats};
    hold_take(&hold, HOLD_ALL);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct key key = keyspace_key(keyspace_seed(ks), 3, SLICE("k"));
        struct entry *e = keyspace_find(&hold, &key, FIND_PEEK);
        e = keyspace_put_string(&hold, &key, e, slice_str(values[i]), EXPIRE_NONE);
        struct bytes payload = {0};
        dump_append(e, true, &payload);
        assert_true(dump_verify(bytes_slice(&payload)));
        struct dump_value value;
        assert_int_equal(dump_parse(bytes_slice(&payload), &value_limits_default, &value), DUMP_OK);
        struct key copy = keyspace_key(keyspace_seed(ks), 3, SLICE("copy"));
        struct entry *to = keyspace_find(&hold, &copy, FIND_PEEK);
        to = dump_put(&hold, &copy, to, &value, 4102444800000);
        assert_true(slice_eq(entry_string(to), slice_str(values[i])));
        assert_int_equal(entry_expire_ms(to), 4102444800000);
        for (size_t at = 0; at < payload.len; at++) {
            payload.data[at] ^= 1;
            assert_int_equal(dump_parse(bytes_slice(&payload), &value_limits_default, &value),
                             DUMP_BAD_CHECKSUM);
            payload.data[at] ^= 1;
            assert_false(dump_verify(slice_of(payload.data, at)));
        }
        bytes_free(&payload);
    }
    hold_drop(&hold);
    keyspace_free(ks);
}

static void payloads_of_redis_are_known(void **state)
{
    /* SET k hello; DUMP k of redis-server 7.0, and a made-up one of an unknown type. */
    static const char hello[] = "\x00\x05hello\x0a\x00";
    struct bytes b = {0};
    bytes_append(&b, hello, sizeof hello - 1);
    uint64_t crc = crc64(0, b.data, b.len);
    for (int i = 0; i < 8; i++)
        bytes_append_char(&b, (char)(crc >> 8 * i));
    struct dump_value value;
    assert_int_equal(dump_parse(bytes_slice(&b), &value_limits_default, &value), DUMP_OK);
    assert_true(slice_eq(value.string, SLICE("hello")));
    dump_value_free(&value);
    b.len = 0;
    bytes_append(&b, "\x63zz\x0a\x00", 5);
    crc = crc64(0, b.data, b.len);
    for (int i = 0; i < 8; i++)
        bytes_append_char(&b, (char)(crc >> 8 * i));
    assert_int_equal(dump_parse(bytes_slice(&b), &value_limits_default, &value), DUMP_BAD_FORMAT);
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_round_trip_at_every_bound),
        cmocka_unit_test(strings_take_their_smallest_form),
        cmocka_unit_test(compressed_strings_shrink),
        cmocka_unit_test(impossible_claims_are_refused),
        cmocka_unit_test(a_file_is_read_back),
        cmocka_unit_test(every_cut_and_flip_is_noticed_or_harmless),
        cmocka_unit_test(an_error_of_the_sink_sticks),
        cmocka_unit_test(payloads_round_trip),
        cmocka_unit_test(payloads_of_redis_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
