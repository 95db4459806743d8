/* load.c - what a start does with the files it finds.
 *
 *      appendonly no       the dump file
 *      appendonly yes      manifest: base and increments
 *                          no manifest, but a single log of old Redis beside the directory: that
 *                          neither: the dump file
 *
 * Nothing is written here except that leftovers are removed. What is damaged is loaded up to the
 * damage (aof-damage stop-at-damage) and set aside when a fresh base has been written, or refused.
 */
#include <errno.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "persist/rdb_load.h"
#include "persist/state.h"
#include "plog/plog.h"

#define RELOAD_DRAIN_MS 10000 /* for the rest of the log to be written */

void persist_open_dir(struct persist *p, const struct persist_options *options)
{
    if (p->dir_ready)
        aof_dir_free(&p->dir);
    aof_dir_init(&p->dir, guard_gate(p->parts.guard), options->dir, p->parts.appenddirname,
                 p->parts.appendfilename);
    p->dir_ready = true;
}

static void load_progress(void *ctx, uint64_t bytes)
{
    struct persist *p = ctx;
    RELAXED_STORE(&p->c.load_done, bytes);
}

static bool execute(void *ctx, uint32_t db, uint32_t argc, const struct slice *argv,
                    const char **why)
{
    struct persist *p = ctx;
    return p->parts.execute(p->parts.ctx, db, argc, argv, why);
}

static uint64_t size_of(const char *path)
{
    struct file_info info;
    return file_info_path(path, &info) == 0 ? info.size : 0;
}

static char *below(const char *dir, const char *name)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/%s", dir, name);
    bytes_str(&path);
    return path.data;
}

/* ---- the dump file ---- */

struct rdb_source {
    int fd;
    uint64_t at;
};

static ssize_t rdb_fill(void *ctx, void *data, size_t len)
{
    struct rdb_source *s = ctx;
    ssize_t n = file_read_at(s->fd, data, len, s->at);
    if (n > 0)
        s->at += (uint64_t)n;
    return n;
}

static bool load_rdb_file(struct persist *p, const char *path, const struct persist_options *from,
                          struct rdb_load_result *result)
{
    *result = (struct rdb_load_result){0};
    struct rdb_source source = {.fd = file_open(path, FILE_READ)};
    if (source.fd < 0) {
        result->error = source.fd;
        result->why = "it cannot be opened";
        return false;
    }
    RELAXED_STORE(&p->c.load_total, size_of(path));
    struct rdb_reader r;
    struct rdb_load_options options = {.checksum = from->rdbchecksum,
                                       .any_version = from->rdb_any_version,
                                       .key_delay = &p->key_load_delay,
                                       .progress = load_progress,
                                       .ctx = p};
    rdb_reader_init_source(&r, rdb_fill, &source);
    bool ok = rdb_load(&r, p->parts.keyspace, &options, result);
    rdb_reader_free(&r);
    file_close(source.fd);
    RELAXED_STORE(&p->c.load_keys, result->keys);
    RELAXED_STORE(&p->c.load_expired, result->expired);
    return ok;
}

static void set_aside(struct persist *p, const char *path)
{
    struct bytes to = {0};
    bytes_printf(&to, "%s.damaged-%lld", path, (long long)(clock_wall_ms() / 1000));
    int error = gate_rename(guard_gate(p->parts.guard), path, bytes_str(&to));
    if (error)
        LOG_WARNING("Cannot set the damaged %s aside: %s", path, strerror(-error));
    else
        LOG_WARNING("The damaged file was set aside as %s", to.data);
    bytes_free(&to);
}

static enum persist_loaded load_dump(struct persist *p, const struct persist_options *options)
{
    char *path = below(options->dir, options->dbfilename);
    struct rdb_load_result result;
    enum persist_loaded loaded = PERSIST_LOADED_RDB;
    if (!file_exists(path)) {
        loaded = PERSIST_LOADED_NOTHING;
    } else if (load_rdb_file(p, path, options, &result)) {
        LOG_NOTICE("DB loaded from %s: %llu keys, %llu expired", path,
                   (unsigned long long)result.keys, (unsigned long long)result.expired);
    } else {
        RELAXED_ADD(&p->c.load_damaged, 1);
        LOG_WARNING("%s is damaged at byte %llu: %s%s%s", path, (unsigned long long)result.offset,
                    result.why, result.error ? ": " : "",
                    result.error ? strerror(-result.error) : "");
        if (options->aof_damage == PERSIST_REFUSE_DAMAGE)
            loaded = PERSIST_LOAD_FAILED;
        else
            set_aside(p, path);
    }
    mem_free(path);
    return loaded;
}

/* ---- the log ---- */

