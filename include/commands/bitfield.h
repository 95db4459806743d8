/* bitfield.h - the handlers of BITFIELD and BITFIELD_RO, for the rows of the bitmap family. */
#ifndef SPILLWAY_COMMANDS_BITFIELD_H
#define SPILLWAY_COMMANDS_BITFIELD_H

#include "engine/call.h"

void bitfield_command(struct call *call);
void bitfield_ro_command(struct call *call);

/* A bit offset at argument `at`; with `field_bits` above 0 also "#n", which is n * field_bits.
 * False after replying that it is none or lies behind proto-max-bulk-len. */
bool bitmap_read_offset(struct call *call, uint32_t at, unsigned field_bits, uint64_t *out);

/* The string under a key made long enough to hold bit `bit`: its bytes in *place. *grown: it was
 * not before. `entry` is what was found for the key. */
void bitmap_edit(struct call *call, const struct key *key, struct entry *entry, uint64_t bit,
                 unsigned char **place, bool *grown);

#endif
