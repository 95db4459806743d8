/* call.h - one command being run: what a handler gets, and the few verbs it answers with.
 *
 * A handler reads call->argv, works on the keyspace under call->hold (already taken for the keys
 * its row declares), appends its reply to call->reply and reports changes with call_changed. The
 * dispatcher then records the effect: the command as it was sent, unless the handler replaced it
 * (call_effect). Handlers run on the client's lane and never block.
 */
#ifndef SPILLWAY_ENGINE_CALL_H
#define SPILLWAY_ENGINE_CALL_H

#include "engine/client.h"
#include "engine/command.h"
#include "engine/lane.h"
#include "engine/server.h"
#include "keyspace/keyspace.h"
#include "proto/reply.h"

enum call_aside { /* engine/aside.h */
                  ASIDE_NOT,
                  ASIDE_RUNS,   /* it runs aside, holding its shards */
                  ASIDE_LET_GO, /* ... nothing */
                  ASIDE_BACK,   /* ... its shards again; nothing is pinned */
                  ASIDE_STALE,  /* ... nothing: what it has read is not so any more */
                  ASIDE_KEEPS   /* it runs aside and holds its shards all the time */
};

struct call {
    struct server *server;
    struct lane *lane;
    struct client *client;
    const struct command *command, *parent; /* parent: container of a subcommand, or NULL */
    uint32_t argc;
    const struct slice *argv; /* argv[0] is the command's name */
    struct slice raw;         /* the request's bytes as RESP, or empty (inline) */
    struct reply_buffer *reply;
    struct hold hold;
    uint32_t db;
    uint32_t key_count;
    const uint32_t *key_at;   /* argument indexes of the declared keys, ascending */
    const uint64_t *key_hash; /* their hashes */
    uint64_t changes;         /* what Redis calls dirty: 0 = nothing to log */
    bool effect_replaced;     /* lane->record holds what to log instead */
    uint32_t effect_count;    /* commands in lane->record */
    bool failed;              /* an error was replied */
    bool blocked;             /* it waits for a key (engine/block.h), or was sent aside: there is no
                                 reply yet */
    uint8_t aside;            /* enum call_aside */
};

/* The key at argument `at`, with its hash (found among the declared ones, else computed). */
struct key call_key(const struct call *call, uint32_t at);
/* Any other name; hashes it. */
struct key call_key_in(const struct call *call, struct slice name, uint32_t db);
/* The key at argument 1 of a command whose row says KEYS_ONE or KEYS_ALL. */
ALWAYS_INLINE struct key call_first_key(const struct call *call)
{
    return (struct key){.name = call->argv[1], .hash = call->key_hash[0], .db = call->db};
}

ALWAYS_INLINE void call_changed(struct call *call, uint64_t changes)
{
    call->changes += changes;
}

/* What is logged instead of the command itself. The first call_effect drops the original; several
 * make a MULTI ... EXEC group. Recorded only if call->changes > 0 in the end. Arguments are
 * copied. */
void call_effect(struct call *call, uint32_t argc, const struct slice *argv);
void call_effect_none(struct call *call);    /* log nothing although something changed */
struct slice call_record(struct call *call); /* for the dispatcher: what to append; borrowed */

/* Errors: each replies and marks the call failed. Texts are Redis's. */
void call_error(struct call *call, const char *text); /* "ERR ..." */
void call_errorf(struct call *call, const char *format, ...) PRINTF_LIKE(2, 3);
void call_syntax_error(struct call *call); /* ERR syntax error */
void call_wrong_type(struct call *call);
void call_wrong_arity(struct call *call);
void call_unknown_subcommand(struct call *call);

/* Argument readers: false after replying the error. `error` NULL = Redis's default text. */
bool call_i64(struct call *call, uint32_t at, int64_t *out, const char *error);
bool call_i64_range(struct call *call, uint32_t at, int64_t min, int64_t max, int64_t *out,
                    const char *error);
bool call_double(struct call *call, uint32_t at, double *out, const char *error);
bool call_long_double(struct call *call, uint32_t at, long double *out, const char *error);

/* The string entry under a key: false after replying WRONGTYPE. *entry NULL = absent. */
bool call_find_string(struct call *call, const struct key *key, unsigned how, struct entry **entry);
/* The same for any type of value. */
bool call_find_value(struct call *call, const struct key *key, unsigned how, enum value_type type,
                     struct entry **entry);
/* Replies the string of an entry: copied when small, by reference when large. */
void call_reply_string(struct call *call, const struct entry *entry);

/* Keyspace notification; class is its letter in notify-keyspace-events ('$' string, 'g' generic
 * ...). */
void call_notify(struct call *call, char class, const char *event, const struct key *key);

/* The reply comes later: nothing more of this client runs until client_complete. From another
 * thread: lane_post a message to call->lane that finds the client by id (lane_find_client), appends
 * the reply to lane->reply and calls client_complete. cancel (may be NULL) is called if the client
 * goes away first. */
void call_defer(struct call *call, void *state, void (*cancel)(struct client *client));
void client_complete(struct client *client); /* on the client's lane */

#endif
