/* string.h - handlers of the string family that are kept in files of their own, for its rows. */
#ifndef SPILLWAY_COMMANDS_STRING_H
#define SPILLWAY_COMMANDS_STRING_H

struct call;

/* string_edit.c */
void string_incr(struct call *call);
void string_decr(struct call *call);
void string_incrby(struct call *call);
void string_decrby(struct call *call);
void string_incrbyfloat(struct call *call);
void string_append(struct call *call);
void string_setrange(struct call *call);
void string_getrange(struct call *call);

/* string_increx.c */
void string_increx(struct call *call);

/* string_lcs.c */
void string_lcs(struct call *call);

#endif
