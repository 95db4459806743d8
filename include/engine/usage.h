/* usage.h - the arguments of a command, written as one line in the manner of a manual page.
 *
 *   key#0 value [condition(NX | XX)@2.6.12] [GET@6.2.0] [expiration(EX seconds:integer | KEEPTTL)]
 *
 *   name:type         a value: string (if none is said), integer, double, pattern, unix-time, key
 *   name#1            a key, which the row's second key specification finds
 *   name:pattern#1    no key itself, but what keys are made of
 *   TOKEN  'sign'     to be written as it is; named by itself in lower case
 *   TOKEN value       what stands behind a token: a value or a group
 *   name(a b)         a block: one behind the other
 *   name(a | b)       one of these
 *   [a]               may be absent
 *   a...              once or more; of what a token stands before, only the rest is repeated
 *   [TOKEN a]...      any number of times, each with the token
 *   a@6.2.0  a!7.0.0  since this version, deprecated since that; before the dots
 *   name=a            the name of a value if it is not what is shown; of a token with no value
 *
 * The parser borrows from the line and allocates nothing. Rows keep the line only; COMMAND DOCS
 * parses it when asked. Names, types and tokens are those of Redis's COMMAND DOCS:
 * https://redis.io/docs/latest/commands/command-docs/
 */
#ifndef SPILLWAY_ENGINE_USAGE_H
#define SPILLWAY_ENGINE_USAGE_H

#include "base/bytes.h"

#define USAGE_ARGS_MAX 64 /* of one line, groups and what is in them counted */

enum usage_type {
    USAGE_STRING,
    USAGE_INTEGER,
    USAGE_DOUBLE,
    USAGE_KEY,
    USAGE_PATTERN,
    USAGE_UNIX_TIME,
    USAGE_PURE_TOKEN,
    USAGE_ONEOF,
    USAGE_BLOCK
};

enum usage_flags { USAGE_OPTIONAL = 1, USAGE_MULTIPLE = 2, USAGE_MULTIPLE_TOKEN = 4 };

struct usage_arg {
    struct slice name;                    /* of a pure token: empty if it is the token's */
    struct slice shown;                   /* of a value: what a hint says; of others empty */
    struct slice token;                   /* data NULL: there is none; it may be empty */
    struct slice since, deprecated_since; /* empty: not said */
    enum usage_type type;
    uint8_t flags;    /* enum usage_flags */
    uint8_t children; /* of a group: how many it has */
    uint8_t size;     /* nodes of this argument, itself and its children's included */
    int8_t key_spec;  /* -1: none */
};

/* Groups stand before their children, so that the next argument of a group is `size` further. */
struct usage {
    struct usage_arg args[USAGE_ARGS_MAX];
    uint8_t count, top; /* all nodes; those that are in no group */
};

/* Parses a line, which must stay as long as the result is used. NULL, or what is wrong (a constant)
 * with *at (may be NULL) saying where in the line. */
const char *usage_parse(const char *line, struct usage *usage, size_t *at);

#endif
