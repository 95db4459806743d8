/* apply.h - from settings to the parts below the engine: option structs at start, and again by
 * CONFIG SET. */
#ifndef SPILLWAY_OPS_APPLY_H
#define SPILLWAY_OPS_APPLY_H

#include "engine/server.h"
#include "engine/settings.h"
#include "guard/guard.h"
#include "keyspace/keyspace.h"
#include "persist/persist.h"

/* Strings in the results are owned by `texts` (bytes_free it when the part has been built: parts
 * copy). */
struct apply_texts {
    char *dir, *dbfilename;
};
void apply_texts_free(struct apply_texts *texts);

void apply_keyspace(struct settings *settings, struct keyspace_options *out);
void apply_guard(struct settings *settings, struct guard_options *out, struct apply_texts *texts);
void apply_persist(struct settings *settings, struct persist_options *out,
                   struct apply_texts *texts);

/* Log, syslog, title of the process and oom-score-adj, now and by CONFIG SET. Before other threads
 * start; what cannot be done is one warning each. The title lies over the arguments of main, so
 * `executable` must not be among them; it stays valid. */
void apply_process(struct server *server, const char *executable);
void apply_title(struct server *server, struct bytes *out); /* the title by proc-title-template */

/* Registers the change hooks of every directive that a part below must hear of. Before workers
 * start. */
void apply_watch(struct server *server);

#endif
