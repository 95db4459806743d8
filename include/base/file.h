/* file.h - the one door to the disk: every open, write, sync, rename and removal is here.
 *
 * Functions return 0 or a count, or a negative errno (the variable `errno` means nothing
 * afterwards); EINTR is retried. Any thread. Each call first asks the fault table, so that any test
 * can make the n-th call of an operation on a path fail, stall, be short or lie. The table is empty
 * in production and costs one load. Never called on a worker except while starting; the
 * persistence, log and guard threads are its users. Offsets are the caller's.
 */
#ifndef SPILLWAY_BASE_FILE_H
#define SPILLWAY_BASE_FILE_H

#include <sys/types.h>
#include "base/bytes.h"

enum file_op {
    FILE_OP_OPEN,
    FILE_OP_CREATE,
    FILE_OP_READ,
    FILE_OP_WRITE,
    FILE_OP_SYNC,
    FILE_OP_RENAME,
    FILE_OP_REMOVE,
    FILE_OP_TRUNCATE,
    FILE_OP_ALLOCATE,
    FILE_OP_SYNC_DIR,
    FILE_OP_MKDIR,
    FILE_OP_LINK,
    FILE_OP_STATVFS,
    FILE_OP_LIST,
    FILE_OP_STAT,
    FILE_OP_LOCK,
    FILE_OP_COUNT
};
const char *file_op_name(enum file_op op);

enum file_mode {
    FILE_READ,            /* existing, read only */
    FILE_WRITE,           /* existing, read and write */
    FILE_CREATE,          /* created if missing, read and write, kept as it is */
    FILE_CREATE_NEW,      /* must not exist */
    FILE_CREATE_TRUNCATE, /* created or emptied */
    FILE_APPEND           /* created if missing, O_APPEND: for the log file only */
};

struct file_info {
    uint64_t size, allocated; /* bytes; allocated = blocks really taken */
    uint64_t device, inode;
    int64_t mtime_ms;
    bool is_dir;
};

struct file_volume {
    uint64_t total, available;    /* bytes; available = f_bavail * f_frsize */
    uint64_t block;               /* f_frsize */
    uint64_t inodes, inodes_free; /* 0 and 0: the file system has no fixed count */
    bool read_only;
};

/* Descriptors are plain ints (>= 0). New files have mode 0644 less the umask. Close-on-exec. */
int file_open(const char *path, enum file_mode mode) NODISCARD;
void file_close(int fd); /* -1 allowed; a close error is logged */
/* May be short only at the end of the file. */
ssize_t file_read_at(int fd, void *buf, size_t len, uint64_t offset) NODISCARD;
/* Writes all of it at the offset, or returns a negative errno with *written (may be NULL) bytes
 * known to be in place. With FILE_APPEND the kernel chooses the end as the place. */
int file_write_at(int fd, const void *buf, size_t len, uint64_t offset, size_t *written) NODISCARD;
int file_sync(int fd) NODISCARD; /* fdatasync */
int file_truncate(int fd, uint64_t size) NODISCARD;
/* Really allocates blocks for [offset, offset+len). keep_size: the file's length stays. -EOPNOTSUPP
 * is passed on. A len of 0 is success. */
int file_allocate(int fd, uint64_t offset, uint64_t len, bool keep_size) NODISCARD;
int file_info_fd(int fd, struct file_info *out) NODISCARD;
int file_info_path(const char *path, struct file_info *out) NODISCARD;
/* True also if it cannot be told (EIO, EACCES): only a sure "no" may make a caller start afresh. */
bool file_exists(const char *path);
int file_rename(const char *from, const char *to) NODISCARD;
int file_link(const char *from, const char *to) NODISCARD;
int file_remove(const char *path) NODISCARD;
int file_mkdir(const char *path) NODISCARD;    /* an existing directory is success */
int file_sync_dir(const char *path) NODISCARD; /* success where the file system has no such thing */
int file_volume(const char *path, struct file_volume *out) NODISCARD;
/* Calls each name of a directory ("." and ".." left out). A non-zero return of `each` ends it and
 * is returned. */
int file_list(const char *dir, int (*each)(const char *name, void *ctx), void *ctx) NODISCARD;
/* Takes an exclusive advisory lock on fd, not waiting: -EWOULDBLOCK if another process has it. */
int file_lock(int fd) NODISCARD;
/* Whole small file into memory (mem_free *data; a NUL stands behind len); refuses more than `limit`
 * bytes with -EFBIG. path "-" = stdin. */
int file_read_all(const char *path, size_t limit, char **data, size_t *len) NODISCARD;
/* Replaces path atomically: temp file beside it ("<path>.<pid>.<random>.tmp", with the mode of the
 * file it replaces), write, sync, rename, sync of the directory. On an error the old content
 * stands, except when only the last step failed: then the new one stands but may not survive a
 * power failure. */
int file_replace(const char *path, const void *data, size_t len) NODISCARD;

/* Faults. One rule of the table; rules are tried in order, the first that matches and is neither
 * skipping nor spent acts. An EINTR is retried by the door as a real one would be. A rule without
 * effect only counts. */
struct file_fault {
    enum file_op op;    /* FILE_OP_COUNT = every operation */
    char path_part[64]; /* the path (rename, link: either) contains this; empty = every path */
    uint32_t skip;      /* let so many matching calls pass first */
    uint32_t times;     /* then act on so many; 0 = for ever */
    int error;          /* errno to return; 0 = none (then stall or short apply) */
    uint32_t stall_ms;  /* sleep first */
    /* WRITE with an error: write so many bytes before failing. READ and WRITE without one: the
     * kernel moves only so many in its first call. */
    uint32_t short_bytes;
    /* Without an error: SYNC and SYNC_DIR claim success and do nothing; STATVFS reports
     * lie_available. */
    bool lie;
    uint64_t lie_available; /* bytes */
};
/* Returns its id (> 0); -ENOSPC when the table (64 rules) is full, -EINVAL for an EINTR without
 * `times`. */
int file_fault_add(const struct file_fault *fault);
void file_fault_clear(void);
uint64_t file_fault_hits(int id); /* calls it acted on; 0 after a clear */
/* "op=write,path=incr,skip=3,times=1,errno=ENOSPC,stall=200,short=10" -> a rule. Keys in any order,
 * all optional but one; "op=any" is the default; errno by name or number; "lie=N" sets lie and
 * lie_available. False if it does not parse. */
bool file_fault_parse(struct slice text, struct file_fault *out);

#endif
