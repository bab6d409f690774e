// Which kernels OpenBLAS computes with.
#pragma once

// The kernels that OpenBLAS took for this processor because it does not know it, and that gave way to better ones before
// the program began: "Prescott". NULL where its own choice, or the user's, stands.
const char *ht_blas_replaced(void);

// The kernels that suit a processor better than `chosen`: "SkylakeX" where it has the AVX-512 that they use, "Haswell"
// where it has AVX2 and FMA. NULL where `chosen` uses as much, is not known here, or there is nothing better.
const char *ht_blas_better(const char *chosen, int has_avx2, int has_avx512);

// The same for this processor.
const char *ht_blas_better_here(const char *chosen);
