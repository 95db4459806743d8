/* ahead.c - has elements of a value on their way to the cache before they are looked up. */
#include "value/ahead.h"
#include "value/zset.h"

void value_prefetch(struct value value, const struct slice *names, size_t count)
{
    if (value.encoding == ENCODING_HASHTABLE) {
        members_prefetch(value.pointer, names, count);
    } else if (value.encoding == ENCODING_SKIPLIST) {
        const struct zset *zset = value.pointer;
        members_prefetch(zset->members, names, count);
    }
}
