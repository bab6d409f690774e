internal import Diffusion
internal import Graphs
internal import Quantization
internal import Tensors
internal import Workbench

/// What is known of a pipeline without running it.
public struct PipelineFacts: Sendable, Equatable {
  /// Channels, height and width in pixels, or in elements of latents.
  public struct Shape: Sendable, Equatable {
    public let channels: Int
    public let height: Int
    public let width: Int
    /// Channels times height times width.
    public var count: Int { channels * height * width }

    init(_ shape: ImageShape) {
      channels = shape.channels
      height = shape.height
      width = shape.width
    }
  }

  /// What was said of a model when it was quantised.
  public struct Quantization: Sendable, Equatable {
    /// The method's name, as recipes have it.
    public let method: String
    /// Bits of weights and activations; nil for float.
    public let weightBits: Int?
    public let activationBits: Int?
    /// Whether its tables hold for one sequence of sampling steps only.
    public let dependsOnStep: Bool
    /// Name and digest of the float model that it was made from.
    public let sourceName: String
    public let sourceDigest: String
  }

  /// What files made from it are called after.
  public let name: String
  /// Where it was read.
  public let path: String
  /// Identity of network, weights and schedule, `sha256:…`: the same for every container of equal values.
  public let digest: String
  /// `denoiser`, and of a latent model `decoder` and where there is one `encoder`.
  public let components: [String]
  /// Values of the denoiser's weights, biases and norms.
  public let parameterCount: Int
  /// Bytes of the files that hold the weights.
  public let weightsBytes: Int
  /// What drawing gives.
  public let imageShape: Shape
  /// What the denoiser works on: the images themselves, or latents.
  public let sampleShape: Shape
  /// The labels that stand for classes; empty for an unconditional model.
  public let labels: [Int]
  /// The label that stands for no class, which guidance needs; nil where there is none.
  public let unconditionalLabel: Int?
  /// nil for a float model.
  public let quantization: Quantization?

  /// Whether the denoiser works on a first stage's latents.
  public var isLatent: Bool { components.count > 1 }

  init(_ source: ModelSource) throws {
    name = source.name
    path = source.path
    digest = source.digest
    components = source.pipeline.components
    parameterCount = GraphSummary(source.model.graph).parameterCount
    weightsBytes = source.weightsFileBytes
    imageShape = Shape(source.imageShape)
    sampleShape = Shape(source.model.graph.imageShape)
    labels = source.conditioning.labels
    unconditionalLabel = source.conditioning.unconditionalLabel
    quantization = source.quantized.map { quantized in
      Quantization(
        method: quantized.recipe.method, weightBits: quantized.recipe.weights?.bits,
        activationBits: quantized.recipe.activations?.bits, dependsOnStep: quantized.dependsOnStep,
        sourceName: quantized.lineage.sourceName, sourceDigest: quantized.lineage.sourceDigest)
    }
  }
}
