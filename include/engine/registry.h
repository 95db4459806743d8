/* registry.h - the command table: rows by name, without case; and the COMMAND family's view of
 * it. */
#ifndef SPILLWAY_ENGINE_REGISTRY_H
#define SPILLWAY_ENGINE_REGISTRY_H

#include "engine/command.h"

struct registry;

struct registry *registry_new(void);
void registry_free(struct registry *r);
/* Adds an array of rows ended by a row without name. Names must be new. Before workers start. */
void registry_add(struct registry *r, const struct command *rows);
/* The row for a name (any case), or NULL. O(1), no allocation. `index` (may be NULL): for
 * command_stats. */
const struct command *registry_find(const struct registry *r, struct slice name, uint32_t *index);
/* A container's subcommand. */
const struct command *registry_find_sub(const struct registry *r, const struct command *parent,
                                        struct slice name, uint32_t *index);
size_t registry_count(const struct registry *r); /* top-level commands */
size_t registry_rows(const struct registry *r);  /* with subcommands: indexes are below this */
const struct command *registry_row(const struct registry *r, uint32_t index,
                                   const struct command **parent);

/* Positions of the keys in argv by the row's specs. positions and flags have room for max; returns
 * the count, 0 = none, -1 = the arguments do not fit the specs. */
int command_find_keys(const struct command *command, uint32_t argc, const struct slice *argv,
                      uint32_t *positions, uint16_t *flags, uint32_t max);
uint32_t command_acl(
    const struct command *command); /* categories, those that follow from flags included */
size_t command_subcommands(const struct command *command); /* how many it has */
/* "set" or "client|kill" into out (64 bytes). */
const char *command_full_name(const struct command *command, const struct command *parent,
                              char out[64]);

#endif
