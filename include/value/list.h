/* list.h - lists: one listpack while it is small, chunks of them (struct/chunks.h) above.
 *
 * ENCODING_LISTPACK: the pointer is the listpack itself. ENCODING_QUICKLIST: a struct chunks. What
 * adds elements turns the first into the second before list-max-listpack-size is passed;
 * list_settle turns back what has shrunk to one chunk of half of that, as Redis 7.2 does. Functions
 * that take a struct value * may change its pointer and encoding.
 *
 * How many chunks at each end are never packed (list-compress-depth) a list of chunks is told when
 * it becomes one, and its copies have it of it: a changed directive is for later ones.
 */
#ifndef SPILLWAY_VALUE_LIST_H
#define SPILLWAY_VALUE_LIST_H

#include "struct/chunks.h"
#include "value/class.h"
#include "value/limits.h"

/* An element of a list: of the value it was found in, and void after a change. One that is neither
 * void nor at the first or last element is given to list_done when it is not used any more. */
struct list_at {
    struct chunks_at place; /* of a listpack only the position */
};

struct value list_new(void); /* empty: to be filled before anyone sees it */
size_t list_count(struct value list);
/* Adds values one after the other at an end. */
void list_push(struct value *list, const struct value_limits *limits, const struct slice *values,
               size_t count, bool front);
/* Puts all of another list, which is gone then, at an end at once. False: nothing was done, for
 * their forms do not allow it. */
bool list_join(struct value *list, struct value more, bool front);
/* Back to the smaller form where it fits well. `shrinking`: after a removal, with a margin of half,
 * so that a list at the limit does not go to and fro; false: after loading. */
void list_settle(struct value *list, const struct value_limits *limits, bool shrinking);

/* The index-th element, from the end if negative; false: there is none. */
bool list_seek(struct value list, int64_t index, struct list_at *at);
bool list_next(struct value list, struct list_at *at); /* false: it was the last */
bool list_prev(struct value list, struct list_at *at);
void list_done(struct value list, struct list_at *at);
void list_forget(struct list_at *at); /* the same, of a list that may have changed or gone since */
/* The element: borrowed until the place is moved, changed or done, or, if it is an integer, printed
 * to room. */
struct slice list_text(struct value list, const struct list_at *at, char room[LISTPACK_TEXT]);
bool list_equals(struct value list, const struct list_at *at, struct slice value);
/* The first element that equals value; false: there is none. */
bool list_search(struct value list, struct slice value, struct list_at *at);
/* Whether `wanted` elements (not 0) among the first `near` equal value; backwards: the last. */
bool list_has_near(struct value list, struct slice value, size_t wanted, size_t near,
                   bool backwards);

/* Behind the first element that equals `pivot`, or in front of it. False: there is none. */
bool list_insert(struct value *list, const struct value_limits *limits, struct slice pivot,
                 struct slice value, bool behind);
/* The same at a place that was found in a list of chunks. */
void list_insert_at(struct value *list, const struct value_limits *limits, struct list_at *at,
                    struct slice value, bool behind);
bool list_set(struct value *list, const struct value_limits *limits, int64_t index,
              struct slice value);
/* Removes the elements that equal value, `most` of them (0: all), from the last on if backwards.
 * How many there were. */
size_t list_remove(struct value *list, struct slice value, size_t most, bool backwards);
/* Removes up to `count` elements from the index-th (not negative) on; how many there were. */
size_t list_remove_range(struct value *list, size_t index, size_t count);
/* The same, but what takes long to free is *rest, which the caller frees; its pointer NULL:
 * nothing. */
size_t list_cut_range(struct value *list, size_t index, size_t count, struct value *rest);
/* list_remove of a list of chunks, in two steps (struct/chunks.h). */
struct chunks_removal *list_plan_removal(struct value list, struct slice value, size_t most,
                                         bool backwards);
size_t list_remove_planned(struct value *list, struct chunks_removal *plan, struct value *rest);

/* For the codecs of RDB: a list of what was read, piece by piece, from the first element on; in the
 * end list_settle(&list, limits, false). */
struct value list_begin(const struct value_limits *limits);
void list_adopt(struct value list, unsigned char *listpack);    /* not empty */
void list_adopt_plain(struct value list, struct slice element); /* copied */
void list_append(struct value list, const struct value_limits *limits, struct slice element);

/* How many elements or bytes a chunk may have: the directive as limits. */
struct chunks_limits list_limits(const struct value_limits *limits);

#endif
