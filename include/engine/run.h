/* run.h - the steps behind a handler that dispatch.c shares with block_serve.c. Private to engine/.
 */
#ifndef SPILLWAY_ENGINE_RUN_H
#define SPILLWAY_ENGINE_RUN_H

#include "engine/call.h"
#include "engine/server.h"

/* What a command of a client with these flags may see and remove of what has expired. */
ALWAYS_INLINE uint16_t run_hold_flags(const struct lane *lane, const struct command *command,
                                      uint32_t client_flags)
{
    bool only_reads = command->flags & CMD_READONLY;
    uint16_t flags = UNLIKELY(client_flags & CLIENT_NO_TOUCH) ? HOLD_NO_TOUCH : 0;
    if (only_reads && server_is_paused(lane->server, lane->now_ms))
        flags |= HOLD_READER;
    if (UNLIKELY(RELAXED_LOAD(&keyspace_options(lane->server->keyspace)->import_mode)))
        flags |= HOLD_IMPORT | (client_flags & CLIENT_IMPORT_SOURCE ? HOLD_SOURCE
                                : only_reads                        ? HOLD_READER
                                                                    : 0);
    return flags;
}

/* Appends what the command changed to the log, and notes in lane->log_gate which log offset the
 * reply depends on. */
void run_record(struct call *call);
/* Counts the call in the statistics of its row. */
void run_count(struct call *call, uint32_t index, uint64_t us);
/* Whether somebody above wants to hear of this call (server->notable_call). */
bool run_is_notable(const struct call *call, uint64_t us, uint64_t reply_bytes);

#endif
