/* test_snapshot.c - a pass under fire: the file it wrote equals the state frozen at its cut.
 *
 * Threads set, append to, expire, rename, remove, flush and swap while pass after pass runs, and
 * change lists, sets, hashes and sorted sets in both of their forms, and streams with groups; some
 * of them so large that they are captured in slices. Such ones are also changed from within the
 * sink, where the pass is in the middle of one of them, by one thread and thus the same way for the
 * same seed. At each cut the test copies everything there is; afterwards the file is loaded into a
 * second keyspace and compared, both ways. SNAPSHOT_ROUNDS and SEED may be given in the environment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "persist/rdb_load.h"
#include "persist/rdb_value.h"
#include "persist/snapshot.h"
#include "plog/plog.h"
#include "value/hash.h"
#include "value/list.h"
#include "value/set.h"
#include "value/stream.h"
#include "value/zset.h"

#define DATABASES   3
#define THREADS_MAX 4
#define LARGE_KEYS  8                      /* names of large values */
#define LARGE_ITEMS 3500                   /* elements, at most about */
#define FAR_MS      INT64_C(4102444800000) /* in 2100 */

static uint64_t seed;

struct world {
    struct keyspace *ks;
    struct plog *log;
    struct snapshot *snapshot;
    uint32_t keys;        /* names to choose from */
    uint32_t flush_every; /* operations between two flushes of one thread; 0 = never */
    bool large;           /* one command in some is about a large value */
    uint32_t stop;        /* atomic */
    uint32_t waits;       /* atomic: commands that had to wait for a capture */
    /* frozen at the cut: packed db, expiry, key, value */
    struct bytes model;
    size_t model_count;
};

static void before_change(void *ctx, struct hold *hold, uint32_t db, struct entry *entry,
                          bool going)
{
    snapshot_before_change(((struct world *)ctx)->snapshot, hold, db, entry, going);
}

static void before_flush(void *ctx, struct hold *hold, uint32_t db, bool going)
{
    snapshot_before_flush(((struct world *)ctx)->snapshot, hold, db, going);
}

static struct keyspace *new_keyspace(void)
{
    struct keyspace_options options = {.databases = DATABASES,
                                       .policy = EVICT_ALLKEYS_LRU,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .lfu_decay_minutes = 1,
                                       .active_expire = true};
    return keyspace_new(&options);
}

static void world_open(struct world *w, uint32_t keys, uint32_t flush_every)
{
    *w = (struct world){.keys = keys, .flush_every = flush_every};
    w->ks = new_keyspace();
    w->log = plog_new(0);
    w->snapshot = snapshot_new(w->ks, w->log, THREADS_MAX + 1);
    struct keyspace_hooks hooks = {
        .ctx = w, .before_change = before_change, .before_flush = before_flush};
    keyspace_set_hooks(w->ks, &hooks);
}

static void world_close(struct world *w)
{
    snapshot_free(w->snapshot);
    plog_free(w->log);
    keyspace_free(w->ks);
    bytes_free(&w->model);
}

/* ---- traffic ---- */

static struct key random_key(struct world *w, struct rand *r, char name[64])
{
    uint64_t n = rand_below(r, w->keys);
    int len = snprintf(name, 64, n % 5 ? "key:%llu" : "a-much-longer-name-of-a-key:%llu",
                       (unsigned long long)n);
    return keyspace_key(keyspace_seed(w->ks), (uint32_t)rand_below(r, DATABASES),
                        slice_of(name, (size_t)len));
}

static size_t random_size(struct rand *r)
{
    uint64_t dice = rand_below(r, 100);
    return (size_t)(dice < 80   ? rand_below(r, 40)
                    : dice < 98 ? rand_below(r, 700)
                                : rand_below(r, 20000));
}

/* Elements have names from few, so that they are met again. */
#define NAMES 2000

