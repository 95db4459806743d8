/* common.h - the few compiler annotations and small macros every file may use. */
#ifndef SPILLWAY_BASE_COMMON_H
#define SPILLWAY_BASE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODISCARD                     __attribute__((warn_unused_result))
#define NORETURN                      __attribute__((noreturn))
#define PRINTF_LIKE(f, a)             __attribute__((format(printf, f, a)))
#define ALWAYS_INLINE                 static inline __attribute__((always_inline))
#define NOINLINE                      __attribute__((noinline))
#define UNUSED                        __attribute__((unused))
#define LIKELY(x)                     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)                   __builtin_expect(!!(x), 0)
#define CACHE_LINE                    64
#define ALIGNED(n)                    __attribute__((aligned(n)))
#define PREFETCH(p)                   __builtin_prefetch((p), 0, 3)
#define COUNT_OF(array)               (sizeof(array) / sizeof((array)[0]))
#define MIN_OF(a, b)                  ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)                  ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

/* Relaxed atomics for statistics and settings: readers want a recent value, not an order. */
#define RELAXED_LOAD(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define RELAXED_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define RELAXED_ADD(p, v)   __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
/* For a counter with a single writer: no locked instruction, still clean for its readers. */
#define OWNER_ADD(p, v) RELAXED_STORE((p), RELAXED_LOAD(p) + (v))

#endif
