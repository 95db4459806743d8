/* aof_load.c - a window that slides over a file, the records in it, groups, and chains of files. */
#include "persist/aof_load.h"

#include <errno.h>
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "persist/rdb_load.h"
#include "proto/request.h"

#define WINDOW_STEP      (1024u * 1024)
#define PROGRESS_RECORDS 1024

static const struct request_limits no_limits = {
    .multibulk_max = INT32_MAX, .bulk_max = INT64_MAX / 2, .authenticated = true};

struct loading {
    const struct aof_load_options *options;
    struct aof_load_result *result;
    int fd;
    uint64_t read_to; /* file offset behind the window */
    struct bytes window;
    size_t at; /* in the window: the record that comes next */
    uint32_t db;
    struct request_parser parser;
    struct request_vector arguments;
    struct bytes group; /* records between MULTI and EXEC, as they were */
    bool in_group;
    uint64_t group_start; /* file offset of MULTI */
    uint64_t done_before; /* bytes of earlier files of the chain */
};

static uint64_t position(const struct loading *l)
{
    return l->read_to - (l->window.len - l->at);
}

static bool stop(struct loading *l, enum aof_load_end end, const char *why, int error)
{
    l->result->end = end;
    l->result->why = why;
    l->result->error = error;
    l->result->offset = l->in_group ? l->group_start : position(l);
    return false;
}

/* Brings at least one more byte into the window. 1, 0 at the end, or a negative errno. */
static int read_more(struct loading *l, size_t wanted)
{
    if (l->at) {
        memmove(l->window.data, l->window.data + l->at, l->window.len - l->at);
        l->window.len -= l->at;
        l->at = 0;
    }
    /* A length that the file announces costs no more memory than the file has bytes. */
    uint64_t size = l->result->size, left = size > l->read_to ? size - l->read_to : 0;
    size_t step = (size_t)MIN_OF(MAX_OF(wanted, (size_t)WINDOW_STEP), left + 1);
    if (l->window.cap - l->window.len < step) {
        size_t cap = MAX_OF(l->window.len + step, l->window.cap + l->window.cap / 2);
        char *data = mem_try_realloc(l->window.data, cap);
        if (!data)
            return -ENOMEM;
        l->window.data = data;
        l->window.cap = cap;
    }
    ssize_t n = file_read_at(l->fd, l->window.data + l->window.len, step, l->read_to);
    if (n <= 0)
        return (int)n;
    l->window.len += (size_t)n;
    l->read_to += (uint64_t)n;
    return 1;
}

/* Whether there is nothing but zero bytes from here to the end: blocks that a crash left empty. */
static bool only_zeros(struct loading *l)
{
    for (;;) {
        for (size_t i = l->at; i < l->window.len; i++)
            if (l->window.data[i])
                return false;
        l->at = l->window.len;
        int more = read_more(l, 0);
        if (more <= 0)
            return more == 0;
    }
}

static bool stop_at_bad_bytes(struct loading *l, const char *why)
{
    uint64_t from = l->in_group ? l->group_start : position(l);
    bool zeros = only_zeros(l);
    stop(l, zeros ? AOF_LOAD_TORN : AOF_LOAD_DAMAGED, zeros ? "it ends in zero bytes" : why, 0);
    l->result->offset = from;
    return false;
}

/* ---- records ---- */

static bool run(struct loading *l, const struct request *request)
{
    const char *why = "a command that cannot be run";
    if (request->argc == 2 && slice_is(request->argv[0], "select")) {
        uint64_t db;
        if (!number_parse_u64(request->argv[1], &db) ||
            db >= keyspace_options(l->options->keyspace)->databases)
            return stop(l, AOF_LOAD_DAMAGED, "a database number beyond the setting `databases`", 0);
        l->db = (uint32_t)db;
        return true;
    }
    if (!l->options->execute(l->options->ctx, l->db, request->argc, request->argv, &why))
        return stop(l, AOF_LOAD_DAMAGED, why, 0);
    l->result->records++;
    load_delay(l->options->key_delay, l->result->records);
    if (l->result->records % PROGRESS_RECORDS == 0 && l->options->progress)
        l->options->progress(l->options->ctx, l->done_before + position(l));
    return true;
}

