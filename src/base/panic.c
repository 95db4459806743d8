/* panic.c - the end of the process after a programmer error. */
#include "base/panic.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Only write(2) and a stack buffer: the heap, the log and stdio's locks may be what is broken. */
static void write_stderr(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(STDERR_FILENO, data, len);
        if (done <= 0)
            return;
        data += done;
        len -= (size_t)done;
    }
}

void panic_at(const char *file, int line, const char *format, ...)
{
    static _Thread_local bool panicking;
    char text[1024];
    size_t room = sizeof(text) - 1; /* for the newline */

    if (panicking)
        abort();
    panicking = true;
    size_t used = (size_t)snprintf(text, room, "PANIC %s:%d: ", file, line);
    used = MIN_OF(used, room - 1);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, room - used, format, args);
    va_end(args);
    used = strlen(text);
    text[used++] = '\n';
    write_stderr(text, used);

    void *frames[64];
    int depth = backtrace(frames, COUNT_OF(frames));
    backtrace_symbols_fd(frames, depth, STDERR_FILENO);
    abort();
}
