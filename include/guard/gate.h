/* gate.h - the one gate: every byte that is written to disk passes here with a class.
 *
 * Each class has its own accounting and its own floor: a write that needs new blocks is refused
 * with -ENOSPC, before the file system is asked, when it would bring the effective free space
 * below the floor of its class.
 *
 *      class        floor                            who
 *      metadata     none                             manifest, configuration, ACL file, probe
 *      compaction   R_meta                           AOF base, fresh base
 *      shrink       R_meta (none at full)            log records at critical and above
 *      log          R_meta (none inside own blocks)  log records
 *      snapshot     high's entry mark                RDB, full-sync temp file
 *      diagnostic   high's entry mark                everything else
 *
 * Bytes inside blocks that a file already owns (preallocated, or overwritten) are never refused.
 * ENOSPC and EDQUOT met by metadata, shrink, log or compaction release the ballast and are tried
 * once more. What is left is counted and told to the guard at once (level full), on the thread
 * that met it.
 *
 * Own bytes are blocks really allocated, of every file the gate knows: opened through it,
 * adopted, or found by gate_scan. Any thread may call; each gate_file belongs to one thread, but
 * another may gate_sync it, or ask gate_displaced, meanwhile. All calls may block on the disk:
 * never call them on a worker. Errors are negative errno values.
 */
#ifndef SPILLWAY_GUARD_GATE_H
#define SPILLWAY_GUARD_GATE_H

#include "base/file.h"
#include "guard/verdict.h"

enum gate_class {
    GATE_METADATA,
    GATE_COMPACTION,
    GATE_SHRINK,
    GATE_LOG,
    GATE_SNAPSHOT,
    GATE_DIAGNOSTIC,
    GATE_BALLAST, /* the guard's own */
    GATE_CLASSES
};
const char *gate_class_name(enum gate_class class);

struct gate;
struct gate_file;

/* ---- files ---- */

/* Opens path for the class. *out is the caller's until gate_close. Readers need no gate. */
int gate_open(struct gate *gate, const char *path, enum file_mode mode, enum gate_class class,
              struct gate_file **out) NODISCARD;
/* NULL allowed; the file stays counted until it is removed. */
void gate_close(struct gate_file *file);
int gate_fd(const struct gate_file *file);
const char *gate_path(const struct gate_file *file);
uint64_t gate_allocated(const struct gate_file *file); /* bytes of blocks this file owns */

/* Writes all of it at the offset, or returns a negative errno with *written bytes known to be in
 * place: the caller's position is the truth, a part of a record is overwritten or cut off by
 * gate_truncate. A log file is extended ahead of its end by itself, in steps of the guard's
 * choosing. */
int gate_write(struct gate_file *file, const void *data, size_t len, uint64_t offset,
               size_t *written) NODISCARD;
/* Times the sync for the guard (lagging, stall). A failure of a compaction, shrink or log file
 * poisons it: the guard turns to repairing (cause fsync) and wants a fresh base; syncing it
 * again proves nothing. */
int gate_sync(struct gate_file *file) NODISCARD;
bool gate_poisoned(const struct gate_file *file);
/* The name leads to another file, or to none: it was removed or replaced under us. */
bool gate_displaced(const struct gate_file *file);
/* Really allocates [offset, offset+len) beyond the length of the file. 0 if the file system
 * cannot (then gate_allocated does not grow). -ENOSPC costs nothing: what was allocated is given
 * back. All is reserved at once; the file system is asked in pieces of a 64th, or of 256 KiB. */
int gate_allocate(struct gate_file *file, uint64_t offset, uint64_t len) NODISCARD;
int gate_truncate(struct gate_file *file,
                  uint64_t size) NODISCARD; /* also gives back what lies beyond */

/* ---- names ---- */

int gate_rename(struct gate *gate, const char *from, const char *to) NODISCARD;
int gate_link(struct gate *gate, const char *from, const char *to) NODISCARD; /* costs no blocks */
int gate_remove(struct gate *gate, const char *path) NODISCARD; /* a missing file is success */
int gate_sync_dir(struct gate *gate, const char *dir) NODISCARD;
int gate_mkdir(struct gate *gate, const char *dir) NODISCARD;
/* Atomic replacement of a small file, class metadata unless said otherwise: see file_replace. */
int gate_replace(struct gate *gate, const char *path, const void *data, size_t len,
                 enum gate_class class) NODISCARD;

