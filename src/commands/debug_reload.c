/* debug_reload.c - DEBUG RELOAD, LOADAOF: the data set written to disk, dropped, and read back.
 *
 * The snapshot is the saver thread's work, as for SAVE. Reading back is done by the client's own
 * worker, which serves nobody meanwhile; the commands of other workers are held back as by CLIENT
 * PAUSE. LOADAOF is all the saver's work. It waits until each lane has read a message, so that no
 * command admitted before is still to run: one would run in the middle of the log.
 */
#include <errno.h>
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands/debug.h"
#include "engine/call.h"
#include "engine/settings.h"
#include "persist/persist.h"
#include "persist/rdb_load.h"

struct reload {
    struct lane_message message;
    struct lane *lane;
    uint64_t client_id;
    bool flush;
    int error; /* of the snapshot: 0 or a negative errno */
    uint64_t pause_until_ms;
    uint32_t pause_all;
    unsigned lanes_left; /* atomic: lanes that have not arrived yet */
};

/* False: another one holds them back. */
static bool hold_back(struct reload *r)
{
    struct server *server = r->lane->server;
    r->pause_until_ms = __atomic_exchange_n(&server->pause_until_ms, UINT64_MAX, __ATOMIC_RELAXED);
    if (r->pause_until_ms == UINT64_MAX)
        return false;
    r->pause_all = RELAXED_LOAD(&server->pause_all);
    RELAXED_STORE(&server->pause_all, 1);
    return true;
}

static void let_go(const struct reload *r)
{
    struct server *server = r->lane->server;
    RELAXED_STORE(&server->pause_until_ms, r->pause_until_ms);
    RELAXED_STORE(&server->pause_all, r->pause_all);
}

static void empty_all(struct lane *lane)
{
    struct hold hold = {.keyspace = lane->server->keyspace,
                        .now_ms = lane->now_ms,
                        .lane = lane->index,
                        .stats = &lane->stats.keyspace,
                        .owner = lane};
    hold_take(&hold, HOLD_ALL);
    for (uint32_t db = 0; db < keyspace_options(hold.keyspace)->databases; db++)
        keyspace_flush_db(&hold, db, false);
    hold_drop(&hold);
}

struct source {
    int fd;
    uint64_t at;
};

static ssize_t read_more(void *ctx, void *data, size_t len)
{
    struct source *source = ctx;
    ssize_t got = file_read_at(source->fd, data, len, source->at);
    if (got > 0)
        source->at += (uint64_t)got;
    return got;
}

/* Opens the dump file; a negative errno if it cannot be read. */
static int open_dump(struct settings *settings)
{
    struct bytes path = {0};
    settings_text_append(settings, &settings->dir, &path);
    bytes_append_char(&path, '/');
    settings_text_append(settings, &settings->dbfilename, &path);
    int fd = file_open(bytes_str(&path), FILE_READ);
    bytes_free(&path);
    return fd;
}

static bool read_back(struct lane *lane, bool flush)
{
    struct source source = {.fd = open_dump(lane->server->settings)};
    struct rdb_load_options options = {.checksum = true, .lane = lane->index};
    struct rdb_load_result result = {.why = strerror(-source.fd)};
    struct rdb_reader reader;
    bool good = source.fd >= 0;
    if (good) {
        if (flush)
            empty_all(lane);
        rdb_reader_init_source(&reader, read_more, &source);
        good = rdb_load(&reader, lane->server->keyspace, &options, &result);
        rdb_reader_free(&reader);
        file_close(source.fd);
    }
    if (!good)
        LOG_WARNING("DEBUG RELOAD: the dump file could not be loaded: %s", result.why);
    return good;
}

/* What was in the keyspace and what is in the log are two things now. */
static void renew_log(struct server *server)
{
    if (server->persist != NULL && RELAXED_LOAD(&server->settings->appendonly))
        persist_rewrite(server->persist);
}

static const char *reload(struct reload *r)
{
    bool good = r->error == 0 && read_back(r->lane, r->flush);
    renew_log(r->lane->server);
    return good ? NULL : r->error != 0 ? "ERR" : "ERR Error trying to load the RDB dump";
}

