/* session.c - one connection: bytes from its socket to the engine, replies back to the socket.
 *
 * Sockets are polled, not streamed: a ready connection costs one recv and one send and no other
 * system call, and both work on the buffers we choose.
 *
 *      input    Everything is received into the worker's one buffer. What is left of it after
 *               lane_feed, the front of an incomplete command, is kept in session->input, and
 *               copied to the front of the worker's buffer for the next recv while it is small.
 *               A large command is received straight into session->input, which grows towards what
 *               the parser wants, but never to more than four times what has arrived (and 16 MiB):
 *               announcing a length costs the client nothing, so it must not cost us memory.
 *      output   Short replies are parked in the worker until the turn ends, then sent; long ones
 *               are sent from lane->reply at once. What the socket does not take, or what waits for
 *               the log (appendfsync always), moves to session->out, and everything later follows
 *               it. The answer to a command that blocked may be sent by another worker, on our
 *               socket: we allow it when nothing that precedes it is left here (engine/block.h).
 *
 * An idle session has no buffers. A session is not read
 *   - while it is throttled: its client does not read its replies. Redis would buffer without
 *     bound, and clients rely on some of that: they write a whole pipeline before they read. So a
 *     session may hold THROTTLE_ALWAYS bytes of replies; only when its worker's outboxes sum up to
 *     more than THROTTLE_BUDGET, those above THROTTLE_SOME wait. Commands that were received with
 *     those that filled the outbox are held until it is drained. client-output-buffer-limit closes;
 *   - while it is stalled (a deferred or paused command) and much input is kept already. The socket
 *     is then polled for a disconnect only;
 *   - once it is closing: it ends when its outbox is empty.
 *
 * Closing frees the client at once, the session when the loop has let go of its handle. Functions
 * that may close say so in their name or return false.
 */
#include "net/session.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "engine/block.h"
#include "engine/server.h"
#include "engine/settings.h"

#define READ_BACK_MAX   (WORKER_READ_BUFFER / 4) /* kept input up to this is copied back */
#define STALL_KEEP      (64 * 1024)              /* a stalled session is read up to this */
#define INPUT_GROWTH    4                        /* memory for input per byte arrived, at most */
#define INPUT_FREE_ROOM ((size_t)16 << 20)       /* ... from this many bytes on */
#define THROTTLE_SOME   ((uint64_t)1 << 20)
#define THROTTLE_ALWAYS ((uint64_t)64 << 20)
#define THROTTLE_BUDGET ((uint64_t)256 << 20)
#define VECTORS_MAX     64                 /* of one send */
#define SENDS_MAX       8                  /* of one session in a row */
#define SEND_MOST       ((size_t)2 << 20)  /* bytes of one session in a turn: some 0.5 ms */
#define PARK_MAX        ((size_t)16 << 10) /* bytes of replies, beside references */
#define PARK_CAP        ((size_t)64 << 10) /* memory of a parked buffer */
#define REPLIES_FREE    ((size_t)16 << 10) /* bytes of replies at once that no limit counts */

static void on_event(uv_poll_t *poll, int status, int events);

static struct session *session_of(struct client *client)
{
    return CONTAINER_OF(client, struct session, client);
}

static uint64_t durable_now(const struct worker *w)
{
    return w->net->durable(w->lane.server);
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF((uv_poll_t *)handle, struct session, poll));
}

static void gated_unlink(struct session *s)
{
    struct worker *w = s->worker;
    if (s->previous_gated != NULL)
        s->previous_gated->next_gated = s->next_gated;
    else
        w->gated = s->next_gated;
    if (s->next_gated != NULL)
        s->next_gated->previous_gated = s->previous_gated;
    s->in_gated = false;
    if (w->gated == NULL)
        RELAXED_STORE(&w->gates, 0);
}

static void set_impatient(struct session *s, bool impatient)
{
    if (s->impatient == impatient)
        return;
    s->impatient = impatient;
    lane_add_impatient(&s->worker->lane, impatient ? 1 : -1);
}

