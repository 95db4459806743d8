/* class.h - what a key can hold: the types, their encodings, and one table of what every type can
 * do.
 *
 * A value is a pointer with its type and encoding. It knows neither key, shard nor expiry; whoever
 * holds the lock of the entry that owns it may read or change it. Each type fills one row
 * (struct value_class) in its own file, value/<type>.c, and class.c lists the rows. Strings are
 * here by their blob only: short ones live inside their entry and are keyspace/'s business.
 */
#ifndef SPILLWAY_VALUE_CLASS_H
#define SPILLWAY_VALUE_CLASS_H

#include "base/bytes.h"

enum value_type { TYPE_STRING, TYPE_LIST, TYPE_SET, TYPE_ZSET, TYPE_HASH, TYPE_STREAM, TYPE_COUNT };

enum value_encoding {
    ENCODING_RAW,
    ENCODING_INT,
    ENCODING_EMBSTR,
    ENCODING_LISTPACK,
    ENCODING_QUICKLIST,
    ENCODING_INTSET,
    ENCODING_HASHTABLE,
    ENCODING_SKIPLIST,
    ENCODING_STREAM,
    ENCODING_LISTPACKEX,
    ENCODING_COUNT
};

const char *value_type_name(enum value_type type);             /* "string" ... as TYPE answers */
const char *value_encoding_name(enum value_encoding encoding); /* as OBJECT ENCODING answers */

struct value {
    void *pointer; /* a struct blob, or whatever the type and encoding say */
    uint8_t type;  /* enum value_type */
    uint8_t encoding;
};

/* One element: a list's or set's is one part, a hash's a field, its value and, if it has one, its
 * expiry in ms, a sorted set's a member and its score as "%.17g", a stream's its id "ms.seq" and
 * then fields and values. Borrowed for the call. */
typedef void (*value_visit_fn)(void *ctx, const struct slice *parts, unsigned count);
/* The name of an element that is about to go because its time is over. The value must not be
 * changed. */
typedef void (*value_gone_fn)(void *ctx, struct slice name);

#define VALUE_NEVER_DUE INT64_MAX

enum value_expired {
    VALUE_EXPIRED_ALL, /* nothing more is due now */
    VALUE_MORE_DUE,
    VALUE_EMPTIED /* the last element has gone; the value is valid */
};

/* None of these functions may be NULL, except the last two. */
struct value_class {
    bool ordered; /* elements have an order that is part of the value */
    void (*free)(struct value value);
    /* How many allocations, about, it takes to free it: what decides between now and later.
     * O(1). */
    size_t (*effort)(struct value value);
    /* Bytes it takes; of its allocations no more than `samples` are looked at, the rest is
     * estimated. 0 = all. */
    size_t (*memory)(struct value value, size_t samples);
    struct value (*copy)(struct value value); /* shares nothing that may change */
    void (*each)(struct value value, value_visit_fn visit, void *ctx);
    /* Both NULL: elements of the type have no times of their own. */
    /* expire has nothing to do before this; VALUE_NEVER_DUE: no element has a time. It may be too
     * early. O(1). */
    int64_t (*due_ms)(struct value value);
    /* Removes elements whose time is over: up to `budget` of them, looking at some hundred others
     * at most for the rest. Pointer and encoding of the value may be others then. */
    enum value_expired (*expire)(struct value *value, int64_t now_ms, size_t budget,
                                 value_gone_fn gone, void *ctx);
};

/* Whether this server can hold such values at all. */
bool value_type_is_known(enum value_type type);
bool value_is_ordered(enum value_type type);
void value_free(struct value value);
size_t value_effort(struct value value);
size_t value_memory(struct value value, size_t samples);
struct value value_copy(struct value value);
void value_each(struct value value, value_visit_fn visit, void *ctx);
int64_t value_due_ms(struct value value); /* VALUE_NEVER_DUE in types without times */
/* Of a value with a due time. */
enum value_expired value_expire(struct value *value, int64_t now_ms, size_t budget,
                                value_gone_fn gone, void *ctx);

/* Rows of the types; each in its own file. */
extern const struct value_class string_class; /* blob.c */
extern const struct value_class set_class;
extern const struct value_class hash_class;
extern const struct value_class list_class;
extern const struct value_class zset_class;
extern const struct value_class stream_class;

#endif
