/* test_keyspace.c - random commands on keys against a plain model: values, expiry, renames,
 * databases, SCAN.
 *
 * One thread against a full model; then several threads on the same keys, for the race detector,
 * with expiry, eviction, scans and flushes running at the same time. SPILLWAY_SEED and
 * SPILLWAY_ROUNDS repeat or lengthen a run. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "keyspace/keyspace.h"
#include "struct/table.h"

#define KEYS      400
#define DATABASES 3
#define THREADS   4

struct model_value {
    bool present;
    int64_t expire_ms;
    size_t len;
    char *data;
};

static struct model_value model[DATABASES][KEYS];
static struct rand rng;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static struct keyspace *new_keyspace(int policy)
{
    struct keyspace_options options = {.databases = DATABASES,
                                       .policy = policy,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .lfu_log_factor = 10,
                                       .lfu_decay_minutes = 1,
                                       .active_expire = true};
    return keyspace_new(&options);
}

/* Names of every length class: short, around the limit of a short key length, long. */
static struct key name_of(struct keyspace *ks, uint32_t db, unsigned index, char buffer[700])
{
    int len = snprintf(buffer, 64, "key:%u", index);
    if (index % 17 == 0) {
        size_t wanted = 250 + index % 9;
        memset(buffer + len, 'k', wanted - (size_t)len);
        len = (int)wanted;
    } else if (index % 19 == 0) {
        memset(buffer + len, 'l', 600 - (size_t)len);
        len = 600;
    }
    return keyspace_key(keyspace_seed(ks), db, slice_of(buffer, (size_t)len));
}

static void model_drop(struct model_value *v)
{
    mem_free(v->data);
    *v = (struct model_value){0};
}

static void model_expire(int64_t now_ms)
{
    for (unsigned d = 0; d < DATABASES; d++)
        for (unsigned k = 0; k < KEYS; k++)
            if (model[d][k].present && model[d][k].expire_ms != EXPIRE_NONE &&
                now_ms > model[d][k].expire_ms)
                model_drop(&model[d][k]);
}

static void check_key(struct hold *hold, const struct key *key, const struct model_value *v)
{
    struct entry *e = keyspace_find(hold, key, FIND_PEEK);
    assert_int_equal(e != NULL, v->present);
    if (e == NULL)
        return;
    struct slice value = entry_string(e);
    assert_int_equal(value.len, v->len);
    assert_true(v->len == 0 || memcmp(value.data, v->data, v->len) == 0);
    assert_true(entry_expire_ms(e) == v->expire_ms);
    assert_true(entry_has_key(e, key->name));
}

static size_t random_len(void)
{
    static const size_t lens[] = {0,   1,   7,   8,   9,   20,  44,   45,   100,
                                  300, 470, 480, 490, 500, 520, 5000, 20000};
    return lens[rand_below(&rng, COUNT_OF(lens))];
}

static int64_t random_expiry(int64_t now_ms)
{
    return rand_below(&rng, 3) != 0 ? EXPIRE_NONE : now_ms + 1 + (int64_t)rand_below(&rng, 3000);
}

static void do_set(struct hold *hold, const struct key *key, struct model_value *v)
{
    size_t len = random_len();
    char *data = mem_alloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)rand_next(&rng);
    int64_t expire_ms = random_expiry(hold->now_ms);
    struct entry *e = keyspace_find(hold, key, FIND_WRITE);
    if (rand_below(&rng, 4) == 0)
        keyspace_put_blob(hold, key, e, blob_new(data, len, len + 3), expire_ms);
    else
        keyspace_put_string(hold, key, e, slice_of(data, len), expire_ms);
    model_drop(v);
    *v = (struct model_value){true, expire_ms, len, data};
}

static void do_edit(struct hold *hold, const struct key *key, struct model_value *v)
{
    size_t len = random_len();
    char *place;
    struct entry *e = keyspace_find(hold, key, FIND_WRITE);
    keyspace_string_edit(hold, key, e, len, &place);
    if (!v->present)
        *v = (struct model_value){true, EXPIRE_NONE, 0, NULL};
    v->data = mem_realloc(v->data, len + 1);
    if (len > v->len)
        memset(v->data + v->len, 0, len - v->len);
    v->len = len;
    assert_true(len == 0 || memcmp(place, v->data, len) == 0);
    if (len != 0) {
        size_t at = rand_below(&rng, len);
        place[at] = v->data[at] = (char)rand_next(&rng);
    }
}

