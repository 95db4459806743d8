/* set.c - sets over an intset, a listpack or a table of members, and when one becomes the other. */
#include "value/set.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "struct/intset.h"
#include "struct/members.h"

#define INTSET_MAX  ((uint64_t)1 << 30) /* integers, whatever the limit says: as Redis */
#define EACH_ITEMS  64                  /* of a table between two looks at whether to stop */
#define SCAN_FACTOR 10                  /* buckets looked at for one member asked for */

/* ---- limits ---- */

static uint64_t intset_limit(const struct value_limits *limits)
{
    uint64_t most = (uint64_t)RELAXED_LOAD(&limits->set_max_intset_entries);
    return MIN_OF(most, INTSET_MAX);
}

static uint64_t listpack_limit(const struct value_limits *limits)
{
    return (uint64_t)RELAXED_LOAD(&limits->set_max_listpack_entries);
}

static bool is_short(const struct value_limits *limits, size_t len)
{
    return len <= (uint64_t)RELAXED_LOAD(&limits->set_max_listpack_value);
}

/* ---- forms ---- */

static struct value as_intset(unsigned char *intset)
{
    return (struct value){intset, TYPE_SET, ENCODING_INTSET};
}

static struct value as_listpack(unsigned char *listpack)
{
    return (struct value){listpack, TYPE_SET, ENCODING_LISTPACK};
}

static struct value as_table(struct members *members)
{
    return (struct value){members, TYPE_SET, ENCODING_HASHTABLE};
}

/* A seed for each table: filling one in the hash order of another is as good as any order. */
static struct members *new_table(size_t expected)
{
    struct members *members = members_new(MEMBERS_SET, rand_system());
    if (!members_expect(members, expected))
        PANIC("no memory for a table of members");
    return members;
}

static bool table_add(struct members *members, struct slice member)
{
    bool added;
    if (members_add(members, member, &added) == NULL)
        PANIC("no memory for a member");
    return added;
}

struct value set_new_as(enum value_encoding encoding, size_t expected)
{
    if (encoding == ENCODING_INTSET)
        return as_intset(intset_new());
    return encoding == ENCODING_LISTPACK ? as_listpack(listpack_new(0))
                                         : as_table(new_table(expected));
}

struct value set_new(const struct value_limits *limits, struct slice first, size_t expected)
{
    int64_t number;
    if (expected <= intset_limit(limits) && number_parse_i64(first, &number))
        return set_new_as(ENCODING_INTSET, expected);
    bool small = expected <= listpack_limit(limits);
    return set_new_as(small ? ENCODING_LISTPACK : ENCODING_HASHTABLE, expected);
}

static bool add_to_table(void *members, struct slice member)
{
    table_add(members, member);
    return true;
}

static void replace(struct value *set, struct value other)
{
    value_free(*set);
    *set = other;
}

static void to_table(struct value *set, size_t more)
{
    struct members *members = new_table(set_count(*set) + more);
    set_each(*set, add_to_table, members);
    replace(set, as_table(members));
}

/* An intset becomes a listpack. */
static void to_listpack(struct value *set)
{
    unsigned char *listpack = listpack_new(0);
    for (uint32_t i = 0; i < intset_count(set->pointer); i++)
        listpack_append_integer(&listpack, intset_get(set->pointer, i));
    replace(set, as_listpack(listpack));
}

void set_expect(struct value *set, const struct value_limits *limits, size_t more)
{
    if ((set->encoding == ENCODING_LISTPACK && more > listpack_limit(limits)) ||
        (set->encoding == ENCODING_INTSET && more > intset_limit(limits)))
        to_table(set, more);
}

struct value set_adopt_intset(unsigned char *intset, const struct value_limits *limits)
{
    struct value set = as_intset(intset);
    if (intset_count(intset) > intset_limit(limits))
        to_table(&set, 0);
    return set;
}

static bool all_integers(void *ctx, struct slice member)
{
    int64_t number;
    return number_parse_i64(member, &number);
}

static bool add_to_intset(void *intset, struct slice member)
{
    int64_t number;
    if (number_parse_i64(member, &number))
        intset_add(intset, number);
    return true;
}

void set_compact(struct value *set, const struct value_limits *limits)
{
    if (set->encoding == ENCODING_INTSET || set_count(*set) > intset_limit(limits) ||
        !set_each(*set, all_integers, NULL))
        return;
    unsigned char *intset = intset_new();
    set_each(*set, add_to_intset, &intset);
    replace(set, as_intset(intset));
}

