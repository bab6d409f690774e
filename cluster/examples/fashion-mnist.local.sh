#!/bin/bash
# 50,000 images in 64 shards of at most 832 images.
# Limits as given; nothing was measured.
# Shards to run: all, or those named on the command line: bash THIS_SCRIPT 3 7

shards=("$@")
if ((${#shards[@]} == 0)); then shards=($(seq 0 63)); fi
parallel=1

# Runs a command; SIGUSR1 and SIGTERM are its own: it ends at the next safe point. Its status is in $status.
work() {
  "$@" &
  local worker=$!
  trap 'kill -USR1 $worker 2>/dev/null' USR1
  trap 'kill -TERM $worker 2>/dev/null' TERM INT
  while :; do
    wait $worker
    status=$?
    kill -0 $worker 2>/dev/null || break
  done
  trap - USR1 TERM INT
}

# A shard, until it is done or fails.
shard() {
  export JOB_COMPLETION_INDEX=$1
  unset SLURM_ARRAY_TASK_ID OMPI_COMM_WORLD_RANK
  while :; do
    work halftone sample fashion-mnist-ddpm --sampler ddim-50 --threads 2 --count 50000 --out run --quiet --shard auto/64
    [ $status -eq 75 ] || return $status
    sleep 1
  done
}

failed=0 running=0
trap 'trap "" TERM INT; kill -TERM $(jobs -p) 2>/dev/null; wait; exit 143' TERM INT
for index in "${shards[@]}"; do
  if ((running >= parallel)); then
    wait -n || failed=1
    ((running -= 1))
  fi
  shard "$index" &
  ((running += 1))
done
while ((running > 0)); do
  wait -n || failed=1
  ((running -= 1))
done
exit $failed
