/* panic.h - programmer errors: say what broke and stop. Never used for operating or user errors. */
#ifndef SPILLWAY_BASE_PANIC_H
#define SPILLWAY_BASE_PANIC_H

#include "base/common.h"

/* Prints "file:line: message" and a backtrace to stderr, then aborts. Any thread. */
void panic_at(const char *file, int line, const char *format, ...) NORETURN PRINTF_LIKE(3, 4);

#define PANIC(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(condition)))                                                                \
            PANIC("assertion failed: %s", #condition);                                             \
    } while (0)
/* Checked only in test builds (SPILLWAY_DEBUG): conditions too dear for a hot path. */
#ifdef SPILLWAY_DEBUG
#define DEBUG_ASSERT(condition) ASSERT(condition)
#else
#define DEBUG_ASSERT(condition) ((void)0)
#endif

#endif
