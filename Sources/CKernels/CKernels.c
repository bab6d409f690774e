#include "CKernels.h"

#if defined(__x86_64__)
int ht_has_avx2(void) { return __builtin_cpu_supports("x86-64-v3"); }

int ht_has_avx512vnni(void) {
  return ht_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#else
int ht_has_avx2(void) { return 0; }
int ht_has_avx512vnni(void) { return 0; }
#endif
