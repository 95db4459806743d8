/* server.h - handlers of the server family that are kept in files of their own, for its rows. */
#ifndef SPILLWAY_COMMANDS_SERVER_H
#define SPILLWAY_COMMANDS_SERVER_H

struct call;

/* server_save.c */
void server_save(struct call *call);
void server_bgsave(struct call *call);
void server_bgrewriteaof(struct call *call);
void server_lastsave(struct call *call);
void server_shutdown(struct call *call);

#endif