static struct slice random_name(struct rand *r, char text[32])
{
    return slice_of(text, (size_t)snprintf(text, 32, rand_below(r, 2) ? "%u" : "element-%u",
                                           (unsigned)rand_below(r, NAMES)));
}

static struct value_limits packed_lists; /* small nodes, packed but for the ends */

static void change_list(struct value *list, struct slice element, size_t count, struct rand *r)
{
    if (list_count(*list) == 0 || rand_below(r, 3) != 0) {
        while (count-- > 0)
            list_push(list, &packed_lists, &element, 1, count & 1);
    } else {
        list_remove_range(list, 0, rand_below(r, 100));
        list_settle(list, &packed_lists, true);
    }
}

static void change_set(struct value *set, size_t count, bool remove, struct rand *r)
{
    char text[32];
    while (count-- > 0)
        if (remove)
            set_remove(set, random_name(r, text));
        else
            set_add(set, &value_limits_default, random_name(r, text));
}

/* Some fields expire, in a time that does not come. */
static void change_hash(struct value *hash, size_t count, bool remove, struct rand *r)
{
    static const int64_t times[] = {HASH_NO_EXPIRY, HASH_NO_EXPIRY, HASH_KEEP_EXPIRY, FAR_MS};
    char name[32], value[32];
    while (count-- > 0)
        if (remove)
            hash_remove(hash, random_name(r, name));
        else
            hash_set(hash, &value_limits_default, random_name(r, name), random_name(r, value),
                     times[rand_below(r, COUNT_OF(times))]);
}

static void change_zset(struct value *z, size_t count, bool remove, struct rand *r)
{
    char text[32];
    double old;
    if (remove && rand_below(r, 2)) {
        zset_remove_range(z, rand_below(r, zset_count(*z)), count);
        return;
    }
    while (count-- > 0) {
        struct slice member = random_name(r, text);
        double score = (double)rand_below(r, 1000) / 8;
        if (remove)
            zset_remove(z, member);
        else if (zset_score(*z, member, &old))
            zset_move(z, member, old, score);
        else
            zset_add(z, &value_limits_default, member, score);
    }
}

/* Entries come and are read by a group, or are deleted and acknowledged. */
static void change_stream(struct stream *s, struct slice text, size_t count, bool remove,
                          struct rand *r)
{
    struct stream_group *g = stream_group_find(s, SLICE("group"));
    if (g == NULL)
        g = stream_group_create(s, SLICE("group"), STREAM_ID_MIN, STREAM_UNKNOWN);
    struct slice name = rand_below(r, 2) ? SLICE("a") : SLICE("b");
    struct stream_consumer *c = stream_consumer_find(g, name);
    if (c == NULL)
        c = stream_consumer_create(g, name, 1);
    struct slice pair[] = {SLICE("field"), text};
    for (; count > 0; count--) {
        struct stream_id id = s->first_id;
        if (remove) {
            stream_acknowledge(g, id);
            if (rand_below(r, 10) == 0)
                c->seen_ms++;
            stream_delete(s, id);
        } else if (stream_next_id(s, s->last_id.ms + rand_below(r, 2), &id) &&
                   stream_add(s, &value_limits_default, id, pair, 2) == STREAM_ADDED &&
                   rand_below(r, 2)) {
            stream_deliver(g, c, id, 3);
        }
    }
}

static struct value new_value(enum value_type type)
{
    switch (type) {
    case TYPE_STREAM:
        return stream_value(stream_new());
    case TYPE_SET:
        return set_new_as(ENCODING_INTSET, 0);
    case TYPE_HASH:
        return hash_new();
    case TYPE_ZSET:
        return zset_new();
    default:
        return list_new();
    }
}

static size_t count_of(struct value v)
{
    return v.type == TYPE_SET      ? set_count(v)
           : v.type == TYPE_HASH   ? hash_count(v)
           : v.type == TYPE_ZSET   ? zset_count(v)
           : v.type == TYPE_STREAM ? stream_of(v)->length
                                   : list_count(v);
}

