/* library.h - shared libraries opened when they are first needed.
 *
 * For what most processes never use: libmicrohttpd alone brings a dozen libraries, three megabytes
 * and ten milliseconds of start with it. Prototypes come from the library's own header, through
 * DECLARE_SYMBOL.
 */
#ifndef SPILLWAY_BASE_LIBRARY_H
#define SPILLWAY_BASE_LIBRARY_H

#include "base/common.h"

/* A pointer with the type of the function `name` and its name: {&pointer, "name"} for
 * library_load. */
#define DECLARE_SYMBOL(name) static __typeof__(name) *call_##name
#define SYMBOL(name)                                                                               \
    {                                                                                              \
        (void **)&call_##name, #name                                                               \
    }

struct library_symbol {
    void **place;
    const char *name;
};

/* Opens `soname` and fills all places. False: it is not there or lacks a symbol (*why says which,
 * until the next call in this thread). The library stays open. */
bool library_load(const char *soname, const struct library_symbol *symbols, size_t count,
                  const char **why);

#endif
