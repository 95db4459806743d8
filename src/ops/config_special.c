/* config_special.c - directives whose value is more than a word: lists, classes, host and port.
 *
 * Most keep one canonical text in value.text, the very text that CONFIG GET shows; publishing
 * takes it apart again, which cannot fail because parsing made it. Error texts are Redis's where
 * it has one.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"
#include "ops/config_directive.h"
#include "ops/machine.h"

#define WORDS_MAX     1024
#define BIND_MAX      16
#define HOSTNAME_MAX  255
#define OOM_SCORE_MAX 2000

/* The text of `b` as an owned string; b is emptied. */
static char *take_text(struct bytes *b)
{
    char *text = mem_strdup(bytes_str(b));
    bytes_free(b);
    return text;
}

static char *join_words(const struct config_parse *in)
{
    struct bytes out = {0};
    for (size_t i = 0; i < in->argc; i++) {
        if (i > 0)
            bytes_append_char(&out, ' ');
        bytes_append(&out, in->argv[i].data, in->argv[i].len);
    }
    return take_text(&out);
}

static bool has_nul(const struct config_parse *in)
{
    for (size_t i = 0; i < in->argc; i++)
        if (in->argv[i].len > 0 && memchr(in->argv[i].data, '\0', in->argv[i].len) != NULL)
            return true;
    return false;
}

static void set_text(struct setting_text *field, const char *text)
{
    mem_free(field->text);
    field->text = mem_strdup(text);
}

/* Integers of a canonical text. */
static size_t read_numbers(const char *text, int64_t *numbers, size_t max)
{
    struct slice words[WORDS_MAX];
    size_t count = MIN_OF(config_words(slice_str(text), words, WORDS_MAX), max);
    for (size_t i = 0; i < count; i++)
        if (!number_parse_i64(words[i], &numbers[i]))
            numbers[i] = 0;
    return count;
}

/* ---- save: "seconds changes seconds changes ..."; "" = no save points ---- */

static bool parse_save(const struct config_directive *d, const struct config_parse *in,
                       struct config_value *out)
{
    struct bytes text = {0};
    if (in->more && (in->argc > 0 || in->bare) && in->old->text[0] != '\0')
        bytes_append_str(&text, in->old->text);
    bool fine = in->argc % 2 == 0;
    for (size_t i = 0; fine && i < in->argc; i++) {
        int64_t n;
        fine = number_parse_i64(in->argv[i], &n) && n >= (i % 2 == 0 ? 1 : 0);
        bytes_printf(&text, "%s%" PRId64, text.len > 0 ? " " : "", fine ? n : 0);
    }
    out->text = take_text(&text);
    if (!fine)
        return config_refuse(in, "Invalid save parameters");
    struct slice words[2 * SETTING_SAVE_POINTS_MAX];
    size_t count = config_words(slice_str(out->text), words, COUNT_OF(words));
    return count <= COUNT_OF(words) ||
           config_refuse(in, "at most %d save points", SETTING_SAVE_POINTS_MAX);
}

static void publish_save(const struct config_value *v, struct settings *s)
{
    int64_t numbers[2 * SETTING_SAVE_POINTS_MAX];
    size_t count = read_numbers(v->text, numbers, COUNT_OF(numbers)) / 2;
    for (size_t i = 0; i < count; i++)
        s->save[i] = (struct setting_save_point){numbers[2 * i], numbers[2 * i + 1]};
    RELAXED_STORE(&s->save_count, (uint32_t)count);
}

static void lines_save(const struct config_value *v, struct bytes *out)
{
    int64_t numbers[2 * SETTING_SAVE_POINTS_MAX];
    size_t count = read_numbers(v->text, numbers, COUNT_OF(numbers)) / 2;
    if (count == 0)
        bytes_append_str(out, "save \"\"\n");
    for (size_t i = 0; i < count; i++)
        bytes_printf(out, "save %" PRId64 " %" PRId64 "\n", numbers[2 * i], numbers[2 * i + 1]);
}

const struct config_special config_special_save = {
    .parse = parse_save, .publish = publish_save, .lines = lines_save};

/* ---- client-output-buffer-limit: "class hard soft seconds" for each class ---- */

static const char *const class_shown[] = {"normal", "slave", "pubsub"};
static const char *const class_written[] = {"normal", "replica", "pubsub"};

static size_t find_class(struct slice word)
{
    for (size_t i = 0; i < CLIENT_CLASS_COUNT; i++)
        if (slice_is(word, class_shown[i]) || slice_is(word, class_written[i]))
            return i;
    return SIZE_MAX;
}

