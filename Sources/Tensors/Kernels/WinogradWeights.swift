extension PackedWeights {
  /// Products of one 4x4 output tile, channel by channel: 6x6.
  package static let winogradProducts = 36
  package static let winogradTile = 4

  /// Whether the Winograd kernels take a layer: whole vectors of channels.
  package static func allowsWinograd(outputChannels: Int, inputChannels: Int, taps: Int) -> Bool {
    taps == 9 && outputChannels.isMultiple(of: blockWidth) && inputChannels.isMultiple(of: 16)
  }

  /// A 3x3 filter g as G g G^T (Lavin & Gray 2016, equation 8), computed in Double and rounded once.
  ///
  /// - Parameter weights: as in the checkpoints, [output channel][input channel][9].
  package static func winograd(_ weights: [Float], outputChannels: Int, inputChannels: Int)
    throws(KernelError) -> PackedWeights
  {
    precondition(allowsWinograd(outputChannels: outputChannels, inputChannels: inputChannels, taps: 9))
    precondition(weights.count == outputChannels * inputChannels * 9)
    let count = winogradProducts * outputChannels * inputChannels
    let buffer = try AlignedBuffer(byteCount: count * 4)
    let packed = buffer.pointer(Float.self, count: count)
    let plane = outputChannels * inputChannels
    var rows = [Double](repeating: 0, count: 18)
    for o in 0..<outputChannels {
      let (block, lane) = o.quotientAndRemainder(dividingBy: blockWidth)
      for i in 0..<inputChannels {
        let filter = (o * inputChannels + i) * 9
        for (p, point) in filterTransform.enumerated() {
          for x in 0..<3 {
            rows[p * 3 + x] = (0..<3).reduce(0) { $0 + point[$1] * Double(weights[filter + $1 * 3 + x]) }
          }
        }
        let place = (block * inputChannels + i) * blockWidth + lane
        for p in 0..<6 {
          for (q, point) in filterTransform.enumerated() {
            let value = rows[p * 3] * point[0] + rows[p * 3 + 1] * point[1] + rows[p * 3 + 2] * point[2]
            packed[(p * 6 + q) * plane + place] = Float(value)
          }
        }
      }
    }
    return PackedWeights(
      format: .winograd, buffer: buffer, outputChannels: outputChannels, inputChannels: inputChannels, taps: 9,
      sums: [],
      gathered: nil)
  }

  /// G of the points that the kernels interpolate at (0, ±5/8, ±3/2, infinity): a row (1, p, p²) divided by the product
  /// of p's differences from the other points.
  private static let filterTransform: [[Double]] = {
    let points = [0, 0.625, -0.625, 1.5, -1.5]
    return points.map { point in
      let divisor = points.reduce(1) { $1 == point ? $0 : $0 * (point - $1) }
      return [1 / divisor, point / divisor, point * point / divisor]
    } + [[0, 0, 1]]
  }()
}