/* ---- accounting ---- */

/* Counts a file that is ours and was not opened through the gate. Missing: forgets it. */
void gate_adopt(struct gate *gate, const char *path, enum gate_class class);
/* Adopts every plain file of dir whose name matches the glob. A missing directory is success. */
int gate_scan(struct gate *gate, const char *dir, const char *glob,
              enum gate_class class) NODISCARD;
/* Asks the file system again for the blocks of every known file; forgets those that are gone. */
void gate_refresh(struct gate *gate);

struct gate_class_stats {
    uint64_t own_bytes;     /* blocks now */
    uint64_t written_bytes; /* since start */
    uint64_t writes, refused, errors, syncs;
};
struct gate_error {
    int error; /* positive errno; 0 = none yet */
    enum file_op op;
    enum gate_class class;
    int64_t at_ms; /* wall clock */
    char path[128];
};
#define GATE_ERRNOS 12
struct gate_stats {
    struct gate_class_stats class[GATE_CLASSES];
    uint64_t own_bytes;
    int64_t taken_bytes; /* allocated less given back since start; without files that were found */
    /* Which of taken_bytes the file system counts: not the unasked, perhaps those in its hands,
     * all the rest. */
    uint64_t unasked;    /* reserved; it was not asked for them yet */
    uint64_t asking;     /* being allocated */
    uint64_t giving;     /* being given back */
    uint64_t given_back; /* since start; taken_bytes has them no more */
    uint64_t building;   /* blocks of open compaction files: a base being written */
    uint64_t leaving;    /* blocks of files that have no name any more: free when they are closed */
    bool can_allocate;   /* the file system guarantees preallocated blocks; true until it said no */
    uint64_t log_room;   /* bytes allocated beyond the end of the open log file */
    uint64_t log_write_began_ms; /* of the write or allocation of a log that runs now; 0 = none */
    struct gate_error last;
    struct {
        int error; /* positive; 0 = unused; EDQUOT is kept apart here, though it acts as ENOSPC */
        uint64_t count;
    } by_errno[GATE_ERRNOS];
    uint64_t other_errors; /* what found no place in by_errno */
};
void gate_stats(struct gate *gate, struct gate_stats *out);
uint64_t gate_own_bytes(struct gate *gate);
/* Effective free space, own allocations since the sample included. */
uint64_t gate_free_bytes(struct gate *gate);

/* Would the class be allowed to take `bytes` of new blocks now? Nothing is reserved. */
bool gate_allows(struct gate *gate, enum gate_class class, uint64_t bytes);

/* ---- for the guard ---- */

struct gate_limits {
    uint64_t available;           /* bytes of the volume, at the sample */
    int64_t taken_at_sample;      /* so many of taken_bytes it counts; see volume_taken */
    uint64_t given_by_sample;     /* given_back, once all has gone that was going then */
    uint64_t ceiling;             /* for own bytes; UINT64_MAX = none */
    uint64_t floor[GATE_CLASSES]; /* bytes that must stay free after an allocation of the class */
    uint64_t log_step;            /* how far ahead of its end a log is allocated; 0 = not at all */
    int refuse; /* positive errno: everything is refused with it; 0 = nothing is */
};
/* All may be called on any thread that uses the gate; none may call the gate back but `release`,
 * which may remove the ballast. Each may be NULL. */
struct gate_hooks {
    void *ctx;
    /* An operation failed with this positive errno (after the second try). */
    void (*error)(void *ctx, const struct gate_error *error);
    bool (*release)(void *ctx); /* gives back the ballast; true if anything was released */
    void (*sync_begin)(void *ctx, enum gate_class class);
    void (*sync_end)(void *ctx, enum gate_class class, int error); /* error: 0 or positive errno */
    void (*room)(void *ctx); /* the log was extended: credit may be refilled */
    /* Writes of the log begin to fail (positive errno, also when the gate itself refuses), or do
     * no more (0: one succeeded, or the file was closed). */
    void (*log_state)(void *ctx, int error);
};
struct gate *gate_create(const struct gate_hooks *hooks);
void gate_destroy(struct gate *gate); /* every gate_file must be closed */
void gate_set_limits(struct gate *gate, const struct gate_limits *limits);

#endif
