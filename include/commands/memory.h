/* memory.h - where the memory is: one report for MEMORY STATS, MEMORY DOCTOR and INFO. */
#ifndef SPILLWAY_COMMANDS_MEMORY_H
#define SPILLWAY_COMMANDS_MEMORY_H

#include "base/mem.h"
#include "engine/server.h"
#include "keyspace/keyspace.h"

/* All bytes, unless said otherwise. */
struct memory_report {
    uint64_t used, peak, startup, rss;
    uint64_t overhead; /* of `used`, what is not keys and values: startup, clients, log, tables */
    uint64_t dataset;
    double dataset_percent; /* of what is in use beyond the start */
    uint64_t clients, log, aof_buffer;
    uint64_t tables;                      /* of all databases */
    uint64_t keys;                        /* count */
    uint64_t lazyfree_pending, lazyfreed; /* objects */
    struct mem_stats allocator;
};

/* The hold has everything set but its mask, which must be 0. Takes shards one at a time. */
void memory_report(struct server *server, struct hold *hold, struct memory_report *out);

/* All connections, looked at one by one. Any thread. */
struct memory_clients {
    uint64_t count;
    uint64_t bytes;                         /* of their buffers and structs */
    uint64_t largest_input, largest_output; /* bytes */
};
void memory_count_clients(struct server *server, struct memory_clients *out);

#endif
