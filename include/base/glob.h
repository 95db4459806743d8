/* glob.h - glob-style patterns as KEYS, SCAN, PSUBSCRIBE, ACL and CONFIG GET use them. */
#ifndef SPILLWAY_BASE_GLOB_H
#define SPILLWAY_BASE_GLOB_H

#include "base/bytes.h"

/* Whether the whole text matches: '*' any run, '?' one byte, [abc], [a-z], [^a] one byte of (not
 * of) a class, '\' takes the next byte literally. A class that is not closed ends with the pattern.
 * O(text * pattern) at worst: only the last star is ever tried again. */
bool glob_match(struct slice pattern, struct slice text);
bool glob_match_nocase(struct slice pattern, struct slice text); /* ASCII letters alike */
bool glob_is_literal(struct slice pattern); /* no '*', '?', '[' or '\': matches itself alone */

#endif