static struct aof_load_options log_options(struct persist *p, const struct persist_options *options)
{
    return (struct aof_load_options){.keyspace = p->parts.keyspace,
                                     .execute = execute,
                                     .progress = load_progress,
                                     .ctx = p,
                                     .checksum = options->rdbchecksum,
                                     .any_version = options->rdb_any_version,
                                     .key_delay = &p->key_load_delay};
}

/* Everything from the file in which loading ended is set aside once there is a new chain. */
static void mark_damaged(struct persist *p, uint32_t from)
{
    const struct manifest *m = &p->dir.manifest;
    for (uint32_t i = 0; i < m->count; i++)
        if (i == from ||
            (m->files[i].type == MANIFEST_INCREMENT &&
             (m->files[from].type == MANIFEST_BASE || m->files[i].seq > m->files[from].seq)))
            manifest_add(&p->dir.aside, m->files[i].name, m->files[i].seq, m->files[i].type);
}

static enum persist_loaded judge_chain(struct persist *p, const struct persist_options *options,
                                       const struct aof_load_result *r)
{
    const char *name = p->dir.manifest.files[r->file].name;
    if (r->end == AOF_LOAD_TORN && options->aof_load_truncated) {
        LOG_WARNING("%s ends in the middle at byte %llu of %llu (%s): the rest is cut off", name,
                    (unsigned long long)r->offset, (unsigned long long)r->size, r->why);
        p->torn = mem_strdup(name);
        p->torn_size = r->offset;
        return PERSIST_LOADED_AOF;
    }
    RELAXED_ADD(&p->c.load_damaged, 1);
    LOG_WARNING("%s is damaged at byte %llu of %llu: %s%s%s", name, (unsigned long long)r->offset,
                (unsigned long long)r->size, r->why, r->error ? ": " : "",
                r->error ? strerror(-r->error) : "");
    if (r->end == AOF_LOAD_TORN || options->aof_damage == PERSIST_REFUSE_DAMAGE)
        return PERSIST_LOAD_FAILED;
    LOG_WARNING("Going on with what was loaded until there; a fresh base will be written and the "
                "damaged files set aside");
    mark_damaged(p, r->file);
    p->fresh_wanted = true;
    return PERSIST_LOADED_AOF;
}

static uint64_t chain_size(const struct aof_dir *d)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < d->manifest.count; i++) {
        char *path = aof_dir_path(d, d->manifest.files[i].name);
        total += d->manifest.files[i].type == MANIFEST_HISTORY ? 0 : size_of(path);
        mem_free(path);
    }
    return total;
}

static enum persist_loaded load_chain(struct persist *p, const struct persist_options *options)
{
    struct aof_load_options how = log_options(p, options);
    struct aof_load_result result;
    RELAXED_STORE(&p->c.load_total, chain_size(&p->dir));
    aof_dir_adopt(&p->dir);
    aof_load_chain(p->dir.path, &p->dir.manifest, &how, &result);
    RELAXED_STORE(&p->c.load_keys, result.keys);
    RELAXED_STORE(&p->c.base_bytes, result.base_bytes);
    RELAXED_STORE(&p->c.increments_before, result.increment_bytes);
    p->last_size = result.size;
    p->chain_loaded = true;
    LOG_NOTICE("DB loaded from append only file: %llu keys from the base, %llu records",
               (unsigned long long)result.keys, (unsigned long long)result.records);
    return result.end == AOF_LOAD_OK ? PERSIST_LOADED_AOF : judge_chain(p, options, &result);
}

/* A log in one file, as Redis before 7 wrote it. It is left where it is. */
static enum persist_loaded load_single(struct persist *p, const struct persist_options *options,
                                       const char *path)
{
    struct aof_load_options how = log_options(p, options);
    struct aof_load_result result;
    RELAXED_STORE(&p->c.load_total, size_of(path));
    aof_load_file(path, &how, &result);
    RELAXED_STORE(&p->c.load_keys, result.keys);
    p->fresh_wanted = true;
    if (result.end == AOF_LOAD_OK) {
        LOG_NOTICE("DB loaded from the single log %s; from now on the log is kept in %s", path,
                   p->dir.path);
        return PERSIST_LOADED_AOF;
    }
    LOG_WARNING("%s is not whole at byte %llu: %s", path, (unsigned long long)result.offset,
                result.why);
    bool allowed = result.end == AOF_LOAD_TORN ? options->aof_load_truncated
                                               : options->aof_damage == PERSIST_STOP_AT_DAMAGE;
    return allowed ? PERSIST_LOADED_AOF : PERSIST_LOAD_FAILED;
}

