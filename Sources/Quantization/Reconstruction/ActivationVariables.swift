import Execution
import Graphs
import Tensors

/// The steps of one activation site's quantisers while they are learned (LSQ: Esser et al. 2020, "Learned step size
/// quantization", equations 2 and 3), a row per sampling step where the site's table has one: x^ = s (q - z) with
/// q = clamp(rint(x / s) + z, 0, L - 1); dx^/ds is q' - x/s inside the grid (q' before the clamp, less z), -z below and
/// L - 1 - z above; dx^/dx is 1 inside and 0 outside. Zero points stay.
///
/// What is learned is each scale's ratio to where it began, so that one rate suits every site and width.
/// Differs: the paper scales the gradient by 1 / sqrt(N L); Adam takes no notice of constant factors, and BRECQ, QDrop and
/// Q-Diffusion leave it away.
///
/// With dropping, each element passes unquantised with a probability of its own draw (QDrop: Wei et al. 2022, section 4.2).
package final class ActivationVariables: DifferentiableQuantizer {
  package let site: Site
  private let start: ActivationQuantizers
  /// Neighbouring rows of the table that are one.
  private let interval: Int
  private let granules: Int
  /// Ends of the granules' stretches of channels; the last is the number of channels.
  private let ends: [Int]
  /// Per channel: what the input is divided by before its codes are taken; empty for ones.
  private let inputScales: [Float]
  private let dropping: Double
  private let zeroPoints: [Float]
  private let largest: Float
  /// By learned row and granule.
  private let startScales: [Float]
  private var ratios: [Float]
  private var moments: AdamMoments
  /// Of the batch, by image: learned row, and what the draws of dropping come from.
  private var rows: [Int] = []
  private var seeds: [UInt64] = []
  /// By image and granule: the gradient by the scale.
  private let memory: AlignedBuffer
  private var sums: UnsafeMutablePointer<Double> { memory.pointer(Double.self, count: memory.byteCount / 8) }

  /// - Parameters: inputScales: per channel, nil: ones; interval: neighbouring rows that are learned as one; dropping: the
  ///   share of elements that pass unquantised; images: of the largest batch.
  package init(
    _ site: Site, _ start: ActivationQuantizers, channels: Int, inputScales: [Float]?, interval: Int, dropping: Double,
    images: Int
  ) throws(KernelError) {
    precondition(interval == 1 || start.key == .step)
    self.site = site
    self.start = start
    self.interval = interval
    self.dropping = dropping
    self.inputScales = inputScales ?? []
    let learned = stride(from: 0, to: start.rows.count, by: interval).map { start.rows[$0] }
    granules = learned[0].scales.count
    ends = learned[0].boundaries + [channels]
    largest = Float(learned[0].largestCode)
    startScales = learned.flatMap(\.scales)
    zeroPoints = learned.flatMap { $0.zeroPoints.map { Float($0) } }
    ratios = [Float](repeating: 1, count: startScales.count)
    moments = AdamMoments(count: startScales.count)
    memory = try AlignedBuffer(byteCount: 8 * max(images, 1) * granules)
  }

  /// Says which samples the next passes are of.
  /// - Parameter seeds: what the elements that pass unquantised are drawn from, by image; empty: none pass.
  func begin(_ calls: [ReconstructionSamples.Call], seeds: [UInt64] = []) {
    begin(rows: calls.map { start.key.row(stepIndex: $0.step, label: $0.label) }, seeds: seeds)
  }

  /// The same by rows of the site's table.
  package func begin(rows: [Int], seeds: [UInt64] = []) {
    self.rows = rows.map { $0 / interval }
    self.seeds = dropping > 0 ? seeds : []
  }

  // MARK: Passes

  package func forward(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int, image: Int) {
    forEachStretch(count, image) { range, grid, _ in
      for i in range {
        let code = min(max(roundHalfToEven(x[i] * grid.inverse) + grid.zero, 0), largest)
        out[i] = grid.scale * (code - grid.zero)
      }
    }
    if seeds.isEmpty { return }
    var draws = DropDraws(seeds[image], share: dropping)
    for i in 0..<count where draws.next() { out[i] = x[i] }
  }

  package func backward(
    _ x: UnsafePointer<Float>, _ cotangent: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>,
    accumulate: Bool, count: Int, image: Int
  ) {
    var draws = DropDraws(seeds.isEmpty ? 0 : seeds[image], share: seeds.isEmpty ? 0 : dropping)
    let sums = sums + image * granules
    for granule in 0..<granules { sums[granule] = 0 }
    forEachStretch(count, image) { range, grid, granule in
      var sum = 0.0
      for i in range {
        var gradient = cotangent[i]
        if !draws.next() {
          let exact = x[i] * grid.inverse
          let rounded = roundHalfToEven(exact)
          let code = rounded + grid.zero
          let isInside = code >= 0 && code <= largest
          let slope = isInside ? rounded - exact : min(max(code, 0), largest) - grid.zero
          sum += Double(gradient * grid.factor * slope)
          if !isInside { gradient = 0 }
        }
        dx[i] = accumulate ? dx[i] + gradient : gradient
      }
      sums[granule] += sum
    }
  }

  /// The grid of one stretch of channels, its input scale folded in.
  private struct Grid {
    let scale: Float
    let inverse: Float
    let zero: Float
    /// Of the scale's gradient.
    let factor: Float
  }

  /// Stretches of neighbouring elements of one grid, in order. Values are channels-last.
  @inline(__always) private func forEachStretch(_ count: Int, _ image: Int, _ body: (Range<Int>, Grid, Int) -> Void) {
    let first = rows[image] * granules
    func grid(_ granule: Int, _ inputScale: Float = 1) -> Grid {
      let scale = self.scale(first + granule)
      // Input scales are powers of two, which round nothing.
      return Grid(
        scale: scale * inputScale, inverse: 1 / scale / inputScale, zero: zeroPoints[first + granule],
        factor: inputScale)
    }
    let channels = ends[granules - 1]
    if inputScales.isEmpty && granules == 1 { return body(0..<count, grid(0), 0) }
    for pixel in stride(from: 0, to: count, by: channels) {
      var from = 0
      for granule in 0..<granules {
        if inputScales.isEmpty {
          body((pixel + from)..<(pixel + ends[granule]), grid(granule), granule)
        } else {
          for channel in from..<ends[granule] {
            body((pixel + channel)..<(pixel + channel + 1), grid(granule, inputScales[channel]), granule)
          }
        }
        from = ends[granule]
      }
    }
  }

  // MARK: Learning

  private func scale(_ position: Int) -> Float { startScales[position] * ratios[position] }

  /// The gradient by the scales of the last backward pass, by learned row and granule: images added in their order.
  package var gradient: [Double] {
    var total = [Double](repeating: 0, count: startScales.count)
    for (image, row) in rows.enumerated() {
      for granule in 0..<granules { total[row * granules + granule] += sums[image * granules + granule] }
    }
    return total
  }

  /// One step of Adam after a backward pass. - Parameter rate: as a share of where each scale began.
  package func step(rate: Double, kernels: KernelTable, pool: WorkerPool) {
    let gradient = zip(self.gradient, startScales).map { Float($0 * Double($1)) }
    ratios.withUnsafeMutableBufferPointer { ratios in
      guard let ratios = ratios.baseAddress else { return }
      moments.step(ratios, gradient, rate: rate, kernels: kernels, pool: pool)
    }
    // Not constrained in the papers' code; a scale of the other sign would be another quantiser.
    for position in ratios.indices { ratios[position] = max(ratios[position], Self.smallestRatio) }
  }

  private static let smallestRatio: Float = 1e-3

  /// The quantisers as they have become.
  package var frozen: ActivationQuantizers { start.with(scales: scales) }

  /// By row of the table and granule.
  package var scales: [Float] {
    start.rows.indices.flatMap { row in (0..<granules).map { scale(row / interval * granules + $0) } }
  }

  // MARK: State

  var state: [String: [Float]] {
    ["ratios": ratios, "mean": moments.mean, "square": moments.square]
  }

  /// Takes over a state after so many steps. - Returns: false, and changes nothing, where it is another site's.
  func restore(_ state: [String: [Float]], steps: Int) -> Bool {
    guard let ratios = state["ratios"], let mean = state["mean"], let square = state["square"],
      [ratios, mean, square].allSatisfy({ $0.count == startScales.count })
    else { return false }
    self.ratios = ratios
    moments = AdamMoments(mean: mean, square: square, steps: steps)
    return true
  }
}