static void read_limits(const char *text, struct setting_output_limit *limits)
{
    struct slice words[4 * CLIENT_CLASS_COUNT];
    size_t count = config_words(slice_str(text), words, COUNT_OF(words));
    for (size_t i = 0; i + 3 < count; i += 4) {
        struct setting_output_limit *limit = &limits[find_class(words[i])];
        if (!number_parse_i64(words[i + 1], &limit->hard_bytes) ||
            !number_parse_i64(words[i + 2], &limit->soft_bytes) ||
            !number_parse_i64(words[i + 3], &limit->soft_seconds))
            *limit = (struct setting_output_limit){0};
    }
}

/* NULL, or why these four words are no limit. */
static const char *read_limit(const struct slice *words, struct setting_output_limit *limits)
{
    size_t class = find_class(words[0]);
    uint64_t hard, soft;
    int64_t seconds;
    if (class == SIZE_MAX)
        return "Invalid client class specified in buffer limit configuration.";
    if (!number_parse_memory(words[1], &hard) || hard > INT64_MAX ||
        !number_parse_memory(words[2], &soft) || soft > INT64_MAX ||
        !number_parse_i64(words[3], &seconds) || seconds < 0)
        return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    limits[class] = (struct setting_output_limit){(int64_t)hard, (int64_t)soft, seconds};
    return NULL;
}

static bool parse_output_limits(const struct config_directive *d, const struct config_parse *in,
                                struct config_value *out)
{
    struct setting_output_limit limits[CLIENT_CLASS_COUNT] = {{0, 0, 0}};
    struct bytes text = {0};
    if (in->argc % 4 != 0)
        return config_refuse(in, "Wrong number of arguments in buffer limit configuration.");
    if (in->old->text != NULL)
        read_limits(in->old->text, limits);
    for (size_t i = 0; i < in->argc; i += 4) {
        const char *reason = read_limit(&in->argv[i], limits);
        if (reason != NULL)
            return config_refuse(in, "%s", reason);
    }
    for (size_t i = 0; i < CLIENT_CLASS_COUNT; i++)
        bytes_printf(&text, "%s%s %" PRId64 " %" PRId64 " %" PRId64, i > 0 ? " " : "",
                     class_shown[i], limits[i].hard_bytes, limits[i].soft_bytes,
                     limits[i].soft_seconds);
    out->text = take_text(&text);
    return true;
}

static void publish_output_limits(const struct config_value *v, struct settings *s)
{
    struct setting_output_limit limits[CLIENT_CLASS_COUNT];
    read_limits(v->text, limits);
    for (size_t i = 0; i < CLIENT_CLASS_COUNT; i++) {
        RELAXED_STORE(&s->client_output_buffer_limit[i].hard_bytes, limits[i].hard_bytes);
        RELAXED_STORE(&s->client_output_buffer_limit[i].soft_bytes, limits[i].soft_bytes);
        RELAXED_STORE(&s->client_output_buffer_limit[i].soft_seconds, limits[i].soft_seconds);
    }
}

static void lines_output_limits(const struct config_value *v, struct bytes *out)
{
    struct setting_output_limit limits[CLIENT_CLASS_COUNT];
    read_limits(v->text, limits);
    for (size_t i = 0; i < CLIENT_CLASS_COUNT; i++)
        bytes_printf(out, "client-output-buffer-limit %s %" PRId64 " %" PRId64 " %" PRId64 "\n",
                     class_written[i], limits[i].hard_bytes, limits[i].soft_bytes,
                     limits[i].soft_seconds);
}

const struct config_special config_special_output_limits = {
    .parse = parse_output_limits, .publish = publish_output_limits, .lines = lines_output_limits};

/* ---- notify-keyspace-events: letters ---- */

static const struct {
    char letter;
    int bit;
} notify_letters[] = {{'g', NOTIFY_GENERIC},  {'$', NOTIFY_STRING},   {'l', NOTIFY_LIST},
                      {'s', NOTIFY_SET},      {'h', NOTIFY_HASH},     {'z', NOTIFY_ZSET},
                      {'x', NOTIFY_EXPIRED},  {'e', NOTIFY_EVICTED},  {'t', NOTIFY_STREAM},
                      {'d', NOTIFY_MODULE},   {'K', NOTIFY_KEYSPACE}, {'E', NOTIFY_KEYEVENT},
                      {'m', NOTIFY_KEY_MISS}, {'n', NOTIFY_NEW},      {'A', NOTIFY_ALL}};

