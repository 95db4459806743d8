/* config.c - the values of all directives: defaults, CONFIG SET as a transaction, CONFIG GET.
 *
 * A CONFIG SET parses every new value before it touches one, exchanges them, checks what concerns
 * several directives, publishes to the settings, acts, and calls the change hooks. If any of the
 * later steps fails the old values go the same way back: exchange, publish, act, hooks. Readers of
 * the settings may see the new values for that moment.
 */
#include "ops/config.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "ops/config_directive.h"

/* ---- Finding rows ---- */

size_t config_find(struct slice name, bool *by_alias)
{
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        bool alias = d->alias != NULL && slice_is(name, d->alias);
        if (alias || slice_is(name, d->name)) {
            if (by_alias != NULL)
                *by_alias = alias;
            return row;
        }
    }
    return SIZE_MAX;
}

static size_t row_of(const char *name)
{
    size_t row = config_find(slice_str(name), NULL);
    ASSERT(row != SIZE_MAX);
    return row;
}

bool config_is_sensitive(struct slice name)
{
    size_t row = config_find(name, NULL);
    return row != SIZE_MAX && (config_directives[row].flags & CONFIG_SENSITIVE) != 0;
}

/* Not a value: lines for main, or ignored. */
static bool is_valueless(const struct config_directive *d)
{
    return (d->flags & (CONFIG_EXTRA | CONFIG_IGNORED)) != 0;
}

/* ---- Life ---- */

void config_publish_row(struct config *c, size_t row)
{
    lock_take(&c->settings.lock);
    config_publish_value(&config_directives[row], &c->rows[row].value, &c->settings);
    lock_drop(&c->settings.lock);
}

static void set_default(struct config *c, size_t row)
{
    const struct config_directive *d = &config_directives[row];
    struct config_row_state *state = &c->rows[row];
    char error[CONFIG_ERROR_MAX];
    struct slice word = slice_str(d->initial);
    struct config_parse in = {
        .old = &state->value, .from_file = true, .argc = 1, .argv = &word, .error = error};
    if (!config_parse_value(d, &in, &state->value))
        PANIC("the default of %s is wrong: %s", d->name, error);
    state->initial = config_value_copy(&state->value);
    config_publish_row(c, row);
}

struct config *config_new(void)
{
    struct config *c = mem_zalloc(sizeof(*c));
    c->rows = mem_zalloc(config_directive_count * sizeof(*c->rows));
    for (size_t row = 0; row < config_directive_count; row++)
        set_default(c, row);
    return c;
}

static void free_published_texts(struct config *c)
{
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        if (d->kind == CONFIG_TEXT && d->field != CONFIG_NO_FIELD)
            mem_free(((struct setting_text *)(void *)((char *)&c->settings + d->field))->text);
    }
    mem_free(c->settings.bind.text);
    mem_free(c->settings.dir.text);
    mem_free(c->settings.replicaof.text);
}

/* False: a rewrite is still under way after a second. */
static bool wait_for_rewrites(const struct config *c)
{
    for (int i = 0; i < 1000; i++) {
        if (__atomic_load_n(&c->rewrites, __ATOMIC_ACQUIRE) == 0)
            return true;
        clock_sleep_us(1000);
    }
    return false;
}

void config_free(struct config *c)
{
    if (c == NULL || !wait_for_rewrites(c))
        return;
    free_published_texts(c);
    for (size_t row = 0; row < config_directive_count; row++) {
        config_value_free(&c->rows[row].value);
        config_value_free(&c->rows[row].initial);
    }
    for (size_t i = 0; i < c->extra_count; i++) {
        mem_free((char *)c->extras[i].file);
        mem_free(c->extras[i].argv);
    }
    mem_free(c->extras);
    mem_free(c->hooks);
    mem_free(c->lines_hooks);
    mem_free(c->rows);
    mem_free(c->path);
    bytes_free(&c->error);
    mem_free(c);
}

struct settings *config_settings(struct config *c)
{
    return &c->settings;
}

const char *config_error(struct config *c)
{
    return bytes_str(&c->error);
}

const char *config_path(const struct config *c)
{
    return c->path;
}

