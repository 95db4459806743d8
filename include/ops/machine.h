/* machine.h - what this process may use of the machine: CPUs and memory, the cgroup's limits
 * included. */
#ifndef SPILLWAY_OPS_MACHINE_H
#define SPILLWAY_OPS_MACHINE_H

#include "base/common.h"

/* CPUs to plan for: the affinity mask, and no more than the cgroup's CPU quota rounded up. At
 * least 1. Reads a few small files of the kernel's file systems: not on a hot path. */
unsigned machine_cpus(void);
/* Bytes of memory: the physical memory, or the cgroup's limit if that is less. */
uint64_t machine_memory(void);
uint64_t machine_memory_physical(void);

/* For tests: the same limits out of a tree that looks like /proc/self/cgroup and /sys/fs/cgroup.
 * UINT64_MAX = no limit; CPUs in thousandths. Versions 1 and 2; every ancestor counts. */
void machine_cgroup_limits(const char *proc_cgroup, const char *root, uint64_t *memory,
                           uint64_t *millicpus);

#endif
