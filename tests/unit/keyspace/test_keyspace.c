/* test_keyspace.c - finding and changing keys: overwriting, shared blobs, renames, whole
 * databases. */
#include "world.h"
#include "keyspace/shard.h"

static char letters[100000];

static int fill_letters(void **state)
{
    (void)state;
    memset(letters, 'x', sizeof letters);
    return 0;
}

static size_t overhead_of(struct world *w)
{
    struct cells_stats sum = {0};
    for (unsigned i = 0; i < SHARD_COUNT; i++) {
        struct cells_stats s;
        cells_stats(w->ks->shards[i].cells, &s);
        sum.records += s.records;
    }
    return sum.records;
}

/* ---- overwriting ---- */

static void test_overwriting_every_length_by_every_other(void **state)
{
    (void)state;
    static const size_t lens[] = {0,   1,   4,   5,   8,   9,   100, 120,
                                  121, 248, 249, 480, 490, 491, 492, 5000};
    struct world w;
    world_open(&w, EVICT_NONE);
    for (size_t a = 0; a < COUNT_OF(lens); a++) {
        for (size_t b = 0; b < COUNT_OF(lens); b++) {
            for (unsigned expiry = 0; expiry < 4; expiry++) {
                int64_t first = expiry & 1 ? WORLD_NOW + 500 : EXPIRE_NONE;
                int64_t second = expiry & 2 ? WORLD_NOW + 400 : EXPIRE_NONE;
                world_set_in(&w, 0, SLICE("the key"), slice_of(letters, lens[a]), first);
                struct entry *e =
                    world_set_in(&w, 0, SLICE("the key"), slice_of(letters, lens[b]), second);
                assert_true(slice_eq(entry_string(e), slice_of(letters, lens[b])));
                assert_true(entry_expire_ms(e) == second);
                assert_int_equal(keyspace_expires(w.ks, 0), second != EXPIRE_NONE);
                assert_int_equal(keyspace_size(w.ks, 0), 1);
                assert_int_equal(overhead_of(&w), 1);
            }
        }
    }
    world_close(&w);
}

static void test_overwriting_in_place_stays_in_place(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct entry *e = world_set(&w, "k", "0123456", EXPIRE_NONE);   /* 8 + 1 + 7 */
    assert_ptr_equal(world_set(&w, "k", "012345", EXPIRE_NONE), e); /* same class of 4 bytes */
    assert_int_equal(entry_encoding(e), ENCODING_EMBSTR);
    assert_ptr_equal(world_set(&w, "k", "1234", EXPIRE_NONE), e);
    assert_int_equal(entry_encoding(e), ENCODING_INT);
    e = world_set(&w, "k", "v", WORLD_NOW + 100);
    assert_ptr_equal(world_set(&w, "k", "w", WORLD_NOW + 200), e); /* later: its token serves */
    assert_true(entry_expire_ms(e) == WORLD_NOW + 200);
    world_close(&w);
}

/* A value may lie in the entry that it replaces. */
static void test_a_value_out_of_its_own_entry(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key key = world_key(&w, "k");
    struct entry *e = world_set(&w, "k", "0123456789abcdef", EXPIRE_NONE);
    hold_take(&w.hold, shard_bit(key.hash));
    struct slice old = entry_string(e);
    e = keyspace_put_string(&w.hold, &key, e, slice_of(old.data + 1, old.len - 1), EXPIRE_NONE);
    assert_true(slice_is(entry_string(e), "123456789abcdef"));
    old = entry_string(e);
    e = keyspace_put_string(&w.hold, &key, e, slice_of(old.data + 5, 3), EXPIRE_NONE);
    assert_true(slice_is(entry_string(e), "678"));
    e = keyspace_put_string(&w.hold, &key, e, slice_of(letters, 9000), EXPIRE_NONE);
    old = entry_string(e);
    e = keyspace_put_string(&w.hold, &key, e, slice_of(old.data, 8000), EXPIRE_NONE);
    assert_int_equal(entry_string(e).len, 8000);
    old = entry_string(e);
    e = keyspace_put_string(&w.hold, &key, e, slice_of(old.data, 10), EXPIRE_NONE);
    assert_true(slice_is(entry_string(e), "xxxxxxxxxx"));
    hold_drop(&w.hold);
    world_close(&w);
}

