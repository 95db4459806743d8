/* string.h - handlers of the string family, for its rows. */
#ifndef SPILLWAY_COMMANDS_STRING_H
#define SPILLWAY_COMMANDS_STRING_H

struct call;

/* string.c */
void string_set(struct call *call);
void string_setnx(struct call *call);
void string_setex(struct call *call);
void string_psetex(struct call *call);
void string_get(struct call *call);
void string_getset(struct call *call);
void string_getdel(struct call *call);
void string_getex(struct call *call);
void string_strlen(struct call *call);
void string_digest(struct call *call);
void string_delifeq(struct call *call);
void string_delex(struct call *call);
void string_mget(struct call *call);
void string_mset(struct call *call);
void string_msetnx(struct call *call);
void string_msetex(struct call *call);

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