static enum persist_loaded load_without_manifest(struct persist *p,
                                                 const struct persist_options *options)
{
    char *single = below(options->dir, p->parts.appendfilename);
    enum persist_loaded loaded;
    if (file_exists(single)) {
        loaded = load_single(p, options, single);
    } else {
        loaded = load_dump(p, options);
        p->fresh_wanted = loaded == PERSIST_LOADED_RDB;
    }
    mem_free(single);
    return loaded;
}

static enum persist_loaded load_log(struct persist *p, const struct persist_options *options)
{
    const char *why;
    uint32_t line;
    persist_open_dir(p, options);
    int error = aof_dir_lock(&p->dir);
    if (error == -EWOULDBLOCK) {
        LOG_WARNING("%s is in use by another process", p->dir.path);
        return PERSIST_LOAD_FAILED;
    }
    aof_sweep_leftovers(p->dir.gate, p->dir.path, p->dir.filename);
    error = aof_dir_revive(&p->dir);
    if (!error)
        error = aof_dir_read(&p->dir, &why, &line);
    if (error == 0 || error == -ENOENT)
        aof_dir_finish_retired(&p->dir);
    if (error == 0) {
        aof_dir_remove_empty(&p->dir);
        return load_chain(p, options);
    }
    if (error == -ENOENT) {
        if (aof_dir_set_aside_all(&p->dir)) {
            RELAXED_ADD(&p->c.load_damaged, 1);
            LOG_WARNING("There is no manifest in %s: nothing is loaded from there", p->dir.path);
        }
        return load_without_manifest(p, options);
    }
    char *path = aof_dir_manifest_path(&p->dir);
    RELAXED_ADD(&p->c.load_damaged, 1);
    if (error == -EBADMSG)
        LOG_WARNING("The manifest %s makes no sense in line %u: %s", path, line, why);
    else
        LOG_WARNING("The manifest %s cannot be read: %s", path, strerror(-error));
    if (options->aof_damage != PERSIST_REFUSE_DAMAGE)
        set_aside(p, path);
    mem_free(path);
    if (options->aof_damage == PERSIST_REFUSE_DAMAGE)
        return PERSIST_LOAD_FAILED;
    aof_dir_set_aside_all(&p->dir);
    enum persist_loaded loaded = load_without_manifest(p, options);
    p->fresh_wanted = true;
    return loaded;
}

enum persist_loaded persist_load(struct persist *p)
{
    struct persist_options options;
    persist_options_now(p, &options);
    RELAXED_STORE(&p->c.load_began_s, clock_wall_ms() / 1000);
    RELAXED_STORE(&p->c.loading, 1);
    aof_sweep_leftovers(guard_gate(p->parts.guard), options.dir, NULL);
    enum persist_loaded loaded =
        options.appendonly ? load_log(p, &options) : load_dump(p, &options);
    RELAXED_STORE(&p->c.loading, 0);
    RELAXED_STORE(&p->c.changes_saved, p->parts.changes ? p->parts.changes(p->parts.ctx) : 0);
    options_free(&options);
    return loaded;
}

/* ---- again, while the server runs ---- */

/* What is in memory can be read back: the files are there, and with the log on they hold it all. */
static int check_reloadable(struct persist *p, const struct aof_dir *d)
{
    if (p->log_on && (aof_is_poisoned(p->aof) || !aof_drain(p->aof, RELOAD_DRAIN_MS)))
        return -EAGAIN;
    int error = d->manifest.count == 0 ? -ENOENT : 0;
    for (uint32_t i = 0; i < d->manifest.count && !error; i++) {
        char *path = aof_dir_path(d, d->manifest.files[i].name);
        if (d->manifest.files[i].type != MANIFEST_HISTORY && !file_exists(path))
            error = -ENOENT;
        mem_free(path);
    }
    return error;
}

static void empty_keyspace(struct persist *p)
{
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = p->parts.keyspace, .stats = &stats, .now_ms = clock_wall_ms()};
    hold_take(&hold, HOLD_ALL);
    for (uint32_t db = 0; db < keyspace_options(hold.keyspace)->databases; db++)
        keyspace_flush_db(&hold, db, false);
    hold_drop(&hold);
}

