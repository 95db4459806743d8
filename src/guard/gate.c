/* gate.c - the one gate: every byte that is written to disk passes here with a class.
 *
 * A node is one path of ours with the blocks it holds; a gate_file is a node that is open. Nodes
 * outlive their files being closed, for the accounting, and names being removed while open,
 * because the blocks do. A hard link's second name holds nothing until the first is gone. Blocks
 * are reserved under the lock before the file system is asked, so that two writers cannot both
 * pass the same floor, and corrected from what the file system says after every sync,
 * truncation, failure and close.
 *
 * Whoever asks the file system how much is free must know which of our blocks its answer counts
 * (stats.unasked, asking, giving). That is in doubt for what it is working on at that moment, so a
 * large allocation is asked for piece by piece: a slow one would be counted twice for as long as
 * it takes, and writes refused for want of room that is there.
 */
#include "guard/gate.h"

#include <errno.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/glob.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/panic.h"

#define PAGE   4096ull
#define PIECE  (256 * 1024ull) /* the least that is asked for at a time, if so much is wanted */
#define PIECES 64              /* and the most such requests */

struct node {
    struct node *next;
    char *path;
    enum gate_class class;
    uint64_t held;          /* bytes of blocks, those that are coming included */
    uint64_t coming;        /* of these: reserved, and the file system has not answered yet */
    uint64_t device, inode; /* 0: not known */
    unsigned open;
    bool gone;  /* the name was removed or replaced: freed with the last close */
    bool alias; /* second name of blocks that another node holds */
};

struct gate_file {
    struct gate *gate;
    struct node *node;
    int fd;
    enum gate_class class;
    uint64_t size;      /* end of what was written */
    uint64_t alloc_end; /* blocks are ours up to here */
    bool poisoned;
    bool failing; /* the last write of a log failed */
};

struct gate {
    struct lock lock; /* guards all below but hooks */
    struct gate_hooks hooks;
    struct gate_limits limits;
    struct node *nodes;
    const struct gate_file *log; /* the log file opened last: its room is stats.log_room */
    struct gate_stats stats;
    uint64_t log_write_began_ms; /* atomic; the log's thread: see stats */
};

static const char *const class_names[GATE_CLASSES] = {"metadata", "compaction", "shrink", "log",
                                                      "snapshot", "diagnostic", "ballast"};

const char *gate_class_name(enum gate_class class)
{
    return class_names[class];
}

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

struct gate *gate_create(const struct gate_hooks *hooks)
{
    struct gate *gate = mem_zalloc(sizeof(*gate));
    if (hooks)
        gate->hooks = *hooks;
    gate->limits.available = UINT64_MAX;
    gate->limits.ceiling = UINT64_MAX;
    gate->stats.can_allocate = true;
    return gate;
}

void gate_destroy(struct gate *gate)
{
    struct node *next;
    ASSERT(gate->stats.unasked + gate->stats.asking + gate->stats.giving == 0);
    for (struct node *node = gate->nodes; node; node = next) {
        ASSERT(node->open == 0);
        next = node->next;
        mem_free(node->path);
        mem_free(node);
    }
    mem_free(gate);
}

void gate_set_limits(struct gate *gate, const struct gate_limits *limits)
{
    lock_take(&gate->lock);
    gate->limits = *limits;
    lock_drop(&gate->lock);
}

/* ---- nodes; the lock is held ---- */

static void hold(struct gate *gate, struct node *node, uint64_t bytes)
{
    gate->stats.own_bytes += bytes - node->held;
    gate->stats.taken_bytes += (int64_t)(bytes - node->held);
    gate->stats.given_back += minus(node->held, bytes);
    gate->stats.class[node->class].own_bytes += bytes - node->held;
    if (node->open && node->class == GATE_COMPACTION)
        gate->stats.building += bytes - node->held;
    if (node->gone)
        gate->stats.leaving += bytes - node->held;
    node->held = bytes;
}

/* As hold, for what the file system's numbers know already: blocks that were there before, and
 * those that only pass from one name or class of ours to another. */
