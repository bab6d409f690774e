import Execution
import Graphs
import Synchronization
import Tensors

extension QuantizationTask {
  /// Stage: a scale for every input channel of the layers whose weight and input are both quantised, which moves range from
  /// channels that reach far to weights that do not (OS+: Wei et al. 2023; SmoothQuant: Xiao et al. 2023). Execution
  /// divides by it in the pass that normalises, activates and quantises, at no cost.
  ///
  /// Differs: no shift, since padding must stay zero; the strength is chosen per layer by the noise that rounding is
  /// expected to make, instead of by a search on the layer's output; scales are powers of two.
  /// - Returns: by node path; layers that gain nothing are absent.
  package func smoothingScales() throws -> [String: [Float]] {
    guard let smoothing = recipe.smoothing, let weights = recipe.weights, let activations = recipe.activations else {
      return [:]
    }
    let inputs = Set(selection.activations.map(\.node))
    let layers = model.graph.nodes.filter { node in
      selection.weights.contains(node.path) && inputs.contains(node.path) && !model.graph.isTemporal[node.index]
    }
    let seen = try channelReach(of: layers, samplesPerStep: smoothing.samplesPerStep)
    var scales: [String: [Float]] = [:]
    for layer in layers {
      guard let reach = seen[layer.path], let weight = try layer.op.parameters.first.flatMap(model.parameter)
      else { continue }
      let balance = ChannelBalance(
        reach: reach, weight: weight, boundaries: recipe.boundaries(of: layer, in: model.graph),
        weightBits: weights.bits,
        activationBits: activations.bits)
      scales[layer.path] = balance.scales()
    }
    return scales
  }

  /// What the input channels of some layers reach in the float network.
  private func channelReach(of layers: [Node], samplesPerStep: Int) throws -> [String: ChannelReach] {
    let found = Mutex<[String: ChannelReach]>([:])
    let layouts = Dictionary(
      uniqueKeysWithValues: layers.map {
        (Site(node: $0.path, role: .input), ChannelLayout(model.graph.nodes[$0.inputs[0]].shape))
      })
    let watcher = SiteObserver {
      layouts[$0] != nil
    } receive: { site, value in
      guard let layout = layouts[site] else { return }
      found.withLock { $0[site.node, default: ChannelReach()].add(value, layout) }
    }
    let executor = try makeExecutor(model, QuantizationTable(), watcher)
    try eachSample("watching channels", perStep: samplesPerStep) { slice, input in
      _ = try executor.run(input)
      let broken = found.withLock { $0.filter { !$0.value.isFinite }.map(\.key) }
      if !broken.isEmpty {
        throw QuantizationError.nonFiniteActivations(
          step: slice.step, work: "channels were watched",
          sites: broken.sorted().map { Site(node: $0, role: .input).description })
      }
    }
    return found.withLock { $0 }
  }
}

/// Extremes and energy of each channel of a layer's input.
package struct ChannelReach: Sendable {
  package private(set) var lower: [Double] = []
  package private(set) var upper: [Double] = []
  private var squares: [Double] = []
  private var count = 0

  package init() {}

  /// - Parameters: value: N x the site's dims; layout: where the channels lie in it.
  package mutating func add(_ value: Tensor, _ layout: ChannelLayout) {
    if lower.isEmpty {
      lower = [Double](repeating: 0, count: layout.count)
      upper = lower
      squares = lower
    }
    for start in stride(from: 0, to: value.count, by: layout.stride) {
      let channel = start / layout.stride % layout.count
      for x in value.values[start..<min(start + layout.stride, value.count)] {
        let x = Double(x)
        if x < lower[channel] { lower[channel] = x }
        if x > upper[channel] { upper[channel] = x }
        squares[channel] += x * x
      }
    }
    count += value.count / layout.count
  }

  /// Whether every value so far was finite: squares of Floats do not overflow a Double.
  var isFinite: Bool { squares.allSatisfy(\.isFinite) }
  /// E[x^2] of each channel.
  var energies: [Double] { squares.map { count > 0 ? $0 / Double(count) : 0 } }
}