static void test_editing(void **state)
{
    (void)state;
    static const size_t lens[] = {0,   3,     8,   9,   40, 41, 494,   495, 496,
                                  497, 20000, 497, 496, 9,  0,  30000, 1};
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key key = world_key(&w, "k");
    struct entry *e = NULL;
    char model[30000];
    size_t have = 0;
    hold_take(&w.hold, shard_bit(key.hash));
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(lens); i++) {
            char *place;
            e = keyspace_string_edit(&w.hold, &key, e, lens[i], &place);
            if (lens[i] > have)
                memset(model + have, 0, lens[i] - have);
            have = lens[i];
            assert_true(slice_eq(entry_string(e), slice_of(model, have)));
            assert_ptr_equal(entry_string(e).data, place);
            assert_int_equal(entry_encoding(e), ENCODING_RAW);
            memset(place, 'a' + (int)i, have);
            memset(model, 'a' + (int)i, have);
            assert_true(entry_expires(e) == (round == 1));
        }
        e = keyspace_set_expire(&w.hold, &key, e, WORLD_NOW + 77);
    }
    hold_drop(&w.hold);
    assert_int_equal(overhead_of(&w), 1);
    world_close(&w);
}

/* ---- blobs that somebody else still reads ---- */

static void test_a_shared_blob_does_not_change(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key key = world_key(&w, "k");
    hold_take(&w.hold, shard_bit(key.hash));
    struct entry *e =
        keyspace_put_string(&w.hold, &key, NULL, slice_of(letters, 20000), EXPIRE_NONE);
    struct blob *reply = blob_share(entry_pointer(e));
    char *place;
    e = keyspace_string_edit(&w.hold, &key, e, 20000, &place);
    memset(place, 'y', 20000);
    assert_ptr_not_equal(entry_pointer(e), reply);
    assert_memory_equal(reply->data, letters, 20000);
    struct blob *second = blob_share(entry_pointer(e));
    e = keyspace_string_edit(&w.hold, &key, e, 30000, &place);
    assert_int_equal(place[19999], 'y');
    assert_int_equal(place[29999], 0);
    assert_int_equal(second->len, 20000);
    e = keyspace_put_string(&w.hold, &key, e, SLICE("small"), EXPIRE_NONE);
    keyspace_remove(&w.hold, &key, e, false);
    assert_memory_equal(reply->data, letters, 20000);
    assert_int_equal(second->data[0], 'y');
    blob_release(reply);
    /* A copy of a key shares its bytes until one of the two is written. */
    e = keyspace_put_blob(&w.hold, &key, NULL, second, EXPIRE_NONE);
    e = keyspace_put_blob(&w.hold, &key, e, blob_share(entry_pointer(e)), WORLD_NOW + 9);
    assert_int_equal(second->references, 1);
    e = keyspace_put_blob(&w.hold, &key, e, blob_new("tiny", 4, 100), EXPIRE_NONE);
    assert_false(e->flags & ENTRY_OUTLINE);
    assert_true(slice_is(entry_string(e), "tiny"));
    hold_drop(&w.hold);
    world_close(&w);
}

/* ---- rename ---- */

static void rename_key(struct world *w, struct key from, struct key to)
{
    hold_take(&w->hold, shard_bit(from.hash) | shard_bit(to.hash));
    struct entry *e = keyspace_find(&w->hold, &from, FIND_PEEK);
    assert_non_null(e);
    keyspace_rename(&w->hold, &from, e, &to);
    hold_drop(&w->hold);
}

