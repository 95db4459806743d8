/* latency.c - the latency monitor: spikes by event, and how long commands take: the LATENCY
 * family. */
#include "ops/latency.h"
#include <math.h>
#include <stdio.h>
#include "engine/call.h"
#include "engine/registry.h"
#include "engine/settings.h"
#include "ops/commands.h"
#include "ops/state.h"

/* ---- samples ---- */

/* The event of this name; the lock is held. NULL: it was never seen. */
static struct latency_event *find_event(struct latency *l, struct slice name)
{
    for (int i = 0; i < LATENCY_EVENTS_MAX; i++)
        if (l->events[i].name != NULL && slice_eq(slice_str(l->events[i].name), name))
            return &l->events[i];
    return NULL;
}

static struct latency_event *make_event(struct latency *l, const char *name)
{
    for (int i = 0; i < LATENCY_EVENTS_MAX; i++) {
        if (l->events[i].name == NULL) {
            l->events[i] = (struct latency_event){.name = name};
            return &l->events[i];
        }
    }
    return NULL;
}

/* Sample i of an event, oldest first. */
static struct latency_sample *sample(struct latency_event *e, uint32_t i)
{
    return &e->samples[(e->at + LATENCY_SAMPLES - e->count + i) % LATENCY_SAMPLES];
}

void latency_add(struct latency *l, const char *name, int64_t time_s, uint64_t ms)
{
    lock_take(&l->lock);
    struct latency_event *e = find_event(l, slice_str(name));
    if (e == NULL)
        e = make_event(l, name);
    if (e != NULL) {
        e->max_ms = MAX_OF(e->max_ms, ms);
        struct latency_sample *last = e->count != 0 ? sample(e, e->count - 1) : NULL;
        if (last != NULL && last->time_s == time_s) {
            last->ms = MAX_OF(last->ms, ms);
        } else {
            e->samples[e->at] = (struct latency_sample){time_s, ms};
            e->at = (e->at + 1) % LATENCY_SAMPLES;
            e->count = MIN_OF(e->count + 1, LATENCY_SAMPLES);
        }
    }
    lock_drop(&l->lock);
}

static struct latency *latency_of(struct call *call)
{
    return &call->server->ops->latency;
}

/* ---- LATEST, HISTORY, RESET ---- */

static void latest_command(struct call *call)
{
    struct latency *l = latency_of(call);
    size_t count = 0, mark = reply_array_deferred(call->reply);
    lock_take(&l->lock);
    for (int i = 0; i < LATENCY_EVENTS_MAX; i++) {
        struct latency_event *e = &l->events[i];
        if (e->name == NULL)
            continue;
        const struct latency_sample *last = sample(e, e->count - 1);
        reply_array(call->reply, 4);
        reply_bulk_str(call->reply, e->name);
        reply_int(call->reply, last->time_s);
        reply_int(call->reply, (int64_t)last->ms);
        reply_int(call->reply, (int64_t)e->max_ms);
        count++;
    }
    lock_drop(&l->lock);
    reply_array_patch(call->reply, mark, count);
}

static void history_command(struct call *call)
{
    struct latency *l = latency_of(call);
    lock_take(&l->lock);
    struct latency_event *e = find_event(l, call->argv[2]);
    reply_array(call->reply, e != NULL ? e->count : 0);
    for (uint32_t i = 0; e != NULL && i < e->count; i++) {
        reply_array(call->reply, 2);
        reply_int(call->reply, sample(e, i)->time_s);
        reply_int(call->reply, (int64_t)sample(e, i)->ms);
    }
    lock_drop(&l->lock);
}

static bool is_named(const struct call *call, const char *name)
{
    for (uint32_t i = 2; i < call->argc; i++)
        if (slice_eq(call->argv[i], slice_str(name)))
            return true;
    return call->argc == 2;
}

