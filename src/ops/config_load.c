/* config_load.c - configuration files: lines to directives, includes, and errors that say where.
 *
 * The syntax is redis.conf's: one directive a line, words as in redis-cli's quoting, '#' starts a
 * line of comment. Every line gets a verdict; a start stops at the first line that is refused, a
 * check goes on to the end. The command line arrives here as one more text.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "ops/config_directive.h"
#include "proto/split.h"

struct load {
    struct config *config;
    config_line_fn each;
    void *ctx;
    unsigned depth;
    char reason[CONFIG_ERROR_MAX];
};

/* ---- The nearest name ---- */

#define NAME_MAX_LEN 64

/* Edits (insert, delete, replace, swap neighbours) from a to b; case does not count. */
static unsigned edit_distance(struct slice a, struct slice b)
{
    unsigned before[NAME_MAX_LEN + 1], last[NAME_MAX_LEN + 1], row[NAME_MAX_LEN + 1];
    for (unsigned j = 0; j <= b.len; j++)
        last[j] = j;
    memcpy(before, last, sizeof(before));
    for (unsigned i = 1; i <= a.len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            char x = (char)(a.data[i - 1] | 32), y = (char)(b.data[j - 1] | 32);
            unsigned best = MIN_OF(last[j - 1] + (x != y), MIN_OF(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x == (b.data[j - 2] | 32) && y == (a.data[i - 2] | 32))
                best = MIN_OF(best, before[j - 2] + 1);
            row[j] = best;
        }
        memcpy(before, last, sizeof(before));
        memcpy(last, row, sizeof(last));
    }
    return last[b.len];
}

const char *config_nearest(struct slice name)
{
    const char *nearest = NULL;
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return NULL;
    unsigned limit = MAX_OF((unsigned)name.len / 3, 1u);
    for (size_t row = 0; row < config_directive_count; row++) {
        const char *names[] = {config_directives[row].name, config_directives[row].alias};
        for (size_t i = 0; i < 2 && !(config_directives[row].flags & CONFIG_HIDDEN); i++) {
            size_t len = names[i] != NULL ? strlen(names[i]) : 0;
            if (len == 0 || len > NAME_MAX_LEN || len > name.len + limit || name.len > len + limit)
                continue;
            unsigned distance = edit_distance(name, slice_str(names[i]));
            if (distance <= limit) {
                nearest = names[i];
                limit = distance - (distance > 0);
            }
        }
    }
    return nearest;
}

/* ---- One directive ---- */

static bool refuse(struct load *load, const char *reason)
{
    snprintf(load->reason, sizeof(load->reason), "%s", reason);
    return false;
}

static bool refuse_unknown(struct load *load, struct slice name)
{
    const char *nearest = config_nearest(name);
    int shown = (int)MIN_OF(name.len, 100u);
    if (nearest != NULL)
        snprintf(load->reason, sizeof(load->reason), "Unknown directive '%.*s', did you mean '%s'?",
                 shown, name.data, nearest);
    else
        snprintf(load->reason, sizeof(load->reason), "Unknown directive '%.*s'", shown, name.data);
    return false;
}

static bool set_value(struct load *load, size_t row, size_t argc, const struct slice *argv)
{
    const struct config_directive *d = &config_directives[row];
    struct config_row_state *state = &load->config->rows[row];
    struct config_value value = {0};
    struct config_parse in = {.old = &state->value,
                              .more = state->loaded,
                              .from_file = true,
                              .bare = argc == 1,
                              .argc = argc - 1,
                              .argv = argv + 1,
                              .error = load->reason};
    if (!config_parse_value(d, &in, &value))
        return false;
    if ((d->flags & CONFIG_UNSUPPORTED) && !config_value_eq(&value, &state->initial)) {
        config_value_free(&value);
        return refuse(load, d->note);
    }
    config_put_value(load->config, row, &value);
    state->loaded = state->given = true;
    state->in_include |= load->depth > 0;
    state->after_include = load->depth == 0;
    return true;
}

/* `user ...` and `rename-command ...`: kept for main. Takes *argv. */
static bool keep_extra(struct load *load, const struct config_line *line, size_t row, size_t argc,
                       struct slice **argv)
{
    struct config *c = load->config;
    const struct config_directive *d = &config_directives[row];
    if (!c->rows[row].accepted)
        return refuse(load, d->note);
    if (argc < 2 || (slice_is((*argv)[0], "rename-command") && argc != 3))
        return refuse(load, "wrong number of arguments");
    c->extras = mem_realloc(c->extras, (c->extra_count + 1) * sizeof(*c->extras));
    c->extras[c->extra_count++] = (struct config_extra){.file = mem_strdup(line->file),
                                                        .line = line->number,
                                                        .argc = (uint32_t)argc,
                                                        .argv = *argv};
    *argv = NULL;
    return true;
}

