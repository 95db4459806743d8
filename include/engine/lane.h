/* lane.h - one worker's share of the engine: its buffers, clocks, counters, clients and inbox.
 *
 * net/ owns the loop and calls lane_feed with bytes of one connection; the engine parses every complete command of
 * them into a batch, runs it, and leaves the replies in lane->reply for net/ to send. Other threads reach a lane by
 * posting messages. A lane without a loop (tests, the loader) works the same.
 */
#ifndef SPILLWAY_ENGINE_LANE_H
#define SPILLWAY_ENGINE_LANE_H

#include "base/queue.h"
#include "base/rand.h"
#include "engine/client.h"
#include "keyspace/keyspace.h"
#include "proto/reply.h"

struct server;

/* Counters of one lane: written by it alone with OWNER_ADD, summed by readers (INFO). */
struct lane_stats {
    struct keyspace_stats keyspace;
    uint64_t commands, calls_failed, calls_rejected, connections, rejected_connections;
    uint64_t bytes_in, bytes_out, reads, writes;
    uint64_t errors_unauthenticated, errors_acl;
    uint64_t client_queries_too_big, client_outputs_too_big;
    uint64_t refused_disk, refused_memory, clients_evicted;
    uint64_t expire_slices, dirty;
};

/* Per command and lane; index = registry index of the row. */
struct command_stats {
    uint64_t calls, failed, rejected, us; /* owner lane */
};

struct lane_message {
    struct queue_node node;
    void (*run)(struct lane *lane, struct lane_message *message); /* frees the message */
};

struct lane {
    struct server *server;
    unsigned index;
    struct reply_buffer reply; /* replies of the batch being run */
    struct request_vector arguments;
    struct rand random;
    int64_t now_ms;      /* wall time, read once a turn (and again after anything slow) */
    uint64_t now_us;     /* monotonic, same */
    uint64_t log_gate;   /* highest log offset the replies in `reply` depend on; 0 = none */
    struct bytes record; /* scratch for log records */
    struct lane_stats stats;
    struct command_stats *command_stats;

    struct lock_word {
        uint32_t state;
    } registry;             /* guards the list and clients' strings; see lane_clients_lock */
    struct client *clients; /* registry lock; owner may walk without changing */
    uint32_t client_count;  /* atomic */

    struct queue inbox;
    void (*wake)(
        struct lane
            *lane); /* set by net/ before start: wakes the loop; NULL: the inbox is polled */
    /* Called by the engine when a client that was deferred, paused or told to close has something for net/ to do: continue with its
     * remaining input, flush lane->reply to it, or close it. Owner thread. */
    void (*client_ready)(struct lane *lane, struct client *client);
    void *loop; /* net's */
};

enum feed_result {
    FEED_MORE, /* everything complete was run; *consumed bytes are done; *wanted: more bytes the incomplete command needs */
    FEED_STOPPED, /* the client was deferred or paused: keep the rest, feed it again after client_ready */
    FEED_CLOSE /* flush the replies, then close */
};

/* Runs every complete command in data[0..len). data is writable (inline quoting). Replies are appended to lane->reply. */
enum feed_result lane_feed(struct lane *lane, struct client *client, char *data, size_t len,
                           size_t *consumed, size_t *wanted);

void lane_init(struct lane *lane, struct server *server, unsigned index);
void lane_free(struct lane *lane);
void lane_turn(struct lane *lane); /* start of a loop turn: refresh the clocks */
/* End of a turn: bounded slices of background work (expiry, eviction debt, upkeep, capture), the inbox. True: call again soon. */
bool lane_tick(struct lane *lane);
void lane_post(struct lane *lane, struct lane_message *message); /* any thread */

void client_init(struct client *client,
                 struct lane *lane);     /* zeroed by the caller; registers it, gives it an id */
void client_free(struct client *client); /* unregisters; frees strings, not the struct */
void lane_clients_lock(struct lane *lane);
void lane_clients_unlock(struct lane *lane);

#endif
