/* hash.h - a map of fields to values, of which each may have a time at which it goes: a listpack
 * while it is small (up to hash-max-listpack-entries fields, no field or value of more than
 * hash-max-listpack-value bytes), a table beyond (struct members of kind MEMBERS_HASH).
 *
 *   ENCODING_LISTPACK     field, value, field, value ... in the order they were added
 *   ENCODING_LISTPACKEX   field, value, time, field, value, time ...: first those with a time, the
 *                         earliest first, then those without, whose time reads 0
 *   ENCODING_HASHTABLE    a struct members
 *
 * The second form is what Redis keeps and writes to RDB. A small hash has it exactly as long as a
 * field expires: two bytes more for a field without a time and ten for one with, against
 * several times the whole hash for a table; and which field is due first stands at the beginning.
 *
 * A hash becomes a table when it outgrows a limit and stays one. Limits are followed when a field
 * is set. Where a function may change the form it takes the value by address.
 *
 * Times are absolute, in milliseconds, from 1 to HASH_EXPIRE_MAX. A field is past its expiry when
 * now is greater. It stays where it is until it is removed (the class's `expire`, hash_remove), but
 * is not seen: functions that look for fields are told what the time is; HASH_SEE_ALL sees all
 * there are.
 *
 * Cost: O(1) in tables, O(n) in a listpack. Guarded by the lock of the entry.
 */
#ifndef SPILLWAY_VALUE_HASH_H
#define SPILLWAY_VALUE_HASH_H

#include "base/rand.h"
#include "struct/listpack.h"
#include "value/class.h"
#include "value/limits.h"

/* Room for a field or value that is kept as an integer. */
#define HASH_TEXT LISTPACK_TEXT

#define HASH_SEE_ALL     INT64_MIN       /* as now_ms: nothing is past its expiry */
#define HASH_NO_EXPIRY   INT64_MIN       /* as expire_ms */
#define HASH_KEEP_EXPIRY (INT64_MIN + 1) /* to hash_set: the expiry the field has */
/* The latest expiry, as Redis has it: in the year 4199. */
#define HASH_EXPIRE_MAX (((INT64_C(1) << 48) - 2) / 4)

struct hash_field {
    struct slice name, value;
    int64_t expire_ms; /* HASH_NO_EXPIRY: none */
};

ALWAYS_INLINE bool hash_is_past(int64_t expire_ms, int64_t now_ms)
{
    return expire_ms != HASH_NO_EXPIRY && now_ms > expire_ms;
}

/* One field, borrowed for the call. False: enough, stop. The hash must not be changed. */
typedef bool (*hash_visit_fn)(void *ctx, const struct hash_field *field);

struct value hash_new(void); /* empty */
/* Before `fields` fields are set at once: to a table if a listpack cannot hold so many. */
void hash_expect(struct value *hash, const struct value_limits *limits, size_t fields);

/* Fields that are there, past their expiry or not; O(1), but O(n) for listpacks of 65535 and
 * more. */
size_t hash_count(struct value hash);
/* Those that are seen; O(n) if a field expires. */
size_t hash_count_seen(struct value hash, int64_t now_ms);
bool hash_expires(struct value hash); /* whether any field has an expiry; O(1) */
/* The earliest expiry of a field that has one; O(n). */
int64_t hash_first_expiry(struct value hash);

/* False: no such field. *value is valid until the hash is changed; it may be in room. */
bool hash_get(struct value hash, int64_t now_ms, struct slice name, char room[HASH_TEXT],
              struct slice *value);
/* The same with everything about the field but its name. */
bool hash_find_field(struct value hash, int64_t now_ms, struct slice name, char room[HASH_TEXT],
                     struct hash_field *field);
bool hash_has(struct value hash, int64_t now_ms, struct slice name);
/* Sets value and expiry (or HASH_NO_EXPIRY, HASH_KEEP_EXPIRY) of a field. True: the field is new.
 * A field past its expiry is one that is there. Neither slice may lie in the hash. */
bool hash_set(struct value *hash, const struct value_limits *limits, struct slice name,
              struct slice value, int64_t expire_ms);
/* Of a field that is there: gives it an expiry, or takes it away with HASH_NO_EXPIRY. */
void hash_set_expiry(struct value *hash, struct slice name, int64_t expire_ms);
/* False: it was not there. An emptied hash stays valid. */
bool hash_remove(struct value *hash, struct slice name);

/* Every field that is seen, while it is small in the order of the listpack; false if visit
 * stopped. */
bool hash_each(struct value hash, int64_t now_ms, hash_visit_fn visit, void *ctx);
/* As set_scan (value/set.h). */
uint64_t hash_scan(struct value hash, int64_t now_ms, uint64_t cursor, uint64_t count,
                   hash_visit_fn visit, void *ctx);
/* Visits one of the fields that are seen, each with the same chance; false if there is none. O(1);
 * O(n) if most fields are past their expiry. */
bool hash_pick(struct value hash, int64_t now_ms, struct rand *random, hash_visit_fn visit,
               void *ctx);
/* Up to `count` distinct fields that are seen, each choice with the same chance; returns how many.
 * O(n), or O(count) of a table that has many more (and none past its expiry among the chosen). */
size_t hash_sample(struct value hash, int64_t now_ms, struct rand *random, size_t count,
                   hash_visit_fn visit, void *ctx);

/* Takes over a valid listpack (a block of mem) of an even number of elements, without a field
 * twice, and makes it a table if it is longer than a listpack may be. */
struct value hash_adopt(unsigned char *listpack, const struct value_limits *limits);
/* The same of field, value, time ...: the times are integers from 0 on, in order as said above, the
 * first is not 0. */
struct value hash_adopt_timed(unsigned char *listpack, const struct value_limits *limits);

#endif