/* A value of some type is made, or changed in place, which a pass must not see. */
static void value_command(struct hold *hold, const struct key *key, struct entry *e, struct rand *r)
{
    static const enum value_type types[] = {TYPE_LIST, TYPE_SET, TYPE_HASH, TYPE_ZSET, TYPE_STREAM};
    enum value_type type = types[key->hash % COUNT_OF(types)];
    char text[32];
    struct slice element = slice_of(
        text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)rand_next(r)));
    bool fresh = e == NULL || entry_type(e) != type;
    struct value v = fresh ? new_value(type) : keyspace_edit_value(hold, key, e);
    int64_t due_ms = value_due_ms(v);
    size_t count = 1 + rand_below(r, rand_below(r, 20) == 0 ? 600 : 5);
    bool remove = !fresh && rand_below(r, 3) == 0;
    if (type == TYPE_LIST)
        change_list(&v, element, count, r);
    else if (type == TYPE_SET)
        change_set(&v, count, remove, r);
    else if (type == TYPE_HASH)
        change_hash(&v, count, remove, r);
    else if (type == TYPE_STREAM)
        change_stream(stream_of(v), element, count, remove, r);
    else
        change_zset(&v, count, remove, r);
    if (fresh) {
        keyspace_put_value(hold, key, e, v, EXPIRE_NONE);
        return;
    }
    keyspace_value_edited(e, v);
    if (count_of(v) == 0)
        keyspace_remove(hold, key, e, rand_below(r, 2));
    else
        keyspace_elements_timed(hold, key, e, due_ms);
}

/* ---- large values ---- */

static struct key large_key(struct world *w, struct rand *r, char name[64])
{
    int len = snprintf(name, 64, "large:%u", (unsigned)rand_below(r, LARGE_KEYS));
    return keyspace_key(keyspace_seed(w->ks), (uint32_t)rand_below(r, 2),
                        slice_of(name, (size_t)len));
}

/* Some are short and some long, so that slices end by either bound; some are numbers. */
static struct slice random_element(struct rand *r, char room[2048])
{
    uint64_t n = rand_below(r, LARGE_ITEMS);
    if (n % 3 == 0)
        return slice_of(room, (size_t)snprintf(room, 2048, "%llu", (unsigned long long)n));
    size_t pad = n % 50 == 1 ? 1500 : n % 7 == 1 ? 200 : 1;
    return slice_of(room, (size_t)snprintf(room, 2048, "%*llu", (int)pad, (unsigned long long)n));
}

static void put_element(struct value *value, struct rand *r)
{
    char room[2048], other[2048];
    struct slice element = random_element(r, room);
    double old, score = (double)rand_below(r, 100);
    switch (value->type) {
    case TYPE_SET:
        set_add(value, &value_limits_default, element);
        break;
    case TYPE_HASH:
        hash_set(value, &value_limits_default, element, random_element(r, other),
                 rand_below(r, 500) == 0 ? FAR_MS + (int64_t)rand_below(r, 1000)
                                         : HASH_KEEP_EXPIRY);
        break;
    case TYPE_ZSET:
        if (zset_score(*value, element, &old))
            zset_move(value, element, old, score);
        else
            zset_add(value, &value_limits_default, element, score);
        break;
    case TYPE_STREAM:
        change_stream(stream_of(*value), element, 1, false, r);
        break;
    default:
        list_push(value, &packed_lists, &element, 1, rand_below(r, 2));
    }
}

static void take_element(struct value *value, struct rand *r)
{
    char room[2048];
    struct slice element = random_element(r, room);
    if (value->type == TYPE_SET)
        set_remove(value, element);
    else if (value->type == TYPE_HASH)
        hash_remove(value, element);
    else if (value->type == TYPE_ZSET)
        zset_remove(value, element);
    else if (value->type == TYPE_STREAM)
        change_stream(stream_of(*value), element, 1, true, r);
    else
        list_remove_range(value, rand_below(r, 3), rand_below(r, 5));
}

