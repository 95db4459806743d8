/* debug.h - parts of DEBUG that are kept in files of their own. */
#ifndef SPILLWAY_COMMANDS_DEBUG_H
#define SPILLWAY_COMMANDS_DEBUG_H

struct call;

/* debug_digest.c */
void debug_digest(struct call *call);
void debug_digest_value(struct call *call);

/* debug_reload.c */
void debug_reload(struct call *call);
void debug_loadaof(struct call *call);

#endif
