import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct ActivationVariablesTests {
  static let site = Site(node: "conv", role: .input)

  static func variables(
    _ quantizers: ActivationQuantizers, channels: Int = 1, inputScales: [Float]? = nil, interval: Int = 1,
    dropping: Double = 0, images: Int = 1
  ) throws -> ActivationVariables {
    try ActivationVariables(
      site, quantizers, channels: channels, inputScales: inputScales, interval: interval, dropping: dropping,
      images: images)
  }

  /// Result, and gradient by the operand for a cotangent of ones.
  static func passes(
    _ variables: ActivationVariables, _ x: [Float], cotangent: [Float]? = nil, image: Int = 0
  ) -> (out: [Float], dx: [Float]) {
    var (out, dx) = ([Float](repeating: 0, count: x.count), [Float](repeating: 0, count: x.count))
    variables.forward(x, into: &out, count: x.count, image: image)
    variables.backward(
      x, cotangent ?? x.map { _ in 1 }, into: &dx, accumulate: false, count: x.count, image: image)
    return (out, dx)
  }

  /// s = 0.25, z = 5, 4 bits: inside the grid round(v) - v, below it -z, above it L - 1 - z.
  @Test(
    "gradients of one element",
    arguments: [
      (0.3, 1, -0.2), (0.2, 1, 0.2), (-1.25, 1, 0), (2.5, 1, 0), (0.125, 1, -0.5), (-2, 0, -5), (-1.5, 0, -5),
      (2.75, 0, 10), (5, 0, 10),
    ] as [(Float, Float, Double)]) func oneElement(x: Float, dx: Float, ds: Double) throws
  {
    let variables = try Self.variables(.init(shared: AffineQuantizer(bits: 4, scale: 0.25, zeroPoint: 5)))
    variables.begin(rows: [0])
    let found = Self.passes(variables, [x])
    #expect(found.dx == [dx])
    // Float rounds x / s.
    #expect(abs(variables.gradient[0] - ds) < 1e-6)
  }

  static let split = AffineQuantizer(
    bits: 3, granularity: .split(boundaries: [1]), scales: [0.3, 0.1], zeroPoints: [3, 5])

  @Test(
    "a pass is the simulation of the site, split and scaled inputs too", arguments: [nil, [2, 0.5, 4]] as [[Float]?])
  func simulation(scales: [Float]?) throws {
    var random = SplitMix64(4)
    let x = random.floats(30)
    let variables = try Self.variables(.init(shared: Self.split), channels: 3, inputScales: scales)
    variables.begin(rows: [0])
    var expected = x
    func eachChannel(_ change: (Float, Float) -> Float) {
      if let scales { for i in expected.indices { expected[i] = change(expected[i], scales[i % 3]) } }
    }
    eachChannel(/)
    Self.split.simulate(&expected, channelStride: 1, channelCount: 3)
    eachChannel(*)
    #expect(Self.passes(variables, x).out == expected)
  }

  /// The rounding's offset held fixed, x^ is a smooth function of s almost everywhere, whose derivative the gradient is.
  @Test("gradients agree with finite differences of the clipped line", arguments: [nil, [2, 0.5, 4]] as [[Float]?])
  func finiteDifferences(scales: [Float]?) throws {
    var random = SplitMix64(9)
    let rows = ActivationQuantizers(
      key: .step,
      rows: [
        Self.split,
        AffineQuantizer(bits: 3, granularity: .split(boundaries: [1]), scales: [0.2, 0.4], zeroPoints: [1, 6]),
      ])
    let cotangent = random.floats(60)
    // The first and the last code are kinks of the line; zero is inside of all four grids.
    let x = random.floats(60).enumerated().map { i, x in
      let (quantizer, granule) = (rows.rows[i < 30 ? 1 : 0], i % 3 == 0 ? 0 : 1)
      return Self.isAtEnd(x / (scales?[i % 3] ?? 1), quantizer, granule) ? 0 : x
    }
    let variables = try Self.variables(rows, channels: 3, inputScales: scales, images: 2)
    variables.begin(rows: [1, 0])
    _ = Self.passes(variables, Array(x[..<30]), cotangent: Array(cotangent[..<30]), image: 0)
    _ = Self.passes(variables, Array(x[30...]), cotangent: Array(cotangent[30...]), image: 1)
    for row in 0..<2 {
      for granule in 0..<2 {
        let quantizer = rows.rows[row]
        let (start, zero) = (Double(quantizer.scales[granule]), Double(quantizer.zeroPoints[granule]))
        func f(_ scale: Double) -> Double {
          var sum = 0.0
          for i in (row == 1 ? 0..<30 : 30..<60) where (i % 3 == 0) == (granule == 0) {
            let factor = Double(scales?[i % 3] ?? 1)
            let exact = Double(x[i]) / factor / start
            let offset = exact.rounded(.toNearestOrEven) - exact
            let code = min(max(Double(x[i]) / factor / scale + offset + zero, 0), 7)
            sum += Double(cotangent[i]) * factor * scale * (code - zero)
          }
          return sum
        }
        let h = start * 1e-6
        let expected = (f(start + h) - f(start - h)) / (2 * h)
        // Float's rounding of v.
        #expect(abs(variables.gradient[row * 2 + granule] - expected) < 1e-4 * max(1, abs(expected)))
      }
    }
  }

  private static func isAtEnd(_ x: Float, _ quantizer: AffineQuantizer, _ granule: Int) -> Bool {
    let code = roundHalfToEven(x / quantizer.scales[granule]) + Float(quantizer.zeroPoints[granule])
    return code == 0 || code == 7
  }

  /// Steps so small that every element lies beyond the grid: the network is a smooth function of the step.
  @Test(
    "gradients reach a step through the network behind it", arguments: ["down_blocks.0.resnets.0.conv1", "conv_out"])
  func throughTheNetwork(path: String) throws {
    let tiny = try TinyModel()
    let graph = tiny.model.graph
    let node = try #require(graph.node(at: path))
    let unit = graph.networkUnit
    var random = SplitMix64(6)
    let output = graph.nodes[graph.output]
    let (x, cotangent) = (random.floats(2 * graph.imageShape.count), random.floats(2 * output.count))
    func run(_ scale: Float) throws -> (value: Double, gradient: Double) {
      let variables = try Self.variables(
        .init(shared: AffineQuantizer(bits: 2, scale: scale, zeroPoint: 1)),
        channels: graph.nodes[node.inputs[0]].dims[0],
        images: 2)
      variables.begin(rows: [0, 0])
      let executor = try GradientExecutor(
        tiny.model, segment: unit.segment, targets: GradientTargets(parameters: [], inputs: []), batch: 2,
        quantizers: [path: variables])
      for input in unit.segment.inputs {
        let values = executor.value(input)
        let count = 2 * executor.elementCount(input)
        for i in 0..<count { values[i] = graph.nodes[input].op.meaning == .sample ? x[i] : 0.1 * Float(i % 5) }
      }
      executor.forward(images: 2)
      var value = 0.0
      for (i, factor) in cotangent.enumerated() {
        value += Double(executor.value(graph.output)[i]) * Double(factor)
        executor.cotangent(graph.output)[i] = factor
      }
      executor.backward()
      return (value, variables.gradient[0])
    }
    let scale: Float = 2e-4
    let h: Float = 0x1p-16
    let (above, below) = (try run(scale + h).value, try run(scale - h).value)
    let found = try run(scale).gradient
    // Few of a thousand elements lie inside the grid, within 0.0003 of zero; results are Float, over h.
    #expect(abs((above - below) / (2 * Double(h)) - found) < 0.02 * max(1, abs(found)), "\(found)")
    #expect(abs(found) > 0.1)
  }

  @Test("dropped elements pass as they are, the same in both passes and at every place of a batch") func dropping()
    throws
  {
    var random = SplitMix64(2)
    let (x, cotangent) = (random.floats(20_000), random.floats(20_000))
    let quantizers = ActivationQuantizers(shared: AffineQuantizer(bits: 2, scale: 0.2, zeroPoint: 1))
    let plain = try Self.variables(quantizers)
    plain.begin(rows: [0])
    let quantised = Self.passes(plain, x, cotangent: cotangent)
    for share in [0, 0.25, 0.5, 1] {
      let variables = try Self.variables(quantizers, dropping: share, images: 3)
      variables.begin(rows: [0, 0, 0], seeds: [7, 8, 7])
      let (first, second, third) = (
        Self.passes(variables, x, cotangent: cotangent, image: 0),
        Self.passes(variables, x, cotangent: cotangent, image: 1),
        Self.passes(variables, x, cotangent: cotangent, image: 2)
      )
      #expect(first.out == third.out && first.dx == third.dx)
      #expect((first.out == second.out) == (share == 0 || share == 1))
      let passed = x.indices.count { first.out[$0] == x[$0] }
      // Five standard deviations of a binomial draw.
      #expect(abs(Double(passed) - share * 20_000) <= 5 * (share * (1 - share) * 20_000).squareRoot())
      for i in x.indices {
        let isPassed = first.out[i] == x[i]
        #expect(first.out[i] == (isPassed ? x[i] : quantised.out[i]))
        #expect(first.dx[i] == (isPassed ? cotangent[i] : quantised.dx[i]))
      }
      // Without seeds everything is quantised: as the network computes.
      variables.begin(rows: [0, 0, 0])
      #expect(Self.passes(variables, x).out == quantised.out)
    }
  }

  @Test("steps descend to the range that suits them, rows by themselves") func descent() throws {
    let rows = ActivationQuantizers(
      key: .step, rows: [1, 0.05].map { AffineQuantizer(bits: 4, scale: $0, zeroPoint: 8) })
    let variables = try Self.variables(rows, images: 2)
    var random = SplitMix64(5)
    for _ in 0..<400 {
      variables.begin(rows: [0, 1])
      for image in 0..<2 {
        let x = random.floats(256)
        let out = Self.passes(variables, x, image: image).out
        _ = Self.passes(variables, x, cotangent: zip(out, x).map { 2 * ($0 - $1) }, image: image)
      }
      variables.step(rate: 0.01, kernels: .best, pool: WorkerPool(threads: 1))
    }
    // Uniform in [-1, 1): s^2 / 12 of rounding and (1 - 7.5 s)^3 / 6 of clipping are least at 0.124.
    for row in variables.frozen.rows { #expect(abs(row.scales[0] - 0.124) < 0.008, "\(row.scales)") }
  }
}