static void session_close(struct session *s)
{
    struct worker *w = s->worker;
    if (s->closed)
        return;
    s->closed = true;
    set_impatient(s, false);
    if (w->sweep == &s->client)
        w->sweep = s->client.next;
    if (s->in_gated)
        gated_unlink(s);
    if (s->parked != 0) {
        w->parked[s->parked - 1].session = NULL;
        reply_buffer_clear(&w->parked[s->parked - 1].reply);
    }
    client_free(&s->client);
    bytes_free(&s->input);
    w->outbox_bytes -= s->out.bytes;
    outbox_free(&s->out);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    close(s->descriptor);
    RELAXED_ADD(&w->sessions, (uint32_t)-1);
    RELAXED_ADD(&w->net->clients, (uint32_t)-1);
}

/* ---- what is polled ---- */

static void update_interest(struct session *s)
{
    int events = 0;
    bool full = s->stalled && s->input.len >= STALL_KEEP;
    if (!s->closing && !s->throttled && !s->ended &&
        !(full && s->hung_up && client_is_served(&s->client)))
        events = full ? UV_DISCONNECT : UV_READABLE;
    if (s->out.bytes != 0 && outbox_sendable(&s->out, durable_now(s->worker)) != 0)
        events |= UV_WRITABLE;
    if (events == s->events)
        return;
    s->events = (uint8_t)events;
    if (events == 0)
        uv_poll_stop(&s->poll);
    else if (uv_poll_start(&s->poll, events, on_event) != 0)
        PANIC("a connection cannot be polled");
}

static void update_throttle(struct session *s)
{
    uint64_t all = s->worker->outbox_bytes, own = s->out.bytes;
    if (!s->throttled)
        s->throttled = own > THROTTLE_ALWAYS || (own > THROTTLE_SOME && all > THROTTLE_BUDGET);
    else
        s->throttled =
            own > THROTTLE_ALWAYS / 2 || (own > THROTTLE_SOME / 2 && all > THROTTLE_BUDGET);
}

/* ---- output ---- */

static const struct setting_output_limit *output_limit(const struct session *s)
{
    return &s->worker->lane.server->settings->client_output_buffer_limit[CLIENT_CLASS_NORMAL];
}

/* True: the session broke client-output-buffer-limit. */
static bool over_output_limit(struct session *s)
{
    const struct setting_output_limit *limit = output_limit(s);
    uint64_t hard = (uint64_t)RELAXED_LOAD(&limit->hard_bytes);
    uint64_t soft = (uint64_t)RELAXED_LOAD(&limit->soft_bytes);
    uint64_t now_us = s->worker->lane.now_us;
    if (hard != 0 && s->out.bytes >= hard)
        return true;
    if (soft == 0 || s->out.bytes < soft) {
        s->soft_since_us = 0;
        return false;
    }
    if (s->soft_since_us == 0)
        s->soft_since_us = now_us;
    return now_us - s->soft_since_us > (uint64_t)RELAXED_LOAD(&limit->soft_seconds) * 1000000;
}

static void close_over_limit(struct session *s, uint64_t bytes)
{
    struct lane *lane = &s->worker->lane;
    OWNER_ADD(&lane->stats.outputs_too_big, 1);
    LOG_WARNING("Client id=%llu addr=%s closed: its %llu unread bytes of replies are above "
                "client-output-buffer-limit",
                (unsigned long long)s->client.id, s->client.peer, (unsigned long long)bytes);
    session_close(s);
}

/* Whether replies may not even be tried to send: the hard limit is for what the server has to
 * keep, and these it has already. */
static bool are_too_big(const struct session *s, uint64_t bytes)
{
    uint64_t hard = (uint64_t)RELAXED_LOAD(&output_limit(s)->hard_bytes);
    return UNLIKELY(hard != 0) && s->out.bytes + bytes - REPLIES_FREE >= hard;
}

static void note_sent(struct session *s, size_t bytes)
{
    struct lane *lane = &s->worker->lane;
    OWNER_ADD(&lane->stats.bytes_out, bytes);
    OWNER_ADD(&lane->stats.writes, 1);
    OWNER_ADD(&s->client.bytes_out, bytes);
}

