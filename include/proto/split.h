/* split.h - lines of words and quotes, as inline commands, redis-cli and configuration files use
 * them.
 *
 * Words are separated by blanks. "double quotes" know \n \r \t \b \a, \xHH and \ before any other
 * byte; 'single quotes' know only \'. A closing quote must end the word; an opening one may stand
 * inside it.
 */
#ifndef SPILLWAY_PROTO_SPLIT_H
#define SPILLWAY_PROTO_SPLIT_H

#include "base/bytes.h"

/* Takes the next word of [*at, end) and moves *at behind it. Its bytes, quoting undone, go to
 * out (NULL: only measured), never more than were taken, so out may be *at itself: undone in
 * place. 1: a word of *len bytes. 0: only blanks were left. -1: unbalanced quotes. */
int split_next(const char **at, const char *end, char *out, size_t *len) NODISCARD;

/* Splits a whole line. Returns the number of words, or -1 for unbalanced quotes (*args is NULL
 * then, as for 0 words). Words are fresh and NUL-terminated, all in the one allocation *args
 * (mem_free it). */
int split_line(struct slice line, struct slice **args) NODISCARD;

#endif
