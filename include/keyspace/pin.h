/* pin.h - values that one thread reads without holding their shards.
 *
 * A command that looks at very many elements (engine/aside.h) would keep everybody else from the
 * shards of its keys for as long. Instead it pins the values, drops its hold and reads them: a
 * pinned value is neither changed in place nor freed. Its key goes on living: it may be removed,
 * replaced, renamed or captured by a pass, all of which leave the value as it is. Only who would
 * change it in place has to wait (keyspace_edit_value does, the dispatcher asks before), and who
 * would free it (every thread that frees large values does).
 *
 * One thread at a time pins. Lock order: the pins' lock is taken before any shard, and waited for
 * under a shard's lock only by those who change values, for whom the pinning thread never waits in
 * turn: it takes no shard while it has something pinned.
 */
#ifndef SPILLWAY_KEYSPACE_PIN_H
#define SPILLWAY_KEYSPACE_PIN_H

#include "keyspace/keyspace.h"

#define PINS_MAX 256

/* Begins, holding nothing: waits until no other thread has something pinned. */
void keyspace_pins_begin(struct keyspace *ks);
/* Pins up to PINS_MAX values, whose shards are held, between begin and end; once. */
void keyspace_pin(struct hold *hold, const struct value *values, uint32_t count);
/* Unpins whatever is pinned. Holding nothing. */
void keyspace_pins_end(struct keyspace *ks);

/* Whether anything is pinned: a hint. */
bool keyspace_has_pins(const struct keyspace *ks);
/* Whether the value under the key, whose shard is held, is pinned now. */
bool keyspace_is_pinned(const struct hold *hold, const struct key *key);
/* Waits until what is pinned now is not any more. Not under a hold, unless to change a value. */
void keyspace_await_pins(struct keyspace *ks);

#endif