static void test_rename_between_all_shards(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_set(&w, "name 0", "the value", WORLD_NOW + 1000);
    char from[32] = "name 0", to[32];
    uint64_t seen = 0;
    for (unsigned i = 1; i < 500; i++) {
        snprintf(to, sizeof to, "name %u", i);
        rename_key(&w, world_key(&w, from), world_key(&w, to));
        assert_null(world_find(&w, from, FIND_PEEK));
        assert_true(world_has(&w, to, "the value"));
        assert_true(entry_expire_ms(world_find(&w, to, FIND_PEEK)) == WORLD_NOW + 1000);
        assert_int_equal(keyspace_expires(w.ks, 0), 1);
        seen |= shard_bit(world_key(&w, to).hash);
        strcpy(from, to);
    }
    assert_true(__builtin_popcountll(seen) > 50);
    assert_int_equal(overhead_of(&w), 1);
    world_close(&w);
}

static void test_rename_replaces_and_fits(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key small = world_key(&w, "s"), big = world_key_in(&w, 0, slice_of(letters, 400));
    world_set_in(&w, 0, big.name, slice_of(letters, 3000), WORLD_NOW + 5);
    world_set_in(&w, 0, small.name, slice_of(letters, 300), EXPIRE_NONE);
    rename_key(&w, small, big); /* in place before, a blob now */
    struct entry *e = world_find_in(&w, 0, big.name, FIND_PEEK);
    assert_true(e->flags & ENTRY_OUTLINE);
    assert_false(entry_expires(e));
    assert_int_equal(entry_string(e).len, 300);
    rename_key(&w, big, small); /* the blob moves */
    assert_int_equal(entry_string(world_find(&w, "s", FIND_PEEK)).len, 300);
    assert_int_equal(keyspace_size(w.ks, 0), 1);
    struct key other = world_key_in(&w, 2, SLICE("s"));
    rename_key(&w, small, other); /* MOVE */
    assert_int_equal(keyspace_size(w.ks, 0), 0);
    assert_int_equal(keyspace_size(w.ks, 2), 1);
    /* An expired key in the way goes first, as expired. */
    world_set_in(&w, 2, SLICE("t"), SLICE("old"), WORLD_NOW - 1);
    rename_key(&w, other, world_key_in(&w, 2, SLICE("t")));
    assert_int_equal(w.removed, 1);
    assert_string_equal(w.last_removed, "t");
    assert_int_equal(w.stats.expired, 1);
    assert_int_equal(entry_string(world_find_in(&w, 2, SLICE("t"), FIND_PEEK)).len, 300);
    world_close(&w);
}

/* ---- finding ---- */

static void test_expired_keys_are_invisible(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_set(&w, "k", "v", WORLD_NOW);
    assert_true(world_has(&w, "k", "v")); /* not before its time is over */
    w.hold.now_ms++;
    w.hold.flags = HOLD_LOADING;
    assert_true(world_has(&w, "k", "v"));
    w.hold.flags = HOLD_READER;
    assert_null(world_find(&w, "k", FIND_READ));
    assert_int_equal(w.stats.misses, 1);
    assert_int_equal(w.removed, 0);
    assert_int_equal(keyspace_size(w.ks, 0), 1);
    w.hold.flags = 0;
    assert_null(world_find(&w, "k", FIND_READ));
    assert_int_equal(w.removed, 1);
    assert_string_equal(w.last_removed, "k");
    assert_int_equal(w.stats.expired, 1);
    assert_int_equal(keyspace_size(w.ks, 0), 0);
    assert_int_equal(keyspace_expires(w.ks, 0), 0);
    assert_null(world_find(&w, "k", FIND_READ));
    assert_int_equal(w.removed, 1);
    assert_int_equal(w.stats.misses, 3);
    world_close(&w);
}