static void hold_found(struct gate *gate, struct node *node, uint64_t bytes)
{
    int64_t taken = gate->stats.taken_bytes;
    uint64_t given_back = gate->stats.given_back;
    hold(gate, node, bytes);
    gate->stats.taken_bytes = taken;
    gate->stats.given_back = given_back;
}

static struct node *find(struct gate *gate, const char *path)
{
    struct node *node = gate->nodes;
    while (node && (node->gone || strcmp(node->path, path) != 0))
        node = node->next;
    return node;
}

static struct node *find_or_add(struct gate *gate, const char *path, enum gate_class class)
{
    struct node *node = find(gate, path);
    if (node)
        return node;
    node = mem_zalloc(sizeof(*node));
    node->path = mem_strdup(path);
    node->class = class;
    node->next = gate->nodes;
    gate->nodes = node;
    return node;
}

static void drop(struct gate *gate, struct node *node)
{
    struct node **link = &gate->nodes;
    hold(gate, node, 0);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    mem_free(node->path);
    mem_free(node);
}

/* The name is gone. Blocks pass to another name of the same file, or stay until the last close. */
static void unname(struct gate *gate, struct node *node)
{
    for (struct node *other = gate->nodes; other && node->inode && !node->alias;
         other = other->next)
        if (other->alias && other->inode == node->inode && other->device == node->device) {
            uint64_t held = node->held;
            other->alias = false;
            hold_found(gate, node, 0);
            hold_found(gate, other, held);
            break;
        }
    node->gone = true;
    gate->stats.leaving += node->held;
    if (!node->open)
        drop(gate, node);
}

static void set_class(struct gate *gate, struct node *node, enum gate_class class)
{
    uint64_t held = node->held;
    hold_found(gate, node, 0);
    node->class = class;
    hold_found(gate, node, held);
}

/* ---- errors ---- */

static void count_errno(struct gate_stats *stats, int error)
{
    for (size_t i = 0; i < GATE_ERRNOS; i++) {
        if (stats->by_errno[i].error == 0)
            stats->by_errno[i].error = error;
        if (stats->by_errno[i].error == error) {
            stats->by_errno[i].count++;
            return;
        }
    }
    stats->other_errors++;
}

/* Notes a failed operation; returns the result it was given. */
static int failed(struct gate *gate, enum file_op op, enum gate_class class, const char *path,
                  int result)
{
    struct gate_error error = {.error = -result, .op = op, .class = class};
    error.at_ms = clock_wall_ms();
    snprintf(error.path, sizeof(error.path), "%s", path);
    lock_take(&gate->lock);
    gate->stats.last = error;
    gate->stats.class[class].errors++;
    count_errno(&gate->stats, error.error);
    lock_drop(&gate->lock);
    if (gate->hooks.error)
        gate->hooks.error(gate->hooks.ctx, &error);
    return result;
}

static bool out_of_space(int result)
{
    return result == -ENOSPC || result == -EDQUOT;
}

/* Whether an ENOSPC of this class is worth the ballast, and whether there was one. */
static bool released(struct gate *gate, enum gate_class class, int result)
{
    if (!out_of_space(result) || !gate->hooks.release)
        return false;
    if (class == GATE_SNAPSHOT || class == GATE_DIAGNOSTIC || class == GATE_BALLAST)
        return false;
    return gate->hooks.release(gate->hooks.ctx);
}

/* ---- admission ---- */

/* Lock held. What was going at the sample and still is has not been taken since. */
static uint64_t free_now(const struct gate *gate)
{
    const struct gate_limits *limits = &gate->limits;
    uint64_t own = gate->stats.own_bytes, left = limits->available;
    uint64_t going = minus(limits->given_by_sample, gate->stats.given_back);
    int64_t taken = gate->stats.taken_bytes - limits->taken_at_sample - (int64_t)going;
    if (taken > 0)
        left = minus(left, (uint64_t)taken);
    else if (left < UINT64_MAX + (uint64_t)taken) /* not above the type's end */
        left += (uint64_t)-taken;
    return limits->ceiling == UINT64_MAX ? left : MIN_OF(left, minus(limits->ceiling, own));
}

