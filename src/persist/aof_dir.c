/* aof_dir.c - names, manifest and leftovers of the log's directory. */
#include "persist/aof_dir.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"

static char *path_of(const char *dir, const char *name)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/%s", dir, name);
    bytes_str(&path);
    return path.data;
}

void aof_dir_init(struct aof_dir *d, struct gate *gate, const char *parent, const char *dirname,
                  const char *filename)
{
    *d = (struct aof_dir){.gate = gate, .lock = -1};
    d->path = path_of(parent, dirname);
    d->filename = mem_strdup(filename);
}

void aof_dir_free(struct aof_dir *d)
{
    file_close(d->lock);
    manifest_free(&d->manifest);
    manifest_free(&d->on_disk);
    manifest_free(&d->aside);
    manifest_free(&d->garbage);
    mem_free(d->path);
    mem_free(d->filename);
}

char *aof_dir_path(const struct aof_dir *d, const char *name)
{
    return path_of(d->path, name);
}

char *aof_dir_name(const struct aof_dir *d, uint64_t seq, const char *kind)
{
    struct bytes name = {0};
    bytes_printf(&name, "%s.%llu.%s", d->filename, (unsigned long long)seq, kind);
    bytes_str(&name);
    return name.data;
}

char *aof_dir_manifest_path(const struct aof_dir *d)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/%s.manifest", d->path, d->filename);
    bytes_str(&path);
    return path.data;
}

int aof_dir_make(struct aof_dir *d)
{
    struct file_info info;
    if (file_info_path(d->path, &info) == 0 && info.is_dir)
        return 0;
    return gate_mkdir(d->gate, d->path);
}

int aof_dir_lock(struct aof_dir *d)
{
    if (d->lock >= 0)
        return 0;
    int fd = file_open(d->path, FILE_READ);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int error = file_lock(fd);
    if (error == -EWOULDBLOCK) {
        file_close(fd);
        return error;
    }
    d->lock = fd;
    return 0;
}

/* ---- the manifest ---- */

int aof_dir_read(struct aof_dir *d, const char **why, uint32_t *line)
{
    char *path = aof_dir_manifest_path(d), *data;
    size_t len;
    *why = NULL;
    *line = 0;
    int error = file_read_all(path, MANIFEST_BYTES_MAX, &data, &len);
    mem_free(path);
    if (error < 0)
        return error;
    struct manifest read;
    bool ok = manifest_parse(slice_of(data, len), &read, why, line);
    mem_free(data);
    if (!ok)
        return -EBADMSG;
    manifest_free(&d->manifest);
    manifest_free(&d->on_disk);
    d->manifest = read;
    manifest_copy(&read, &d->on_disk);
    return 0;
}

/* What is on disk after a write that failed. */
static void reread(struct aof_dir *d)
{
    const char *why;
    uint32_t line;
    int error = aof_dir_read(d, &why, &line);
    if (error == 0)
        return;
    manifest_free(&d->manifest);
    if (error == -ENOENT)
        manifest_free(&d->on_disk);
    else
        manifest_copy(&d->on_disk, &d->manifest);
}

int aof_dir_write(struct aof_dir *d)
{
    struct bytes text = {0};
    char *path = aof_dir_manifest_path(d);
    manifest_print(&d->manifest, &text);
    int error = gate_replace(d->gate, path, text.data, text.len, GATE_METADATA);
    if (error) {
        reread(d);
    } else {
        manifest_free(&d->on_disk);
        manifest_copy(&d->manifest, &d->on_disk);
    }
    bytes_free(&text);
    mem_free(path);
    return error;
}

/* The number in "<filename>.<number>.<anything>", or 0. */
static uint64_t seq_in(const char *name, const char *filename)
{
    size_t len = strlen(filename);
    if (strncmp(name, filename, len) != 0 || name[len] != '.')
        return 0;
    const char *digits = name + len + 1, *end = digits;
    while (*end >= '0' && *end <= '9')
        end++;
    uint64_t seq;
    if (*end != '.' || !number_parse_u64(slice_of(digits, (size_t)(end - digits)), &seq))
        return 0;
    return seq;
}

struct seq_search {
    const char *filename;
    uint64_t largest;
};

static int seq_visit(const char *name, void *ctx)
{
    struct seq_search *s = ctx;
    s->largest = MAX_OF(s->largest, seq_in(name, s->filename));
    return 0;
}

