/* rdb_set.c - sets in RDB: intsets as they are (type 11), all others member by member (type 2),
 * which every redis-server reads; listpacks (type 20), which 7.2 writes, are read.
 */
#include "base/mem.h"
#include "persist/rdb_parts.h"
#include "persist/rdb_value.h"
#include "struct/intset.h"
#include "struct/members.h"
#include "value/set.h"

#define EXPECT_MAX 65536 /* members: what a count in a file is believed to before they are there */

/* ---- writing ---- */

void rdb_set_append_intset(const struct entry *entry, bool compress, struct bytes *out)
{
    const unsigned char *intset = entry_pointer(entry);
    rdb_append_string(out, slice_of(intset, intset_bytes(intset)), compress);
}

struct writing {
    struct bytes *out;
    bool compress;
};

static bool append_member(void *ctx, struct slice member)
{
    const struct writing *writing = ctx;
    rdb_append_string(writing->out, member, writing->compress);
    return true;
}

void rdb_set_append_members(const struct entry *entry, bool compress, struct bytes *out)
{
    struct writing writing = {out, compress};
    struct value set = entry_value(entry);
    rdb_append_length(out, set_count(set));
    set_each(set, append_member, &writing);
}

bool rdb_set_slice_intset(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    (void)items;
    const unsigned char *intset = walk->value.pointer;
    rdb_parts_string(parts, slice_of(intset, intset_bytes(intset)));
    return false;
}

static bool copy_member(void *parts, struct slice member)
{
    rdb_parts_string(parts, member);
    return true;
}

bool rdb_set_slice_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    (void)items;
    rdb_parts_length(parts, set_count(walk->value));
    set_each(walk->value, copy_member, parts);
    return false;
}

static void copy_record(struct member *member, void *parts)
{
    rdb_parts_string(parts, member_name(member));
}

bool rdb_set_slice_table(struct rdb_walk *walk, size_t items, struct bytes *parts)
{
    if (!walk->begun)
        rdb_parts_length(parts, set_count(walk->value));
    return rdb_slice_members(walk, items, parts, copy_record, parts);
}

/* ---- reading ---- */

static bool read_members(struct rdb_reader *r, struct bytes *buffer, struct value *set)
{
    uint64_t count;
    if (!rdb_read_length(r, &count))
        return false;
    if (count == 0)
        return rdb_fail(r, "a set without members");
    for (uint64_t i = 0; i < count; i++) {
        if (!rdb_read_string(r, buffer))
            return false;
        struct slice member = bytes_slice(buffer);
        if (i == 0)
            *set = count <= (uint64_t)RELAXED_LOAD(&r->limits->set_max_intset_entries) ||
                           count <= (uint64_t)RELAXED_LOAD(&r->limits->set_max_listpack_entries)
                       ? set_new_as(ENCODING_INTSET, 0)
                       : set_new_as(ENCODING_HASHTABLE, (size_t)MIN_OF(count, EXPECT_MAX));
        if (!set_add(set, r->limits, member))
            return rdb_fail(r, "a set with a member twice");
    }
    return true;
}

static bool read_intset(struct rdb_reader *r, struct bytes *buffer, struct value *set)
{
    if (!rdb_read_string(r, buffer))
        return false;
    const unsigned char *intset = (const unsigned char *)buffer->data;
    if (!intset_validate(intset, buffer->len, true))
        return rdb_fail(r, "a damaged intset");
    *set = set_adopt_intset(intset_copy(intset), r->limits);
    return true;
}

static bool read_listpack(struct rdb_reader *r, struct bytes *buffer, struct value *set)
{
    if (!rdb_read_string(r, buffer))
        return false;
    const unsigned char *listpack = (const unsigned char *)buffer->data;
    if (!listpack_validate(listpack, buffer->len, true, NULL, NULL))
        return rdb_fail(r, "a damaged listpack");
    if (listpack_first(listpack) == 0)
        return rdb_fail(r, "a set without members");
    *set = set_new_as(ENCODING_LISTPACK, 0);
    char room[LISTPACK_TEXT];
    for (uint32_t at = listpack_first(listpack); at; at = listpack_next(listpack, at))
        if (!set_add(set, r->limits, listpack_text(listpack, at, room)))
            return rdb_fail(r, "a set with a member twice");
    return true;
}

bool rdb_set_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out)
{
    struct bytes buffer = {0};
    struct value set = {0};
    bool ok;
    if (rdb_type == RDB_TYPE_SET)
        ok = read_members(r, &buffer, &set);
    else if (rdb_type == RDB_TYPE_SET_INTSET)
        ok = read_intset(r, &buffer, &set);
    else
        ok = read_listpack(r, &buffer, &set);
    bytes_free(&buffer);
    if (ok)
        out->value = set;
    else if (set.pointer != NULL)
        value_free(set);
    return ok;
}
