/* hooks.c - removals by the keyspace itself become DEL and HDEL records; snapshot hooks are passed
 * on. */
#include "engine/hooks.h"
#include "base/number.h"
#include "engine/lane.h"
#include "engine/waiter.h"
#include "keyspace/keyspace.h"
#include "persist/lazyfree.h"
#include "persist/persist.h"
#include "plog/plog.h"

static void append_argument(struct bytes *record, struct slice argument)
{
    char digits[NUMBER_TEXT_MAX];
    bytes_append_char(record, '$');
    bytes_append(record, digits, number_print_u64(digits, argument.len));
    bytes_append(record, "\r\n", 2);
    bytes_append(record, argument.data, argument.len);
    bytes_append(record, "\r\n", 2);
}

/* DEL of the key, or HDEL of a field of it. */
static void log_removal(struct server *server, struct hold *hold, const struct key *key,
                        const struct slice *field)
{
    if (!plog_is_active(server->plog))
        return;
    struct bytes *record = &server->lanes[hold->lane]->removals;
    record->len = 0;
    bytes_append_str(record, field != NULL ? "*3\r\n" : "*2\r\n");
    append_argument(record, field != NULL ? SLICE("HDEL") : SLICE("DEL"));
    append_argument(record, key->name);
    if (field != NULL)
        append_argument(record, *field);
    uint64_t end = plog_append(server->plog, key->db, bytes_slice(record), PLOG_SHRINK);
    keyspace_note_logged(hold, end);
}

static void removing(void *ctx, struct hold *hold, const struct key *key, enum removal why)
{
    struct server *server = ctx;
    log_removal(server, hold, key, NULL);
    if (server->removed != NULL)
        server->removed(server, key, why == REMOVED_EXPIRED ? "expired" : "evicted");
}

static void removing_element(void *ctx, struct hold *hold, const struct key *key,
                             struct slice element)
{
    log_removal(ctx, hold, key, &element);
}

static void removed_elements(void *ctx, struct hold *hold, const struct key *key, bool emptied)
{
    struct server *server = ctx;
    if (server->removed == NULL)
        return;
    server->removed(server, key, "hexpired");
    if (emptied)
        server->removed(server, key, "del");
}

static void before_change(void *ctx, struct hold *hold, uint32_t db, struct entry *entry,
                          bool going)
{
    struct server *server = ctx;
    persist_before_change(server->persist, hold, db, entry, going);
}

static void before_flush(void *ctx, struct hold *hold, uint32_t db, bool going)
{
    struct server *server = ctx;
    persist_before_flush(server->persist, hold, db, going);
}

static void ready(void *ctx, struct hold *hold, const struct key *key)
{
    struct server *server = ctx;
    block_key_is_ready(server->lanes[hold->lane], key);
}

static void free_later(void *ctx, void (*free_it)(void *thing), void *thing, uint64_t objects,
                       size_t bytes)
{
    struct server *server = ctx;
    lazyfree_push(server->lazyfree, free_it, thing, objects, bytes);
}

void hooks_install(struct server *server)
{
    struct keyspace_hooks hooks = {.ctx = server,
                                   .removing = removing,
                                   .removing_element = removing_element,
                                   .removed_elements = removed_elements,
                                   .ready = ready};
    if (server->persist != NULL) {
        hooks.before_change = before_change;
        hooks.before_flush = before_flush;
    }
    if (server->lazyfree != NULL)
        hooks.free_later = free_later;
    keyspace_set_hooks(server->keyspace, &hooks);
}
