/* register.c - every command family of ops/, added to the registry. */
#include "ops/commands.h"
#include "ops/ops.h"

void ops_register(struct registry *registry)
{
    static const struct command *const families[] = {config_commands};
    for (size_t i = 0; i < COUNT_OF(families); i++)
        registry_add(registry, families[i]);
}
