import Diffusion
import Execution
import Formats
import Graphs
import Tensors

/// Everything that decides the images of a run.
package struct SamplingPlan: Sendable {
  package let source: ModelSource
  package let sampler: any Sampler
  package let steps: [Step]
  package let executor: ExecutorKind
  package let seed: UInt64
  package let conditioning: ImageConditioning
  private let initialNoise: (path: String, digest: String)?

  /// - Throws: before any work, when sampler, labels and model do not fit each other.
  package init(
    source: ModelSource, sampler: any Sampler, executor: ExecutorKind, seed: UInt64, labels: LabelCycle? = nil,
    initialNoise: String? = nil
  ) throws {
    try source.check(executor)
    self.source = source
    self.sampler = sampler
    steps = try sampler.steps(for: try source.process)
    self.executor = executor
    self.seed = seed
    conditioning = try ImageConditioning(labels: labels, form: source.conditioning)
    self.initialNoise = try initialNoise.map { ($0, try Digest.sha256(file: $0)) }
  }

  /// What must be equal for a run folder to be continued. Float results could in principle depend on the instruction set,
  /// so it is part of a float run's identity; integer results do not.
  package func identity(kernels: KernelTable) -> ConfigurationValue {
    [
      "model": .string(source.digest), "sampler": sampler.configuration,
      "seed": Int(exactly: seed).map { .integer($0) } ?? .string(String(seed)),
      "labels": conditioning.identity,
      "executor": .string(executor.rawValue),
      "instruction_set": executor == .float || executor == .winograd ? .string(kernels.name) : .null,
      "initial_noise": initialNoise.map { .string("sha256:" + $0.digest) } ?? .null,
    ]
  }

  /// - Parameter subfolder: of the run's folder, where a run has images of several models.
  package func store(in run: RunFolder, subfolder: String? = nil) -> ImageStore {
    ImageStore(
      folder: subfolder.map(run.file) ?? run.path, shape: source.model.graph.imageShape, seed: seed,
      modelDigest: source.digest, isLatent: source.latent != nil,
      runDigest: "sha256:" + run.identity.digest)
  }

  /// - Parameter last: the last image that will be drawn.
  /// - Throws: `MemoryError` when a batch's states do not fit, besides what the executor needs.
  package func imageSampler(last: Int, compute: Compute, console: Console) throws -> ImageSampler {
    let shape = source.model.graph.imageShape
    try compute.requireStates(of: shape)
    let drawn = NoiseSource(seed: seed, stream: .sample)
    let noise: any NoiseProvider =
      if let initialNoise {
        try InitialNoise(
          path: initialNoise.path, shape: shape, last: last, steps: drawn, console: console)
      } else { drawn }
    return ImageSampler(
      denoiser: try source.denoiser(executor, compute: compute), process: try source.process, sampler: sampler,
      noise: noise, conditioning: conditioning, batch: compute.batch)
  }
}
