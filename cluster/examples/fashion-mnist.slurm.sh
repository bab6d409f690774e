#!/bin/bash
# 50,000 images in 64 shards of at most 832 images.
# Limits as given; nothing was measured.
#SBATCH --job-name=halftone-run
#SBATCH --array=0-63
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=512M
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=halftone-run-%a.log

# Tasks of the array are shards, counted from 0; what they find finished they keep, so they may be repeated at will:
#   sbatch --array=3,7 THIS_SCRIPT

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

work halftone sample fashion-mnist-ddpm --sampler ddim-50 --threads 2 --count 50000 --out run --quiet --shard auto/64
case $status in
  75 | 138 | 143)
    # Stopped at a safe point. What was cancelled stays cancelled.
    if ! scontrol show job "$SLURM_JOB_ID" | grep -q 'JobState=CANCELLED'; then
      scontrol requeue "$SLURM_JOB_ID"
    fi
    ;;
esac
exit $status
