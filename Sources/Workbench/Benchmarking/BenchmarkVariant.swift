import Diffusion
import Execution
import Graphs
import Networks
import Quantization
import Tensors

/// One network that is timed, in one arithmetic.
package struct BenchmarkVariant: Sendable {
  package let name: String
  package let model: Model
  /// Empty for float networks.
  package let table: QuantizationTable
  package let executor: ExecutorKind
  package private(set) var kernels: KernelTable
  /// When the network is called.
  private let step: (timestep: Timestep, index: Int?)?

  /// A denoiser, in the middle of the trajectory, where neither noise nor image dominates.
  /// - Throws: when nothing says the noise schedule.
  package init(name: String, source: ModelSource, executor: ExecutorKind? = nil) throws {
    let middle = source.quantized?.steps.middle
    let schedule = try source.process.schedule
    step = (
      middle?.networkTimestep ?? schedule.networkTimestep(of: Timestep(schedule.trainTimesteps / 2)), middle?.index
    )
    self.name = name
    model = source.model
    table = source.quantized?.table ?? QuantizationTable()
    self.executor = executor ?? source.defaultExecutor
    kernels = try .selected()
  }

  /// A decoder on latents of a size.
  init(name: String, decoder: FirstStageNetwork, latent: SampleSize, executor: ExecutorKind? = nil) throws {
    self.name = name
    model = try decoder.model(latent: latent)
    table = decoder.table
    self.executor = executor ?? .integer
    kernels = try .selected()
    step = nil
  }

  /// The same network with other kernels.
  package func running(on kernels: KernelTable) -> BenchmarkVariant {
    var copy = self
    copy.kernels = kernels
    return copy
  }

  func canRun(on kernels: KernelTable) -> Bool { executor != .bf16 || kernels.convolveBF16 != nil }

  package var isInteger: Bool { executor == .integer }
  package var isQuantized: Bool { !table.weights.isEmpty }

  /// What one thread count runs it with.
  struct Runner {
    let executor: any Executor
    /// Of working memory for so many images in one call.
    let workingBytes: @Sendable (Int) -> Int
    /// Of the packed weights.
    let weightBytes: Int
    private let shape: ImageShape
    private let input: @Sendable (Int) -> NetworkInput

    init(_ variant: BenchmarkVariant, pool: WorkerPool, profile: ExecutionProfile? = nil) throws {
      let model = variant.model
      switch variant.executor {
      case .integer:
        let integer = try IntegerExecutor(
          model, table: variant.table, pool: pool, kernels: variant.kernels, profile: profile)
        (executor, workingBytes, weightBytes) = (integer, integer.workingBytes, integer.weightBytes)
      case .bf16:
        let halved = try BFloat16Executor(
          model, table: variant.table, pool: pool, kernels: variant.kernels, profile: profile)
        (executor, workingBytes, weightBytes) = (halved, halved.workingBytes, halved.weightBytes)
      case .reference, .float, .winograd:
        let float = try FloatExecutor(
          model, simulating: variant.table, winograd: variant.executor == .winograd, pool: pool,
          kernels: variant.kernels, profile: profile)
        (executor, workingBytes, weightBytes) = (float, float.workingBytes, float.weightBytes)
      }
      let (graph, step) = (model.graph, variant.step)
      shape = graph.imageShape
      let noise = NoiseSource(seed: 0, stream: .recipe)
      input = { batch in
        let x = noise.normals(images: Array(0..<batch), shape: graph.imageShape, draw: .initial)
        guard let step else { return NetworkInput(images: x) }
        return NetworkInput(
          x: x, timesteps: .init(repeating: step.timestep, count: batch),
          conditioning: (0..<batch).map { graph.conditioning.example(label: $0) }, stepIndex: step.index)
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

extension [Step] {
  fileprivate var middle: Step? { isEmpty ? nil : self[count / 2] }
}
