/* commands.h - the rows of every command family, for main to add to the registry. Each ends with a
   row without name. */
#ifndef SPILLWAY_COMMANDS_COMMANDS_H
#define SPILLWAY_COMMANDS_COMMANDS_H

#include "engine/command.h"
#include "engine/registry.h"

extern const struct command string_commands[];
extern const struct command bitmap_commands[];
extern const struct command hyperloglog_commands[];
extern const struct command list_commands[];
extern const struct command set_commands[];
extern const struct command hash_commands[];
extern const struct command zset_commands[];
extern const struct command geo_commands[];
extern const struct command sort_commands[];
extern const struct command stream_commands[];
extern const struct command generic_commands[];
extern const struct command connection_commands[];
extern const struct command client_commands[];
extern const struct command command_commands[];
extern const struct command server_commands[];
extern const struct command memory_commands[];
extern const struct command debug_commands[];
extern const struct command lolwut_commands[];

/* Adds all of them. Before workers start. */
void commands_register(struct registry *registry);

#endif
