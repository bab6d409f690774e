import Graphs
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct UNet2DGraphTests {
  /// The U-Net of the CIFAR-10 DDPM (Ho et al. 2020) as google/ddpm-cifar10-32 configures it.
  private func cifar() -> UNet2DConfiguration {
    var configuration = UNet2DConfiguration()
    configuration.sampleSize = SampleSize(height: 32, width: 32)
    configuration.blockOutChannels = [128, 256, 256, 256]
    configuration.downBlocks = [.plain, .attention, .plain, .plain]
    configuration.upBlocks = [.plain, .plain, .attention, .plain]
    configuration.downsamplePadding = 0
    configuration.flipSinToCos = false
    configuration.freqShift = 1
    configuration.normEpsilon = 1e-6
    configuration.attentionHeadDim = nil
    return configuration
  }

  @Test func theCIFARNetworkHasItsPublishedSize() throws {
    let summary = GraphSummary(try cifar().graph())
    // The parameter count is PyTorch's for the same configuration; 6.22 GMAC is the literature's figure.
    #expect(summary.parameterCount == 35_746_307)
    #expect((6_215_000_000...6_225_000_000).contains(summary.multiplyAccumulates))
    #expect(summary.blocks.count { $0.kind == .residualBlock } == 22)
    #expect(summary.blocks.count { $0.kind == .attention } == 6)
    #expect(summary.blocks.count { $0.kind == .downsample } == 3)
    #expect(summary.blocks.count { $0.kind == .upsample } == 3)
    #expect(summary.blocks.reduce(0) { $0 + $1.parameterCount } == summary.parameterCount)
    #expect(summary.blocks.reduce(0) { $0 + $1.multiplyAccumulates } == summary.multiplyAccumulates)
    #expect(summary.blocks.first { $0.name == "mid_block.attentions.0" }?.dims == [256, 4, 4])
  }

  @Test func summariesCountByHand() throws {
    var g = GraphBuilder()
    let image = g.sample(ImageShape(channels: 2, height: 4, width: 6))
    let h = g.conv2d("conv", image, out: 6, stride: 2)
    let tokens = g.toTokens("tokens", h)
    let q = g.linear("q", tokens, out: 6)
    let mixed = g.attention(queries: q, keys: tokens, values: q, heads: 3, scale: 1)
    let summary = GraphSummary(try g.finish(output: mixed))
    #expect(summary.contractions.map(\.path) == ["conv", "q", "scores", "values"])
    // conv: 6x2x3 outputs of 2x3x3 products; q: 6 tokens of 6x6; products: 3 heads of 6x6x2 each way.
    #expect(summary.contractions.map(\.multiplyAccumulates) == [36 * 18, 6 * 36, 3 * 36 * 2, 3 * 36 * 2])
    #expect(summary.contractions.map(\.weightCount) == [108, 36, 0, 0])
    #expect(summary.parameterCount == 108 + 6 + 36 + 6)
  }

  /// diffusers divides with a remainder: heads of 8 channels in a level of 12 are one head, and to_q maps 12 to 8.
  @Test func headsThatLeaveARemainderAreNarrower() throws {
    var configuration = UNet2DConfiguration()
    configuration.sampleSize = SampleSize(height: 4, width: 4)
    configuration.blockOutChannels = [12]
    configuration.downBlocks = [.plain]
    configuration.upBlocks = [.plain]
    configuration.layersPerBlock = 1
    configuration.normGroups = 4
    configuration.attentionHeadDim = 8
    let parameters = try configuration.graph().parameters
    func dims(_ name: String) -> [Int]? {
      parameters.first { $0.name == "mid_block.attentions.0.\(name).weight" }?.dims
    }
    #expect(dims("to_q") == [8, 12] && dims("to_k") == [8, 12] && dims("to_v") == [8, 12])
    #expect(dims("to_out.0") == [12, 8])
  }

  @Test func theTemporalBlockIsFoundByReachability() throws {
    let graph = try GoldenNetwork.embedded.configuration().graph()
    let members = GraphSummary(graph).temporalMembers
    let expected = graph.nodes.map(\.path).filter {
      $0 == "time_embedding.linear_1" || $0 == "time_embedding.linear_2" || $0.hasSuffix(".time_emb_proj")
    }
    #expect(members == expected)
    #expect(members.count == 2 + 11)
    let labelled = try GoldenNetwork.named("golden-more/class-timestep-no-middle").configuration().graph()
    #expect(GraphSummary(labelled).temporalMembers.contains("class_embedding.linear_2"))
  }

  @Test(arguments: GoldenNetwork.all)
  func regionsCoverTheNetworkWithoutOverlap(_ network: GoldenNetwork) throws {
    let graph = try network.configuration().graph()
    var covered = Set<Int>()
    for region in graph.regions {
      #expect(covered.isDisjoint(with: region.nodes), "\(region.name)")
      covered.formUnion(region.nodes)
    }
    // What stands between blocks: the timestep, and the concatenations with skips.
    for node in graph.nodes where !covered.contains(node.index) {
      #expect(node.op.meaning == .timestep || node.op == .concatenate, "\(node.path)")
    }
  }

  @Test func sizesAreCheckedWhereverTheyComeFrom() throws {
    var configuration = cifar()
    let tall = try configuration.graph(size: SampleSize(height: 64, width: 16))
    #expect(tall.nodes[tall.output].dims == [3, 64, 16])
    func problems(_ size: SampleSize?) -> [String]? {
      (thrownError { _ = try configuration.graph(size: size) } as? GraphError)?.problems
    }
    #expect(
      problems(SampleSize(height: 20, width: 32)) == [
        "sample_size: 20x32 is not divisible by 8: 4 levels halve height and width 3 times"
      ])
    configuration.sampleSize = nil
    #expect(problems(nil) == ["sample_size: the configuration leaves it open; give height and width"])
  }

  @Test func networksBeyondTheLimitsAreRefusedBeforeAnythingIsAllocated() throws {
    var configuration = cifar()
    configuration.blockOutChannels = [1 << 20]
    configuration.downBlocks = [.plain]
    configuration.upBlocks = [.plain]
    configuration.hasMidBlock = false
    let error = thrownError { _ = try configuration.graph() } as? GraphError
    #expect(
      error?.problems.first
        == "time_embedding.linear_1.weight: a parameter of shape [4194304, 1048576] exceeds the limit of 2147483648 values"
    )
    configuration = cifar()
    configuration.sampleSize = SampleSize(height: 8192, width: 8192)
    let wide = thrownError { _ = try configuration.graph() } as? GraphError
    #expect(
      wide?.problems.first
        == "conv_in: a result of shape [128, 8192, 8192] exceeds the limit of 2147483648 values")
  }
}