/* Makes a large value, or changes one in place. */
static void edit_large(struct hold *hold, const struct key *key, struct entry *e, struct rand *r)
{
    bool fresh = e == NULL || rand_below(r, 20) == 0;
    static const enum value_type types[] = {TYPE_LIST, TYPE_SET, TYPE_HASH, TYPE_ZSET, TYPE_STREAM};
    struct value value = fresh ? new_value(types[rand_below(r, COUNT_OF(types))])
                               : keyspace_edit_value(hold, key, e);
    int64_t due_ms = value_due_ms(value);
    size_t changes = fresh ? 1 + rand_below(r, LARGE_ITEMS) : 1 + rand_below(r, 20);
    for (size_t i = 0; i < changes; i++)
        if (fresh || rand_below(r, 2))
            put_element(&value, r);
        else
            take_element(&value, r);
    if (fresh) {
        keyspace_put_value(hold, key, e, value, EXPIRE_NONE);
        return;
    }
    keyspace_value_edited(e, value);
    if (count_of(value) == 0)
        keyspace_remove(hold, key, e, false);
    else
        keyspace_elements_timed(hold, key, e, due_ms);
}

/* True: the command may not run yet. */
static bool has_to_wait(struct world *w, struct hold *hold, const struct key *key, struct rand *r)
{
    if (rand_below(r, 2) || !snapshot_must_wait(w->snapshot, hold, key))
        return false;
    RELAXED_ADD(&w->waits, 1);
    return true;
}

static void large_command(struct world *w, struct hold *hold, struct rand *r)
{
    char name[64], other_name[64];
    struct key key = large_key(w, r, name), to = large_key(w, r, other_name);
    bool move = rand_below(r, 10) == 0 && !(to.db == key.db && slice_eq(key.name, to.name));
    hold_take(hold, shard_bit(key.hash) | (move ? shard_bit(to.hash) : 0));
    struct entry *e = keyspace_find(hold, &key, FIND_WRITE);
    uint64_t dice = rand_below(r, 100);
    if (move && e != NULL)
        keyspace_rename(hold, &key, e, &to);
    else if (dice < 5 && e != NULL)
        keyspace_remove(hold, &key, e, dice & 1);
    else if (dice < 10 && e != NULL)
        keyspace_set_expire(hold, &key, e, dice < 7 ? hold->now_ms + 5 : EXPIRE_NONE);
    else if (dice < 12)
        keyspace_put_string(hold, &key, e, SLICE("not large"), EXPIRE_NONE);
    else if (e != NULL && entry_type(e) == TYPE_STRING)
        keyspace_remove(hold, &key, e, false);
    else if (!has_to_wait(w, hold, &key, r))
        edit_large(hold, &key, e, r);
    hold_drop(hold);
}

