/* memory.h - used memory as maxmemory, INFO and the disk guard mean it. */
#ifndef SPILLWAY_ENGINE_MEMORY_H
#define SPILLWAY_ENGINE_MEMORY_H

#include "base/mem.h"
#include "engine/server.h"
#include "keyspace/keyspace.h"
#include "persist/lazyfree.h"
#include "persist/persist.h"
#include "plog/plog.h"

/* Allocated bytes less what the entries' heaps hold idle. Any thread; a short lock, so once a batch
 * or turn. */
ALWAYS_INLINE size_t server_used_memory(const struct server *server)
{
    size_t allocated = mem_used(), idle = keyspace_idle_memory(server->keyspace);
    return allocated > idle ? allocated - idle : 0;
}

/* Of that what maxmemory is not compared with. The log's backlog: each eviction makes it longer, so
 * that a reader that stands still would cost the whole data set. And what is on its way out: what
 * waits to be freed, and what a save keeps until it has written it; evicting more would not bring
 * that back sooner. Any thread. */
ALWAYS_INLINE size_t server_uncounted_memory(const struct server *server)
{
    size_t bytes = plog_memory(server->plog);
    bytes += server->persist != NULL ? persist_held(server->persist) : 0;
    return server->lazyfree != NULL ? bytes + lazyfree_pending_bytes(server->lazyfree) : bytes;
}

#endif
