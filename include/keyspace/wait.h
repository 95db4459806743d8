/* wait.h - who waits for which key: per key a queue, first come first served, under its shard's
 * lock.
 *
 * The keyspace knows neither clients nor commands. A waiter is a node that stands in the queue of
 * one key (whoever waits for several keys has a node for each), and the keyspace's hook `ready` is
 * called when something happened to a key with a queue that may be what its waiters wait for: it
 * came into being, holds another value, or, if a waiter asked for that, went away. The hook only
 * takes a note; whoever holds the shard serves the queue when its command is done.
 *
 * While nobody waits in a shard this costs the commands there one test, of hold->waited.
 */
#ifndef SPILLWAY_KEYSPACE_WAIT_H
#define SPILLWAY_KEYSPACE_WAIT_H

#include "keyspace/keyspace.h"

struct waiting_key;

struct wait_node { /* shard lock */
    /* Set by the caller before it joins. */
    void *owner;     /* the caller's */
    uint64_t shards; /* all that must be held to serve it, the key's own among them */
    uint64_t feeds;  /* hash of another key that serving it may fill; with `moves` */
    bool moves;
    bool on_removal; /* wants to hear of the key's end too */
    /* Ours. */
    struct waiting_key *key;           /* NULL: stands in no queue */
    struct wait_node *next, *previous; /* next: who came later */
    uint64_t ticket;                   /* ascending along a queue */
};

/* The node at the end of the key's queue. False: the last one there is of the same owner, who named
 * the key twice; the node did not join. O(1). */
bool wait_join(struct hold *hold, const struct key *key, struct wait_node *node);
/* Takes a node out of its queue; it may stand in none. Its shard is held. O(1). */
void wait_leave(struct hold *hold, struct wait_node *node);
/* The first node of the key's queue, or NULL. O(1). */
struct wait_node *wait_first(struct hold *hold, const struct key *key);
/* The ticket of the last node of this one's queue. */
uint64_t wait_last_ticket(const struct wait_node *node);
/* Whether somebody in the node's queue wants to hear of removals. */
bool wait_hears_removals(const struct wait_node *node);
/* Calls the hook if somebody waits for the key: for changes within a value that its waiters care
 * about (a stream's new entry). Everything else the keyspace notices by itself. */
void wait_signal(struct hold *hold, const struct key *key);
/* The shards that serving those who wait for a key of this hash takes, in any database, and those
 * who wait for what they would fill, and so on. Bounded work, so it may miss some of the latter;
 * and shards that are not held are not looked into. */
uint64_t wait_shards(const struct hold *hold, uint64_t hash);
/* The key is about to be served by hold->lane: if it becomes ready again the hook is called
 * again. */
void wait_taken_up(struct hold *hold, const struct key *key);
/* Keys that somebody waits for, and how many of them with a waiter that hears of removals. Any
 * thread, no lock. */
size_t wait_keys(const struct keyspace *ks);
size_t wait_keys_on_removal(const struct keyspace *ks);

#endif
