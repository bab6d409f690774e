import Diffusion
import Execution
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// Networks of the families in their variants, with weights of our own.
@Suite struct FamilyNetworkTests {
  private static let size = SampleSize(height: 8, width: 8)

  private func outline(_ channels: [Int], model: Int = 32, attention: [Int] = [1]) -> UNetOutline {
    UNetOutline(
      sampleSize: Self.size, inChannels: 3, outChannels: 3, modelChannels: model, blockOutChannels: channels,
      layersPerBlock: 1, attentionLevels: attention)
  }

  /// Weights drawn for a graph, of a size that keeps activations apart from each other.
  private func model(_ graph: Graph, seed: UInt64 = 7) -> Model {
    var random = SplitMix64(seed: seed)
    let pairs = graph.parameters.map { parameter -> (String, Tensor) in
      let fan = Float(parameter.dims.dropFirst().reduce(1, *)).squareRoot()
      let values = (0..<parameter.count).map { _ in Float.random(in: -1.5...1.5, using: &random) / fan }
      return (parameter.name, Tensor(parameter.dims, values))
    }
    return Model(graph: graph, parameters: Dictionary(uniqueKeysWithValues: pairs))
  }

  /// One image; a network that takes classes gets the third, one that takes a context gets `context` in every place.
  private func input(_ timestep: Double, _ graph: Graph, context: Float = 0.5) -> NetworkInput {
    var random = SplitMix64(seed: 3)
    let form = graph.conditioning
    let values = (0..<(graph.imageShape.count)).map { _ in Float.random(in: -1...1, using: &random) }
    return NetworkInput(
      x: Tensor([1] + graph.imageShape.dims, values), timesteps: [Timestep(timestep)],
      conditioning: [
        Conditioning(
          label: form.classes == nil ? nil : 2,
          context: form.context.map { Context(Tensor([$0.tokens, $0.width], repeating: context)) })
      ])
  }

  private static let variants: [(name: String, configuration: any UNetConfiguration)] = {
    let outline = UNetOutline(
      sampleSize: size, inChannels: 3, outChannels: 3, modelChannels: 32, blockOutChannels: [32, 64],
      layersPerBlock: 1, attentionLevels: [1])
    func ddim(_ resampling: Bool, _ shortcut: Bool) -> DDIMUNetConfiguration {
      DDIMUNetConfiguration(outline: outline, convolutionalResampling: resampling, convolutionalShortcut: shortcut)
    }
    func openAI(
      _ resampling: OpenAIUNetConfiguration.Resampling, _ heads: OpenAIUNetConfiguration.Heads, classes: Int? = nil,
      _ shift: UNet2DConfiguration.TimeScaleShift = .add
    ) -> OpenAIUNetConfiguration {
      OpenAIUNetConfiguration(
        outline: outline, stemChannels: 32, heads: heads, timeScaleShift: shift, resampling: resampling,
        classes: classes)
    }
    var condition = UNet2DConditionConfiguration()
    (condition.sampleSize, condition.inChannels, condition.outChannels) = (size, 4, 4)
    (condition.blockOutChannels, condition.layersPerBlock) = ([32, 64, 64], 1)
    condition.downBlocks = [.transformer, .resnet, .plain]
    condition.upBlocks = [.plain, .transformer, .resnet]
    (condition.heads, condition.transformerDepth) = ([2, 4, 4], [1, 2, 1])
    (condition.crossAttentionDim, condition.tokens, condition.classEmbedding) = (12, 5, .table(classes: 3))
    return [
      ("ddim", ddim(true, false)), ("ddim, plain resampling", ddim(false, false)),
      ("ddim, 3x3 shortcuts", ddim(true, true)),
      ("openai, convolutions", openAI(.convolution, .count(4, up: 2))),
      ("openai, plain resampling, classes", openAI(.plain, .count(2, up: 2), classes: 5)),
      ("openai, residual resampling", openAI(.residualBlock, .width(16), .scaleShift)),
      (
        "latent, transformers on the image alone",
        LatentUNetConfiguration(base: openAI(.convolution, .count(4, up: 4)), depth: 2, context: nil)
      ),
      (
        "latent, a context and classes, residual resampling",
        LatentUNetConfiguration(
          base: openAI(.residualBlock, .width(16), classes: 5, .scaleShift), depth: 1,
          context: .init(tokens: 3, width: 8))
      ),
      ("condition, a context and classes", condition),
    ]
  }()

