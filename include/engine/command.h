/* command.h - one command as one row: what it is called, how it is called, where its keys are, what
 * it does.
 *
 * COMMAND's answers, admission, key hashing, ACL categories and the disk guard's classes all come
 * from these rows. Rows are constant; families list them in one array each and main adds the arrays
 * to the registry.
 */
#ifndef SPILLWAY_ENGINE_COMMAND_H
#define SPILLWAY_ENGINE_COMMAND_H

#include "base/bytes.h"

struct call;
typedef void (*command_fn)(struct call *call);

enum command_flags { /* names in COMMAND INFO are Redis's */
                     CMD_WRITE = 1 << 0,
                     CMD_READONLY = 1 << 1,
                     CMD_DENYOOM = 1 << 2,
                     CMD_ADMIN = 1 << 3,
                     CMD_PUBSUB = 1 << 4,
                     CMD_NOSCRIPT = 1 << 5,
                     CMD_BLOCKING = 1 << 6,
                     CMD_LOADING = 1 << 7, /* allowed while loading */
                     CMD_STALE = 1 << 8,   /* allowed on a stale replica */
                     CMD_SKIP_MONITOR = 1 << 9,
                     CMD_SKIP_SLOWLOG = 1 << 10,
                     CMD_ASKING = 1 << 11,
                     CMD_FAST = 1 << 12,
                     CMD_NO_AUTH = 1 << 13,
                     CMD_MAY_REPLICATE = 1 << 14,
                     CMD_NO_ASYNC_LOADING = 1 << 15,
                     CMD_NO_MULTI = 1 << 16,
                     CMD_MOVABLEKEYS = 1 << 17,
                     CMD_ALLOW_BUSY = 1 << 18,
                     CMD_NO_MANDATORY_KEYS = 1 << 19,
                     /* ours, not shown */
                     CMD_WHOLE_KEYSPACE = 1 << 24, /* hold every shard (see wants_all) */
                     CMD_NO_HOLD = 1 << 25,        /* takes its shards itself (SCAN ...) */
                     CMD_SHRINK = 1 << 26,         /* only ever frees: always admitted, logged from
                                                 the reclaim reserve */
                     CMD_NEUTRAL = 1 << 27, /* a write that does not grow (PERSIST, RENAME ...) */
                     CMD_PARENT = 1 << 28,  /* a container: subcommands do the work; `run` (or
                                               NULL) answers when none fits */
                     CMD_SYSCMD = 1 << 29   /* for servers and their tests: COMMAND DOCS says so */
};

enum command_group { /* group names of COMMAND DOCS; LIST to GEO: of values outside entries */
                     GROUP_GENERIC,
                     GROUP_STRING,
                     GROUP_BITMAP,
                     GROUP_LIST,
                     GROUP_SET,
                     GROUP_SORTED_SET,
                     GROUP_HASH,
                     GROUP_STREAM,
                     GROUP_GEO,
                     GROUP_HYPERLOGLOG,
                     GROUP_PUBSUB,
                     GROUP_TRANSACTIONS,
                     GROUP_CONNECTION,
                     GROUP_SERVER,
                     GROUP_SCRIPTING,
                     GROUP_CLUSTER
};

enum acl_category {
    ACL_KEYSPACE = 1 << 0,
    ACL_READ = 1 << 1,
    ACL_WRITE = 1 << 2,
    ACL_SET = 1 << 3,
    ACL_SORTEDSET = 1 << 4,
    ACL_LIST = 1 << 5,
    ACL_HASH = 1 << 6,
    ACL_STRING = 1 << 7,
    ACL_BITMAP = 1 << 8,
    ACL_HYPERLOGLOG = 1 << 9,
    ACL_GEO = 1 << 10,
    ACL_STREAM = 1 << 11,
    ACL_PUBSUB = 1 << 12,
    ACL_ADMIN = 1 << 13,
    ACL_FAST = 1 << 14,
    ACL_SLOW = 1 << 15,
    ACL_BLOCKING = 1 << 16,
    ACL_DANGEROUS = 1 << 17,
    ACL_CONNECTION = 1 << 18,
    ACL_TRANSACTION = 1 << 19,
    ACL_SCRIPTING = 1 << 20
};

