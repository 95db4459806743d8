/* config_path.c - wildcards in the paths of include directives.
 *
 * A pattern is taken apart at its slashes. Parts without wildcards are walked as they are, the
 * others list their directory. Names that start with a dot need a pattern that does.
 */
#include <stdlib.h>

#include "base/file.h"
#include "base/glob.h"
#include "base/mem.h"
#include "ops/config_directive.h"

struct expansion {
    char **paths;
    size_t count;
};

static void expand(struct expansion *found, const char *prefix, const char *rest);

struct listing {
    struct slice pattern;
    char **names;
    size_t count;
};

static int take_name(const char *name, void *ctx)
{
    struct listing *list = ctx;
    bool hidden = name[0] == '.' && (list->pattern.len == 0 || list->pattern.data[0] != '.');
    if (!hidden && glob_match(list->pattern, slice_str(name))) {
        list->names = mem_realloc(list->names, (list->count + 1) * sizeof(char *));
        list->names[list->count++] = mem_strdup(name);
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* prefix + part, then what follows. */
static void step(struct expansion *found, const char *prefix, struct slice part, const char *rest)
{
    struct bytes path = {0};
    bytes_append_str(&path, prefix);
    bytes_append(&path, part.data, part.len);
    if (rest != NULL) {
        bytes_append_char(&path, '/');
        expand(found, bytes_str(&path), rest);
    } else if (file_exists(bytes_str(&path))) {
        found->paths = mem_realloc(found->paths, (found->count + 1) * sizeof(char *));
        found->paths[found->count++] = mem_strdup(bytes_str(&path));
    }
    bytes_free(&path);
}

/* `prefix` is a directory with its slash, or "". */
static void expand(struct expansion *found, const char *prefix, const char *rest)
{
    const char *slash = strchr(rest, '/');
    struct slice part = slice_of(rest, slash != NULL ? (size_t)(slash - rest) : strlen(rest));
    const char *next = slash != NULL ? slash + 1 : NULL;
    if (glob_is_literal(part)) {
        step(found, prefix, part, next);
        return;
    }
    struct listing list = {.pattern = part};
    if (file_list(prefix[0] != '\0' ? prefix : ".", take_name, &list) == 0 && list.count > 0)
        qsort(list.names, list.count, sizeof(char *), by_name);
    for (size_t i = 0; i < list.count; i++) {
        step(found, prefix, slice_str(list.names[i]), next);
        mem_free(list.names[i]);
    }
    mem_free(list.names);
}

size_t config_expand_path(const char *pattern, char ***paths)
{
    struct expansion found = {0};
    expand(&found, "", pattern);
    *paths = found.paths;
    return found.count;
}