/* Sends the vectors; returns the bytes taken, 0 if the socket is full, or -1 if it is broken. */
static ssize_t send_vectors(struct session *s, struct iovec *vectors, uint32_t count)
{
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    ssize_t sent;
    do
        sent = count == 1 ? send(s->descriptor, vectors->iov_base, vectors->iov_len, MSG_NOSIGNAL)
                          : sendmsg(s->descriptor, &message, MSG_NOSIGNAL);
    while (UNLIKELY(sent < 0 && errno == EINTR));
    if (UNLIKELY(sent < 0))
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
    note_sent(s, (size_t)sent);
    return sent;
}

/* Leaves out what is beyond `most` bytes, more than 0. */
static void cut_vectors(struct iovec *vectors, uint32_t *count, size_t *bytes, size_t most)
{
    uint32_t used = 0;
    if (LIKELY(*bytes <= most))
        return;
    *bytes = most;
    for (size_t left = most; left != 0; used++) {
        vectors[used].iov_len = MIN_OF(vectors[used].iov_len, left);
        left -= vectors[used].iov_len;
    }
    *count = used;
}

static void outbox_changed(struct session *s, uint64_t before)
{
    s->worker->outbox_bytes += s->out.bytes - before;
    RELAXED_STORE(&s->client.output_bytes, s->out.bytes);
}

/* Registers for net_durable_moved; the caller flushes afterwards, so that no move is lost. */
static void gated_link(struct session *s)
{
    struct worker *w = s->worker;
    if (s->in_gated)
        return;
    s->in_gated = true;
    s->previous_gated = NULL;
    s->next_gated = w->gated;
    if (w->gated != NULL)
        w->gated->previous_gated = s;
    w->gated = s;
    /* Whoever moves the durable offset stores it, then reads gates (net_durable_moved). If that
     * read comes before this exchange, the exchange sees all stored before it: the offset. */
    __atomic_exchange_n(&w->gates, 1, __ATOMIC_ACQ_REL);
}

/* Sends from the outbox as much as goes. False: the session was closed. */
static bool flush_or_close(struct session *s)
{
    uint64_t before = s->out.bytes, durable = durable_now(s->worker);
    size_t left = SEND_MOST;
    for (int i = 0; i < SENDS_MAX && left != 0; i++) {
        struct iovec vectors[VECTORS_MAX];
        size_t asked;
        uint32_t count = outbox_gather(&s->out, durable, vectors, VECTORS_MAX, &asked);
        if (count == 0)
            break;
        cut_vectors(vectors, &count, &asked, left);
        ssize_t sent = send_vectors(s, vectors, count);
        if (sent < 0) {
            outbox_changed(s, before);
            session_close(s);
            return false;
        }
        outbox_sent(&s->out, (size_t)sent);
        left -= (size_t)sent;
        if ((size_t)sent < asked)
            break;
    }
    outbox_changed(s, before);
    if (s->out.bytes != before)
        RELAXED_STORE(&s->client.active_ms, s->worker->lane.now_ms);
    if (s->in_gated && s->out.gate_count == 0)
        gated_unlink(s);
    if (s->closing && s->out.bytes == 0) {
        session_close(s);
        return false;
    }
    update_throttle(s);
    return true;
}

/* The part of the replies behind `skip` goes to the outbox. try_more: the socket may take some of
 * it. False: the session was closed. */
static NOINLINE bool queue_replies_or_close(struct session *s, struct reply_buffer *reply,
                                            uint64_t skip, uint64_t gate, bool try_more)
{
    uint64_t before = s->out.bytes;
    if (gate != 0) {
        outbox_gate(&s->out, gate);
        gated_link(s);
    }
    bool good = outbox_take(&s->out, reply, skip);
    outbox_changed(s, before);
    if (!good) {
        LOG_WARNING("Client id=%llu addr=%s closed: no memory for its replies",
                    (unsigned long long)s->client.id, s->client.peer);
        session_close(s);
        return false;
    }
    if ((gate != 0 || try_more) && !flush_or_close(s))
        return false;
    if (over_output_limit(s)) {
        close_over_limit(s, s->out.bytes);
        return false;
    }
    update_throttle(s);
    return true;
}

/* Sends the replies, which wait for the log to be durable up to `gate` (0: for nothing), or queues
 * them. False: the session was closed. */
