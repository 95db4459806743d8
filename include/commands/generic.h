/* generic.h - handlers of the generic family that are kept in files of their own, for its rows. */
#ifndef SPILLWAY_COMMANDS_GENERIC_H
#define SPILLWAY_COMMANDS_GENERIC_H

#include "engine/command.h"

struct call;

/* generic_expire.c */
void generic_expire(struct call *call);
void generic_expireat(struct call *call);
void generic_pexpire(struct call *call);
void generic_pexpireat(struct call *call);
void generic_ttl(struct call *call);
void generic_pttl(struct call *call);
void generic_expiretime(struct call *call);
void generic_pexpiretime(struct call *call);
void generic_persist(struct call *call);

/* generic_scan.c */
void generic_keys(struct call *call);
void generic_scan(struct call *call);
void generic_randomkey(struct call *call);

/* generic_value.c */
void generic_copy(struct call *call);
void generic_dump(struct call *call);
void generic_restore(struct call *call);
extern const struct command generic_object_commands[];

/* The database number at argument `at`; false after replying that it is none. */
bool generic_read_db(struct call *call, uint32_t at, uint32_t *db);

#endif
