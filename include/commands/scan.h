/* scan.h - what SCAN, SSCAN, HSCAN and ZSCAN share: the cursor, the options, the filter, and the
 * frame of the reply.
 */
#ifndef SPILLWAY_COMMANDS_SCAN_H
#define SPILLWAY_COMMANDS_SCAN_H

#include "engine/call.h"

struct scan_options {
    struct slice pattern; /* data NULL: any name */
    struct slice type;    /* data NULL: any type */
    int64_t count;        /* 1 and more */
    bool no_values;       /* nor scores */
};

enum scan_allowed { SCAN_TYPE = 1, SCAN_NO_VALUES = 2, SCAN_NO_SCORES = 4 };

/* The cursor at argument `at`; false after replying that it is none. */
bool scan_read_cursor(struct call *call, uint32_t at, uint64_t *cursor);
/* Options from argument `at` on; `allowed`: of enum scan_allowed, besides MATCH and COUNT. False
 * after replying an error. */
bool scan_read_options(struct call *call, uint32_t at, unsigned allowed, struct scan_options *out);
/* Whether a name passes the pattern. */
bool scan_matches(const struct scan_options *options, struct slice name);

/* The reply is the next cursor and an array; the cursor comes first but is known last. So elements
 * are appended to `elements` and counted, and scan_end replies all and frees it. */
struct scan_reply {
    struct reply_buffer elements;
    size_t count;
};
void scan_begin(struct call *call, struct scan_reply *reply);
void scan_end(struct call *call, struct scan_reply *reply, uint64_t cursor);

#endif