static void one_command(struct world *w, struct hold *hold, struct rand *r)
{
    static _Thread_local char filler[20000];
    char name[64], other_name[64];
    struct key key = random_key(w, r, name);
    uint64_t dice = rand_below(r, 100);
    hold->now_ms = clock_wall_ms();
    if (w->large && rand_below(r, 10) == 0) {
        large_command(w, hold, r);
        return;
    }
    if (dice < 5) { /* RENAME within a database */
        struct key to = random_key(w, r, other_name);
        to.db = key.db;
        hold_take(hold, shard_bit(key.hash) | shard_bit(to.hash));
        struct entry *e = keyspace_find(hold, &key, FIND_WRITE);
        if (e && !slice_eq(key.name, to.name))
            keyspace_rename(hold, &key, e, &to);
        hold_drop(hold);
        return;
    }
    hold_take(hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(hold, &key, FIND_WRITE);
    int64_t soon = hold->now_ms + (int64_t)rand_below(r, 50);
    if (dice < 50) {
        snprintf(filler, 32, "%llu", (unsigned long long)rand_next(r));
        keyspace_put_string(hold, &key, e, slice_of(filler, random_size(r)),
                            dice < 10 ? soon + 1 : EXPIRE_NONE);
    } else if (dice >= 90) {
        value_command(hold, &key, e, r);
    } else if (dice < 60 && e && entry_type(e) == TYPE_STRING) {
        struct slice old = entry_string(e);
        char *place;
        keyspace_string_edit(hold, &key, e, old.len + 3, &place);
        memcpy(place + old.len, "abc", 3);
    } else if (dice < 65 && e) {
        keyspace_set_expire(hold, &key, e, dice & 1 ? soon + 1 : EXPIRE_NONE);
    } else if (dice < 90 && e) {
        keyspace_remove(hold, &key, e, false);
    }
    hold_drop(hold);
}

struct traffic {
    struct world *world;
    uint32_t lane;
};

static void flush_or_swap(struct hold *hold, struct rand *r)
{
    hold_take(hold, HOLD_ALL);
    uint32_t db = (uint32_t)rand_below(r, DATABASES);
    if (rand_below(r, 3) == 0)
        keyspace_flush_db(hold, db, rand_below(r, 2));
    else
        keyspace_swap_db(hold, db, (db + 1) % DATABASES);
    hold_drop(hold);
}

static void *run_traffic(void *arg)
{
    struct traffic *t = arg;
    struct world *w = t->world;
    struct keyspace_stats stats = {0};
    struct rand r;
    rand_seed(&r, seed + t->lane);
    struct hold hold = {.keyspace = w->ks, .lane = t->lane, .stats = &stats};
    for (uint32_t n = 1; !RELAXED_LOAD(&w->stop); n++) {
        while (snapshot_is_saturated(w->snapshot) && !RELAXED_LOAD(&w->stop))
            clock_sleep_us(100); /* as admission lets writers wait */
        one_command(w, &hold, &r);
        if (n % 64 == 0) {
            hold.now_ms = clock_wall_ms();
            keyspace_expire_slice(&hold, THREADS_MAX);
            keyspace_upkeep_slice(&hold, THREADS_MAX);
        }
        if (n % 1000 == 0)
            keyspace_evict(&hold, &r, 500, 3, REMOVED_EVICTED);
        if (w->flush_every && n % w->flush_every == 0)
            flush_or_swap(&hold, &r);
    }
    return NULL;
}

/* ---- the model ---- */

/* What a value is, whatever the order of its elements where that means nothing. */
struct digest {
    struct bytes *out;
    struct bytes element;
    bool ordered;
    uint64_t count, sum;
};

static void add_element(void *ctx, const struct slice *parts, unsigned count)
{
    struct digest *d = ctx;
    struct bytes *to = d->ordered ? d->out : &d->element;
    d->element.len = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes_append(to, &parts[i].len, sizeof parts[i].len);
        bytes_append(to, parts[i].data, parts[i].len);
    }
    if (!d->ordered)
        d->sum += hash_bytes(d->element.data, d->element.len, 1);
    d->count++;
}

/* The value: a string's bytes, a stream's payload, or all elements with their lengths, in a buffer
 * that is replaced. */
static struct slice value_of(const struct entry *e, struct bytes *buffer)
{
    if (entry_type(e) == TYPE_STRING)
        return entry_string(e);
    if (entry_type(e) == TYPE_STREAM) { /* groups as well */
        buffer->len = 0;
        rdb_value_append(e, false, buffer);
        return bytes_slice(buffer);
    }
    struct digest d = {.out = buffer, .ordered = value_is_ordered(entry_type(e))};
    buffer->len = 0;
    value_each(entry_value(e), add_element, &d);
    bytes_append(buffer, &d.count, sizeof d.count);
    bytes_append(buffer, &d.sum, sizeof d.sum);
    bytes_free(&d.element);
    return bytes_slice(buffer);
}

