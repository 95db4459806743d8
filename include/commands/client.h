/* client.h - parts of the CLIENT family that are kept in files of their own, for its rows. */
#ifndef SPILLWAY_COMMANDS_CLIENT_H
#define SPILLWAY_COMMANDS_CLIENT_H

#include "engine/call.h"

/* client_list.c */
void client_info_command(struct call *call);
void client_list_command(struct call *call);
void client_kill_command(struct call *call);

/* Which clients CLIENT KILL and CLIENT LIST mean. Texts are borrowed from the arguments. */
struct client_filter {
    const struct slice *ids;              /* any of these, as arguments; checked to be numbers */
    uint32_t id_count;                    /* 0 = whatever the id */
    struct slice addr, laddr, user, name; /* data NULL = any */
    int type;                             /* enum client_type, or -1 = any */
    int64_t max_age_s;                    /* connected for so long at least; 0 = any */
    bool skip_me;
};

#endif
