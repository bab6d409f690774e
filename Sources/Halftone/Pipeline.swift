internal import Diffusion
internal import Graphs
internal import Tensors
internal import Workbench

/// A diffusion model that is ready to draw: its denoiser and, of a latent model, the decoder that makes images of samples.
///
///     let runtime = try Runtime(assets: "/usr/local/share/halftone")
///     let pipeline = try await Pipeline.open("fashion-mnist-ddpm", in: runtime)
///     for try await image in pipeline.images(SamplingOptions(count: 4, seed: 1)) {
///       try image.writePNG(to: "\(image.index).png")
///     }
///
/// A value that may be used from several tasks at once; copies share the weights.
public struct Pipeline: Sendable {
  /// What work is done with.
  public let runtime: Runtime
  public let facts: PipelineFacts
  let source: ModelSource

  /// Reads a model whole.
  /// - Parameters:
  ///   - model: a diffusers folder, a U-Net's folder, a checkpoint (`.safetensors`, `.ckpt`, `.pt`) or a quantised
  ///     `.safetensors` file, by path; or a name under `models` of the runtime's assets.
  ///   - runtime: what work with it is done with.
  ///   - options: what a float model's own files leave open.
  /// - Throws: `PipelineError` when nothing is there, when it is malformed or unsupported, or when its weights do not fit in
  ///   memory; `CancellationError`.
  public static func open(
    _ model: String, in runtime: Runtime, options: OpeningOptions = OpeningOptions()
  ) async throws -> Pipeline {
    try await BlockingWork.run { flag in
      try Pipeline(runtime.session(flag).open(model, options.modelOptions()), in: runtime)
    }
  }

  init(_ source: ModelSource, in runtime: Runtime) throws {
    self.source = source
    self.runtime = runtime
    facts = try PipelineFacts(source)
  }
}

/// What a float model's own files leave open, or what is to be used in its place. Quantised models say everything themselves.
public struct OpeningOptions: Sendable {
  /// A `scheduler_config.json` to use as the noise schedule; nil: the one of the model's folder.
  public var scheduler: String?
  /// Configuration of a checkpoint; nil: the file beside it.
  public var configuration: String?
  /// Height and width of images in pixels; nil: the model's own.
  public var size: (height: Int, width: Int)?
  /// Which of several files in a folder, as `fp16` in `diffusion_pytorch_model.fp16.safetensors`.
  public var variant: String?

  public init(
    scheduler: String? = nil, configuration: String? = nil, size: (height: Int, width: Int)? = nil,
    variant: String? = nil
  ) {
    self.scheduler = scheduler
    self.configuration = configuration
    self.size = size
    self.variant = variant
  }

  func modelOptions() throws -> ModelOptions {
    let size = try size.map { size in
      guard let argument = SizeArgument("\(size.height)x\(size.width)") else {
        throw ArgumentError(name: "size", found: "\(size.height)x\(size.width)", expected: "sides of 1 to 16384")
      }
      return argument
    }
    return ModelOptions(
      schedule: ScheduleOptions(file: scheduler), configuration: configuration, size: size,
      weights: .init(variant: variant))
  }
}
