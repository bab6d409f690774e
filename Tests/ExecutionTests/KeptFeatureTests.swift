import Execution
import Graphs
import Tensors
import TestSupport
import Testing

@Suite struct KeptFeatureTests {
  /// Cases whose temporal block is read by the rest.
  static let cases = ExecutorCase.all.filter { example in
    let graph = example.model.graph
    return graph.temporalFeatures.contains { !graph.nodes[$0].op.isNumber }
  }

  /// Random features of every temporal result, for two steps and every class.
  static func features(_ example: ExecutorCase, bits: Int, seed: UInt64 = 3) -> [String: KeptFeature] {
    let graph = example.model.graph
    let byLabel = Set(graph.labelDependentPaths)
    var random = SplitMix64(seed)
    var features: [String: KeptFeature] = [:]
    for index in graph.temporalFeatures where !graph.nodes[index].op.isNumber {
      let node = graph.nodes[index]
      let classes = byLabel.contains(node.path) ? graph.classCount : nil
      let rows = 2 * (classes ?? 1)
      let values = random.floats(rows * node.count)
      let quantizers = (0..<rows).map { AffineQuantizer(bits: 8, scale: 0.01 + 0.001 * Float($0), zeroPoint: 120 + $0) }
      features[node.path] = KeptFeature(
        key: classes.map { .stepAndLabel(classCount: $0) } ?? .step, width: node.count,
        rows: bits == 32
          ? .floats(values) : .codes(values.map { UInt8(min(max(128 + 100 * $0, 0), 255)) }, quantizers))
    }
    return features
  }

  private static func input(_ example: ExecutorCase, step: Int) -> NetworkInput {
    var input = example.input
    input.stepIndex = step
    return input
  }

  @Test("all executors look kept features up, and read no parameter of the block", arguments: cases, [8, 32])
  func executors(example: ExecutorCase, bits: Int) throws {
    var table = QuantizationTable()
    table.features = Self.features(example, bits: bits)
    let graph = example.model.graph
    let idle = graph.idleParameters(keeping: table.features.keys)
    let broken = Model(
      graph: graph,
      parameters: example.model.parameters.reduce(into: [:]) {
        $0[$1.key] = idle.contains($1.key) ? Tensor($1.value.dims, repeating: .nan) : $1.value
      })
    var results: [Tensor] = []
    for step in 0..<2 {
      let input = Self.input(example, step: step)
      let expected = try ReferenceExecutor(broken, simulating: table).run(input)
      #expect(expected.values.allSatisfy { $0.isFinite })
      // As for the float executor without features: Float sums against Double ones.
      #expect(relativeError(try FloatExecutor(broken, simulating: table).run(input), expected) < 3e-6)
      let integer = try IntegerExecutor(broken, table: table)
      #expect(try integer.run(input) == FloatExecutor(broken, simulating: table).run(input))
      results.append(expected)
    }
    #expect(results[0] != results[1])
  }

  @Test("a feature alone leaves the others computed") func some() throws {
    let example = ExecutorCase("two features", channels: 6, height: 4, width: 4) { g, image in
      let temb = ExecutorCase.temporal(&g, width: 8)
      let x = g.addPerChannel("add_a", g.conv2d("a", image, out: 8), g.linear("time_a", temb, out: 8))
      return g.addPerChannel("add_b", g.conv2d("b", x, out: 4), g.linear("time_b", temb, out: 4))
    }
    var table = QuantizationTable()
    let all = Self.features(example, bits: 32)
    let path = try #require(all.keys.sorted().first)
    table.features[path] = all[path]
    #expect(
      example.model.graph.idleNodes(keeping: all.keys).count
        > example.model.graph.idleNodes(keeping: [path]).count)
    let input = Self.input(example, step: 1)
    let expected = try ReferenceExecutor(example.model, simulating: table).run(input)
    #expect(relativeError(try FloatExecutor(example.model, simulating: table).run(input), expected) < 3e-6)
    #expect(try expected != ReferenceExecutor(example.model).run(input))
  }

  @Test("features that do not fit the network are refused, and calls without a step") func refusals() throws {
    let example = try #require(Self.cases.first { $0.model.graph.classCount == nil })
    let (path, feature) = try #require(Self.features(example, bits: 32).min { $0.key < $1.key })
    var table = QuantizationTable()
    table.features = [
      "image": feature,
      path: KeptFeature(key: .step, width: feature.width + 1, rows: .floats(.init(repeating: 0, count: 2))),
    ]
    #expect(
      throws: ExecutionError.table(
        problems: [
          "image: no such temporal feature", "\(path): \(feature.width + 1) values, the feature has \(feature.width)",
        ].sorted())
    ) { try FloatExecutor(example.model, simulating: table) }
    table.features = [path: feature]
    let executor = try FloatExecutor(example.model, simulating: table)
    #expect(throws: ExecutionError.stepMissing(site: path)) { try executor.run(example.input) }
    #expect(throws: ExecutionError.stepOutOfRange(index: 2, count: 2)) {
      try executor.run(Self.input(example, step: 2))
    }
    #expect(table.dependsOnStep)
  }
}

extension Op {
  /// The timestep, the label or a vector itself.
  fileprivate var isNumber: Bool { meaning != nil }
}
