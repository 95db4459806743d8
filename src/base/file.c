/* file.c - the one door to the disk.
 *
 * Every function is: ask the fault table, call the kernel again while it says EINTR, turn errno
 * into a negative return. The table needs paths also where callers have descriptors only, so every
 * opened descriptor's path is kept in a list; it is short (a process has a few dozen files open
 * here; sockets never come by) and searched only on open, on close and while there are faults.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/rand.h"

#define FAULTS_MAX    64
#define NEW_FILE_MODE 0644

static const char *const op_names[FILE_OP_COUNT + 1] = {
    "open",     "create", "read", "write",   "sync", "rename", "remove", "truncate", "allocate",
    "sync_dir", "mkdir",  "link", "statvfs", "list", "stat",   "lock",   "any"};

const char *file_op_name(enum file_op op)
{
    return op <= FILE_OP_COUNT ? op_names[op] : "unknown";
}

/* Paths of open descriptors */

struct open_file {
    struct open_file *next;
    int fd;
    char path[];
};

static struct lock open_lock;
static struct open_file *open_files; /* open_lock */

static void remember_path(int fd, const char *path)
{
    size_t len = strlen(path);
    struct open_file *file = mem_alloc(sizeof(*file) + len + 1);
    file->fd = fd;
    memcpy(file->path, path, len + 1);
    lock_take(&open_lock);
    file->next = open_files;
    open_files = file;
    lock_drop(&open_lock);
}

static struct open_file *forget_path(int fd)
{
    lock_take(&open_lock);
    struct open_file **at = &open_files;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    struct open_file *found = *at;
    if (found)
        *at = found->next;
    lock_drop(&open_lock);
    return found;
}

/* Faults */

struct fault_rule {
    struct file_fault fault;
    uint64_t seen, hits; /* matching calls; calls it acted on */
    int id;
};

/* What the table wants of one call. */
struct fault_effect {
    int error; /* positive errno, or 0 */
    uint32_t stall_ms, short_bytes;
    bool lie;
    uint64_t lie_available;
};

static struct lock fault_lock;
static uint32_t fault_count;                      /* atomic; changed under fault_lock */
static struct fault_rule fault_rules[FAULTS_MAX]; /* fault_lock */
static int fault_last_id;                         /* fault_lock */

static bool path_matches(const struct file_fault *fault, const char *path, const char *other)
{
    return fault->path_part[0] == '\0' || (path && strstr(path, fault->path_part)) ||
           (other && strstr(other, fault->path_part));
}

static struct fault_effect fault_ask_table(enum file_op op, const char *path, const char *other)
{
    struct fault_effect effect = {0};
    lock_take(&fault_lock);
    for (uint32_t i = 0; i < fault_count; i++) {
        struct fault_rule *rule = &fault_rules[i];
        const struct file_fault *fault = &rule->fault;
        if ((fault->op != op && fault->op != FILE_OP_COUNT) || !path_matches(fault, path, other))
            continue;
        if (rule->seen++ < fault->skip || (fault->times && rule->hits >= fault->times))
            continue;
        rule->hits++;
        effect = (struct fault_effect){fault->error, fault->stall_ms, fault->short_bytes,
                                       fault->lie, fault->lie_available};
        break;
    }
    lock_drop(&fault_lock);
    return effect;
}

/* An injected EINTR is what the callers retry, so it is asked again here. */
static NOINLINE struct fault_effect fault_apply(enum file_op op, const char *path,
                                                const char *other)
{
    struct fault_effect effect;
    do {
        effect = fault_ask_table(op, path, other);
        if (effect.stall_ms)
            clock_sleep_us((uint64_t)effect.stall_ms * 1000);
    } while (effect.error == EINTR);
    return effect;
}

static struct fault_effect fault_of_path(enum file_op op, const char *path, const char *other)
{
    if (LIKELY(RELAXED_LOAD(&fault_count) == 0))
        return (struct fault_effect){0};
    return fault_apply(op, path, other);
}

