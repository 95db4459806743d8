/* hash.c - hashes over a listpack or a table of members, and when one becomes the other. */
#include "value/hash.h"
#include "base/mem.h"
#include "base/panic.h"
#include "struct/members.h"

#define EACH_ITEMS  64 /* of a table between two looks at whether to stop */
#define SCAN_FACTOR 10 /* buckets looked at for one field asked for */

/* ---- forms ---- */

static bool is_small(struct value hash)
{
    return hash.encoding == ENCODING_LISTPACK;
}

static struct value as_listpack(unsigned char *listpack)
{
    return (struct value){listpack, TYPE_HASH, ENCODING_LISTPACK};
}

static struct value as_table(struct members *members)
{
    return (struct value){members, TYPE_HASH, ENCODING_HASHTABLE};
}

struct value hash_new(void)
{
    return as_listpack(listpack_new(0));
}

static bool table_set(struct members *members, struct slice field, struct slice value)
{
    bool added;
    struct member *member = members_add_value(members, field, value, &added);
    if (member != NULL && !added)
        member = members_set_value(members, member, value);
    if (member == NULL)
        PANIC("no memory for a field");
    return added;
}

static bool copy_to_table(void *members, struct slice field, struct slice value)
{
    table_set(members, field, value);
    return true;
}