static void test_the_name_may_be_the_entrys_own(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_set(&w, "k", "v", WORLD_NOW);
    struct key key = world_key(&w, "k");
    hold_take(&w.hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(&w.hold, &key, FIND_PEEK);
    key.name = entry_key(e);
    w.hold.now_ms++;
    assert_null(keyspace_find(&w.hold, &key, FIND_PEEK));
    assert_string_equal(w.last_removed, "k");
    key.name = SLICE("k");
    e = keyspace_put_string(&w.hold, &key, NULL, SLICE("v"), EXPIRE_NONE);
    key.name = entry_key(e);
    e = keyspace_put_string(&w.hold, &key, e, SLICE("a much longer value"), WORLD_NOW + 99999);
    key.name = entry_key(e);
    e = keyspace_set_expire(&w.hold, &key, e, EXPIRE_NONE);
    key.name = entry_key(e);
    keyspace_remove(&w.hold, &key, e, false);
    hold_drop(&w.hold);
    world_close(&w);
}

/* ---- whole databases ---- */

static void flush(struct world *w, uint32_t db, bool lazy, size_t wanted)
{
    hold_take(&w->hold, HOLD_ALL);
    assert_int_equal(keyspace_flush_db(&w->hold, db, lazy), wanted);
    hold_drop(&w->hold);
}

static void fill_all_kinds(struct world *w, uint32_t db)
{
    world_fill(w, db, "small ", 300, EXPIRE_NONE);
    world_fill(w, db, "volatile ", 300, WORLD_NOW + 100000);
    world_set_in(w, db, SLICE("blob"), slice_of(letters, 5000), EXPIRE_NONE);
    world_set_in(w, db, slice_of(letters, 700), SLICE("long"), EXPIRE_NONE);
    world_set_in(w, db, slice_of(letters, 701), slice_of(letters, 5000), EXPIRE_NONE);
}

static void test_flush(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    for (unsigned round = 0; round < 4; round++) {
        bool lazy = round & 1, alone = round & 2;
        fill_all_kinds(&w, 1);
        if (!alone)
            world_fill(&w, 0, "other ", 1000, WORLD_NOW + 100000);
        size_t before = keyspace_size(w.ks, 0);
        flush(&w, 1, lazy, 603);
        assert_int_equal(keyspace_size(w.ks, 1), 0);
        assert_int_equal(keyspace_expires(w.ks, 1), 0);
        assert_int_equal(world_left(&w, 1, "small ", 300), 0);
        assert_int_equal(keyspace_size(w.ks, 0), before);
        assert_int_equal(world_left(&w, 0, "other ", 1000), before);
        if (lazy && alone)
            assert_true(w.later_count > 50); /* nearly every shard had keys */
        fill_all_kinds(&w, 1);               /* what waits to be freed does not matter */
        world_free_now(&w);
        assert_int_equal(world_left(&w, 1, "volatile ", 300), 300);
        flush(&w, 1, false, 603);
        flush(&w, 0, false, before);
        flush(&w, 0, lazy, 0);
        world_free_now(&w);
        assert_int_equal(overhead_of(&w), 0);
    }
    world_close(&w);
}

/* Many keys leave a heap that other databases go on using, or that is flushed as well before they
 * have left.
 */
static void test_flush_of_many_beside_others(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    for (unsigned round = 0; round < 4; round++) {
        bool lazy = round & 1, both = round & 2;
        world_fill(&w, 0, "other ", 1000, WORLD_NOW + 100000);
        world_fill(&w, 1, "many ", 20000, EXPIRE_NONE); /* some 300 a shard */
        fill_all_kinds(&w, 1);
        flush(&w, 1, lazy, 20603);
        assert_int_equal(keyspace_size(w.ks, 1), 0);
        assert_int_equal(w.later_count, SHARD_COUNT);
        assert_int_equal(overhead_of(&w), 21603 - 2); /* two are too long for cells */
        fill_all_kinds(&w, 1);                        /* in the same heap */
        if (both) {
            flush(&w, 1, lazy, 603); /* few: at once, unless something must be freed later */
            flush(&w, 0, false, 1000);
            fill_all_kinds(&w, 1);
        }
        world_free_now(&w);
        assert_int_equal(overhead_of(&w), (both ? 0 : 1000) + 603 - 2);
        assert_int_equal(world_left(&w, 1, "volatile ", 300), 300);
        assert_int_equal(world_left(&w, 1, "many ", 20000), 0);
        assert_int_equal(world_left(&w, 0, "other ", 1000), both ? 0 : 1000);
        flush(&w, 1, false, 603);
        flush(&w, 0, false, both ? 0 : 1000);
        world_free_now(&w);
        assert_int_equal(overhead_of(&w), 0);
    }
    world_close(&w);
}

/* Counters of what lies outside the cells decide whether a flush walks: they must be right
 * always. */
static void test_flush_frees_what_lies_outside(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key key = world_key_in(&w, 0, slice_of(letters, 490));
    hold_take(&w.hold, shard_bit(key.hash));
    struct shard_db *db = &w.ks->shards[shard_index(key.hash)].dbs[0];
    struct entry *e = keyspace_put_string(&w.hold, &key, NULL, SLICE("12"), EXPIRE_NONE);
    assert_int_equal(db->outline, 0);
    e = keyspace_set_expire(&w.hold, &key, e, WORLD_NOW + 1); /* 8 + 8 + 4 + 490 + 2 = 512 */
    assert_int_equal(db->outline, 0);
    e = keyspace_put_string(&w.hold, &key, e, SLICE("123"), WORLD_NOW + 1);
    assert_int_equal(db->outline, 1);
    e = keyspace_put_string(&w.hold, &key, e, slice_of(letters, 9), WORLD_NOW + 1);
    assert_true(e->flags & ENTRY_OUTLINE);
    assert_int_equal(db->outline, 1);
    e = keyspace_put_string(&w.hold, &key, e, SLICE("1"), EXPIRE_NONE);
    assert_int_equal(db->outline, 0);
    e = keyspace_put_string(&w.hold, &key, e, SLICE("12345678"), WORLD_NOW + 9);
    assert_int_equal(db->outline, 1);
    hold_drop(&w.hold);
    flush(&w, 0, false, 1); /* the leak checker looks on */
    assert_int_equal(db->outline, 0);
    world_set_in(&w, 0, key.name, slice_of(letters, 1000), EXPIRE_NONE);
    struct key to = world_key(&w, "to");
    rename_key(&w, key, to);
    assert_int_equal(db->outline, shard_index(key.hash) == shard_index(to.hash));
    assert_true(world_remove(&w, "to"));
    assert_int_equal(db->outline, 0);
    world_close(&w);
}

static void test_swap(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "a", 200, WORLD_NOW + 1000);
    world_fill(&w, 3, "b", 100, EXPIRE_NONE);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_swap_db(&w.hold, 0, 3);
    keyspace_swap_db(&w.hold, 1, 1);
    keyspace_swap_db(&w.hold, 1, 2);
    hold_drop(&w.hold);
    assert_int_equal(world_left(&w, 3, "a", 200), 200);
    assert_int_equal(world_left(&w, 0, "b", 100), 100);
    assert_int_equal(keyspace_size(w.ks, 0), 100);
    assert_int_equal(keyspace_expires(w.ks, 3), 200);
    assert_int_equal(keyspace_expires(w.ks, 0), 0);
    /* Due times went along. */
    w.hold.now_ms += 2000;
    while (keyspace_expire_slice(&w.hold, 1))
        ;
    assert_int_equal(keyspace_size(w.ks, 3), 0);
    assert_int_equal(keyspace_size(w.ks, 0), 100);
    world_close(&w);
}

