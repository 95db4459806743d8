/* lzf.h - LZF, the fast compression that RDB files use (source: liblzf, "lzf.h").
 *
 * What one version packs every other unpacks. Any thread; no state is kept.
 */
#ifndef SPILLWAY_BASE_LZF_H
#define SPILLWAY_BASE_LZF_H

#include "base/bytes.h"

#define LZF_EXPAND_MAX 264 /* bytes one packed byte can stand for, at most */

/* Packs into `room` bytes elsewhere; how many it took, 0: more than there are, or `plain` is empty
 * or larger than UINT32_MAX. Some 200 KiB of stack; a few ns per byte. */
size_t lzf_pack(struct slice plain, void *out, size_t room) NODISCARD;
/* Unpacks into exactly `len` bytes elsewhere. False: these are not `len` bytes packed, and `out`
 * may hold anything. `packed` may be anything. */
bool lzf_unpack(struct slice packed, void *out, size_t len) NODISCARD;

#endif
