import Graphs
import Tensors

/// Execution on numbers of 16 bits, for float models and those of which only weights are quantised: what convolutions and linear layers
/// multiply is rounded to bfloat16 (eight significant bits), their sums and everything between are Float32.
///
/// Batch and threads change no bit. Other processors may round the instruction's inner sum otherwise.
package struct BFloat16Executor: Executor {
  private let engine: FastExecutor

  /// - Throws: where the table does not fit the model or quantises activations; where the kernels have no products of bfloat16.
  package init(
    _ model: Model, table: QuantizationTable = QuantizationTable(), pool: WorkerPool = .shared,
    kernels: KernelTable = .best, profile: ExecutionProfile? = nil
  ) throws {
    if kernels.convolveBF16 == nil { throw KernelError.noBFloat16(kernels: kernels.name) }
    if let site = table.activations.keys.map(\.description).min() {
      throw ExecutionError.unsupported(site: site, reason: "quantised activations have no use for bfloat16")
    }
    engine = try FastExecutor(
      model: model, table: table, arithmetic: .bfloat16, pool: pool, kernels: kernels, observer: nil, profile: profile)
  }

  package func run(_ input: NetworkInput) throws -> Tensor { try engine.run(input) }

  /// Bytes of working memory per image in flight.
  package var arenaBytes: Int { engine.arenaBytes }

  /// Bytes of working memory for so many images in one call.
  package func workingBytes(batch: Int) -> Int { engine.workingBytes(batch: batch) }

  /// Bytes of the weights of convolutions and linear layers in memory, packed for the kernels.
  package var weightBytes: Int { engine.weightBytes }
}
