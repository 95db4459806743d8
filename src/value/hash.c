/* hash.c - hashes over a listpack, a listpack with times or a table of members, and when one
 * becomes the other. */
#include "value/hash.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "struct/members.h"

#define EACH_ITEMS  64 /* of a table between two looks at whether to stop */
#define SCAN_FACTOR 10 /* buckets looked at for one field asked for */
#define COMPACTED   16 /* records moved, at most, for one that goes */
#define PICK_TRIES  64 /* random fields looked at for one that is not past its expiry */

_Static_assert(MEMBER_NO_EXPIRY == HASH_NO_EXPIRY, "members and hashes mean the same by it");

/* ---- forms ---- */

static bool is_small(struct value hash)
{
    return hash.encoding != ENCODING_HASHTABLE;
}

static bool is_timed(struct value hash)
{
    return hash.encoding == ENCODING_LISTPACKEX;
}

static struct value as_listpack(unsigned char *listpack, bool timed)
{
    return (struct value){listpack, TYPE_HASH, timed ? ENCODING_LISTPACKEX : ENCODING_LISTPACK};
}

static struct value as_table(struct members *members)
{
    return (struct value){members, TYPE_HASH, ENCODING_HASHTABLE};
}

struct value hash_new(void)
{
    return as_listpack(listpack_new(0), false);
}

static struct member *must(struct member *member)
{
    if (member == NULL)
        PANIC("no memory for a field");
    return member;
}

static bool table_set(struct members *members, struct slice name, struct slice value,
                      int64_t expire_ms)
{
    bool added;
    struct member *member = must(members_add_value(members, name, value, &added));
    if (!added)
        member = must(members_set_value(members, member, value));
    if (expire_ms != HASH_KEEP_EXPIRY && expire_ms != member_expire_ms(member))
        must(members_set_expiry(members, member, expire_ms));
    return added;
}

static bool copy_to_table(void *members, const struct hash_field *field)
{
    table_set(members, field->name, field->value, field->expire_ms);
    return true;
}

/* A seed for each table: filling one in the hash order of another is as good as any order. */
static struct members *table_of(struct value hash, size_t more)
{
    struct members *members = members_new(MEMBERS_HASH, rand_system());
    if (!members_expect(members, hash_count(hash) + more))
        PANIC("no memory for a table of members");
    hash_each(hash, HASH_SEE_ALL, copy_to_table, members);
    return members;
}

static void to_table(struct value *hash, size_t more)
{
    struct members *members = table_of(*hash, more);
    listpack_free(hash->pointer);
    *hash = as_table(members);
}

static uint64_t fields_limit(const struct value_limits *limits)
{
    return (uint64_t)RELAXED_LOAD(&limits->hash_max_listpack_entries);
}

void hash_expect(struct value *hash, const struct value_limits *limits, size_t fields)
{
    if (is_small(*hash) && fields > fields_limit(limits))
        to_table(hash, fields);
}

static struct value adopt(unsigned char *listpack, bool timed, const struct value_limits *limits)
{
    struct value hash = as_listpack(listpack, timed);
    if (hash_count(hash) > fields_limit(limits))
        to_table(&hash, 0);
    return hash;
}

struct value hash_adopt(unsigned char *listpack, const struct value_limits *limits)
{
    return adopt(listpack, false, limits);
}

struct value hash_adopt_timed(unsigned char *listpack, const struct value_limits *limits)
{
    return adopt(listpack, true, limits);
}

/* ---- listpacks: a field is named by the position of its name ---- */

static uint32_t width_of(struct value hash) /* elements of one field */
{
    return is_timed(hash) ? 3 : 2;
}

static uint32_t packed_find(struct value hash, struct slice name)
{
    return listpack_find(hash.pointer, listpack_first(hash.pointer), name, width_of(hash) - 1);
}

static uint32_t packed_next(struct value hash, uint32_t at)
{
    for (uint32_t i = width_of(hash); i > 0; i--)
        at = listpack_next(hash.pointer, at);
    return at;
}