/* Lock held. 0, or a negative errno if the class may not take so many bytes of new blocks. */
static int admit(const struct gate *gate, enum gate_class class, uint64_t bytes)
{
    if (gate->limits.refuse)
        return -gate->limits.refuse;
    if (bytes == 0 || class == GATE_METADATA)
        return 0;
    return free_now(gate) < bytes + gate->limits.floor[class] ? -ENOSPC : 0;
}

/* Takes bytes for the node before the file system is asked: `unasked`, until they are. */
static int reserve(struct gate *gate, struct node *node, enum gate_class class, uint64_t bytes)
{
    lock_take(&gate->lock);
    int result = admit(gate, class, bytes);
    if (result == 0) {
        node->coming += bytes;
        hold(gate, node, node->held + bytes);
        gate->stats.unasked += bytes;
    } else {
        gate->stats.class[class].refused++;
    }
    lock_drop(&gate->lock);
    return result;
}

/* The file system is about to be asked for a part of what was reserved. */
static void ask(struct gate *gate, uint64_t bytes)
{
    lock_take(&gate->lock);
    gate->stats.unasked -= bytes;
    gate->stats.asking += bytes;
    lock_drop(&gate->lock);
}

/* It has given what was asked for. */
static void settle(struct gate *gate, struct node *node, uint64_t bytes)
{
    lock_take(&gate->lock);
    node->coming -= bytes;
    gate->stats.asking -= bytes;
    lock_drop(&gate->lock);
}

bool gate_allows(struct gate *gate, enum gate_class class, uint64_t bytes)
{
    lock_take(&gate->lock);
    int result = admit(gate, class, bytes);
    lock_drop(&gate->lock);
    return result == 0;
}

/* What is allocated beyond the end of the log; lock held, owner of the file. */
static void note_room(struct gate_file *file)
{
    if (file->gate->log == file)
        file->gate->stats.log_room =
            minus(RELAXED_LOAD(&file->alloc_end), RELAXED_LOAD(&file->size));
}

/* What the file system says the file holds now, and what another thread has it allocating. */
static void correct(struct gate_file *file)
{
    struct file_info info;
    if (file_info_fd(file->fd, &info) != 0)
        return;
    lock_take(&file->gate->lock);
    hold(file->gate, file->node, info.allocated + file->node->coming);
    note_room(file);
    lock_drop(&file->gate->lock);
}

/* Of what was reserved for the file so much was asked for in vain, and so much not asked for. It
 * stays in doubt until it is known what the file holds. */
static void undo(struct gate_file *file, uint64_t asked, uint64_t unasked)
{
    struct gate *gate = file->gate;
    lock_take(&gate->lock);
    file->node->coming -= asked + unasked;
    lock_drop(&gate->lock);
    correct(file);
    lock_take(&gate->lock);
    gate->stats.asking -= asked;
    gate->stats.unasked -= unasked;
    lock_drop(&gate->lock);
}

/* ---- files ---- */

static int begin_file(struct gate_file *file, const char *path)
{
    struct gate *gate = file->gate;
    struct file_info info = {0};
    int result = file_info_fd(file->fd, &info);
    if (result != 0)
        return result;
    lock_take(&gate->lock);
    struct node *node = find_or_add(gate, path, file->class);
    if (node->inode && node->inode != info.inode) {
        unname(gate, node);
        node = find_or_add(gate, path, file->class);
    }
    set_class(gate, node, file->class);
    if (node->open++ == 0 && node->class == GATE_COMPACTION)
        gate->stats.building += node->held;
    node->device = info.device;
    node->inode = info.inode;
    hold_found(gate, node, node->alias ? 0 : info.allocated);
    file->node = node;
    file->size = info.size;
    /* what was allocated ahead before a crash is still there; a file with holes has less than
     * its size */
    file->alloc_end = info.allocated;
    if (file->class == GATE_LOG)
        gate->log = file;
    note_room(file);
    lock_drop(&gate->lock);
    return 0;
}

static void extend(struct gate_file *file);

