/* test_rdb_hash.c - hashes whose fields expire, in the forms of Redis 7.4 and of Valkey 9: written,
 * read, damaged, and which versions files and payloads of them declare. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "persist/rdb_save.h"
#include "persist/rdb_value.h"
#include "value/hash.h"

#define NOON INT64_C(1700000000000)

/* In the order of a listpack with times. */
static const struct {
    const char *name, *value;
    int64_t expire_ms;
} fields[] = {
    {"f", "v", NOON},
    {"12", "-7", NOON + 1},
    {"same", "", NOON + 1},
    {"far", "x", NOON + 5000000000},
    {"none", "1", HASH_NO_EXPIRY},
    {"a", "b", HASH_NO_EXPIRY},
};

static const uint8_t types[] = {RDB_TYPE_HASH_2, RDB_TYPE_HASH_METADATA, RDB_TYPE_HASH_LISTPACK_EX};

static bool read_hash(struct slice bytes, uint8_t type, bool valkey,
                      const struct value_limits *limits, struct dump_value *out)
{
    struct rdb_reader r;
    rdb_reader_init(&r, bytes);
    r.limits = limits;
    r.valkey = valkey;
    bool ok = rdb_value_read(&r, type, out);
    if (ok)
        assert_int_equal(rdb_reader_offset(&r), bytes.len);
    else
        assert_non_null(r.why);
    rdb_reader_free(&r);
    return ok;
}

static bool reads(struct slice bytes, uint8_t type, struct dump_value *out)
{
    return read_hash(bytes, type, type == RDB_TYPE_HASH_2, &value_limits_default, out);
}

static void append_time(struct bytes *out, int64_t time_ms)
{
    for (unsigned i = 0; i < 8; i++)
        bytes_append_char(out, (char)((uint64_t)time_ms >> 8 * i));
}

static void append_listpack(struct bytes *out)
{
    unsigned char *lp = listpack_new(0);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        listpack_append(&lp, slice_str(fields[i].name));
        listpack_append(&lp, slice_str(fields[i].value));
        listpack_append_integer(&lp, MAX_OF(fields[i].expire_ms, 0));
    }
    rdb_append_string(out, slice_of(lp, listpack_bytes(lp)), false);
    listpack_free(lp);
}

static void append_hash(struct bytes *out, uint8_t type)
{
    if (type != RDB_TYPE_HASH_2)
        append_time(out, NOON);
    if (type == RDB_TYPE_HASH_LISTPACK_EX) {
        append_listpack(out);
        return;
    }
    rdb_append_length(out, COUNT_OF(fields));
    for (size_t i = COUNT_OF(fields); i-- > 0;) {
        bool expires = fields[i].expire_ms != HASH_NO_EXPIRY;
        if (type == RDB_TYPE_HASH_METADATA)
            rdb_append_length(out, expires ? (uint64_t)(fields[i].expire_ms - NOON) + 1 : 0);
        rdb_append_string(out, slice_str(fields[i].name), true);
        rdb_append_string(out, slice_str(fields[i].value), true);
        if (type == RDB_TYPE_HASH_2)
            append_time(out, expires ? fields[i].expire_ms : -1);
    }
}

static void expect_fields(struct value hash)
{
    assert_int_equal(hash_count(hash), COUNT_OF(fields));
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        char room[HASH_TEXT];
        struct hash_field field;
        assert_true(hash_find_field(hash, HASH_SEE_ALL, slice_str(fields[i].name), room, &field));
        assert_true(slice_eq(field.value, slice_str(fields[i].value)));
        assert_int_equal(field.expire_ms, fields[i].expire_ms);
    }
    assert_int_equal(hash_first_expiry(hash), NOON);
}

