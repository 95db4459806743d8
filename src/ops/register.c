/* register.c - the commands of ops/ in the registry, and its observers and threads. */
#include "base/mem.h"
#include "base/rand.h"
#include "ops/commands.h"
#include "ops/ops.h"
#include "ops/probes.h"
#include "ops/state.h"

void ops_register(struct registry *registry)
{
    static const struct command *const families[] = {config_commands, disk_commands, info_commands};
    for (size_t i = 0; i < COUNT_OF(families); i++)
        registry_add(registry, families[i]);
}

void ops_install(struct server *server)
{
    struct ops *ops = mem_zalloc(sizeof *ops);
    size_t rows = registry_rows(server->registry);
    ops->baselines = mem_zalloc(server->lane_count * sizeof *ops->baselines);
    for (unsigned i = 0; i < server->lane_count; i++)
        ops->baselines[i].commands = mem_zalloc(rows * sizeof *ops->baselines[i].commands);
    server->ops = ops;
    rand_hex(server->repl_id, 40);
    server->startup_memory = mem_used();
}

void ops_uninstall(struct server *server)
{
    struct ops *ops = server->ops;
    for (unsigned i = 0; i < server->lane_count; i++)
        mem_free(ops->baselines[i].commands);
    mem_free(ops->baselines);
    mem_free(ops);
    server->ops = NULL;
}

void ops_start(struct server *server)
{
    sampler_start(&server->ops->sampler, server);
    server->ops->probes = probes_start(server);
}

void ops_stop(struct server *server)
{
    probes_stop(server->ops->probes);
    sampler_stop(&server->ops->sampler);
}
