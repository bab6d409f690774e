import Graphs
import Tensors

/// Fast Float32 execution; may simulate quantisation at sites and report the values that reach them.
package struct FloatExecutor: Executor {
  private let engine: FastExecutor

  /// - Parameters:
  ///   - winograd: 3x3 convolutions with enough channels and pixels by Winograd's F(4,3): fewer products, rounding errors
  ///     of 4 dB more.
  ///   - simulating: quantised weights are dequantised, quantised sites pass through their fake quantiser.
  ///   - observer: receives every contraction's operands before their own quantiser, after those upstream.
  /// - Throws: where the table does not fit the model.
  package init(
    _ model: Model, simulating table: QuantizationTable = QuantizationTable(), winograd: Bool = false,
    pool: WorkerPool = .shared,
    kernels: KernelTable = .best, observer: SiteObserver? = nil, profile: ExecutionProfile? = nil
  ) throws {
    engine = try FastExecutor(
      model: model, table: table, arithmetic: winograd ? .winograd : .direct, pool: pool, kernels: kernels,
      observer: observer, profile: profile)
  }

  package func run(_ input: NetworkInput) throws -> Tensor { try engine.run(input) }

  /// Bytes of working memory per image in flight.
  package var arenaBytes: Int { engine.arenaBytes }

  /// Bytes of working memory for so many images in one call.
  package func workingBytes(batch: Int) -> Int { engine.workingBytes(batch: batch) }

  /// Bytes of the weights of convolutions and linear layers in memory, packed for the kernels.
  package var weightBytes: Int { engine.weightBytes }
}