int gate_open(struct gate *gate, const char *path, enum file_mode mode, enum gate_class class,
              struct gate_file **out)
{
    bool creates = mode != FILE_READ && mode != FILE_WRITE;
    enum file_op op = creates ? FILE_OP_CREATE : FILE_OP_OPEN;
    *out = NULL;
    /* an empty log costs nothing, and without one not even deletions can be kept */
    bool first = creates && class != GATE_LOG && class != GATE_SHRINK;
    if (mode != FILE_READ && !gate_allows(gate, class, first ? PAGE : 0)) {
        lock_take(&gate->lock);
        int refuse = gate->limits.refuse ? -gate->limits.refuse : -ENOSPC;
        gate->stats.class[class].refused++;
        lock_drop(&gate->lock);
        return refuse;
    }
    int fd = file_open(path, mode);
    if (fd < 0 && released(gate, class, fd))
        fd = file_open(path, mode);
    if (fd < 0)
        return failed(gate, op, class, path, fd);
    struct gate_file *file = mem_zalloc(sizeof(*file));
    *file = (struct gate_file){.gate = gate, .fd = fd, .class = class};
    int result = begin_file(file, path);
    if (result != 0) {
        file_close(fd);
        mem_free(file);
        return failed(gate, FILE_OP_STAT, class, path, result);
    }
    if (mode != FILE_READ)
        extend(file);
    *out = file;
    return 0;
}

/* Tells when writes of the log begin to fail, and when they do no more. */
static void note_log_state(struct gate_file *file, int result)
{
    struct gate *gate = file->gate;
    if (LIKELY(file->failing == (result != 0)) ||
        (file->class != GATE_LOG && file->class != GATE_SHRINK))
        return;
    file->failing = result != 0;
    if (gate->hooks.log_state)
        gate->hooks.log_state(gate->hooks.ctx, -result);
}

void gate_close(struct gate_file *file)
{
    if (!file)
        return;
    struct gate *gate = file->gate;
    note_log_state(file, 0);
    if (file->alloc_end > round_up(file->size))
        (void)!gate_truncate(file, file->size); /* what was allocated ahead */
    correct(file);
    lock_take(&gate->lock);
    uint64_t freed = file->node->open == 1 && file->node->gone ? file->node->held : 0;
    gate->stats.giving += freed;
    lock_drop(&gate->lock);
    file_close(file->fd);
    lock_take(&gate->lock);
    gate->stats.giving -= freed;
    if (gate->log == file) {
        gate->log = NULL;
        gate->stats.log_room = 0;
    }
    if (--file->node->open == 0) {
        if (file->node->class == GATE_COMPACTION)
            gate->stats.building -= file->node->held;
        if (file->node->gone)
            drop(gate, file->node);
    }
    lock_drop(&gate->lock);
    mem_free(file);
}

int gate_fd(const struct gate_file *file)
{
    return file->fd;
}

const char *gate_path(const struct gate_file *file)
{
    return file->node->path;
}

uint64_t gate_allocated(const struct gate_file *file)
{
    lock_take(&file->gate->lock);
    uint64_t held = file->node->held;
    lock_drop(&file->gate->lock);
    return held;
}

bool gate_poisoned(const struct gate_file *file)
{
    return RELAXED_LOAD(&file->poisoned);
}

bool gate_displaced(const struct gate_file *file)
{
    struct file_info here, there;
    if (file_info_fd(file->fd, &here) != 0)
        return false;
    int result = file_info_path(file->node->path, &there);
    if (result == -ENOENT)
        return true;
    return result == 0 && (here.inode != there.inode || here.device != there.device);
}

/* A write of the log may hang as a sync may: the guard sees since when. */
static void log_write_begins(const struct gate_file *file)
{
    if (file->class == GATE_LOG || file->class == GATE_SHRINK)
        RELAXED_STORE(&file->gate->log_write_began_ms, clock_mono_ms());
}

static void log_write_ended(const struct gate_file *file)
{
    if (file->class == GATE_LOG || file->class == GATE_SHRINK)
        RELAXED_STORE(&file->gate->log_write_began_ms, 0);
}

/* Allocates the log ahead of its end when half a step or less is left. Its failure is the early
 * warning: no record has met it yet. */
