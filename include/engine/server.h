/* server.h - the server as one value: its parts, built bottom-up by main and by tests. No code of
 * its own. */
#ifndef SPILLWAY_ENGINE_SERVER_H
#define SPILLWAY_ENGINE_SERVER_H

#include "base/bytes.h"

struct call;
struct key;
struct keyspace;
struct plog;
struct guard;
struct persist;
struct registry;
struct lazyfree;
struct lane;
struct aside;
struct settings;
struct config;
struct ops;

#define LANES_MAX 128

enum server_phase { SERVER_STARTING, SERVER_LOADING, SERVER_READY, SERVER_STOPPING };

enum server_shutdown { SHUTDOWN_NONE, SHUTDOWN_SAVING, SHUTDOWN_ABORTED };

enum server_stop_how {
    STOP_DEFAULT = 0, /* a final snapshot if save points are configured */
    STOP_SAVE = 1,
    STOP_NOSAVE = 2,
    STOP_NOW = 4,    /* do not wait for replicas */
    STOP_FORCE = 8,  /* go on although the final save failed */
    STOP_SIGNAL = 16 /* by a signal: always exits */
};

struct server {
    struct settings *settings; /* engine/settings.h: what configuration says; set once */
    struct config *config;     /* ops/config.h; set once */
    struct keyspace *keyspace; /* set once */
    struct plog *plog;         /* set once */
    struct guard *guard;       /* set once */
    struct persist *persist;   /* set once; NULL in tests without a disk */
    struct lazyfree *lazyfree; /* set once; may be NULL */
    struct registry *registry; /* set once */
    struct ops *ops;           /* ops/state.h; set once; NULL in tests of layers below */
    struct aside *aside;       /* set once; NULL in tests: nothing runs aside */
    uint64_t aside_from;       /* atomic: elements from which on commands run aside */
    /* Of the workers; and behind them, which lane_count does not count, the one that runs commands
     * aside. Set once. */
    struct lane *lanes[LANES_MAX + 1];
    unsigned lane_count;
    uint64_t seed; /* keyspace seed */
    char run_id[41];
    char repl_id[41];   /* settings lock: the id of this data set's history */
    int64_t started_ms; /* wall */
    uint64_t started_mono_ms;
    uint64_t next_client_id;                 /* atomic */
    uint32_t blocked_clients, timed_clients; /* atomic: those that wait for keys; with a timeout */
    uint32_t pin_waiters;    /* atomic: clients that wait to change a pinned value */
    uint32_t phase;          /* atomic: enum server_phase */
    uint64_t pause_until_ms; /* atomic: CLIENT PAUSE (wall ms); 0 = none */
    uint32_t pause_all;      /* atomic: 1 = all commands, 0 = writes */
    uint32_t
        gate_replies;  /* atomic: 1 = replies wait until the log is durable (appendfsync always) */
    uint32_t shutdown; /* atomic: enum server_shutdown, of a SHUTDOWN that saves first */
    uint64_t peak_memory;    /* atomic */
    uint64_t startup_memory; /* set once: bytes in use before any data was loaded */
    char *config_path;       /* set once; absolute; NULL without a file */
    char *executable;        /* set once */
    /* Asks the process to stop, as SHUTDOWN and signals do: a flag of enum server_stop_how besides.
     * Any thread. Set by main. */
    void (*stop)(struct server *server, unsigned how);
    /* Observers above the engine; set by main before workers start; NULL = nobody. Called on the
     * lane after a command that was slow, or had many bytes; its hold is dropped. `us` is how long
     * it ran, `reply_bytes` what it replied (so far, if its reply comes later). */
    void (*notable_call)(struct call *call, uint64_t us, uint64_t reply_bytes);
    /* Atomic: from so much on a call is told to notable_call. */
    uint64_t notable_us, notable_request_bytes, notable_reply_bytes;
    /* A key expired or was evicted (event), or fields of a hash expired ("hexpired"; and "del" next
     * if none is left). Its shard is held: must be quick and take no shard. */
    void (*removed)(struct server *server, const struct key *key, const char *event);
    void (*notify)(struct call *call, char class, const char *event, const struct key *key);
};

/* Lanes that count what they do: those of the workers, and the one that runs commands aside. */
ALWAYS_INLINE unsigned server_counting_lanes(const struct server *server)
{
    return server->lane_count + (server->aside != NULL);
}

/* CLIENT PAUSE is in force: writes wait, and the keyspace removes nothing by itself. */
ALWAYS_INLINE bool server_is_paused(const struct server *server, int64_t now_ms)
{
    uint64_t until = RELAXED_LOAD(&server->pause_until_ms);
    return UNLIKELY(until != 0) && (uint64_t)now_ms < until;
}

#endif