/* ---- one member ---- */

size_t set_count(struct value set)
{
    if (set.encoding == ENCODING_INTSET)
        return intset_count(set.pointer);
    if (set.encoding == ENCODING_LISTPACK)
        return listpack_count(set.pointer);
    return members_count(set.pointer);
}

static uint32_t find_packed(const unsigned char *listpack, struct slice member)
{
    return listpack_find(listpack, listpack_first(listpack), member, 0);
}

bool set_has(struct value set, struct slice member)
{
    int64_t number;
    if (set.encoding == ENCODING_HASHTABLE)
        return members_find(set.pointer, member) != NULL;
    if (set.encoding == ENCODING_LISTPACK)
        return find_packed(set.pointer, member) != 0;
    return number_parse_i64(member, &number) && intset_find(set.pointer, number, NULL);
}

static bool add_packed(struct value *set, const struct value_limits *limits, struct slice member)
{
    unsigned char *listpack = set->pointer;
    if (find_packed(listpack, member) != 0)
        return false;
    if (listpack_count(listpack) >= listpack_limit(limits) || !is_short(limits, member.len) ||
        !listpack_fits(listpack, listpack_size_of(member))) {
        to_table(set, 1);
        return table_add(set->pointer, member);
    }
    listpack_append(&listpack, member);
    set->pointer = listpack;
    return true;
}

/* Whether an intset's members and one that is no integer may be a listpack. */
static bool may_be_packed(const unsigned char *intset, const struct value_limits *limits,
                          struct slice member)
{
    uint32_t count = intset_count(intset);
    if (count >= listpack_limit(limits) || !is_short(limits, member.len))
        return false;
    if (count == 0)
        return listpack_fits(NULL, listpack_size_of(member));
    char digits[NUMBER_TEXT_MAX];
    int64_t min = intset_min(intset), max = intset_max(intset);
    size_t widest =
        MAX_OF(listpack_size_of_integer(min), listpack_size_of_integer(max)) * (size_t)count;
    return is_short(limits, number_print_i64(digits, min)) &&
           is_short(limits, number_print_i64(digits, max)) &&
           listpack_fits(NULL, widest + listpack_size_of(member));
}

static bool add_integer(struct value *set, const struct value_limits *limits, struct slice member)
{
    int64_t number;
    unsigned char *intset = set->pointer;
    if (!number_parse_i64(member, &number)) {
        if (may_be_packed(intset, limits, member)) {
            to_listpack(set);
            unsigned char *listpack = set->pointer;
            listpack_append(&listpack, member);
            set->pointer = listpack;
            return true;
        }
        to_table(set, 1);
        return table_add(set->pointer, member);
    }
    bool added = intset_add(&intset, number);
    set->pointer = intset;
    if (added && intset_count(intset) > intset_limit(limits))
        to_table(set, 0);
    return added;
}

bool set_add(struct value *set, const struct value_limits *limits, struct slice member)
{
    if (set->encoding == ENCODING_HASHTABLE)
        return table_add(set->pointer, member);
    return set->encoding == ENCODING_LISTPACK ? add_packed(set, limits, member)
                                              : add_integer(set, limits, member);
}

bool set_remove(struct value *set, struct slice member)
{
    if (set->encoding == ENCODING_HASHTABLE)
        return members_remove_name(set->pointer, member);
    unsigned char *block = set->pointer;
    bool removed;
    if (set->encoding == ENCODING_LISTPACK) {
        uint32_t at = find_packed(block, member);
        removed = at != 0;
        if (removed)
            listpack_delete(&block, at);
    } else {
        int64_t number;
        removed = number_parse_i64(member, &number) && intset_remove(&block, number);
    }
    set->pointer = block;
    return removed;
}

/* ---- walks ---- */

static struct slice integer_text(int64_t number, char room[SET_TEXT])
{
    return slice_of(room, number_print_i64(room, number));
}

struct walk {
    set_visit_fn visit;
    void *ctx;
    bool stopped;
};

static void walk_member(struct member *member, void *ctx)
{
    struct walk *walk = ctx;
    if (!walk->stopped)
        walk->stopped = !walk->visit(walk->ctx, member_name(member));
}

