/* config_rewrite.c - CONFIG REWRITE: the file says what is true now, and otherwise stays as it was.
 *
 * Each line of the old file belongs to a directive, or to nobody (comments, includes, what could
 * not be read). For each directive the lines it has are read again: if they still give the current
 * value they stay, letter for letter. Otherwise the new lines take the places of the old ones,
 * those that are left over go, and what finds no place is appended under a marker. A default that
 * has no line gets none, and one under the marker loses it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "guard/gate.h"
#include "ops/config_directive.h"
#include "proto/split.h"

#define NOBODY  SIZE_MAX
#define INCLUDE (SIZE_MAX - 1)

struct old_line {
    struct slice text; /* as it was, without its newline */
    struct slice *argv;
    int argc;
    size_t row;        /* or NOBODY, INCLUDE */
    char *replacement; /* owned; NULL = the text */
    bool dropped;
};

struct rewrite {
    struct config *config;
    struct old_line *lines;
    size_t count;
    size_t marker; /* index of its line; count = none */
    struct bytes appended;
};

void config_on_rewrite(struct config *c, const char *name, config_lines_fn fn, void *ctx)
{
    c->lines_hooks =
        mem_realloc(c->lines_hooks, (c->lines_hook_count + 1) * sizeof(*c->lines_hooks));
    c->lines_hooks[c->lines_hook_count++] = (struct config_lines_hook){name, fn, ctx};
}

/* ---- The old file ---- */

static void classify(struct rewrite *r, struct old_line *line)
{
    line->row = NOBODY;
    size_t at = 0;
    while (at < line->text.len && (line->text.data[at] == ' ' || line->text.data[at] == '\t'))
        at++;
    struct slice rest = slice_of(line->text.data + at, line->text.len - at);
    size_t marker_len = sizeof(CONFIG_MARKER) - 1;
    if (rest.len >= marker_len && memcmp(rest.data, CONFIG_MARKER, marker_len) == 0)
        r->marker = MIN_OF(r->marker, (size_t)(line - r->lines));
    if (rest.len == 0 || rest.data[0] == '#')
        return;
    line->argc = split_line(rest, &line->argv);
    if (line->argc < 0) { /* nothing that could be loaded: keep it for a person to see */
        struct bytes comment = {0};
        size_t shown = strnlen(line->text.data, line->text.len);
        while (shown > 0 && line->text.data[shown - 1] == '\r')
            shown--;
        bytes_append_str(&comment, "# ??? ");
        bytes_append(&comment, line->text.data, shown);
        line->replacement = mem_strdup(bytes_str(&comment));
        bytes_free(&comment);
    } else if (line->argc > 0) {
        line->row = slice_is(line->argv[0], "include") ? INCLUDE : config_find(line->argv[0], NULL);
    }
}

static void split_file(struct rewrite *r, struct slice old)
{
    size_t lines = 1;
    for (size_t i = 0; i < old.len; i++)
        lines += old.data[i] == '\n';
    r->lines = mem_zalloc(lines * sizeof(*r->lines));
    r->marker = lines;
    while (old.len > 0) {
        const char *end = memchr(old.data, '\n', old.len);
        size_t len = end != NULL ? (size_t)(end - old.data) : old.len;
        size_t shown = len;
        while (shown > 0 && old.data[shown - 1] == '\r')
            shown--;
        struct old_line *line = &r->lines[r->count++];
        line->text = slice_of(old.data, shown);
        classify(r, line);
        size_t taken = len + (end != NULL);
        old = slice_of(old.data + taken, old.len - taken);
    }
    r->marker = MIN_OF(r->marker, r->count);
}

/* ---- One directive ---- */

/* Puts `lines` where the row's old lines are; the rest is appended. nowhere: append all of them. */
static void place_lines(struct rewrite *r, size_t row, struct slice lines, bool nowhere)
{
    size_t at = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct old_line *line = &r->lines[i];
        if (line->row != row)
            continue;
        const char *end = at < lines.len ? memchr(lines.data + at, '\n', lines.len - at) : NULL;
        if (nowhere || end == NULL) {
            line->dropped = true;
            continue;
        }
        size_t stop = (size_t)(end - lines.data);
        line->replacement = slice_to_str(slice_of(lines.data + at, stop - at));
        at = stop + 1;
    }
    if (at < lines.len)
        bytes_append(&r->appended, lines.data + at, lines.len - at);
}

/* What the row's lines in the file give by themselves. False: they cannot be read. */
static bool value_of_lines(struct rewrite *r, size_t row, struct config_value *value)
{
    const struct config_directive *d = &config_directives[row];
    char error[CONFIG_ERROR_MAX];
    bool more = false;
    *value = config_value_copy(&r->config->rows[row].initial);
    for (size_t i = 0; i < r->count; i++) {
        struct old_line *line = &r->lines[i];
        struct config_value next = {0};
        if (line->row != row)
            continue;
        struct config_parse in = {.old = value,
                                  .more = more,
                                  .from_file = true,
                                  .argc = (size_t)line->argc - 1,
                                  .argv = line->argv + 1,
                                  .error = error};
        if (line->argc < 2 || !config_parse_value(d, &in, &next)) {
            config_value_free(value);
            return false;
        }
        config_value_free(value);
        *value = next;
        more = true;
    }
    return true;
}

