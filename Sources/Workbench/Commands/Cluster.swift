import Formats
import Foundation
import Tensors

/// `cluster slurm|kubernetes|local`: writes what a scheduler is given for a run in shards, and submits it if asked to.
package struct ClusterCommand: Sendable {
  package var kind: ClusterKind
  /// Of the whole run: images, folder, threads.
  package var sample: SampleCommand
  /// The options of `sample` as they were typed, the model included.
  package var options: [String]
  package var folder: String
  package var shards: Int
  package var program: String
  /// Where the script or manifest goes; nil: beside the folder.
  package var file: String?
  /// Limits that are not to be measured: seconds, bytes.
  package var time: Int?
  package var memory: Int?
  package var directives: [String]
  package var parallel: Int?
  package var container: ClusterJob.Container?
  package var submits: Bool

  package init(
    kind: ClusterKind, sample: SampleCommand, options: [String], folder: String, shards: Int, program: String,
    file: String?, time: Int?, memory: Int?, directives: [String], parallel: Int?, container: ClusterJob.Container?,
    submits: Bool
  ) {
    self.kind = kind
    self.sample = sample
    self.options = options
    self.folder = folder
    self.shards = shards
    self.program = program
    self.file = file
    self.time = time
    self.memory = memory
    self.directives = directives
    self.parallel = parallel
    self.container = container
    self.submits = submits
  }

  package func run(_ session: Session) throws {
    let units = (sample.images.count + WorkUnit.size - 1) / WorkUnit.size
    if shards > units { throw ClusterError.tooManyShards(shards: shards, units: units) }
    // Kubernetes' paths are those of a container.
    if kind != .kubernetes, let found = Folder.kind(of: folder), found != .folder {
      throw FormatError.file(folder, .notFolder(found: "a file"))
    }
    let given = file ?? folder + kind.suffix
    // No program takes it for an option.
    let path = given.hasPrefix("-") ? "./" + given : given
    try OutputPlace.prepare([path], inputs: [folder])
    let job = ClusterJob(
      name: Self.jobName(folder),
      command: [program, "sample"] + options
        + (saysThreads ? [] : ["--threads", "\(sample.threads)"])
        + ["--count", "\(sample.images.count)"] + (folder.hasPrefix("-") ? ["--out=\(folder)"] : ["--out", folder]) + [
          "--quiet"
        ],
      count: sample.images.count, shards: shards, threads: sample.threads, needs: try needs(session),
      directives: directives, parallel: parallel, container: container)
    let text = kind.text(of: job)
    try AtomicFile.write(text, to: path)
    try session.console.result(text)
    session.console.note("written: \(path)")
    if submits {
      try submit(path, session)
    } else {
      session.console.note("not submitted; submit it with: \(shellCommand(kind.submission(of: path)))")
    }
  }

  /// Machines differ in processors, so the number of threads is written even where it was not typed.
  private var saysThreads: Bool { options.contains { $0 == "--threads" || $0.hasPrefix("--threads=") } }

  private func needs(_ session: Session) throws -> ShardNeeds {
    if let time, let memory {
      // Nothing is measured; that the model and its sampler are there is looked at where the shards run here.
      if kind != .kubernetes { _ = try sample.prepared(session) }
      return ShardNeeds(time: time, memory: memory)
    }
    let prepared = try sample.prepared(session)
    let rate = try MeasuredRate.measure(prepared.sampler, count: sample.images.count, compute: prepared.compute)
    return ShardNeeds(
      measured: rate, images: ClusterJob.largestShard(of: sample.images.count, shards: shards), batch: sample.batch,
      time: time,
      memory: memory)
  }

  /// A name that every scheduler takes: lower-case letters, digits and single dashes.
  static func jobName(_ folder: String) -> String {
    let words = (folder as NSString).lastPathComponent.lowercased()
      .split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    let name = (["halftone"] + words.map(String.init)).joined(separator: "-").prefix(50)
    return String(name.hasSuffix("-") ? name.dropLast() : name)
  }

  /// Leaves the file to the scheduler's own command, and waits for it. A stop signal stops that, too.
  private func submit(_ path: String, _ session: Session) throws {
    let command = kind.submission(of: path)
    guard let program = Self.found(command[0]) else { throw ClusterError.noSubmitter(command[0]) }
    let ending: ForegroundProgram.Ending
    do {
      ending = try ForegroundProgram.run(program, Array(command.dropFirst()), pending: session.stopSignal)
    } catch let error as ForegroundProgram.CannotStart {
      throw ClusterError.cannotStart(program: program, reason: error.reason)
    }
    if let signal = ending.signal {
      throw Stopped(signal: signal, progress: "the images that are in \(printable(folder))", command: session.command)
    }
    if ending.status != 0 { throw ClusterError.refused(command: shellCommand(command), status: ending.status) }
  }

  /// A program on PATH.
  private static func found(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { joined(String($0), name) }
      .first { Folder.kind(of: $0) == .file && access($0, X_OK) == 0 }
  }
}