static void finish(struct lane *lane, struct reload *r, const char *error)
{
    struct client *client = lane_find_client(lane, r->client_id);
    let_go(r);
    mem_free(r);
    if (client == NULL)
        return;
    lane->reply.resp3 = client->resp == 3;
    if (error != NULL)
        reply_error(&lane->reply, error);
    else
        reply_ok(&lane->reply);
    client_complete(client);
}

static void reload_saved(struct lane *lane, struct lane_message *message)
{
    struct reload *r = CONTAINER_OF(message, struct reload, message);
    finish(lane, r, reload(r));
}

/* On the saver thread. */
static void saved(void *ctx, int error)
{
    struct reload *r = ctx;
    r->error = error;
    lane_post(r->lane, &r->message);
}

/* Holds all others back. NULL after replying the error. */
static struct reload *begin(struct call *call,
                            void (*run)(struct lane *lane, struct lane_message *message))
{
    struct reload *r = mem_zalloc(sizeof *r);
    *r = (struct reload){.message.run = run, .lane = call->lane, .client_id = call->client->id};
    if (hold_back(r))
        return r;
    mem_free(r);
    call_error(call, "ERR The data set is being loaded by another client");
    return NULL;
}

static bool read_options(struct call *call, bool *save, bool *flush)
{
    *save = *flush = true;
    for (uint32_t i = 2; i < call->argc; i++) {
        if (slice_is(call->argv[i], "nosave")) {
            *save = false;
        } else if (slice_is(call->argv[i], "noflush")) {
            *flush = false;
        } else if (!slice_is(call->argv[i], "merge")) {
            call_error(call,
                       "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
            return false;
        }
    }
    return true;
}

void debug_reload(struct call *call)
{
    bool save, flush;
    if (!read_options(call, &save, &flush))
        return;
    if (save && call->server->persist == NULL) {
        call_error(call, "ERR persistence is not running");
        return;
    }
    struct reload *r = begin(call, reload_saved);
    if (r == NULL)
        return;
    r->flush = flush;
    if (save && persist_save(call->server->persist, saved, r) == PERSIST_STARTED) {
        call_defer(call, r, NULL);
        return;
    }
    const char *error = save ? "ERR Background save already in progress" : reload(r);
    let_go(r);
    mem_free(r);
    if (error != NULL)
        call_error(call, error);
    else
        reply_ok(call->reply);
}

/* ---- LOADAOF ---- */

static const char *loadaof_error(int error)
{
    switch (error) {
    case 0:
        return NULL;
    case -ENOENT:
        return "ERR There is no append only file to load, or a part of it is missing";
    case -EAGAIN:
        return "ERR The append only file does not hold all data at present";
    case -ECANCELED:
        return "ERR The server is stopping";
    default:
        return "ERR Error trying to load the AOF files, check server logs.";
    }
}

static void log_loaded(struct lane *lane, struct lane_message *message)
{
    struct reload *r = CONTAINER_OF(message, struct reload, message);
    finish(lane, r, loadaof_error(r->error));
}

struct arrival {
    struct lane_message message;
    struct reload *reload;
};

static void arrived(struct lane *lane, struct lane_message *message)
{
    struct arrival *arrival = CONTAINER_OF(message, struct arrival, message);
    struct reload *r = arrival->reload;
    mem_free(arrival);
    if (__atomic_sub_fetch(&r->lanes_left, 1, __ATOMIC_ACQ_REL) == 0)
        persist_reload_log(lane->server->persist, saved, r);
}

void debug_loadaof(struct call *call)
{
    struct server *server = call->server;
    if (server->persist == NULL) {
        call_error(call, "ERR persistence is not running");
        return;
    }
    if (RELAXED_LOAD(&server->phase) != SERVER_READY) {
        call_error(call, "LOADING Redis is loading the dataset in memory");
        return;
    }
    struct reload *r = begin(call, log_loaded);
    if (r == NULL)
        return;
    call_defer(call, r, NULL);
    r->lanes_left = server->lane_count;
    for (unsigned i = 0; i < server->lane_count; i++) {
        struct arrival *arrival = mem_alloc(sizeof *arrival);
        *arrival = (struct arrival){.message.run = arrived, .reload = r};
        lane_post(server->lanes[i], &arrival->message);
    }
}