static void every_type_is_read(void **state)
{
    struct value_limits at_bound = value_limits_default, below = value_limits_default;
    at_bound.hash_max_listpack_entries = COUNT_OF(fields);
    below.hash_max_listpack_entries = COUNT_OF(fields) - 1;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct bytes bytes = {0};
        struct dump_value out;
        bool valkey = types[i] == RDB_TYPE_HASH_2;
        append_hash(&bytes, types[i]);
        assert_true(read_hash(bytes_slice(&bytes), types[i], valkey, &at_bound, &out));
        assert_int_equal(out.type, TYPE_HASH);
        assert_int_equal(out.value.encoding, ENCODING_LISTPACKEX);
        expect_fields(out.value);
        dump_value_free(&out);
        assert_true(read_hash(bytes_slice(&bytes), types[i], valkey, &below, &out));
        assert_int_equal(out.value.encoding, ENCODING_HASHTABLE);
        expect_fields(out.value);
        dump_value_free(&out);
        bytes_free(&bytes);
    }
}

/* Types 22 and 23 under the magic of Redis are something else, which is not known. */
static void prereleases_are_refused(void **state)
{
    struct bytes bytes = {0};
    struct dump_value out;
    append_hash(&bytes, RDB_TYPE_HASH_2);
    for (uint8_t type = RDB_TYPE_HASH_2; type <= RDB_TYPE_HASH_PRE_GA_2; type++) {
        struct rdb_reader r;
        rdb_reader_init(&r, bytes_slice(&bytes));
        assert_false(rdb_value_read(&r, type, &out));
        assert_string_equal(r.why, "a hash as only prereleases of Redis 7.4 wrote it");
    }
    assert_false(
        read_hash(bytes_slice(&bytes), RDB_TYPE_HASH_PRE_GA_2, true, &value_limits_default, &out));
    bytes_free(&bytes);
}

static void damaged_ones_are_refused_or_harmless(void **state)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct bytes bytes = {0};
        struct dump_value out;
        append_hash(&bytes, types[i]);
        for (size_t cut = 0; cut < bytes.len; cut++) {
            char *copy = mem_dup(bytes.data, MAX_OF(cut, 1u));
            assert_false(reads(slice_of(copy, cut), types[i], &out));
            mem_free(copy);
        }
        for (size_t at = 0; at < bytes.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                char *copy = mem_dup(bytes.data, bytes.len);
                struct rdb_reader r;
                copy[at] ^= (char)(1 << bit);
                rdb_reader_init(&r, slice_of(copy, bytes.len));
                r.valkey = types[i] == RDB_TYPE_HASH_2;
                if (rdb_value_read(&r, types[i], &out)) {
                    assert_true(hash_count(out.value) > 0);
                    assert_true(!hash_expires(out.value) || hash_first_expiry(out.value) > 0);
                    dump_value_free(&out);
                }
                mem_free(copy);
            }
        }
        bytes_free(&bytes);
    }
}

static void expect_refused(struct bytes *bytes, uint8_t type)
{
    struct dump_value out;
    assert_false(reads(bytes_slice(bytes), type, &out));
    bytes->len = 0;
}

static void append_pair(struct bytes *out, const char *name)
{
    rdb_append_string(out, slice_str(name), false);
    rdb_append_string(out, SLICE("v"), false);
}