static void extend(struct gate_file *file)
{
    struct gate *gate = file->gate;
    if (file->class != GATE_LOG)
        return;
    lock_take(&gate->lock);
    uint64_t step = gate->stats.can_allocate ? gate->limits.log_step : 0;
    lock_drop(&gate->lock);
    uint64_t room = minus(file->alloc_end, file->size);
    if (step == 0 || room > step / 2)
        return;
    log_write_begins(file);
    int result = gate_allocate(file, file->size, step);
    log_write_ended(file);
    if (result == 0 && gate->hooks.room)
        gate->hooks.room(gate->hooks.ctx);
}

int gate_write(struct gate_file *file, const void *data, size_t len, uint64_t offset,
               size_t *written)
{
    struct gate *gate = file->gate;
    uint64_t end = offset + len, need = minus(round_up(end), file->alloc_end);
    size_t done = 0;
    if (written)
        *written = 0;
    int result = reserve(gate, file->node, file->class, need);
    if (result != 0) {
        note_log_state(file, result);
        return result;
    }
    ask(gate, need);
    log_write_begins(file);
    result = file_write_at(file->fd, data, len, offset, &done);
    if (released(gate, file->class, result)) {
        size_t more = 0;
        result =
            file_write_at(file->fd, (const char *)data + done, len - done, offset + done, &more);
        done += more;
    }
    log_write_ended(file);
    RELAXED_STORE(&file->size, MAX_OF(file->size, offset + done));
    RELAXED_STORE(&file->alloc_end, MAX_OF(file->alloc_end, done ? round_up(offset + done) : 0));
    if (result == 0)
        settle(gate, file->node, need);
    else
        undo(file, need, 0);
    lock_take(&gate->lock);
    gate->stats.class[file->class].writes++;
    gate->stats.class[file->class].written_bytes += done;
    note_room(file);
    lock_drop(&gate->lock);
    if (written)
        *written = done;
    if (result != 0) {
        (void)failed(gate, FILE_OP_WRITE, file->class, file->node->path, result);
        note_log_state(file, result);
        return result;
    }
    note_log_state(file, 0);
    extend(file);
    return 0;
}

int gate_sync(struct gate_file *file)
{
    struct gate *gate = file->gate;
    enum gate_class class = file->class;
    if (gate->hooks.sync_begin)
        gate->hooks.sync_begin(gate->hooks.ctx, class);
    int result = file_sync(file->fd);
    if (result != 0 && (class == GATE_LOG || class == GATE_SHRINK || class == GATE_COMPACTION))
        RELAXED_STORE(&file->poisoned, true);
    if (gate->hooks.sync_end)
        gate->hooks.sync_end(gate->hooks.ctx, class, -result);
    correct(file);
    lock_take(&gate->lock);
    gate->stats.class[class].syncs++;
    lock_drop(&gate->lock);
    return result ? failed(gate, FILE_OP_SYNC, class, file->node->path, result) : 0;
}

int gate_allocate(struct gate_file *file, uint64_t offset, uint64_t len)
{
    struct gate *gate = file->gate;
    uint64_t end = round_up(offset + len), need = minus(end, file->alloc_end);
    if (need == 0)
        return 0;
    int result = reserve(gate, file->node, file->class, need);
    if (result != 0)
        return result;
    uint64_t piece = MAX_OF(PIECE, round_up(need / PIECES)), left = need;
    while (left && result == 0) {
        piece = MIN_OF(piece, left);
        ask(gate, piece);
        result = file_allocate(file->fd, end - left, piece, true);
        if (result == 0) {
            settle(gate, file->node, piece);
            left -= piece;
        }
    }
    if (result == 0) {
        RELAXED_STORE(&file->alloc_end, end);
        lock_take(&gate->lock);
        note_room(file);
        lock_drop(&gate->lock);
        return 0;
    }
    /* A part may have been allocated: given back, unless that would give back room that we had. */
    if (result != -EOPNOTSUPP && file->alloc_end <= round_up(file->size))
        (void)!file_truncate(file->fd, file->size);
    undo(file, piece, left - piece);
    if (result == -EOPNOTSUPP || result == -ENOSYS) {
        lock_take(&gate->lock);
        gate->stats.can_allocate = false;
        lock_drop(&gate->lock);
        return 0;
    }
    return failed(gate, FILE_OP_ALLOCATE, file->class, file->node->path, result);
}

