import Diffusion
import Execution
import Graphs
import Tensors
import TestSupport
import Testing

/// Tables that quantise the numerators of attention's probabilities, and tables with a row for each branch of guidance.
@Suite struct NumeratorTests {
  private static let grid = ActivationQuantizers(
    shared: AffineQuantizer(bits: 8, scale: 1 / 255, zeroPoint: 0), areNumerators: true)

  private static var cases: [ExecutorCase] { ExecutorCase.all.filter { $0.name.hasPrefix("attention") } }

  @Test("every executor divides by what the numerators became", arguments: cases) func executors(
    example: ExecutorCase
  ) throws {
    var table = try TableMaker.table(for: example, weightBits: 8)
    let attentions = example.model.graph.nodes.compactMap { $0.op.facts.attention }
    for attention in attentions { table.activations[attention.probabilities] = Self.grid }
    let reference = try ReferenceExecutor(example.model, simulating: table).run(example.input)
    let simulated = try FloatExecutor(example.model, simulating: table).run(example.input)
    let executed = try IntegerExecutor(example.model, table: table).run(example.input)
    #expect(relativeError(simulated, reference) < 4e-3)
    #expect(relativeError(executed, simulated) < 4e-3)
    for kernels in KernelTable.available() {
      #expect(try IntegerExecutor(example.model, table: table, kernels: kernels).run(example.input) == executed)
    }
    // An image by itself has the bits that it has in a batch.
    let first = NetworkInput(
      x: example.input.x.rows(0..<1), timesteps: Array(example.input.timesteps.prefix(1)),
      conditioning: Array(example.input.conditioning.prefix(1)))
    #expect(try IntegerExecutor(example.model, table: table).run(first) == executed.rows(0..<1))
  }

  /// 1,024 keys with equal scores: each probability is a quarter of the grid's step, and rounds to zero.
  @Test func attentionSpreadOverManyKeysSurvives() throws {
    let shape = ImageShape(channels: 4, height: 32, width: 32)
    var g = GraphBuilder()
    let tokens = g.toTokens("tokens", g.sample(shape))
    let mixed = g.attention(queries: tokens, keys: tokens, values: tokens, heads: 1, scale: 0)
    let graph = try g.finish(output: g.fromTokens("pixels", mixed, height: 32, width: 32))
    let model = Model(graph: graph, parameters: [:])
    let attention = try #require(graph.nodes.compactMap { $0.op.facts.attention }.first)
    var random = SplitMix64(5)
    let x = Tensor([1] + shape.dims, random.floats(shape.count).map { 0.5 + 0.25 * $0 })
    let plain = try ReferenceExecutor(model).run(NetworkInput(images: x))
    func table(_ probabilities: ActivationQuantizers) -> QuantizationTable {
      var table = QuantizationTable()
      for site in [attention.queries, attention.keys, attention.valueOperand] {
        table.activations[site] = ActivationQuantizers(shared: AffineQuantizer(bits: 8, scale: 1 / 128, zeroPoint: 128))
      }
      table.activations[attention.probabilities] = probabilities
      return table
    }
    let normalized = ActivationQuantizers(shared: AffineQuantizer(bits: 8, scale: 1 / 255, zeroPoint: 0))
    let lost = try IntegerExecutor(model, table: table(normalized)).run(NetworkInput(images: x))
    #expect(lost.values.allSatisfy { $0 == 0 })
    let kept = try IntegerExecutor(model, table: table(Self.grid)).run(NetworkInput(images: x))
    #expect(relativeError(kept, plain) < 4e-3)
  }

  @Test("an image is quantised by the row of its branch, in any batch", arguments: [false, true]) func branches(
    perStep: Bool
  ) throws {
    let example = try #require(ExecutorCase.all.first { $0.name == "3x3" })
    let site = Site(node: "conv", role: .input)
    var table = try TableMaker.table(for: example, weightBits: 8)
    let scales: [Float] = [0.01, 0.02, 0.03, 0.04]
    let rows = scales.map { AffineQuantizer(bits: 8, scale: $0, zeroPoint: 128) }
    table.activations[site] = ActivationQuantizers(
      key: perStep ? .stepAndBranch : .branch, rows: perStep ? rows : Array(rows.prefix(2)))
    let step = perStep ? 1 : 0
    func run(_ branches: [GuidanceBranch?], _ rows: Range<Int>, _ table: QuantizationTable) throws -> Tensor {
      try IntegerExecutor(example.model, table: table).run(
        NetworkInput(
          x: example.input.x.rows(rows), timesteps: .init(repeating: Timestep(3), count: rows.count),
          conditioning: branches.map { Conditioning(branch: $0) }, stepIndex: step))
    }
    func shared(_ row: Int) -> QuantizationTable {
      var other = table
      other.activations[site] = ActivationQuantizers(shared: rows[row])
      return other
    }
    let (conditional, unconditional) = (2 * step, 2 * step + 1)
    let both = try run([.unconditional, .conditional], 0..<2, table)
    #expect(try both.rows(0..<1) == run([nil], 0..<1, shared(unconditional)))
    #expect(try both.rows(1..<2) == run([nil], 1..<2, shared(conditional)))
    // What is not guided is conditional.
    #expect(try run([nil], 0..<1, table) == run([nil], 0..<1, shared(conditional)))
    #expect(table.dependsOnStep == perStep)
    let simulated = try FloatExecutor(example.model, simulating: table).run(
      NetworkInput(
        x: example.input.x, timesteps: .init(repeating: Timestep(3), count: 2),
        conditioning: [Conditioning(branch: .unconditional), Conditioning(branch: .conditional)], stepIndex: step))
    #expect(relativeError(both, simulated) < 4e-3)
  }

  @Test func tablesThatDoNotFitAreNamed() throws {
    let example = try #require(Self.cases.first)
    let attention = try #require(example.model.graph.nodes.compactMap { $0.op.facts.attention }.first)
    var table = QuantizationTable()
    table.activations[attention.queries] = Self.grid
    table.activations[attention.probabilities] = ActivationQuantizers(
      shared: AffineQuantizer(bits: 8, scale: 1 / 255, zeroPoint: 3), areNumerators: true)
    let quantizer = AffineQuantizer(bits: 8, scale: 1, zeroPoint: 0)
    table.activations[attention.keys] = ActivationQuantizers(
      key: .branch, rows: [AffineQuantizer](repeating: quantizer, count: 3))
    table.activations[attention.valueOperand] = ActivationQuantizers(
      key: .stepAndBranch, rows: [AffineQuantizer](repeating: quantizer, count: 5))
    let problems = table.problems(for: example.model.graph)
    for expected in [
      "\(attention.queries): only attention's probabilities have numerators",
      "\(attention.probabilities): numerators are not negative, so their zero point is 0",
      "\(attention.keys): 3 rows for 2 branches of guidance",
      "\(attention.valueOperand): 5 rows for 2 branches of guidance",
    ] { #expect(problems.contains(expected), "\(problems)") }
  }
}
