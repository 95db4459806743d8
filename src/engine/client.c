/* client.c - registering connections with their lane. */
#include "base/mem.h"
#include "base/panic.h"
#include "engine/lane.h"
#include "engine/server.h"
#include "engine/settings.h"

void client_init(struct client *client, struct lane *lane)
{
    struct server *server = lane->server;
    client->id = __atomic_add_fetch(&server->next_client_id, 1, __ATOMIC_RELAXED);
    client->lane = lane;
    client->resp = settings_default_resp(server->settings);
    client->authenticated =
        settings_text_is_empty(server->settings, &server->settings->requirepass);
    client->created_ms = lane->now_ms;
    client->active_ms = lane->now_ms;
    request_parser_init(&client->parser);
    lock_take(&lane->registry);
    client->next = lane->clients;
    if (client->next != NULL)
        client->next->previous = client;
    lane->clients = client;
    lock_drop(&lane->registry);
    OWNER_ADD(&lane->client_count, 1);
    OWNER_ADD(&lane->stats.connections, 1);
}

void client_free(struct client *client)
{
    struct lane *lane = client->lane;
    if (client->flags & CLIENT_DEFERRED && client->deferred_cancel != NULL)
        client->deferred_cancel(client);
    if (client->flags & CLIENT_PAUSED)
        client_stop_waiting(client);
    lock_take(&lane->registry);
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        lane->clients = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    lock_drop(&lane->registry);
    OWNER_ADD(&lane->client_count, (uint32_t)-1);
    request_parser_free(&client->parser);
    mem_free(client->name);
    mem_free(client->lib_name);
    mem_free(client->lib_version);
    mem_free(client->user);
}

void client_wait(struct client *client)
{
    struct lane *lane = client->lane;
    ASSERT(!(client->flags & CLIENT_PAUSED));
    RELAXED_STORE(&client->flags, client->flags | CLIENT_PAUSED);
    client->next_waiting = NULL;
    client->previous_waiting = lane->waiting_last;
    if (lane->waiting_last != NULL)
        lane->waiting_last->next_waiting = client;
    else
        lane->waiting_first = client;
    lane->waiting_last = client;
    lane->paused++;
    if (client->waits_for == CLIENT_WAITS_FOR_PINS)
        RELAXED_ADD(&lane->server->pin_waiters, 1);
}

void client_stop_waiting(struct client *client)
{
    struct lane *lane = client->lane;
    ASSERT(client->flags & CLIENT_PAUSED);
    RELAXED_STORE(&client->flags, client->flags & ~(uint32_t)CLIENT_PAUSED);
    if (client->previous_waiting != NULL)
        client->previous_waiting->next_waiting = client->next_waiting;
    else
        lane->waiting_first = client->next_waiting;
    if (client->next_waiting != NULL)
        client->next_waiting->previous_waiting = client->previous_waiting;
    else
        lane->waiting_last = client->previous_waiting;
    lane->paused--;
    if (client->waits_for == CLIENT_WAITS_FOR_PINS)
        RELAXED_ADD(&lane->server->pin_waiters, (uint32_t)-1);
}

struct client *lane_find_client(struct lane *lane, uint64_t id)
{
    for (struct client *client = lane->clients; client != NULL; client = client->next)
        if (client->id == id)
            return client;
    return NULL;
}
