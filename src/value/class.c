/* class.c - the table of value classes, and the names of types and encodings. */
#include "value/class.h"
#include "base/panic.h"

static const char *const type_names[TYPE_COUNT] = {"string", "list", "set",
                                                   "zset",   "hash", "stream"};
static const char *const encoding_names[ENCODING_COUNT] = {
    "raw",    "int",       "embstr",   "listpack", "quicklist",
    "intset", "hashtable", "skiplist", "stream",   "listpackex",
};

static const struct value_class *const classes[TYPE_COUNT] = {
    [TYPE_STRING] = &string_class, [TYPE_SET] = &set_class,   [TYPE_HASH] = &hash_class,
    [TYPE_LIST] = &list_class,     [TYPE_ZSET] = &zset_class, [TYPE_STREAM] = &stream_class,
};

const char *value_type_name(enum value_type type)
{
    return type_names[type];
}

const char *value_encoding_name(enum value_encoding encoding)
{
    return encoding_names[encoding];
}

bool value_type_is_known(enum value_type type)
{
    return type < TYPE_COUNT && classes[type] != NULL;
}

static const struct value_class *class_of(unsigned type)
{
    ASSERT(value_type_is_known(type));
    return classes[type];
}

bool value_is_ordered(enum value_type type)
{
    return class_of(type)->ordered;
}

void value_free(struct value value)
{
    class_of(value.type)->free(value);
}

size_t value_effort(struct value value)
{
    return class_of(value.type)->effort(value);
}

size_t value_memory(struct value value, size_t samples)
{
    return class_of(value.type)->memory(value, samples);
}

struct value value_copy(struct value value)
{
    return class_of(value.type)->copy(value);
}

void value_each(struct value value, value_visit_fn visit, void *ctx)
{
    class_of(value.type)->each(value, visit, ctx);
}

int64_t value_due_ms(struct value value)
{
    const struct value_class *class = class_of(value.type);
    return class->due_ms != NULL ? class->due_ms(value) : VALUE_NEVER_DUE;
}

enum value_expired value_expire(struct value *value, int64_t now_ms, size_t budget,
                                value_gone_fn gone, void *ctx)
{
    return class_of(value->type)->expire(value, now_ms, budget, gone, ctx);
}
