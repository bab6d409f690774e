#ifndef HALFTONE_CFUZZER_H
#define HALFTONE_CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's driver as a library (compiler-rt, fuzzer_no_main): it calls `callback` with every input. */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

/* Changes an input in place by libFuzzer's own changes; the result has at most `max_size` bytes. Returns its size. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#endif
