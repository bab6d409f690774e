#include "CSystem.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int limit(int resource, uint64_t value) {
  struct rlimit now;
  if (getrlimit(resource, &now) != 0) return -1;
  if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max) value = now.rlim_max;
  struct rlimit wanted = {value, value};
  return setrlimit(resource, &wanted);
}

static uint64_t address_space(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%lu", &pages) != 1) pages = 0;
  fclose(file);
  return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int ht_confine(uint64_t memory, uint64_t seconds, uint64_t descriptors) {
  static const int left_to_the_parent[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
  for (unsigned i = 0; i < sizeof left_to_the_parent / sizeof *left_to_the_parent; i++)
    signal(left_to_the_parent[i], SIG_IGN);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return -1;
  if (limit(RLIMIT_AS, address_space() + memory) != 0) return -1;
  if (limit(RLIMIT_CPU, seconds) != 0) return -1;
  if (limit(RLIMIT_NOFILE, descriptors) != 0) return -1;
  if (limit(RLIMIT_FSIZE, 0) != 0) return -1;
  return limit(RLIMIT_CORE, 0);
}

void ht_share_heap(void) { mallopt(M_ARENA_MAX, 1); }

void ht_return_memory(void) { malloc_trim(0); }