static void what_cannot_be_is_refused(void **state)
{
    struct bytes bytes = {0};
    /* no fields */
    append_time(&bytes, NOON), rdb_append_length(&bytes, 0);
    expect_refused(&bytes, RDB_TYPE_HASH_METADATA);
    rdb_append_length(&bytes, 0);
    expect_refused(&bytes, RDB_TYPE_HASH_2);
    append_time(&bytes, NOON);
    rdb_append_string(&bytes, slice_of("\x07\0\0\0\0\0\xFF", 7), false);
    expect_refused(&bytes, RDB_TYPE_HASH_LISTPACK_EX);
    /* a field twice */
    append_time(&bytes, NOON), rdb_append_length(&bytes, 2);
    rdb_append_length(&bytes, 1), append_pair(&bytes, "f");
    rdb_append_length(&bytes, 0), append_pair(&bytes, "f");
    expect_refused(&bytes, RDB_TYPE_HASH_METADATA);
    /* times below zero, or so late that sums overflow */
    append_time(&bytes, -5), rdb_append_length(&bytes, 1);
    rdb_append_length(&bytes, 1), append_pair(&bytes, "f");
    expect_refused(&bytes, RDB_TYPE_HASH_METADATA);
    append_time(&bytes, NOON), rdb_append_length(&bytes, 1);
    rdb_append_length(&bytes, UINT64_MAX), append_pair(&bytes, "f");
    expect_refused(&bytes, RDB_TYPE_HASH_METADATA);
    rdb_append_length(&bytes, 1), append_pair(&bytes, "f"), append_time(&bytes, -2);
    expect_refused(&bytes, RDB_TYPE_HASH_2);
    rdb_append_length(&bytes, 1), append_pair(&bytes, "f"), append_time(&bytes, INT64_MAX);
    expect_refused(&bytes, RDB_TYPE_HASH_2);
    /* a listpack whose time is a text, and one without */
    static const char *const third[] = {"text", "-1", NULL};
    for (size_t i = 0; i < COUNT_OF(third); i++) {
        unsigned char *lp = listpack_new(0);
        listpack_append(&lp, SLICE("f"));
        listpack_append(&lp, SLICE("v"));
        if (third[i] != NULL)
            listpack_append(&lp, slice_str(third[i]));
        append_time(&bytes, NOON);
        rdb_append_string(&bytes, slice_of(lp, listpack_bytes(lp)), false);
        listpack_free(lp);
        expect_refused(&bytes, RDB_TYPE_HASH_LISTPACK_EX);
    }
    bytes_free(&bytes);
}

/* Times in a listpack that are out of order are put in order; without any it is a plain one. */
static void listpacks_in_disorder_are_read(void **state)
{
    static const int64_t cases[][3] = {
        {NOON + 2, NOON + 1, 0}, {0, NOON + 2, NOON + 1}, {NOON + 1, 0, NOON + 2}, {0, 0, 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned char *lp = listpack_new(0);
        struct bytes bytes = {0};
        struct dump_value out;
        for (int f = 0; f < 3; f++) {
            listpack_append_integer(&lp, f);
            listpack_append(&lp, SLICE("v"));
            listpack_append_integer(&lp, cases[i][f]);
        }
        append_time(&bytes, NOON);
        rdb_append_string(&bytes, slice_of(lp, listpack_bytes(lp)), false);
        listpack_free(lp);
        assert_true(reads(bytes_slice(&bytes), RDB_TYPE_HASH_LISTPACK_EX, &out));
        assert_int_equal(out.value.encoding, i < 3 ? ENCODING_LISTPACKEX : ENCODING_LISTPACK);
        assert_int_equal(hash_count(out.value), 3);
        if (i < 3)
            assert_int_equal(value_due_ms(out.value), NOON + 2);
        dump_value_free(&out);
        bytes_free(&bytes);
    }
}

/* Later than any command sets it: as late as one may. */
static void late_times_are_the_latest(void **state)
{
    struct bytes bytes = {0};
    struct dump_value out;
    unsigned char *lp = listpack_new(0);
    listpack_append(&lp, SLICE("f"));
    listpack_append(&lp, SLICE("v"));
    listpack_append_integer(&lp, HASH_EXPIRE_MAX + 1);
    append_time(&bytes, HASH_EXPIRE_MAX + 1);
    rdb_append_string(&bytes, slice_of(lp, listpack_bytes(lp)), false);
    listpack_free(lp);
    assert_true(reads(bytes_slice(&bytes), RDB_TYPE_HASH_LISTPACK_EX, &out));
    assert_int_equal(hash_first_expiry(out.value), HASH_EXPIRE_MAX);
    dump_value_free(&out);
    bytes.len = 0;
    rdb_append_length(&bytes, 1), append_pair(&bytes, "f"), append_time(&bytes, INT64_MAX / 4);
    assert_true(reads(bytes_slice(&bytes), RDB_TYPE_HASH_2, &out));
    assert_int_equal(hash_first_expiry(out.value), HASH_EXPIRE_MAX);
    dump_value_free(&out);
    bytes_free(&bytes);
}

/* ---- written ---- */

static struct keyspace *new_keyspace(void)
{
    struct keyspace_options options = {
        .databases = 16, .policy = EVICT_NONE, .samples = 5, .limits = value_limits_default};
    return keyspace_new(&options);
}

static struct value sample(bool table)
{
    struct value hash = hash_new();
    if (table)
        hash_expect(&hash, &value_limits_default, 1000);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        hash_set(&hash, &value_limits_default, slice_str(fields[i].name),
                 slice_str(fields[i].value), fields[i].expire_ms);
    return hash;
}

static void strip_times(struct value *hash)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        hash_set_expiry(hash, slice_str(fields[i].name), HASH_NO_EXPIRY);
}

