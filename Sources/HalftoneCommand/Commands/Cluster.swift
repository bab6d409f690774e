import ArgumentParser
import Foundation
import Workbench

struct Cluster: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write job scripts for runs in shards, and watch them.",
    discussion: """
      Examples:
        halftone cluster slurm --count 50000 --shards 64 --out run -- w8a8.safetensors --sampler ddim-100 --threads 4
        halftone cluster local --count 640 --shards 4 --out run --submit -- fashion-mnist-ddpm
        halftone cluster watch run --count 50000 --shards 64
      """,
    subcommands: [Slurm.self, Kubernetes.self, Local.self, Watch.self])

  /// What all of them need to know of the run.
  struct RunOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Number of images of the whole run.", valueName: "N")) var count: Int
    @Option(help: ArgumentHelp("Number of shards.", valueName: "S")) var shards: Int
    @Option(help: ArgumentHelp("Run folder that all shards share.", valueName: "DIR")) var out: String
    @Option(help: ArgumentHelp("Where to write the file (default: beside the run folder).", valueName: "FILE"))
    var file: String?
    @Option(
      help: ArgumentHelp(
        "Time limit of a shard, as in 2h30m (default: from what a few network calls take here).", valueName: "T"))
    var time: WorkTime?
    @Option(
      help: ArgumentHelp("Memory of a shard in MiB (default: from what a few network calls take here).", valueName: "M")
    )
    var memory: Int?
    @Option(help: ArgumentHelp("Shards at once (default: all; of 'local', 1).", valueName: "P")) var parallel: Int?
    @Option(help: ArgumentHelp("The program as the shards start it.", valueName: "PATH")) var program: String?
    @Flag(help: "Submit it too.") var submit = false
    @OptionGroup var common: CommonOptions

    @Argument(
      parsing: .postTerminator, help: ArgumentHelp("Model and options of 'halftone sample'.", valueName: "MODEL …"))
    var sample: [String] = []

    func validate() throws {
      guard (1...IndexRange.limit).contains(count) else {
        throw ValidationError("--count \(count): expected 1 to \(IndexRange.limit)")
      }
      guard (1...Shard.largestCount).contains(shards) else {
        throw ValidationError("--shards \(shards): expected 1 to \(Shard.largestCount)")
      }
      if let memory, !(1...1 << 30).contains(memory) {
        throw ValidationError("--memory \(memory): expected 1 to \(1 << 30)")
      }
      if let parallel, !(1...shards).contains(parallel) {
        throw ValidationError("--parallel \(parallel): expected 1 to \(shards)")
      }
      if sample.isEmpty { throw ValidationError("the model and the options of 'sample' stand behind --") }
      if sample.contains("--") { throw ValidationError("-- stands once: what is behind it goes to 'sample' as it is") }
      if folder.isEmpty { throw ValidationError("--out: expected the name of a folder") }
      if file == nil, [".", ".."].contains(fileName) {
        throw ValidationError(
          "--file: expected, since --out \(out) says no name that a file beside the folder could have")
      }
      // Help of `sample` is no error, and comes when the command runs.
      do { _ = try drawing() } catch is CleanExit {}
    }

    /// The run folder without slashes behind its name.
    private var folder: String {
      let name = String(out.reversed().drop { $0 == "/" }.reversed())
      return name.isEmpty ? String(out.prefix(1)) : name
    }
    private var fileName: String { folder.split(separator: "/").last.map(String.init) ?? "." }

    /// What stands behind --. - Throws: what `sample` has against it, and for options that are the whole run's.
    private func drawing() throws -> Sample {
      let parsed: Sample
      do { parsed = try Sample.parse(sample) } catch {
        if Sample.exitCode(for: error) == .success { throw CleanExit.helpRequest(Sample.self) }
        throw ValidationError("behind --: \(Sample.message(for: error))")
      }
      let misplaced = [
        parsed.count == nil ? nil : "--count", parsed.indices == nil ? nil : "--indices",
        parsed.out == nil ? nil : "--out", parsed.shard.shard == nil ? nil : "--shard", parsed.npz ? "--npz" : nil,
        parsed.grid == nil ? nil : "--grid", parsed.json ? "--json" : nil,
      ].compactMap(\.self)
      if misplaced.isEmpty { return parsed }
      throw ValidationError("\(misplaced.joined(separator: ", ")) behind --: the job says it for all shards")
    }

    func command(
      _ kind: ClusterKind, program standard: String, directives: [String] = [], container: ClusterJob.Container? = nil
    ) throws -> ClusterCommand {
      var whole = try drawing().command()
      whole.images = 0...(count - 1)
      return ClusterCommand(
        kind: kind, sample: whole, options: sample, folder: folder, shards: shards, program: program ?? standard,
        file: file,
        time: time?.seconds, memory: memory.map { $0 << 20 }, directives: directives, parallel: parallel,
        container: container, submits: submit)
    }
  }

  struct Slurm: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A job array of Slurm.",
      discussion: """
        A task that is preempted or out of time puts itself back into the queue and goes on where it was. Tasks may be repeated: \
        sbatch --array=3,7 run.slurm.sh.
        """)
    @OptionGroup var job: RunOptions
    @Option(
      name: .customLong("sbatch"),
      help: ArgumentHelp(
        "A further line for sbatch, as in --sbatch=--partition=cpu; may be repeated.", valueName: "LINE"))
    var directives: [String] = []

    func validate() throws {
      if let line = directives.first(where: { !$0.hasPrefix("-") || $0.contains(where: \.isNewline) }) {
        throw ValidationError("--sbatch \(line): expected an option of sbatch")
      }
    }

    func run() throws {
      try job.command(.slurm, program: executablePath, directives: directives).run(session(job.common))
    }
  }

  struct Kubernetes: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "An indexed job of Kubernetes.",
      discussion:
        "Paths of the model and of --out are those inside the container; give --time and --memory where they are not here."
    )
    @OptionGroup var job: RunOptions
    @Option(help: ArgumentHelp("Container image (cluster/Dockerfile makes one).", valueName: "IMAGE")) var image: String
    @Option(help: ArgumentHelp("Claim of the volume that all shards share.", valueName: "NAME")) var volumeClaim: String
    @Option(help: ArgumentHelp("Where the volume stands in the container.", valueName: "DIR")) var mount = "/data"

    func run() throws {
      try job.command(
        .kubernetes, program: "halftone",
        container: ClusterJob.Container(image: image, claim: volumeClaim, mount: mount)
      ).run(session(job.common))
    }
  }

  struct Local: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shards on this machine.",
      discussion: "The shards are told their number as Kubernetes would tell them (JOB_COMPLETION_INDEX).")
    @OptionGroup var job: RunOptions

    func run() throws { try job.command(.local, program: executablePath).run(session(job.common)) }
  }

  struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "How far all shards are, until they are done.")
    @Argument(help: "Run folder that the shards share.") var folder: String
    @Option(help: ArgumentHelp("Number of images of the whole run.", valueName: "N")) var count: Int
    @Option(help: ArgumentHelp("Number of shards.", valueName: "S")) var shards: Int
    @Option(help: ArgumentHelp("Seconds between two looks.", valueName: "T")) var interval: Int = 30
    @Flag(help: "Look once.") var once = false
    @OptionGroup var common: CommonOptions

    func validate() throws {
      guard (1...IndexRange.limit).contains(count) else {
        throw ValidationError("--count \(count): expected 1 to \(IndexRange.limit)")
      }
      guard (1...Shard.largestCount).contains(shards) else {
        throw ValidationError("--shards \(shards): expected 1 to \(Shard.largestCount)")
      }
      guard (1...86400).contains(interval) else {
        throw ValidationError("--interval \(interval): expected 1 to 86400")
      }
    }

    func run() throws {
      try ClusterWatchCommand(
        folder: folder, images: 0...(count - 1), shards: shards, interval: once ? nil : interval
      ).run(session(common))
    }
  }
}
