/* client_list.c - every connection as a line of text, and ending those that a filter names: CLIENT
 * LIST, INFO, KILL.
 *
 * Clients belong to lanes. Each lane's list is walked under its registry lock, which keeps the
 * clients from going away and guards their strings; everything else that is shown is read with
 * relaxed loads, so a line may mix two moments. A client is never closed from here: it is marked,
 * which hides it at once, and its own lane closes it when it reads the message.
 */
#include <stdlib.h>
#include "base/mem.h"
#include "base/number.h"
#include "commands/client.h"
#include "engine/block.h"
#include "engine/registry.h"

enum client_type {
    CLIENT_TYPE_NORMAL,
    CLIENT_TYPE_REPLICA,
    CLIENT_TYPE_PUBSUB,
    CLIENT_TYPE_MASTER
};

/* ---- lines ---- */

static void append_flags(struct bytes *out, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        char letter;
    } letters[] = {
        {CLIENT_MONITOR, 'O'},   {CLIENT_BLOCKED, 'b'},     {CLIENT_CLOSE_AFTER_REPLY, 'c'},
        {CLIENT_CLOSE_NOW, 'A'}, {CLIENT_UNIX_SOCKET, 'U'}, {CLIENT_READONLY, 'r'},
        {CLIENT_NO_EVICT, 'e'},  {CLIENT_NO_TOUCH, 'T'},    {CLIENT_IMPORT_SOURCE, 'I'}};
    size_t before = out->len;
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        if (flags & letters[i].flag)
            bytes_append_char(out, letters[i].letter);
    if (out->len == before)
        bytes_append_char(out, 'N');
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

/* One line without its newline. The registry lock of the client's lane is held, or the caller is
 * its owner. */
static void append_client(struct bytes *out, const struct client *client, int64_t now_ms)
{
    const struct command *last = RELAXED_LOAD(&client->last);
    uint64_t input = RELAXED_LOAD(&client->input_bytes),
             output = RELAXED_LOAD(&client->output_bytes);
    uint64_t input_free = RELAXED_LOAD(&client->input_free), blocked = block_memory(client);
    int64_t age = (now_ms - client->created_ms) / 1000;
    int64_t idle = (now_ms - RELAXED_LOAD(&client->active_ms)) / 1000;
    char name[64];
    bytes_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=",
                 (unsigned long long)client->id, client->peer, client->local, client->descriptor,
                 text_or(client->name, ""), (long long)MAX_OF(age, 0), (long long)MAX_OF(idle, 0));
    uint32_t hidden = block_is_answered(client) ? CLIENT_BLOCKED : 0;
    append_flags(out, RELAXED_LOAD(&client->flags) & ~hidden);
    bytes_printf(
        out,
        " db=%u sub=0 psub=0 ssub=0 multi=-1 qbuf=%llu qbuf-free=%llu argv-mem=%llu multi-mem=0 "
        "rbs=0 rbp=0 obl=0 oll=%d omem=%llu tot-mem=%llu events=%s cmd=%s",
        RELAXED_LOAD(&client->db), (unsigned long long)input, (unsigned long long)input_free,
        (unsigned long long)blocked, output != 0, (unsigned long long)output,
        (unsigned long long)(sizeof *client + input + input_free + output + blocked),
        output != 0 ? "rw" : "r",
        last != NULL ? command_full_name(last, RELAXED_LOAD(&client->last_parent), name) : "NULL");
    bytes_printf(out, " user=%s redir=-1 resp=%d lib-name=%s lib-ver=%s",
                 text_or(client->user, "default"), RELAXED_LOAD(&client->resp),
                 text_or(client->lib_name, ""), text_or(client->lib_version, ""));
}

void client_info_command(struct call *call)
{
    struct bytes line = {0};
    append_client(&line, call->client, call->lane->now_ms);
    bytes_append_char(&line, '\n');
    reply_verbatim(call->reply, "txt", bytes_slice(&line));
    bytes_free(&line);
}

/* ---- filters ---- */

static bool read_type(struct call *call, struct slice word, int *type)
{
    static const struct {
        const char *name;
        int type;
    } names[] = {{"normal", CLIENT_TYPE_NORMAL},   {"slave", CLIENT_TYPE_REPLICA},
                 {"replica", CLIENT_TYPE_REPLICA}, {"pubsub", CLIENT_TYPE_PUBSUB},
                 {"master", CLIENT_TYPE_MASTER},   {"primary", CLIENT_TYPE_MASTER}};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (slice_is(word, names[i].name)) {
            *type = names[i].type;
            return true;
        }
    }
    call_errorf(call, "ERR Unknown client type '%.*s'", (int)MIN_OF(word.len, 128), word.data);
    return false;
}