/// Scales between a layer's input and its weight, chosen by the noise they leave.
///
/// Rounding to steps of d adds noise of variance d^2 / 12. With scales s, the input's step is the range of x / s over its
/// levels, and the output receives it through W s; the weight's step is the range of W s in an output channel, and the
/// output receives it through x / s.
package struct ChannelBalance {
  private let lower: [Double]
  private let upper: [Double]
  private let energies: [Double]
  /// Per input channel: sum of W^2, over outputs and taps.
  private let weightEnergies: [Double]
  /// Per output channel, then input channel: the largest |W| over taps.
  private let weightReach: [[Double]]
  private let taps: Int
  private let stretches: [Range<Int>]
  private let weightLevels: Double
  private let activationLevels: Double

  package init(reach: ChannelReach, weight: Tensor, boundaries: [Int], weightBits: Int, activationBits: Int) {
    (lower, upper, energies) = (reach.lower, reach.upper, reach.energies)
    let (outputs, inputs) = (weight.dims[0], weight.dims[1])
    let taps = weight.count / (outputs * inputs)
    var sums = [Double](repeating: 0, count: inputs)
    weightReach = (0..<outputs).map { o in
      (0..<inputs).map { c in
        var largest = 0.0
        for value in weight.values[((o * inputs + c) * taps)..<((o * inputs + c + 1) * taps)] {
          largest = max(largest, abs(Double(value)))
          sums[c] += Double(value) * Double(value)
        }
        return largest
      }
    }
    weightEnergies = sums
    self.taps = taps
    stretches = zip([0] + boundaries, boundaries + [inputs]).map { $0..<$1 }
    weightLevels = Double((1 << weightBits) - 2)
    activationLevels = Double((1 << activationBits) - 1)
  }

  /// The variance that rounding both operands adds to a pixel of the output, all channels together.
  package func noise(_ scales: [Double]) -> Double {
    var total = 0.0
    for stretch in stretches {
      let top = stretch.reduce(0) { max($0, upper[$1] / scales[$1]) }
      let bottom = stretch.reduce(0) { min($0, lower[$1] / scales[$1]) }
      let step = (top - bottom) / activationLevels
      total += step * step / 12 * stretch.reduce(0) { $0 + scales[$1] * scales[$1] * weightEnergies[$1] }
      let energy = stretch.reduce(0) { $0 + energies[$1] / (scales[$1] * scales[$1]) } * Double(taps)
      for row in weightReach {
        let step = 2 * stretch.reduce(0) { max($0, row[$1] * scales[$1]) } / weightLevels
        total += step * step / 12 * energy
      }
    }
    return total
  }

  /// How strongly channels are evened out: r^a for ranges r.
  private static let strengths = (1...10).map { Double($0) / 10 }

  /// The powers of two of least noise among r^a w^(a - 1) (SmoothQuant) and r^a, for reaches r and w of input and weight;
  /// nil where none is better than ones.
  package func scales() -> [Float]? {
    let count = lower.count
    let ranges = (0..<count).map { max(upper[$0] - lower[$0], 0) }
    let weights = (0..<count).map { c in weightReach.reduce(0) { max($0, $1[c]) } }
    var best = [Double](repeating: 1, count: count)
    var least = noise(best)
    var isChanged = false
    for strength in Self.strengths {
      for share in [0, 1 - strength] {
        let exact = (0..<count).map { c -> Double in
          guard ranges[c] > 0, weights[c] > 0 else { return .nan }
          return strength * PortableMath.log(ranges[c]) - share * PortableMath.log(weights[c])
        }
        let candidate = Self.powersOfTwo(exact)
        let noise = noise(candidate)
        if noise < least { (best, least, isChanged) = (candidate, noise, true) }
      }
    }
    return isChanged ? best.map(Float.init) : nil
  }

  private static let log2 = 0.693_147_180_559_945_3
  /// Bounds of an exponent, far beyond what channels differ by.
  private static let largestExponent = 20.0

  /// Natural logarithms, less their mean, as the nearest powers of two; NaN gives 1.
  private static func powersOfTwo(_ logarithms: [Double]) -> [Double] {
    let known = logarithms.filter { !$0.isNaN }
    let mean = known.isEmpty ? 0 : known.reduce(0, +) / Double(known.count)
    return logarithms.map { value in
      if value.isNaN { return 1 }
      let exponent = min(max(roundHalfToEven((value - mean) / log2), -largestExponent), largestExponent)
      return Double(sign: .plus, exponent: Int(exponent), significand: 1)
    }
  }
}
