/* server_save.c - writing the data set to disk on request, and the end of the server: SAVE, BGSAVE,
 * BGREWRITEAOF, SHUTDOWN.
 *
 * Nothing here waits for the disk. SAVE, and SHUTDOWN with a final snapshot, defer their client;
 * the saver thread says when it is done, by a message to the client's lane. While SHUTDOWN saves,
 * commands that write are held back as by CLIENT PAUSE, so that the snapshot is the last state; if
 * it fails and FORCE was not given, they go on and so does the server. When a signal asks to stop,
 * none of this is asked: the process exits whatever the disk says.
 */
#include <stdio.h>
#include "base/mem.h"
#include "commands/server.h"
#include "engine/call.h"
#include "engine/settings.h"
#include "persist/persist.h"

#define SHUTDOWN_FAILED "ERR Errors trying to SHUTDOWN. Check logs."

/* A client that waits for the saver thread. Owned by the message until it has run. */
struct waiting {
    struct lane_message message;
    struct lane *lane;
    uint64_t client_id;
    int error;               /* 0 or a negative errno */
    unsigned how;            /* SHUTDOWN: enum server_stop_how */
    uint64_t pause_until_ms; /* SHUTDOWN: what to go back to */
    uint32_t pause_all;
};

static struct persist *persist_of(struct call *call)
{
    if (call->server->persist == NULL)
        call_error(call, "ERR persistence is not running");
    return call->server->persist;
}

/* On the saver thread. */
static void saved(void *ctx, int error)
{
    struct waiting *w = ctx;
    w->error = error;
    lane_post(w->lane, &w->message);
}

static struct waiting *wait_here(struct call *call,
                                 void (*run)(struct lane *, struct lane_message *))
{
    struct waiting *w = mem_zalloc(sizeof *w);
    w->message.run = run;
    w->lane = call->lane;
    w->client_id = call->client->id;
    return w;
}

/* Ends the client's waiting with an error, or with OK if `error` is NULL. */
static void answer(struct lane *lane, uint64_t client_id, const char *error)
{
    struct client *client = lane_find_client(lane, client_id);
    if (client == NULL)
        return;
    if (error != NULL)
        lane_count_error(lane, error, strlen(error));
    lane->reply.resp3 = client->resp == 3;
    lane->reply.muted = (client->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) != 0;
    if (error != NULL)
        reply_error(&lane->reply, error);
    else
        reply_ok(&lane->reply);
    lane->reply.muted = false;
    client_complete(client);
}

/* ---- SAVE and its kin ---- */

static void save_done(struct lane *lane, struct lane_message *message)
{
    struct waiting *w = CONTAINER_OF(message, struct waiting, message);
    char text[160];
    snprintf(text, sizeof text, "ERR The data set could not be saved: %s", strerror(-w->error));
    answer(lane, w->client_id, w->error != 0 ? text : NULL);
    mem_free(w);
}

void server_save(struct call *call)
{
    struct persist *persist = persist_of(call);
    if (persist == NULL)
        return;
    struct waiting *w = wait_here(call, save_done);
    if (persist_save(persist, saved, w) == PERSIST_STARTED) {
        call_defer(call, w, NULL); /* in time: the message runs on this lane */
        return;
    }
    mem_free(w);
    call_error(call, "ERR Background save already in progress");
}

static void bgsave_begun(struct lane *lane, struct lane_message *message)
{
    struct waiting *w = CONTAINER_OF(message, struct waiting, message);
    struct client *client = lane_find_client(lane, w->client_id);
    if (client != NULL) {
        lane->reply.resp3 = client->resp == 3;
        lane->reply.muted = (client->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) != 0;
        reply_simple(&lane->reply, "Background saving started");
        lane->reply.muted = false;
        client_complete(client);
    }
    mem_free(w);
}

/* The reply waits for the cut: a client that writes after it must not find that write in the
 * file. */
void server_bgsave(struct call *call)
{
    bool schedule = call->argc == 2 && slice_is(call->argv[1], "schedule");
    if (call->argc > 1 && !schedule) {
        call_syntax_error(call);
        return;
    }
    struct persist *persist = persist_of(call);
    if (persist == NULL)
        return;
    struct waiting *w = wait_here(call, bgsave_begun);
    enum persist_answer started = persist_bgsave(persist, schedule, saved, w);
    if (started == PERSIST_STARTED) {
        call_defer(call, w, NULL);
        return;
    }
    mem_free(w);
    switch (started) {
    case PERSIST_STARTED:
    case PERSIST_SCHEDULED:
        reply_simple(call->reply, "Background saving scheduled");
        break;
    case PERSIST_SAVE_RUNNING:
        call_error(call, "ERR Background save already in progress");
        break;
    case PERSIST_REWRITE_RUNNING:
        call_error(call,
                   "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE "
                   "SCHEDULE in order to schedule a BGSAVE whenever possible.");
        break;
    }
}