static struct fault_effect fault_of_fd(enum file_op op, int fd)
{
    if (LIKELY(RELAXED_LOAD(&fault_count) == 0))
        return (struct fault_effect){0};
    char *path = NULL;
    lock_take(&open_lock);
    for (const struct open_file *file = open_files; file && !path; file = file->next)
        if (file->fd == fd)
            path = mem_strdup(file->path);
    lock_drop(&open_lock);
    struct fault_effect effect = fault_apply(op, path, NULL);
    mem_free(path);
    return effect;
}

int file_fault_add(const struct file_fault *fault)
{
    if (fault->error == EINTR && fault->times == 0)
        return -EINVAL; /* would be retried for ever */
    lock_take(&fault_lock);
    int id = -ENOSPC;
    if (fault_count < FAULTS_MAX) {
        id = ++fault_last_id;
        fault_rules[fault_count] = (struct fault_rule){.fault = *fault, .id = id};
        RELAXED_ADD(&fault_count, 1);
    }
    lock_drop(&fault_lock);
    return id;
}

void file_fault_clear(void)
{
    lock_take(&fault_lock);
    RELAXED_STORE(&fault_count, 0);
    lock_drop(&fault_lock);
}

uint64_t file_fault_hits(int id)
{
    uint64_t hits = 0;
    lock_take(&fault_lock);
    for (uint32_t i = 0; i < fault_count; i++)
        if (fault_rules[i].id == id)
            hits = fault_rules[i].hits;
    lock_drop(&fault_lock);
    return hits;
}

static int error_number(struct slice name)
{
#define NAMED(e)                                                                                   \
    {                                                                                              \
#e, e                                                                                      \
    }
    static const struct {
        const char *name;
        int number;
    } errors[] = {
        NAMED(ENOSPC),     NAMED(EDQUOT), NAMED(EIO),          NAMED(EROFS),  NAMED(ENOENT),
        NAMED(EACCES),     NAMED(EPERM),  NAMED(EMFILE),       NAMED(ENFILE), NAMED(ENOMEM),
        NAMED(EINTR),      NAMED(EAGAIN), NAMED(EWOULDBLOCK),  NAMED(EFBIG),  NAMED(EEXIST),
        NAMED(ENOTDIR),    NAMED(EISDIR), NAMED(EXDEV),        NAMED(ESTALE), NAMED(ETIMEDOUT),
        NAMED(EOPNOTSUPP), NAMED(EINVAL), NAMED(EBADF),        NAMED(EBUSY),  NAMED(ENODEV),
        NAMED(ENXIO),      NAMED(EMLINK), NAMED(ENAMETOOLONG), NAMED(ELOOP),  NAMED(ENOLCK)};
#undef NAMED
    uint64_t number;
    for (size_t i = 0; i < COUNT_OF(errors); i++)
        if (slice_is(name, errors[i].name))
            return errors[i].number;
    return number_parse_u64(name, &number) && number > 0 && number < 4096 ? (int)number : -1;
}