static bool send_or_close(struct session *s, struct reply_buffer *reply, uint64_t gate)
{
    uint64_t total = reply->bytes.len + reply->reference_bytes;
    uint64_t sent = 0;
    bool try_more = false;
    if (UNLIKELY(total > REPLIES_FREE) && are_too_big(s, total)) {
        reply_buffer_clear(reply);
        close_over_limit(s, s->out.bytes + total);
        return false;
    }
    if (LIKELY(s->out.bytes == 0 && gate == 0)) {
        struct iovec vectors[VECTORS_MAX];
        size_t asked;
        uint32_t count = outbox_gather_reply(reply, vectors, VECTORS_MAX, &asked);
        cut_vectors(vectors, &count, &asked, SEND_MOST);
        ssize_t taken = send_vectors(s, vectors, count);
        if (UNLIKELY(taken < 0)) {
            reply_buffer_clear(reply);
            session_close(s);
            return false;
        }
        if (LIKELY((uint64_t)taken == total)) {
            reply_buffer_clear(reply);
            return true;
        }
        sent = (uint64_t)taken;
        try_more = (size_t)taken == asked && asked < SEND_MOST;
    }
    return queue_replies_or_close(s, reply, sent, gate, try_more);
}

/* Sends what is parked for the session. False: the session was closed. */
static bool send_parked_or_close(struct session *s)
{
    struct parked *parked = &s->worker->parked[s->parked - 1];
    parked->session = NULL;
    s->parked = 0;
    return send_or_close(s, &parked->reply, 0);
}

void session_send_parked(struct worker *w)
{
    for (uint32_t i = 0; i < w->parked_count; i++) {
        struct session *s = w->parked[i].session;
        if (LIKELY(s != NULL) && send_parked_or_close(s) && UNLIKELY(s->out.bytes != 0))
            update_interest(s);
    }
    w->parked_count = 0;
}

static void park(struct session *s)
{
    struct worker *w = s->worker;
    if (UNLIKELY(w->parked_count == WORKER_PARKED))
        session_send_parked(w); /* not this one: it has nothing there */
    struct parked *parked = &w->parked[w->parked_count++];
    reply_buffer_move(&parked->reply, &w->lane.reply, PARK_CAP);
    parked->session = s;
    s->parked = (uint8_t)w->parked_count;
}

/* For session_client_ready of a client that is blocked: what is sent now is not its answer, or the
 * end of one that another worker began to send. False: the session was closed. */
static NOINLINE bool take_back_or_close(struct session *s)
{
    struct reply_buffer *rest = block_take_back(&s->client);
    return rest == NULL || queue_replies_or_close(s, rest, 0, 0, true);
}

