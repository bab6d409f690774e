// OpenBLAS picks its kernels by the model number of the processor when it is loaded, and takes the oldest ones for a model
// that is newer than the library: a third to a fifth of the speed. What a processor can do is asked here instead.
//
// OPENBLAS_CORETYPE names the kernels, and is read when they are chosen. They are chosen once more by a constructor, before
// main and before any thread of the program: no call of the library can be under way. Builds of OpenBLAS for one kind of
// processor lack these functions, and are left alone.
#include "CLinearAlgebra.h"
#include <stdlib.h>
#include <string.h>

// Kernels of x86 processors without AVX2, by OpenBLAS's names. Those of AMD's last ones before Zen are no fallback of unknown
// processors and stay.
static const char *const old_kernels[] = {
    "Katmai",  "Coppermine", "Northwood", "Prescott",     "Banias",    "Atom", "Core2",      "Penryn", "Dunnington",
    "Nehalem", "Athlon",     "Opteron",   "Opteron_SSE3", "Barcelona", "Nano", "Sandybridge",
};

const char *ht_blas_better(const char *chosen, int has_avx2, int has_avx512) {
  if (!has_avx2) return NULL;
  for (size_t i = 0; i < sizeof old_kernels / sizeof *old_kernels; i++)
    if (strcmp(chosen, old_kernels[i]) == 0) return has_avx512 ? "SkylakeX" : "Haswell";
  return NULL;
}

#if defined(__x86_64__)
const char *ht_blas_better_here(const char *chosen) {
  __builtin_cpu_init();
  int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
  return ht_blas_better(chosen, __builtin_cpu_supports("x86-64-v3"), avx512);
}
#else
const char *ht_blas_better_here(const char *chosen) { return NULL; }
#endif

static char replaced[32];

const char *ht_blas_replaced(void) { return replaced[0] ? replaced : NULL; }

extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));
extern char *gotoblas_corename(void) __attribute__((weak));

__attribute__((constructor)) static void choose_kernels(void) {
  static const char variable[] = "OPENBLAS_CORETYPE";
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit || !gotoblas_corename || getenv(variable)) return;
  // Where OpenBLAS is linked into the program, its own constructor may come later; it leaves alone what is chosen.
  gotoblas_dynamic_init();
  char chosen[sizeof replaced] = "";
  strncpy(chosen, gotoblas_corename(), sizeof chosen - 1);
  const char *better = ht_blas_better_here(chosen);
  if (!better || setenv(variable, better, 1) != 0) return;
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  // Programs that this one starts choose for themselves.
  unsetenv(variable);
  // A library without the kernels that were asked for falls back to what it had.
  if (strcmp(chosen, gotoblas_corename()) != 0) strcpy(replaced, chosen);
}
