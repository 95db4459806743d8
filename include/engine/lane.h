/* lane.h - one worker's share of the engine: its buffers, clocks, counters, clients and inbox.
 *
 * net/ owns the loop and calls lane_feed with bytes of one connection; the engine parses every
 * complete command of them into a batch, runs it, and leaves the replies in lane->reply for net/ to
 * send. Other threads reach a lane by posting messages. A lane without a loop (tests, the loader)
 * works the same.
 */
#ifndef SPILLWAY_ENGINE_LANE_H
#define SPILLWAY_ENGINE_LANE_H

#include "base/lock.h"
#include "base/queue.h"
#include "base/rand.h"
#include "engine/client.h"
#include "guard/verdict.h"
#include "keyspace/keyspace.h"
#include "proto/reply.h"

struct server;
struct batch;
struct blocking;

#define LANE_ERROR_CODES 64
#define LANE_REPLY_MAX   (1 << 20) /* bytes of replies that end lane_feed after a batch */

/* How often replies began with one error code: written by the owner; `used` is released after
 * code. */
struct lane_errors {
    uint32_t used; /* atomic */
    struct {
        char code[32];
        uint64_t count; /* atomic */
    } codes[LANE_ERROR_CODES];
};

/* Counters of one lane: written by it alone with OWNER_ADD, summed by readers (INFO). */
struct lane_stats {
    struct keyspace_stats keyspace;
    uint64_t commands, errors, connections, rejected_connections;
    uint64_t bytes_in, bytes_out, reads, writes;
    uint64_t queries_too_big, outputs_too_big;
    uint64_t refused_disk, refused_memory;
    uint64_t dirty; /* changes to the data set */
    uint64_t eviction_us;
    struct lane_errors by_code;
};

/* Bucket i of a histogram of durations: those below 2^i microseconds that are in none before. */
#define COMMAND_TIME_BUCKETS 24

/* Per command row and lane; index = registry index of the row. */
struct command_stats {
    uint64_t calls, failed, rejected, us; /* owner lane; atomic for readers */
    uint64_t by_time[COMMAND_TIME_BUCKETS];
};

ALWAYS_INLINE unsigned command_time_bucket(uint64_t us)
{
    unsigned bits = 63 - (unsigned)__builtin_clzll(us << 1 | 1);
    return MIN_OF(bits, COMMAND_TIME_BUCKETS - 1);
}

struct lane_message {
    struct queue_node node;
    void (*run)(struct lane *lane, struct lane_message *message); /* frees the message */
};

struct lane {
    struct server *server;     /* set once */
    unsigned index;            /* set once */
    struct reply_buffer reply; /* replies of the batch being run */
    struct request_vector arguments;
    struct batch *batch;
    struct rand random;
    int64_t now_ms;        /* wall time, read once a turn (and again after anything slow) */
    uint64_t now_us;       /* monotonic, same */
    uint64_t log_gate;     /* highest log offset the replies in `reply` depend on; 0 = none */
    struct bytes record;   /* scratch: what to log instead of the command */
    struct bytes removals; /* scratch: the record of a key that expired or was evicted */
    struct guard_purse purse;
    bool over_memory;       /* above maxmemory, and eviction did not help */
    uint64_t next_slice_us; /* when background work is due next */
    uint64_t timeout_us;    /* when the first of its blocked clients has waited enough; UINT64_MAX =
                               never. The loop has to tick then. */
    bool has_ready;         /* keys became ready that clients wait for, and are not served yet */
    struct blocking *blocking; /* engine/waiter.h */
    uint64_t room_until;       /* mem_thread_allocated from which memory is looked at again */
    uint32_t paused;           /* clients that wait to be admitted */
    struct client *waiting_first, *waiting_last; /* these, in the order they began to */
    struct lane_stats stats;
    struct command_stats *command_stats;

    struct lock registry;   /* guards the list and the clients' strings */
    struct client *clients; /* registry lock; the owner may walk it without */
    uint32_t client_count;  /* atomic */

    struct queue inbox;
    uint32_t impatient; /* atomic: its clients whose next command has come, and waits for an answer
                           that lane_post_lazily may bring */
    /* Set by net/ before start: wakes the loop. NULL: the inbox is polled by lane_tick. */
    void (*wake)(struct lane *lane);
    /* Something for net/ to do with a client that was deferred, paused or told to close: flush
     * lane->reply to it, feed its remaining input, or close it. Owner thread. */
    void (*client_ready)(struct lane *lane, struct client *client);
    /* Set by net/: sends what it can of `reply`, at once, and returns how many bytes that was; 0 on
     * errors, for the owner will meet them. Any thread, while the client stays (engine/block.h). */
    uint64_t (*send_directly)(struct client *client, const struct reply_buffer *reply);
    void *loop; /* net's */
};

enum feed_result {
    FEED_MORE,    /* all that is complete was run; *consumed bytes are done */
    FEED_STOPPED, /* deferred or paused: keep the rest, feed it again after client_ready */
    FEED_FULL,    /* LANE_REPLY_MAX is reached: send the replies, then feed the rest */
    FEED_CLOSE    /* flush the replies, then close */
};

/* Runs every complete command in data[0..len). Replies are appended to lane->reply. *wanted: bytes
 * the incomplete command at the end still needs, at least. The caller sends lane->reply (not before
 * plog is durable up to lane->log_gate, if that is not 0) and clears both. */
enum feed_result lane_feed(struct lane *lane, struct client *client, char *data, size_t len,
                           size_t *consumed, size_t *wanted);

/* Runs one command that is already in arguments, in database `db`: the loader's way in. The client
 * is CLIENT_INTERNAL: nothing is admitted, logged or expired; replies are dropped. False: unknown
 * command or an error reply; *why tells (until the next call). */
bool lane_execute(struct lane *lane, struct client *client, uint32_t db, uint32_t argc,
                  const struct slice *argv, const char **why);

void lane_init(struct lane *lane, struct server *server, unsigned index); /* lane zeroed before */
void lane_free(struct lane *lane);
void lane_turn(struct lane *lane); /* start of a loop turn: refreshes the clocks */
/* End of a turn: the inbox, and bounded slices of background work (expiry, eviction, table upkeep,
 * snapshot capture). True: call again soon, there is more. Cheap when nothing is due. */
bool lane_tick(struct lane *lane);
void lane_post(struct lane *lane, struct lane_message *message); /* any thread */
/* The same for what nobody waits for: a lane that has nothing to do is not woken for it, but hears
 * of it with what wakes it next, a tick at the latest. */
void lane_post_lazily(struct lane *lane, struct lane_message *message);
/* Owner: one client more (or less) is impatient. What was posted lazily before is in the inbox. */
void lane_add_impatient(struct lane *lane, int clients);
void lane_hear(struct lane *lane);        /* owner, between two clients: reads the inbox */
struct hold lane_hold(struct lane *lane); /* for work of its own; nothing is held yet */

/* `client` is zeroed but for peer, local, descriptor and CLIENT_UNIX_SOCKET; registers it and gives
 * it an id. */
void client_init(struct client *client, struct lane *lane);
void client_free(struct client *client); /* unregisters; frees strings, not the struct */
struct client *lane_find_client(struct lane *lane, uint64_t id); /* owner; NULL: gone */
void client_wait(struct client *client); /* CLIENT_PAUSED, at the end of the lane's queue */
void client_stop_waiting(struct client *client);
void lane_count_error(struct lane *lane, const char *text,
                      size_t len); /* text begins with its code */

#endif
