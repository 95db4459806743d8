/* calendar.h - due times: a hierarchical timing wheel of 8-byte tokens (Varghese and Lauck 1987), coarse on purpose.
 *
 * The shard files a token (a key's 64-bit hash) under a due time in milliseconds. The calendar hands tokens
 * back no earlier than their due time and at most ~128 ms (near) after it; it never removes a token on request: what a token
 * stands for may have been deleted or postponed meanwhile, and the owner looks when it is handed back. About 9 bytes per token.
 * Not locked: the owner guards it.
 */
#ifndef SPILLWAY_STRUCT_CALENDAR_H
#define SPILLWAY_STRUCT_CALENDAR_H

#include "base/common.h"

struct calendar;

struct calendar *calendar_new(int64_t now_ms);
void calendar_free(struct calendar *c);
void calendar_clear(struct calendar *c);
void calendar_add(struct calendar *c, int64_t due_ms, uint64_t token);   /* O(1); a past time is due at once */
/* Takes up to `max` tokens that are due at now_ms; bounded work (cascading included) of about `max` moves. Returns the
 * count; call again while it returns `max` or *more is set. A clock that goes backwards is waited for. */
size_t calendar_take(struct calendar *c, int64_t now_ms, uint64_t *tokens, size_t max, bool *more);
size_t calendar_count(const struct calendar *c);
size_t calendar_bytes(const struct calendar *c);
/* No token is due before this time (a lower bound, INT64_MAX if empty). */
int64_t calendar_next(const struct calendar *c);

#endif