static void set_verdict(struct load *load, struct config_line *line, size_t row, bool fine)
{
    const struct config_directive *d = &config_directives[row];
    line->verdict = !fine                            ? CONFIG_REFUSED
                    : (d->flags & CONFIG_EFFECTLESS) ? CONFIG_STORED
                                                     : CONFIG_HONOURED;
    line->reason = fine ? "" : load->reason;
}

static bool load_file(struct load *load, struct config_line *line, const char *path);

/* ---- include ---- */

/* Paths that an include means: from the working directory, else from the including file's. */
static size_t find_includes(const char *file, const char *pattern, char ***paths)
{
    size_t count = config_expand_path(pattern, paths);
    const char *slash = strrchr(file, '/');
    if (count > 0 || pattern[0] == '/' || slash == NULL)
        return count;
    mem_free(*paths);
    struct bytes beside = {0};
    bytes_append(&beside, file, (size_t)(slash - file) + 1);
    bytes_append_str(&beside, pattern);
    count = config_expand_path(bytes_str(&beside), paths);
    bytes_free(&beside);
    return count;
}

/* Returns false if the load ends. The line's own verdict is set. */
static bool load_includes(struct load *load, struct config_line *line, struct slice name)
{
    char **paths, *pattern = slice_to_str(name);
    size_t count = find_includes(line->file, pattern, &paths);
    bool on = true, wild = strpbrk(pattern, "*?[") != NULL;
    line->verdict = CONFIG_HONOURED;
    line->reason = "";
    if (load->depth >= CONFIG_DEPTH_LIMIT) {
        line->verdict = CONFIG_REFUSED;
        line->reason = "too many files include each other";
    } else if (count == 0 && !wild) {
        snprintf(load->reason, sizeof(load->reason), "can't open config file '%.300s': %s", pattern,
                 strerror(ENOENT));
        line->verdict = CONFIG_REFUSED;
        line->reason = load->reason;
    }
    on = load->each(load->ctx, line);
    for (size_t i = 0; i < count; i++) {
        if (on && line->verdict == CONFIG_HONOURED) {
            load->depth++;
            on = load_file(load, line, paths[i]);
            load->depth--;
        }
        mem_free(paths[i]);
    }
    mem_free(paths);
    mem_free(pattern);
    return on;
}

/* ---- Lines ---- */

static bool load_line(struct load *load, struct config_line *line)
{
    struct slice *argv = NULL;
    int argc = split_line(line->text, &argv);
    load->reason[0] = '\0';
    line->verdict = CONFIG_REFUSED;
    line->reason = "Unbalanced quotes in configuration line";
    if (argc == 0)
        return true;
    if (argc < 0)
        return load->each(load->ctx, line);
    if (argc == 2 && slice_is(argv[0], "include")) {
        bool on = load_includes(load, line, argv[1]);
        mem_free(argv);
        return on;
    }
    size_t row = config_find(argv[0], NULL), words = (size_t)argc;
    line->reason = load->reason;
    if (row == SIZE_MAX) {
        refuse_unknown(load, argv[0]);
    } else if (config_directives[row].flags & CONFIG_EXTRA) {
        set_verdict(load, line, row, keep_extra(load, line, row, words, &argv));
    } else if (config_directives[row].flags & CONFIG_IGNORED) {
        load->config->rows[row].given = true;
        set_verdict(load, line, row, true);
    } else {
        set_verdict(load, line, row, set_value(load, row, words, argv));
    }
    mem_free(argv);
    return load->each(load->ctx, line);
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && memchr(" \t\r\n", s.data[0], 4) != NULL) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && memchr(" \t\r\n", s.data[s.len - 1], 4) != NULL)
        s.len--;
    return s;
}

static bool load_text(struct load *load, const char *file, struct slice text)
{
    struct config_line line = {.file = file};
    while (text.len > 0) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        line.text = trim(slice_of(text.data, len));
        line.number++;
        size_t taken = len + (end != NULL);
        text = slice_of(text.data + taken, text.len - taken);
        if (line.text.len > 0 && line.text.data[0] != '#' && !load_line(load, &line))
            return false;
    }
    return true;
}