/* The group is whole: its records, one after the other. */
static bool run_group(struct loading *l)
{
    struct request_parser parser;
    request_parser_init(&parser);
    bool ok = true;
    for (size_t at = 0; ok && at < l->group.len;) {
        struct request request;
        size_t wanted;
        request_vector_reset(&l->arguments);
        if (request_parse(&parser, &no_limits, &l->arguments, l->group.data + at, l->group.len - at,
                          &request, &wanted) != REQUEST_READY) {
            ok = stop(l, AOF_LOAD_DAMAGED, "a bad record in a group", 0);
            break;
        }
        at += request.size;
        ok = run(l, &request);
    }
    request_parser_free(&parser);
    l->group.len = 0;
    return ok;
}

/* One whole record at the front of the window. */
static bool take_record(struct loading *l, const struct request *request)
{
    bool single = request->argc == 1;
    if (single && slice_is(request->argv[0], "multi")) {
        if (l->in_group)
            return stop(l, AOF_LOAD_DAMAGED, "MULTI inside MULTI", 0);
        l->group_start = position(l);
        l->in_group = true;
        l->at += request->size;
        return true;
    }
    if (single && slice_is(request->argv[0], "exec")) {
        if (!l->in_group)
            return stop(l, AOF_LOAD_DAMAGED, "EXEC without MULTI", 0);
        if (!run_group(l))
            return false;
        l->in_group = false;
        l->at += request->size;
        return true;
    }
    if (l->in_group)
        bytes_append(&l->group, l->window.data + l->at, request->size);
    else if (!run(l, request))
        return false;
    l->at += request->size;
    return true;
}

/* A comment line. 1 = skipped, 0 = its end is not in the window yet. */
static int skip_comment(struct loading *l)
{
    const char *from = l->window.data + l->at;
    const char *end = memchr(from, '\n', l->window.len - l->at);
    if (!end)
        return 0;
    l->at += (size_t)(end - from) + 1;
    return 1;
}

static bool load_records(struct loading *l)
{
    size_t wanted = 0;
    for (;;) {
        bool need_more = l->at == l->window.len;
        if (!need_more && l->window.data[l->at] == '#') {
            need_more = skip_comment(l) == 0;
        } else if (!need_more && l->window.data[l->at] != '*') {
            return stop_at_bad_bytes(l, "bytes that are no record");
        } else if (!need_more) {
            struct request request;
            request_vector_reset(&l->arguments);
            enum request_result got =
                request_parse(&l->parser, &no_limits, &l->arguments, l->window.data + l->at,
                              l->window.len - l->at, &request, &wanted);
            if (got == REQUEST_BAD)
                return stop_at_bad_bytes(l, "a record that breaks off or is garbled");
            need_more = got == REQUEST_INCOMPLETE;
            if (!need_more && request.argc == 0)
                return stop_at_bad_bytes(l, "an empty record");
            if (!need_more && !take_record(l, &request))
                return false;
        }
        if (!need_more)
            continue;
        int more = read_more(l, wanted);
        wanted = 0;
        if (more < 0)
            return stop(l, AOF_LOAD_DAMAGED, "it cannot be read", more);
        if (more == 0)
            break;
    }
    if (l->at != l->window.len)
        return stop(l, AOF_LOAD_TORN, "its last record is not whole", 0);
    if (l->in_group)
        return stop(l, AOF_LOAD_TORN, "its last group of commands is not whole", 0);
    l->result->offset = position(l);
    return true;
}

/* ---- files ---- */

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

static void rdb_progress(void *ctx, uint64_t offset)
{
    struct loading *l = ctx;
    if (l->options->progress)
        l->options->progress(l->options->ctx, l->done_before + offset);
}

/* The RDB at the front of a file; records may follow. A broken one is damage, torn or not: what it
 * does not hold is not in any increment. */
