/* set.h - a set of strings: an intset or a listpack while it is small, a table of members beyond.
 *
 *      encoding    pointer            while
 *      intset      an intset          all members are integers, up to set-max-intset-entries
 *      listpack    a listpack         up to set-max-listpack-entries members of up to
 *                                     set-max-listpack-value bytes
 *      hashtable   struct members     anything else
 *
 * A set moves down this list as it grows and never back, as in redis-server 7.2; only set_compact,
 * for results of set operations, and reading RDB choose anew. A limit is followed when a member is
 * added. Where a function may change the form it takes the value by address.
 *
 * Cost: O(1) in tables, O(log n) to find in an intset, O(n) in a listpack. Guarded by the lock of
 * the entry.
 */
#ifndef SPILLWAY_VALUE_SET_H
#define SPILLWAY_VALUE_SET_H

#include "base/rand.h"
#include "struct/listpack.h"
#include "value/class.h"
#include "value/limits.h"

#define SET_TEXT LISTPACK_TEXT /* room for a member that is kept as an integer */

/* One member, borrowed for the call. False: enough, stop. The set must not be changed. */
typedef bool (*set_visit_fn)(void *ctx, struct slice member);

/* An empty set in the form that suits `first` and that `expected` members may stay in. */
struct value set_new(const struct value_limits *limits, struct slice first, size_t expected);
/* An empty set in a form of the caller's choice; `expected` matters for a hashtable only. */
struct value set_new_as(enum value_encoding encoding, size_t expected);
/* Before `more` members are added: to a table at once if a form cannot hold so many. */
void set_expect(struct value *set, const struct value_limits *limits, size_t more);

size_t set_count(struct value set); /* O(1), but O(n) for listpacks of 65535 and more */
bool set_has(struct value set, struct slice member);
/* False: it was there. */
bool set_add(struct value *set, const struct value_limits *limits, struct slice member);
/* False: it was not there. An emptied set stays valid. */
bool set_remove(struct value *set, struct slice member);

/* Every member, in no order that means anything; false if visit stopped. */
bool set_each(struct value set, set_visit_fn visit, void *ctx);
/* A part of them, for SSCAN: from cursor 0 on; returns the next cursor, 0 = all have been seen. A
 * small set is one part; of a table about `count` (at least 1) are visited. Who is there from the
 * first to the last call is seen exactly once while the set keeps its form. */
uint64_t set_scan(struct value set, uint64_t cursor, uint64_t count, set_visit_fn visit, void *ctx);
/* One of a set that is not empty, each with the same chance. Valid until the set is changed. */
struct slice set_pick(struct value set, struct rand *random, char room[SET_TEXT]);
/* Up to `count` distinct members, each choice with the same chance. O(n), or O(count) of a table
 * that has many more. */
void set_sample(struct value set, struct rand *random, size_t count, set_visit_fn visit, void *ctx);
/* The same, and removes them; visit must not stop. */
void set_pop(struct value *set, struct rand *random, size_t count, set_visit_fn visit, void *ctx);

/* As set_pop of at most all there are, but leaves the set as it is: the result is a set, of the same
 * form, of those that stay. O(n) */
struct value set_split(struct value set, struct rand *random, size_t count, set_visit_fn visit,
                       void *ctx);

/* Makes a set whose members are all integers an intset, if it may have so many. O(n). */
void set_compact(struct value *set, const struct value_limits *limits);
/* Takes over a valid intset (a block of mem), whatever its count. */
struct value set_adopt_intset(unsigned char *intset, const struct value_limits *limits);

#endif
