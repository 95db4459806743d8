/* aof_load.h - loads one file, or a whole chain, of an append-only log into the keyspace.
 *
 * A file is an RDB (it begins with "REDIS"; records may follow behind its end), or records: RESP
 * commands as they were propagated, comment lines (#), MULTI ... EXEC groups, which are run only
 * when they are whole. How a file ends:
 *
 *      ok        at the end of a record
 *      torn      in the middle of a record or group, or in nothing but zero bytes: what a crash
 *                leaves behind. `offset` is where the last whole record ends
 *      damaged   anything else: not a record, a command that cannot be run, a bad RDB
 *
 * Reads only. Runs on one thread, to which the keyspace belongs meanwhile.
 */
#ifndef SPILLWAY_PERSIST_AOF_LOAD_H
#define SPILLWAY_PERSIST_AOF_LOAD_H

#include "keyspace/keyspace.h"
#include "persist/manifest.h"

enum aof_load_end { AOF_LOAD_OK, AOF_LOAD_TORN, AOF_LOAD_DAMAGED };

struct aof_load_options {
    struct keyspace *keyspace;
    /* Runs one record. False: it cannot be run; why in *why (static). */
    bool (*execute)(void *ctx, uint32_t db, uint32_t argc, const struct slice *argv,
                    const char **why);
    /* So many bytes of the file (of the chain) are done. May be NULL. */
    void (*progress)(void *ctx, uint64_t bytes);
    void *ctx;
    bool checksum;            /* verify that of an RDB */
    bool any_version;         /* as in struct rdb_load_options */
    const int64_t *key_delay; /* atomic; of each key or record, as in clock_delay_us. NULL: none */
};

struct aof_load_result {
    enum aof_load_end end;
    uint32_t file;    /* chain: index in the manifest of the file in which it ended */
    uint64_t offset;  /* of that file: behind its last whole record */
    uint64_t size;    /* of that file */
    const char *why;  /* torn, damaged: static text */
    int error;        /* negative errno if that is why, else 0 */
    uint64_t records; /* run */
    uint64_t keys;    /* from RDBs */
    uint64_t base_bytes, increment_bytes; /* chain: sizes of what was loaded */
};

void aof_load_file(const char *path, const struct aof_load_options *options,
                   struct aof_load_result *result);
/* Base and increments of a manifest, below dir. A torn file counts as torn only if all behind it
 * are empty, else as damaged. */
void aof_load_chain(const char *dir, const struct manifest *m,
                    const struct aof_load_options *options, struct aof_load_result *result);

#endif