static bool load_rdb(struct loading *l)
{
    struct rdb_source source = {.fd = l->fd};
    struct rdb_reader r;
    struct rdb_load_options options = {.keep_expired = true,
                                       .checksum = l->options->checksum,
                                       .any_version = l->options->any_version,
                                       .key_delay = l->options->key_delay,
                                       .progress = rdb_progress,
                                       .ctx = l};
    struct rdb_load_result rdb;
    rdb_reader_init_source(&r, rdb_fill, &source);
    bool ok = rdb_load(&r, l->options->keyspace, &options, &rdb);
    rdb_reader_free(&r);
    l->result->keys += rdb.keys;
    l->window.len = l->at = 0;
    l->read_to = rdb.offset;
    return ok || stop(l, AOF_LOAD_DAMAGED, rdb.why, rdb.error);
}

static bool load_open_file(struct loading *l)
{
    struct file_info info;
    int error = file_info_fd(l->fd, &info);
    if (error < 0)
        return stop(l, AOF_LOAD_DAMAGED, "it cannot be read", error);
    l->result->size = info.size;
    int more = read_more(l, 0);
    if (more < 0)
        return stop(l, AOF_LOAD_DAMAGED, "it cannot be read", more);
    if (l->window.len >= 5 && memcmp(l->window.data, "REDIS", 5) == 0 && !load_rdb(l))
        return false;
    return load_records(l);
}

static void load_file(const char *path, const struct aof_load_options *options,
                      struct aof_load_result *result, uint64_t done_before)
{
    struct loading l = {.options = options, .result = result, .done_before = done_before};
    result->end = AOF_LOAD_OK;
    result->why = NULL;
    result->error = 0;
    result->offset = result->size = 0;
    l.fd = file_open(path, FILE_READ);
    if (l.fd < 0) {
        stop(&l, AOF_LOAD_DAMAGED, "it cannot be opened", l.fd);
        return;
    }
    request_parser_init(&l.parser);
    load_open_file(&l);
    file_close(l.fd);
    request_parser_free(&l.parser);
    request_vector_free(&l.arguments);
    bytes_free(&l.window);
    bytes_free(&l.group);
}

void aof_load_file(const char *path, const struct aof_load_options *options,
                   struct aof_load_result *result)
{
    *result = (struct aof_load_result){0};
    load_file(path, options, result, 0);
}

/* ---- chains ---- */

static char *path_below(const char *dir, const char *name)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/%s", dir, name);
    bytes_str(&path);
    return path.data;
}

/* Whether all increments behind the one at `index` are empty or missing. */
static bool rest_is_empty(const char *dir, const struct manifest *m, uint32_t index)
{
    bool empty = true;
    for (uint32_t i = 0; i < m->count && empty; i++) {
        const struct manifest_file *f = &m->files[i];
        if (f->type != MANIFEST_INCREMENT || i == index ||
            (m->files[index].type == MANIFEST_INCREMENT && f->seq < m->files[index].seq))
            continue;
        char *path = path_below(dir, f->name);
        struct file_info info;
        int error = file_info_path(path, &info);
        empty = error == 0 && info.size == 0;
        mem_free(path);
    }
    return empty;
}

static void load_member(const char *dir, const struct manifest *m, uint32_t index,
                        const struct aof_load_options *options, struct aof_load_result *result)
{
    char *path = path_below(dir, m->files[index].name);
    result->file = index;
    load_file(path, options, result, result->base_bytes + result->increment_bytes);
    mem_free(path);
    if (m->files[index].type == MANIFEST_BASE)
        result->base_bytes += result->size;
    else
        result->increment_bytes += result->size;
    if (result->end == AOF_LOAD_TORN && !rest_is_empty(dir, m, index))
        result->end = AOF_LOAD_DAMAGED;
}

void aof_load_chain(const char *dir, const struct manifest *m,
                    const struct aof_load_options *options, struct aof_load_result *result)
{
    static const char order[] = {MANIFEST_BASE, MANIFEST_INCREMENT};
    *result = (struct aof_load_result){0};
    for (unsigned pass = 0; pass < sizeof order; pass++) {
        for (uint32_t i = 0; i < m->count; i++) {
            if (m->files[i].type != order[pass])
                continue;
            load_member(dir, m, i, options, result);
            if (result->end != AOF_LOAD_OK)
                return;
        }
    }
}
