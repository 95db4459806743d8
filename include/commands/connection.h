/* connection.h - what HELLO, RESET and the CLIENT family share about a connection's names. */
#ifndef SPILLWAY_COMMANDS_CONNECTION_H
#define SPILLWAY_COMMANDS_CONNECTION_H

#include "engine/call.h"

/* Names may hold printable characters other than blanks: '!' to '~'. */
bool connection_name_is_valid(struct slice name);
/* Replaces one of the client's strings (under its lane's registry lock); an empty value unsets
 * it. */
void connection_set_text(struct client *client, char **field, struct slice value);

#endif
