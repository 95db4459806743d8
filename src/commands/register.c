/* register.c - every command family, added to the registry. */
#include "commands/commands.h"

void commands_register(struct registry *registry)
{
    static const struct command *const families[] = {
        string_commands, bitmap_commands,  list_commands,        set_commands,
        hash_commands,   zset_commands,    generic_commands,     connection_commands,
        client_commands, command_commands, server_commands,      memory_commands,
        debug_commands,  lolwut_commands,  hyperloglog_commands, geo_commands,
        sort_commands,   stream_commands};
    for (size_t i = 0; i < COUNT_OF(families); i++)
        registry_add(registry, families[i]);
}