uint64_t session_send_directly(struct client *client, const struct reply_buffer *reply)
{
    struct iovec vectors[VECTORS_MAX];
    size_t asked;
    uint32_t count = outbox_gather_reply(reply, vectors, VECTORS_MAX, &asked);
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    ssize_t sent = sendmsg(session_of(client)->descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? (uint64_t)sent : 0;
}

/* Sends lane->reply to the session, parks or queues it. False: the session was closed. */
static bool send_replies_or_close(struct session *s, bool may_park)
{
    struct lane *lane = &s->worker->lane;
    uint64_t gate = lane->log_gate;
    lane->log_gate = 0;
    if (UNLIKELY(s->parked != 0) && !send_parked_or_close(s)) {
        reply_buffer_clear(&lane->reply);
        return false;
    }
    if (UNLIKELY(lane->reply.bytes.len + lane->reply.reference_bytes == 0))
        return true;
    if (UNLIKELY(s->client.flags & CLIENT_BLOCKED) && !take_back_or_close(s)) {
        reply_buffer_clear(&lane->reply);
        return false;
    }
    if (UNLIKELY(gate != 0 && gate <= durable_now(s->worker)))
        gate = 0;
    if (LIKELY(may_park && gate == 0 && s->out.bytes == 0 && lane->reply.bytes.len <= PARK_MAX)) {
        park(s);
        return true;
    }
    return send_or_close(s, &lane->reply, gate);
}

/* ---- input ---- */

static void input_changed(struct session *s)
{
    RELAXED_STORE(&s->client.input_bytes, s->input.cap);
    RELAXED_STORE(&s->client.input_free, s->input.cap - s->input.len);
}

static bool input_resize(struct session *s, size_t cap)
{
    char *data = mem_try_realloc(s->input.data, cap);
    if (data == NULL) {
        LOG_WARNING("Client id=%llu addr=%s closed: no memory for a request of %zu bytes",
                    (unsigned long long)s->client.id, s->client.peer, cap);
        return false;
    }
    s->input.data = data;
    s->input.cap = cap;
    return true;
}

/* Room in session->input for the next recv of a large command. */
static bool input_make_room(struct session *s)
{
    size_t kept = s->input.len, room = s->input.cap - kept;
    if (room >= MIN_OF(s->wanted, (size_t)WORKER_READ_BUFFER) && room != 0)
        return true;
    size_t whole = kept + s->wanted;
    size_t allowed = MAX_OF(kept * INPUT_GROWTH, INPUT_FREE_ROOM);
    size_t least = kept + MAX_OF(kept / 2, (size_t)WORKER_READ_BUFFER);
    return input_resize(s, MAX_OF(MIN_OF(whole, allowed), least));
}

/* Keeps data[0..len), which the engine has not consumed, for the next turn; drops what is not
 * needed any more. own: data lies within session->input. */
static bool keep_input(struct session *s, bool own, const char *data, size_t len)
{
    if (len == 0) {
        if (s->input.cap != 0) {
            bytes_free(&s->input);
            input_changed(s);
        }
        return true;
    }
    if (own) {
        memmove(s->input.data, data, len);
        s->input.len = len;
        if (s->input.cap > 4 * len + WORKER_READ_BUFFER && s->wanted < s->input.cap - len &&
            !input_resize(s, len))
            return false;
    } else {
        if (s->input.cap < len) {
            bytes_free(&s->input);
            if (!input_resize(s, MAX_OF(len, (size_t)128)))
                return false;
        }
        memcpy(s->input.data, data, len);
        s->input.len = len;
    }
    input_changed(s);
    uint64_t limit =
        (uint64_t)RELAXED_LOAD(&s->worker->lane.server->settings->client_query_buffer_limit);
    if (LIKELY(len <= limit))
        return true;
    OWNER_ADD(&s->worker->lane.stats.queries_too_big, 1);
    LOG_WARNING("Client id=%llu addr=%s closed: its request is larger than "
                "client-query-buffer-limit",
                (unsigned long long)s->client.id, s->client.peer);
    return false;
}

static void finish(struct session *s)
{
    s->closing = true;
    if (s->parked != 0 && !send_parked_or_close(s))
        return;
    if (s->out.bytes == 0)
        session_close(s);
    else
        update_interest(s);
}

/* Nothing more is run, or it is again; `input` holds what came meanwhile. */
static void stall_changed(struct session *s)
{
    set_impatient(s, s->stalled && s->input.len != 0);
    if (s->stalled && s->out.bytes == 0 && s->parked == 0)
        block_allow_direct(&s->client);
}

/* The peer will send nothing more. Replies on their way still go out, and what it sent before a
 * command that runs aside was done is run; a command that waits for a key has lost whoever would
 * read its answer. */
static void end_of_input(struct session *s)
{
    if (s->held || (s->stalled && client_is_served(&s->client))) {
        s->ended = true;
        update_interest(s);
    } else if (s->stalled) {
        session_close(s);
    } else {
        finish(s);
    }
}

/* Runs the commands in data[0..len) and sends the replies; may close. */
static void process_or_close(struct session *s, char *data, size_t len)
{
    struct worker *w = s->worker;
    enum feed_result result;
    size_t at = 0;
    do {
        size_t consumed;
        w->feeding = s;
        result = lane_feed(&w->lane, &s->client, data + at, len - at, &consumed, &s->wanted);
        w->feeding = NULL;
        at += consumed;
        if (UNLIKELY(!send_replies_or_close(s, result == FEED_MORE)))
            return;
    } while (UNLIKELY(result == FEED_FULL && !s->throttled));
    if (UNLIKELY(result == FEED_CLOSE)) {
        if (RELAXED_LOAD(&s->client.flags) & CLIENT_CLOSE_NOW)
            session_close(s);
        else
            finish(s);
        return;
    }
    s->stalled = result == FEED_STOPPED;
    s->held = result == FEED_FULL;
    if (UNLIKELY(at != len || s->input.cap != 0)) {
        if (!keep_input(s, data == s->input.data, data + at, len - at)) {
            session_close(s);
            return;
        }
    }
    if (UNLIKELY(s->stalled || s->impatient))
        stall_changed(s);
    if (UNLIKELY(s->ended)) {
        end_of_input(s);
        return;
    }
    if (LIKELY(s->events == UV_READABLE && s->out.bytes == 0 && !s->stalled))
        return;
    update_interest(s);
}

/* The outbox has been flushed: goes on with what had to wait for that. */
static void go_on_or_close(struct session *s)
{
    if (s->held && !s->throttled && !s->closing) {
        s->held = false;
        process_or_close(s, s->input.data, s->input.len);
    } else {
        update_interest(s);
    }
}

/* Where the next bytes are received to; NULL: no memory. */
static char *input_target(struct session *s, size_t *kept, size_t *room)
{
    *kept = s->input.len;
    if (LIKELY(*kept == 0)) {
        *room = WORKER_READ_BUFFER;
        return s->worker->read_buffer;
    }
    if (!s->stalled && *kept <= READ_BACK_MAX && s->wanted <= READ_BACK_MAX) {
        memcpy(s->worker->read_buffer, s->input.data, *kept);
        *room = WORKER_READ_BUFFER - *kept;
        return s->worker->read_buffer;
    }
    if (!input_make_room(s))
        return NULL;
    *room = s->input.cap - *kept;
    return s->input.data;
}

static void read_or_close(struct session *s)
{
    struct lane *lane = &s->worker->lane;
    size_t kept, room;
    char *data = input_target(s, &kept, &room);
    if (UNLIKELY(data == NULL)) {
        session_close(s);
        return;
    }
    PREFETCH(&s->client.flags); /* with many connections they have left the cache: wanted next */
    PREFETCH(&s->client.bytes_in);
    PREFETCH(&s->out);
    ssize_t got = recv(s->descriptor, data + kept, room, 0);
    if (UNLIKELY(got <= 0)) {
        if (got == 0)
            end_of_input(s);
        else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            session_close(s);
        return;
    }
    OWNER_ADD(&lane->stats.bytes_in, (size_t)got);
    OWNER_ADD(&lane->stats.reads, 1);
    OWNER_ADD(&s->client.bytes_in, (size_t)got);
    if (UNLIKELY(s->stalled)) {
        if (!keep_input(s, data == s->input.data, data, kept + (size_t)got)) {
            session_close(s);
            return;
        }
        set_impatient(s, true);
        update_interest(s);
        return;
    }
    process_or_close(s, data, kept + (size_t)got);
}

/* ---- events ---- */

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct session *s = CONTAINER_OF(poll, struct session, poll);
    struct worker *w = s->worker;
    worker_begin_turn(w);
    w->idle_ticks = 0;
    if (UNLIKELY(status == 0 && events & UV_DISCONNECT && s->stalled &&
                 client_is_served(&s->client))) {
        s->hung_up = true;
        update_interest(s);
        events &= ~UV_DISCONNECT;
    }
    if (UNLIKELY(status != 0 || (events & UV_DISCONNECT))) {
        session_close(s);
        return;
    }
    if (UNLIKELY(events & UV_WRITABLE)) {
        if (flush_or_close(s))
            go_on_or_close(s);
        if (s->closed)
            return;
    }
    if (UNLIKELY(s->stalled)) /* what it waited for may be on its way, unannounced */
        lane_hear(&w->lane);
    if (LIKELY(events & UV_READABLE) && !s->closing && !s->throttled && !s->closed)
        read_or_close(s);
}

