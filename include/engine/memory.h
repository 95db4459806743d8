/* memory.h - used memory as maxmemory, INFO and the disk guard mean it. */
#ifndef SPILLWAY_ENGINE_MEMORY_H
#define SPILLWAY_ENGINE_MEMORY_H

#include "base/mem.h"
#include "engine/server.h"
#include "keyspace/keyspace.h"

/* Allocated bytes less what the entries' heaps hold idle. Any thread; a short lock, so once a batch
 * or turn. */
ALWAYS_INLINE size_t server_used_memory(const struct server *server)
{
    size_t allocated = mem_used(), idle = keyspace_idle_memory(server->keyspace);
    return allocated > idle ? allocated - idle : 0;
}

#endif
