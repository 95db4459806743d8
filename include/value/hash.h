/* hash.h - a map of fields to values: a listpack of field, value, field, value ... while it is
 * small (up to hash-max-listpack-entries fields, no field or value of more than
 * hash-max-listpack-value bytes), a table beyond (struct members of kind MEMBERS_HASH).
 *
 * A hash becomes a table when it outgrows a limit and stays one. Limits are followed when a field
 * is set. Where a function may change the form it takes the value by address.
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

/* One field, borrowed for the call. False: enough, stop. The hash must not be changed. */
typedef bool (*hash_visit_fn)(void *ctx, struct slice field, struct slice value);

struct value hash_new(void); /* empty */
/* Before `fields` fields are set at once: to a table if a listpack cannot hold so many. */
void hash_expect(struct value *hash, const struct value_limits *limits, size_t fields);

size_t hash_count(struct value hash); /* fields; O(1), but O(n) for listpacks of 65535 and more */
/* False: no such field. *value is valid until the hash is changed; it may be in room. */
bool hash_get(struct value hash, struct slice field, char room[HASH_TEXT], struct slice *value);
bool hash_has(struct value hash, struct slice field);
/* True: the field is new. Neither slice may lie in the hash. */
bool hash_set(struct value *hash, const struct value_limits *limits, struct slice field,
              struct slice value);
/* False: it was not there. An emptied hash stays valid. */
bool hash_remove(struct value *hash, struct slice field);

/* Every field, in the order they were added while it is small; false if visit stopped. */
bool hash_each(struct value hash, hash_visit_fn visit, void *ctx);
/* As set_scan (value/set.h). */
uint64_t hash_scan(struct value hash, uint64_t cursor, uint64_t count, hash_visit_fn visit,
                   void *ctx);
/* Visits one field of a hash that is not empty, each with the same chance. */
void hash_pick(struct value hash, struct rand *random, hash_visit_fn visit, void *ctx);
/* Up to `count` distinct fields, each choice with the same chance. O(n), or O(count) of a table
 * that has many more. */
void hash_sample(struct value hash, struct rand *random, size_t count, hash_visit_fn visit,
                 void *ctx);

/* Takes over a valid listpack (a block of mem) of an even number of elements, without a field
 * twice, and makes it a table if it is longer than a listpack may be. */
struct value hash_adopt(unsigned char *listpack, const struct value_limits *limits);

#endif