void session_take(struct lane *lane, struct lane_message *message)
{
    struct handover *handover = CONTAINER_OF(message, struct handover, message);
    struct worker *w = worker_of(lane);
    struct session *s = mem_zalloc(sizeof *s);
    int error = w->stopping ? UV_ECANCELED : uv_poll_init(&w->loop, &s->poll, handover->descriptor);
    if (error != 0) {
        if (!w->stopping)
            LOG_WARNING("A connection from %s was dropped: %s", handover->peer, uv_strerror(error));
        close(handover->descriptor);
        RELAXED_ADD(&w->sessions, (uint32_t)-1);
        RELAXED_ADD(&w->net->clients, (uint32_t)-1);
        mem_free(s);
        mem_free(handover);
        return;
    }
    s->worker = w;
    s->descriptor = handover->descriptor;
    memcpy(s->client.peer, handover->peer, sizeof s->client.peer);
    memcpy(s->client.local, handover->local, sizeof s->client.local);
    s->client.descriptor = handover->descriptor;
    s->client.flags = handover->unix_socket ? CLIENT_UNIX_SOCKET : 0;
    mem_free(handover);
    worker_begin_turn(w);
    w->idle_ticks = 0;
    client_init(&s->client, lane);
    update_interest(s);
}

/* ---- what the engine and the worker ask for ---- */

