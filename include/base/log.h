/* log.h - the server's log lines, in Redis's format: "pid:role dd Mon yyyy hh:mm:ss.mmm L message".
 *
 * Lines are handed to a writer that must never block a worker: they go to a bounded buffer which a
 * log thread drains to stdout or the log file (through the file door), and to syslog. When the
 * buffer is full lines are dropped and counted; when the file cannot be written too, and a bounded
 * number per second is mirrored to stderr. Any thread may log, but no signal handler. While no log
 * thread runs (before log_start, after log_stop) the caller writes the line itself. Messages longer
 * than 1023 bytes are cut.
 */
#ifndef SPILLWAY_BASE_LOG_H
#define SPILLWAY_BASE_LOG_H

#include "base/common.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_VERBOSE,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTHING
};

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
#define LOG_DEBUG(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define LOG_VERBOSE(...) log_line(LOG_LEVEL_VERBOSE, __VA_ARGS__)
#define LOG_NOTICE(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define LOG_WARNING(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)

void log_set_level(enum log_level level);
/* Empty path = stdout. The file is opened for each burst in append mode, so it may be rotated or
 * removed. Returns 0, or a negative errno if it cannot be opened now (the path is kept and tried
 * again). */
int log_set_file(const char *path);
void log_set_role(char role); /* 'M' primary, 'S' replica, 'C' child-like, 'X' other */

/* "legacy" is Redis's format; logfmt and the other timestamps are those of Valkey's log-format
 * directives. */
enum log_format { LOG_FORMAT_LEGACY, LOG_FORMAT_LOGFMT };
enum log_timestamp { LOG_TIMESTAMP_LEGACY, LOG_TIMESTAMP_ISO8601, LOG_TIMESTAMP_MILLISECONDS };
void log_set_format(enum log_format format, enum log_timestamp timestamp);
/* Lines also go to syslog. facility: "user" or "local0" to "local7", no case; false if it is none
 * of them. A NULL ident turns it off. */
bool log_set_syslog(const char *ident, const char *facility);

/* The log thread. A process that daemonizes starts it afterwards: threads do not survive a fork. */
void log_start(void);       /* starts the log thread; once */
void log_stop(void);        /* drains and joins it */
uint64_t log_dropped(void); /* lines lost since start */

#endif
