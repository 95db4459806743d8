/* calendar.h - due times: a hierarchical timing wheel of 8-byte tokens (Varghese and Lauck 1987),
 * coarse on purpose.
 *
 * The shard files a token (a key's 64-bit hash) under a due time in milliseconds. The calendar
 * hands tokens back no earlier than their due time and less than CALENDAR_GRAIN_MS after it (given
 * that it is asked); it never removes a token on request: what a token stands for may have been
 * deleted or postponed meanwhile, and the owner looks when it is handed back. A token takes 8
 * bytes, and one more for a due time beyond 8 seconds, two beyond 9 minutes, three beyond 9 hours.
 * Not locked: the owner guards it.
 */
#ifndef SPILLWAY_STRUCT_CALENDAR_H
#define SPILLWAY_STRUCT_CALENDAR_H

#include "base/common.h"

#define CALENDAR_GRAIN_MS 128

struct calendar;

struct calendar *calendar_new(int64_t now_ms);
void calendar_free(struct calendar *c); /* NULL is allowed */
/* Forgets every token. O(tokens / 200). */
void calendar_clear(struct calendar *c);
/* O(1). A past time is due at once. Due times from the year 2248 on are handed back then. */
void calendar_add(struct calendar *c, int64_t due_ms, uint64_t token);
/* Takes up to `max` tokens that are due at now_ms, in no particular order; at most another `max`
 * are moved inside the calendar (cascading). Returns the count; call again while *more is set:
 * tokens that are due now are left, or may be. A clock that goes backwards is waited for. */
size_t calendar_take(struct calendar *c, int64_t now_ms, uint64_t *tokens, size_t max, bool *more);
size_t calendar_count(const struct calendar *c);
/* Copies up to `max` tokens of one moment chosen by `random` among those that have any; they stay.
 * Returns how many: none only if the calendar is empty. Of very many only the some ten thousand
 * filed last are reached. O(max). */
size_t calendar_sample(const struct calendar *c, uint64_t random, uint64_t *tokens, size_t max);
/* Memory of the whole calendar. */
size_t calendar_bytes(const struct calendar *c);
/* calendar_take has nothing to do before this time (which may be in the past); INT64_MAX if the
 * calendar is empty. O(1). */
int64_t calendar_next(const struct calendar *c);

#endif
