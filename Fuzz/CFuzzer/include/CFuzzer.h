#ifndef HALFTONE_CFUZZER_H
#define HALFTONE_CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's driver as a library (compiler-rt, fuzzer_no_main): it calls `callback` with every input. */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