static int64_t packed_expiry(struct value hash, uint32_t at)
{
    int64_t time = 0;
    if (is_timed(hash)) {
        at = listpack_next(hash.pointer, listpack_next(hash.pointer, at));
        if (!listpack_integer(hash.pointer, at, &time))
            PANIC("a time of a field that is no number");
    }
    return time != 0 ? time : HASH_NO_EXPIRY;
}

static struct slice packed_value(struct value hash, uint32_t at, char room[HASH_TEXT])
{
    return listpack_text(hash.pointer, listpack_next(hash.pointer, at), room);
}

/* The first field that is not past its expiry, or 0; *skipped: how many are before it. */
static uint32_t packed_first_seen(struct value hash, int64_t now_ms, size_t *skipped)
{
    uint32_t at = listpack_first(hash.pointer);
    for (*skipped = 0; at != 0 && hash_is_past(packed_expiry(hash, at), now_ms); ++*skipped)
        at = packed_next(hash, at);
    return at;
}

static bool packed_visit(struct value hash, uint32_t at, hash_visit_fn visit, void *ctx)
{
    char name[HASH_TEXT], value[HASH_TEXT];
    struct hash_field field = {.name = listpack_text(hash.pointer, at, name),
                               .value = packed_value(hash, at, value),
                               .expire_ms = packed_expiry(hash, at)};
    return visit(ctx, &field);
}

struct repacking {
    unsigned char *listpack;
    bool timed;
};

static void append_field(struct repacking *to, struct slice name, struct slice value, int64_t time)
{
    char digits[NUMBER_TEXT_MAX];
    const struct slice parts[] = {name, value, slice_of(digits, number_print_i64(digits, time))};
    listpack_append_many(&to->listpack, parts, to->timed ? 3 : 2);
}

static bool repack_field(void *ctx, const struct hash_field *field)
{
    append_field(ctx, field->name, field->value, 0);
    return true;
}

/* Of a hash without any expiry: with a place for times, or without. */
static void repack(struct value *hash, bool timed)
{
    struct repacking to = {listpack_new(listpack_bytes(hash->pointer)), timed};
    hash_each(*hash, HASH_SEE_ALL, repack_field, &to);
    listpack_trim(&to.listpack);
    listpack_free(hash->pointer);
    *hash = as_listpack(to.listpack, timed);
}

/* Back to pairs if the last field with an expiry has lost it, or has gone. */
static void packed_settle(struct value *hash)
{
    uint32_t at = listpack_first(hash->pointer);
    if (is_timed(*hash) && (at == 0 || packed_expiry(*hash, at) == HASH_NO_EXPIRY))
        repack(hash, false);
}

/* Adds a field to a listpack with times. */
static void packed_insert(struct value *hash, struct slice name, struct slice value,
                          int64_t expire_ms)
{
    char digits[NUMBER_TEXT_MAX];
    uint32_t at = 0; /* the end */
    int64_t time = 0, other;
    if (expire_ms != HASH_NO_EXPIRY) {
        time = expire_ms;
        at = listpack_first(hash->pointer);
        while (at != 0 && (other = packed_expiry(*hash, at)) != HASH_NO_EXPIRY && other <= time)
            at = packed_next(*hash, at);
    }
    const struct slice parts[] = {name, value, slice_of(digits, number_print_i64(digits, time))};
    unsigned char *listpack = hash->pointer;
    listpack_splice(&listpack, at, 0, parts, COUNT_OF(parts));
    hash->pointer = listpack;
}

static void packed_delete(struct value *hash, uint32_t at)
{
    unsigned char *listpack = hash->pointer;
    listpack_delete_many(&listpack, at, width_of(*hash));
    hash->pointer = listpack;
}

/* One of pairs, without an expiry. */
static bool pair_set(struct value *hash, struct slice name, struct slice value)
{
    unsigned char *listpack = hash->pointer;
    uint32_t at = packed_find(*hash, name);
    if (at != 0) {
        listpack_replace(&listpack, listpack_next(listpack, at), value);
    } else {
        const struct slice pair[] = {name, value};
        listpack_append_many(&listpack, pair, COUNT_OF(pair));
    }
    hash->pointer = listpack;
    return at == 0;
}