static void rewrite_row(struct rewrite *r, size_t row)
{
    const struct config_directive *d = &config_directives[row];
    const struct config_row_state *state = &r->config->rows[row];
    size_t first = r->count, last = 0, last_include = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (r->lines[i].row == row) {
            first = MIN_OF(first, i);
            last = i;
        }
        if (r->lines[i].row == INCLUDE)
            last_include = i;
    }
    if (state->in_include && !state->after_include)
        return; /* the included file says it, and nothing has changed it */
    bool has_lines = first < r->count, is_default = config_value_eq(&state->value, &state->initial);
    bool hidden_by_include = state->in_include && (!has_lines || last < last_include);
    struct config_value written;
    bool holds = value_of_lines(r, row, &written);
    bool same = holds && config_value_eq(&written, &state->value);
    if (holds)
        config_value_free(&written);
    if (has_lines && is_default && first > r->marker && !state->in_include) {
        place_lines(r, row, (struct slice){0}, true);
    } else if (!same || hidden_by_include) {
        struct bytes lines = {0};
        config_print_lines(d, &state->value, &lines);
        place_lines(r, row, bytes_slice(&lines), hidden_by_include);
        bytes_free(&lines);
    }
}

static void rewrite_hooked(struct rewrite *r, const struct config_lines_hook *hook)
{
    struct bytes lines = {0};
    hook->fn(hook->ctx, &lines);
    place_lines(r, config_find(slice_str(hook->name), NULL), bytes_slice(&lines), false);
    bytes_free(&lines);
}

/* ---- The new file ---- */

static void print_file(struct rewrite *r, struct bytes *out)
{
    for (size_t i = 0; i < r->count; i++) {
        struct old_line *line = &r->lines[i];
        if (line->dropped)
            continue;
        if (line->replacement != NULL)
            bytes_append_str(out, line->replacement);
        else
            bytes_append(out, line->text.data, line->text.len);
        bytes_append_char(out, '\n');
    }
    if (r->appended.len > 0 && r->marker == r->count)
        bytes_append_str(out, CONFIG_MARKER "\n");
    bytes_append(out, r->appended.data, r->appended.len);
}

void config_rewrite_text(struct config *c, struct slice old, struct bytes *out)
{
    struct rewrite r = {.config = c};
    split_file(&r, old);
    lock_take(&c->lock);
    for (size_t row = 0; row < config_directive_count; row++)
        if (!(config_directives[row].flags & (CONFIG_EXTRA | CONFIG_IGNORED)))
            rewrite_row(&r, row);
    lock_drop(&c->lock);
    for (size_t i = 0; i < c->lines_hook_count; i++)
        rewrite_hooked(&r, &c->lines_hooks[i]);
    print_file(&r, out);
    for (size_t i = 0; i < r.count; i++) {
        mem_free(r.lines[i].argv);
        mem_free(r.lines[i].replacement);
    }
    mem_free(r.lines);
    bytes_free(&r.appended);
}

static int rewrite_file(struct config *c, struct gate *gate)
{
    char *old = NULL;
    size_t len = 0;
    struct bytes text = {0};
    if (c->path == NULL)
        return -ENOENT;
    int error = file_read_all(c->path, CONFIG_SIZE_LIMIT, &old, &len);
    if (error != 0 && error != -ENOENT)
        return error;
    if (error == -ENOENT) {
        old = NULL;
        len = 0;
    }
    config_rewrite_text(c, slice_of(old, len), &text);
    mem_free(old);
    error = gate != NULL ? gate_replace(gate, c->path, text.data, text.len, GATE_METADATA)
                         : file_replace(c->path, text.data, text.len);
    bytes_free(&text);
    return error;
}

int config_rewrite(struct config *c, struct gate *gate)
{
    lock_take(&c->rewrite_lock);
    int error = rewrite_file(c, gate);
    lock_drop(&c->rewrite_lock);
    return error;
}

/* ---- On a thread of its own ---- */

struct rewrite_job {
    struct config *config;
    struct gate *gate;
    void (*done)(void *ctx, int error);
    void *ctx;
};

static void *run_job(void *argument)
{
    struct rewrite_job *job = argument;
    struct config *c = job->config;
    mem_thread_join();
    job->done(job->ctx, config_rewrite(c, job->gate));
    mem_free(job);
    mem_thread_leave();
    __atomic_fetch_sub(&c->rewrites, 1, __ATOMIC_RELEASE);
    return NULL;
}

bool config_rewrite_start(struct config *c, struct gate *gate, void (*done)(void *ctx, int error),
                          void *ctx)
{
    pthread_t thread;
    struct rewrite_job *job = mem_alloc(sizeof(*job));
    *job = (struct rewrite_job){c, gate, done, ctx};
    __atomic_fetch_add(&c->rewrites, 1, __ATOMIC_RELAXED);
    if (pthread_create(&thread, NULL, run_job, job) != 0) {
        __atomic_fetch_sub(&c->rewrites, 1, __ATOMIC_RELAXED);
        mem_free(job);
        return false;
    }
    pthread_detach(thread);
    return true;
}