/* Swapped into a database that never had a key, keys are seen by background work. */
static void test_swap_into_a_fresh_database(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_RANDOM);
    world_fill(&w, 0, "a", 200, EXPIRE_NONE);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_swap_db(&w.hold, 3, 0);
    hold_drop(&w.hold);
    assert_true(keyspace_evict(&w.hold, &w.random, 1, 10, REMOVED_EVICTED) > 0);
    assert_int_equal(keyspace_size(w.ks, 3), 199);
    world_fill(&w, 0, "b", 200, EXPIRE_NONE);
    flush(&w, 0, false, 200); /* and a flush of the other database spares them */
    assert_int_equal(keyspace_size(w.ks, 3), 199);
    world_close(&w);
}

/* ---- a pass ---- */

static void test_every_change_tells_the_pass_once(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    for (unsigned i = 0; i < 6; i++)
        world_set(&w, (const char *[]){"a", "b", "c", "d", "e", "f"}[i], "v", EXPIRE_NONE);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_epoch_begin(&w.hold);
    hold_drop(&w.hold);
    assert_true(keyspace_epoch_active(w.ks));
    world_set(&w, "a", "w", EXPIRE_NONE);
    assert_int_equal(w.changes, 1);
    world_set(&w, "a", "a longer one this time", EXPIRE_NONE);
    world_expire(&w, "a", WORLD_NOW + 1000);
    assert_int_equal(w.changes, 1);
    world_expire(&w, "b", WORLD_NOW + 1000);
    assert_int_equal(w.changes, 2);
    world_remove(&w, "c");
    assert_int_equal(w.changes, 3);
    rename_key(&w, world_key(&w, "d"), world_key(&w, "e")); /* both go */
    assert_int_equal(w.changes, 5);
    world_set(&w, "new", "v", EXPIRE_NONE);
    world_set(&w, "new", "w", EXPIRE_NONE);
    world_find(&w, "f", FIND_READ);
    assert_int_equal(w.changes, 5);
    flush(&w, 0, false, 5);
    assert_int_equal(w.flushes, 1);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_epoch_end(&w.hold, true);
    hold_drop(&w.hold);
    world_set(&w, "f", "v", EXPIRE_NONE);
    assert_int_equal(w.changes, 5);
    world_close(&w);
}