void config_put_value(struct config *c, size_t row, struct config_value *value)
{
    config_value_free(&c->rows[row].value);
    c->rows[row].value = *value;
    *value = (struct config_value){0};
}

void config_accept(struct config *c, const char *name)
{
    size_t row = row_of(name);
    ASSERT(config_directives[row].flags & CONFIG_EXTRA);
    c->rows[row].accepted = true;
}

/* ---- Conditions over several directives ---- */

static const struct {
    const char *small, *large, *reason;
} orders[] = {
    {"disk-high-percent", "disk-low-percent",
     "disk-high-percent must not be above disk-low-percent: the disk gets low before it gets high"},
    {"disk-high-limit", "disk-low-limit",
     "disk-high-limit must not be above disk-low-limit: the disk gets low before it gets high"},
    {"disk-poll-min-ms", "disk-poll-max-ms", "disk-poll-min-ms must not be above disk-poll-max-ms"},
    {"disk-lag-seconds", "disk-stall-timeout",
     "disk-lag-seconds must not be above disk-stall-timeout"},
};

const char *config_check_all(const struct config *c, size_t rows[2])
{
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        rows[0] = row_of(orders[i].small);
        rows[1] = row_of(orders[i].large);
        if (c->rows[rows[0]].value.number > c->rows[rows[1]].value.number)
            return orders[i].reason;
    }
    rows[0] = row_of("replicaof");
    rows[1] = row_of("cluster-enabled");
    if (c->rows[rows[1]].value.number != 0 && c->rows[rows[0]].value.text[0] != '\0')
        return "replicaof directive not allowed in cluster mode";
    return NULL;
}

/* ---- Hooks ---- */

void config_on_change(struct config *c, const char *name, config_change_fn fn, void *ctx)
{
    c->hooks = mem_realloc(c->hooks, (c->hook_count + 1) * sizeof(*c->hooks));
    c->hooks[c->hook_count++] = (struct config_hook){row_of(name), fn, ctx};
}

/* Values in flight of one CONFIG SET. */
struct change {
    size_t count;
    size_t *rows;
    struct config_value *values; /* new ones; the old ones after the exchange */
    bool *changed;
};

static bool change_has(const struct change *change, size_t row)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->rows[i] == row && change->changed[i])
            return true;
    return false;
}

/* Whether an earlier hook of a changed row is the same function with the same context. */
static bool hook_is_repeated(const struct config *c, const struct change *change, size_t hook)
{
    for (size_t i = 0; i < hook; i++)
        if (c->hooks[i].fn == c->hooks[hook].fn && c->hooks[i].ctx == c->hooks[hook].ctx &&
            change_has(change, c->hooks[i].row))
            return true;
    return false;
}

/* Calls the hooks below `end` that the change concerns. On an error *failed is the hook. */
static const char *run_hooks(struct config *c, const struct change *change, size_t end,
                             size_t *failed)
{
    for (size_t i = 0; i < end; i++) {
        if (!change_has(change, c->hooks[i].row) || hook_is_repeated(c, change, i))
            continue;
        const char *reason = c->hooks[i].fn(c->hooks[i].ctx, &c->settings);
        if (reason != NULL && failed != NULL) {
            *failed = i;
            return reason;
        }
    }
    return NULL;
}

/* ---- CONFIG SET ---- */

static void exchange(struct config *c, struct change *change)
{
    for (size_t i = 0; i < change->count; i++) {
        struct config_value old = c->rows[change->rows[i]].value;
        c->rows[change->rows[i]].value = change->values[i];
        change->values[i] = old;
    }
}

/* Publishes what changed and acts on the process; on an error *blamed is the argument. */
static const char *publish_change(struct config *c, const struct change *change, size_t *blamed)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->changed[i])
            config_publish_row(c, change->rows[i]);
    for (size_t i = 0; i < change->count; i++) {
        const struct config_directive *d = &config_directives[change->rows[i]];
        if (!change->changed[i] || d->special == NULL || d->special->apply == NULL)
            continue;
        const char *reason = d->special->apply(&c->rows[change->rows[i]].value, &c->settings);
        if (reason != NULL && blamed != NULL) {
            *blamed = i;
            return reason;
        }
    }
    return NULL;
}

