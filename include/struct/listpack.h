/* listpack.h - a list of short strings and integers in one block of bytes, byte for byte as Redis
 * lays it out, so that RDB carries it as it is in both directions.
 *
 *      +------------------+--------------+---------+---------+- - -+------+
 *      | total bytes: u32 | elements:u16 | element | element | ... | 0xFF |   little endian
 *      +------------------+--------------+---------+---------+- - -+------+
 *
 * The format is described at the top of listpack.c (source: antirez, "Listpack specification",
 * github.com/antirez/listpack, with the widths Redis 7 writes).
 *
 * A listpack *is* its bytes: an `unsigned char *` from listpack_new, freed by listpack_free. What
 * reads takes `const unsigned char *` and needs no more than the bytes, wherever they lie and
 * however they are aligned. What writes takes `unsigned char **`, because the block may move; it is
 * grown to the allocator's next size class and no further. Bytes that lie elsewhere (in an entry)
 * are edited by listpack_splice_size and listpack_splice_in.
 *
 * An element is named by its *position*: its offset in the block, 0 meaning none. Positions survive
 * a move of the block, but not a change at or before them. Positions are not checked: give only
 * what these functions answered for the same bytes.
 *
 * A value that is the canonical decimal form of an int64 ("12", "-7", not "007", "+1" or "-0") is
 * kept as an integer and read back as the same text; callers need not care. Values that are written
 * must not lie inside the listpack that is edited.
 *
 * To walk:
 *
 *      for (uint32_t at = listpack_first(lp); at; at = listpack_next(lp, at)) {
 *          char room[LISTPACK_TEXT];
 *          struct slice value = listpack_text(lp, at, room);
 *          ...
 *      }
 *
 * Cost: O(1) for the ends, appending, next and previous; O(bytes) for memmove in everything that
 * edits elsewhere; O(elements) for seek and find. Memory: 7 bytes, and per element 2 for integers
 * of 0 to 127, 3 to -4096 to 4095, 4, 5, 6 or 10 for others, length + 2 for strings to 63 bytes,
 * length + 3 or 4 to 4095 bytes, length + 8 at most to 2 MiB.
 *
 * Bytes that came from outside must pass listpack_validate first: all other functions trust them
 * (and panic at an encoding that does not exist). A listpack may have LISTPACK_BYTES_MAX bytes; who
 * adds values of a client's size asks listpack_fits first. More than UINT32_MAX bytes is a panic.
 *
 * Not locked: the owner guards it.
 */
#ifndef SPILLWAY_STRUCT_LISTPACK_H
#define SPILLWAY_STRUCT_LISTPACK_H

#include "base/bytes.h"
#include "base/number.h"
#include "struct/flat.h"

#define LISTPACK_HEAD      6                 /* bytes before the first element */
#define LISTPACK_EMPTY     7                 /* bytes of a listpack without elements */
#define LISTPACK_END       0xFF              /* the last byte */
#define LISTPACK_UNCOUNTED 65535             /* in the head: count them yourself */
#define LISTPACK_BYTES_MAX ((size_t)1 << 30) /* as Redis: larger ones are not built */
#define LISTPACK_TEXT      NUMBER_TEXT_MAX   /* room for an integer as text */

/* ---- The whole --------------------------------------------------------------------------- */

/* An empty one with room for `capacity` bytes in all (0: no more than it needs). */
unsigned char *listpack_new(size_t capacity) __attribute__((returns_nonnull));
void listpack_free(unsigned char *lp); /* NULL is allowed */
unsigned char *listpack_copy(const unsigned char *lp) __attribute__((returns_nonnull));
/* Gives room back that is not used (of listpack_new's capacity). */
void listpack_trim(unsigned char **lp);

ALWAYS_INLINE size_t listpack_bytes(const unsigned char *lp)
{
    return flat_load(lp, 4);
}

/* What the head says: LISTPACK_UNCOUNTED or the count. */
ALWAYS_INLINE uint32_t listpack_head_count(const unsigned char *lp)
{
    return (uint32_t)flat_load(lp + 4, 2);
}

/* Elements. O(1) below 65535, else O(elements). */
size_t listpack_count(const unsigned char *lp);
size_t listpack_memory(
    const unsigned char *lp); /* bytes the block takes; not of bytes in an entry */

/* ---- Going about ------------------------------------------------------------------------- */

ALWAYS_INLINE uint32_t listpack_first(const unsigned char *lp) /* 0: it is empty */
{
    return lp[LISTPACK_HEAD] == LISTPACK_END ? 0 : LISTPACK_HEAD;
}

uint32_t listpack_last(const unsigned char *lp);              /* 0: it is empty */
uint32_t listpack_next(const unsigned char *lp, uint32_t at); /* 0: `at` was the last */
uint32_t listpack_prev(const unsigned char *lp, uint32_t at); /* 0: `at` was the first */
/* The index-th element, from the end if negative (-1 is the last); 0 if there is none. Walks from
 * the nearer end. */
uint32_t listpack_seek(const unsigned char *lp, int64_t index);
/* The first element from `at` on that equals value, `skip` elements being passed over after each
 * one looked at (1: the fields of field, value, field, value ...); 0 if there is none, or `at` is
 * 0. */
uint32_t listpack_find(const unsigned char *lp, uint32_t at, struct slice value, uint32_t skip);

/* ---- Reading an element ------------------------------------------------------------------ */

struct listpack_value {
    const char *data; /* a string's bytes, inside the listpack; NULL: an integer */
    uint32_t len;
    int64_t integer; /* only if data is NULL */
};

