/* intset.c - a sorted set of integers in one block of bytes.
 *
 * The layout is in the header. A value that is too wide for the set is smaller or larger than all
 * that are in it, so widening knows its place: every integer is rewritten from the last to the
 * first, one place higher if the new one is negative.
 */
#include "struct/intset.h"

#include <string.h>
#include "base/panic.h"

static uint32_t width_of(int64_t value)
{
    if (value >= INT16_MIN && value <= INT16_MAX)
        return 2;
    return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

static unsigned char *place(const unsigned char *set, uint32_t width, uint32_t index)
{
    return (unsigned char *)set + INTSET_HEAD + (size_t)index * width;
}

static int64_t load(const unsigned char *set, uint32_t width, uint32_t index)
{
    const unsigned char *p = place(set, width, index);
    if (width == 2)
        return (int16_t)flat_load(p, 2);
    return width == 4 ? (int32_t)flat_load(p, 4) : (int64_t)flat_load(p, 8);
}

static void store(unsigned char *set, uint32_t width, uint32_t index, int64_t value)
{
    flat_store(place(set, width, index), (uint64_t)value, width);
}

static void put_head(unsigned char *set, uint32_t width, uint32_t count)
{
    flat_store(set, width, 4);
    flat_store(set + 4, count, 4);
}

unsigned char *intset_new(void)
{
    unsigned char *set = mem_alloc(INTSET_HEAD);
    put_head(set, 2, 0);
    return set;
}

void intset_free(unsigned char *set)
{
    mem_free(set);
}

unsigned char *intset_copy(const unsigned char *set)
{
    return mem_dup(set, intset_bytes(set));
}

size_t intset_memory(const unsigned char *set)
{
    return mem_usable(set);
}

int64_t intset_get(const unsigned char *set, uint32_t index)
{
    DEBUG_ASSERT(index < intset_count(set));
    return load(set, intset_width(set), index);
}

/* The place of the first integer that is not smaller. */
static uint32_t lower_bound(const unsigned char *set, int64_t value)
{
    uint32_t width = intset_width(set), low = 0, high = intset_count(set);
    if (high > 0 && value > load(set, width, high - 1))
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (load(set, width, middle) < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool intset_find(const unsigned char *set, int64_t value, uint32_t *index)
{
    uint32_t at = lower_bound(set, value);
    if (index)
        *index = at;
    return at < intset_count(set) && load(set, intset_width(set), at) == value;
}

int64_t intset_min(const unsigned char *set)
{
    return intset_get(set, 0);
}

int64_t intset_max(const unsigned char *set)
{
    return intset_get(set, intset_count(set) - 1);
}

int64_t intset_pick(const unsigned char *set, uint64_t random)
{
    uint64_t index = (uint64_t)((unsigned __int128)random * intset_count(set) >> 64);
    return intset_get(set, (uint32_t)index);
}

/* Adds a value that needs `width` bytes, more than the set has. */
static void add_widening(unsigned char **set, uint32_t width, int64_t value)
{
    uint32_t count = intset_count(*set), old = intset_width(*set), shift = value < 0;
    *set = flat_grow(*set, INTSET_HEAD + ((size_t)count + 1) * width);
    for (uint32_t i = count; i-- > 0;)
        store(*set, width, i + shift, load(*set, old, i));
    store(*set, width, shift ? 0 : count, value);
    put_head(*set, width, count + 1);
}

bool intset_add(unsigned char **set, int64_t value)
{
    uint32_t count = intset_count(*set), width = intset_width(*set), at;
    if (count == UINT32_MAX)
        return false;
    if (width_of(value) > width) {
        add_widening(set, width_of(value), value);
        return true;
    }
    if (intset_find(*set, value, &at))
        return false;
    *set = flat_grow(*set, INTSET_HEAD + ((size_t)count + 1) * width);
    memmove(place(*set, width, at + 1), place(*set, width, at), (size_t)(count - at) * width);
    store(*set, width, at, value);
    put_head(*set, width, count + 1);
    return true;
}

bool intset_remove(unsigned char **set, int64_t value)
{
    uint32_t count = intset_count(*set), width = intset_width(*set), at;
    if (!intset_find(*set, value, &at))
        return false;
    memmove(place(*set, width, at), place(*set, width, at + 1), (size_t)(count - at - 1) * width);
    put_head(*set, width, count - 1);
    *set = flat_shrink(*set, intset_bytes(*set));
    return true;
}

size_t intset_bytes_with(const unsigned char *set, int64_t value)
{
    uint32_t width = MAX_OF(intset_width(set), width_of(value));
    size_t count = intset_count(set);
    return INTSET_HEAD + (count + !intset_find(set, value, NULL)) * width;
}

bool intset_validate(const unsigned char *bytes, size_t len, bool deep)
{
    if (len < INTSET_HEAD)
        return false;
    uint32_t width = intset_width(bytes), count = intset_count(bytes);
    if ((width != 2 && width != 4 && width != 8) || count == 0 || intset_bytes(bytes) != len)
        return false;
    for (uint32_t i = 1; deep && i < count; i++)
        if (load(bytes, width, i - 1) >= load(bytes, width, i))
            return false;
    return true;
}