/* Blocks that were about to be given back are, or are not. */
static void given_or_not(struct gate *gate, uint64_t bytes)
{
    lock_take(&gate->lock);
    gate->stats.giving -= bytes;
    lock_drop(&gate->lock);
}

int gate_truncate(struct gate_file *file, uint64_t size)
{
    struct gate *gate = file->gate;
    lock_take(&gate->lock);
    uint64_t given = minus(file->node->held, round_up(size));
    gate->stats.giving += given;
    lock_drop(&gate->lock);
    int result = file_truncate(file->fd, size);
    if (result == 0) {
        file->size = size;
        file->alloc_end = MIN_OF(file->alloc_end, round_up(size));
        correct(file);
    }
    given_or_not(gate, given);
    return result ? failed(gate, FILE_OP_TRUNCATE, file->class, file->node->path, result) : 0;
}

/* ---- names ---- */

/* A name is about to go, and its blocks with it. */
static uint64_t going(struct gate *gate, const char *path)
{
    lock_take(&gate->lock);
    const struct node *node = find(gate, path);
    uint64_t bytes = node && !node->open ? node->held : 0;
    gate->stats.giving += bytes;
    lock_drop(&gate->lock);
    return bytes;
}

static enum gate_class class_of(struct gate *gate, const char *path)
{
    lock_take(&gate->lock);
    struct node *node = find(gate, path);
    enum gate_class class = node ? node->class : GATE_METADATA;
    lock_drop(&gate->lock);
    return class;
}

static int refusal(struct gate *gate)
{
    lock_take(&gate->lock);
    int refuse = gate->limits.refuse;
    lock_drop(&gate->lock);
    return -refuse;
}

int gate_rename(struct gate *gate, const char *from, const char *to)
{
    int result = refusal(gate);
    if (result != 0)
        return result;
    uint64_t replaces = going(gate, to);
    result = file_rename(from, to);
    if (released(gate, GATE_METADATA, result))
        result = file_rename(from, to);
    if (result != 0) {
        given_or_not(gate, replaces);
        return failed(gate, FILE_OP_RENAME, class_of(gate, from), from, result);
    }
    lock_take(&gate->lock);
    gate->stats.giving -= replaces;
    struct node *moved = find(gate, from), *replaced = find(gate, to);
    if (replaced && replaced != moved)
        unname(gate, replaced);
    if (moved && moved != replaced) {
        mem_free(moved->path);
        moved->path = mem_strdup(to);
    }
    lock_drop(&gate->lock);
    if (!moved)
        gate_adopt(gate, to, GATE_METADATA);
    return 0;
}

int gate_link(struct gate *gate, const char *from, const char *to)
{
    int result = refusal(gate);
    if (result != 0)
        return result;
    result = file_link(from, to);
    if (result != 0)
        return failed(gate, FILE_OP_LINK, class_of(gate, from), from, result);
    lock_take(&gate->lock);
    struct node *first = find(gate, from);
    struct node *second = find_or_add(gate, to, GATE_SNAPSHOT);
    if (first && first->inode) {
        second->alias = true;
        second->inode = first->inode;
        second->device = first->device;
    }
    lock_drop(&gate->lock);
    if (!first || !first->inode)
        gate_adopt(gate, to, GATE_SNAPSHOT);
    return 0;
}

int gate_remove(struct gate *gate, const char *path)
{
    uint64_t bytes = going(gate, path);
    int result = file_remove(path);
    if (result != 0 && result != -ENOENT) {
        given_or_not(gate, bytes);
        return failed(gate, FILE_OP_REMOVE, class_of(gate, path), path, result);
    }
    lock_take(&gate->lock);
    gate->stats.giving -= bytes;
    struct node *node = find(gate, path);
    if (node)
        unname(gate, node);
    lock_drop(&gate->lock);
    return 0;
}

int gate_sync_dir(struct gate *gate, const char *dir)
{
    int result = file_sync_dir(dir);
    return result ? failed(gate, FILE_OP_SYNC_DIR, GATE_METADATA, dir, result) : 0;
}