void listpack_get(const unsigned char *lp, uint32_t at, struct listpack_value *out);
/* As text: inside the listpack, or, if it is an integer, printed to room. */
struct slice listpack_text(const unsigned char *lp, uint32_t at, char room[LISTPACK_TEXT]);
/* The element as an integer; false if it is none (text that reads as one is). */
bool listpack_integer(const unsigned char *lp, uint32_t at, int64_t *out) NODISCARD;
/* The element at *at, which must be an integer; *at is behind it then (and not 0 at the end). Small
 * ones without a call. */
int64_t listpack_take_any_integer(const unsigned char *lp, uint32_t *at);
ALWAYS_INLINE int64_t listpack_take_integer(const unsigned char *lp, uint32_t *at)
{
    unsigned char byte = lp[*at];
    if (UNLIKELY(byte >= 0x80))
        return listpack_take_any_integer(lp, at);
    *at += 2;
    return byte;
}

bool listpack_equals(const unsigned char *lp, uint32_t at, struct slice value);
size_t listpack_size_at(const unsigned char *lp, uint32_t at); /* bytes of the element */

/* ---- Sizes, before anything is done ------------------------------------------------------ */

size_t listpack_size_of(struct slice value); /* bytes it adds */
size_t listpack_size_of_integer(int64_t value);

/* Whether `more` bytes (sums of listpack_size_of) may be added. lp may be NULL: to an empty one. */
ALWAYS_INLINE bool listpack_fits(const unsigned char *lp, size_t more)
{
    size_t bytes = lp ? listpack_bytes(lp) : LISTPACK_EMPTY;
    return more <= LISTPACK_BYTES_MAX && bytes <= LISTPACK_BYTES_MAX - more;
}

/* ---- Writing --------------------------------------------------------------------------------
 *
 * What adds answers the position of the (first) element added. */

uint32_t listpack_append(unsigned char **lp, struct slice value);
uint32_t listpack_append_integer(unsigned char **lp, int64_t value);
uint32_t listpack_prepend(unsigned char **lp, struct slice value);
uint32_t listpack_prepend_integer(unsigned char **lp, int64_t value);
/* Before `at`; 0: at the end. */
uint32_t listpack_insert_before(unsigned char **lp, uint32_t at, struct slice value);
uint32_t listpack_insert_after(unsigned char **lp, uint32_t at, struct slice value);
/* The element keeps its position. */
void listpack_replace(unsigned char **lp, uint32_t at, struct slice value);
void listpack_replace_integer(unsigned char **lp, uint32_t at, int64_t value);

/* Answers the position of what followed, 0 if nothing did. */
uint32_t listpack_delete(unsigned char **lp, uint32_t at);
/* Up to `count` elements from `at` on; answers as above. */
uint32_t listpack_delete_many(unsigned char **lp, uint32_t at, size_t count);
/* Up to `count` elements from the index-th on (from the end if negative); how many there were. */
size_t listpack_delete_range(unsigned char **lp, int64_t index, size_t count);

/* `count` values behind each other at the end: one growth, one move. 0 if there are none. */
uint32_t listpack_append_many(unsigned char **lp, const struct slice *values, size_t count);
/* The same for values of which some are integers already. */
uint32_t listpack_append_values(unsigned char **lp, const struct listpack_value *values,
                                size_t count);
/* Copies the elements of another one behind the last (or in front of the first). */
void listpack_merge(unsigned char **lp, const unsigned char *other, bool in_front);
/* The elements from `at` on (0: none) as a new one; they leave this one. */
unsigned char *listpack_split(unsigned char **lp, uint32_t at) __attribute__((returns_nonnull));

/* The one edit all of these are: up to `removed` elements from `at` on (0: at the end) give way to
 * `added` values. Answers the position of the first value added, else of what followed, else 0. */
uint32_t listpack_splice(unsigned char **lp, uint32_t at, size_t removed,
                         const struct slice *values, size_t added);
/* The same for bytes that lie elsewhere: how many there will be, and, once the place has room for
 * as many, the edit itself. */
size_t listpack_splice_size(const unsigned char *lp, uint32_t at, size_t removed,
                            const struct slice *values, size_t added);
uint32_t listpack_splice_in(unsigned char *lp, uint32_t at, size_t removed,
                            const struct slice *values, size_t added);
/* An empty one in LISTPACK_EMPTY bytes that lie elsewhere. */
void listpack_init_in(unsigned char *lp);
/* With `room` bytes in front of it: puts a value before the first element without moving what
 * follows. Returns where the listpack begins then; NULL: the room is too small. O(1). */
unsigned char *listpack_prepend_in(unsigned char *lp, size_t room, struct slice value);
/* Takes up to `count` elements away from the front, which leaves room there. Returns where the
 * listpack begins then. O(count). */
unsigned char *listpack_drop_in(unsigned char *lp, size_t count) __attribute__((returns_nonnull));

/* ---- Bytes from outside ------------------------------------------------------------------ */

/* Asked for each element in order; everything up to the element's end is in order by then, nothing
 * behind it is. False: the bytes are refused. */
typedef bool listpack_check(void *context, const unsigned char *lp, uint32_t at, size_t index);

/* Whether `len` bytes are a listpack; reads none beyond them, whatever they are. Not deep: only the
 * head and the end, O(1). Deep: every element, O(len), and what `check` says (may be NULL). */
bool listpack_validate(const unsigned char *bytes, size_t len, bool deep, listpack_check *check,
                       void *context) NODISCARD;

#endif
