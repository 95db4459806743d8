/* run.h - the steps behind a handler that dispatch.c shares with block_serve.c. Private to engine/.
 */
#ifndef SPILLWAY_ENGINE_RUN_H
#define SPILLWAY_ENGINE_RUN_H

#include "engine/call.h"

/* Appends what the command changed to the log, and notes in lane->log_gate which log offset the
 * reply depends on. */
void run_record(struct call *call);
/* Counts the call in the statistics of its row. */
void run_count(struct call *call, uint32_t index, uint64_t us);
/* Whether somebody above wants to hear of this call (server->notable_call). */
bool run_is_notable(const struct call *call, uint64_t us, uint64_t reply_bytes);

#endif
