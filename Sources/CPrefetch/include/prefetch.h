/* The one instruction of the engine's loop that Swift has no name for. */
#ifndef WEFT_PREFETCH_H
#define WEFT_PREFETCH_H

/* Asks for the cache line of an address that will soon be written, and does not wait for it.
 * The address may lie anywhere: nothing is read. */
static inline void weft_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

#endif
