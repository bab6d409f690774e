import Tensors

/// What a command is given besides its own arguments.
package struct Session: Sendable {
  package let assets: Assets
  package let console: Console
  /// The command line, for run.json and for saying how to go on.
  package let arguments: [String]

  package init(assets: Assets, console: Console, arguments: [String]) {
    self.assets = assets
    self.console = console
    self.arguments = arguments
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

  /// - Throws: when HALFTONE_ISA names kernels that cannot run here.
  package init(threads: Int, batch: Int) throws(KernelError) {
    pool = WorkerPool(threads: threads)
    kernels = try KernelTable.selected()
    self.batch = batch
  }

  /// Refuses a batch whose states do not fit: x_t, the network's output, x_0, x_(t-1), noise and what is being written.
  func requireStates(of shape: ImageShape) throws(MemoryError) {
    try MemoryBudget.require(
      MemoryBudget.product(24, batch, shape.count), for: "the states of \(batch) images of \(shape)")
  }
}