static void freeze_one(struct hold *hold, const struct key *key, struct entry *e, void *ctx)
{
    struct world *w = ctx;
    struct bytes buffer = {0};
    struct slice value = value_of(e, &buffer);
    int64_t expire_ms = entry_expire_ms(e);
    uint64_t head[4] = {key->db, (uint64_t)expire_ms, key->name.len, value.len};
    bytes_append(&w->model, head, sizeof head);
    bytes_append(&w->model, key->name.data, key->name.len);
    bytes_append(&w->model, value.data, value.len);
    w->model_count++;
    bytes_free(&buffer);
}

static void freeze(void *ctx, struct hold *hold, uint64_t offset)
{
    struct world *w = ctx;
    w->model.len = w->model_count = 0;
    uint32_t flags = hold->flags;
    hold->flags |= HOLD_LOADING; /* what has expired and is still there belongs to the state */
    for (uint32_t db = 0; db < DATABASES; db++)
        keyspace_each(hold, db, freeze_one, w);
    hold->flags = flags;
}

static void compare(struct world *w, struct keyspace *loaded)
{
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = loaded, .flags = HOLD_LOADING, .stats = &stats};
    hold_take(&hold, HOLD_ALL);
    struct bytes buffer = {0};
    size_t there = 0;
    for (uint32_t db = 0; db < DATABASES; db++)
        there += keyspace_size(loaded, db);
    assert_int_equal(there, w->model_count);
    for (size_t at = 0; at < w->model.len;) {
        uint64_t head[4];
        memcpy(head, w->model.data + at, sizeof head);
        const char *name = w->model.data + at + sizeof head;
        struct key key =
            keyspace_key(keyspace_seed(loaded), (uint32_t)head[0], slice_of(name, head[2]));
        struct entry *e = keyspace_find(&hold, &key, FIND_PEEK);
        if (!e)
            fail_msg("missing in the file: db %u, %.*s", key.db, (int)key.name.len, key.name.data);
        if (!slice_eq(value_of(e, &buffer), slice_of(name + head[2], head[3])))
            fail_msg("another value in the file: db %u, %.*s", key.db, (int)key.name.len,
                     key.name.data);
        assert_int_equal(entry_expire_ms(e), (int64_t)head[1]);
        at += sizeof head + head[2] + head[3];
    }
    hold_drop(&hold);
    bytes_free(&buffer);
}

/* Where a pass writes to, and what goes on in the meantime. */
struct sink {
    struct bytes file;
    struct world *world; /* NULL: nothing */
    struct rand random;
    unsigned commands, calls_between; /* so many, every so many calls of the sink */
    bool flushes;
    unsigned calls;
};

static void flush_or_swap(struct hold *hold, struct rand *r);

static int into_bytes(void *ctx, const void *data, size_t len)
{
    struct sink *sink = ctx;
    bytes_append(&sink->file, data, len);
    if (sink->world == NULL || ++sink->calls % sink->calls_between != 0)
        return 0;
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = sink->world->ks, .now_ms = clock_wall_ms(), .stats = &stats};
    for (unsigned i = 0; i < sink->commands; i++) {
        if (sink->flushes && rand_below(&sink->random, 200) == 0)
            flush_or_swap(&hold, &sink->random);
        else
            large_command(sink->world, &hold, &sink->random);
    }
    return 0;
}

/* One pass, as a saver would run it: again when void, and insisting in the end. */
static void one_pass_into(struct world *w, struct sink *sink, unsigned *voids)
{
    for (int try = 0;; try++) {
        sink->file.len = 0;
        struct snapshot_job job = {.sink = into_bytes,
                                   .sink_ctx = sink,
                                   .checksum = true,
                                   .compress = rand_below(&sink->random, 2),
                                   .buffer_limit = UINT64_C(1) << 30,
                                   .insist = try >= 2,
                                   .at_cut = freeze,
                                   .ctx = w};
        int error = snapshot_run(w->snapshot, &job);
        if (error == -EAGAIN && try < 2) {
            ++*voids;
            continue;
        }
        assert_int_equal(error, 0);
        assert_int_equal(job.keys, w->model_count);
        assert_int_equal(job.bytes, sink->file.len);
        break;
    }
    assert_int_equal(snapshot_held(w->snapshot), 0);
    struct keyspace *loaded = new_keyspace();
    struct rdb_reader r;
    rdb_reader_init(&r, bytes_slice(&sink->file));
    struct rdb_load_options options = {.keep_expired = true, .checksum = true};
    struct rdb_load_result result;
    if (!rdb_load(&r, loaded, &options, &result))
        fail_msg("the file cannot be read: %s", result.why);
    assert_int_equal(result.offset, sink->file.len);
    compare(w, loaded);
    keyspace_free(loaded);
}