static bool timed_set(struct value *hash, struct slice name, struct slice value, int64_t expire_ms)
{
    if (!is_timed(*hash))
        repack(hash, true);
    uint32_t at = packed_find(*hash, name);
    int64_t old_ms = at != 0 ? packed_expiry(*hash, at) : HASH_NO_EXPIRY;
    if (expire_ms == HASH_KEEP_EXPIRY)
        expire_ms = old_ms;
    if (at != 0 && expire_ms == old_ms) {
        unsigned char *listpack = hash->pointer;
        listpack_replace(&listpack, listpack_next(listpack, at), value);
        hash->pointer = listpack;
        return false;
    }
    if (at != 0)
        packed_delete(hash, at);
    packed_insert(hash, name, value, expire_ms);
    packed_settle(hash);
    return at == 0;
}

static bool packed_set(struct value *hash, struct slice name, struct slice value, int64_t expire_ms)
{
    bool expires = expire_ms != HASH_NO_EXPIRY && expire_ms != HASH_KEEP_EXPIRY;
    return is_timed(*hash) || UNLIKELY(expires) ? timed_set(hash, name, value, expire_ms)
                                                : pair_set(hash, name, value);
}

/* ---- one field ---- */

size_t hash_count(struct value hash)
{
    if (!is_small(hash))
        return members_count(hash.pointer);
    size_t elements = listpack_count(hash.pointer);
    return is_timed(hash) ? elements / 3 : elements / 2;
}

bool hash_expires(struct value hash)
{
    return is_timed(hash) || (!is_small(hash) && members_expiring(hash.pointer) != 0);
}

bool hash_find_field(struct value hash, int64_t now_ms, struct slice name, char room[HASH_TEXT],
                     struct hash_field *field)
{
    if (is_small(hash)) {
        uint32_t at = packed_find(hash, name);
        if (at == 0)
            return false;
        field->expire_ms = packed_expiry(hash, at);
        field->value = packed_value(hash, at, room);
    } else {
        const struct member *member = members_find(hash.pointer, name);
        if (member == NULL)
            return false;
        field->expire_ms = member_expire_ms(member);
        field->value = member_value(member);
    }
    field->name = name;
    return !hash_is_past(field->expire_ms, now_ms);
}

bool hash_get(struct value hash, int64_t now_ms, struct slice name, char room[HASH_TEXT],
              struct slice *value)
{
    struct hash_field field;
    if (LIKELY(hash.encoding == ENCODING_LISTPACK)) {
        uint32_t at = packed_find(hash, name);
        if (at != 0)
            *value = packed_value(hash, at, room);
        return at != 0;
    }
    bool seen = hash_find_field(hash, now_ms, name, room, &field);
    if (seen)
        *value = field.value;
    return seen;
}

bool hash_has(struct value hash, int64_t now_ms, struct slice name)
{
    char room[HASH_TEXT];
    struct hash_field field;
    return hash_find_field(hash, now_ms, name, room, &field);
}

/* With room for times: two bytes a field, which has four at least, and ten of a new one. */
static bool may_be_packed(struct value hash, const struct value_limits *limits, struct slice name,
                          struct slice value)
{
    uint64_t most = (uint64_t)RELAXED_LOAD(&limits->hash_max_listpack_value);
    size_t times = listpack_bytes(hash.pointer) / 2 + 16;
    return name.len <= most && value.len <= most &&
           listpack_fits(hash.pointer, listpack_size_of(name) + listpack_size_of(value) + times);
}

bool hash_set(struct value *hash, const struct value_limits *limits, struct slice name,
              struct slice value, int64_t expire_ms)
{
    if (is_small(*hash) && !may_be_packed(*hash, limits, name, value))
        to_table(hash, 1);
    if (!is_small(*hash))
        return table_set(hash->pointer, name, value, expire_ms);
    bool added = packed_set(hash, name, value, expire_ms);
    if (added && hash_count(*hash) > fields_limit(limits))
        to_table(hash, 0);
    return added;
}

