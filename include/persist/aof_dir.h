/* aof_dir.h - the directory of a multi-part append-only file: names, manifest, leftovers.
 *
 *      appendonlydir/appendonly.aof.manifest          which files, in which order
 *      appendonlydir/appendonly.aof.3.base.rdb        the base
 *      appendonlydir/appendonly.aof.4.incr.aof        an increment
 *      appendonlydir/temp-rewriteaof-bg-<pid>.aof     a base being written
 *      appendonlydir/temp-appendonly.aof.incr         an increment that belongs to no manifest yet
 *      appendonlydir/appendonly.aof.manifest.retired  what it lists is being removed
 *      appendonlydir/<name>.damaged-<seconds>         set aside, never touched again
 *
 * Used by one thread at a time (while starting: its; then the saver). All functions block on the
 * disk; what writes passes the gate. Paths that are returned are the caller's to mem_free.
 */
#ifndef SPILLWAY_PERSIST_AOF_DIR_H
#define SPILLWAY_PERSIST_AOF_DIR_H

#include "guard/gate.h"
#include "persist/manifest.h"

struct aof_dir {
    struct gate *gate;
    char *path;               /* of the directory */
    char *filename;           /* "appendonly.aof" */
    struct manifest manifest; /* as on disk, but for changes not yet written */
    struct manifest on_disk;  /* as last read or written */
    struct manifest aside;    /* damaged files: renamed instead of removed (types do not matter) */
    struct manifest garbage;  /* names to be removed (types do not matter) */
    int lock;                 /* descriptor of the directory, or -1 */
};

void aof_dir_init(struct aof_dir *d, struct gate *gate, const char *parent, const char *dirname,
                  const char *filename);
void aof_dir_free(struct aof_dir *d); /* gives up the lock */
char *aof_dir_path(const struct aof_dir *d, const char *name);
char *aof_dir_manifest_path(const struct aof_dir *d);

int aof_dir_make(struct aof_dir *d) NODISCARD;
/* Nobody else may use the directory: -EWOULDBLOCK if somebody does. A directory that does not exist
 * or a file system without locks is success. Lasts until aof_dir_free. */
int aof_dir_lock(struct aof_dir *d) NODISCARD;
/* Reads the manifest. 0; -ENOENT: there is none; -EBADMSG: it makes no sense (*why, *line). */
int aof_dir_read(struct aof_dir *d, const char **why, uint32_t *line) NODISCARD;
/* Writes d->manifest. On an error d->manifest is what is on disk: usually as before, but if only
 * the sync of the directory failed, as it was to be. */
int aof_dir_write(struct aof_dir *d) NODISCARD;
/* A number larger than any used in the manifest or by a file in the directory. */
uint64_t aof_dir_next_seq(const struct aof_dir *d);
/* "<filename>.<seq>.<kind>", kind "base.rdb", "incr.aof" ... */
char *aof_dir_name(const struct aof_dir *d, uint64_t seq, const char *kind);
/* Removes the files of type history (or sets them aside), then their lines. Errors are logged: what
 * is left is tried again at the next call. */
void aof_dir_clear_history(struct aof_dir *d);
/* Removes a file that the manifest does not list; if that fails it is tried again by
 * aof_dir_collect. */
void aof_dir_discard(struct aof_dir *d, const char *name);
void aof_dir_collect(struct aof_dir *d);
/* Removes empty increments that the manifest (just read) does not list: what a failed rewrite left
 * when it could not remove them either. */
void aof_dir_remove_empty(struct aof_dir *d);
/* Removes bases and increments that the manifest does not list and whose numbers are under its
 * base's: what could not be removed when it was replaced, or was never listed. Nothing while the
 * manifest lists damaged files: somebody may want the older ones. */
void aof_dir_remove_superseded(struct aof_dir *d);
/* Gives up the chain on disk, in a way that a crash cannot stop: the manifest is renamed, then the
 * files go. What is left is removed by aof_dir_finish_retired, now or after a restart. */
int aof_dir_retire(struct aof_dir *d) NODISCARD;
void aof_dir_finish_retired(struct aof_dir *d);
/* Before the first aof_dir_read of a start: takes a chain back that was given up when not one of
 * its files had gone yet, and no other is listed. */
int aof_dir_revive(struct aof_dir *d) NODISCARD;
/* Sets aside all bases and increments, for want of a manifest that says what they are. Returns how
 * many there were. */
unsigned aof_dir_set_aside_all(struct aof_dir *d);
/* Renames a file to "<name>.damaged-<seconds>". */
int aof_dir_set_aside(struct aof_dir *d, const char *name) NODISCARD;
/* Counts the files of the manifest as ours (gate_adopt). */
void aof_dir_adopt(struct aof_dir *d);

/* Removes temp files of dead runs of this server or of Redis in `dir`: temp-<pid>.rdb,
 * temp-rewriteaof(-bg)-<pid>.aof, temp-<filename>.*, "<name>.<pid>.<hex>.tmp" of <filename>. A file
 * whose pid is that of another live process stays. Returns how many went. filename may be NULL. */
unsigned aof_sweep_leftovers(struct gate *gate, const char *dir, const char *filename);

#endif
