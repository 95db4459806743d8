/* pin.h - values that one thread reads without holding their shards.
 *
 * A command that looks at very many elements (engine/aside.h) would keep everybody else from the
 * shards of its keys for as long. Instead it pins the values, drops its hold and reads them: a
 * pinned value is neither changed in place nor freed. Its key goes on living: it may be removed,
 * replaced, renamed or captured by a pass, all of which leave the value as it is. Only who would
 * change it in place has to wait (keyspace_edit_value does, the dispatcher asks before), and who
 * would free it (every thread that frees large values does).
 *
 *      begin --> pin: others wait --> watch: others go on, and it is noted --> end
 *
 * Who puts what it made of the values into the keyspace needs shards again, and has to know that
 * the values are still what they were. It could not take shards while others, who hold some, wait
 * for it: so it watches before it takes them, and asks once it holds them.
 *
 * One thread at a time pins. Lock order: shards, then the pins' lock. It is waited for under a
 * shard's lock by those who change values, and the pinning thread takes no shard while it holds it.
 */
#ifndef SPILLWAY_KEYSPACE_PIN_H
#define SPILLWAY_KEYSPACE_PIN_H

#include "keyspace/keyspace.h"

#define PINS_MAX 256

/* Begins, holding nothing: lets those go first who waited for what was pinned before. */
void keyspace_pins_begin(struct keyspace *ks);
/* Pins up to PINS_MAX values, whose shards are held, after begin; once. */
void keyspace_pin(struct hold *hold, const struct value *values, uint32_t count);
/* What is pinned may be changed and freed from now on. */
void keyspace_pins_watch(struct keyspace *ks);
/* Whether somebody has changed or freed some of it since, or is about to. */
bool keyspace_pins_are_broken(const struct keyspace *ks);
/* Unpins whatever is pinned or watched, if anything is. */
void keyspace_pins_end(struct keyspace *ks);

/* Whether anything is pinned: a hint. */
bool keyspace_has_pins(const struct keyspace *ks);
/* Whether the value under the key, whose shard is held, is pinned now. */
bool keyspace_is_pinned(const struct hold *hold, const struct key *key);
/* Of a value that is about to be changed, under its shard's lock, or freed by whom it belongs to:
 * waits while it is pinned. */
void keyspace_await_unpinned(struct keyspace *ks, struct value value);

#endif