static void one_pass(struct world *w, unsigned *voids)
{
    struct sink sink = {.world = NULL};
    rand_seed(&sink.random, seed);
    one_pass_into(w, &sink, voids);
    bytes_free(&sink.file);
}

static void run(unsigned threads, uint32_t keys, uint32_t flush_every, bool large)
{
    const char *rounds_text = getenv("SNAPSHOT_ROUNDS");
    int rounds = rounds_text ? atoi(rounds_text) : 3;
    struct world w;
    world_open(&w, keys, flush_every);
    w.large = large;
    struct traffic traffic[THREADS_MAX];
    pthread_t thread[THREADS_MAX];
    for (uint32_t i = 0; i < threads; i++) {
        traffic[i] = (struct traffic){&w, i};
        pthread_create(&thread[i], NULL, run_traffic, &traffic[i]);
    }
    unsigned voids = 0;
    for (int i = 0; i < rounds; i++) {
        clock_sleep_us(10000);
        one_pass(&w, &voids);
    }
    RELAXED_STORE(&w.stop, 1);
    for (uint32_t i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    one_pass(&w, &voids);
    print_message("%u threads, %u keys: last pass of %zu keys, %u void passes, %u waits\n", threads,
                  keys, w.model_count, voids, w.waits);
    world_close(&w);
}

static void one_thread(void **state)
{
    run(1, 5000, 0, false);
    run(1, 500, 0, true);
}

static void four_threads(void **state)
{
    run(4, 20000, 0, false);
    run(4, 2000, 0, true);
}

static void four_threads_that_flush_and_swap(void **state)
{
    run(4, 3000, 3000, true);
    run(4, 60000, 100000, false);
}

static void large_values_change_in_the_middle_of_their_capture(void **state)
{
    struct world w;
    unsigned voids = 0;
    const char *rounds_text = getenv("SNAPSHOT_ROUNDS");
    int rounds = rounds_text ? atoi(rounds_text) : 6;
    world_open(&w, 100, 0);
    struct sink sink = {.world = &w};
    rand_seed(&sink.random, seed);
    for (int i = 0; i < rounds; i++) {
        sink.commands = 200; /* between the passes: others are there */
        sink.calls_between = 1;
        sink.flushes = false;
        into_bytes(&sink, "", 0);
        sink.calls_between = 1 + (unsigned)rand_below(&sink.random, 4);
        sink.commands = 1 + (unsigned)rand_below(&sink.random, 6);
        sink.flushes = i % 4 == 3;
        one_pass_into(&w, &sink, &voids);
    }
    bytes_free(&sink.file);
    world_close(&w);
}

/* A key that a writer waits for is captured before the sweep comes to it, and the writer need not
 * wait any more. */
struct waiting {
    struct world *world;
    struct key key;
    unsigned asked, waited;
};

static int ask_again(void *ctx, const void *data, size_t len)
{
    struct waiting *waiting = ctx;
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = waiting->world->ks, .stats = &stats};
    hold_take(&hold, shard_bit(waiting->key.hash));
    waiting->asked++;
    waiting->waited += snapshot_must_wait(waiting->world->snapshot, &hold, &waiting->key);
    hold_drop(&hold);
    return 0;
}

