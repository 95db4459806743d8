/* plog.h - the propagation log: the one total order of effects, as RESP commands, in memory.
 *
 * A writer appends while it holds the shards it changed, so the log's order is the conflict order.
 * The AOF writer, the replication backlog and each replica are readers: each has a position, and
 * memory behind the slowest is given back. Offsets count bytes and never go back. A record names
 * its database; the log itself inserts SELECT where the database changes. Appending is a short
 * critical section that copies (lock order: shards < plog).
 */
#ifndef SPILLWAY_PLOG_PLOG_H
#define SPILLWAY_PLOG_PLOG_H

#include "base/bytes.h"

struct plog;
struct plog_reader;

/* What a record does to disk use; the guard accounts them apart. */
enum plog_class { PLOG_GROW, PLOG_SHRINK, PLOG_CLASS_COUNT };

/* The part that plog_is_active reads: first member of struct plog. */
struct plog_shared {
    uint32_t readers; /* atomic */
};

struct plog *plog_new(uint64_t first_offset);
void plog_free(struct plog *log);

/* True if somebody reads the log; otherwise appends are dropped and need not be prepared. */
ALWAYS_INLINE bool plog_is_active(const struct plog *log)
{
    return RELAXED_LOAD(&((const struct plog_shared *)(const void *)log)->readers) != 0;
}

/* Appends one record (one RESP command, or a whole MULTI ... EXEC group); returns the offset behind
 * it. The shards of its keys are held. Without readers: returns plog_end and drops it. */
uint64_t plog_append(struct plog *log, uint32_t db, struct slice record, enum plog_class class);
uint64_t plog_end(const struct plog *log); /* any thread */
uint64_t plog_appended(const struct plog *log,
                       enum plog_class class); /* bytes so far; any thread */
size_t plog_memory(const struct plog *log);    /* bytes held for readers */
/* HOLD_ALL: the offset of a cut. The next record brings its own SELECT, so a file may begin
 * here. */
uint64_t plog_cut(struct plog *log);

/* A reader at the present end; the log is active from here on. HOLD_ALL, so that no writer is
 * between its change and its append; the first record brings its own SELECT. */
struct plog_reader *plog_reader_open(struct plog *log);
void plog_reader_close(struct plog_reader *reader);
/* Contiguous unread bytes (empty at the end); stable until the reader advances. One thread per
 * reader. */
struct slice plog_peek(struct plog_reader *reader);
void plog_advance(struct plog_reader *reader, size_t len);
uint64_t plog_reader_at(const struct plog_reader *reader);
/* Gives up all unread bytes and goes to the end; returns how many. The gap is the caller's to
 * note. */
uint64_t plog_skip_to_end(struct plog_reader *reader);
/* Waits until the end is behind `offset`, a kick, or the time is over. Persistence threads only.
 * True: there is something behind offset. */
bool plog_wait(struct plog *log, uint64_t offset, uint32_t timeout_ms);
void plog_kick(struct plog *log); /* wakes waiters */

#endif
