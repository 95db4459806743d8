/* apply_process.c - settings that concern the process itself: log, title, the kernel's choice of
 * victims. */
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "ops/apply.h"
#include "ops/config.h"

#define OOM_FILE "/proc/self/oom_score_adj"

/* ---- The log ---- */

static const char *log_changed(void *ctx, struct settings *settings)
{
    (void)ctx;
    log_set_level((enum log_level)RELAXED_LOAD(&settings->loglevel));
    log_set_format((enum log_format)RELAXED_LOAD(&settings->log_format),
                   (enum log_timestamp)RELAXED_LOAD(&settings->log_timestamp_format));
    return NULL;
}

static void start_syslog(struct server *server)
{
    struct bytes facility = {0};
    if (!server->settings->syslog_enabled)
        return;
    if (!config_get_one(server->config, "syslog-facility", &facility) ||
        !log_set_syslog(server->settings->syslog_ident, bytes_str(&facility)))
        LOG_WARNING("The log cannot be sent to syslog");
    bytes_free(&facility);
}

/* ---- The title: what ps shows. It lies over the arguments and the environment the process was
 * started with, so the environment moves away first. ---- */

static struct {
    char *start;
    size_t room;     /* bytes, NUL included */
    const char *own; /* {title} */
} title;

extern char **environ;

static void claim_title(void)
{
    char *start = program_invocation_name, *end;
    if (start == NULL || environ == NULL || environ[0] == NULL || environ[0] <= start ||
        environ[0] - start > 1 << 20)
        return;
    end = environ[0];
    size_t count = 0;
    for (; environ[count] != NULL; count++)
        if (environ[count] == end)
            end = environ[count] + strlen(environ[count]) + 1;
    char **moved = mem_alloc((count + 1) * sizeof(*moved));
    for (size_t i = 0; i < count; i++)
        moved[i] = mem_strdup(environ[i]);
    moved[count] = NULL;
    program_invocation_name = mem_strdup(start);
    char *slash = strrchr(program_invocation_name, '/');
    program_invocation_short_name = slash != NULL ? slash + 1 : program_invocation_name;
    environ = moved;
    title.start = start;
    title.room = (size_t)(end - start);
}

static void append_address(struct settings *settings, struct bytes *out)
{
    int64_t port = RELAXED_LOAD(&settings->port);
    if (port == 0) {
        bytes_append_str(out, settings->unixsocket);
        return;
    }
    char *bind = settings_text_copy(settings, &settings->bind);
    size_t len = strcspn(bind, " ");
    bytes_append(out, len > 0 ? bind : "*", len > 0 ? len : 1);
    bytes_printf(out, ":%lld", (long long)port);
    mem_free(bind);
}

static void append_variable(struct server *server, struct slice name, struct bytes *out)
{
    struct settings *settings = server->settings;
    if (slice_is(name, "title"))
        bytes_append_str(out, title.own);
    else if (slice_is(name, "listen-addr"))
        append_address(settings, out);
    else if (slice_is(name, "server-mode"))
        bytes_append_str(out, settings->cluster_enabled ? "[cluster]" : "");
    else if (slice_is(name, "port"))
        bytes_printf(out, "%lld", (long long)RELAXED_LOAD(&settings->port));
    else if (slice_is(name, "tls-port"))
        bytes_printf(out, "%lld", (long long)RELAXED_LOAD(&settings->tls_port));
    else if (slice_is(name, "unixsocket"))
        bytes_append_str(out, settings->unixsocket);
    else if (slice_is(name, "config-file") && config_path(server->config) != NULL)
        bytes_append_str(out, config_path(server->config));
}

void apply_title(struct server *server, struct bytes *out)
{
    char *template = settings_text_copy(server->settings, &server->settings->proc_title_template);
    for (const char *at = template; *at != '\0'; at++) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        if (end == NULL) {
            bytes_append_char(out, *at);
            continue;
        }
        append_variable(server, slice_of(at + 1, (size_t)(end - at) - 1), out);
        at = end;
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->len--;
    mem_free(template);
}

static const char *title_changed(void *ctx, struct settings *settings)
{
    struct server *server = ctx;
    struct bytes text = {0};
    if (title.start == NULL)
        return NULL;
    apply_title(server, &text);
    size_t len = MIN_OF(text.len, title.room - 1);
    memset(title.start, 0, title.room);
    if (len > 0)
        memcpy(title.start, text.data, len);
    bytes_free(&text);
    return NULL;
}

/* ---- oom-score-adj ---- */

static struct {
    int64_t first; /* the score we were started with */
    bool known, changed;
} oom;

static int write_score(int64_t score)
{
    char digits[NUMBER_TEXT_MAX];
    size_t written, len = number_print_i64(digits, score);
    int fd = file_open(OOM_FILE, FILE_WRITE);
    if (fd < 0)
        return fd;
    int error = file_write_at(fd, digits, len, 0, &written);
    file_close(fd);
    return error;
}

static void read_first_score(void)
{
    char *text;
    size_t len;
    if (file_read_all(OOM_FILE, 64, &text, &len) != 0)
        return;
    while (len > 0 && text[len - 1] == '\n')
        len--;
    oom.known = number_parse_i64(slice_of(text, len), &oom.first);
    mem_free(text);
}

static const char *oom_changed(void *ctx, struct settings *settings)
{
    int mode = RELAXED_LOAD(&settings->oom_score_adj);
    if (!oom.known || (mode == OOM_SCORE_NO && !oom.changed))
        return NULL;
    bool replica = !settings_text_is_empty(settings, &settings->replicaof);
    int64_t value = RELAXED_LOAD(&settings->oom_score_adj_values[replica]);
    int64_t score = mode == OOM_SCORE_NO         ? oom.first
                    : mode == OOM_SCORE_RELATIVE ? oom.first + value
                                                 : value;
    int error = write_score(MIN_OF(MAX_OF(score, -1000), 1000));
    if (error != 0) {
        LOG_WARNING("Unable to write %s: %s", OOM_FILE, strerror(-error));
        return "Failed to apply new oom_score_adj configuration, check server logs.";
    }
    oom.changed = true;
    return NULL;
}

/* ---- All of them ---- */

void apply_process(struct server *server, const char *executable)
{
    static const char *const log_names[] = {"loglevel", "log-format", "log-timestamp-format"};
    static const char *const title_names[] = {"proc-title-template", "port", "bind"};
    static const char *const oom_names[] = {"oom-score-adj", "oom-score-adj-values"};
    log_changed(server, server->settings);
    start_syslog(server);
    title.own = executable;
    if (server->settings->set_proc_title) {
        claim_title();
        title_changed(server, server->settings);
    }
    read_first_score();
    oom_changed(server, server->settings);
    for (size_t i = 0; i < COUNT_OF(log_names); i++)
        config_on_change(server->config, log_names[i], log_changed, server);
    for (size_t i = 0; i < COUNT_OF(title_names); i++)
        config_on_change(server->config, title_names[i], title_changed, server);
    for (size_t i = 0; i < COUNT_OF(oom_names); i++)
        config_on_change(server->config, oom_names[i], oom_changed, server);
}
