/* hash_number.c - fields that hold numbers: HINCRBY and HINCRBYFLOAT. */
#include "commands/hash.h"

#include <math.h>
#include "base/number.h"

void hash_hincrby(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t by, number = 0;
    char room[HASH_TEXT], digits[NUMBER_TEXT_MAX];
    struct slice value;
    struct hash_names names = {.at = 2, .count = 1};
    if (!call_i64(call, 3, &by, NULL) || !hash_find_to_change(call, &key, &names, &entry))
        return;
    if (entry != NULL && hash_get(entry_value(entry), HASH_SEE_ALL, call->argv[2], room, &value) &&
        !number_parse_i64(value, &number)) {
        call_error(call, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        call_error(call, "ERR increment or decrement would overflow");
        return;
    }
    hash_put(call, &key, entry, call->argv[2], slice_of(digits, number_print_i64(digits, number)),
             "hincrby");
    reply_int(call->reply, number);
}

/* Logged as the HSET of its result: other machines may calculate otherwise. That takes the expiry
 * of the field away, so it is logged too. */
static void effect_result(struct call *call, struct slice key, struct slice text, int64_t expire_ms)
{
    const struct slice effect[] = {SLICE("HSET"), key, call->argv[2], text};
    call_effect(call, COUNT_OF(effect), effect);
    if (expire_ms != HASH_NO_EXPIRY)
        hash_effect_expire(call, key, expire_ms, &call->argv[2], 1);
}

void hash_hincrbyfloat(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    long double by, number = 0;
    char room[HASH_TEXT], digits[NUMBER_FLOAT_TEXT_MAX];
    struct hash_names names = {.at = 2, .count = 1};
    struct hash_field field = {.expire_ms = HASH_NO_EXPIRY};
    if (!call_long_double(call, 3, &by, NULL))
        return;
    if (!isfinite(by)) {
        call_error(call, "ERR value is NaN or Infinity");
        return;
    }
    if (!hash_find_to_change(call, &key, &names, &entry))
        return;
    if (entry != NULL &&
        hash_find_field(entry_value(entry), HASH_SEE_ALL, call->argv[2], room, &field) &&
        !number_parse_long_double(field.value, &number)) {
        call_error(call, "ERR hash value is not a float");
        return;
    }
    number += by;
    if (!isfinite(number)) {
        call_error(call, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct slice text = slice_of(digits, number_print_long_double(digits, number));
    hash_put(call, &key, entry, call->argv[2], text, "hincrbyfloat");
    effect_result(call, key.name, text, field.expire_ms);
    reply_bulk(call->reply, text);
}