static void do_rename(struct hold *hold, struct keyspace *ks, unsigned from, unsigned to,
                      uint32_t db)
{
    char a[700], b[700];
    uint32_t target_db = (uint32_t)rand_below(&rng, DATABASES);
    struct key source = name_of(ks, db, from, a), target = name_of(ks, target_db, to, b);
    struct entry *e = keyspace_find(hold, &source, FIND_PEEK);
    if (e == NULL || (from == to && db == target_db))
        return;
    keyspace_rename(hold, &source, e, &target);
    model_drop(&model[target_db][to]);
    model[target_db][to] = model[db][from];
    model[db][from] = (struct model_value){0};
}

static void one_step(struct hold *hold, struct keyspace *ks)
{
    uint32_t db = (uint32_t)rand_below(&rng, DATABASES);
    unsigned index = (unsigned)rand_below(&rng, KEYS);
    char buffer[700];
    struct key key = name_of(ks, db, index, buffer);
    struct model_value *v = &model[db][index];
    switch (rand_below(&rng, 10)) {
    case 0:
    case 1:
    case 2:
        do_set(hold, &key, v);
        break;
    case 3:
    case 4:
        do_edit(hold, &key, v);
        break;
    case 5: {
        struct entry *e = keyspace_find(hold, &key, FIND_WRITE);
        if (e != NULL) {
            v->expire_ms = random_expiry(hold->now_ms);
            keyspace_set_expire(hold, &key, e, v->expire_ms);
        }
        break;
    }
    case 6: {
        struct entry *e = keyspace_find(hold, &key, FIND_WRITE);
        if (e != NULL)
            keyspace_remove(hold, &key, e, false);
        model_drop(v);
        break;
    }
    case 7:
        do_rename(hold, ks, index, (unsigned)rand_below(&rng, KEYS), db);
        break;
    default:
        break;
    }
    check_key(hold, &key, &model[db][index]);
}

static void count_visit(struct hold *hold, const struct key *key, struct entry *e, void *ctx)
{
    (void)hold, (void)e;
    unsigned char *seen = ctx;
    unsigned index = 0;
    for (size_t i = 4; i < key->name.len && key->name.data[i] >= '0' && key->name.data[i] <= '9';
         i++)
        index = index * 10 + (unsigned)(key->name.data[i] - '0');
    assert_true(index < KEYS);
    seen[index] = 1;
}

static void check_all(struct hold *hold, struct keyspace *ks)
{
    char buffer[700];
    for (uint32_t d = 0; d < DATABASES; d++) {
        size_t expected = 0, expires = 0;
        unsigned char seen[KEYS] = {0};
        for (unsigned k = 0; k < KEYS; k++) {
            struct key key = name_of(ks, d, k, buffer);
            check_key(hold, &key, &model[d][k]);
            expected += model[d][k].present;
            expires += model[d][k].present && model[d][k].expire_ms != EXPIRE_NONE;
        }
        assert_int_equal(keyspace_size(ks, d), expected);
        assert_int_equal(keyspace_expires(ks, d), expires);
        uint64_t cursor = 0;
        do
            cursor =
                keyspace_scan(hold, d, cursor, 1 + rand_below(&rng, 20), count_visit, NULL, seen);
        while (cursor != 0);
        for (unsigned k = 0; k < KEYS; k++)
            assert_int_equal(seen[k], model[d][k].present);
    }
}

static void whole_databases(struct hold *hold)
{
    uint32_t a = (uint32_t)rand_below(&rng, DATABASES), b = (uint32_t)rand_below(&rng, DATABASES);
    if (rand_below(&rng, 3) == 0) {
        keyspace_flush_db(hold, a, rand_below(&rng, 2));
        for (unsigned k = 0; k < KEYS; k++)
            model_drop(&model[a][k]);
    } else if (a != b) {
        keyspace_swap_db(hold, a, b);
        struct model_value swap[KEYS];
        memcpy(swap, model[a], sizeof swap);
        memcpy(model[a], model[b], sizeof swap);
        memcpy(model[b], swap, sizeof swap);
    }
}

