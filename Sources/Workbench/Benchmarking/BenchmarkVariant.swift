import Diffusion
import Execution
import Quantization
import Tensors

/// One network that is timed, in one arithmetic.
package struct BenchmarkVariant: Sendable {
  package let name: String
  package let source: ModelSource
  package let executor: ExecutorKind

  package init(name: String, source: ModelSource, executor: ExecutorKind? = nil) {
    self.name = name
    self.source = source
    self.executor = executor ?? source.defaultExecutor
  }

  package var isInteger: Bool { executor == .integer }

  /// What one thread count runs it with.
  struct Runner {
    let executor: any Executor
    /// Of working memory per image in flight.
    let arenaBytes: Int
    /// Of the packed weights.
    let weightBytes: Int
    private let shape: ImageShape
    private let input: @Sendable (Int) -> NetworkInput

    init(_ variant: BenchmarkVariant, compute: Compute, profile: ExecutionProfile? = nil) throws {
      let source = variant.source
      if variant.isInteger, let quantized = source.quantized {
        let integer = try IntegerExecutor(
          source.model, table: quantized.table, pool: compute.pool, kernels: compute.kernels, profile: profile)
        (executor, arenaBytes, weightBytes) = (integer, integer.arenaBytes, integer.weightBytes)
      } else {
        let float = try FloatExecutor(
          source.model, winograd: variant.executor == .winograd, pool: compute.pool, kernels: compute.kernels,
          profile: profile)
        (executor, arenaBytes, weightBytes) = (float, float.arenaBytes, float.weightBytes)
      }
      let (graph, steps) = (source.model.graph, source.quantized?.steps)
      // The middle of the trajectory, where neither noise nor image dominates.
      let step = steps.map { $0[$0.count / 2] }
      let schedule = try source.process.schedule
      let timestep = step?.networkTimestep ?? schedule.networkTimestep(of: Timestep(schedule.trainTimesteps / 2))
      shape = graph.imageShape
      let noise = NoiseSource(seed: 0, stream: .recipe)
      input = { batch in
        NetworkInput(
          x: noise.normals(images: Array(0..<batch), shape: graph.imageShape, draw: .initial),
          timesteps: .init(repeating: timestep, count: batch),
          conditioning: (0..<batch).map { graph.conditioning.example(label: $0) }, stepIndex: step?.index)
      }
    }

    /// Seconds of one call on `batch` images.
    func seconds(_ call: NetworkInput) throws -> Double {
      let clock = ContinuousClock()
      let began = clock.now
      _ = try executor.run(call)
      return (clock.now - began) / .seconds(1)
    }

    /// - Throws: `MemoryError` for a batch whose input and output do not fit.
    func call(batch: Int) throws(MemoryError) -> NetworkInput {
      try MemoryBudget.require(
        MemoryBudget.product(8, batch, shape.count), for: "the input of \(batch) images of \(shape)")
      return input(batch)
    }
  }
}