static bool parse_notify(const struct config_directive *d, const struct config_parse *in,
                         struct config_value *out)
{
    for (size_t i = 0; i < in->argv[0].len; i++) {
        size_t at = 0;
        while (at < COUNT_OF(notify_letters) && notify_letters[at].letter != in->argv[0].data[i])
            at++;
        if (at == COUNT_OF(notify_letters))
            return config_refuse(in, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        out->number |= notify_letters[at].bit;
    }
    return true;
}

static void print_notify(const struct config_value *v, struct bytes *out)
{
    bool all = (v->number & NOTIFY_ALL) == NOTIFY_ALL;
    if (all)
        bytes_append_char(out, 'A');
    for (size_t i = 0; i + 1 < COUNT_OF(notify_letters); i++)
        if ((v->number & notify_letters[i].bit) && !(all && (notify_letters[i].bit & NOTIFY_ALL)))
            bytes_append_char(out, notify_letters[i].letter);
}

static void publish_notify(const struct config_value *v, struct settings *s)
{
    RELAXED_STORE(&s->notify_keyspace_events, (int)v->number);
}

static void lines_notify(const struct config_value *v, struct bytes *out)
{
    struct bytes letters = {0};
    print_notify(v, &letters);
    bytes_append_str(out, "notify-keyspace-events ");
    config_print_quoted(bytes_slice(&letters), out);
    bytes_append_char(out, '\n');
    bytes_free(&letters);
}

const struct config_special config_special_notify = {
    .parse = parse_notify, .print = print_notify, .publish = publish_notify, .lines = lines_notify};

/* ---- oom-score-adj-values: three numbers ---- */

static bool parse_oom_values(const struct config_directive *d, const struct config_parse *in,
                             struct config_value *out)
{
    if (in->argc != 3)
        return config_refuse(in, "wrong number of arguments");
    for (size_t i = 0; i < 3; i++) {
        int64_t n;
        if (!number_parse_i64(in->argv[i], &n) || n < -OOM_SCORE_MAX || n > OOM_SCORE_MAX)
            return config_refuse(
                in, "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    }
    out->text = join_words(in);
    return true;
}

static void publish_oom_values(const struct config_value *v, struct settings *s)
{
    int64_t numbers[3] = {0, 0, 0};
    read_numbers(v->text, numbers, 3);
    for (size_t i = 0; i < 3; i++)
        RELAXED_STORE(&s->oom_score_adj_values[i], numbers[i]);
}

const struct config_special config_special_oom_values = {.parse = parse_oom_values,
                                                         .publish = publish_oom_values};

/* ---- latency-tracking-info-percentiles: numbers from 0 to 100 ---- */

static bool parse_percentiles(const struct config_directive *d, const struct config_parse *in,
                              struct config_value *out)
{
    struct bytes text = {0};
    const char *reason = in->argc > SETTING_PERCENTILES_MAX ? "too many percentiles" : NULL;
    for (size_t i = 0; reason == NULL && i < in->argc; i++) {
        char digits[NUMBER_TEXT_MAX + 8];
        double p;
        if (!number_parse_double(in->argv[i], &p))
            reason = "Invalid latency-tracking-info-percentiles parameters";
        else if (!(p >= 0 && p <= 100))
            reason = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        if (reason != NULL)
            break;
        if (i > 0)
            bytes_append_char(&text, ' ');
        bytes_append(&text, digits, number_print_double(digits, p));
    }
    out->text = take_text(&text);
    return reason == NULL || config_refuse(in, "%s", reason);
}

static void publish_percentiles(const struct config_value *v, struct settings *s)
{
    struct slice words[SETTING_PERCENTILES_MAX];
    size_t count = config_words(slice_str(v->text), words, SETTING_PERCENTILES_MAX);
    for (size_t i = 0; i < count; i++)
        if (!number_parse_double(words[i], &s->percentiles[i]))
            s->percentiles[i] = 0;
    s->percentile_count = (uint32_t)count;
}

const struct config_special config_special_percentiles = {.parse = parse_percentiles,
                                                          .publish = publish_percentiles};

/* ---- bind: addresses ---- */

static bool parse_bind(const struct config_directive *d, const struct config_parse *in,
                       struct config_value *out)
{
    if (in->argc > BIND_MAX)
        return config_refuse(in, "Too many bind addresses specified.");
    if (has_nul(in))
        return config_refuse(in, "argument must not contain a NUL byte");
    out->text = join_words(in);
    return true;
}

static void publish_bind(const struct config_value *v, struct settings *s)
{
    set_text(&s->bind, v->text);
}

const struct config_special config_special_bind = {.parse = parse_bind, .publish = publish_bind};

/* ---- replicaof: "host port", "no one" = "" ---- */

static bool parse_replicaof(const struct config_directive *d, const struct config_parse *in,
                            struct config_value *out)
{
    int64_t port;
    bool none = in->argc == 0 ||
                (in->argc == 2 && slice_is(in->argv[0], "no") && slice_is(in->argv[1], "one"));
    if (!none && in->argc != 2)
        return config_refuse(in, "wrong number of arguments");
    if (!none && (!number_parse_i64(in->argv[1], &port) || port < 0 || port > 65535))
        return config_refuse(in, "Invalid master port");
    if (has_nul(in))
        return config_refuse(in, "argument must not contain a NUL byte");
    out->text = none ? mem_strdup("") : join_words(in);
    return true;
}

static void publish_replicaof(const struct config_value *v, struct settings *s)
{
    set_text(&s->replicaof, v->text);
}

const struct config_special config_special_replicaof = {.parse = parse_replicaof,
                                                        .publish = publish_replicaof};

/* ---- dir: the working directory, absolute ---- */

static char *absolute(const char *path)
{
    char real[PATH_MAX];
    if (realpath(path, real) != NULL)
        return mem_strdup(real);
    if (path[0] == '/' || getcwd(real, sizeof(real)) == NULL)
        return mem_strdup(path);
    struct bytes text = {0};
    bytes_printf(&text, "%s/%s", real, path);
    return take_text(&text);
}

static bool parse_dir(const struct config_directive *d, const struct config_parse *in,
                      struct config_value *out)
{
    struct file_info info;
    if (in->argv[0].len == 0 || in->argv[0].len >= PATH_MAX || has_nul(in))
        return config_refuse(in, "%s", strerror(in->argv[0].len == 0 ? ENOENT : ENAMETOOLONG));
    char *path = slice_to_str(in->argv[0]);
    int result = in->from_file ? 0 : file_info_path(path, &info);
    if (result == 0 && !in->from_file && !info.is_dir)
        result = -ENOTDIR;
    if (result == 0)
        out->text = absolute(path);
    mem_free(path);
    return result == 0 || config_refuse(in, "%s", strerror(-result));
}

static void publish_dir(const struct config_value *v, struct settings *s)
{
    set_text(&s->dir, v->text);
}

static const char *apply_dir(const struct config_value *v, struct settings *s)
{
    if (chdir(v->text) == 0)
        return NULL;
    return errno == ENOENT    ? "No such file or directory"
           : errno == EACCES  ? "Permission denied"
           : errno == ENOTDIR ? "Not a directory"
                              : "Can't change to the directory";
}

static void lines_dir(const struct config_value *v, struct bytes *out)
{
    bytes_append_str(out, "dir ");
    config_print_quoted(slice_str(v->text), out);
    bytes_append_char(out, '\n');
}

const struct config_special config_special_dir = {
    .parse = parse_dir, .publish = publish_dir, .apply = apply_dir, .lines = lines_dir};

/* ---- disk-fault: rules of base/file.h, for tests ---- */

static bool parse_faults(const struct config_directive *d, const struct config_parse *in,
                         struct config_value *out)
{
    struct file_fault fault;
    for (size_t i = 0; i < in->argc; i++)
        if (!file_fault_parse(in->argv[i], &fault))
            return config_refuse(in, "Invalid disk fault '%.*s'", (int)MIN_OF(in->argv[i].len, 200),
                                 in->argv[i].data);
    struct bytes text = {0};
    char *words = join_words(in);
    if (in->more && in->old->text[0] != '\0')
        bytes_printf(&text, "%s ", in->old->text);
    bytes_append_str(&text, words);
    mem_free(words);
    out->text = take_text(&text);
    return true;
}

static void publish_nothing(const struct config_value *v, struct settings *s) {}

static const char *apply_faults(const struct config_value *v, struct settings *s)
{
    struct slice words[WORDS_MAX];
    struct file_fault fault;
    if (v->text[0] != '\0' && RELAXED_LOAD(&s->enable_debug_command) == ACTION_NO)
        return "disk-fault needs enable-debug-command";
    file_fault_clear();
    size_t count = MIN_OF(config_words(slice_str(v->text), words, WORDS_MAX), WORDS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!file_fault_parse(words[i], &fault) || file_fault_add(&fault) < 0)
            return "too many disk faults";
    return NULL;
}

const struct config_special config_special_faults = {
    .parse = parse_faults, .publish = publish_nothing, .apply = apply_faults};

/* ---- io-threads: a number, or as many as there are CPUs for us ---- */

static bool parse_workers(const struct config_directive *d, const struct config_parse *in,
                          struct config_value *out)
{
    int64_t n = 0;
    bool automatic = slice_is(in->argv[0], "auto");
    if (!automatic && !number_parse_i64(in->argv[0], &n))
        return config_refuse(in, "argument couldn't be parsed into an integer");
    if (n < 0 || n > 128)
        return config_refuse(in, "argument must be between 0 and 128 inclusive");
    out->number = n != 0 ? n : (int64_t)MIN_OF(machine_cpus(), 128u);
    out->text = n != 0 ? NULL : mem_strdup("auto");
    return true;
}

static void print_number(const struct config_value *v, struct bytes *out)
{
    bytes_printf(out, "%" PRId64, v->number);
}

static void publish_workers(const struct config_value *v, struct settings *s)
{
    RELAXED_STORE(&s->io_threads, v->number);
}

const struct config_special config_special_workers = {
    .parse = parse_workers, .print = print_number, .publish = publish_workers};

/* ---- maxmemory: bytes, a percentage of what the machine grants, or auto ---- */

#define MAXMEMORY_AUTO_PERCENT 75 /* leaves room for buffers, snapshots and fragmentation */

static bool parse_maxmemory(const struct config_directive *d, const struct config_parse *in,
                            struct config_value *out)
{
    struct slice s = in->argv[0];
    uint64_t n;
    bool percent =
        s.len > 1 && s.data[s.len - 1] == '%' && number_parse_u64(slice_of(s.data, s.len - 1), &n);
    if (percent && n > 100)
        return config_refuse(in, "percentage argument must be less or equal to 100");
    if (percent || slice_is(s, "auto")) {
        uint64_t part = percent ? n : MAXMEMORY_AUTO_PERCENT;
        out->number = (int64_t)(machine_memory() / 100 * part);
        out->text = slice_to_str(s);
        return true;
    }
    if (!number_parse_memory(s, &n) || n > INT64_MAX)
        return config_refuse(in, "argument must be a memory value");
    out->number = (int64_t)n;
    return true;
}

static void publish_maxmemory(const struct config_value *v, struct settings *s)
{
    RELAXED_STORE(&s->maxmemory, v->number);
}

static void lines_maxmemory(const struct config_value *v, struct bytes *out)
{
    struct config_directive plain = {.name = "maxmemory", .kind = CONFIG_MEMORY};
    if (v->text != NULL)
        bytes_printf(out, "maxmemory %s\n", v->text);
    else
        config_print_lines(&plain, v, out);
}

const struct config_special config_special_maxmemory = {.parse = parse_maxmemory,
                                                        .print = print_number,
                                                        .publish = publish_maxmemory,
                                                        .lines = lines_maxmemory};

/* ---- Texts with rules ---- */

const char *config_check_dbfilename(struct slice text)
{
    if (text.len == 0)
        return "dbfilename can't be empty";
    return memchr(text.data, '/', text.len) != NULL ? "dbfilename can't be a path, just a filename"
                                                    : NULL;
}

const char *config_check_appendfilename(struct slice text)
{
    if (text.len == 0)
        return "appendfilename can't be empty";
    return memchr(text.data, '/', text.len) != NULL
               ? "appendfilename can't be a path, just a filename"
               : NULL;
}

const char *config_check_appenddirname(struct slice text)
{
    if (text.len == 0)
        return "appenddirname can't be empty";
    return memchr(text.data, '/', text.len) != NULL
               ? "appenddirname can't be a path, just a dirname"
               : NULL;
}

const char *config_check_title(struct slice text)
{
    static const char *const variables[] = {"title",    "listen-addr", "server-mode", "port",
                                            "tls-port", "unixsocket",  "config-file"};
    const char *bad = "template format is invalid or contains unknown variables";
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '{')
            continue;
        const char *end = memchr(text.data + i, '}', text.len - i);
        if (end == NULL)
            return bad;
        struct slice name = slice_of(text.data + i + 1, (size_t)(end - text.data) - i - 1);
        size_t at = 0;
        while (at < COUNT_OF(variables) && !slice_eq(name, slice_str(variables[at])))
            at++;
        if (at == COUNT_OF(variables))
            return bad;
        i = (size_t)(end - text.data);
    }
    return NULL;
}

const char *config_check_hostname(struct slice text)
{
    if (text.len > HOSTNAME_MAX)
        return "Hostnames must be less than 256 characters";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.'))
            return "Hostnames may only contain alphanumeric characters, hyphens or dots";
    }
    return NULL;
}