static void what_is_written_is_what_redis_reads(void **state)
{
    struct keyspace *ks = new_keyspace();
    struct hold hold = {.keyspace = ks, .now_ms = NOON};
    struct key key = keyspace_key(keyspace_seed(ks), 0, SLICE("k"));
    hold_take(&hold, HOLD_ALL);
    for (int table = 0; table < 2; table++) {
        for (int timed = 0; timed < 2; timed++) {
            struct value hash = sample(table);
            if (!timed)
                strip_times(&hash);
            struct entry *e = keyspace_find(&hold, &key, FIND_PEEK);
            e = keyspace_put_value(&hold, &key, e, hash, EXPIRE_NONE);
            struct bytes payload = {0};
            struct dump_value out;
            dump_append(e, false, &payload);
            uint8_t type = timed ? (table ? RDB_TYPE_HASH_METADATA : RDB_TYPE_HASH_LISTPACK_EX)
                                 : (table ? RDB_TYPE_HASH : RDB_TYPE_HASH_LISTPACK);
            assert_int_equal((uint8_t)payload.data[0], type);
            assert_int_equal(payload.data[payload.len - 10], timed ? 12 : 10);
            if (timed && !table) { /* byte for byte */
                struct bytes wanted = {0};
                append_hash(&wanted, type);
                assert_int_equal(payload.len, wanted.len + 11);
                assert_memory_equal(payload.data + 1, wanted.data, wanted.len);
                bytes_free(&wanted);
            }
            assert_int_equal(dump_parse(bytes_slice(&payload), &value_limits_default, &out),
                             DUMP_OK);
            if (timed)
                expect_fields(out.value);
            assert_int_equal(hash_count(out.value), COUNT_OF(fields));
            dump_value_free(&out);
            bytes_free(&payload);
        }
    }
    hold_drop(&hold);
    keyspace_free(ks);
}

/* One field of a table, byte for byte: earliest time, count, time, field, value. */
static void a_table_byte_for_byte(void **state)
{
    struct keyspace *ks = new_keyspace();
    struct hold hold = {.keyspace = ks, .now_ms = NOON};
    struct key key = keyspace_key(keyspace_seed(ks), 0, SLICE("k"));
    struct value hash = hash_new();
    hash_expect(&hash, &value_limits_default, 1000);
    hash_set(&hash, &value_limits_default, SLICE("f"), SLICE("v"), 0x0102030405);
    hold_take(&hold, HOLD_ALL);
    struct entry *e = keyspace_put_value(&hold, &key, NULL, hash, EXPIRE_NONE);
    struct bytes out = {0};
    rdb_value_append(e, false, &out);
    static const char wanted[] = "\x05\x04\x03\x02\x01\0\0\0\x01\x01\x01"
                                 "f\x01v";
    assert_int_equal(rdb_value_type(e), 24);
    assert_int_equal(out.len, sizeof wanted - 1);
    assert_memory_equal(out.data, wanted, out.len);
    bytes_free(&out);
    hold_drop(&hold);
    keyspace_free(ks);
}

/* ---- payloads and files of others ---- */

static void frame(struct bytes *out, unsigned version)
{
    bytes_append_char(out, (char)version);
    bytes_append_char(out, 0);
    uint64_t crc = crc64(0, out->data, out->len);
    append_time(out, (int64_t)crc);
}