/* The numbers from argument `at` on, at least one: how many, or 0 after replying an error. */
static uint32_t read_ids(struct call *call, uint32_t at)
{
    uint32_t count = 0;
    int64_t id;
    while (at + count < call->argc &&
           (count == 0 || number_parse_i64(call->argv[at + count], &id))) {
        if (!call_i64_range(call, at + count, 1, INT64_MAX, &id,
                            "ERR client-id should be greater than 0"))
            return 0;
        count++;
    }
    return count;
}

static bool read_max_age(struct call *call, uint32_t at, int64_t *seconds)
{
    if (!call_i64(call, at, seconds, "ERR maxage is not an integer or out of range"))
        return false;
    if (*seconds > 0)
        return true;
    call_error(call, "ERR maxage should be greater than 0");
    return false;
}

static bool read_user(struct call *call, struct slice word, struct slice *user)
{
    *user = word;
    if (slice_eq(word, SLICE("default")))
        return true;
    call_errorf(call, "ERR No such user '%.*s'", (int)MIN_OF(word.len, 128), word.data);
    return false;
}

static bool read_yes_no(struct call *call, struct slice word, bool *out)
{
    *out = slice_is(word, "yes");
    if (*out || slice_is(word, "no"))
        return true;
    call_syntax_error(call);
    return false;
}

/* Options from argument 2 on; false after replying the error. */
static bool read_filter(struct call *call, struct client_filter *filter)
{
    for (uint32_t i = 2; i < call->argc; i += 2) {
        struct slice word = call->argv[i];
        if (i + 1 == call->argc) {
            call_syntax_error(call);
            return false;
        }
        struct slice value = call->argv[i + 1];
        bool good = true;
        if (slice_is(word, "id")) {
            filter->ids = &call->argv[i + 1];
            filter->id_count = read_ids(call, i + 1);
            good = filter->id_count != 0;
            i += filter->id_count - 1;
        } else if (slice_is(word, "type")) {
            good = read_type(call, value, &filter->type);
        } else if (slice_is(word, "addr")) {
            filter->addr = value;
        } else if (slice_is(word, "laddr")) {
            filter->laddr = value;
        } else if (slice_is(word, "user")) {
            good = read_user(call, value, &filter->user);
        } else if (slice_is(word, "name")) {
            filter->name = value;
        } else if (slice_is(word, "maxage")) {
            good = read_max_age(call, i + 1, &filter->max_age_s);
        } else if (slice_is(word, "skipme")) {
            good = read_yes_no(call, value, &filter->skip_me);
        } else {
            call_syntax_error(call);
            return false;
        }
        if (!good)
            return false;
    }
    return true;
}

static bool differs(struct slice wanted, const char *text)
{
    return wanted.data != NULL && !slice_eq(wanted, slice_str(text));
}

static bool has_id(const struct client_filter *filter, uint64_t id)
{
    uint64_t wanted;
    for (uint32_t i = 0; i < filter->id_count; i++)
        if (number_parse_u64(filter->ids[i], &wanted) && wanted == id)
            return true;
    return filter->id_count == 0;
}

/* The registry lock of the client's lane is held. */
static bool matches(const struct call *call, const struct client_filter *filter,
                    const struct client *client)
{
    if (RELAXED_LOAD(&client->killed) || RELAXED_LOAD(&client->flags) & CLIENT_INTERNAL)
        return false;
    if (filter->skip_me && client == call->client)
        return false;
    if (filter->type != -1 && filter->type != CLIENT_TYPE_NORMAL)
        return false;
    if (filter->max_age_s != 0 &&
        (call->lane->now_ms - client->created_ms) / 1000 < filter->max_age_s)
        return false;
    return !differs(filter->addr, client->peer) && !differs(filter->laddr, client->local) &&
           !differs(filter->user, text_or(client->user, "default")) &&
           !differs(filter->name, text_or(client->name, "")) && has_id(filter, client->id);
}

/* ---- LIST ---- */

struct line {
    uint64_t id;
    size_t at, len; /* in the text */
};

/* All lines of all lanes to `text`, and where each is to `lines`. */
static void collect(struct call *call, const struct client_filter *filter, struct bytes *text,
                    struct bytes *lines)
{
    for (unsigned i = 0; i < call->server->lane_count; i++) {
        struct lane *lane = call->server->lanes[i];
        lock_take(&lane->registry);
        for (const struct client *client = lane->clients; client != NULL; client = client->next) {
            if (!matches(call, filter, client))
                continue;
            struct line line = {.id = client->id, .at = text->len};
            append_client(text, client, call->lane->now_ms);
            bytes_append_char(text, '\n');
            line.len = text->len - line.at;
            bytes_append(lines, &line, sizeof line);
        }
        lock_drop(&lane->registry);
    }
}

