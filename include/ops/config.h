/* config.h - the configuration: redis.conf and command line in, CONFIG GET, SET and REWRITE out.
 *
 * One table (config_directive.h) says for each directive its name, kind, bounds, default and the
 * field of struct settings that it fills. The configuration keeps the value of every directive as
 * it was given; settings are what others read. Life: config_new, load (one thread),
 * config_on_change by those who must act, then config_set and config_get from any thread.
 *
 * One lock serialises config_set, config_get, config_store and config_rewrite_text; change hooks
 * run under it and must not call back in here (they may read settings).
 */
#ifndef SPILLWAY_OPS_CONFIG_H
#define SPILLWAY_OPS_CONFIG_H

#include "base/bytes.h"
#include "engine/settings.h"

struct config;
struct gate;

/* ---- Life ---- */

/* A configuration with every default, already published to its settings. */
struct config *config_new(void);
/* No reader of its settings may be left. If a rewrite hangs on a stalled disk, c is left to it. */
void config_free(struct config *c);
struct settings *config_settings(struct config *c);

/* ---- Loading, before other threads exist. Values are published by config_finish. ---- */

/* False: config_error says why, in the words of a fatal start. path "-" reads stdin. */
bool config_load_file(struct config *c, const char *path) NODISCARD;
/* `name` stands for the file's name in errors. */
bool config_load_text(struct config *c, const char *name, struct slice text) NODISCARD;
/* Checks what concerns several directives, publishes all to the settings, goes to `dir`, arms disk
 * faults. A missing `dir` is only a warning in the log: the server serves without it. */
bool config_finish(struct config *c) NODISCARD;
/* Several lines, without a last newline; "" if nothing failed. Until the next call. */
const char *config_error(struct config *c);
/* Absolute path of the file given by the command line, or NULL. */
const char *config_path(const struct config *c);

/* Before loading: main will act on lines of this directive (`user`: ACL rules, `rename-
 * command`), which it finds in config_extras. Without this they are refused, for nobody would. */
void config_accept(struct config *c, const char *name);
/* Lines of accepted directives, in the order of the files. */
struct config_extra {
    const char *file; /* as shown in errors */
    int line;
    uint32_t argc;
    struct slice *argv; /* argv[0] is the directive */
};
const struct config_extra *config_extras(const struct config *c, size_t *count);
/* The fatal text (see config_error) for a line that was refused later than by the loader. */
void config_fail_extra(struct config *c, const struct config_extra *extra, const char *reason);
/* "a, b, c": directives that were set by the user but have no effect here; "" = none. mem_free
 * it. */
char *config_effectless(struct config *c) NODISCARD;

/* ---- The command line ---- */

enum config_start { CONFIG_START_RUN, CONFIG_START_EXIT, CONFIG_START_FAIL };
/* All of redis-server's command line: `[FILE] [-] [--name value ...]`, --version, --help, and
 * --check-config FILE. Loads and finishes. Output of the options that print and the text of an
 * error are appended to `out`; the caller prints it (to stderr on CONFIG_START_FAIL) and exits. */
enum config_start config_start(struct config *c, int argc, char *const *argv, struct bytes *out);
/* Reads FILE and appends one line per directive to out: honoured, stored without effect, or refused
 * with the reason. Returns how many were refused (1 if the file cannot be read). c stays as it
 * is; what it accepts counts. */
size_t config_check(const struct config *c, const char *path, struct bytes *out);

/* ---- Changing at run time, any thread ---- */

/* Called after new values were stored (RELAXED_LOAD them), once per CONFIG SET even if it set
 * several of the names that share `fn` and `ctx`. NULL = done; a text of static lifetime = the
 * change cannot be made: all values go back and the hooks that ran are called again with the
 * old ones. Hooks run in the thread of the CONFIG SET, under the configuration's lock, in the
 * order of registration. */
typedef const char *(*config_change_fn)(void *ctx, struct settings *settings);
/* Registers before other threads start. An unknown name is a programmer error. */
void config_on_change(struct config *c, const char *name, config_change_fn fn, void *ctx);

enum config_set_flags {
    CONFIG_SET_LOCAL = 1,   /* the client is local: "local" protected settings are open to it */
    CONFIG_SET_LOADING = 2, /* data is being loaded: some directives wait for its end */
};
/* CONFIG SET: pairs of name and value (count = number of slices, even). All or nothing. On false
 * `error` holds the reply's text with its code ("ERR ..."). */
bool config_set(struct config *c, const struct slice *pairs, size_t count, unsigned flags,
                struct bytes *error) NODISCARD;
/* Sets one directive from inside the server (REPLICAOF), whatever CONFIG SET may do to it, without
 * hooks. False: *error is the reason without code. */
bool config_store(struct config *c, const char *name, struct slice value,
                  struct bytes *error) NODISCARD;
/* Whether the value of this directive must not be shown (logs, MONITOR, SLOWLOG). */
bool config_is_sensitive(struct slice name);

/* ---- Reading ---- */

/* Calls each name that matches one of the patterns (globs, no case, aliases count; each name once)
 * with its value as CONFIG GET shows it. Order: the table's. */
void config_get(struct config *c, const struct slice *patterns, size_t count,
                void (*each)(void *ctx, struct slice name, struct slice value), void *ctx);
/* One value by name or alias, as CONFIG GET shows it; false = unknown name. For INFO and tests. */
bool config_get_one(struct config *c, const char *name, struct bytes *out) NODISCARD;

/* ---- REWRITE ---- */

/* Appends to out the lines (each with its newline) that `name` should have in a rewritten file. */
typedef void (*config_lines_fn)(void *ctx, struct bytes *out);
/* For directives whose truth is elsewhere: "user". Before other threads start. */
void config_on_rewrite(struct config *c, const char *name, config_lines_fn fn, void *ctx);
/* What the file should say, given what it says now: comments and order stay, lines whose value
 * still holds stay as they are written, others are replaced in place or appended under a
 * marker. */
void config_rewrite_text(struct config *c, struct slice old, struct bytes *out);
/* Reads, rewrites and replaces the file atomically, through the gate (class metadata) if that
 * is not NULL. Blocks on the disk: not on a worker. 0 or a negative errno; -ENOENT without a
 * file. */
int config_rewrite(struct config *c, struct gate *gate) NODISCARD;
/* The same on a thread of its own, which calls done(ctx, error) at its end. False: no thread
 * could be started. Rewrites take turns; config_free waits for them, a second at most. */
bool config_rewrite_start(struct config *c, struct gate *gate, void (*done)(void *ctx, int error),
                          void *ctx) NODISCARD;

#endif