/* A seed for each table: filling one in the hash order of another is as good as any order. */
static struct members *table_of(struct value hash, size_t more)
{
    struct members *members = members_new(MEMBERS_HASH, rand_system());
    if (!members_expect(members, hash_count(hash) + more))
        PANIC("no memory for a table of members");
    hash_each(hash, copy_to_table, members);
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

struct value hash_adopt(unsigned char *listpack, const struct value_limits *limits)
{
    struct value hash = as_listpack(listpack);
    if (hash_count(hash) > fields_limit(limits))
        to_table(&hash, 0);
    return hash;
}

/* ---- one field ---- */

size_t hash_count(struct value hash)
{
    return is_small(hash) ? listpack_count(hash.pointer) / 2 : members_count(hash.pointer);
}

static uint32_t find_packed(const unsigned char *listpack, struct slice field)
{
    return listpack_find(listpack, listpack_first(listpack), field, 1);
}

bool hash_get(struct value hash, struct slice field, char room[HASH_TEXT], struct slice *value)
{
    if (!is_small(hash)) {
        const struct member *member = members_find(hash.pointer, field);
        if (member != NULL)
            *value = member_value(member);
        return member != NULL;
    }
    uint32_t at = find_packed(hash.pointer, field);
    if (at != 0)
        *value = listpack_text(hash.pointer, listpack_next(hash.pointer, at), room);
    return at != 0;
}

bool hash_has(struct value hash, struct slice field)
{
    return is_small(hash) ? find_packed(hash.pointer, field) != 0
                          : members_find(hash.pointer, field) != NULL;
}

static bool may_be_packed(const unsigned char *listpack, const struct value_limits *limits,
                          struct slice field, struct slice value)
{
    uint64_t most = (uint64_t)RELAXED_LOAD(&limits->hash_max_listpack_value);
    return field.len <= most && value.len <= most &&
           listpack_fits(listpack, listpack_size_of(field) + listpack_size_of(value));
}

bool hash_set(struct value *hash, const struct value_limits *limits, struct slice field,
              struct slice value)
{
    if (is_small(*hash) && !may_be_packed(hash->pointer, limits, field, value))
        to_table(hash, 1);
    if (!is_small(*hash))
        return table_set(hash->pointer, field, value);
    unsigned char *listpack = hash->pointer;
    uint32_t at = find_packed(listpack, field);
    if (at != 0) {
        listpack_replace(&listpack, listpack_next(listpack, at), value);
    } else {
        const struct slice pair[] = {field, value};
        listpack_append_many(&listpack, pair, COUNT_OF(pair));
    }
    hash->pointer = listpack;
    if (at == 0 && hash_count(*hash) > fields_limit(limits))
        to_table(hash, 0);
    return at == 0;
}

bool hash_remove(struct value *hash, struct slice field)
{
    if (!is_small(*hash))
        return members_remove_name(hash->pointer, field);
    unsigned char *listpack = hash->pointer;
    uint32_t at = find_packed(listpack, field);
    if (at != 0)
        listpack_delete_many(&listpack, at, 2);
    hash->pointer = listpack;
    return at != 0;
}

/* ---- walks ---- */

struct walk {
    hash_visit_fn visit;
    void *ctx;
    bool stopped;
};

static void walk_member(struct member *member, void *ctx)
{
    struct walk *walk = ctx;
    if (!walk->stopped)
        walk->stopped = !walk->visit(walk->ctx, member_name(member), member_value(member));
}

/* Visits the pair whose field is at `at`. */
static bool visit_packed(const unsigned char *listpack, uint32_t at, hash_visit_fn visit, void *ctx)
{
    char field[HASH_TEXT], value[HASH_TEXT];
    return visit(ctx, listpack_text(listpack, at, field),
                 listpack_text(listpack, listpack_next(listpack, at), value));
}

static uint32_t next_pair(const unsigned char *listpack, uint32_t at)
{
    return listpack_next(listpack, listpack_next(listpack, at));
}

bool hash_each(struct value hash, hash_visit_fn visit, void *ctx)
{
    if (!is_small(hash)) {
        struct walk walk = {visit, ctx, false};
        for (uint64_t at = 0; at != MEMBERS_END && !walk.stopped;)
            at = members_scan(hash.pointer, at, EACH_ITEMS, SIZE_MAX, walk_member, &walk);
        return !walk.stopped;
    }
    bool more = true;
    for (uint32_t at = listpack_first(hash.pointer); at && more; at = next_pair(hash.pointer, at))
        more = visit_packed(hash.pointer, at, visit, ctx);
    return more;
}

uint64_t hash_scan(struct value hash, uint64_t cursor, uint64_t count, hash_visit_fn visit,
                   void *ctx)
{
    if (is_small(hash)) {
        hash_each(hash, visit, ctx);
        return 0;
    }
    if (cursor >= MEMBERS_END)
        return 0;
    struct walk walk = {visit, ctx, false};
    uint64_t buckets = MIN_OF(count, SIZE_MAX / SCAN_FACTOR) * SCAN_FACTOR;
    cursor = members_scan(hash.pointer, cursor, count, buckets, walk_member, &walk);
    return cursor == MEMBERS_END ? 0 : cursor;
}

/* ---- chance ---- */

void hash_pick(struct value hash, struct rand *random, hash_visit_fn visit, void *ctx)
{
    if (!is_small(hash)) {
        const struct member *member = members_random(hash.pointer, rand_next(random));
        visit(ctx, member_name(member), member_value(member));
        return;
    }
    uint64_t index = rand_below(random, hash_count(hash)) * 2;
    visit_packed(hash.pointer, listpack_seek(hash.pointer, (int64_t)index), visit, ctx);
}

/* Takes each with the chance wanted : left, where left counts those still to come (Knuth, TAOCP
 * 3.4.2, algorithm S). */
static void sample_packed(const unsigned char *listpack, struct rand *random, size_t wanted,
                          size_t left, hash_visit_fn visit, void *ctx)
{
    for (uint32_t at = listpack_first(listpack); at && wanted; at = next_pair(listpack, at)) {
        if (rand_below(random, left--) >= wanted)
            continue;
        wanted--;
        if (!visit_packed(listpack, at, visit, ctx))
            return;
    }
}

void hash_sample(struct value hash, struct rand *random, size_t count, hash_visit_fn visit,
                 void *ctx)
{
    size_t size = hash_count(hash);
    if (count >= size) {
        hash_each(hash, visit, ctx);
        return;
    }
    if (is_small(hash)) {
        sample_packed(hash.pointer, random, count, size, visit, ctx);
        return;
    }
    struct member **chosen = mem_alloc(MAX_OF(count, (size_t)1) * sizeof *chosen);
    count = members_sample(hash.pointer, rand_next(random), chosen, count);
    for (size_t i = 0; i < count && visit(ctx, member_name(chosen[i]), member_value(chosen[i]));
         i++)
        ;
    mem_free(chosen);
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
    return is_small(hash) ? as_listpack(listpack_copy(hash.pointer)) : as_table(table_of(hash, 0));
}

struct visitor {
    value_visit_fn visit;
    void *ctx;
};

static bool visit_parts(void *ctx, struct slice field, struct slice value)
{
    const struct visitor *visitor = ctx;
    const struct slice parts[] = {field, value};
    visitor->visit(visitor->ctx, parts, COUNT_OF(parts));
    return true;
}

static void class_each(struct value hash, value_visit_fn visit, void *ctx)
{
    struct visitor visitor = {visit, ctx};
    hash_each(hash, visit_parts, &visitor);
}

const struct value_class hash_class = {
    .free = class_free,
    .effort = class_effort,
    .memory = class_memory,
    .copy = class_copy,
    .each = class_each,
};
