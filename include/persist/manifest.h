/* manifest.h - the list of files that make up a multi-part append-only file, as Redis 7 writes it.
 *
 *      file appendonly.aof.2.base.rdb seq 2 type b
 *      file appendonly.aof.2.incr.aof seq 2 type i
 *
 * Type b is the base (at most one), i an increment (sequence numbers ascend), h history: replaced,
 * to be removed. Lines that begin with # are comments; unknown pairs of words are skipped. Names
 * with blanks or control characters are quoted as redis-cli quotes. The base is loaded first.
 */
#ifndef SPILLWAY_PERSIST_MANIFEST_H
#define SPILLWAY_PERSIST_MANIFEST_H

#include "base/bytes.h"

enum manifest_type { MANIFEST_BASE = 'b', MANIFEST_HISTORY = 'h', MANIFEST_INCREMENT = 'i' };

struct manifest_file {
    char *name; /* owned; no slash in it */
    uint64_t seq;
    char type; /* enum manifest_type */
};

struct manifest {                /* zeroed = empty */
    struct manifest_file *files; /* base, history, increments in the order of the text */
    uint32_t count, cap;
};

#define MANIFEST_BYTES_MAX (1024u * 1024)

/* False: *why is a static text, *line the line's number (1 = first), and *out is empty. */
bool manifest_parse(struct slice text, struct manifest *out, const char **why, uint32_t *line);
void manifest_print(const struct manifest *m, struct bytes *out);
void manifest_free(struct manifest *m); /* leaves it empty */
void manifest_copy(const struct manifest *m, struct manifest *out);
void manifest_add(struct manifest *m, const char *name, uint64_t seq, enum manifest_type type);
/* Every file that is not an increment newer than `seq` becomes history. */
void manifest_retire(struct manifest *m, uint64_t seq);
void manifest_drop_history(struct manifest *m);
const struct manifest_file *manifest_base(const struct manifest *m); /* or NULL */
bool manifest_has(const struct manifest *m, const char *name);
/* The largest number given to a file of this type, 0 = none. */
uint64_t manifest_last_seq(const struct manifest *m, enum manifest_type type);

#endif