uint64_t aof_dir_next_seq(const struct aof_dir *d)
{
    struct seq_search s = {.filename = d->filename};
    s.largest = MAX_OF(manifest_last_seq(&d->manifest, MANIFEST_INCREMENT),
                       manifest_last_seq(&d->manifest, MANIFEST_BASE));
    s.largest = MAX_OF(s.largest, manifest_last_seq(&d->manifest, MANIFEST_HISTORY));
    int error = file_list(d->path, seq_visit, &s);
    (void)error; /* cannot be listed: the manifest's numbers are enough */
    return s.largest + 1;
}

void aof_dir_adopt(struct aof_dir *d)
{
    for (uint32_t i = 0; i < d->manifest.count; i++) {
        const struct manifest_file *f = &d->manifest.files[i];
        char *path = aof_dir_path(d, f->name);
        gate_adopt(d->gate, path, f->type == MANIFEST_INCREMENT ? GATE_LOG : GATE_COMPACTION);
        mem_free(path);
    }
}

/* ---- removing ---- */

int aof_dir_set_aside(struct aof_dir *d, const char *name)
{
    struct bytes to = {0};
    char *from = aof_dir_path(d, name);
    bytes_printf(&to, "%s.damaged-%lld", from, (long long)(clock_wall_ms() / 1000));
    int error = file_exists(from) ? gate_rename(d->gate, from, bytes_str(&to)) : 0;
    if (error)
        LOG_WARNING("Cannot set aside %s: %s", from, strerror(-error));
    else
        LOG_NOTICE("Set aside as %s", to.data);
    bytes_free(&to);
    mem_free(from);
    return error;
}

static int remove_one(struct aof_dir *d, const char *name)
{
    if (manifest_has(&d->aside, name))
        return aof_dir_set_aside(d, name);
    char *path = aof_dir_path(d, name);
    int error = gate_remove(d->gate, path);
    if (error)
        LOG_WARNING("Cannot remove %s: %s", path, strerror(-error));
    mem_free(path);
    return error;
}

void aof_dir_discard(struct aof_dir *d, const char *name)
{
    if (remove_one(d, name) != 0)
        manifest_add(&d->garbage, name, 0, MANIFEST_HISTORY);
}

void aof_dir_collect(struct aof_dir *d)
{
    struct manifest names = d->garbage;
    d->garbage = (struct manifest){0};
    for (uint32_t i = 0; i < names.count; i++)
        if (!manifest_has(&d->manifest, names.files[i].name))
            aof_dir_discard(d, names.files[i].name);
    manifest_free(&names);
}

static int empty_visit(const char *name, void *ctx)
{
    struct aof_dir *d = ctx;
    size_t len = strlen(name);
    if (!seq_in(name, d->filename) || len < 9 || strcmp(name + len - 9, ".incr.aof") != 0 ||
        manifest_has(&d->manifest, name))
        return 0;
    char *path = aof_dir_path(d, name);
    struct file_info info;
    if (file_info_path(path, &info) == 0 && !info.is_dir && info.size == 0)
        aof_dir_discard(d, name);
    mem_free(path);
    return 0;
}

void aof_dir_remove_empty(struct aof_dir *d)
{
    int error = file_list(d->path, empty_visit, d);
    if (error)
        LOG_WARNING("Cannot list %s: %s", d->path, strerror(-error));
}

/* Whether the name is "<filename>.<seq>.base.rdb", ".base.aof" or ".incr.aof". */
static bool is_chain_file(const struct aof_dir *d, const char *name, uint64_t *seq)
{
    static const char *const kinds[] = {".base.rdb", ".base.aof", ".incr.aof"};
    size_t len = strlen(name);
    *seq = seq_in(name, d->filename);
    for (size_t i = 0; i < COUNT_OF(kinds) && *seq; i++)
        if (len > strlen(kinds[i]) && strcmp(name + len - strlen(kinds[i]), kinds[i]) == 0)
            return true;
    return false;
}

struct chain_search {
    struct aof_dir *dir;
    struct manifest found;
};

static int superseded_visit(const char *name, void *ctx)
{
    struct aof_dir *d = ctx;
    const struct manifest_file *base = manifest_base(&d->manifest);
    uint64_t seq;
    if (is_chain_file(d, name, &seq) && seq < base->seq && !manifest_has(&d->manifest, name))
        aof_dir_discard(d, name);
    return 0;
}

