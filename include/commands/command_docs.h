/* command_docs.h - what COMMAND DOCS says of one command. */
#ifndef SPILLWAY_COMMANDS_COMMAND_DOCS_H
#define SPILLWAY_COMMANDS_COMMAND_DOCS_H

#include "engine/command.h"
#include "proto/reply.h"

/* Appends the full name of a row and the map of its documentation, subcommands included. `parent`
 * is NULL for a top-level row. */
void command_reply_docs(struct reply_buffer *r, const struct command *row,
                        const struct command *parent);

#endif
