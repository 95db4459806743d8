/* debug_digest.c - DEBUG DIGEST and DIGEST-VALUE: data sets as 20 bytes, equal if the data are.
 *
 * The bytes are those that redis-server answers for the same data. With SHA-1 as H and ^ for
 * exclusive or, an ordered sequence is folded by  mix: d = H(d ^ H(part)), a collection without
 * order by  add: d = d ^ H(part).  A key's digest mixes name, type (32 bits, big endian) and value,
 * and adds a mark if it expires, as that of a field of a hash does; a data set's adds the keys, and
 * mixes the number of each database that is not empty before them.
 */
#include "base/sha1.h"
#include "commands/debug.h"
#include "engine/call.h"

struct digest {
    unsigned char bytes[SHA1_SIZE];
};

static void fold(struct digest *d, const unsigned char other[SHA1_SIZE])
{
    for (int i = 0; i < SHA1_SIZE; i++)
        d->bytes[i] ^= other[i];
}

static void add(struct digest *d, const void *part, size_t len)
{
    unsigned char hash[SHA1_SIZE];
    sha1_bytes(part, len, hash);
    fold(d, hash);
}

static void mix(struct digest *d, const void *part, size_t len)
{
    unsigned char folded[SHA1_SIZE];
    add(d, part, len);
    memcpy(folded, d->bytes, sizeof folded);
    sha1_bytes(folded, sizeof folded, d->bytes);
}

static void mix_number(struct digest *d, uint32_t number)
{
    const unsigned char bytes[4] = {(unsigned char)(number >> 24), (unsigned char)(number >> 16),
                                    (unsigned char)(number >> 8), (unsigned char)number};
    mix(d, bytes, sizeof bytes);
}

/* Types that redis-server numbers in its objects. */
static uint32_t type_number(enum value_type type)
{
    static const uint32_t numbers[TYPE_COUNT] = {
        [TYPE_STRING] = 0, [TYPE_LIST] = 1, [TYPE_SET] = 2,
        [TYPE_ZSET] = 3,   [TYPE_HASH] = 4, [TYPE_STREAM] = 6};
    return numbers[type];
}

static void mix_parts(void *digest, const struct slice *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        mix(digest, parts[i].data, parts[i].len);
}

/* An element of several parts is a sequence of them. */
static void add_element(void *digest, const struct slice *parts, unsigned count)
{
    struct digest element = {{0}};
    if (count == 1) {
        add(digest, parts[0].data, parts[0].len);
        return;
    }
    mix_parts(&element, parts, count);
    add(digest, element.bytes, sizeof element.bytes);
}

/* A field, its value and perhaps its expiry. */
static void add_field(void *digest, const struct slice *parts, unsigned count)
{
    struct digest field = {{0}};
    mix_parts(&field, parts, 2);
    if (count > 2)
        add(&field, "!!hexpire!!", 11);
    add(digest, field.bytes, sizeof field.bytes);
}

static void mix_value(struct digest *d, const struct entry *entry)
{
    enum value_type type = entry_type(entry);
    mix_number(d, type_number(type));
    if (type == TYPE_STRING) {
        struct slice string = entry_string(entry);
        mix(d, string.data, string.len);
    } else {
        value_each(entry_value(entry),
                   type == TYPE_HASH        ? add_field
                   : value_is_ordered(type) ? mix_parts
                                            : add_element,
                   d);
    }
    if (entry_expires(entry))
        add(d, "!!expire!!", 10);
}

static void reply_digest(struct call *call, const struct digest *d)
{
    char hex[SHA1_SIZE * 2 + 1];
    sha1_hex(d->bytes, hex);
    reply_simple(call->reply, hex);
}

static void add_key(struct hold *hold, const struct key *key, struct entry *entry, void *ctx)
{
    struct digest of_key = {{0}};
    (void)hold;
    mix(&of_key, key->name.data, key->name.len);
    mix_value(&of_key, entry);
    add(ctx, of_key.bytes, sizeof of_key.bytes);
}

void debug_digest(struct call *call)
{
    struct digest all = {{0}};
    struct keyspace *keyspace = call->server->keyspace;
    hold_take(&call->hold, HOLD_ALL);
    for (uint32_t db = 0; db < keyspace_options(keyspace)->databases; db++) {
        if (keyspace_size(keyspace, db) == 0)
            continue;
        mix_number(&all, db);
        keyspace_each(&call->hold, db, add_key, &all);
    }
    hold_drop(&call->hold);
    reply_digest(call, &all);
}

void debug_digest_value(struct call *call)
{
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++) {
        struct digest value = {{0}};
        struct key key = call_key(call, i);
        hold_take(&call->hold, shard_bit(key.hash));
        const struct entry *entry = keyspace_find(&call->hold, &key, FIND_PEEK);
        if (entry != NULL)
            mix_value(&value, entry);
        hold_drop(&call->hold);
        reply_digest(call, &value);
    }
}
