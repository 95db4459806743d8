/* plain.h - what commands on plain keys share: times to live, and the usual effects. */
#ifndef SPILLWAY_COMMANDS_PLAIN_H
#define SPILLWAY_COMMANDS_PLAIN_H

#include "engine/call.h"

/* The i-th of the keys that the command's row declares. */
ALWAYS_INLINE struct key plain_key(const struct call *call, uint32_t i)
{
    return (struct key){
        .name = call->argv[call->key_at[i]], .hash = call->key_hash[i], .db = call->db};
}

/* True if a key that expires at `when_ms` is to be removed at once. Not while loading or as a
 * replica, where the primary's DEL decides, nor in import mode, where the source's does. */
ALWAYS_INLINE bool plain_is_past(const struct call *call, int64_t when_ms)
{
    return when_ms <= call->hold.now_ms &&
           !(call->hold.flags & (HOLD_LOADING | HOLD_READER | HOLD_IMPORT));
}

/* The time to live at argument `at` as an absolute time in ms: above zero, in seconds or
 * milliseconds, from now or since 1970. False after replying that it is no integer or no valid
 * expire time. */
bool plain_read_expiry(struct call *call, uint32_t at, bool seconds, bool absolute,
                       int64_t *when_ms);

/* False after replying that a string of `offset` + `more` bytes would be larger than proto-max-
   bulk-len. */
bool plain_check_length(struct call *call, uint64_t offset, uint64_t more);

/* Logs DEL (or UNLINK) of the key, SET of the key, or PEXPIREAT of it, instead of the command. */
void plain_effect_delete(struct call *call, struct slice key, bool lazy);
void plain_effect_set(struct call *call, struct slice key, struct slice value, int64_t expire_ms,
                      bool keep_ttl);
void plain_effect_expire(struct call *call, struct slice key, int64_t when_ms);

/* Removes a key for a command: counts the change, logs the deletion, notifies "del". */
void plain_remove(struct call *call, const struct key *key, struct entry *entry, bool lazy);

#endif
