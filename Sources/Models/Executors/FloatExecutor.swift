import Tensors

/// Fast Float32 execution; may simulate quantisation at sites and report the values that reach them.
package struct FloatExecutor: Executor {
  private let engine: FastExecutor

  /// - Parameters:
  ///   - simulating: quantised weights are dequantised, quantised sites pass through their fake quantiser.
  ///   - observer: receives every contraction's operands before their own quantiser, after those upstream.
  /// - Throws: where the table does not fit the model.
  package init(
    _ model: Model, simulating table: QuantizationTable = QuantizationTable(), pool: WorkerPool = .shared,
    kernels: KernelTable = .best, observer: SiteObserver? = nil, profile: ExecutionProfile? = nil
  ) throws {
    engine = try FastExecutor(
      model: model, table: table, integer: false, pool: pool, kernels: kernels, observer: observer, profile: profile)
  }

  package func run(_ input: NetworkInput) throws -> Tensor { try engine.run(input) }

  /// Bytes of working memory per image in flight.
  package var arenaBytes: Int { engine.arenaBytes }
}