void server_bgrewriteaof(struct call *call)
{
    struct persist *persist = persist_of(call);
    if (persist == NULL)
        return;
    switch (persist_rewrite(persist)) {
    case PERSIST_STARTED:
        reply_simple(call->reply, "Background append only file rewriting started");
        break;
    case PERSIST_SCHEDULED:
    case PERSIST_SAVE_RUNNING:
        reply_simple(call->reply, "Background append only file rewriting scheduled");
        break;
    case PERSIST_REWRITE_RUNNING:
        call_error(call, "ERR Background append only file rewriting already in progress");
        break;
    }
}

void server_lastsave(struct call *call)
{
    struct server *server = call->server;
    reply_int(call->reply, server->persist != NULL ? persist_lastsave_s(server->persist)
                                                   : server->started_ms / 1000);
}

/* ---- SHUTDOWN ---- */

/* The options as enum server_stop_how; false after replying the error. */
static bool read_shutdown(struct call *call, unsigned *how, bool *abort)
{
    static const struct {
        const char *word;
        unsigned how;
    } words[] = {
        {"nosave", STOP_NOSAVE}, {"save", STOP_SAVE}, {"now", STOP_NOW}, {"force", STOP_FORCE}};
    *how = 0;
    *abort = false;
    for (uint32_t i = 1; i < call->argc; i++) {
        size_t at = 0;
        while (at < COUNT_OF(words) && !slice_is(call->argv[i], words[at].word))
            at++;
        if (at < COUNT_OF(words)) {
            *how |= words[at].how;
        } else if (slice_is(call->argv[i], "abort")) {
            *abort = true;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    if ((*abort && *how != 0) || (*how & STOP_SAVE && *how & STOP_NOSAVE)) {
        call_syntax_error(call);
        return false;
    }
    return true;
}

static void abort_shutdown(struct call *call)
{
    uint32_t expected = SHUTDOWN_SAVING;
    if (!__atomic_compare_exchange_n(&call->server->shutdown, &expected, SHUTDOWN_ABORTED, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        call_error(call, "ERR No shutdown in progress.");
        return;
    }
    RELAXED_STORE(&call->server->pause_until_ms, 0); /* not only when the snapshot is done */
    reply_ok(call->reply);
}

static void hold_back_writes(struct server *server, struct waiting *w)
{
    w->pause_until_ms = RELAXED_LOAD(&server->pause_until_ms);
    w->pause_all = RELAXED_LOAD(&server->pause_all);
    if (w->pause_until_ms <= (uint64_t)w->lane->now_ms)
        RELAXED_STORE(&server->pause_all, 0);
    RELAXED_STORE(&server->pause_until_ms, UINT64_MAX);
}

static void let_writes_go_on(struct server *server, const struct waiting *w)
{
    RELAXED_STORE(&server->pause_until_ms, w->pause_until_ms);
    RELAXED_STORE(&server->pause_all, w->pause_all);
}

static void shutdown_saved(struct lane *lane, struct lane_message *message)
{
    struct waiting *w = CONTAINER_OF(message, struct waiting, message);
    struct server *server = lane->server;
    uint32_t state = __atomic_exchange_n(&server->shutdown, SHUTDOWN_NONE, __ATOMIC_ACQ_REL);
    if (state == SHUTDOWN_SAVING && (w->error == 0 || w->how & STOP_FORCE)) {
        /* The client is not answered: its connection closes when the process ends. */
        server->stop(server, (w->how & ~(unsigned)STOP_SAVE) | STOP_NOSAVE);
    } else {
        if (state == SHUTDOWN_SAVING)
            let_writes_go_on(server, w);
        answer(lane, w->client_id, SHUTDOWN_FAILED);
    }
    mem_free(w);
}

/* Starts the final snapshot; false: no snapshot can be started now, the stop itself has to try. */
static bool save_then_stop(struct call *call, unsigned how)
{
    struct server *server = call->server;
    uint32_t expected = SHUTDOWN_NONE;
    if (server->persist == NULL ||
        !__atomic_compare_exchange_n(&server->shutdown, &expected, SHUTDOWN_SAVING, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    struct waiting *w = wait_here(call, shutdown_saved);
    w->how = how;
    hold_back_writes(server, w);
    if (persist_save(server->persist, saved, w) == PERSIST_STARTED)
        return true;
    let_writes_go_on(server, w);
    RELAXED_STORE(&server->shutdown, SHUTDOWN_NONE);
    mem_free(w);
    return false;
}

void server_shutdown(struct call *call)
{
    struct server *server = call->server;
    struct setting_save_point points[SETTING_SAVE_POINTS_MAX];
    unsigned how;
    bool abort;
    if (!read_shutdown(call, &how, &abort))
        return;
    if (abort) {
        abort_shutdown(call);
        return;
    }
    if (server->stop == NULL) {
        call_error(call, SHUTDOWN_FAILED);
        return;
    }
    bool save = how & STOP_SAVE ||
                (!(how & STOP_NOSAVE) && settings_save_points(server->settings, points) != 0);
    /* Nothing more of this client is run. While data is being loaded there is nothing to save. */
    call_defer(call, NULL, NULL);
    if (RELAXED_LOAD(&server->phase) != SERVER_READY)
        server->stop(server, how | STOP_NOSAVE);
    else if (!save || !save_then_stop(call, how))
        server->stop(server, how);
}
