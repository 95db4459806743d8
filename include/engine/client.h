/* client.h - what the engine knows of one connection. No sockets: net/ embeds this in its session.
 *
 * Owned by one lane (worker) for life. Fields other threads look at (CLIENT LIST, KILL) are atomic,
 * or guarded by the lane's registry lock where they are strings.
 */
#ifndef SPILLWAY_ENGINE_CLIENT_H
#define SPILLWAY_ENGINE_CLIENT_H

#include "base/bytes.h"
#include "proto/request.h"

struct lane;
struct command;
struct waiter;

enum client_flags {
    CLIENT_CLOSE_AFTER_REPLY = 1 << 0,
    CLIENT_CLOSE_NOW = 1 << 1,
    CLIENT_UNIX_SOCKET = 1 << 2,
    CLIENT_NO_EVICT = 1 << 3,
    CLIENT_NO_TOUCH = 1 << 4,
    CLIENT_REPLY_OFF = 1 << 5,
    CLIENT_REPLY_SKIP_NEXT =
        1 << 6,                 /* set by CLIENT REPLY SKIP: the next command's reply is dropped */
    CLIENT_REPLY_SKIP = 1 << 7, /* the current one's is */
    CLIENT_DEFERRED =
        1 << 8, /* a command's reply comes later; nothing more of its input is run until then */
    CLIENT_PAUSED = 1 << 9, /* was told ADMIT_WAIT: stands in its lane's queue of waiting clients */
    CLIENT_READONLY = 1 << 10,
    CLIENT_INTERNAL = 1 << 11, /* loader and tests: no admission, no log */
    CLIENT_MONITOR = 1 << 12,
    CLIENT_IMPORT_SOURCE = 1 << 13, /* feeds data while import-mode is on */
    CLIENT_BLOCKED = 1 << 14,       /* waits for a key: with CLIENT_DEFERRED */
    CLIENT_DENY_BLOCKING = 1 << 15  /* its commands must not wait (transactions, scripts) */
};

enum client_wait {                            /* what a client with CLIENT_PAUSED waits for */
                   CLIENT_WAITS_FOR_PAUSE,    /* the end of CLIENT PAUSE, of whatever mode */
                   CLIENT_WAITS_FOR_READS,    /* ... or its being reduced to writes */
                   CLIENT_WAITS_FOR_DISK,     /* the disk guard's next refill */
                   CLIENT_WAITS_FOR_SNAPSHOT, /* a pass to be written on */
                   CLIENT_WAITS_FOR_PINS      /* the end of a command that runs aside */
};

struct client {
    uint64_t id;        /* set once */
    struct lane *lane;  /* set once: the owner */
    uint32_t flags;     /* atomic: enum client_flags */
    uint32_t db;        /* owner; atomic for readers */
    uint8_t resp;       /* 2 or 3; owner; atomic */
    bool authenticated; /* owner */
    bool killed;        /* atomic: closed by CLIENT KILL as soon as its lane hears of it */
    struct request_parser parser; /* owner */

    struct client *next, *previous; /* lane's registry lock */
    char *name, *lib_name, *lib_version,
        *user;                         /* lane's registry lock; owner reads without; NULL = unset */
    char peer[64], local[64];          /* set once: "127.0.0.1:1234", "/path:0" */
    int descriptor;                    /* set once: for CLIENT LIST */
    int64_t created_ms;                /* set once */
    int64_t active_ms;                 /* atomic: last interaction */
    const struct command *last;        /* atomic: last command */
    const struct command *last_parent; /* atomic: its container, or NULL */
    uint64_t commands, bytes_in, bytes_out; /* atomic, written by the owner */
    uint64_t input_bytes, input_free,
        output_bytes; /* atomic: memory held by the connection's buffers */
    uint64_t log_end; /* owner: log offset its pending replies wait for (group commit) */

    /* Owner: with CLIENT_PAUSED. */
    struct client *next_waiting, *previous_waiting;
    uint64_t retry_at_us; /* of lane->now_us: not to be tried again before */
    uint8_t waits_for;    /* enum client_wait */

    /* Owner: a command that was deferred. completed(ctx) is dropped with the client. */
    void *deferred;                                 /* whatever the command keeps meanwhile */
    void (*deferred_cancel)(struct client *client); /* the client goes away first; may be NULL */
    /* With CLIENT_BLOCKED, or of a command sent aside. Written by the owner, cleared by it under the
     * lane's registry lock. */
    struct waiter *waiter;
};

/* The client waits, but for nothing of its own making: its command runs aside (engine/aside.h), or
 * waits for another that does. It would have been answered by now, so it is though it has left. The
 * owner asks. */
ALWAYS_INLINE bool client_is_served(const struct client *client)
{
    return (client->waiter != NULL && !(client->flags & CLIENT_BLOCKED)) ||
           (client->flags & CLIENT_PAUSED && client->waits_for == CLIENT_WAITS_FOR_PINS);
}

#endif
