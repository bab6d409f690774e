/// A job array of Slurm: one task a shard. A task that is told to stop (SIGUSR1 some time before the limit, SIGTERM
/// when it is preempted), and one that ends with 75, puts itself back into the queue; one that was cancelled does not. The number of shards stands in
/// the script, so that `sbatch --array=3,7` runs two of them.
enum SlurmScript {
  static func text(of job: ClusterJob) -> String {
    let limit = job.parallel.map { "%\($0)" } ?? ""
    let directives =
      [
        "--job-name=\(job.name)", "--array=0-\(job.shards - 1)\(limit)", "--ntasks=1", "--cpus-per-task=\(job.threads)",
        "--mem=\(job.needs.mebibytes)M", "--time=\(job.needs.clock)", "--requeue",
        "--signal=B:USR1@\(job.needs.notice)",
        "--open-mode=append", "--output=\(job.name)-%a.log",
      ] + job.directives
    return """
      #!/bin/bash
      \(job.summary.map { "# \($0)" }.joined(separator: "\n"))
      \(directives.map { "#SBATCH \($0)" }.joined(separator: "\n"))

      # Tasks of the array are shards, counted from 0; what they find finished they keep, so they may be repeated at will:
      #   sbatch --array=3,7 THIS_SCRIPT

      \(WorkerFunction.text)

      work \(shellCommand(job.shardCommand))
      case $status in
        75 | 138 | 143)
          # Stopped at a safe point. What was cancelled stays cancelled.
          if ! scontrol show job "$SLURM_JOB_ID" | grep -q 'JobState=CANCELLED'; then
            scontrol requeue "$SLURM_JOB_ID"
          fi
          ;;
      esac
      exit $status

      """
  }
}

/// Shell that runs a command, hands signals on to it and waits until it has ended, whatever interrupts the waiting.
enum WorkerFunction {
  static let text = """
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
    """
}
