/* log.h - the server's log lines, in Redis's format: "pid:role dd Mon yyyy hh:mm:ss.mmm L message".
 *
 * Lines are handed to a writer that must never block a worker: they go to a bounded ring which a log thread
 * drains to stdout, the log file (through the file door) and syslog. When the ring is full or the file cannot
 * be written, lines are dropped and counted, and a bounded number per second is mirrored to stderr.
 * Any thread may log. Before log_start lines go straight to stdout.
 */
#ifndef SPILLWAY_BASE_LOG_H
#define SPILLWAY_BASE_LOG_H

#include "base/common.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING, LOG_LEVEL_NOTHING };

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
#define LOG_DEBUG(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define LOG_VERBOSE(...) log_line(LOG_LEVEL_VERBOSE, __VA_ARGS__)
#define LOG_NOTICE(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define LOG_WARNING(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)

void log_set_level(enum log_level level);
/* Empty path = stdout. The file is opened for each burst in append mode, so it may be rotated or removed.
 * Returns 0, or a negative errno if it cannot be opened now (the path is kept and tried again). */
int log_set_file(const char *path);
void log_set_role(char role);              /* 'M' primary, 'S' replica, 'C' child-like, 'X' other */
void log_start(void);                      /* starts the log thread */
void log_stop(void);                       /* drains and joins it */
uint64_t log_dropped(void);                /* lines lost since start */

#endif
