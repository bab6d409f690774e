/// Shards on one machine, some at a time, each started again while it says that it can go on. They are told their number by the variable
/// of Kubernetes' indexed jobs, so this runs what a manifest runs.
enum LocalScript {
  static func text(of job: ClusterJob) -> String {
    """
    #!/bin/bash
    \(job.summary.map { "# \($0)" }.joined(separator: "\n"))
    # Shards to run: all, or those named on the command line: bash THIS_SCRIPT 3 7

    shards=("$@")
    if ((${#shards[@]} == 0)); then shards=($(seq 0 \(job.shards - 1))); fi
    parallel=\(job.parallel ?? 1)

    \(WorkerFunction.text)

    # A shard, until it is done or fails.
    shard() {
      export JOB_COMPLETION_INDEX=$1
      unset SLURM_ARRAY_TASK_ID OMPI_COMM_WORLD_RANK
      while :; do
        work \(shellCommand(job.shardCommand))
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

    """
  }
}
