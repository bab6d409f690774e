internal import Formats
internal import Tensors
internal import Workbench

/// What work is done with: threads, the folder of presets and models, and whom to tell. None of it changes a result.
///
/// A value that is made once and handed to everything. Work that is started from several tasks at once shares the threads.
public struct Runtime: Sendable {
  /// Threads that networks run on.
  public let threads: Int
  /// Images per network call: changes memory and speed, never an image.
  public let batch: Int
  /// The folder that holds `models`, `samplers` and `calib`; nil where names of presets and models mean nothing.
  public let assets: String?
  /// The `halftone` program, which reads HDF5 files in a process of its own; nil: such files are refused.
  public let hdf5Reader: String?
  private let notes: @Sendable (String) -> Void
  let compute: Compute

  /// Processors that this process may run on.
  public static var processorCount: Int { WorkerPool.processorCount }

  /// - Parameters:
  ///   - assets: the folder that holds `models`, `samplers` and `calib`: a checkout of Halftone, or `PREFIX/share/halftone`
  ///     of an installed one. Without it models, samplers and recipes are given by path.
  ///   - threads: 1 to 1024; nil for all processors.
  ///   - batch: images per network call, 1 to 4096.
  ///   - hdf5Reader: path of the `halftone` program. Calibration sets in files are HDF5, and libhdf5 can be crashed by a
  ///     malformed file, so a child process reads them. It is never the calling program that is started again.
  ///   - notes: is told what a person should know of what was done: which sampler was taken, which setting does nothing.
  /// - Throws: `PipelineError` for numbers out of range, and for a folder that lacks one of the three.
  public init(
    assets: String? = nil, threads: Int? = nil, batch: Int = 16, hdf5Reader: String? = nil,
    notes: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    do {
      try ArgumentError.require(threads, in: 1...1024, "threads")
      try ArgumentError.require(batch, in: 1...4096, "batch")
      if let assets { try Assets.check(assets) }
      compute = try Compute(
        threads: threads ?? min(WorkerPool.processorCount, 1024), batch: batch, kernels: KernelTable.named(""))
    } catch {
      throw PipelineError.translated(error)
    }
    self.threads = compute.pool.threads
    self.batch = batch
    self.assets = assets
    self.hdf5Reader = hdf5Reader
    self.notes = notes
  }

  /// What the workbench is given for one piece of work: it says nothing on standard output or standard error, and no signal
  /// is looked for.
  func session(_ flag: CancellationFlag, progress: ProgressHandler? = nil) -> Session {
    let prefix = "note: "
    let listener = ConsoleListener(note: { [notes] text in
      notes(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
    }) { stage, unit, done, total in
      progress?(WorkProgress(stage: stage, unit: unit, done: done, total: total))
    }
    return Session(
      assets: assets.map { Assets(root: $0) } ?? .none, console: Console(listener: listener), arguments: [],
      hdf5: hdf5Reader.map { HDF5Reader(program: $0) } ?? .none, stopCheck: flag.check)
  }
}
