/* test_entry.c - layouts of entries at every bound: key length, whole size, value in place or
 * not. */
#include "world.h"
#include "keyspace/shard.h"

static char letters[2048];

static int fill_letters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof letters; i++)
        letters[i] = (char)('a' + i % 26);
    return 0;
}

static struct slice key_of(size_t len)
{
    return slice_of(letters, len);
}

/* Stores a value of value_len bytes under a key of key_len, checks all that can be asked of it. */
static struct entry *check_layout(struct world *w, size_t key_len, size_t value_len,
                                  int64_t expire_ms, bool outline)
{
    struct slice value = slice_of(letters + 1, value_len);
    struct entry *e = world_set_in(w, 0, key_of(key_len), value, expire_ms);
    assert_true(slice_eq(entry_key(e), key_of(key_len)));
    assert_true(entry_has_key(e, key_of(key_len)));
    assert_true(slice_eq(entry_string(e), value));
    assert_true(entry_expire_ms(e) == expire_ms);
    assert_int_equal(entry_expires(e), expire_ms != EXPIRE_NONE);
    assert_int_equal((e->flags & ENTRY_LONG_KEY) != 0, key_len >= ENTRY_KEY_SHORT);
    assert_int_equal((e->flags & ENTRY_OUTLINE) != 0, outline);
    size_t size = 8 + (expire_ms != EXPIRE_NONE ? 8 : 0) + (key_len >= 255 ? 4 : 0) + key_len +
                  (outline ? sizeof(void *) : value_len);
    assert_int_equal(entry_size(e), size);
    assert_true(entry_memory(e, 0) >= size + (outline ? value_len : 0));
    assert_int_equal((uintptr_t)e % 4, 0);
    assert_ptr_equal(world_find_in(w, 0, key_of(key_len), FIND_PEEK), e);
    return e;
}

static void test_key_lengths(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 253, 254, 255, 256, 257, 491, 500, 511, 512, 513, 2000};
    struct world w;
    world_open(&w, EVICT_NONE);
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        check_layout(&w, lens[i], 0, EXPIRE_NONE, false);
        check_layout(&w, lens[i], 8, EXPIRE_NONE, false);
        check_layout(&w, lens[i], 8, WORLD_NOW + 1000, false);
        size_t head = 8 + (lens[i] >= 255 ? 4 : 0) + lens[i];
        check_layout(&w, lens[i], 9, EXPIRE_NONE, head + 9 > 512);
        check_layout(&w, lens[i], 9, WORLD_NOW + 1000, head + 8 + 9 > 512);
    }
    assert_int_equal(keyspace_size(w.ks, 0), COUNT_OF(lens));
    world_close(&w);
}

static void test_whole_sizes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    /* Whole entries of 511, 512 and 513 bytes. */
    for (size_t key_len = 10; key_len <= 300; key_len += 290) {
        size_t head = 8 + (key_len >= 255 ? 4 : 0) + key_len;
        for (int64_t expire_ms = EXPIRE_NONE;; expire_ms = WORLD_NOW + 5) {
            size_t front = head + (expire_ms != EXPIRE_NONE ? 8 : 0);
            check_layout(&w, key_len, 511 - front, expire_ms, false);
            check_layout(&w, key_len, 512 - front, expire_ms, false);
            check_layout(&w, key_len, 513 - front, expire_ms, true);
            check_layout(&w, key_len, 512 - front, expire_ms, false); /* and back */
            if (expire_ms != EXPIRE_NONE)
                break;
        }
    }
    world_close(&w);
}

static void test_expiry_across_the_bound(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key key = world_key(&w, "0123456789");
    for (size_t len = 512 - 18 - 8; len <= 512 - 18; len++) {
        struct slice value = slice_of(letters, len);
        struct entry *e = world_set_in(&w, 0, key.name, value, EXPIRE_NONE);
        assert_false(e->flags & ENTRY_OUTLINE);
        hold_take(&w.hold, shard_bit(key.hash));
        e = keyspace_set_expire(&w.hold, &key, e, WORLD_NOW + 1000);
        assert_int_equal((e->flags & ENTRY_OUTLINE) != 0, len + 18 + 8 > 512);
        assert_true(entry_expire_ms(e) == WORLD_NOW + 1000);
        assert_true(slice_eq(entry_string(e), value));
        e = keyspace_set_expire(&w.hold, &key, e, EXPIRE_NONE);
        assert_false(entry_expires(e));
        assert_true(slice_eq(entry_string(e), value));
        /* Written again it finds its place. */
        e = keyspace_put_string(&w.hold, &key, e, value, EXPIRE_NONE);
        assert_false(e->flags & ENTRY_OUTLINE);
        hold_drop(&w.hold);
        assert_int_equal(keyspace_expires(w.ks, 0), 0);
    }
    world_close(&w);
}

static void test_expiry_of_a_long_key_with_a_small_value(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key key = world_key_in(&w, 0, key_of(600));
    struct entry *e = world_set_in(&w, 0, key.name, SLICE("12345678"), EXPIRE_NONE);
    hold_take(&w.hold, shard_bit(key.hash));
    e = keyspace_set_expire(&w.hold, &key, e, WORLD_NOW + 1000);
    assert_false(e->flags & ENTRY_OUTLINE);
    assert_true(slice_is(entry_string(e), "12345678"));
    e = keyspace_put_string(&w.hold, &key, e, SLICE("abcdefgh"), WORLD_NOW + 1001);
    assert_true(slice_is(entry_string(e), "abcdefgh"));
    e = keyspace_put_string(&w.hold, &key, e, SLICE("abc"), WORLD_NOW + 1001);
    assert_true(slice_is(entry_string(e), "abc"));
    e = keyspace_set_expire(&w.hold, &key, e, EXPIRE_NONE);
    assert_true(slice_is(entry_string(e), "abc"));
    assert_true(entry_has_key(e, key_of(600)));
    hold_drop(&w.hold);
    world_close(&w);
}

static void test_encodings(void **state)
{
    (void)state;
    assert_int_equal(string_encoding_of(SLICE("0")), ENCODING_INT);
    assert_int_equal(string_encoding_of(SLICE("-9223372036854775808")), ENCODING_INT);
    assert_int_equal(string_encoding_of(SLICE("9223372036854775808")), ENCODING_EMBSTR);
    assert_int_equal(string_encoding_of(SLICE("01")), ENCODING_EMBSTR);
    assert_int_equal(string_encoding_of(SLICE("+1")), ENCODING_EMBSTR);
    assert_int_equal(string_encoding_of(SLICE(" 1")), ENCODING_EMBSTR);
    assert_int_equal(string_encoding_of(SLICE("")), ENCODING_EMBSTR);
    assert_int_equal(string_encoding_of(slice_of(letters, 44)), ENCODING_EMBSTR);
    assert_int_equal(string_encoding_of(slice_of(letters, 45)), ENCODING_RAW);
    assert_string_equal(value_encoding_name(ENCODING_STREAM), "stream");
    assert_string_equal(value_type_name(TYPE_ZSET), "zset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_lengths),
        cmocka_unit_test(test_whole_sizes),
        cmocka_unit_test(test_expiry_across_the_bound),
        cmocka_unit_test(test_expiry_of_a_long_key_with_a_small_value),
        cmocka_unit_test(test_encodings),
    };
    return cmocka_run_group_tests(tests, fill_letters, NULL);
}