extension ActivationQuantizers {
  /// The same quantisers with other scales, by row and granule.
  func with(scales: [Float]) -> ActivationQuantizers {
    var from = 0
    return replacing(
      rows: rows.map { row in
        defer { from += row.scales.count }
        return AffineQuantizer(
          bits: row.bits, granularity: row.granularity, scales: Array(scales[from..<(from + row.scales.count)]),
          zeroPoints: row.zeroPoints)
      })
  }
}

extension QuantizedNetwork {
  /// Variables of every quantised input of some layers, in the nodes' order. - Parameters: as the initialiser's.
  func activationVariables(
    at nodes: [Int], interval: Int, dropping: Double, images: Int
  ) throws(KernelError) -> [ActivationVariables] {
    var found: [ActivationVariables] = []
    for index in nodes {
      let node = model.graph.nodes[index]
      let site = Site(node: node.path, role: .input)
      guard let quantizers = table.activations[site] else { continue }
      found.append(
        try ActivationVariables(
          site, quantizers, channels: model.graph.nodes[node.inputs[0]].shape.channels,
          inputScales: table.weights[node.path]?.inputScales, interval: quantizers.key == .step ? interval : 1,
          dropping: dropping, images: images))
    }
    return found
  }
}

extension [ActivationVariables] {
  /// As the gradient executor takes them.
  var byPath: [String: any DifferentiableQuantizer] {
    reduce(into: [:]) { $0[$1.site.node] = $1 }
  }
}
