#!/bin/bash
# A Slurm of its own on one machine: a controller and as many node daemons as wanted, on loopback, with keys, state and ports
# of their own. Needs Debian's slurmctld, slurmd, slurm-client and munge, and root.
#   source slurm-cluster.sh; cluster_start FOLDER NODES; …; cluster_stop
set -u

cluster_missing() {
  local program missing=""
  for program in munged slurmctld slurmd sbatch scontrol squeue; do
    command -v $program >/dev/null || missing+=" $program"
  done
  [ "$(id -u)" = 0 ] || missing+=" root"
  echo "${missing# }"
}

# cluster_start FOLDER NODES
cluster_start() {
  cluster=$1
  cluster_nodes=$2
  cluster_pids=()
  local base=$((20000 + RANDOM % 20000))
  mkdir -p "$cluster"/{state,log}
  chmod 700 "$cluster"
  dd if=/dev/urandom of="$cluster/munge.key" bs=1024 count=1 status=none
  chmod 400 "$cluster/munge.key"
  export SLURM_CONF=$cluster/slurm.conf
  # A requeued task may start again when its credential has run out; two minutes, unless said.
  cat >"$SLURM_CONF" <<CONF
ClusterName=halftone
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$base
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$cluster/munge.socket,cred_expire=5
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool-%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd-%n.pid
SlurmctldLogFile=$cluster/log/slurmctld.log
SlurmdLogFile=$cluster/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=10
KillWait=10
InactiveLimit=0
SchedulerParameters=batch_sched_delay=1,sched_interval=5
NodeName=node[1-$cluster_nodes] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[$((base + 1))-$((base + cluster_nodes))] CPUs=2 RealMemory=8000
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=10 PreemptMode=REQUEUE
PartitionName=high Nodes=ALL MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
CONF
  munged --foreground --force --key-file="$cluster/munge.key" --socket="$cluster/munge.socket" \
    --pid-file="$cluster/munged.pid" --log-file="$cluster/log/munged.log" --seed-file="$cluster/munged.seed" \
    2>>"$cluster/log/munged.err" &
  cluster_pids+=($!)
  cluster_wait 10 "munged's socket" test -S "$cluster/munge.socket"
  slurmctld -D -c -f "$SLURM_CONF" 2>>"$cluster/log/slurmctld.err" &
  cluster_pids+=($!)
  local node
  for ((node = 1; node <= cluster_nodes; node++)); do cluster_node_up "node$node"; done
  cluster_wait 60 "all nodes" cluster_all_idle
}

# The daemon of one node.
cluster_node_up() {
  slurmd -D -f "$SLURM_CONF" -N "$1" 2>>"$cluster/log/$1.err" &
  echo $! >"$cluster/$1.daemon"
  cluster_pids+=($!)
}

# A node that is gone at once, with everything that runs on it: its daemon, what it started, and the jobs' processes.
cluster_node_kill() {
  local process parent
  disown "$(cat "$cluster/$1.daemon")" 2>/dev/null
  kill -9 "$(cat "$cluster/$1.daemon")"
  for process in $(cluster_processes "$1"); do
    parent=$(awk '/^PPid:/ {print $2}' "/proc/$process/status" 2>/dev/null)
    grep -qs slurmstepd "/proc/$parent/comm" && kill -9 "$parent" 2>/dev/null
    kill -9 "$process" 2>/dev/null
  done
  return 0
}

# Processes of jobs of this cluster on a node.
cluster_processes() {
  local environment
  for environment in $(grep -lzsx "SLURMD_NODENAME=$1" /proc/[0-9]*/environ); do
    grep -qzsx "SLURM_CONF=$SLURM_CONF" "$environment" || continue
    environment=${environment#/proc/}
    echo "${environment%/environ}"
  done
}

cluster_all_idle() { [ "$(sinfo -h -N -p low -o '%T' | grep -c '^idle$')" = "$cluster_nodes" ]; }

# cluster_wait SECONDS WHAT COMMAND…
cluster_wait() {
  local limit=$1 what=$2 waited=0
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((waited >= limit * 5)); then
      echo "no $what after $limit s" >&2
      return 1
    fi
    sleep 0.2
    ((waited += 1))
  done
}

cluster_stop() {
  local pid
  scancel --quiet --state=PENDING --state=RUNNING --user=root 2>/dev/null
  for ((pid = ${#cluster_pids[@]} - 1; pid >= 0; pid--)); do kill "${cluster_pids[pid]}" 2>/dev/null; done
  sleep 1
  for ((pid = ${#cluster_pids[@]} - 1; pid >= 0; pid--)); do kill -9 "${cluster_pids[pid]}" 2>/dev/null; done
  wait 2>/dev/null
}