static void payloads_by_version(void **state)
{
    static const struct {
        unsigned version;
        uint8_t type;
        enum dump_result result;
    } cases[] = {{12, RDB_TYPE_HASH_METADATA, DUMP_OK},    {12, RDB_TYPE_HASH_2, DUMP_BAD_FORMAT},
                 {80, RDB_TYPE_HASH_2, DUMP_OK},           {89, RDB_TYPE_HASH_2, DUMP_OK},
                 {13, RDB_TYPE_HASH_2, DUMP_BAD_CHECKSUM}, {79, RDB_TYPE_HASH_2, DUMP_BAD_CHECKSUM},
                 {90, RDB_TYPE_HASH_2, DUMP_BAD_CHECKSUM}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes payload = {0};
        struct dump_value out;
        bytes_append_char(&payload, (char)cases[i].type);
        append_hash(&payload, cases[i].type);
        frame(&payload, cases[i].version);
        assert_int_equal(dump_parse(bytes_slice(&payload), &value_limits_default, &out),
                         cases[i].result);
        if (cases[i].result == DUMP_OK) {
            expect_fields(out.value);
            dump_value_free(&out);
        }
        bytes_free(&payload);
    }
}

static const char *load_file(const char *magic, uint8_t type, bool slots)
{
    struct keyspace *ks = new_keyspace();
    struct bytes file = {0};
    struct rdb_reader r;
    struct rdb_load_options options = {.checksum = true};
    struct rdb_load_result result;
    bytes_append_str(&file, magic);
    bytes_append(&file, "\xFE\0", 2);
    if (slots)
        bytes_append(&file, "\xF4\x07\x01\0", 4);
    bytes_append_char(&file, (char)type);
    rdb_append_string(&file, SLICE("k"), false);
    append_hash(&file, type);
    bytes_append_char(&file, (char)RDB_OP_EOF);
    append_time(&file, (int64_t)crc64(0, file.data, file.len));
    rdb_reader_init(&r, bytes_slice(&file));
    if (rdb_load(&r, ks, &options, &result)) {
        assert_int_equal(keyspace_size(ks, 0), 1);
        assert_int_equal(keyspace_elements_expire(ks, 0), 1);
    }
    rdb_reader_free(&r);
    bytes_free(&file);
    keyspace_free(ks);
    return result.why;
}

static void files_of_others(void **state)
{
    static const char unknown[] = "an RDB version this server does not know";
    assert_null(load_file("REDIS0012", RDB_TYPE_HASH_METADATA, false));
    assert_null(load_file("REDIS0012", RDB_TYPE_HASH_LISTPACK_EX, true));
    assert_null(load_file("VALKEY080", RDB_TYPE_HASH_2, false));
    assert_null(load_file("VALKEY089", RDB_TYPE_HASH_2, true));
    assert_string_equal(load_file("REDIS0012", RDB_TYPE_HASH_2, false),
                        "a hash as only prereleases of Redis 7.4 wrote it");
    assert_string_equal(load_file("REDIS0013", RDB_TYPE_HASH_METADATA, false), unknown);
    assert_string_equal(load_file("REDIS0080", RDB_TYPE_HASH_2, false), unknown);
    assert_string_equal(load_file("VALKEY079", RDB_TYPE_HASH_2, false), unknown);
    assert_string_equal(load_file("VALKEY090", RDB_TYPE_HASH_2, false), unknown);
    assert_string_equal(load_file("VALKEY08x", RDB_TYPE_HASH_2, false), unknown);
    assert_string_equal(load_file("VALKYR080", RDB_TYPE_HASH_2, false), "it is not an RDB file");
}

static int join(void **state)
{
    mem_thread_join();
    return 0;
}

static int leave(void **state)
{
    mem_thread_leave();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(prereleases_are_refused),
        cmocka_unit_test(damaged_ones_are_refused_or_harmless),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(listpacks_in_disorder_are_read),
        cmocka_unit_test(late_times_are_the_latest),
        cmocka_unit_test(what_is_written_is_what_redis_reads),
        cmocka_unit_test(a_table_byte_for_byte),
        cmocka_unit_test(payloads_by_version),
        cmocka_unit_test(files_of_others),
    };
    return cmocka_run_group_tests(tests, join, leave);
}
