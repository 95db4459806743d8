/* log.c - the server's log.
 *
 * A caller formats its message on its stack and copies it, with the time, under a mutex into the
 * filling one of two buffers; the log thread swaps them and writes the full one line by line into a
 * burst of text, so nobody waits for a disk or a terminal. What does not fit is dropped and
 * counted. While no log thread runs (before log_start, after log_stop) a line takes the same way
 * but is written by its caller.
 *
 * A burst that cannot be written is lost: it is counted, and a few lines of it each second go to
 * stderr. Whatever the door to the disk itself wants to log during a burst goes to stderr too, or a
 * failing disk would feed its own log.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/* The names of syslog's levels are taken by our macros; the values are fixed by RFC 5424. */
#undef LOG_DEBUG
#undef LOG_WARNING
#undef LOG_NOTICE
#include <syslog.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/panic.h"

#define MESSAGE_MAX       1024
#define BUFFER_BYTES      (128 * 1024)
#define PATH_BYTES        4096
#define MIRROR_PER_SECOND 10

/* Followed by len bytes of message. */
struct record {
    int64_t wall_ms;
    uint16_t len;
    char level, role;
};

struct destination {
    char path[PATH_BYTES]; /* empty: stdout */
    enum log_format format;
    enum log_timestamp timestamp;
    bool syslog;
};

static int log_level = LOG_LEVEL_NOTICE; /* atomic */
static char log_role = 'M';              /* atomic */
static uint64_t dropped;                 /* atomic */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct destination destination; /* mutex */
static bool running, stopping;         /* mutex */
static pthread_t thread;               /* mutex */
static char buffers[2][BUFFER_BYTES];  /* mutex: the filling one; log thread: the other */
static unsigned filling;               /* mutex */
static size_t filled;                  /* mutex; bytes in the filling buffer */

static _Thread_local bool writing_burst; /* this thread is inside write_burst */

static uint64_t mirror_second; /* atomic; the second that mirror_count counts */
static uint32_t mirror_count;  /* atomic */

static void mirror_to_stderr(const char *text, size_t len)
{
    uint64_t second = clock_mono_ms() / 1000;
    if (__atomic_exchange_n(&mirror_second, second, __ATOMIC_RELAXED) != second)
        RELAXED_STORE(&mirror_count, 0);
    if (RELAXED_ADD(&mirror_count, 1) < MIRROR_PER_SECOND && write(STDERR_FILENO, text, len) < 0)
        return; /* nowhere left to complain */
}

/* Lines */

static void format_time(struct bytes *out, enum log_timestamp form, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    int ms = (int)(wall_ms % 1000);
    struct tm tm;
    char text[64];

    if (form == LOG_TIMESTAMP_MILLISECONDS) {
        bytes_printf(out, "%lld", (long long)wall_ms);
        return;
    }
    localtime_r(&seconds, &tm);
    if (form == LOG_TIMESTAMP_LEGACY) {
        strftime(text, sizeof(text), "%d %b %Y %H:%M:%S", &tm);
        bytes_printf(out, "%s.%03d", text, ms);
        return;
    }
    long minutes = tm.tm_gmtoff / 60;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    bytes_printf(out, "%s.%03d%+03d:%02d", text, ms, (int)(minutes / 60),
                 (int)(minutes < 0 ? -minutes : minutes) % 60);
}

static const char *role_name(char role)
{
    return role == 'M' ? "primary" : role == 'S' ? "replica" : role == 'C' ? "RDB/AOF" : "sentinel";
}

/* One line per message in logfmt: quotes and line ends inside it are replaced. */
static void append_safe(struct bytes *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bytes_append_char(out, c == '"' ? '\'' : c == '\n' || c == '\r' ? ' ' : c);
    }
}

static void format_line(struct bytes *out, const struct destination *to, const struct record *r,
                        const char *text)
{
    static const char *const names[] = {"debug", "info", "notice", "warning"};
    if (to->format == LOG_FORMAT_LOGFMT) {
        bytes_printf(out, "pid=%d role=%s timestamp=\"", (int)getpid(), role_name(r->role));
        format_time(out, to->timestamp, r->wall_ms);
        bytes_printf(out, "\" level=%s message=\"", names[(int)r->level]);
        append_safe(out, text, r->len);
        bytes_append_str(out, "\"\n");
        return;
    }
    bytes_printf(out, "%d:%c ", (int)getpid(), r->role);
    format_time(out, to->timestamp, r->wall_ms);
    bytes_printf(out, " %c ", ".-*#"[(int)r->level]);
    bytes_append(out, text, r->len);
    bytes_append_char(out, '\n');
}

/* Bursts */

static int write_stdout(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(STDOUT_FILENO, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        data += done;
        len -= (size_t)done;
    }
    return 0;
}

static int write_file(const char *path, const char *data, size_t len)
{
    int fd = file_open(path, FILE_APPEND);
    if (fd < 0)
        return fd;
    int result = file_write_at(fd, data, len, 0, NULL);
    file_close(fd);
    return result;
}

static void lose_burst(const char *data, size_t len)
{
    for (const char *end = data + len; data < end;) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        const char *next = newline ? newline + 1 : end;
        RELAXED_ADD(&dropped, 1);
        mirror_to_stderr(data, (size_t)(next - data));
        data = next;
    }
}