/* Passes that are given up leave entries of old epochs; eight are all there are. */
static void test_abandoned_passes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "k", 100, EXPIRE_NONE);
    for (unsigned pass = 0; pass < 40; pass++) {
        hold_take(&w.hold, HOLD_ALL);
        keyspace_epoch_begin(&w.hold);
        hold_drop(&w.hold);
        char name[16];
        snprintf(name, sizeof name, "k%u", pass);
        assert_false(keyspace_is_captured(w.ks, world_find(&w, name, FIND_PEEK)));
        assert_false(keyspace_is_captured(w.ks, world_find(&w, "k99", FIND_PEEK)));
        w.changes = 0;
        world_set(&w, name, "changed", EXPIRE_NONE);
        assert_int_equal(w.changes, 1);
        hold_take(&w.hold, HOLD_ALL);
        keyspace_epoch_end(&w.hold, false);
        hold_drop(&w.hold);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overwriting_every_length_by_every_other),
        cmocka_unit_test(test_overwriting_in_place_stays_in_place),
        cmocka_unit_test(test_a_value_out_of_its_own_entry),
        cmocka_unit_test(test_editing),
        cmocka_unit_test(test_a_shared_blob_does_not_change),
        cmocka_unit_test(test_rename_between_all_shards),
        cmocka_unit_test(test_rename_replaces_and_fits),
        cmocka_unit_test(test_expired_keys_are_invisible),
        cmocka_unit_test(test_the_name_may_be_the_entrys_own),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_flush_of_many_beside_others),
        cmocka_unit_test(test_flush_frees_what_lies_outside),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_swap_into_a_fresh_database),
        cmocka_unit_test(test_every_change_tells_the_pass_once),
        cmocka_unit_test(test_abandoned_passes),
    };
    return cmocka_run_group_tests(tests, fill_letters, NULL);
}
