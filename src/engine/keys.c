/* keys.c - where a command's keys are: interpreting the key specifications of its row. */
#include "engine/registry.h"
#include "base/number.h"

struct found {
    uint32_t *positions;
    uint16_t *flags;
    uint32_t count, max;
    bool bad;
};

static void add(struct found *f, int64_t at, uint16_t flags)
{
    if (f->count == f->max) {
        f->bad = true;
        return;
    }
    f->positions[f->count] = (uint32_t)at;
    if (f->flags != NULL)
        f->flags[f->count] = flags;
    f->count++;
}

/* The argument after which the spec's keys begin, or -1. */
static int64_t spec_begin(const struct key_spec *spec, uint32_t argc, const struct slice *argv)
{
    if (spec->keyword == NULL)
        return spec->begin < (int64_t)argc ? spec->begin : -1;
    bool backwards = spec->begin < 0;
    int64_t at = backwards ? (int64_t)argc + spec->begin : spec->begin;
    for (; at > 0 && at < (int64_t)argc; at += backwards ? -1 : 1)
        if (slice_is(argv[at], spec->keyword))
            return at + 1 < (int64_t)argc ? at + 1 : -1;
    return -1;
}

static void add_counted(struct found *f, const struct key_spec *spec, int64_t begin, uint32_t argc,
                        const struct slice *argv)
{
    int64_t count_at = begin + spec->count_at, count;
    if (count_at >= (int64_t)argc || !number_parse_i64(argv[count_at], &count) || count < 0) {
        f->bad = true;
        return;
    }
    int64_t step = spec->step > 0 ? spec->step : 1, first = begin + spec->first;
    if (count > ((int64_t)argc - first + step - 1) / step) {
        f->bad = true;
        return;
    }
    for (int64_t i = 0; i < count; i++)
        add(f, first + i * step, spec->flags);
}

static void add_range(struct found *f, const struct key_spec *spec, int64_t begin, uint32_t argc)
{
    int64_t step = spec->step > 0 ? spec->step : 1, last;
    if (spec->last >= 0)
        last = begin + spec->last;
    else if (spec->limit <= 1)
        last = (int64_t)argc + spec->last;
    else
        last = begin + ((int64_t)argc - begin) / spec->limit + spec->last;
    if (last >= (int64_t)argc) {
        f->bad = true;
        return;
    }
    for (int64_t at = begin; at <= last; at += step)
        add(f, at, spec->flags);
}

int command_find_keys(const struct command *command, uint32_t argc, const struct slice *argv,
                      uint32_t *positions, uint16_t *flags, uint32_t max)
{
    if (command->find_keys != NULL)
        return command->find_keys(argc, argv, positions, flags, max);
    struct found f = {.positions = positions, .flags = flags, .max = max};
    for (int i = 0; i < KEY_SPECS_MAX && command->keys[i].flags != 0 && !f.bad; i++) {
        const struct key_spec *spec = &command->keys[i];
        if (spec->flags & KEY_NOT_KEY)
            continue;
        int64_t begin = spec_begin(spec, argc, argv);
        if (begin < 0)
            continue;
        if (spec->counted)
            add_counted(&f, spec, begin, argc, argv);
        else
            add_range(&f, spec, begin, argc);
    }
    return f.bad ? -1 : (int)f.count;
}
