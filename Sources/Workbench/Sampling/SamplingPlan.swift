import Diffusion
import Execution
import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// Everything that decides the images of a run.
package struct SamplingPlan: Sendable {
  package let source: ModelSource
  package let sampler: any Sampler
  /// The network calls, in execution order.
  package let steps: [Step]
  /// How many steps the sampler takes, some of which may be two calls.
  let stepCount: Int
  package let executor: ExecutorKind
  package let seed: UInt64
  package let conditioning: ImageConditioning
  private let initialNoise: (path: String, digest: String)?
  /// What makes images of samples; nil for pixel models, and where latents are kept.
  private let decoder: FirstStageNetwork?
  private let keepsLatents: Bool
  private let tile: TileArgument?
  private let guidance: GuidanceSetting?

  /// - Parameters: latentsOnly: keeps the samples of a latent model instead of decoding them; tile: what the decoder works on
  ///   at once.
  /// - Throws: before any work, when sampler, labels and model do not fit each other.
  package init(
    source: ModelSource, sampler: any Sampler, executor: ExecutorKind, seed: UInt64, labels: LabelCycle? = nil,
    initialNoise: String? = nil, latentsOnly: Bool = false, tile: TileArgument? = nil,
    guidance: GuidanceOptions = GuidanceOptions()
  ) throws {
    self.guidance = try guidance.setting(for: source)
    try source.check(executor)
    let firstStage = source.pipeline.firstStage
    if firstStage == nil, latentsOnly || tile != nil {
      throw FirstStageError.missing(path: source.path, side: .decoder, holds: "a denoiser alone")
    }
    keepsLatents = latentsOnly
    decoder = latentsOnly ? nil : try firstStage?.network(.decoder)
    self.tile = tile
    self.source = source
    self.sampler = sampler
    let plan = try sampler.plan(for: try source.process)
    (steps, stepCount) = (plan.steps, plan.stepCount)
    self.executor = executor
    self.seed = seed
    conditioning = try ImageConditioning(labels: labels, form: source.conditioning)
    self.initialNoise = try initialNoise.map { ($0, try Digest.sha256(file: $0)) }
  }

  /// What must be equal for a run folder to be continued. Float results could in principle depend on the instruction set,
  /// so it is part of a float run's identity; integer results do not.
  package func identity(kernels: KernelTable) -> ConfigurationValue {
    var common: ConfigurationValue = [
      "model": .string(source.digest), "sampler": sampler.configuration,
      "seed": Int(exactly: seed).map { .integer($0) } ?? .string(String(seed)),
      "labels": conditioning.identity,
      "executor": .string(executor.rawValue),
      "instruction_set": executor.dependsOnInstructionSet ? .string(kernels.name) : .null,
      "initial_noise": initialNoise.map { .string("sha256:" + $0.digest) } ?? .null,
    ]
    if let guidance { common = common.setting("guidance", guidance.encode()) }
    guard source.pipeline.firstStage != nil else { return common }
    let latent = source.model.graph.imageShape
    let size = SampleSize(height: latent.height, width: latent.width)
    return common.setting("decoder", decoder.map { .string($0.digest) } ?? "none")
      .setting("tile", decoder == nil ? .null : TileArgument.identity(tile, latent: size))
  }

  /// Where the sampler does not call the network once for each step that was asked for.
  package var stepNotes: [String] {
    var notes: [String] = []
    if stepCount != sampler.requestedSteps {
      notes.append("the sampler takes \(stepCount) steps (asked for \(sampler.requestedSteps))")
    }
    if steps.count != stepCount { notes.append("the network is called \(steps.count) times in \(stepCount) steps") }
    return notes
  }

  /// - Parameter subfolder: of the run's folder, where a run has images of several models.
  package func store(in run: RunFolder, subfolder: String? = nil) -> ImageStore {
    ImageStore(
      folder: subfolder.map(run.file) ?? run.path,
      shape: decoder == nil ? source.model.graph.imageShape : source.imageShape,
      content: keepsLatents || decoder == nil && source.latent != nil ? .latents : .image, seed: seed,
      modelDigest: source.digest,
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
      denoiser: try source.denoiser(executor, guidance: guidance, compute: compute), process: try source.process,
      sampler: sampler,
      noise: noise, conditioning: conditioning, batch: compute.batch,
      decoder: try decoder.map {
        try FirstStageRunner(
          $0, latent: SampleSize(height: shape.height, width: shape.width), tile: tile, executor: executor,
          compute: compute)
      })
  }
}