static void reset_command(struct call *call)
{
    struct latency *l = latency_of(call);
    int64_t count = 0;
    lock_take(&l->lock);
    for (int i = 0; i < LATENCY_EVENTS_MAX; i++) {
        if (l->events[i].name == NULL || !is_named(call, l->events[i].name))
            continue;
        l->events[i].name = NULL;
        count++;
    }
    lock_drop(&l->lock);
    reply_int(call->reply, count);
}

/* ---- GRAPH: one column per sample, newest at the right, its age below ---- */

#define GRAPH_ROWS 4
#define AGE_ROWS   4 /* "59m", read from top to bottom */

struct column {
    uint64_t ms;
    char age[AGE_ROWS + 1];
};

static void print_age(int64_t seconds, char out[AGE_ROWS + 1])
{
    seconds = MAX_OF(seconds, 0);
    if (seconds < 60)
        snprintf(out, AGE_ROWS + 1, "%ds", (int)seconds);
    else if (seconds < 3600)
        snprintf(out, AGE_ROWS + 1, "%dm", (int)(seconds / 60));
    else if (seconds < 86400)
        snprintf(out, AGE_ROWS + 1, "%dh", (int)(seconds / 3600));
    else
        snprintf(out, AGE_ROWS + 1, "%dd", (int)MIN_OF(seconds / 86400, 999));
}

/* What column `c` shows in a row from the bottom: '#' at its top, '|' below, '_' or 'o' when
 * low. */
static char cell(const struct column *c, int row, uint64_t low, uint64_t high)
{
    double share = high > low ? (double)(c->ms - low) / (double)(high - low) : 0;
    double height = share * (GRAPH_ROWS - 1);
    int top = (int)height;
    if (row > top)
        return ' ';
    if (row < top)
        return '|';
    double rest = height - top;
    return share >= 1 ? '#' : rest < 0.34 ? '_' : rest < 0.67 ? 'o' : '#';
}

static void print_graph(const struct column *columns, uint32_t count, uint64_t low, uint64_t high,
                        struct bytes *out)
{
    for (int row = GRAPH_ROWS - 1; row >= 0; row--) {
        for (uint32_t i = 0; i < count; i++)
            bytes_append_char(out, cell(&columns[i], row, low, high));
        bytes_append_char(out, '\n');
    }
    bytes_append_char(out, '\n');
    for (int row = 0; row < AGE_ROWS; row++) {
        bool any = false;
        for (uint32_t i = 0; i < count; i++)
            any |= strlen(columns[i].age) > (size_t)row;
        if (!any)
            break;
        for (uint32_t i = 0; i < count; i++) {
            bool has = strlen(columns[i].age) > (size_t)row;
            bytes_append_char(out, has ? columns[i].age[row] : ' ');
        }
        bytes_append_char(out, '\n');
    }
}

static void graph_command(struct call *call)
{
    struct latency *l = latency_of(call);
    struct column columns[LATENCY_SAMPLES];
    uint64_t low = UINT64_MAX, high = 0;
    struct bytes text = {0};
    lock_take(&l->lock);
    struct latency_event *e = find_event(l, call->argv[2]);
    uint32_t count = e != NULL ? e->count : 0;
    uint64_t max_ms = e != NULL ? e->max_ms : 0;
    for (uint32_t i = 0; i < count; i++) {
        columns[i].ms = sample(e, i)->ms;
        print_age(call->lane->now_ms / 1000 - sample(e, i)->time_s, columns[i].age);
        low = MIN_OF(low, columns[i].ms);
        high = MAX_OF(high, columns[i].ms);
    }
    lock_drop(&l->lock);
    if (count == 0) {
        call_errorf(call, "ERR No samples available for event '%.*s'",
                    (int)MIN_OF(call->argv[2].len, 128), call->argv[2].data);
        return;
    }
    bytes_printf(&text, "%.*s - high %llu ms, low %llu ms (all time high %llu ms)\n",
                 (int)call->argv[2].len, call->argv[2].data, (unsigned long long)high,
                 (unsigned long long)low, (unsigned long long)max_ms);
    for (int i = 0; i < 80; i++)
        bytes_append_char(&text, '-');
    bytes_append_char(&text, '\n');
    print_graph(columns, count, low, high, &text);
    reply_verbatim(call->reply, "txt", bytes_slice(&text));
    bytes_free(&text);
}

