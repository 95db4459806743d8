/* registry.c - the command table: an open-addressed index of rows by name, built once while
 * starting. */
#include "engine/registry.h"
#include "base/mem.h"
#include "base/panic.h"

#define NAME_MAX_LEN 32

struct row {
    const struct command *command, *parent;
};

struct bucket {
    const struct command *parent; /* part of the name: NULL for top-level commands */
    const struct command *command;
    uint32_t index;
};

struct registry {
    struct row *rows;
    uint32_t row_count, row_cap, top_count;
    struct bucket *buckets; /* power of two, at most half full */
    uint32_t bucket_count;
};

struct registry *registry_new(void)
{
    struct registry *r = mem_zalloc(sizeof *r);
    r->bucket_count = 64;
    r->buckets = mem_zalloc(r->bucket_count * sizeof *r->buckets);
    return r;
}

void registry_free(struct registry *r)
{
    if (r == NULL)
        return;
    mem_free(r->rows);
    mem_free(r->buckets);
    mem_free(r);
}

/* FNV-1a over the letters without case (and a container's address for its subcommands). */
static uint32_t name_hash(const struct command *parent, const char *name, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uintptr_t)parent;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((uint8_t)name[i] | 0x20)) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32);
}

ALWAYS_INLINE bool name_equal(const char *name, struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        if (name[i] != c) /* the row's NUL differs from anything but a NUL */
            return false;
        if (c == '\0')
            return false;
    }
    return name[word.len] == '\0';
}

static void index_row(struct registry *r, uint32_t index)
{
    const struct row *row = &r->rows[index];
    uint32_t at = name_hash(row->parent, row->command->name, strlen(row->command->name));
    while (r->buckets[at & (r->bucket_count - 1)].command != NULL)
        at++;
    r->buckets[at & (r->bucket_count - 1)] = (struct bucket){row->parent, row->command, index};
}

static void add_row(struct registry *r, const struct command *command, const struct command *parent)
{
    ASSERT(strlen(command->name) < NAME_MAX_LEN);
    if (r->row_count == r->row_cap) {
        r->row_cap = r->row_cap == 0 ? 256 : r->row_cap * 2;
        r->rows = mem_realloc(r->rows, r->row_cap * sizeof *r->rows);
    }
    r->rows[r->row_count++] = (struct row){command, parent};
    if (r->row_count * 2 > r->bucket_count) {
        mem_free(r->buckets);
        r->bucket_count *= 2;
        r->buckets = mem_zalloc(r->bucket_count * sizeof *r->buckets);
        for (uint32_t i = 0; i + 1 < r->row_count; i++)
            index_row(r, i);
    }
    index_row(r, r->row_count - 1);
}

void registry_add(struct registry *r, const struct command *rows)
{
    for (const struct command *row = rows; row->name != NULL; row++) {
        ASSERT(registry_find(r, slice_str(row->name), NULL) == NULL);
        add_row(r, row, NULL);
        r->top_count++;
        for (const struct command *sub = row->subcommands; sub != NULL && sub->name != NULL; sub++)
            add_row(r, sub, row);
    }
}

static const struct command *find(const struct registry *r, const struct command *parent,
                                  struct slice name, uint32_t *index)
{
    if (name.len == 0 || name.len >= NAME_MAX_LEN)
        return NULL;
    for (uint32_t at = name_hash(parent, name.data, name.len);; at++) {
        const struct bucket *bucket = &r->buckets[at & (r->bucket_count - 1)];
        if (bucket->command == NULL)
            return NULL;
        if (bucket->parent == parent && name_equal(bucket->command->name, name)) {
            if (index != NULL)
                *index = bucket->index;
            return bucket->command;
        }
    }
}

const struct command *registry_find(const struct registry *r, struct slice name, uint32_t *index)
{
    return find(r, NULL, name, index);
}

const struct command *registry_find_sub(const struct registry *r, const struct command *parent,
                                        struct slice name, uint32_t *index)
{
    return find(r, parent, name, index);
}

size_t registry_count(const struct registry *r)
{
    return r->top_count;
}

size_t registry_rows(const struct registry *r)
{
    return r->row_count;
}

const struct command *registry_row(const struct registry *r, uint32_t index,
                                   const struct command **parent)
{
    ASSERT(index < r->row_count);
    if (parent != NULL)
        *parent = r->rows[index].parent;
    return r->rows[index].command;
}

uint32_t command_acl(const struct command *command)
{
    uint32_t acl = command->acl, flags = command->flags;
    if (flags & CMD_WRITE)
        acl |= ACL_WRITE;
    if (flags & CMD_READONLY && !(acl & ACL_SCRIPTING))
        acl |= ACL_READ;
    if (flags & CMD_ADMIN)
        acl |= ACL_ADMIN | ACL_DANGEROUS;
    if (flags & CMD_PUBSUB)
        acl |= ACL_PUBSUB;
    if (flags & CMD_BLOCKING)
        acl |= ACL_BLOCKING;
    acl |= flags & CMD_FAST ? ACL_FAST : ACL_SLOW;
    return acl;
}

size_t command_subcommands(const struct command *row)
{
    size_t count = 0;
    while (row->subcommands != NULL && row->subcommands[count].name != NULL)
        count++;
    return count;
}

const char *command_full_name(const struct command *command, const struct command *parent,
                              char out[64])
{
    size_t at = 0;
    if (parent != NULL) {
        at = strlen(parent->name);
        memcpy(out, parent->name, at);
        out[at++] = '|';
    }
    strcpy(out + at, command->name);
    return out;
}
