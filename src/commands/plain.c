/* plain.c - times to live and the usual effects of commands on plain keys. */
#include "commands/plain.h"

#include "base/number.h"
#include "engine/settings.h"

bool plain_read_expiry(struct call *call, uint32_t at, bool seconds, bool absolute,
                       int64_t *when_ms)
{
    int64_t time;
    if (!call_i64(call, at, &time, NULL))
        return false;
    bool valid = time > 0 && !(seconds && __builtin_mul_overflow(time, 1000, &time)) &&
                 !(!absolute && __builtin_add_overflow(time, call->hold.now_ms, &time));
    if (!valid)
        call_errorf(call, "ERR invalid expire time in '%s' command", call->command->name);
    *when_ms = time;
    return valid;
}

bool plain_check_length(struct call *call, uint64_t offset, uint64_t more)
{
    uint64_t total, limit = (uint64_t)RELAXED_LOAD(&call->server->settings->proto_max_bulk_len);
    if (LIKELY(!__builtin_add_overflow(offset, more, &total) &&
               (total <= limit || call->client->flags & CLIENT_INTERNAL)))
        return true;
    call_error(call, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

void plain_effect_delete(struct call *call, struct slice key, bool lazy)
{
    struct slice argv[] = {lazy ? SLICE("UNLINK") : SLICE("DEL"), key};
    call_effect(call, COUNT_OF(argv), argv);
}

void plain_effect_set(struct call *call, struct slice key, struct slice value, int64_t expire_ms,
                      bool keep_ttl)
{
    char digits[NUMBER_TEXT_MAX];
    struct slice argv[5] = {SLICE("SET"), key, value};
    uint32_t argc = 3;
    if (keep_ttl) {
        argv[argc++] = SLICE("KEEPTTL");
    } else if (expire_ms != EXPIRE_NONE) {
        argv[argc++] = SLICE("PXAT");
        argv[argc++] = slice_of(digits, number_print_i64(digits, expire_ms));
    }
    call_effect(call, argc, argv);
}

void plain_effect_expire(struct call *call, struct slice key, int64_t when_ms)
{
    char digits[NUMBER_TEXT_MAX];
    struct slice argv[] = {SLICE("PEXPIREAT"), key,
                           slice_of(digits, number_print_i64(digits, when_ms))};
    call_effect(call, COUNT_OF(argv), argv);
}

void plain_remove(struct call *call, const struct key *key, struct entry *entry, bool lazy)
{
    keyspace_remove(&call->hold, key, entry, lazy);
    call_changed(call, 1);
    plain_effect_delete(call, key->name, lazy);
    call_notify(call, 'g', "del", key);
}