int gate_mkdir(struct gate *gate, const char *dir)
{
    int result = refusal(gate);
    if (result != 0)
        return result;
    result = file_mkdir(dir);
    if (released(gate, GATE_METADATA, result))
        result = file_mkdir(dir);
    return result ? failed(gate, FILE_OP_MKDIR, GATE_METADATA, dir, result) : 0;
}

int gate_replace(struct gate *gate, const char *path, const void *data, size_t len,
                 enum gate_class class)
{
    lock_take(&gate->lock);
    int result = admit(gate, class, round_up(len));
    gate->stats.class[class].writes++;
    gate->stats.class[class].refused += result != 0;
    lock_drop(&gate->lock);
    if (result != 0)
        return result;
    result = file_replace(path, data, len);
    if (released(gate, class, result))
        result = file_replace(path, data, len);
    if (result != 0)
        return failed(gate, FILE_OP_WRITE, class, path, result);
    lock_take(&gate->lock);
    gate->stats.class[class].written_bytes += len;
    gate->stats.class[class].syncs++;
    lock_drop(&gate->lock);
    gate_adopt(gate, path, class);
    return 0;
}

/* ---- accounting ---- */

void gate_adopt(struct gate *gate, const char *path, enum gate_class class)
{
    struct file_info info;
    int result = file_info_path(path, &info);
    lock_take(&gate->lock);
    struct node *node = find(gate, path);
    if (result == 0 && !info.is_dir) {
        if (!node)
            node = find_or_add(gate, path, class);
        for (struct node *other = gate->nodes; other && !node->open; other = other->next)
            if (other != node && other->inode == info.inode && other->device == info.device &&
                !other->alias)
                node->alias = true;
        if (!node->open) {
            node->inode = info.inode;
            node->device = info.device;
            hold_found(gate, node, node->alias ? 0 : info.allocated);
        }
    } else if (result == -ENOENT && node && !node->open) {
        unname(gate, node);
    }
    lock_drop(&gate->lock);
}

struct scan {
    struct gate *gate;
    const char *dir, *glob;
    enum gate_class class;
};

static int scan_one(const char *name, void *ctx)
{
    const struct scan *scan = ctx;
    struct bytes path = {0};
    if (!glob_match(slice_str(scan->glob), slice_str(name)))
        return 0;
    bytes_printf(&path, "%s/%s", scan->dir, name);
    gate_adopt(scan->gate, bytes_str(&path), scan->class);
    bytes_free(&path);
    return 0;
}

int gate_scan(struct gate *gate, const char *dir, const char *glob, enum gate_class class)
{
    struct scan scan = {gate, dir, glob, class};
    int result = file_list(dir, scan_one, &scan);
    return result == -ENOENT ? 0 : result;
}

void gate_refresh(struct gate *gate)
{
    size_t count = 0, at = 0;
    lock_take(&gate->lock);
    for (struct node *node = gate->nodes; node; node = node->next)
        count += !node->open;
    struct closed {
        char *path;
        enum gate_class class;
    } *closed = mem_alloc((count + 1) * sizeof(*closed));
    for (struct node *node = gate->nodes; node; node = node->next)
        if (!node->open && at < count)
            closed[at++] = (struct closed){mem_strdup(node->path), node->class};
    lock_drop(&gate->lock);
    for (size_t i = 0; i < at; i++) {
        gate_adopt(gate, closed[i].path, closed[i].class);
        mem_free(closed[i].path);
    }
    mem_free(closed);
}

void gate_stats(struct gate *gate, struct gate_stats *out)
{
    lock_take(&gate->lock);
    *out = gate->stats;
    out->log_write_began_ms = RELAXED_LOAD(&gate->log_write_began_ms);
    lock_drop(&gate->lock);
}

uint64_t gate_own_bytes(struct gate *gate)
{
    lock_take(&gate->lock);
    uint64_t own = gate->stats.own_bytes;
    lock_drop(&gate->lock);
    return own;
}

uint64_t gate_free_bytes(struct gate *gate)
{
    lock_take(&gate->lock);
    uint64_t left = free_now(gate);
    lock_drop(&gate->lock);
    return left;
}
