import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Scripts and manifests from the command to the images.
@Suite(.serialized) struct ClusterCommandTests {
  private let halftone = Launcher()
  private static let sample = ["fashion-mnist-ddpm", "--sampler", "ddim-10", "--steps", "2"]

  private func digest(_ folder: String) throws -> String? {
    let gathered = try halftone.run("gather", folder, "--count", "150")
    #expect(gathered.status == 0, "\(gathered.errors)")
    return gathered.output.split(separator: "\n").first { $0.hasPrefix("digest: ") }.map(String.init)
  }

  private func wholeDigest(_ temporary: TemporaryFolder) throws -> String? {
    let whole = temporary.file("whole")
    #expect(try halftone.run(["sample"] + Self.sample + ["--count", "150", "--out", whole]).status == 0)
    return try digest(whole)
  }

  @Test func localShardsDrawTheImagesOfOneRun() throws {
    let temporary = try TemporaryFolder()
    let (run, script) = (temporary.file("run"), temporary.file("run.local.sh"))
    let submitted = try halftone.run(
      ["cluster", "local", "--count", "150", "--shards", "3", "--parallel", "2", "--out", run, "--submit", "--"]
        + Self.sample)
    #expect(submitted.status == 0, "\(submitted.errors)")
    let text = try String(contentsOfFile: script, encoding: .utf8)
    #expect(submitted.output.hasPrefix(text))
    #expect(text.contains("# 150 images in 3 shards of at most 64 images.\n# Measured with "))
    #expect(try digest(run) == wholeDigest(temporary))
    let watch = try halftone.run("cluster", "watch", run, "--count", "150", "--shards", "3", "--once")
    #expect(watch.output == "150 of 150 images, 3 of 3 shards done\n")
    let more = try halftone.run("cluster", "watch", run, "--count", "300", "--shards", "2", "--once")
    #expect(
      more.output == """
        | shard | images |  of | at work |
        | ----: | -----: | --: | ------- |
        |   0/2 |    150 | 192 |         |
        |   1/2 |      0 | 108 |         |
        150 of 300 images, 0 of 2 shards done

        """)
  }

  /// The command of a manifest, run for each index as Kubernetes runs it.
  @Test func manifestsDrawTheImagesOfOneRun() throws {
    let temporary = try TemporaryFolder()
    let run = temporary.file("run")
    let written = try halftone.run(
      [
        "cluster", "kubernetes", "--count", "150", "--shards", "3", "--out", run, "--image", "halftone",
        "--volume-claim",
        "run", "--time", "1h", "--memory", "512", "--",
      ] + Self.sample)
    #expect(written.status == 0, "\(written.errors)")
    #expect(written.errors.contains("not submitted; submit it with: kubectl apply -f \(run).job.yaml\n"))
    let manifest = try YAML.read(run + ".job.yaml")
    guard case .list(let containers)? = manifest["spec"]?["template"]?["spec"]?["containers"],
      case .list(let words)? = containers.first?["command"],
      case .integer(let completions)? = manifest["spec"]?["completions"]
    else {
      Issue.record("no command in the manifest")
      return
    }
    let command = words.compactMap { if case .string(let word) = $0 { word } else { nil } }
    #expect(command.first == "halftone" && completions == 3)
    for index in [2, 0, 1] {
      let pod = try halftone.start(
        Array(command.dropFirst()), environment: ["JOB_COMPLETION_INDEX": "\(index)"]
      ).wait()
      #expect(pod.status == 0, "\(pod.errors)")
    }
    #expect(try digest(run) == wholeDigest(temporary))
  }

  @Test(arguments: [
    ("slurm", "sh", "run", []), ("local", "sh", "run", []),
    ("kubernetes", "job.yaml", "/data/run", ["--image", "halftone", "--volume-claim", "run"]),
  ])
  func examplesAreWhatTheCommandsWrite(_ kind: String, _ ending: String, _ out: String, _ options: [String]) throws {
    let temporary = try TemporaryFolder()
    let file = temporary.file("job")
    let written = try halftone.run(
      [
        "cluster", kind, "--count", "50000", "--shards", "64", "--out", out, "--program", "halftone", "--time", "1h",
        "--memory", "512", "--file", file,
      ] + options + ["--", "fashion-mnist-ddpm", "--sampler", "ddim-50", "--threads", "2"])
    #expect(written.status == 0, "\(written.errors)")
    let name = ending == "sh" ? "fashion-mnist.\(kind).sh" : "fashion-mnist.\(ending)"
    let example = try String(contentsOf: Launcher.checkout.appending(path: "cluster/examples/\(name)"), encoding: .utf8)
    #expect(try String(contentsOfFile: file, encoding: .utf8) == example)
    #expect(written.output == example + "\n")
  }

  @Test func whatAJobCannotBeIsRefused() throws {
    let temporary = try TemporaryFolder()
    let run = temporary.file("run")
    func slurm(_ shards: String, _ options: [String], _ sample: [String]) throws -> Finished {
      try halftone.run(
        ["cluster", "slurm", "--count", "150", "--shards", shards, "--out", run] + options + ["--"] + sample)
    }
    let many = try slurm("4", [], Self.sample)
    #expect(many.status == 2)
    #expect(
      many.errors == """
        error[E-CLUSTER-SHARDS]: 4 shards for 3 units of 64 images: 1 would have nothing to do
        hint: at most --shards 3

        """)
    let misplaced = try slurm("2", [], Self.sample + ["--count", "5", "--npz"])
    #expect(misplaced.status == 2)
    #expect(misplaced.errors.hasPrefix("error[E-USAGE]: --count, --npz behind --: the job says it for all shards\n"))
    let unknown = try slurm("2", [], ["no-such-model"])
    #expect(unknown.status == 2 && unknown.errors.contains("no-such-model"))
    #expect(!FileManager.default.fileExists(atPath: run + ".slurm.sh"))
    let limits = ["--time", "1h", "--memory", "512", "--submit"]
    let absent = try halftone.start(
      ["cluster", "slurm", "--count", "150", "--shards", "2", "--out", run] + limits + ["--"] + Self.sample,
      environment: ["PATH": temporary.file("nothing")]
    ).wait()
    #expect(absent.status == 5)
    #expect(
      absent.errors.hasSuffix(
        """
        error[E-CLUSTER-SUBMIT]: sbatch is not installed here
        hint: the file is written; submit it where the scheduler is

        """))
    #expect(FileManager.default.fileExists(atPath: run + ".slurm.sh"))
  }

  @Test(arguments: [
    ("", "error[E-USAGE]: --out: expected the name of a folder\n", Int32(2)),
    (
      "..", "error[E-USAGE]: --file: expected, since --out .. says no name that a file beside the folder could have\n",
      2
    ),
    ("file", "error[E-IO-NOTFOLDER]: file: expected a folder, found a file\n", 3),
  ])
  func foldersThatNoRunCanHaveAreRefused(_ out: String, _ error: String, _ status: Int32) throws {
    let temporary = try TemporaryFolder()
    try Data().write(to: URL(fileURLWithPath: temporary.file("file")))
    var launcher = halftone
    launcher.workingDirectory = temporary.url
    let refused = try launcher.run(
      ["cluster", "local", "--count", "150", "--shards", "3", "--time", "1h", "--memory", "512", "--out", out, "--"]
        + Self.sample)
    #expect(refused.status == status && refused.errors.hasPrefix(error), "\(refused.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: temporary.path) == ["file"])
  }

  @Test func namesThatLookLikeOptionsOrEndInSlashesAreNames() throws {
    let temporary = try TemporaryFolder()
    var launcher = halftone
    launcher.workingDirectory = temporary.url
    let limits = ["--time", "1h", "--memory", "512"]
    let dashed = try launcher.run(
      ["cluster", "local", "--count", "3", "--shards", "1", "--out=-run", "--submit"] + limits + ["--"] + Self.sample)
    #expect(dashed.status == 0, "\(dashed.errors)")
    #expect(FileManager.default.fileExists(atPath: temporary.file("-run/images/000000/000002.png")))
    let long = String(repeating: "a", count: 40) + "-b"
    let slashed = try launcher.run(
      [
        "cluster", "kubernetes", "--count", "3", "--shards", "1", "--out", "\(long)//", "--image", "i",
        "--volume-claim", "c",
      ]
        + limits + ["--"] + Self.sample)
    #expect(slashed.status == 0, "\(slashed.errors)")
    let manifest = try YAML.read(temporary.file(long + ".job.yaml"))
    #expect(manifest["metadata"]?["name"] == .string("halftone-" + String(repeating: "a", count: 40)))
    let twice = try launcher.run(
      ["cluster", "local", "--count", "3", "--shards", "1", "--out", "r"] + limits + ["--"] + Self.sample + ["--", "x"])
    #expect(twice.status == 2 && twice.errors.hasPrefix("error[E-USAGE]: -- stands once: "))
    let unknown = try launcher.run(
      ["cluster", "local", "--count", "3", "--shards", "1", "--out", "r"] + limits + ["--"] + Self.sample + ["--nope"])
    #expect(unknown.status == 2 && unknown.errors.hasPrefix("error[E-USAGE]: behind --: Unknown option '--nope'."))
    #expect(unknown.errors.contains("See 'halftone cluster local --help'"))
    let help = try launcher.run(
      ["cluster", "local", "--count", "3", "--shards", "1", "--out", "r", "--", "--help"])
    #expect(help.status == 0 && help.output.contains("--sampler") && help.errors.isEmpty)
  }

  @Test func whatCannotBeStartedIsNamed() throws {
    let temporary = try TemporaryFolder()
    let sbatch = temporary.file("sbatch")
    try "#!/no/such/interpreter\n".write(toFile: sbatch, atomically: false, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: sbatch)
    let failed = try halftone.start(
      [
        "cluster", "slurm", "--count", "150", "--shards", "2", "--out", temporary.file("run"), "--time", "1h",
        "--memory",
        "512", "--submit", "--",
      ] + Self.sample, environment: ["PATH": temporary.path]
    ).wait()
    #expect(failed.status == 5)
    #expect(
      failed.errors.contains("error[E-CLUSTER-SUBMIT]: \(sbatch) cannot be started: No such file or directory\n"),
      "\(failed.errors)")
  }

  /// The script hears of it, its shards stop at a safe point, and nobody draws on behind the command's back.
  @Test func aSubmittedScriptStopsWithItsCommand() throws {
    let temporary = try TemporaryFolder()
    let run = temporary.file("run")
    let command = [
      "cluster", "local", "--count", "6400", "--shards", "2", "--time", "1h", "--memory", "512", "--out", run,
    ]
    let running = try halftone.start(command + ["--submit", "--", "fashion-mnist-ddpm", "--sampler", "ddim-50"])
    try running.waitUntil { FileManager.default.fileExists(atPath: run + "/images/000000") }
    running.signal(SIGTERM)
    let stopped = running.wait()
    #expect(stopped.status == 143, "\(stopped.errors)")
    #expect(
      stopped.errors.contains(
        "stopped[SIGTERM]: the images that are in \(run) are done and safe\nhint: the same command"))
    func drawn() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: run + "/images/000000").count }
    let count = try drawn()
    usleep(1_500_000)
    #expect(try drawn() == count)
  }

  @Test func watchingEndsWithItsReader() throws {
    let temporary = try TemporaryFolder()
    let pipe = Pipe()
    let watching = try halftone.start(
      ["cluster", "watch", temporary.file("run"), "--count", "64", "--shards", "1", "--interval", "1"],
      output: pipe.fileHandleForWriting)
    try pipe.fileHandleForWriting.close()
    #expect(try #require(try pipe.fileHandleForReading.read(upToCount: 100)).starts(with: Data("| shard".utf8)))
    try pipe.fileHandleForReading.close()
    #expect(watching.wait().status == 0)
    let file = temporary.file("file")
    try Data().write(to: URL(fileURLWithPath: file))
    let refused = try halftone.run("cluster", "watch", file, "--count", "64", "--shards", "1", "--once")
    #expect(refused.status == 3 && refused.errors.hasPrefix("error[E-IO-NOTFOLDER]: \(file): expected a folder"))
  }
}
