/* ahead.h - has elements of a value on their way to the cache before they are looked up. */
#ifndef SPILLWAY_VALUE_AHEAD_H
#define SPILLWAY_VALUE_AHEAD_H

#include "struct/members.h"
#include "value/class.h"

#define VALUE_AHEAD MEMBERS_AHEAD /* names at a time */

/* Prefetches where elements of these names are, or would be, in a set, hash or sorted set with a
 * table; does nothing for other values. count <= VALUE_AHEAD. The lock of the entry is held. */
void value_prefetch(struct value value, const struct slice *names, size_t count);

#endif