static void test_against_model(void **state)
{
    (void)state;
    uint64_t seed = from_environment("SPILLWAY_SEED", rand_system());
    uint64_t rounds = from_environment("SPILLWAY_ROUNDS", 60);
    printf("seed %llu\n", (unsigned long long)seed);
    rand_seed(&rng, seed);
    struct keyspace *ks = new_keyspace(EVICT_NONE);
    struct hold hold = {.keyspace = ks, .now_ms = 1700000000000};
    for (uint64_t round = 0; round < rounds; round++) {
        hold_take(&hold, HOLD_ALL);
        for (int i = 0; i < 2000; i++)
            one_step(&hold, ks);
        if (round % 7 == 6)
            whole_databases(&hold);
        check_all(&hold, ks);
        hold_drop(&hold);
        hold.now_ms += 200;
        model_expire(hold.now_ms);
        while (keyspace_expire_slice(&hold, 1))
            continue;
        keyspace_upkeep_slice(&hold, 1);
    }
    /* Long after, the calendars alone have removed all that had a time. */
    hold.now_ms += 1000000;
    model_expire(hold.now_ms);
    while (keyspace_expire_slice(&hold, 1))
        continue;
    hold_take(&hold, HOLD_ALL);
    check_all(&hold, ks);
    hold_drop(&hold);
    for (unsigned d = 0; d < DATABASES; d++)
        for (unsigned k = 0; k < KEYS; k++)
            model_drop(&model[d][k]);
    keyspace_free(ks);
}

/* ---- several threads ---- */

struct worker {
    struct keyspace *keyspace;
    unsigned index;
    uint64_t seed;
    struct keyspace_stats stats;
};

static void hammer_one(struct worker *w, struct hold *hold, struct rand *r)
{
    char a[700], b[700], *place;
    struct keyspace *ks = w->keyspace;
    struct key key = name_of(ks, 0, (unsigned)rand_below(r, KEYS), a);
    struct key other = name_of(ks, 0, (unsigned)rand_below(r, KEYS), b);
    hold_take(hold, shard_bit(key.hash) | shard_bit(other.hash));
    struct entry *e = keyspace_find(hold, &key, FIND_READ);
    switch (rand_below(r, 6)) {
    case 0:
        keyspace_put_string(hold, &key, e, slice_of("0123456789", rand_below(r, 11)), EXPIRE_NONE);
        break;
    case 1:
        keyspace_put_string(hold, &key, e, SLICE("soon gone"),
                            hold->now_ms + (int64_t)rand_below(r, 5));
        break;
    case 2:
        keyspace_string_edit(hold, &key, e, rand_below(r, 2000), &place);
        break;
    case 3:
        if (e != NULL)
            keyspace_remove(hold, &key, e, false);
        break;
    case 4:
        if (e != NULL && !slice_eq(key.name, other.name))
            keyspace_rename(hold, &key, e, &other);
        break;
    default:
        break;
    }
    hold_drop(hold);
}

static void ignore_visit(struct hold *hold, const struct key *key, struct entry *e, void *ctx)
{
    (void)hold, (void)ctx;
    assert_true(entry_has_key(e, key->name));
}

static void *hammer(void *ctx)
{
    struct worker *w = ctx;
    struct rand r;
    mem_thread_join();
    rand_seed(&r, w->seed + w->index);
    struct hold hold = {
        .keyspace = w->keyspace, .now_ms = 1700000000000, .lane = w->index, .stats = &w->stats};
    struct bytes name = {0};
    for (int i = 0; i < 20000; i++) {
        hammer_one(w, &hold, &r);
        if (i % 64 == 0) {
            hold.now_ms++;
            keyspace_expire_slice(&hold, THREADS);
            keyspace_upkeep_slice(&hold, THREADS);
            keyspace_evict(&hold, &r, 100, 4, REMOVED_EVICTED);
            keyspace_scan(&hold, 0, rand_next(&r) >> 16, 10, ignore_visit, NULL, NULL);
            keyspace_random(&hold, 0, rand_next(&r), &name);
        }
        if (i % 5000 == 4999) {
            hold_take(&hold, HOLD_ALL);
            keyspace_flush_db(&hold, 0, true);
            hold_drop(&hold);
        }
    }
    bytes_free(&name);
    mem_thread_leave();
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct keyspace *ks = new_keyspace(EVICT_ALLKEYS_LFU);
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){
            .keyspace = ks, .index = i, .seed = from_environment("SPILLWAY_SEED", 7)};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct hold hold = {.keyspace = ks, .now_ms = 1700000000000};
    size_t seen = 0;
    hold.flags = HOLD_LOADING;
    hold_take(&hold, HOLD_ALL);
    for (unsigned k = 0; k < KEYS; k++) {
        char buffer[700];
        struct key key = name_of(ks, 0, k, buffer);
        seen += keyspace_find(&hold, &key, FIND_PEEK) != NULL;
    }
    hold_drop(&hold);
    assert_int_equal(seen, keyspace_size(ks, 0));
    keyspace_free(ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