void hash_set_expiry(struct value *hash, struct slice name, int64_t expire_ms)
{
    if (!is_small(*hash)) {
        struct member *member = members_find(hash->pointer, name);
        ASSERT(member != NULL);
        if (member_expire_ms(member) != expire_ms)
            must(members_set_expiry(hash->pointer, member, expire_ms));
        return;
    }
    char room[HASH_TEXT];
    uint32_t at = packed_find(*hash, name);
    ASSERT(at != 0);
    if (packed_expiry(*hash, at) == expire_ms)
        return;
    struct slice text = packed_value(*hash, at, room);
    struct slice value = slice_of(mem_dup(text.data, text.len), text.len);
    packed_set(hash, name, value, expire_ms);
    mem_free((void *)value.data);
}

bool hash_remove(struct value *hash, struct slice name)
{
    if (!is_small(*hash)) {
        bool removed = members_remove_name(hash->pointer, name);
        members_compact_step(hash->pointer, COMPACTED, NULL, NULL);
        return removed;
    }
    uint32_t at = packed_find(*hash, name);
    if (at != 0) {
        packed_delete(hash, at);
        packed_settle(hash);
    }
    return at != 0;
}

/* ---- walks ---- */

struct walk {
    int64_t now_ms;
    hash_visit_fn visit;
    void *ctx;
    bool stopped;
};

static bool member_is_seen(const struct member *member, int64_t now_ms)
{
    return !hash_is_past(member_expire_ms(member), now_ms);
}

static bool visit_member(const struct member *member, hash_visit_fn visit, void *ctx)
{
    struct hash_field field = {member_name(member), member_value(member), member_expire_ms(member)};
    return visit(ctx, &field);
}

static void walk_member(struct member *member, void *ctx)
{
    struct walk *walk = ctx;
    if (!walk->stopped && member_is_seen(member, walk->now_ms))
        walk->stopped = !visit_member(member, walk->visit, walk->ctx);
}

bool hash_each(struct value hash, int64_t now_ms, hash_visit_fn visit, void *ctx)
{
    if (!is_small(hash)) {
        struct walk walk = {now_ms, visit, ctx, false};
        for (uint64_t at = 0; at != MEMBERS_END && !walk.stopped; pace())
            at = members_scan(hash.pointer, at, EACH_ITEMS, SIZE_MAX, walk_member, &walk);
        return !walk.stopped;
    }
    bool more = true;
    size_t skipped;
    for (uint32_t at = packed_first_seen(hash, now_ms, &skipped); at && more;
         at = packed_next(hash, at))
        more = packed_visit(hash, at, visit, ctx);
    return more;
}

uint64_t hash_scan(struct value hash, int64_t now_ms, uint64_t cursor, uint64_t count,
                   hash_visit_fn visit, void *ctx)
{
    if (is_small(hash)) {
        hash_each(hash, now_ms, visit, ctx);
        return 0;
    }
    if (cursor >= MEMBERS_END)
        return 0;
    struct walk walk = {now_ms, visit, ctx, false};
    uint64_t buckets = MIN_OF(count, SIZE_MAX / SCAN_FACTOR) * SCAN_FACTOR;
    cursor = members_scan(hash.pointer, cursor, count, buckets, walk_member, &walk);
    return cursor == MEMBERS_END ? 0 : cursor;
}

static bool count_field(void *count, const struct hash_field *field)
{
    ++*(size_t *)count;
    return true;
}

size_t hash_count_seen(struct value hash, int64_t now_ms)
{
    size_t count = 0;
    if (!hash_expires(hash))
        return hash_count(hash);
    hash_each(hash, now_ms, count_field, &count);
    return count;
}

static bool find_earliest(void *earliest, const struct hash_field *field)
{
    if (field->expire_ms != HASH_NO_EXPIRY && field->expire_ms < *(int64_t *)earliest)
        *(int64_t *)earliest = field->expire_ms;
    return true;
}