/* An included file; `line` is the include that asked for it. */
static bool load_file(struct load *load, struct config_line *line, const char *path)
{
    char *text;
    size_t len;
    int error = config_read_file(path, &text, &len);
    if (error != 0) {
        snprintf(load->reason, sizeof(load->reason), "can't open config file '%.300s': %s", path,
                 strerror(-error));
        struct config_line failed = *line;
        failed.verdict = CONFIG_REFUSED;
        failed.reason = load->reason;
        return load->each(load->ctx, &failed);
    }
    bool on = load_text(load, path, slice_of(text, len));
    mem_free(text);
    return on;
}

int config_read_file(const char *path, char **text, size_t *len)
{
    return file_read_all(path, CONFIG_SIZE_LIMIT, text, len);
}

bool config_load_lines(struct config *c, const char *file, struct slice text, config_line_fn each,
                       void *ctx)
{
    struct load load = {.config = c, .each = each, .ctx = ctx};
    return load_text(&load, file, text);
}

/* ---- Starting ---- */

static void fail_at(struct config *c, const char *file, int number, struct slice text,
                    const char *reason)
{
    struct slice *argv = NULL;
    c->error.len = 0;
    bytes_printf(&c->error, "*** FATAL CONFIG FILE ERROR (Spillway %s) ***\n", SPILLWAY_VERSION);
    if (strcmp(file, CONFIG_COMMAND_LINE) == 0)
        bytes_append_str(&c->error, "Reading the command line\n");
    else
        bytes_printf(&c->error, "Reading the configuration file '%s', at line %d\n",
                     strcmp(file, "-") == 0 ? "standard input" : file, number);
    if (split_line(text, &argv) > 1 && config_is_sensitive(argv[0])) {
        bytes_append_str(&c->error, ">>> '");
        bytes_append(&c->error, argv[0].data, argv[0].len);
        bytes_append_str(&c->error, " (hidden)'\n");
    } else {
        bytes_append_str(&c->error, ">>> '");
        bytes_append(&c->error, text.data, text.len);
        bytes_append_str(&c->error, "'\n");
    }
    mem_free(argv);
    bytes_append_str(&c->error, reason);
}

static bool stop_at_refused(void *ctx, const struct config_line *line)
{
    struct config *c = ctx;
    if (line->verdict != CONFIG_REFUSED)
        return true;
    fail_at(c, line->file, line->number, line->text, line->reason);
    return false;
}

bool config_load_text(struct config *c, const char *name, struct slice text)
{
    return config_load_lines(c, name, text, stop_at_refused, c);
}

bool config_load_file(struct config *c, const char *path)
{
    char *text;
    size_t len;
    int error = config_read_file(path, &text, &len);
    if (error != 0) {
        c->error.len = 0;
        bytes_printf(&c->error, "Fatal error, can't open config file '%s': %s", path,
                     strerror(-error));
        return false;
    }
    bool fine = config_load_text(c, path, slice_of(text, len));
    mem_free(text);
    return fine;
}

const struct config_extra *config_extras(const struct config *c, size_t *count)
{
    *count = c->extra_count;
    return c->extras;
}

void config_fail_extra(struct config *c, const struct config_extra *extra, const char *reason)
{
    struct bytes text = {0};
    for (uint32_t i = 0; i < extra->argc; i++) {
        if (i > 0)
            bytes_append_char(&text, ' ');
        bytes_append(&text, extra->argv[i].data, extra->argv[i].len);
    }
    fail_at(c, extra->file, extra->line, bytes_slice(&text), reason);
    bytes_free(&text);
}

/* Acts on the process where a directive was given. */
static bool apply_given(struct config *c)
{
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        const struct config_value *value = &c->rows[row].value;
        if (d->special == NULL || d->special->apply == NULL || !c->rows[row].given)
            continue;
        const char *reason = d->special->apply(value, &c->settings);
        if (reason == NULL)
            continue;
        if (d->special == &config_special_dir) {
            LOG_WARNING("Can't use the directory '%s': %s. Serving without it.", value->text,
                        reason);
            continue;
        }
        c->error.len = 0;
        bytes_printf(&c->error, "*** FATAL CONFIG FILE ERROR (Spillway %s) ***\n%s",
                     SPILLWAY_VERSION, reason);
        return false;
    }
    return true;
}

bool config_finish(struct config *c)
{
    size_t rows[2];
    const char *reason = config_check_all(c, rows);
    if (reason != NULL) {
        c->error.len = 0;
        bytes_printf(&c->error, "*** FATAL CONFIG FILE ERROR (Spillway %s) ***\n%s",
                     SPILLWAY_VERSION, reason);
        return false;
    }
    for (size_t row = 0; row < config_directive_count; row++) {
        c->rows[row].loaded = false;
        config_publish_row(c, row);
    }
    return apply_given(c);
}