static void a_key_that_is_waited_for_comes_first(void **state)
{
    struct world w;
    char name[32], member[2048];
    world_open(&w, 100, 0);
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = w.ks, .stats = &stats};
    struct waiting waiting = {.world = &w};
    for (unsigned i = 0; i < 64; i++) {
        struct value set = set_new_as(ENCODING_HASHTABLE, 0);
        for (unsigned m = 0; m < 3000; m++)
            set_add(&set, &value_limits_default,
                    slice_of(member, (size_t)snprintf(member, sizeof member, "%100u", m)));
        int len = snprintf(name, sizeof name, "set %u", i);
        struct key key = keyspace_key(keyspace_seed(w.ks), 0, slice_of(name, (size_t)len));
        hold_take(&hold, shard_bit(key.hash));
        keyspace_put_value(&hold, &key, NULL, set, EXPIRE_NONE);
        hold_drop(&hold);
        if (waiting.key.name.data == NULL || key.hash > waiting.key.hash) { /* the last */
            mem_free((char *)waiting.key.name.data);
            waiting.key = key;
            waiting.key.name = slice_of(mem_dup(name, (size_t)len), (size_t)len);
        }
    }
    struct snapshot_job job = {.sink = ask_again, .sink_ctx = &waiting, .checksum = true};
    assert_int_equal(snapshot_run(w.snapshot, &job), 0);
    assert_true(waiting.waited > 0);
    assert_true(waiting.asked > 100);
    assert_true(waiting.waited < 20); /* until the first value is written, and its own */
    mem_free((char *)waiting.key.name.data);
    world_close(&w);
}

/* ---- limits ---- */

static int busy_sink(void *ctx, const void *data, size_t len)
{
    struct world *w = ctx;
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = w->ks, .now_ms = clock_wall_ms(), .stats = &stats};
    static uint64_t calls;
    struct rand r;
    rand_seed(&r, seed + calls++);
    for (int i = 0; i < 200; i++)
        one_command(w, &hold, &r);
    return 0;
}

static void a_pass_over_its_limit_fails_and_the_next_one_succeeds(void **state)
{
    struct world w;
    world_open(&w, 20000, 0);
    for (int i = 0; i < 100; i++)
        busy_sink(&w, NULL, 0);
    struct snapshot_job job = {.sink = busy_sink, .sink_ctx = &w, .buffer_limit = 100};
    for (int i = 0; i < 9; i++) { /* more often than there are epochs */
        int error = snapshot_run(w.snapshot, &job);
        assert_int_equal(error, -ENOBUFS);
        assert_int_equal(snapshot_held(w.snapshot), 0);
        assert_false(keyspace_epoch_active(w.ks));
    }
    unsigned voids = 0;
    one_pass(&w, &voids);
    world_close(&w);
}

static int failing_sink(void *ctx, const void *data, size_t len)
{
    return -EIO;
}

static void a_failing_sink_ends_the_pass(void **state)
{
    struct world w;
    world_open(&w, 2000, 0);
    busy_sink(&w, NULL, 0);
    struct snapshot_job job = {.sink = failing_sink};
    assert_int_equal(snapshot_run(w.snapshot, &job), -EIO);
    assert_false(keyspace_epoch_active(w.ks));
    unsigned voids = 0;
    one_pass(&w, &voids);
    world_close(&w);
}

int main(void)
{
    packed_lists = value_limits_default;
    packed_lists.list_max_listpack_size = 20;
    packed_lists.list_compress_depth = 1;
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 0) : rand_system();
    printf("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread),
        cmocka_unit_test(four_threads),
        cmocka_unit_test(four_threads_that_flush_and_swap),
        cmocka_unit_test(large_values_change_in_the_middle_of_their_capture),
        cmocka_unit_test(a_key_that_is_waited_for_comes_first),
        cmocka_unit_test(a_pass_over_its_limit_fails_and_the_next_one_succeeds),
        cmocka_unit_test(a_failing_sink_ends_the_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
