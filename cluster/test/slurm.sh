#!/bin/bash
# Sixteen shards under a real Slurm of four nodes: one task is killed, one node's tasks are preempted, one node goes down, and
# what is missing at the end is drawn by an array of seven shards. Images and statistics have the bits of one process.
# Usage: slurm.sh [FOLDER]; the program is $HALFTONE or the release build's.
set -u
here=$(cd "$(dirname "$0")" && pwd)
halftone=${HALFTONE:-$here/../../.build/release/halftone}
source "$here/slurm-cluster.sh"

missing=$(cluster_missing)
if [ -n "$missing" ]; then
  echo "SKIPPED: the Slurm test needs $missing (Debian: slurmctld slurmd slurm-client munge)" >&2
  exit 0
fi

folder=${1:-$(mktemp -d)}
trap 'cluster_stop; [ -n "${keep:-}" ] || rm -rf "$folder"' EXIT
fail() {
  echo "FAILED: $*; see $folder" >&2
  keep=1
  exit 1
}
say() { echo "$(date +%T) $*"; }

count=1040
mkdir -p "$folder" && cd "$folder" || exit 1

# Slurm takes up to 40 s until a task is preempted: 10 of grace, and a look at grace every 30. Where a run is over too soon for that, it gets more steps.
for sampler in ddim-10 ddim-50; do
  say "one process draws $count images by $sampler"
  began=$SECONDS
  "$halftone" sample fashion-mnist-ddpm --sampler $sampler --count $count --out one --quiet >/dev/null || fail "the local run"
  ((SECONDS - began < 60)) && [ $sampler = ddim-10 ] || break
  rm -rf one
done
model=(fashion-mnist-ddpm --sampler $sampler --batch 8 --threads 1)
"$halftone" stats one --out one.npz --quiet >/dev/null || fail "the local statistics"
digest() { "$halftone" gather "$1" --count $count --quiet | grep '^digest: '; }
expected=$(digest one) || fail "gathering the local run"

cluster_start "$folder/slurm" 4 || fail "Slurm did not start"
job() { "$halftone" cluster slurm --count $count --shards "$1" --out run --file "$2" --time 30m --memory 500 --submit --quiet -- "${model[@]}" | awk '/^Submitted batch job/ {print $4}'; }
done_with() { [ -z "$(squeue -h -j "$1" 2>/dev/null)" ]; }
images() { find run/images -name '*.png' 2>/dev/null | wc -l; }
drawn() { [ "$(images)" -ge "$1" ]; }
restarts() { scontrol show job "$1" -o | grep -o 'Restarts=[1-9][0-9]*' | wc -l; }

array=$(job 16 sixteen.sh)
[ -n "$array" ] || fail "no array was submitted"
say "array $array: 16 shards"
cluster_wait 120 "first images" drawn 40 || fail "no images"

# The first shard of any node that is caught at work.
killed=""
for node in node3 node4 node1 node2; do
  for process in $(cluster_processes $node); do
    [ "$(cat "/proc/$process/comm" 2>/dev/null)" = "$(basename "$halftone")" ] || continue
    task=$(grep -zs '^SLURM_ARRAY_TASK_ID=' "/proc/$process/environ" | tr -d '\0')
    kill -9 "$process" && killed=${task#*=} && break 2
  done
done
[ -n "$killed" ] || fail "no shard is at work"
say "shard $killed is killed"

say "node1 is taken by a job of higher priority"
sbatch --quiet --partition=high --nodelist=node1 --exclusive --output=/dev/null --wrap 'sleep 5'
restarted() { [ "$(restarts "$array")" -ge "$1" ]; }
cluster_wait 90 "preempted task" restarted 1 || fail "no task was preempted"
preempted=$(restarts "$array")

say "node2 goes down"
cluster_node_kill node2
cluster_wait 90 "node down" sh -c "sinfo -h -n node2 -p low -o %T | grep -q down" || fail "node2 is not seen as down"
cluster_node_up node2
cluster_wait 600 "end of the array" done_with "$array" || fail "array $array does not end"
restarted 2 || fail "no task of the lost node was started again"
say "array $array is over; $(images) images, $(restarts "$array") tasks were started again"

if refusal=$("$halftone" gather run --count $count --quiet 2>&1); then fail "gathered without the images of shard $killed"; fi
echo "$refusal" | sed 's/^/    /'
echo "$refusal" | grep -q 'missing: ' || fail "the refusal does not name what is missing"

again=$(job 7 seven.sh)
say "array $again: 7 shards draw what is missing"
cluster_wait 600 "end of the second array" done_with "$again" || fail "array $again does not end"

say "features in 16 shards"
features=$(sbatch --parsable --array=0-15 --output=features-%a.log --wrap "$halftone stats run --out run.npz --indices 0-$((count - 1)) --shard auto/16 --threads 1 --quiet")
cluster_wait 600 "end of the features" done_with "$features" || fail "array $features does not end"
[ "$(ls run.npz.features | wc -l)" = $(((count + 63) / 64)) ] || fail "not all features are there"

"$halftone" gather run --count $count --stats run.npz --quiet >gathered.txt || fail "gathering"
found=$(grep '^digest: ' gathered.txt)
[ "$found" = "$expected" ] || fail "images differ from one process's: $found, expected $expected"
cmp one.npz run.npz || fail "statistics differ from one process's"
say "PASSED: $count images of 16 and 7 shards and their statistics have the bits of one process; $preempted preempted"