static bool each_in_table(const struct members *members, set_visit_fn visit, void *ctx)
{
    struct walk walk = {visit, ctx, false};
    for (uint64_t at = 0; at != MEMBERS_END && !walk.stopped; pace())
        at = members_scan(members, at, EACH_ITEMS, SIZE_MAX, walk_member, &walk);
    return !walk.stopped;
}

bool set_each(struct value set, set_visit_fn visit, void *ctx)
{
    char room[SET_TEXT];
    if (set.encoding == ENCODING_HASHTABLE)
        return each_in_table(set.pointer, visit, ctx);
    bool more = true;
    if (set.encoding == ENCODING_LISTPACK) {
        for (uint32_t at = listpack_first(set.pointer); at && more;
             at = listpack_next(set.pointer, at))
            more = visit(ctx, listpack_text(set.pointer, at, room));
    } else {
        for (uint32_t i = 0; i < intset_count(set.pointer) && more; i++)
            more = visit(ctx, integer_text(intset_get(set.pointer, i), room));
    }
    return more;
}

uint64_t set_scan(struct value set, uint64_t cursor, uint64_t count, set_visit_fn visit, void *ctx)
{
    if (set.encoding != ENCODING_HASHTABLE) {
        set_each(set, visit, ctx);
        return 0;
    }
    if (cursor >= MEMBERS_END)
        return 0;
    struct walk walk = {visit, ctx, false};
    uint64_t buckets = MIN_OF(count, SIZE_MAX / SCAN_FACTOR) * SCAN_FACTOR;
    cursor = members_scan(set.pointer, cursor, count, buckets, walk_member, &walk);
    return cursor == MEMBERS_END ? 0 : cursor;
}

/* ---- chance ---- */

struct slice set_pick(struct value set, struct rand *random, char room[SET_TEXT])
{
    if (set.encoding == ENCODING_HASHTABLE)
        return member_name(members_random(set.pointer, rand_next(random)));
    if (set.encoding == ENCODING_INTSET)
        return integer_text(intset_pick(set.pointer, rand_next(random)), room);
    uint64_t index = rand_below(random, listpack_count(set.pointer));
    return listpack_text(set.pointer, listpack_seek(set.pointer, (int64_t)index), room);
}

/* Takes each with the chance wanted : left, where left counts those still to come (Knuth, TAOCP
 * 3.4.2, algorithm S). */
struct selection {
    struct rand *random;
    size_t wanted, left;
    set_visit_fn visit;
    void *ctx;
};

static bool is_chosen(struct selection *s)
{
    if (rand_below(s->random, s->left--) >= s->wanted)
        return false;
    s->wanted--;
    return true;
}

static bool visit_chosen(void *ctx, struct slice member)
{
    struct selection *s = ctx;
    return (!is_chosen(s) || s->visit(s->ctx, member)) && s->wanted != 0;
}

/* Up to `count` of a table's members, their number in *taken; to be freed. */
static struct member **sample_table(const struct members *members, struct rand *random,
                                    size_t count, size_t *taken)
{
    count = MIN_OF(count, members_count(members));
    struct member **chosen = mem_alloc(MAX_OF(count, (size_t)1) * sizeof *chosen);
    *taken = members_sample(members, rand_next(random), chosen, count);
    return chosen;
}

void set_sample(struct value set, struct rand *random, size_t count, set_visit_fn visit, void *ctx)
{
    size_t size = set_count(set);
    if (count >= size) {
        set_each(set, visit, ctx);
    } else if (set.encoding == ENCODING_HASHTABLE) {
        size_t taken;
        struct member **chosen = sample_table(set.pointer, random, count, &taken);
        for (size_t i = 0; i < taken && visit(ctx, member_name(chosen[i])); i++)
            pace();
        mem_free(chosen);
    } else if (count != 0) {
        struct selection s = {random, count, size, visit, ctx};
        set_each(set, visit_chosen, &s);
    }
}

static void pop_from_table(struct members *members, struct selection *s)
{
    size_t taken;
    struct member **chosen = sample_table(members, s->random, s->wanted, &taken);
    for (size_t i = 0; i < taken; i++)
        s->visit(s->ctx, member_name(chosen[i]));
    members_remove_many(members, chosen, taken);
    mem_free(chosen);
}