static void become_ready_or_close(struct session *s)
{
    if (!send_replies_or_close(s, false))
        return;
    uint32_t flags = RELAXED_LOAD(&s->client.flags);
    if (flags & CLIENT_CLOSE_NOW) {
        session_close(s);
        return;
    }
    if (flags & CLIENT_CLOSE_AFTER_REPLY || s->closing) {
        finish(s);
        return;
    }
    if (s->stalled && !(flags & (CLIENT_DEFERRED | CLIENT_PAUSED))) {
        s->stalled = false;
        if (s->input.len != 0) {
            process_or_close(s, s->input.data, s->input.len);
            return;
        }
        if (UNLIKELY(s->ended)) {
            end_of_input(s);
            return;
        }
    }
    update_interest(s);
}

void session_client_ready(struct lane *lane, struct client *client)
{
    struct session *s = session_of(client);
    struct worker *w = s->worker;
    if (s->closed)
        return;
    worker_begin_turn(w);
    if (w->feeding == NULL) {
        become_ready_or_close(s);
        return;
    }
    /* lane->reply belongs to the one being fed: later, with nothing to send. */
    if (!s->in_ready) {
        s->in_ready = true;
        s->next_ready = w->ready;
        w->ready = s;
    }
}

void session_run_ready(struct worker *w)
{
    struct session *s;
    while ((s = w->ready) != NULL) {
        w->ready = s->next_ready;
        s->in_ready = false;
        if (!s->closed)
            become_ready_or_close(s);
    }
}

void session_run_gated(struct worker *w)
{
    struct session *next;
    for (struct session *s = w->gated; s != NULL; s = next) {
        next = s->next_gated;
        if (flush_or_close(s))
            go_on_or_close(s);
    }
}

/* ---- timeouts, limits, the end ---- */

static void sweep_one(struct session *s, int64_t timeout_ms)
{
    int64_t now_ms = s->worker->lane.now_ms;
    uint32_t flags = RELAXED_LOAD(&s->client.flags);
    if (flags & CLIENT_CLOSE_NOW) {
        session_close(s);
    } else if (timeout_ms > 0 && !(flags & (CLIENT_DEFERRED | CLIENT_PAUSED | CLIENT_MONITOR)) &&
               now_ms - RELAXED_LOAD(&s->client.active_ms) > timeout_ms) {
        LOG_VERBOSE("Closing idle client id=%llu addr=%s", (unsigned long long)s->client.id,
                    s->client.peer);
        session_close(s);
    } else if (over_output_limit(s)) {
        close_over_limit(s, s->out.bytes);
    }
}

void session_sweep(struct worker *w, uint32_t count)
{
    int64_t timeout_ms = RELAXED_LOAD(&w->lane.server->settings->timeout_s) * 1000;
    if (timeout_ms <= 0 && w->outbox_bytes == 0)
        return;
    count = MIN_OF(count, w->lane.client_count);
    for (uint32_t i = 0; i < count; i++) {
        if (w->sweep == NULL)
            w->sweep = w->lane.clients;
        if (w->sweep == NULL)
            return;
        struct client *client = w->sweep;
        w->sweep = client->next;
        sweep_one(session_of(client), timeout_ms);
    }
}

void session_stop_all(struct worker *w, bool now)
{
    struct client *next;
    for (struct client *client = w->lane.clients; client != NULL; client = next) {
        next = client->next;
        struct session *s = session_of(client);
        if (now)
            session_close(s);
        else
            finish(s);
    }
}