static size_t index_of(const struct change *change, size_t row)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->rows[i] == row)
            return i;
    return 0;
}

/* Makes the change; NULL, or why not (everything is as before, *blamed says which argument). */
static const char *commit(struct config *c, struct change *change, size_t *blamed)
{
    size_t pair[2], failed = 0;
    exchange(c, change);
    const char *reason = config_check_all(c, pair);
    if (reason != NULL) {
        *blamed =
            change_has(change, pair[0]) ? index_of(change, pair[0]) : index_of(change, pair[1]);
        exchange(c, change);
        return reason;
    }
    reason = publish_change(c, change, blamed);
    if (reason == NULL) {
        reason = run_hooks(c, change, c->hook_count, &failed);
        if (reason == NULL)
            return NULL;
        *blamed = index_of(change, c->hooks[failed].row);
        failed++;
    }
    exchange(c, change);
    publish_change(c, change, NULL);
    run_hooks(c, change, failed, NULL);
    return reason;
}

static bool may_set_protected(const struct config *c, unsigned flags)
{
    int allowed = RELAXED_LOAD(&c->settings.enable_protected_configs);
    return allowed == ACTION_YES || (allowed == ACTION_LOCAL && (flags & CONFIG_SET_LOCAL));
}

/* NULL, or why this row cannot be set now. */
static const char *refusal(const struct config *c, const struct change *change, size_t row,
                           unsigned flags)
{
    const struct config_directive *d = &config_directives[row];
    if (d->flags & CONFIG_IMMUTABLE)
        return "can't set immutable config";
    if ((d->flags & CONFIG_PROTECTED) && !may_set_protected(c, flags))
        return "can't set protected config";
    for (size_t i = 0; i < change->count; i++)
        if (change->rows[i] == row)
            return "duplicate parameter";
    return NULL;
}

static void refuse_set(struct bytes *error, struct slice name, const char *reason)
{
    bytes_append_str(error, "ERR CONFIG SET failed (possibly related to argument '");
    bytes_append(error, name.data, name.len);
    bytes_printf(error, "') - %s", reason);
}

/* Finds the rows and asks whether each may be set, before any value is looked at. */
static bool find_rows(struct config *c, const struct slice *pairs, size_t count, unsigned flags,
                      struct change *change, struct bytes *error)
{
    for (size_t i = 0; i < count; i++) {
        size_t row = config_find(pairs[2 * i], NULL);
        if (row == SIZE_MAX || is_valueless(&config_directives[row])) {
            bytes_append_str(error, "ERR Unknown option or number of arguments for CONFIG SET - '");
            bytes_append(error, pairs[2 * i].data, pairs[2 * i].len);
            bytes_append_char(error, '\'');
            return false;
        }
        const char *reason = refusal(c, change, row, flags);
        if (reason != NULL) {
            refuse_set(error, pairs[2 * i], reason);
            return false;
        }
        if ((config_directives[row].flags & CONFIG_DENY_LOADING) && (flags & CONFIG_SET_LOADING)) {
            bytes_append_str(error, "LOADING Redis is loading the dataset in memory");
            return false;
        }
        change->rows[change->count++] = row;
    }
    return true;
}

static bool parse_values(struct config *c, const struct slice *pairs, struct change *change,
                         struct bytes *error)
{
    char reason[CONFIG_ERROR_MAX];
    for (size_t i = 0; i < change->count; i++) {
        const struct config_directive *d = &config_directives[change->rows[i]];
        const struct config_value *old = &c->rows[change->rows[i]].value;
        struct config_parse in = {
            .old = old, .argc = 1, .argv = &pairs[2 * i + 1], .error = reason};
        bool fine = config_parse_value(d, &in, &change->values[i]);
        if (fine && (d->flags & CONFIG_UNSUPPORTED) &&
            !config_value_eq(&change->values[i], &c->rows[change->rows[i]].initial))
            fine = config_refuse(&in, "%s", d->note);
        if (!fine) {
            refuse_set(error, pairs[2 * i], reason);
            return false;
        }
        change->changed[i] =
            (d->flags & CONFIG_VOLATILE) != 0 || !config_value_eq(old, &change->values[i]);
    }
    return true;
}

