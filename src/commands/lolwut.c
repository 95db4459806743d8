/* lolwut.c - LOLWUT: a dam by night, whose lake and sky differ each time; below it, the version. */
#include "base/bytes.h"
#include "base/version.h"
#include "commands/commands.h"
#include "engine/call.h"

#define COLUMNS_DEFAULT 66
#define ROWS_DEFAULT    12
#define SIZE_MAX_LOLWUT 500

/* [VERSION number] [columns] [rows]; false after replying the error. */
static bool read_size(struct call *call, int64_t *columns, int64_t *rows)
{
    uint32_t at = 1;
    int64_t version;
    *columns = COLUMNS_DEFAULT;
    *rows = ROWS_DEFAULT;
    if (call->argc >= 3 && slice_is(call->argv[1], "version")) {
        if (!call_i64(call, 2, &version, NULL))
            return false;
        at = 3;
    }
    if (at < call->argc && !call_i64(call, at, columns, NULL))
        return false;
    if (at + 1 < call->argc && !call_i64(call, at + 1, rows, NULL))
        return false;
    *columns = MAX_OF(8, MIN_OF(*columns, SIZE_MAX_LOLWUT));
    *rows = MAX_OF(4, MIN_OF(*rows, SIZE_MAX_LOLWUT));
    return true;
}

/* What is at a place: the lake stands left of the wall up to `level`, the river runs at its
 * foot. */
static char pixel(struct rand *random, int64_t column, int64_t row, int64_t wall, int64_t level,
                  int64_t rows)
{
    if (column >= wall && column <= wall + row / 2)
        return column == wall ? '|' : column == wall + row / 2 ? '\\' : '#';
    if (column < wall && row >= level)
        return rand_below(random, 4) == 0 ? '~' : '-';
    if (column > wall && row == rows - 1)
        return rand_below(random, 3) == 0 ? '~' : '_';
    return rand_below(random, 24) == 0 ? "*.+'"[rand_below(random, 4)] : ' ';
}

static void lolwut_command(struct call *call)
{
    struct rand *random = &call->lane->random;
    struct bytes picture = {0};
    int64_t columns, rows;
    if (!read_size(call, &columns, &rows))
        return;
    int64_t wall = columns / 2, level = (int64_t)rand_below(random, (uint64_t)rows - 1);
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < columns; column++)
            bytes_append_char(&picture, pixel(random, column, row, wall, level, rows));
        bytes_append_char(&picture, '\n');
    }
    bytes_append_str(&picture,
                     "\nRedis ver. " SPILLWAY_REDIS_VERSION ", Spillway " SPILLWAY_VERSION "\n");
    reply_verbatim(call->reply, "txt", bytes_slice(&picture));
    bytes_free(&picture);
}

const struct command lolwut_commands[] = {{.name = "lolwut",
                                           .run = lolwut_command,
                                           .arity = -1,
                                           .flags = CMD_READONLY | CMD_FAST,
                                           .group = GROUP_SERVER,
                                           .usage = "[VERSION version:integer]",
                                           .since = "5.0.0",
                                           .summary = "Draws something, and tells the version."},
                                          {.name = NULL}};
