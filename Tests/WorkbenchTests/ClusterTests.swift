import Formats
import Foundation
import Tensors
import TestSupport
import Testing
import Workbench

/// What schedulers are given for a run in shards.
@Suite struct ClusterTests {
  private func job(
    _ shards: Int = 16, directives: [String] = [], parallel: Int? = nil, out: String = "outputs/my run"
  ) -> ClusterJob {
    ClusterJob(
      name: "halftone-my-run",
      command: [
        "halftone", "sample", "w8a8.safetensors", "--count", "2000", "--out", out, "--threads", "2", "--quiet",
      ],
      count: 2000, shards: shards, threads: 2, needs: ShardNeeds(time: 5400, memory: 300 << 20), directives: directives,
      parallel: parallel, container: .init(image: "halftone:1", claim: "run", mount: "/data"))
  }

  @Test func slurmScriptsSayEverything() throws {
    let text = ClusterKind.slurm.text(of: job(directives: ["--partition=cpu"], parallel: 4))
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines[0] == "#!/bin/bash")
    #expect(lines[1] == "# 2,000 images in 16 shards of at most 128 images.")
    #expect(
      lines.filter { $0.hasPrefix("#SBATCH ") }.map { $0.dropFirst(8) } == [
        "--job-name=halftone-my-run", "--array=0-15%4", "--ntasks=1", "--cpus-per-task=2", "--mem=300M",
        "--time=01:30:00", "--requeue", "--signal=B:USR1@120", "--open-mode=append", "--output=halftone-my-run-%a.log",
        "--partition=cpu",
      ])
    #expect(
      lines.contains(
        "work halftone sample w8a8.safetensors --count 2000 --out 'outputs/my run' --threads 2 --quiet --shard auto/16")
    )
    #expect(text.contains("scontrol requeue \"$SLURM_JOB_ID\""))
  }

  @Test(arguments: [ClusterKind.slurm, .local]) func scriptsAreShell(_ kind: ClusterKind) throws {
    let temporary = try TemporaryFolder()
    let script = temporary.file("script.sh")
    try kind.text(of: job(out: "it's $HOME")).write(toFile: script, atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-n", script]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test func manifestsAreJobsOfKubernetes() throws {
    let schema = JSONSchema(try JSON.read(Fixtures.path("kubernetes/job.schema.json")))
    for job in [job(), job(1, parallel: 1, out: #"/data/"quoted": yes"#)] {
      let text = ClusterKind.kubernetes.text(of: job)
      let manifest = try YAML.parse(Array(text.utf8), file: "manifest")
      #expect(schema.problems(of: manifest) == [])
      let pod = manifest["spec"]?["template"]?["spec"]
      guard case .list(let containers)? = pod?["containers"], case .list(let command)? = containers.first?["command"]
      else {
        Issue.record("no container in \(text)")
        return
      }
      #expect(command == (job.command + ["--shard", "auto/\(job.shards)"]).map { .string($0) })
      #expect(manifest["spec"]?["completions"] == .integer(job.shards))
      #expect(containers.first?["resources"]?["limits"] == ["cpu": "2", "memory": "300Mi"])
    }
    // The schema is one that says no.
    let wrong = try YAML.parse(
      Array(
        ClusterKind.kubernetes.text(of: job()).replacing("completions: 16", with: "completions: \"16\"")
          .replacing("restartPolicy: Never", with: "restartPolicies: Never").utf8), file: "manifest")
    #expect(
      schema.problems(of: wrong) == [
        ".spec.completions: expected integer, found a string", ".spec.template.spec: lacks restartPolicy",
        ".spec.template.spec.restartPolicies: no such field",
      ])
  }

  @Test func limitsFollowFromWhatWasMeasured() throws {
    let rate = MeasuredRate(secondsPerImage: 2.5, peakBytes: 212_000_000, threads: 2, processor: "a processor")
    let needs = ShardNeeds(measured: rate, images: 832, batch: 16, time: nil, memory: nil)
    // 2080 s, half as much again, ten minutes and two: 3840 s; 265 MB and 64 MiB: 317 MiB.
    #expect(needs.seconds == 3900 && needs.bytes == 320 << 20)
    #expect(needs.clock == "01:05:00" && needs.mebibytes == 320)
    #expect(
      needs.summary
        == "Measured with 2 threads on a processor: 2.500 s an image, 212.00 MB of memory; at most 34:40 a shard.")
    let given = ShardNeeds(measured: rate, images: 832, batch: 64, time: 60, memory: nil)
    #expect(given.seconds == 60 && given.bytes == needs.bytes)
    // A batch of 16 takes 40 s, one of 64 takes 160; no shard is told before half of its time is over.
    #expect(needs.notice == 120 && given.notice == 30)
    #expect(ShardNeeds(measured: rate, images: 832, batch: 64, time: 3600, memory: nil).notice == 240)
    #expect(ClusterJob.largestShard(of: 50_000, shards: 64) == 832)
    #expect(ClusterJob.largestShard(of: 70, shards: 1) == 70)
  }
}
