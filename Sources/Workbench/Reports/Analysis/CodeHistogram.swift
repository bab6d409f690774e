import Graphs
import Tensors

/// Counts of values in units of a grid's steps: a value that code k stands for exactly is counted at k, whatever scale and
/// zero point its granule has.
package struct CodeHistogram {
  private static let bins = 84
  /// How far the axis reaches beyond the grid on each side, as a share of the grid.
  private static let margin = 0.2

  package let largestCode: Int
  package private(set) var counts = [Int](repeating: 0, count: bins)
  package private(set) var clippedCount = 0
  package private(set) var count = 0

  package init(largestCode: Int) { self.largestCode = largestCode }

  private var levels: Double { Double(largestCode + 1) }
  package var firstCode: Double { -0.5 - Self.margin * levels }
  package var lastCode: Double { Double(largestCode) + 0.5 + Self.margin * levels }
  /// Share of the values beyond the grid; 0 without values.
  package var clipped: Double { count == 0 ? 0 : Double(clippedCount) / Double(count) }

  /// Values beyond the axis are counted at its ends.
  private mutating func add(_ code: Double) {
    guard code.isFinite else { return }
    let position = (code - firstCode) / (lastCode - firstCode) * Double(Self.bins)
    counts[Int(min(max(position, 0), Double(Self.bins - 1)))] += 1
    count += 1
    let rounded = roundHalfToEven(code)
    if rounded < 0 || rounded > Double(largestCode) { clippedCount += 1 }
  }

  /// Adds an activation, batch axis first.
  /// - Parameter inputScales: of each channel: its values are divided by this before they are quantised.
  package mutating func add(_ value: Tensor, shape: Shape, quantizer: AffineQuantizer, inputScales: [Float]?) {
    let (channels, stride) = (shape.channels, shape.image.map { $0.height * $0.width } ?? 1)
    for (position, x) in value.values.enumerated() {
      let channel = position / stride % max(channels, 1)
      let granule = quantizer.granule(ofChannel: channel)
      let scaled = Double(x) / Double(inputScales.map { $0[channel] } ?? 1)
      add(scaled / Double(quantizer.scales[granule]) + Double(quantizer.zeroPoints[granule]))
    }
  }

  /// Adds the Float weight that codes were made of. - Precondition: of the weight's dims.
  package mutating func add(weight: Tensor, _ quantized: QuantizedWeight) {
    let quantizer = quantized.quantizer
    let row = weight.count / max(weight.dims[0], 1)
    let taps = quantized.inputScales.map { row / max($0.count, 1) } ?? 1
    for (position, x) in weight.values.enumerated() {
      let place = position % max(row, 1)
      let granule = quantizer.granule(ofRow: position / max(row, 1), position: place)
      let scaled = Double(x) * Double(quantized.inputScales.map { $0[place / taps] } ?? 1)
      add(scaled / Double(quantizer.scales[granule]) + Double(quantizer.zeroPoints[granule]))
    }
  }

  func report(_ site: Site) -> ReportAnalysis.Histogram {
    .init(
      site: "\(site)", firstCode: firstCode, lastCode: lastCode, largestCode: largestCode, counts: counts,
      clipped: clipped)
  }
}
