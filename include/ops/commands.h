/* commands.h - rows of the commands that live in ops/; arrays end with a row without name. */
#ifndef SPILLWAY_OPS_COMMANDS_H
#define SPILLWAY_OPS_COMMANDS_H

#include "engine/command.h"

extern const struct command config_commands[];  /* CONFIG */
extern const struct command slowlog_commands[]; /* SLOWLOG, COMMANDLOG */
extern const struct command latency_commands[]; /* LATENCY */
extern const struct command info_commands[];    /* INFO */
extern const struct command disk_commands[];    /* DISK */

#endif
