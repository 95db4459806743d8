/* glob.c - matching without recursion: on a mismatch the last star takes one byte more.
 *
 * Giving only the last star another try is enough: what an earlier star could swallow instead, the
 * last one can too. So the worst case is the product of the lengths, whatever the pattern.
 */
#include "base/glob.h"

static unsigned char fold(unsigned char c, bool nocase)
{
    return nocase && c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* Matches one byte against the class that starts behind '['; returns the offset behind its ']'. */
static size_t match_class(struct slice pattern, size_t at, unsigned char c, bool nocase, bool *hit)
{
    const unsigned char *p = (const unsigned char *)pattern.data;
    bool negated = at < pattern.len && p[at] == '^', found = false;
    at += negated;
    for (; at < pattern.len && p[at] != ']'; at++) {
        if (p[at] == '\\' && at + 1 < pattern.len) {
            at++;
            found |= fold(p[at], nocase) == c;
        } else if (at + 2 < pattern.len && p[at + 1] == '-') {
            /* Redis compares the bytes of a range as signed ones. */
            int low = (signed char)fold(p[at], nocase), high = (signed char)fold(p[at + 2], nocase);
            found |= MIN_OF(low, high) <= (signed char)c && (signed char)c <= MAX_OF(low, high);
            at += 2;
        } else {
            found |= fold(p[at], nocase) == c;
        }
    }
    *hit = found != negated;
    return at < pattern.len ? at + 1 : at;
}

/* Matches one byte against the pattern's item at `at` (not a star); returns the offset behind
 * it. */
static size_t match_item(struct slice pattern, size_t at, unsigned char c, bool nocase, bool *hit)
{
    unsigned char item = (unsigned char)pattern.data[at];
    c = fold(c, nocase);
    if (item == '[')
        return match_class(pattern, at + 1, c, nocase, hit);
    if (item == '\\' && at + 1 < pattern.len)
        item = (unsigned char)pattern.data[++at];
    else if (item == '?') {
        *hit = true;
        return at + 1;
    }
    *hit = fold(item, nocase) == c;
    return at + 1;
}

static bool match(struct slice pattern, struct slice text, bool nocase)
{
    size_t at = 0, t = 0, star = SIZE_MAX, star_text = 0;
    while (t < text.len) {
        bool hit = false;
        size_t next = at;
        if (at < pattern.len && pattern.data[at] == '*') {
            star = ++at;
            star_text = t;
            continue;
        }
        if (at < pattern.len)
            next = match_item(pattern, at, (unsigned char)text.data[t], nocase, &hit);
        if (hit) {
            at = next;
            t++;
        } else if (star != SIZE_MAX) {
            at = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (at < pattern.len && pattern.data[at] == '*')
        at++;
    return at == pattern.len;
}

bool glob_match(struct slice pattern, struct slice text)
{
    return match(pattern, text, false);
}

bool glob_match_nocase(struct slice pattern, struct slice text)
{
    return match(pattern, text, true);
}

bool glob_is_literal(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.data[i] == '*' || pattern.data[i] == '?' || pattern.data[i] == '[' ||
            pattern.data[i] == '\\')
            return false;
    return true;
}