static bool set_all(struct config *c, const struct slice *pairs, size_t count, unsigned flags,
                    struct change *change, struct bytes *error)
{
    size_t blamed = 0;
    if (!find_rows(c, pairs, count, flags, change, error) || !parse_values(c, pairs, change, error))
        return false;
    const char *reason = commit(c, change, &blamed);
    if (reason != NULL) {
        refuse_set(error, pairs[2 * blamed], reason);
        LOG_WARNING("Failed applying new configuration. Possibly related to new %s setting. "
                    "Restoring previous settings.",
                    config_directives[change->rows[blamed]].name);
        return false;
    }
    for (size_t i = 0; i < change->count; i++) {
        c->rows[change->rows[i]].given = true;
        c->rows[change->rows[i]].after_include = true;
    }
    return true;
}

bool config_set(struct config *c, const struct slice *pairs, size_t count, unsigned flags,
                struct bytes *error)
{
    size_t names = count / 2;
    if (count == 0 || count % 2 != 0) {
        bytes_append_str(error, "ERR syntax error");
        return false;
    }
    struct change change = {0, mem_zalloc(names * sizeof(size_t)),
                            mem_zalloc(names * sizeof(struct config_value)),
                            mem_zalloc(names * sizeof(bool))};
    lock_take(&c->lock);
    bool done = set_all(c, pairs, names, flags, &change, error);
    lock_drop(&c->lock);
    for (size_t i = 0; i < names; i++)
        config_value_free(&change.values[i]);
    mem_free(change.rows);
    mem_free(change.values);
    mem_free(change.changed);
    return done;
}

bool config_store(struct config *c, const char *name, struct slice value, struct bytes *error)
{
    char reason[CONFIG_ERROR_MAX];
    size_t row = row_of(name);
    struct config_value parsed = {0};
    lock_take(&c->lock);
    struct config_parse in = {
        .old = &c->rows[row].value, .from_file = true, .argc = 1, .argv = &value, .error = reason};
    bool fine = config_parse_value(&config_directives[row], &in, &parsed);
    if (fine) {
        config_put_value(c, row, &parsed);
        c->rows[row].given = c->rows[row].after_include = true;
        config_publish_row(c, row);
    } else {
        bytes_append_str(error, reason);
    }
    lock_drop(&c->lock);
    return fine;
}

/* ---- CONFIG GET ---- */

static bool matches(const struct config_directive *d, const char *name,
                    const struct slice *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(patterns[i], name))
            return true;
        if (!(d->flags & CONFIG_HIDDEN) && glob_match_nocase(patterns[i], slice_str(name)))
            return true;
    }
    return false;
}

void config_get(struct config *c, const struct slice *patterns, size_t count,
                void (*each)(void *ctx, struct slice name, struct slice value), void *ctx)
{
    struct bytes value = {0};
    lock_take(&c->lock);
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        const char *names[] = {d->name, d->alias};
        for (size_t i = 0; i < 2; i++) {
            if (names[i] == NULL || is_valueless(d) || !matches(d, names[i], patterns, count))
                continue;
            value.len = 0;
            config_print_value(d, &c->rows[row].value, &value);
            each(ctx, slice_str(names[i]), bytes_slice(&value));
        }
    }
    lock_drop(&c->lock);
    bytes_free(&value);
}

bool config_get_one(struct config *c, const char *name, struct bytes *out)
{
    size_t row = config_find(slice_str(name), NULL);
    if (row == SIZE_MAX || is_valueless(&config_directives[row]))
        return false;
    lock_take(&c->lock);
    config_print_value(&config_directives[row], &c->rows[row].value, out);
    lock_drop(&c->lock);
    return true;
}

char *config_effectless(struct config *c)
{
    struct bytes out = {0};
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        if (c->rows[row].given && (d->flags & CONFIG_EFFECTLESS))
            bytes_printf(&out, "%s%s", out.len > 0 ? ", " : "", d->name);
    }
    char *text = mem_strdup(bytes_str(&out));
    bytes_free(&out);
    return text;
}
