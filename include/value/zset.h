/* zset.h - sorted sets: one listpack of members and scores while small, two indexes above.
 *
 * ENCODING_LISTPACK: the pointer is a listpack of member, score, member, score ... in the order of
 * ZRANGE (by score, equal scores by the member's bytes). ENCODING_SKIPLIST, as clients know it: a
 * struct zset of the records by name (struct/members.h) and of the same records by rank
 * (struct/ranked.h). What adds a member turns the first into the second before
 * zset-max-listpack-entries or -value is passed; only zset_settle turns one back. Functions that
 * take a struct value * may change its pointer and encoding.
 *
 * Scores are never NaN. In a listpack -0 is kept as 0. n below is the count of members; the costs
 * are those of the large form, a small one costs O(n).
 */
#ifndef SPILLWAY_VALUE_ZSET_H
#define SPILLWAY_VALUE_ZSET_H

#include "struct/listpack.h"
#include "struct/members.h"
#include "struct/ranked.h"
#include "value/class.h"
#include "value/limits.h"

#define ZSET_SCORE_TEXT (NUMBER_TEXT_MAX + 8) /* room for a score as text */

struct zset {
    struct members *members;
    struct ranked *ranked; /* of the same records */
};

/* Empty: to be filled before anyone sees it. The second is large already (for what zset_settle is
 * called in the end). */
struct value zset_new(void);
struct value zset_new_large(void);
size_t zset_count(struct value z); /* O(1) */

/* ---- by member. O(log n) at most ---- */

bool zset_score(struct value z, struct slice member, double *score); /* false: not in it. O(1) */
/* Members below that one; false: it is not there. */
bool zset_rank(struct value z, struct slice member, size_t *rank, double *score);
/* Adds a member that is not there yet. */
void zset_add(struct value *z, const struct value_limits *limits, struct slice member,
              double score);
/* Gives one that is there, with the score `old`, another score. */
void zset_move(struct value *z, struct slice member, double old, double score);
bool zset_remove(struct value *z, struct slice member); /* false: it was not there */

/* ---- by rank, from 0 at the lowest score ---- */

/* Removes up to `count` members from `rank` on; how many there were. O(log n + count) */
size_t zset_remove_range(struct value *z, size_t rank, size_t count);
/* The same, at the cost of the fewer, for ranges that may be nearly all there is: few that are left
 * move to another value, and *rest is what the others are still in, which is the caller's to free;
 * pointer NULL: nothing. */
size_t zset_cut_range(struct value *z, size_t rank, size_t count, struct value *rest);

/* A copy, in the large form, of the members outside of the range, which lies within. O(n) */
struct value zset_copy_outside(struct value z, size_t rank, size_t count);

/* Members with a score below `score`, with `after` those of that score too. O(log n) */
size_t zset_below_score(struct value z, double score, bool after);
/* Members below `member`, with `after` that member too, where all scores are equal (else any
 * count up to n). O(log n) */
size_t zset_below_member(struct value z, struct slice member, bool after);

/* A place between two members; void after a change. */
struct zset_at {
    struct ranked_cursor cursor;
    uint32_t before, behind; /* of a listpack: the members at both sides, or 0 */
};

struct zset_item {
    struct slice member; /* borrowed from the sorted set or in room */
    double score;
    char room[LISTPACK_TEXT];
};

/* The place before the member of that rank; behind the last from n on. */
void zset_seek(struct value z, size_t rank, struct zset_at *at);
/* Yield the member behind the place, or before it, and pass it. False: there is none. */
bool zset_next(struct value z, struct zset_at *at, struct zset_item *out);
bool zset_prev(struct value z, struct zset_at *at, struct zset_item *out);

/* The small form if it fits the limits, and the large one if it does not. `longest`: bytes of the
 * longest member, or more. O(n) if the form changes. */
void zset_settle(struct value *z, const struct value_limits *limits, size_t longest);
/* For the codecs of RDB: a value of a listpack's bytes from outside, which are copied; pointer NULL
 * if they are none, are not members and scores, or name a member twice. */
struct value zset_of_listpack(struct slice bytes, const struct value_limits *limits);

/* A score as it is replied and kept: "1.5", "3", "inf". Returns the length; no NUL. */
size_t zset_print_score(char out[ZSET_SCORE_TEXT], double score);

#endif
