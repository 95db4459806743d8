/* state.h - what persist.c, the loader, the saver and INFO share. Private to this folder. */
#ifndef SPILLWAY_PERSIST_STATE_H
#define SPILLWAY_PERSIST_STATE_H

#include <pthread.h>
#include "persist/aof.h"
#include "persist/aof_dir.h"
#include "persist/aof_load.h"
#include "persist/persist.h"
#include "persist/snapshot.h"

/* One who waits for the end of a save, or of loading the log again. */
struct save_waiter {
    struct save_waiter *next;
    void (*done)(void *ctx, int error);
    void *ctx;
};

enum job { JOB_NONE, JOB_SAVE, JOB_REWRITE };

/* For INFO and for questions: atomic, each field by itself. Times: Unix seconds, -1 = never. */
struct persist_counters {
    uint32_t loading;
    int64_t load_began_s;
    uint64_t load_total, load_done; /* bytes */
    uint64_t load_keys, load_expired;
    uint32_t load_damaged; /* files at the start that were damaged, so that not all was loaded */

    int64_t lastsave_s, save_began_s, save_seconds;
    bool save_failed;
    uint64_t saves, save_peak;
    uint64_t changes_saved; /* value of changes() at the cut of the last good save */

    int64_t rewrite_began_s, rewrite_seconds;
    bool rewrite_failed;
    uint64_t rewrites, rewrite_failures, rewrite_peak; /* failures: in a row */
    uint64_t base_bytes;
    uint64_t increments_before, increments_from; /* increments = before + log offset - from */
    uint64_t cut_us, passes;
    uint64_t job_began_ms; /* monotonic */
};

struct persist {
    struct persist_parts parts; /* set once; strings owned */
    struct snapshot *snapshot;
    struct aof *aof;
    struct persist_counters c;
    uint32_t job; /* atomic: enum job that runs */

    pthread_mutex_t mutex;
    pthread_cond_t wake;                /* the saver, and who waits for it */
    struct persist_options options;     /* mutex; strings owned */
    int64_t key_load_delay;             /* atomic: options.key_load_delay */
    bool want_save, want_rewrite;       /* mutex to change, atomic to read */
    bool want_reload;                   /* the same */
    bool stop;                          /* mutex */
    struct save_waiter *waiters;        /* mutex */
    struct save_waiter *cut_waiters;    /* mutex: to be told when the next save has made its cut */
    struct save_waiter *reload_waiters; /* mutex */

    /* loading thread, then saver */
    struct aof_dir dir;
    bool dir_ready;     /* dir is initialised */
    bool log_on;        /* atomic to read */
    bool fresh_wanted;  /* a chain must be begun, and it has not failed yet */
    bool chain_loaded;  /* the manifest's files are the state in memory */
    char *torn;         /* name of the file whose tail is to be cut off, or NULL; owned */
    uint64_t torn_size; /* to so many bytes */
    uint64_t last_size; /* of the last increment */
    uint64_t save_changes_at_cut;
    uint64_t save_tried_ms;    /* monotonic: last save by a save point that failed */
    uint64_t rewrite_tried_ms; /* last rewrite that failed */
    bool skip_noted;
    uint64_t base_changes; /* changes() at the cut of the last base */

    pthread_t thread;
    bool started, saver_runs;
};

/* load.c */
void persist_open_dir(struct persist *p, const struct persist_options *options);
/* Opens the log behind what was loaded, or begins an empty chain. 0 or a negative errno. */
int persist_open_log(struct persist *p) NODISCARD;
/* The work of persist_reload_log, by the saver. */
int load_log_again(struct persist *p) NODISCARD;

/* saver.c */
void *saver_main(void *persist);
/* A save now, by the calling thread: the saver, or who has ended it. Gently: on a thread that steps
 * back where others want its processor. */
int saver_save(struct persist *p, bool gently);

/* persist.c: a copy of the options; strings are borrowed until the next persist_configure, so
 * only for the loading thread. saver: own copies, to be freed by options_free. */
void options_copy(const struct persist_options *from, struct persist_options *to);
void options_free(struct persist_options *options);
void persist_options_now(struct persist *p, struct persist_options *out); /* options_free it */

#endif