static void write_burst(const struct destination *to, const char *records, size_t len)
{
    static const int priorities[] = {7, 6, 5, 4}; /* debug, info, notice, warning */
    struct bytes text = {0};
    writing_burst = true;
    for (size_t at = 0; at < len;) {
        struct record r;
        memcpy(&r, records + at, sizeof(r));
        at += sizeof(r);
        format_line(&text, to, &r, records + at);
        if (to->syslog)
            syslog(priorities[(int)r.level], "%.*s", (int)r.len, records + at);
        at += r.len;
    }
    int result =
        to->path[0] ? write_file(to->path, text.data, text.len) : write_stdout(text.data, text.len);
    if (result < 0)
        lose_burst(text.data, text.len);
    bytes_free(&text);
    writing_burst = false;
}

static void *run_log_thread(void *unused)
{
    static struct destination to;
    mem_thread_join();
    pthread_mutex_lock(&mutex);
    while (filled > 0 || !stopping) {
        if (filled == 0) {
            pthread_cond_wait(&wake, &mutex);
            continue;
        }
        const char *full = buffers[filling];
        size_t len = filled;
        filling = !filling;
        filled = 0;
        to = destination;
        pthread_mutex_unlock(&mutex);
        write_burst(&to, full, len);
        pthread_mutex_lock(&mutex);
    }
    pthread_mutex_unlock(&mutex);
    mem_thread_leave();
    return NULL;
}

/* Callers */

static void write_directly(const struct record *r, const char *text)
{
    struct destination to;
    char record[sizeof(*r) + MESSAGE_MAX];
    memcpy(record, r, sizeof(*r));
    memcpy(record + sizeof(*r), text, r->len);
    pthread_mutex_lock(&mutex);
    to = destination;
    pthread_mutex_unlock(&mutex);
    write_burst(&to, record, sizeof(*r) + r->len);
}

/* False if no log thread will take it. A full buffer drops the line. */
static bool enqueue(const struct record *r, const char *text)
{
    pthread_mutex_lock(&mutex);
    bool taken = running;
    if (taken && filled + sizeof(*r) + r->len > BUFFER_BYTES) {
        RELAXED_ADD(&dropped, 1);
    } else if (taken) {
        char *at = buffers[filling] + filled;
        memcpy(at, r, sizeof(*r));
        memcpy(at + sizeof(*r), text, r->len);
        if (filled == 0)
            pthread_cond_signal(&wake);
        filled += sizeof(*r) + r->len;
    }
    pthread_mutex_unlock(&mutex);
    return taken;
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level < RELAXED_LOAD(&log_level) || level >= LOG_LEVEL_NOTHING)
        return;
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    len = MIN_OF(MAX_OF(len, 0), MESSAGE_MAX - 1);
    if (writing_burst) {
        text[len] = '\n'; /* in place of the NUL */
        mirror_to_stderr(text, (size_t)len + 1);
        return;
    }
    struct record r = {clock_wall_ms(), (uint16_t)len, (char)level, RELAXED_LOAD(&log_role)};
    if (!enqueue(&r, text))
        write_directly(&r, text);
}

void log_set_level(enum log_level level)
{
    RELAXED_STORE(&log_level, (int)level);
}

void log_set_role(char role)
{
    RELAXED_STORE(&log_role, role);
}

void log_set_format(enum log_format format, enum log_timestamp timestamp)
{
    pthread_mutex_lock(&mutex);
    destination.format = format;
    destination.timestamp = timestamp;
    pthread_mutex_unlock(&mutex);
}

int log_set_file(const char *path)
{
    size_t len = strlen(path);
    if (len >= PATH_BYTES)
        return -ENAMETOOLONG;
    pthread_mutex_lock(&mutex);
    memcpy(destination.path, path, len + 1);
    pthread_mutex_unlock(&mutex);
    int fd = len ? file_open(path, FILE_APPEND) : -1;
    file_close(fd);
    return len ? MIN_OF(fd, 0) : 0;
}

bool log_set_syslog(const char *ident, const char *facility)
{
    static char name[64]; /* openlog keeps the pointer; mutex */
    int number = -1;
    if (ident) {
        if (strcasecmp(facility, "user") == 0)
            number = LOG_USER;
        else if (strncasecmp(facility, "local", 5) == 0 && facility[5] >= '0' &&
                 facility[5] <= '7' && facility[6] == '\0')
            number = (16 + facility[5] - '0') << 3;
        else
            return false;
    }
    pthread_mutex_lock(&mutex);
    if (ident) {
        snprintf(name, sizeof(name), "%s", ident);
        openlog(name, LOG_PID | LOG_NDELAY | LOG_NOWAIT, number);
    } else if (destination.syslog) {
        closelog();
    }
    destination.syslog = ident != NULL;
    pthread_mutex_unlock(&mutex);
    return true;
}

void log_start(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_mutex_lock(&mutex);
    ASSERT(!running);
    stopping = false;
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int error = pthread_create(&thread, NULL, run_log_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    running = error == 0;
    pthread_mutex_unlock(&mutex);
    if (error)
        log_line(LOG_LEVEL_WARNING, "No log thread, logging directly: %s", strerror(error));
}

void log_stop(void)
{
    pthread_mutex_lock(&mutex);
    bool was_running = running;
    running = false; /* later lines are written by their callers */
    stopping = true;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&mutex);
    if (was_running)
        pthread_join(thread, NULL);
}

uint64_t log_dropped(void)
{
    return RELAXED_LOAD(&dropped);
}