/* ---- DOCTOR ---- */

static void describe_event(struct latency_event *e, int number, struct bytes *out)
{
    double sum = 0, deviation = 0;
    for (uint32_t i = 0; i < e->count; i++)
        sum += (double)sample(e, i)->ms;
    double mean = sum / e->count;
    for (uint32_t i = 0; i < e->count; i++)
        deviation += fabs((double)sample(e, i)->ms - mean);
    int64_t span_s = sample(e, e->count - 1)->time_s - sample(e, 0)->time_s;
    bytes_printf(out,
                 "%d. %s: %u latency spikes (average %.0fms, mean deviation %.0fms, period %.2f "
                 "sec). Worst all time event %llums.\n",
                 number, e->name, e->count, mean, deviation / e->count,
                 e->count > 1 ? (double)span_s / (e->count - 1) : 0.0,
                 (unsigned long long)e->max_ms);
}

static const char *const command_advice =
    "\n- SLOWLOG GET shows which commands were slow. Commands that look at every key or element "
    "(KEYS, LRANGE over long lists ...) are the usual ones: SCAN and smaller ranges do the same in "
    "pieces.\n- Values that are very large take long to copy, and long to delete: UNLINK deletes "
    "them in the background.\n";

static void doctor_command(struct call *call)
{
    struct latency *l = latency_of(call);
    struct settings *settings = call->server->settings;
    int64_t threshold_ms = RELAXED_LOAD(&settings->latency_monitor_threshold_ms);
    int64_t slow_us = RELAXED_LOAD(&settings->slowlog_log_slower_than_us);
    struct bytes text = {0};
    int events = 0;
    lock_take(&l->lock);
    for (int i = 0; i < LATENCY_EVENTS_MAX; i++)
        if (l->events[i].name != NULL)
            describe_event(&l->events[i], ++events, &text);
    lock_drop(&l->lock);
    if (events == 0 && threshold_ms == 0) {
        bytes_append_str(&text, "The latency monitor is off: CONFIG SET latency-monitor-threshold "
                                "<milliseconds> turns it on.\n");
    } else if (events == 0) {
        bytes_append_str(&text, "No latency spike was observed.\n");
    } else {
        bytes_append_str(&text, command_advice);
        if (slow_us < 0 || slow_us > threshold_ms * 1000)
            bytes_printf(&text,
                         "- The slow log leaves out some of these calls. 'CONFIG SET "
                         "slowlog-log-slower-than %lld' would keep them.\n",
                         (long long)threshold_ms * 1000);
    }
    reply_verbatim(call->reply, "txt", bytes_slice(&text));
    bytes_free(&text);
}

/* ---- HISTOGRAM ---- */

/* One command's counts, cumulative, by the buckets in which it has any; false: it was never
 * called. */
static bool reply_histogram(struct call *call, uint32_t row)
{
    const struct command *parent, *command = registry_row(call->server->registry, row, &parent);
    struct command_stats sum;
    uint64_t seen = 0;
    char name[64];
    stats_sum_command(call->server, row, &sum);
    for (unsigned i = 0; i < COMMAND_TIME_BUCKETS; i++)
        seen += sum.by_time[i];
    if (seen == 0)
        return false;
    reply_bulk_str(call->reply, command_full_name(command, parent, name));
    reply_map(call->reply, 2);
    reply_bulk_str(call->reply, "calls");
    reply_int(call->reply, (int64_t)seen);
    reply_bulk_str(call->reply, "histogram_usec");
    size_t mark = reply_array_deferred(call->reply), buckets = 0;
    seen = 0;
    for (unsigned i = 0; i < COMMAND_TIME_BUCKETS; i++) {
        if (sum.by_time[i] == 0)
            continue;
        seen += sum.by_time[i];
        reply_int(call->reply, INT64_C(1) << i);
        reply_int(call->reply, (int64_t)seen);
        buckets++;
    }
    reply_map_patch(call->reply, mark, buckets);
    return true;
}

