import Execution
import Graphs
import Tensors
import TestSupport
import Testing

/// Layers whose input has scales of its own per operand of a concatenation, or per channel.
@Suite struct SplitInputTests {
  /// A skip connection whose operands have `first` and `second` channels, read by a 1x1 and, normalised, by a 3x3
  /// convolution. The second operand reaches ten times as far.
  private static func example(first: Int, second: Int) -> ExecutorCase {
    ExecutorCase("\(first) and \(second) channels", channels: 6, height: 5, width: 3) { g, image in
      let a = g.conv2d("a", image, out: first)
      let b = g.affine("far", g.conv2d("b", a, out: second), scale: 10)
      let joined = g.concatenate("joined", a, b)
      let h = g.conv2d(
        "conv", g.activation("act", g.groupNorm("norm", joined, groups: 1, epsilon: 1e-6), .silu), out: 10)
      return g.add("sum", g.conv2d("shortcut", joined, out: 10, kernel: 1), h)
    }
  }

  /// Boundaries at and beside multiples of four, which is how many codes the kernels read at once.
  private static let examples = [(20, 12), (5, 6), (7, 1), (1, 7), (4, 9)].map { example(first: $0.0, second: $0.1) }

  private static let layers = ["conv", "shortcut"]

  /// The case's table with both layers' inputs and weights split at the boundary.
  private static func split(_ example: ExecutorCase, _ table: QuantizationTable) -> QuantizationTable {
    var table = table
    for path in layers {
      let node = example.model.graph.node(at: path)!
      let boundary = example.model.graph.concatenationBoundaries(ofInputTo: node, direct: false)[0]
      let site = Site(node: path, role: .input)
      let old = table.activations[site]!.rows[0]
      table.activations[site] = ActivationQuantizers(
        shared: AffineQuantizer(
          bits: 8, granularity: .split(boundaries: [boundary]), scales: [old.scales[0] / 4, old.scales[0]],
          zeroPoints: [100, old.zeroPoints[0]]))
      let weight = table.weights[path]!
      let taps = weight.dims[2] * weight.dims[3]
      let quantizer = AffineQuantizer(
        bits: 8, granularity: .rowSplit(boundaries: [boundary * taps]),
        scales: weight.quantizer.scales.flatMap { [$0, $0 / 2] },
        zeroPoints: weight.quantizer.zeroPoints.flatMap { [$0, $0] })
      table.weights[path] = QuantizedWeight(dims: weight.dims, quantizer: quantizer, codes: weight.codes)
    }
    return table
  }

  /// The same with channels of the layers' inputs divided by powers of two.
  private static func smoothed(_ table: QuantizationTable) -> QuantizationTable {
    var table = table
    for path in layers {
      let weight = table.weights[path]!
      table.weights[path] = QuantizedWeight(
        dims: weight.dims, quantizer: weight.quantizer, codes: weight.codes,
        inputScales: (0..<weight.dims[1]).map { [1, 2, 0.5, 4][$0 % 4] })
    }
    return table
  }

  @Test(arguments: examples) func integersAgreeWithTheirSimulation(_ example: ExecutorCase) throws {
    let plain = try TableMaker.table(for: example, weightBits: 8)
    let divided = Self.split(example, plain)
    for table in [divided, Self.smoothed(plain), Self.smoothed(divided)] {
      let reference = try ReferenceExecutor(example.model, simulating: table).run(example.input)
      let simulated = try FloatExecutor(example.model, simulating: table).run(example.input)
      let executor = try IntegerExecutor(example.model, table: table)
      let executed = try executor.run(example.input)
      #expect(executor.arithmetics.allSatisfy { $0.arithmetic == "integer" })
      // As for whole inputs: a code may move by one where float sums differ. Depth is three contractions.
      #expect(relativeError(executed, simulated) < 4e-3)
      #expect(relativeError(simulated, reference) < 4e-3)
      for kernels in KernelTable.available() {
        for threads in [1, 2] {
          let other = try IntegerExecutor(
            example.model, table: table, pool: WorkerPool(threads: threads), kernels: kernels)
          #expect(try other.run(example.input) == executed, "\(kernels.name), \(threads) threads")
        }
      }
    }
  }