int64_t hash_first_expiry(struct value hash)
{
    int64_t earliest = INT64_MAX;
    hash_each(hash, HASH_SEE_ALL, find_earliest, &earliest);
    return earliest;
}

/* ---- chance ---- */

struct seen_members {
    int64_t now_ms;
    struct member **list;
    size_t count;
};

static void keep_seen(struct member *member, void *ctx)
{
    struct seen_members *seen = ctx;
    if (member_is_seen(member, seen->now_ms))
        seen->list[seen->count++] = member;
}

/* Draws up to `count` of all that are seen to the front of a list, to be freed; *count: how many
 * there are. */
static struct member **draw_seen(struct value hash, int64_t now_ms, struct rand *random,
                                 size_t *count)
{
    struct seen_members seen = {now_ms, mem_alloc(hash_count(hash) * sizeof *seen.list), 0};
    members_scan(hash.pointer, 0, SIZE_MAX, SIZE_MAX, keep_seen, &seen);
    *count = MIN_OF(*count, seen.count);
    for (size_t i = 0; i < *count; i++) {
        size_t other = i + (size_t)rand_below(random, seen.count - i);
        struct member *member = seen.list[other];
        seen.list[other] = seen.list[i];
        seen.list[i] = member;
    }
    return seen.list;
}

static bool pick_member(struct value hash, int64_t now_ms, struct rand *random, hash_visit_fn visit,
                        void *ctx)
{
    for (int i = 0; i < PICK_TRIES; i++) {
        const struct member *member = members_random(hash.pointer, rand_next(random));
        if (member == NULL)
            return false;
        if (member_is_seen(member, now_ms)) {
            visit_member(member, visit, ctx);
            return true;
        }
    }
    return hash_sample(hash, now_ms, random, 1, visit, ctx) != 0;
}

bool hash_pick(struct value hash, int64_t now_ms, struct rand *random, hash_visit_fn visit,
               void *ctx)
{
    if (!is_small(hash))
        return pick_member(hash, now_ms, random, visit, ctx);
    size_t skipped, count = hash_count(hash);
    packed_first_seen(hash, now_ms, &skipped);
    if (skipped == count)
        return false;
    uint64_t index = (skipped + rand_below(random, count - skipped)) * width_of(hash);
    packed_visit(hash, listpack_seek(hash.pointer, (int64_t)index), visit, ctx);
    return true;
}

/* Takes each with the chance wanted : left, where left counts those still to come (Knuth, TAOCP
 * 3.4.2, algorithm S). */
static size_t packed_sample(struct value hash, int64_t now_ms, struct rand *random, size_t count,
                            hash_visit_fn visit, void *ctx)
{
    size_t skipped;
    uint32_t at = packed_first_seen(hash, now_ms, &skipped);
    size_t left = hash_count(hash) - skipped, taken = 0;
    size_t wanted = MIN_OF(count, left);
    for (; at && taken < wanted; at = packed_next(hash, at)) {
        if (rand_below(random, left--) >= wanted - taken)
            continue;
        taken++;
        if (!packed_visit(hash, at, visit, ctx))
            break;
    }
    return taken;
}

static bool all_seen(struct member *const *list, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++)
        if (!member_is_seen(list[i], now_ms))
            return false;
    return true;
}

size_t hash_sample(struct value hash, int64_t now_ms, struct rand *random, size_t count,
                   hash_visit_fn visit, void *ctx)
{
    if (is_small(hash))
        return packed_sample(hash, now_ms, random, count, visit, ctx);
    count = MIN_OF(count, hash_count(hash));
    struct member **chosen = mem_alloc(MAX_OF(count, (size_t)1) * sizeof *chosen);
    size_t found = members_sample(hash.pointer, rand_next(random), chosen, count);
    if (!all_seen(chosen, found, now_ms)) {
        mem_free(chosen);
        found = count;
        chosen = draw_seen(hash, now_ms, random, &found);
    }
    size_t i = 0;
    while (i < found && visit_member(chosen[i++], visit, ctx))
        pace();
    mem_free(chosen);
    return i;
}

