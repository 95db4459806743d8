/* slowlog.h - the last calls that were slow, or large: one list each for SLOWLOG and COMMANDLOG. */
#ifndef SPILLWAY_OPS_SLOWLOG_H
#define SPILLWAY_OPS_SLOWLOG_H

#include "base/lock.h"
#include "engine/call.h"

#define SLOWLOG_ARGUMENTS_MAX 32  /* arguments kept of a call; the last then counts the others */
#define SLOWLOG_ARGUMENT_MAX  128 /* bytes kept of an argument */

enum slowlog_kind { SLOWLOG_SLOW, SLOWLOG_LARGE_REQUEST, SLOWLOG_LARGE_REPLY, SLOWLOG_KINDS };

struct slowlog_entry;

struct slowlog {
    struct lock lock;
    struct slowlog_entry *newest, *oldest; /* lock */
    uint64_t next_id;                      /* lock */
    size_t len;                            /* lock */
};

/* Keeps the call with its microseconds or bytes as the newest entry, and max_len entries at most.
 * What must not be shown (passwords) is replaced. On the call's lane. */
void slowlog_add(struct slowlog *log, const struct call *call, uint64_t value, size_t max_len);
void slowlog_reset(struct slowlog *log); /* numbers go on */

#endif
