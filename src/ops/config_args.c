/* config_args.c - the command line: what redis-server accepts, and --check-config.
 *
 * Options become lines of a configuration text ("--port 7000" is "port \"7000\""), read behind the
 * file and the standard input, so the last word is the command line's.
 */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/version.h"
#include "ops/config_directive.h"
#include "proto/split.h"

static void print_version(struct bytes *out)
{
    bytes_printf(out, "Spillway server v=%s redis=%s malloc=%s bits=%d\n", SPILLWAY_VERSION,
                 SPILLWAY_REDIS_VERSION, mem_allocator_name(), (int)sizeof(void *) * 8);
}

static void print_help(struct bytes *out)
{
    bytes_append_str(
        out,
        "Usage: spillway [FILE] [-] [--name value ...]\n"
        "       spillway --check-config FILE\n"
        "       spillway -v | --version\n"
        "       spillway -h | --help\n"
        "\n"
        "FILE is a configuration file in the syntax of redis.conf, '-' reads one from the "
        "standard\n"
        "input, and each --name value is one more line of it. What comes later wins. Without any\n"
        "of them the server runs with its defaults.\n"
        "\n"
        "  --check-config FILE   say for each line of FILE whether it is honoured, stored without\n"
        "                        effect, or refused and why; exit 1 if any is refused\n"
        "\n"
        "Examples:\n"
        "  spillway /etc/spillway/spillway.conf\n"
        "  spillway --port 7777 --maxmemory 75% --maxmemory-policy allkeys-lru\n"
        "  spillway spillway.conf --appendonly yes --disk-budget 2gb\n"
        "  echo 'maxmemory 128mb' | spillway -\n");
}

/* ---- --check-config ---- */

struct check {
    struct bytes *out;
    size_t refused;
};

static bool print_line(void *ctx, const struct config_line *line)
{
    static const char *const verdicts[] = {"honoured", "stored without effect", "refused"};
    struct check *check = ctx;
    bytes_printf(check->out, "%s:%d: %-21s  ", line->file, line->number, verdicts[line->verdict]);
    bytes_append(check->out, line->text.data, line->text.len);
    if (line->verdict == CONFIG_REFUSED) {
        bytes_printf(check->out, "  (%s)", line->reason);
        check->refused++;
    }
    bytes_append_char(check->out, '\n');
    return true;
}

size_t config_check(const struct config *like, const char *path, struct bytes *out)
{
    struct check check = {.out = out};
    char *text;
    size_t len, rows[2];
    int error = config_read_file(path, &text, &len);
    if (error != 0) {
        bytes_printf(out, "%s: refused: %s\n", path, strerror(-error));
        return 1;
    }
    struct config *c = config_new();
    for (size_t row = 0; row < config_directive_count; row++)
        c->rows[row].accepted = like->rows[row].accepted;
    config_load_lines(c, path, slice_of(text, len), print_line, &check);
    const char *reason = config_check_all(c, rows);
    if (reason != NULL) {
        bytes_printf(out, "%s: refused: %s\n", path, reason);
        check.refused++;
    }
    bytes_printf(out, "%s: %zu refused\n", path, check.refused);
    config_free(c);
    mem_free(text);
    return check.refused;
}

/* ---- Options to lines ---- */

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] == '-';
}

/* Number of words in an argument: "--port 7000" may come as one. */
static int words_in(const char *argument)
{
    struct slice *argv = NULL;
    int count = split_line(slice_str(argument), &argv);
    mem_free(argv);
    return count;
}

/* Appends the lines of argv[from..argc). An argument right behind a bare option is its value
 * even if it starts with "--"; only --save may go without one, and means none then.
 * *from_stdin: a "-" at either end was seen. */
static void read_options(int argc, char *const *argv, int from, struct bytes *lines,
                         bool *from_stdin)
{
    bool may_be_option = true;
    for (int i = from; i < argc; i++) {
        bool last = i + 1 == argc;
        if (strcmp(argv[i], "-") == 0 && (i == 1 || last)) {
            *from_stdin = true;
        } else if (may_be_option && is_option(argv[i])) {
            bytes_printf(lines, "%s%s ", lines->len > 0 ? "\n" : "", argv[i] + 2);
            may_be_option = words_in(argv[i]) != 1;
            if (slice_is(slice_str(argv[i]), "--save") && (last || is_option(argv[i + 1]))) {
                bytes_append_str(lines, "\"\"");
                may_be_option = true;
            }
        } else {
            config_print_quoted(slice_str(argv[i]), lines);
            bytes_append_char(lines, ' ');
            may_be_option = true;
        }
    }
}

static char *absolute_path(const char *path)
{
    char here[PATH_MAX];
    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
        return mem_strdup(path);
    struct bytes text = {0};
    bytes_printf(&text, "%s/%s", here, path);
    char *result = mem_strdup(bytes_str(&text));
    bytes_free(&text);
    return result;
}

static bool load_all(struct config *c, int argc, char *const *argv)
{
    struct bytes lines = {0};
    bool from_stdin = false;
    int from = 1;
    if (argc > 1 && argv[1][0] != '-') {
        c->path = absolute_path(argv[1]);
        from = 2;
    }
    read_options(argc, argv, from, &lines, &from_stdin);
    bool fine = c->path == NULL || config_load_file(c, c->path);
    if (fine && from_stdin)
        fine = config_load_file(c, "-");
    if (fine)
        fine = config_load_text(c, CONFIG_COMMAND_LINE, bytes_slice(&lines));
    bytes_free(&lines);
    return fine && config_finish(c);
}

enum config_start config_start(struct config *c, int argc, char *const *argv, struct bytes *out)
{
    struct slice first = slice_str(argc > 1 ? argv[1] : "");
    if (argc == 2 && (slice_is(first, "-v") || slice_is(first, "--version"))) {
        print_version(out);
        return CONFIG_START_EXIT;
    }
    if (argc == 2 && (slice_is(first, "-h") || slice_is(first, "--help"))) {
        print_help(out);
        return CONFIG_START_EXIT;
    }
    if (slice_is(first, "--check-config")) {
        if (argc != 3) {
            bytes_append_str(out, "--check-config takes the path of one file\n");
            return CONFIG_START_FAIL;
        }
        return config_check(c, argv[2], out) == 0 ? CONFIG_START_EXIT : CONFIG_START_FAIL;
    }
    if (load_all(c, argc, argv))
        return CONFIG_START_RUN;
    bytes_printf(out, "\n%s\n", config_error(c));
    return CONFIG_START_FAIL;
}