/* ---- the class ---- */

static void class_free(struct value hash)
{
    if (is_small(hash))
        listpack_free(hash.pointer);
    else
        members_free(hash.pointer);
}

static size_t class_effort(struct value hash)
{
    return is_small(hash) ? 1 : members_count(hash.pointer);
}

static size_t class_memory(struct value hash, size_t samples)
{
    (void)samples; /* a table's bytes are kept exactly */
    return is_small(hash) ? listpack_memory(hash.pointer) : members_bytes(hash.pointer);
}

static struct value class_copy(struct value hash)
{
    return is_small(hash) ? as_listpack(listpack_copy(hash.pointer), is_timed(hash))
                          : as_table(table_of(hash, 0));
}

struct visitor {
    value_visit_fn visit;
    void *ctx;
};

static bool visit_parts(void *ctx, const struct hash_field *field)
{
    const struct visitor *visitor = ctx;
    char digits[NUMBER_TEXT_MAX];
    const struct slice parts[] = {field->name, field->value,
                                  slice_of(digits, number_print_i64(digits, field->expire_ms))};
    visitor->visit(visitor->ctx, parts, field->expire_ms != HASH_NO_EXPIRY ? 3 : 2);
    return true;
}

static void class_each(struct value hash, value_visit_fn visit, void *ctx)
{
    struct visitor visitor = {visit, ctx};
    hash_each(hash, HASH_SEE_ALL, visit_parts, &visitor);
}

static int64_t class_due_ms(struct value hash)
{
    if (!hash_expires(hash))
        return VALUE_NEVER_DUE;
    return is_small(hash) ? packed_expiry(hash, listpack_first(hash.pointer)) + 1
                          : members_expire_next(hash.pointer);
}

struct farewell {
    value_gone_fn gone;
    void *ctx;
};

static void member_gone(struct member *member, void *ctx)
{
    const struct farewell *farewell = ctx;
    farewell->gone(farewell->ctx, member_name(member));
}

/* What is past its expiry stands in front. */
static enum value_expired packed_expire(struct value *hash, int64_t now_ms, size_t budget,
                                        const struct farewell *farewell)
{
    size_t count = 0;
    uint32_t at = listpack_first(hash->pointer);
    char room[HASH_TEXT];
    while (at != 0 && count < budget && hash_is_past(packed_expiry(*hash, at), now_ms)) {
        farewell->gone(farewell->ctx, listpack_text(hash->pointer, at, room));
        at = packed_next(*hash, at);
        count++;
    }
    if (count == 0)
        return VALUE_EXPIRED_ALL;
    unsigned char *listpack = hash->pointer;
    listpack_delete_many(&listpack, listpack_first(listpack), count * width_of(*hash));
    hash->pointer = listpack;
    packed_settle(hash);
    if (listpack_first(hash->pointer) == 0)
        return VALUE_EMPTIED;
    return class_due_ms(*hash) <= now_ms ? VALUE_MORE_DUE : VALUE_EXPIRED_ALL;
}

static enum value_expired class_expire(struct value *hash, int64_t now_ms, size_t budget,
                                       value_gone_fn gone, void *ctx)
{
    struct farewell farewell = {gone, ctx};
    if (is_small(*hash))
        return packed_expire(hash, now_ms, budget, &farewell);
    bool more = members_expire_step(hash->pointer, now_ms, budget, member_gone, &farewell);
    members_compact_step(hash->pointer, budget, NULL, NULL);
    if (members_count(hash->pointer) == 0)
        return VALUE_EMPTIED;
    return more ? VALUE_MORE_DUE : VALUE_EXPIRED_ALL;
}

const struct value_class hash_class = {
    .free = class_free,
    .effort = class_effort,
    .memory = class_memory,
    .copy = class_copy,
    .each = class_each,
    .due_ms = class_due_ms,
    .expire = class_expire,
};