void aof_dir_remove_superseded(struct aof_dir *d)
{
    bool damaged = false;
    for (uint32_t i = 0; i < d->aside.count; i++)
        damaged |= manifest_has(&d->manifest, d->aside.files[i].name);
    if (!manifest_base(&d->manifest) || damaged)
        return;
    int error = file_list(d->path, superseded_visit, d);
    if (error)
        LOG_WARNING("Cannot list %s: %s", d->path, strerror(-error));
}

/* ---- retiring a chain ---- */

static char *retired_path(const struct aof_dir *d)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/%s.manifest.retired", d->path, d->filename);
    bytes_str(&path);
    return path.data;
}

int aof_dir_retire(struct aof_dir *d)
{
    char *from = aof_dir_manifest_path(d), *to = retired_path(d);
    int error = gate_rename(d->gate, from, to);
    mem_free(from);
    mem_free(to);
    if (error == -ENOENT)
        error = 0;
    if (error)
        return error;
    manifest_free(&d->on_disk);
    for (uint32_t i = 0; i < d->manifest.count; i++)
        aof_dir_discard(d, d->manifest.files[i].name);
    manifest_free(&d->manifest);
    return 0;
}

/* What was retired: 0, or what file_read_all says, or -EBADMSG. */
static int read_retired(const char *path, struct manifest *retired)
{
    const char *why;
    uint32_t line;
    char *data;
    size_t len;
    int error = file_read_all(path, MANIFEST_BYTES_MAX, &data, &len);
    if (error)
        return error;
    bool ok = manifest_parse(slice_of(data, len), retired, &why, &line);
    mem_free(data);
    return ok ? 0 : -EBADMSG;
}

static bool is_whole(const struct aof_dir *d, const struct manifest *m)
{
    bool whole = m->count != 0;
    for (uint32_t i = 0; i < m->count && whole; i++) {
        char *file = aof_dir_path(d, m->files[i].name);
        whole = m->files[i].type == MANIFEST_HISTORY || file_exists(file);
        mem_free(file);
    }
    return whole;
}

int aof_dir_revive(struct aof_dir *d)
{
    char *from = retired_path(d), *to = aof_dir_manifest_path(d);
    struct manifest retired;
    int error = 0;
    if (!file_exists(to) && read_retired(from, &retired) == 0) {
        if (is_whole(d, &retired)) {
            LOG_WARNING("The log in %s was given up, but is still whole: taking it back", d->path);
            error = gate_rename(d->gate, from, to);
        }
        manifest_free(&retired);
    }
    mem_free(from);
    mem_free(to);
    return error;
}

void aof_dir_finish_retired(struct aof_dir *d)
{
    char *path = retired_path(d);
    struct manifest retired;
    bool done = true; /* one that makes no sense lists nothing */
    int error = read_retired(path, &retired);
    if (error == 0) {
        for (uint32_t i = 0; i < retired.count; i++) {
            char *file = aof_dir_path(d, retired.files[i].name);
            if (!manifest_has(&d->manifest, retired.files[i].name) && file_exists(file))
                done = remove_one(d, retired.files[i].name) == 0 && done;
            mem_free(file);
        }
        manifest_free(&retired);
    }
    bool go = (error == 0 && done) || error == -EBADMSG;
    if (go && (error = gate_remove(d->gate, path)) != 0)
        LOG_WARNING("Cannot remove %s: %s", path, strerror(-error));
    mem_free(path);
}

static int chain_visit(const char *name, void *ctx)
{
    uint64_t seq;
    struct aof_dir *d = ((struct chain_search *)ctx)->dir;
    if (is_chain_file(d, name, &seq))
        manifest_add(&((struct chain_search *)ctx)->found, name, seq, MANIFEST_HISTORY);
    return 0;
}

unsigned aof_dir_set_aside_all(struct aof_dir *d)
{
    struct chain_search s = {.dir = d};
    int error = file_list(d->path, chain_visit, &s);
    if (error && error != -ENOENT)
        LOG_WARNING("Cannot list %s: %s", d->path, strerror(-error));
    unsigned count = s.found.count;
    for (unsigned i = 0; i < count; i++)
        if (aof_dir_set_aside(d, s.found.files[i].name) != 0)
            manifest_add(&d->aside, s.found.files[i].name, 0, MANIFEST_HISTORY);
    manifest_free(&s.found);
    return count;
}