/* A container stands for its subcommands too. */
static size_t reply_histograms_of(struct call *call, struct slice name)
{
    const struct registry *registry = call->server->registry;
    size_t shown = 0;
    for (uint32_t row = 0; row < registry_rows(registry); row++) {
        const struct command *parent, *command = registry_row(registry, row, &parent);
        char full[64];
        command_full_name(command, parent, full);
        if (slice_is(name, full) || (parent != NULL && slice_is(name, parent->name)))
            shown += reply_histogram(call, row);
    }
    return shown;
}

static void histogram_command(struct call *call)
{
    size_t shown = 0, mark = reply_array_deferred(call->reply);
    for (uint32_t i = 2; i < call->argc; i++)
        shown += reply_histograms_of(call, call->argv[i]);
    if (call->argc == 2)
        for (uint32_t row = 0; row < registry_rows(call->server->registry); row++)
            shown += reply_histogram(call, row);
    reply_map_patch(call->reply, mark, shown);
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    What the samples say, and what to do.",
        "GRAPH <event>",
        "    The samples of an event as a picture.",
        "HISTOGRAM [<command> ...]",
        "    How many calls of commands took up to 1, 2, 4 ... microseconds.",
        "HISTORY <event>",
        "    The samples of an event: Unix time and milliseconds.",
        "LATEST",
        "    The latest sample of every event: its time, milliseconds, and the most there ever "
        "were.",
        "RESET [<event> ...]",
        "    Forget the samples of these events, or of all.",
        NULL};
    reply_help(call->reply, "LATENCY", lines);
}

/* ---- rows ---- */

#define FOR_ADMINS                                                                                 \
    .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE, .group = GROUP_SERVER
#define CONSTANT .complexity = "O(1)"

static const char *const node_tips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                        "response_policy:special", NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes",
                                         "response_policy:all_succeeded", NULL};

static const struct command subcommands[] = {
    {.name = "doctor",
     .run = doctor_command,
     .arity = 2,
     .since = "2.8.13",
     .summary = "Explains latency spikes.",
     .tips = node_tips,
     CONSTANT,
     FOR_ADMINS},
    {.name = "graph",
     .run = graph_command,
     .arity = 3,
     .usage = "event",
     .since = "2.8.13",
     .summary = "Draws the spikes of an event.",
     .tips = node_tips,
     CONSTANT,
     FOR_ADMINS},
    {.name = "help",
     .run = help_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .group = GROUP_SERVER,
     .since = "2.8.13",
     .summary = "Lists the subcommands.",
     CONSTANT},
    {.name = "histogram",
     .run = histogram_command,
     .arity = -2,
     .usage = "[command...]",
     .since = "7.0.0",
     .summary = "Answers how long calls of commands took.",
     .tips = node_tips,
     .complexity = "O(N) where N is the number of commands.",
     FOR_ADMINS},
    {.name = "history",
     .run = history_command,
     .arity = 3,
     .usage = "event",
     .since = "2.8.13",
     .summary = "Answers the spikes of an event.",
     .tips = node_tips,
     CONSTANT,
     FOR_ADMINS},
    {.name = "latest",
     .run = latest_command,
     .arity = 2,
     .since = "2.8.13",
     .summary = "Answers the latest spike of every event.",
     .tips = node_tips,
     CONSTANT,
     FOR_ADMINS},
    {.name = "reset",
     .run = reset_command,
     .arity = -2,
     .usage = "[event...]",
     .since = "2.8.13",
     .summary = "Forgets spikes.",
     .tips = reset_tips,
     CONSTANT,
     FOR_ADMINS},
    {.name = NULL}};

const struct command latency_commands[] = {{.name = "latency",
                                            .arity = -2,
                                            .flags = CMD_PARENT,
                                            .group = GROUP_SERVER,
                                            .since = "2.8.13",
                                            .summary = "Commands about latency.",
                                            .complexity = "Depends on the subcommand.",
                                            .subcommands = subcommands},
                                           {.name = NULL}};