static bool parse_u32(struct slice text, uint32_t *out)
{
    uint64_t value;
    if (!number_parse_u64(text, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool parse_fault_field(struct slice key, struct slice value, struct file_fault *out)
{
    if (slice_is(key, "op")) {
        for (int op = 0; op <= FILE_OP_COUNT; op++) {
            if (slice_is(value, op_names[op])) {
                out->op = (enum file_op)op;
                return true;
            }
        }
        return false;
    }
    if (slice_is(key, "path")) {
        if (value.len >= sizeof(out->path_part))
            return false;
        memset(out->path_part, 0, sizeof(out->path_part));
        memcpy(out->path_part, value.data, value.len);
        return true;
    }
    if (slice_is(key, "errno"))
        return (out->error = error_number(value)) > 0;
    if (slice_is(key, "lie"))
        return out->lie = number_parse_u64(value, &out->lie_available);
    if (slice_is(key, "skip"))
        return parse_u32(value, &out->skip);
    if (slice_is(key, "times"))
        return parse_u32(value, &out->times);
    if (slice_is(key, "stall"))
        return parse_u32(value, &out->stall_ms);
    return slice_is(key, "short") && parse_u32(value, &out->short_bytes);
}

bool file_fault_parse(struct slice text, struct file_fault *out)
{
    *out = (struct file_fault){.op = FILE_OP_COUNT};
    const char *at = text.data, *end = text.data + text.len;
    do {
        const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        const char *stop = comma ? comma : end;
        const char *equals = at < stop ? memchr(at, '=', (size_t)(stop - at)) : NULL;
        if (!equals)
            return false;
        if (!parse_fault_field(slice_of(at, (size_t)(equals - at)),
                               slice_of(equals + 1, (size_t)(stop - equals - 1)), out))
            return false;
        at = comma ? comma + 1 : NULL;
    } while (at);
    return true;
}

/* The door. RETRY gives the call's result, or the negative errno, once it is not interrupted. */

#define RETRY(call)                                                                                \
    ({                                                                                             \
        ssize_t retry_result_;                                                                     \
        do                                                                                         \
            retry_result_ = (call);                                                                \
        while (retry_result_ < 0 && errno == EINTR);                                               \
        retry_result_ < 0 ? (ssize_t)-errno : retry_result_;                                       \
    })

static int open_mode(const char *path, enum file_mode mode, mode_t permissions)
{
    static const int flags[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_WRITE] = O_RDWR,
        [FILE_CREATE] = O_RDWR | O_CREAT,
        [FILE_CREATE_NEW] = O_RDWR | O_CREAT | O_EXCL,
        [FILE_CREATE_TRUNCATE] = O_RDWR | O_CREAT | O_TRUNC,
        [FILE_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
    };
    enum file_op op = flags[mode] & O_CREAT ? FILE_OP_CREATE : FILE_OP_OPEN;
    struct fault_effect fault = fault_of_path(op, path, NULL);
    if (fault.error)
        return -fault.error;
    int fd = (int)RETRY(open(path, flags[mode] | O_CLOEXEC, permissions));
    if (fd >= 0)
        remember_path(fd, path);
    return fd;
}

int file_open(const char *path, enum file_mode mode)
{
    return open_mode(path, mode, NEW_FILE_MODE);
}

void file_close(int fd)
{
    if (fd < 0)
        return;
    /* Forgotten first: once it is closed another thread may be given the same number. */
    struct open_file *file = forget_path(fd);
    /* Never again after EINTR: Linux has freed the descriptor. */
    if (close(fd) < 0 && errno != EINTR)
        LOG_WARNING("Closing %s failed: %s", file ? file->path : "a file", strerror(errno));
    mem_free(file);
}

ssize_t file_read_at(int fd, void *buf, size_t len, uint64_t offset)
{
    struct fault_effect fault = fault_of_fd(FILE_OP_READ, fd);
    if (fault.error)
        return -fault.error;
    size_t done = 0, most = fault.short_bytes ? fault.short_bytes : len;
    while (done < len) {
        ssize_t got =
            RETRY(pread(fd, (char *)buf + done, MIN_OF(len - done, most), (off_t)(offset + done)));
        if (got < 0)
            return got;
        if (got == 0)
            break;
        done += (size_t)got;
        most = len;
    }
    return (ssize_t)done;
}

/* Writes [data, data+len) from *done on, at most `most` bytes in the first call. */
static int write_on(int fd, const char *data, size_t len, uint64_t offset, size_t most,
                    size_t *done)
{
    while (*done < len) {
        ssize_t put =
            RETRY(pwrite(fd, data + *done, MIN_OF(len - *done, most), (off_t)(offset + *done)));
        if (put < 0)
            return (int)put;
        if (put == 0)
            return -EIO;
        *done += (size_t)put;
        most = len;
    }
    return 0;
}

int file_write_at(int fd, const void *buf, size_t len, uint64_t offset, size_t *written)
{
    struct fault_effect fault = fault_of_fd(FILE_OP_WRITE, fd);
    size_t done = 0, wanted = len;
    if (fault.error)
        wanted = MIN_OF(len, fault.short_bytes);
    int result =
        write_on(fd, buf, wanted, offset, fault.short_bytes ? fault.short_bytes : len, &done);
    if (written)
        *written = done;
    return result == 0 && fault.error ? -fault.error : result;
}

int file_sync(int fd)
{
    struct fault_effect fault = fault_of_fd(FILE_OP_SYNC, fd);
    if (fault.error || fault.lie)
        return -fault.error;
    return (int)RETRY(fdatasync(fd));
}

int file_truncate(int fd, uint64_t size)
{
    struct fault_effect fault = fault_of_fd(FILE_OP_TRUNCATE, fd);
    return fault.error ? -fault.error : (int)RETRY(ftruncate(fd, (off_t)size));
}

int file_allocate(int fd, uint64_t offset, uint64_t len, bool keep_size)
{
    struct fault_effect fault = fault_of_fd(FILE_OP_ALLOCATE, fd);
    if (fault.error)
        return -fault.error;
    if (len == 0)
        return 0;
    int flags = keep_size ? FALLOC_FL_KEEP_SIZE : 0;
    return (int)RETRY(fallocate(fd, flags, (off_t)offset, (off_t)len));
}

static void info_from_stat(const struct stat *st, struct file_info *out)
{
    *out = (struct file_info){
        .size = (uint64_t)st->st_size,
        .allocated = (uint64_t)st->st_blocks * 512,
        .device = st->st_dev,
        .inode = st->st_ino,
        .mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st->st_mode),
    };
}

int file_info_fd(int fd, struct file_info *out)
{
    struct stat st;
    struct fault_effect fault = fault_of_fd(FILE_OP_STAT, fd);
    int result = fault.error ? -fault.error : (int)RETRY(fstat(fd, &st));
    if (result == 0)
        info_from_stat(&st, out);
    return result;
}

int file_info_path(const char *path, struct file_info *out)
{
    struct stat st;
    struct fault_effect fault = fault_of_path(FILE_OP_STAT, path, NULL);
    int result = fault.error ? -fault.error : (int)RETRY(stat(path, &st));
    if (result == 0)
        info_from_stat(&st, out);
    return result;
}

bool file_exists(const char *path)
{
    struct file_info info;
    int result = file_info_path(path, &info);
    return result != -ENOENT && result != -ENOTDIR;
}

int file_rename(const char *from, const char *to)
{
    struct fault_effect fault = fault_of_path(FILE_OP_RENAME, from, to);
    return fault.error ? -fault.error : (int)RETRY(rename(from, to));
}

int file_link(const char *from, const char *to)
{
    struct fault_effect fault = fault_of_path(FILE_OP_LINK, from, to);
    return fault.error ? -fault.error : (int)RETRY(link(from, to));
}

int file_remove(const char *path)
{
    struct fault_effect fault = fault_of_path(FILE_OP_REMOVE, path, NULL);
    return fault.error ? -fault.error : (int)RETRY(unlink(path));
}

int file_mkdir(const char *path)
{
    struct fault_effect fault = fault_of_path(FILE_OP_MKDIR, path, NULL);
    if (fault.error)
        return -fault.error;
    int result = (int)RETRY(mkdir(path, 0755));
    struct stat st;
    if (result == -EEXIST)
        return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    return result;
}

int file_sync_dir(const char *path)
{
    struct fault_effect fault = fault_of_path(FILE_OP_SYNC_DIR, path, NULL);
    if (fault.error || fault.lie)
        return -fault.error;
    int fd = (int)RETRY(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return fd;
    int result = (int)RETRY(fsync(fd));
    close(fd);
    return result == -EINVAL ? 0 : result; /* some network file systems have no such thing */
}

int file_volume(const char *path, struct file_volume *out)
{
    struct statvfs st;
    struct fault_effect fault = fault_of_path(FILE_OP_STATVFS, path, NULL);
    int result = fault.error ? -fault.error : (int)RETRY(statvfs(path, &st));
    if (result < 0)
        return result;
    uint64_t block = st.f_frsize ? st.f_frsize : st.f_bsize;
    *out = (struct file_volume){
        .total = block * st.f_blocks,
        .available = fault.lie ? fault.lie_available : block * st.f_bavail,
        .block = block,
        .inodes = st.f_files,
        .inodes_free = st.f_favail,
        .read_only = (st.f_flag & ST_RDONLY) != 0,
    };
    return 0;
}

int file_list(const char *dir, int (*each)(const char *name, void *ctx), void *ctx)
{
    struct fault_effect fault = fault_of_path(FILE_OP_LIST, dir, NULL);
    if (fault.error)
        return -fault.error;
    DIR *stream;
    do
        stream = opendir(dir);
    while (!stream && errno == EINTR);
    if (!stream)
        return -errno;
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(entry->d_name, ctx);
    }
    closedir(stream);
    return result;
}

int file_lock(int fd)
{
    struct fault_effect fault = fault_of_fd(FILE_OP_LOCK, fd);
    return fault.error ? -fault.error : (int)RETRY(flock(fd, LOCK_EX | LOCK_NB));
}

/* Reads to the end by plain read(2), so that pipes and /proc work too. One byte past the limit is
 * asked for, to tell "exactly the limit" from "more". */
static int read_to_end(int fd, size_t limit, size_t expected, char **data, size_t *len)
{
    size_t cap = MIN_OF(expected, limit) + 2, used = 0;
    char *buf = mem_try_alloc(cap);
    ssize_t got = buf ? 0 : -ENOMEM;
    while (got >= 0) {
        if (used + 1 == cap) {
            char *grown = mem_try_realloc(buf, cap + cap / 2 + 4096);
            if (!grown) {
                got = -ENOMEM;
                break;
            }
            buf = grown;
            cap += cap / 2 + 4096;
        }
        got = RETRY(read(fd, buf + used, cap - 1 - used));
        if (got == 0)
            break;
        if (got > 0 && (used += (size_t)got) > limit)
            got = -EFBIG;
    }
    if (got < 0) {
        mem_free(buf);
        return (int)got;
    }
    buf[used] = '\0';
    *data = buf;
    *len = used;
    return 0;
}

int file_read_all(const char *path, size_t limit, char **data, size_t *len)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : file_open(path, FILE_READ);
    if (fd < 0)
        return fd;
    struct stat st;
    struct fault_effect fault = fault_of_path(FILE_OP_READ, path, NULL);
    int result = -fault.error;
    size_t expected = 0;
    if (result == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        expected = (size_t)st.st_size;
        result = expected > limit ? -EFBIG : 0;
    }
    if (result == 0)
        result = read_to_end(fd, limit, expected, data, len);
    if (!is_stdin)
        file_close(fd);
    return result;
}

static int sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return file_sync_dir(".");
    char *dir = slice_to_str(slice_of(path, MAX_OF((size_t)(slash - path), 1u)));
    int result = file_sync_dir(dir);
    mem_free(dir);
    return result;
}

int file_replace(const char *path, const void *data, size_t len)
{
    struct stat st;
    mode_t permissions = stat(path, &st) == 0 ? st.st_mode & 07777 : NEW_FILE_MODE;
    char tag[8];
    rand_hex(tag, sizeof(tag));
    struct bytes name = {0};
    bytes_printf(&name, "%s.%d.%.8s.tmp", path, (int)getpid(), tag);
    const char *temp = bytes_str(&name);

    int fd = open_mode(temp, FILE_CREATE_NEW, permissions), result = MIN_OF(fd, 0);
    if (fd >= 0) {
        if (permissions != NEW_FILE_MODE)
            result = (int)RETRY(fchmod(fd, permissions)); /* what the umask took */
        if (result == 0)
            result = file_write_at(fd, data, len, 0, NULL);
        if (result == 0)
            result = file_sync(fd);
        file_close(fd);
        if (result == 0)
            result = file_rename(temp, path);
        if (result != 0)
            unlink(temp); /* best effort, and no fault of its own: the first error is what counts */
    }
    bytes_free(&name);
    return result ? result : sync_parent(path);
}
