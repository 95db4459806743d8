/* rdb_file.h - the file an RDB is written to: through the gate, beside its final name, synced as it
 * grows. */
#ifndef SPILLWAY_PERSIST_RDB_FILE_H
#define SPILLWAY_PERSIST_RDB_FILE_H

#include "guard/gate.h"

struct rdb_file {
    struct gate *gate;
    struct gate_file *file;
    char *path;            /* owned; where it is written */
    uint64_t size, synced; /* bytes */
    uint64_t limit;        /* bytes: more is -ENOSPC; 0 = none */
};

/* Creates or empties path (taken over, also on an error) and allocates `expected` bytes of it, if
 * the file system can: no room is noticed here, before anything is written. */
int rdb_file_open(struct rdb_file *f, struct gate *gate, char *path, enum gate_class class,
                  uint64_t expected) NODISCARD;
int rdb_file_sink(void *rdb_file, const void *data, size_t len); /* an rdb_sink_fn */
/* Syncs and closes it, renames it to `name` in `dir`, syncs the directory. On any error nothing is
 * left of it, except when only the last step failed (*named, if not NULL, says so). Frees. */
int rdb_file_finish(struct rdb_file *f, const char *dir, const char *name, bool *named) NODISCARD;
void rdb_file_discard(struct rdb_file *f); /* closes and removes it; frees */

#endif
