// Process-level calls that Swift cannot import directly (variadic or macro-only).
#pragma once
#include <stdint.h>

// Confines the calling process for reading one untrusted file: it dies with its parent, leaves signals meant for a whole
// group of processes to the parent, writes no files and no core, opens at most `descriptors` files, and may use
// `memory` bytes of address space beyond what it has now, and `seconds` of processor time. 0, or -1 with errno set.
int ht_confine(uint64_t memory, uint64_t seconds, uint64_t descriptors);

// Lets all threads share one heap. By itself the C library reserves 64 MB of address space for each thread's own.
void ht_share_heap(void);

// Gives memory that was freed back to the system. By itself the C library keeps most of it for what comes next.
void ht_return_memory(void);