static void pop_packed(unsigned char **listpack, struct selection *s)
{
    char room[SET_TEXT];
    for (uint32_t at = listpack_first(*listpack); at && s->wanted;) {
        if (!is_chosen(s)) {
            at = listpack_next(*listpack, at);
            continue;
        }
        s->visit(s->ctx, listpack_text(*listpack, at, room));
        at = listpack_delete(listpack, at);
    }
}

/* From the end, so that the places in front stay what they are. */
static void pop_integers(unsigned char **intset, struct selection *s)
{
    char room[SET_TEXT];
    for (uint32_t i = intset_count(*intset); i-- > 0 && s->wanted;) {
        int64_t number = intset_get(*intset, i);
        if (!is_chosen(s))
            continue;
        s->visit(s->ctx, integer_text(number, room));
        intset_remove(intset, number);
    }
}

void set_pop(struct value *set, struct rand *random, size_t count, set_visit_fn visit, void *ctx)
{
    size_t size = set_count(*set);
    struct selection s = {random, MIN_OF(count, size), size, visit, ctx};
    if (set->encoding == ENCODING_HASHTABLE) {
        pop_from_table(set->pointer, &s);
        return;
    }
    unsigned char *block = set->pointer;
    if (set->encoding == ENCODING_LISTPACK)
        pop_packed(&block, &s);
    else
        pop_integers(&block, &s);
    set->pointer = block;
}

struct splitting {
    struct selection chosen;
    struct members *members; /* of those that stay, or ... */
    unsigned char *packed;   /* ... an intset or a listpack */
    bool integers;
};

static bool split_member(void *ctx, struct slice member)
{
    struct splitting *s = ctx;
    if (is_chosen(&s->chosen))
        s->chosen.visit(s->chosen.ctx, member);
    else if (s->members != NULL)
        table_add(s->members, member);
    else if (s->integers)
        add_to_intset(&s->packed, member);
    else
        listpack_append(&s->packed, member);
    return true;
}

struct value set_split(struct value set, struct rand *random, size_t count, set_visit_fn visit,
                       void *ctx)
{
    size_t size = set_count(set);
    struct splitting s = {.chosen = {random, count, size, visit, ctx}};
    if (set.encoding == ENCODING_HASHTABLE) {
        s.members = new_table(size - count);
        set_each(set, split_member, &s);
        return as_table(s.members);
    }
    s.integers = set.encoding == ENCODING_INTSET;
    s.packed = s.integers ? intset_new() : listpack_new(0);
    set_each(set, split_member, &s);
    return s.integers ? as_intset(s.packed) : as_listpack(s.packed);
}

/* ---- the class ---- */

static void class_free(struct value set)
{
    if (set.encoding == ENCODING_HASHTABLE)
        members_free(set.pointer);
    else if (set.encoding == ENCODING_LISTPACK)
        listpack_free(set.pointer);
    else
        intset_free(set.pointer);
}

static size_t class_effort(struct value set)
{
    return set.encoding == ENCODING_HASHTABLE ? members_count(set.pointer) : 1;
}

static size_t class_memory(struct value set, size_t samples)
{
    if (set.encoding == ENCODING_HASHTABLE)
        return members_bytes(set.pointer); /* kept exactly: nothing to sample */
    return set.encoding == ENCODING_LISTPACK ? listpack_memory(set.pointer)
                                             : intset_memory(set.pointer);
}

static struct value class_copy(struct value set)
{
    if (set.encoding == ENCODING_LISTPACK)
        return as_listpack(listpack_copy(set.pointer));
    if (set.encoding == ENCODING_INTSET)
        return as_intset(intset_copy(set.pointer));
    struct members *copy = new_table(members_count(set.pointer));
    set_each(set, add_to_table, copy);
    return as_table(copy);
}

struct visitor {
    value_visit_fn visit;
    void *ctx;
};

static bool visit_part(void *ctx, struct slice member)
{
    const struct visitor *visitor = ctx;
    visitor->visit(visitor->ctx, &member, 1);
    return true;
}

static void class_each(struct value set, value_visit_fn visit, void *ctx)
{
    struct visitor visitor = {visit, ctx};
    set_each(set, visit_part, &visitor);
}

const struct value_class set_class = {
    .free = class_free,
    .effort = class_effort,
    .memory = class_memory,
    .copy = class_copy,
    .each = class_each,
};