  @Test(arguments: variants.indices)
  func executorsAgreeAndTimeMatters(_ index: Int) throws {
    let (name, configuration) = Self.variants[index]
    let model = model(try configuration.graph())
    let graph = model.graph
    let reference = try ReferenceExecutor(model).run(input(400, graph))
    let fast = try FloatExecutor(model).run(input(400, graph))
    #expect(relativeError(fast, reference) < 1e-4, "\(name)")
    let later = try FloatExecutor(model).run(input(437, graph))
    #expect(relativeError(later, fast) > 1e-3, "\(name): the timestep has no effect")
    if graph.conditioning.context != nil {
      let other = try FloatExecutor(model).run(input(400, graph, context: -1))
      #expect(relativeError(other, fast) > 1e-3, "\(name): the context has no effect")
    }
    let again = try UNetCatalog.decode(configuration.encoded, file: "again")
    #expect(again.plan == configuration.plan, "\(name)")
  }

  /// What diffusers' UNet2DModel describes too is the same graph with the same names and the same weights.
  @Test func aDDIMNetworkIsDiffusersNetwork() throws {
    let ddim = DDIMUNetConfiguration(
      outline: outline([32, 64]), convolutionalResampling: true, convolutionalShortcut: false)
    let diffusers = try #require(ddim.asUNet2D)
    #expect(diffusers.plan == ddim.plan)
    let (a, b) = (try ddim.graph(), try diffusers.graph())
    #expect(a.nodes.map(\.path) == b.nodes.map(\.path))
    #expect(a.nodes.map(\.op) == b.nodes.map(\.op))
    #expect(a.parameters == b.parameters)
    #expect(try UNet2DConfiguration.decode(diffusers.encoded, file: "c") == diffusers)
    // A narrower first convolution, and variants, are beyond it.
    var other = ddim
    other.outline.modelChannels = 64
    #expect(other.asUNet2D == nil)
    other = ddim
    other.convolutionalShortcut = true
    #expect(other.asUNet2D == nil)
  }

  @Test func configurationsThatMakeNoNetworkAreRefused() throws {
    let sound = OpenAIUNetConfiguration(
      outline: outline([32, 64]), stemChannels: 32, heads: .width(16), timeScaleShift: .add, resampling: .convolution,
      classes: nil
    ).encoded
    func problem(_ key: String, _ value: ConfigurationValue?) -> String? {
      (thrownError { _ = try UNetCatalog.decode(sound.setting(key, value), file: "h") } as? ConfigurationError)?.message
    }
    #expect(
      problem("num_heads", 4)
        == "h: num_head_channels: expected either this or both num_heads and num_heads_upsample, the others null")
    #expect(
      problem("num_head_channels", 24)
        == "h: num_head_channels: heads of 24 channels do not divide the 64 channels of level 1")
    #expect(problem("block_out_channels", [33, 64]) == "h: block_out_channels[0]: 32 groups do not divide 33 channels")
    #expect(problem("attention_levels", [2]) == "h: attention_levels: expected ascending levels below 2, found [2]")
    #expect(
      problem("sample_size", [9, 8])
        == "h: sample_size: 9x8 is not divisible by 2: 2 levels halve height and width 1 times")
    #expect(problem("stem_channels", nil) == "h: stem_channels: missing; expected an integer from 1 to 1048576")
  }
}
