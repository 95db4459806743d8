/* volume.h - the two threads that ask the disk on the guard's behalf; either may hang there.
 *
 * The sampler does nothing but statvfs (and a stat of the directory, for its device). The
 * handyman does what writes: probes, ballast, the refresh of own bytes. The guard thread reads
 * what they left and notices when a sample grows old.
 */
#ifndef SPILLWAY_GUARD_VOLUME_H
#define SPILLWAY_GUARD_VOLUME_H

#include "guard/ballast.h"
#include "guard/guard.h"

#define VOLUME_PROBE_NAME  ".spillway.probe"
#define VOLUME_PROBE_BYTES 16384

struct volume_probe {
    uint64_t began_ms;    /* monotonic, of the last finished probe; 0 = none yet */
    uint64_t ok_began_ms; /* of the last good one; 0 = none yet */
    int64_t at_ms;        /* wall clock of the last */
    int error;            /* positive errno of the last, 0 = good */
    uint64_t us;          /* how long it took */
};

/* What the handyman should do; told anew every step of the guard. */
struct volume_chores {
    bool probe;             /* once */
    bool release;           /* the ballast, once */
    bool tend;              /* look after the ballast; false: leave it as it is */
    uint64_t ballast_bytes; /* wanted size */
    bool ballast_create;    /* there is room for it */
};

struct volume;

/* dir: where to sample and to probe; append_dirname, dump_name: for the first count of own files
 * (may be ""). sampled(ctx) is called on either thread when there is something new. */
struct volume *volume_create(struct gate *gate, struct ballast *ballast, const char *dir,
                             const char *append_dirname, const char *dump_name,
                             void (*sampled)(void *ctx), void *ctx);
void volume_start(struct volume *v);
/* False: a thread hangs in the disk and was left behind; v, gate and ballast must stay for ever. */
bool volume_stop(struct volume *v, unsigned timeout_ms);
void volume_destroy(struct volume *v); /* stopped, and stop said true */
void volume_set_dir(struct volume *v, const char *dir);
void volume_set_interval(struct volume *v, unsigned ms);
/* Samples now, in the calling thread: for tests, and before the threads run. */
void volume_sample_now(struct volume *v);
void volume_do_chores(struct volume *v, const struct volume_chores *chores);
/* How many of the gate's taken_bytes an answer of the file system counts that was given between two
 * readings of the stats: the returned number at least, and *doubt bytes more at most. */
int64_t volume_taken(const struct gate_stats *before, const struct gate_stats *after,
                     uint64_t *doubt);
/* The last good sample; sample->error is that of the last try. */
void volume_read(struct volume *v, struct guard_sample *sample, struct volume_probe *probe);

#endif