/* The chain in place of what is in memory. */
static int replace_by_chain(struct persist *p, const struct persist_options *options,
                            const struct aof_dir *d)
{
    struct aof_load_options how = log_options(p, options);
    struct aof_load_result r;
    uint64_t end = plog_end(p->parts.plog);
    RELAXED_STORE(&p->c.load_began_s, clock_wall_ms() / 1000);
    RELAXED_STORE(&p->c.load_total, chain_size(d));
    RELAXED_STORE(&p->c.loading, 1);
    empty_keyspace(p);
    aof_load_chain(d->path, &d->manifest, &how, &r);
    RELAXED_STORE(&p->c.load_keys, r.keys);
    RELAXED_STORE(&p->c.loading, 0);
    bool torn = r.end == AOF_LOAD_TORN && !p->log_on && options->aof_load_truncated;
    bool good = r.end == AOF_LOAD_OK || torn;
    if (!good)
        LOG_WARNING("%s is damaged at byte %llu of %llu: %s%s%s", d->manifest.files[r.file].name,
                    (unsigned long long)r.offset, (unsigned long long)r.size, r.why,
                    r.error ? ": " : "", r.error ? strerror(-r.error) : "");
    if (!good && p->log_on)
        mark_damaged(p, r.file);
    /* Damage, or a key removed for lack of disk meanwhile: the log is to say what memory holds. */
    if (p->log_on && (!good || plog_end(p->parts.plog) != end))
        persist_rewrite(p);
    LOG_NOTICE("DB loaded again from append only file: %llu keys from the base, %llu records",
               (unsigned long long)r.keys, (unsigned long long)r.records);
    return good ? 0 : r.error ? r.error : -EBADMSG;
}

int load_log_again(struct persist *p)
{
    struct persist_options options;
    struct aof_dir found, *d = &p->dir;
    const char *why;
    uint32_t line;
    int error = 0;
    persist_options_now(p, &options);
    if (!p->log_on) {
        d = &found;
        aof_dir_init(d, guard_gate(p->parts.guard), options.dir, p->parts.appenddirname,
                     p->parts.appendfilename);
        error = aof_dir_read(d, &why, &line);
    }
    if (!error)
        error = check_reloadable(p, d);
    if (!error)
        error = replace_by_chain(p, &options, d);
    if (!p->log_on)
        aof_dir_free(d);
    options_free(&options);
    return error;
}

/* ---- opening the log behind what was loaded ---- */

static int cut_off_tail(struct persist *p)
{
    char *path = aof_dir_path(&p->dir, p->torn);
    struct gate_file *file;
    int error = gate_open(p->dir.gate, path, FILE_WRITE, GATE_LOG, &file);
    if (!error) {
        error = gate_truncate(file, p->torn_size);
        error = error ? error : gate_sync(file);
        gate_close(file);
    }
    if (error)
        LOG_WARNING("Cannot cut off the torn end of %s: %s", path, strerror(-error));
    mem_free(path);
    return error;
}

/* A new increment at the end of the manifest. */
static int begin_increment(struct persist *p, struct aof_file **out)
{
    struct aof_dir *d = &p->dir;
    int error = aof_dir_make(d);
    if (error)
        return error;
    error = aof_dir_lock(d);
    if (error == -EWOULDBLOCK)
        return error;
    uint64_t seq = aof_dir_next_seq(d);
    char *name = aof_dir_name(d, seq, "incr.aof"), *path = aof_dir_path(d, name);
    error = aof_file_open(d->gate, path, false, out);
    if (!error) {
        error = gate_sync_dir(d->gate, d->path);
        if (!error)
            manifest_add(&d->manifest, name, seq, MANIFEST_INCREMENT);
        if (!error && (error = aof_dir_write(d)) != 0 && manifest_has(&d->manifest, name))
            error = 0; /* it is in place all the same */
        if (error) {
            aof_file_discard(*out);
            if (gate_remove(d->gate, path) != 0)
                LOG_WARNING("Cannot remove %s", path);
        }
    }
    mem_free(name);
    mem_free(path);
    return error;
}

static int append_to_last(struct persist *p, struct aof_file **out)
{
    const struct manifest *m = &p->dir.manifest;
    const struct manifest_file *last = NULL;
    for (uint32_t i = 0; i < m->count; i++)
        if (m->files[i].type == MANIFEST_INCREMENT)
            last = &m->files[i];
    if (!last)
        return begin_increment(p, out);
    char *path = aof_dir_path(&p->dir, last->name);
    int error = aof_file_open(p->dir.gate, path, true, out);
    mem_free(path);
    return error;
}

int persist_open_log(struct persist *p)
{
    struct aof_file *file;
    int error = 0;
    if (p->torn) {
        error = cut_off_tail(p);
        if (!error)
            error = begin_increment(p, &file);
    } else {
        error = append_to_last(p, &file);
    }
    if (error)
        return error;
    mem_free(p->torn);
    p->torn = NULL;
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = p->parts.keyspace, .stats = &stats};
    hold_take(&hold, HOLD_ALL);
    uint64_t at = plog_cut(p->parts.plog);
    aof_switch_at(p->aof, file, at, false);
    RELAXED_STORE(&p->c.increments_from, at);
    hold_drop(&hold);
    return 0;
}
