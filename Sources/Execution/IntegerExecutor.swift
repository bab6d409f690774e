import Graphs
import Tensors

/// Real integer execution: u8 activations times s8 weights summed in Int32 at every convolution and linear layer whose
/// weight and input are quantised; Float32 between. Layers quantised in one of the two run on dequantised Float.
package struct IntegerExecutor: Executor {
  private let engine: FastExecutor

  /// - Throws: where the table does not fit the model, or asks for what integers cannot do (asymmetric 8-bit weights,
  ///   quantised outputs).
  package init(
    _ model: Model, table: QuantizationTable, pool: WorkerPool = .shared, kernels: KernelTable = .best,
    profile: ExecutionProfile? = nil
  ) throws {
    engine = try FastExecutor(
      model: model, table: table, arithmetic: .integer, pool: pool, kernels: kernels, observer: nil, profile: profile)
  }

  package func run(_ input: NetworkInput) throws -> Tensor { try engine.run(input) }

  /// By layer path: `integer` or `float` (dequantised weights count as float), in execution order.
  package var arithmetics: [(path: String, arithmetic: String)] {
    engine.layers.map { ($0.path, $0.isInteger ? "integer" : "float") }
  }

  /// Bytes of working memory per image in flight.
  package var arenaBytes: Int { engine.arenaBytes }

  /// Bytes of working memory for so many images in one call.
  package func workingBytes(batch: Int) -> Int { engine.workingBytes(batch: batch) }

  /// Bytes of the weights of convolutions and linear layers in memory, packed for the kernels.
  package var weightBytes: Int { engine.weightBytes }
}