void aof_dir_clear_history(struct aof_dir *d)
{
    struct manifest kept = {0};
    bool any = false;
    for (uint32_t i = 0; i < d->manifest.count; i++) {
        const struct manifest_file *f = &d->manifest.files[i];
        if (f->type == MANIFEST_HISTORY && remove_one(d, f->name) == 0)
            any = true;
        else
            manifest_add(&kept, f->name, f->seq, f->type);
    }
    if (!any) {
        manifest_free(&kept);
        return;
    }
    manifest_free(&d->manifest);
    d->manifest = kept;
    int error = aof_dir_write(d);
    if (error)
        LOG_WARNING("Cannot rewrite the manifest of the log: %s", strerror(-error));
}

/* ---- leftovers ---- */

struct leftover_sweep {
    struct gate *gate;
    const char *dir, *filename;
    unsigned removed;
};

static bool has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Digits at *at, which is moved behind them: a pid; 0 = none. */
static uint64_t take_pid(const char **at)
{
    const char *from = *at;
    while (**at >= '0' && **at <= '9')
        ++*at;
    uint64_t pid;
    return number_parse_u64(slice_of(from, (size_t)(*at - from)), &pid) ? pid : 0;
}

/* The process runs and is not this one. Its files are its own. */
static bool is_alive(uint64_t pid)
{
    char path[40];
    if (pid == (uint64_t)getpid())
        return false;
    snprintf(path, sizeof path, "/proc/%llu", (unsigned long long)pid);
    return file_exists(path);
}

/* "temp-<pid>.rdb", "temp-rewriteaof-<pid>.aof", "temp-rewriteaof-bg-<pid>.aof" */
static bool is_numbered_temp(const char *name)
{
    const char *suffix = ".rdb";
    if (!has_prefix(name, "temp-"))
        return false;
    name += 5;
    if (has_prefix(name, "rewriteaof-")) {
        name += 11;
        suffix = ".aof";
        if (has_prefix(name, "bg-"))
            name += 3;
    }
    uint64_t pid = take_pid(&name);
    return pid && strcmp(name, suffix) == 0 && !is_alive(pid);
}

/* "<filename>.manifest.<pid>.<hex>.tmp", or "temp-<filename>.incr", "temp-<filename>.manifest" */
static bool is_named_temp(const char *name, const char *filename)
{
    size_t len = strlen(filename);
    if (has_prefix(name, "temp-") && has_prefix(name + 5, filename))
        return strcmp(name + 5 + len, ".incr") == 0 || strcmp(name + 5 + len, ".manifest") == 0;
    if (!has_prefix(name, filename) || !has_prefix(name + len, ".manifest."))
        return false;
    name += len + 10;
    uint64_t pid = take_pid(&name);
    size_t rest = strlen(name);
    return pid && *name == '.' && rest > 5 && strcmp(name + rest - 4, ".tmp") == 0 &&
           strspn(name + 1, "0123456789abcdef") == rest - 5 && !is_alive(pid);
}

static int leftover_visit(const char *name, void *ctx)
{
    struct leftover_sweep *s = ctx;
    if (!is_numbered_temp(name) && !(s->filename && is_named_temp(name, s->filename)))
        return 0;
    char *path = path_of(s->dir, name);
    struct file_info info;
    if (file_info_path(path, &info) == 0 && !info.is_dir) {
        int error = gate_remove(s->gate, path);
        if (error)
            LOG_WARNING("Cannot remove the leftover %s: %s", path, strerror(-error));
        else
            s->removed++;
    }
    mem_free(path);
    return 0;
}

unsigned aof_sweep_leftovers(struct gate *gate, const char *dir, const char *filename)
{
    struct leftover_sweep s = {.gate = gate, .dir = dir, .filename = filename};
    int error = file_list(dir, leftover_visit, &s);
    if (error && error != -ENOENT)
        LOG_WARNING("Cannot look for leftovers in %s: %s", dir, strerror(-error));
    if (s.removed)
        LOG_NOTICE("Removed %u temporary files of earlier runs from %s", s.removed, dir);
    return s.removed;
}