static int by_age(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Oldest connection first. */
static void append_matching(struct call *call, const struct client_filter *filter,
                            struct bytes *out)
{
    struct bytes text = {0}, found = {0};
    collect(call, filter, &text, &found);
    size_t count = found.len / sizeof(struct line);
    struct line *lines = (struct line *)(void *)found.data;
    if (count > 1)
        qsort(lines, count, sizeof *lines, by_age);
    bytes_reserve(out, text.len);
    for (size_t i = 0; i < count; i++)
        bytes_append(out, text.data + lines[i].at, lines[i].len);
    bytes_free(&text);
    bytes_free(&found);
}

/* The clients of a list of ids, in its order. */
static void list_ids(struct call *call, struct bytes *out)
{
    struct client_filter filter = {.type = -1, .id_count = 1};
    for (uint32_t i = 3; i < call->argc; i++) {
        filter.ids = &call->argv[i];
        append_matching(call, &filter, out);
    }
}

/* Whether behind the ids of LIST, which end at `at`, stands what may stand there: an option, as in
 * Valkey, or nothing. */
static bool ids_end_well(struct call *call, uint32_t at)
{
    static const char *const options[] = {"type", "addr",   "laddr",  "user",
                                          "name", "maxage", "skipme", "id"};
    if (at == call->argc)
        return true;
    for (size_t i = 0; i < COUNT_OF(options) && at + 1 < call->argc; i++)
        if (slice_is(call->argv[at], options[i]))
            return true;
    call_error(call, "ERR Invalid client ID");
    return false;
}

void client_list_command(struct call *call)
{
    struct client_filter filter = {.type = -1};
    struct bytes out = {0};
    int64_t id;
    bool by_id = call->argc > 3 && slice_is(call->argv[2], "id");
    uint32_t behind = 3;
    while (by_id && behind < call->argc && number_parse_i64(call->argv[behind], &id))
        behind++;
    if (by_id && !ids_end_well(call, behind))
        return;
    if (by_id && behind == call->argc) {
        list_ids(call, &out);
    } else {
        if (!read_filter(call, &filter))
            return;
        append_matching(call, &filter, &out);
    }
    reply_verbatim(call->reply, "txt", bytes_slice(&out));
    bytes_free(&out);
}

/* ---- KILL ---- */

struct kill_message {
    struct lane_message message;
    uint64_t id;
};

static void close_client(struct lane *lane, struct lane_message *message)
{
    struct kill_message *kill = CONTAINER_OF(message, struct kill_message, message);
    struct client *client = lane_find_client(lane, kill->id);
    mem_free(kill);
    if (client == NULL)
        return;
    RELAXED_STORE(&client->flags, client->flags | CLIENT_CLOSE_NOW);
    if (lane->client_ready != NULL)
        lane->client_ready(lane, client);
}

static void post_kill(struct lane *lane, uint64_t id)
{
    struct kill_message *kill = mem_alloc(sizeof *kill);
    *kill = (struct kill_message){.message.run = close_client, .id = id};
    lane_post(lane, &kill->message);
}

/* Marks and closes what matches; returns how many. *me: the caller is one of them. */
static int64_t kill_matching(struct call *call, const struct client_filter *filter, bool *me)
{
    int64_t killed = 0;
    for (unsigned i = 0; i < call->server->lane_count; i++) {
        struct lane *lane = call->server->lanes[i];
        lock_take(&lane->registry);
        for (struct client *client = lane->clients; client != NULL; client = client->next) {
            if (!matches(call, filter, client))
                continue;
            killed++;
            if (client == call->client) {
                *me = true;
                continue;
            }
            RELAXED_STORE(&client->killed, true);
            post_kill(lane, client->id);
        }
        lock_drop(&lane->registry);
    }
    return killed;
}

void client_kill_command(struct call *call)
{
    struct client_filter filter = {.type = -1, .skip_me = call->argc != 3};
    bool old_style = call->argc == 3, me = false;
    if (old_style)
        filter.addr = call->argv[2];
    else if (!read_filter(call, &filter))
        return;
    int64_t killed = kill_matching(call, &filter, &me);
    if (!old_style)
        reply_int(call->reply, killed);
    else if (killed == 0)
        call_error(call, "ERR No such client");
    else
        reply_ok(call->reply);
    if (me)
        RELAXED_STORE(&call->client->flags, call->client->flags | CLIENT_CLOSE_AFTER_REPLY);
}