enum key_flags { /* of a key specification; names in COMMAND INFO are Redis's */
                 KEY_RO = 1,
                 KEY_RW = 2,
                 KEY_OW = 4,
                 KEY_RM = 8,
                 KEY_ACCESS = 16,
                 KEY_UPDATE = 32,
                 KEY_INSERT = 64,
                 KEY_DELETE = 128,
                 KEY_NOT_KEY = 256,
                 KEY_INCOMPLETE = 512,
                 KEY_VARIABLE_FLAGS = 1024
};

/* Where keys are. An index spec: `begin` counts arguments from the command's name (0). A keyword
 * spec: search `keyword` from argument `begin` on (negative: backwards from the end). Then a range
 * (last: 0 = the one key, -1 = to the last argument ... relative to begin; limit as Redis's) or a
 * key count at argument `count_at` (relative to begin). */
struct key_spec {
    uint16_t flags;      /* enum key_flags; 0 = no more specs */
    const char *keyword; /* NULL: index spec */
    int16_t begin;
    bool counted; /* keynum spec: count at begin + count_at, first key at begin + first, step */
    int16_t last; /* range */
    int16_t step;
    int16_t limit;
    int16_t count_at, first;
};

#define KEY_SPECS_MAX 3

/* Finds key positions where specs do not suffice. Fills positions (argument indexes) and flags;
 * returns how many, or -1. */
typedef int (*command_keys_fn)(uint32_t argc, const struct slice *argv, uint32_t *positions,
                               uint16_t *flags, uint32_t max);

/* Whether a CMD_WHOLE_KEYSPACE command wants every shard with these arguments; else those of the
 * keys that the row finds are enough. argc may be any. */
typedef bool (*command_all_fn)(uint32_t argc, const struct slice *argv);

struct command {
    const char *name; /* lower case; a subcommand's own name without its parent's */
    command_fn run;
    int16_t arity; /* as Redis: name (and subcommand) counted; negative = at least */
    uint32_t flags;
    uint32_t acl; /* categories besides those that follow from flags (read, write, fast ...) */
    struct key_spec keys[KEY_SPECS_MAX];
    command_keys_fn find_keys;
    command_all_fn wants_all; /* NULL: CMD_WHOLE_KEYSPACE says all */
    /* Where the names of elements are that are looked up in the value of the first key: the first
     * one's argument (0: there are none) and how many further the next one is (0: no other). Only a
     * hint what to prefetch, so it may be wrong where options come before. */
    uint8_t element_at, element_step;
    enum command_group group;
    const char *usage;   /* its arguments, in the notation of engine/usage.h; NULL: it has none */
    const char *history; /* what changed: lines of a version, a space and words of ours, or NULL */
    const char *since;   /* of Redis or Valkey, as documented */
    const char *summary; /* our own words */
    const char *complexity;
    const char *deprecated_since, *replaced_by;
    const char *const *tips;           /* NULL-terminated, or NULL */
    const struct command *subcommands; /* array ended by a row without name, or NULL */
};

/* The usual key specs. */
#define KEYS_ONE(f)                                                                                \
    {                                                                                              \
        {                                                                                          \
            .flags = (f), .begin = 1, .step = 1                                                    \
        }                                                                                          \
    }
#define KEYS_ALL(f)                                                                                \
    {                                                                                              \
        {                                                                                          \
            .flags = (f), .begin = 1, .last = -1, .step = 1                                        \
        }                                                                                          \
    }
#define KEYS_PAIRS(f)                                                                              \
    {                                                                                              \
        {                                                                                          \
            .flags = (f), .begin = 1, .last = -1, .step = 2                                        \
        }                                                                                          \
    }
#define KEYS_SECOND(f)                                                                             \
    {                                                                                              \
        {                                                                                          \
            .flags = (f), .begin = 2, .step = 1                                                    \
        }                                                                                          \
    } /* behind a subcommand */

#endif