  @Test func equalHalvesAreTheWhole() throws {
    let example = Self.examples[0]
    let whole = try TableMaker.table(for: example, weightBits: 8)
    var halves = whole
    for path in Self.layers {
      let site = Site(node: path, role: .input)
      let (row, weight) = (whole.activations[site]!.rows[0], whole.weights[path]!)
      halves.activations[site] = ActivationQuantizers(
        shared: AffineQuantizer(
          bits: 8, granularity: .split(boundaries: [20]), scales: [row.scales[0], row.scales[0]],
          zeroPoints: [row.zeroPoints[0], row.zeroPoints[0]]))
      let taps = weight.dims[2] * weight.dims[3]
      halves.weights[path] = QuantizedWeight(
        dims: weight.dims,
        quantizer: AffineQuantizer(
          bits: 8, granularity: .rowSplit(boundaries: [20 * taps]),
          scales: weight.quantizer.scales.flatMap { [$0, $0] },
          zeroPoints: weight.quantizer.zeroPoints.flatMap { [$0, $0] }), codes: weight.codes)
    }
    let simulated = try FloatExecutor(example.model, simulating: whole).run(example.input)
    #expect(try FloatExecutor(example.model, simulating: halves).run(example.input) == simulated)
    let executed = try IntegerExecutor(example.model, table: whole).run(example.input)
    // Two sums, each rounded, instead of one.
    #expect(relativeError(try IntegerExecutor(example.model, table: halves).run(example.input), executed) < 1e-6)
  }

  @Test func scalesOfOneChangeNothing() throws {
    let example = Self.examples[1]
    let plain = try TableMaker.table(for: example, weightBits: 8)
    var ones = plain
    for path in Self.layers {
      let weight = plain.weights[path]!
      ones.weights[path] = QuantizedWeight(
        dims: weight.dims, quantizer: weight.quantizer, codes: weight.codes,
        inputScales: [Float](repeating: 1, count: weight.dims[1]))
    }
    #expect(
      try IntegerExecutor(example.model, table: ones).run(example.input)
        == IntegerExecutor(example.model, table: plain).run(example.input))
  }

  @Test func boundariesAreThoseOfTheConcatenation() throws {
    let graph = Self.examples[1].model.graph
    func boundaries(_ path: String, direct: Bool) -> [Int] {
      graph.concatenationBoundaries(ofInputTo: graph.node(at: path)!, direct: direct)
    }
    #expect(boundaries("shortcut", direct: true) == [5])
    #expect(boundaries("conv", direct: true) == [])
    #expect(boundaries("conv", direct: false) == [5])
    #expect(boundaries("a", direct: false) == [])
  }

  @Test func boundariesThatDoNotFitAreNamed() throws {
    let example = Self.examples[1]
    var table = try TableMaker.table(for: example, weightBits: 8)
    let site = Site(node: "shortcut", role: .input)
    table.activations[site] = ActivationQuantizers(
      shared: AffineQuantizer(bits: 8, granularity: .split(boundaries: [11]), scales: [1, 1], zeroPoints: [0, 0]))
    let weight = table.weights["conv"]!
    table.weights["conv"] = QuantizedWeight(
      dims: weight.dims,
      quantizer: AffineQuantizer(
        bits: 8, granularity: .rowSplit(boundaries: [99]), scales: .init(repeating: 1, count: 20),
        zeroPoints: .init(repeating: 128, count: 20)), codes: weight.codes)
    #expect(
      throws: ExecutionError.table(problems: [
        "conv:weight: rows split at [99] of 99", "shortcut:input: split at [11] of 11 channels",
      ])
    ) { try table.check(for: example.model.graph) }
  }
}
