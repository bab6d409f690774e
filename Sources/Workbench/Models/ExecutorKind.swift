import Execution
import Graphs
import Tensors

/// What runs a network.
package enum ExecutorKind: String, Sendable, CaseIterable {
  /// Naive loops: the definition, slow.
  case reference
  /// Fast Float32; of a quantised model, simulated quantisation.
  case float
  /// The same, 3x3 convolutions by Winograd's transformed tiles: faster, rounded otherwise.
  case winograd
  /// Products of bfloat16, summed in Float32: where the processor has them, of models whose activations are float.
  case bf16
  /// Integer arithmetic; quantised models only.
  case integer

  /// An executor of this kind, and the working memory of one image in bytes.
  /// - Parameters: table: empty for float networks; observer: watches a float executor.
  /// - Throws: where the working memory of the images in flight does not fit, before the first call; what the executor refuses.
  func executor(
    for model: Model, table: QuantizationTable, compute: Compute, observer: SiteObserver? = nil
  ) throws -> (executor: any Executor, arenaBytes: Int) {
    let (pool, kernels) = (compute.pool, compute.kernels)
    var images = min(compute.batch, compute.pool.threads)
    let made: (executor: any Executor, arenaBytes: Int)
    switch self {
    case .reference:
      images = compute.batch
      let bytes = 3 * 4 * (model.graph.nodes.map(\.count).max() ?? 0)
      try requireMemory(bytes, images: images, model)
      made = (try ReferenceExecutor(model.loaded(), simulating: table), bytes)
    case .float, .winograd:
      let executor = try FloatExecutor(
        model, simulating: table, winograd: self == .winograd, pool: pool, kernels: kernels, observer: observer)
      made = (executor, executor.arenaBytes)
    case .bf16:
      let executor = try BFloat16Executor(model, table: table, pool: pool, kernels: kernels)
      made = (executor, executor.arenaBytes)
    case .integer:
      let executor = try IntegerExecutor(model, table: table, pool: pool, kernels: kernels)
      made = (executor, executor.arenaBytes)
    }
    try requireMemory(made.arenaBytes, images: images, model)
    return made
  }

  /// Whether results depend on the instruction set.
  package var dependsOnInstructionSet: Bool {
    switch self {
    case .float, .winograd, .bf16: true
    case .reference, .integer: false
    }
  }

  /// - Parameters: table: of the network, nil for a float model's; path: of the model, for messages.
  /// - Throws: where this cannot run such a network, before anything is made for it.
  package func check(_ table: QuantizationTable?, path: String) throws(ModelSourceError) {
    switch self {
    case .integer where table == nil: throw .needsQuantized(path: path, command: "--executor integer")
    case .bf16 where table?.activations.isEmpty == false: throw .needsFloat(path: path, command: "--executor bf16")
    default: break
    }
  }

  private func requireMemory(_ bytes: Int, images: Int, _ model: Model) throws(MemoryError) {
    try MemoryBudget.require(
      MemoryBudget.product(bytes, images),
      for: "working memory of \(images) images of \(model.graph.imageShape) at once")
  }
}
