#define _GNU_SOURCE
#include "CKernels.h"
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

int ht_processor_count(void) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) return CPU_COUNT(&allowed);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

#if defined(__x86_64__)
int ht_has_avx2(void) { return __builtin_cpu_supports("x86-64-v3"); }

int ht_has_avxvnni(void) {
#if defined(HT_VNNI_EVEX)
  return ht_has_avx512vnni();
#else
  return ht_has_avx2() && __builtin_cpu_supports("avxvnni");
#endif
}

int ht_has_avx512vnni(void) {
  return ht_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

int ht_has_avx512bf16(void) { return ht_has_avx512vnni() && __builtin_cpu_supports("avx512bf16"); }

// Linux keeps tiles of those processes alone that asked for them: ARCH_REQ_XCOMP_PERM for the state of number 18.
int ht_has_amx(void) {
  return ht_has_avx512bf16() && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8") &&
         __builtin_cpu_supports("amx-bf16") && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}
#else
int ht_has_avx2(void) { return 0; }
int ht_has_avxvnni(void) { return 0; }
int ht_has_avx512vnni(void) { return 0; }
int ht_has_avx512bf16(void) { return 0; }
int ht_has_amx(void) { return 0; }
#endif
