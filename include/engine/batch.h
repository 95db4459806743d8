/* batch.h - the commands of one read, parsed ahead so that their memory can be prefetched. Private
 * to engine/. */
#ifndef SPILLWAY_ENGINE_BATCH_H
#define SPILLWAY_ENGINE_BATCH_H

#include "engine/command.h"

#define BATCH_MAX 64

/* One parsed command that has not run yet. */
struct pending {
    uint32_t argc;
    struct slice *argv;
    struct slice raw;              /* its bytes as RESP; empty for an inline command */
    size_t end;                    /* offset behind it in the input */
    const struct command *command; /* NULL: unknown */
    const struct command *parent;
    uint32_t index;                /* of the row */
    uint32_t first_key, key_count; /* in batch->key_at and key_hash */
    uint64_t mask;                 /* shards it needs */
};

struct batch {
    struct pending items[BATCH_MAX];
    uint32_t count;
    uint32_t foreseen; /* the elements of commands before this one have been prefetched */
    uint32_t *key_at;  /* argument indexes of keys, all commands of the batch */
    uint64_t *key_hash;
    uint32_t key_count, key_cap;
};

struct batch *batch_new(void);
void batch_free(struct batch *batch);

#endif
