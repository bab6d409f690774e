import Formats
import Foundation
import Tensors

/// What a command is given besides its own arguments.
package struct Session: Sendable {
  package let assets: Assets
  package let console: Console
  /// The command line, for run.json and for saying how to go on.
  package let arguments: [String]
  /// What reads HDF5 files.
  package let hdf5: HDF5Reader
  /// Where files of weights are looked for that were not named.
  package let environment: [String: String]
  private let stopCheck: @Sendable () throws -> Void

  /// - Parameters:
  ///   - environment: that of the process for a command; none for a program that uses these modules.
  ///   - stopCheck: is called wherever work can be stopped; what it throws ends the work there.
  package init(
    assets: Assets, console: Console, arguments: [String], hdf5: HDF5Reader, environment: [String: String] = [:],
    stopCheck: @escaping @Sendable () throws -> Void = {}
  ) {
    self.assets = assets
    self.console = console
    self.arguments = arguments
    self.hdf5 = hdf5
    self.environment = environment
    self.stopCheck = stopCheck
  }

  /// The signal that asks this process to stop, if any. Work looks wherever it can be stopped.
  /// - Throws: what the session's own check throws: the cancellation of the task that the work belongs to.
  func stopSignal() throws -> StopSignal? {
    try stopCheck()
    return Signals.pending
  }

  /// The command line as it would be typed again.
  package var command: String { shellCommand(arguments) }
}

/// What networks run with. None of it changes a result.
package struct Compute: Sendable {
  package let pool: WorkerPool
  package let kernels: KernelTable
  /// Images per network call.
  package let batch: Int

  /// - Parameter kernels: nil for those that HALFTONE_ISA names, else the fastest.
  /// - Throws: when HALFTONE_ISA names kernels that cannot run here.
  package init(threads: Int, batch: Int, kernels: KernelTable? = nil) throws(KernelError) {
    pool = WorkerPool(threads: threads)
    self.kernels = if let kernels { kernels } else { try KernelTable.selected() }
    self.batch = batch
  }

  /// Refuses a batch whose states do not fit: x_t, the network's output, x_0, x_(t-1), noise and what is being written.
  func requireStates(of shape: ImageShape) throws(MemoryError) {
    try MemoryBudget.require(
      MemoryBudget.product(24, batch, shape.count), for: "the states of \(batch) images of \(shape)")
  }
}
