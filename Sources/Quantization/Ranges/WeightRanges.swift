import Graphs
import Tensors

extension Recipe.Weights {
  /// Scales and zero points of a weight, one pair per output channel and stretch of its row, each range chosen by itself.
  /// - Parameters: weight: out channels first; finite values; boundaries: positions in a row at which a stretch begins.
  package func quantizer(for weight: Tensor, splitAt boundaries: [Int] = []) -> AffineQuantizer {
    let channels = weight.dims[0]
    let size = weight.count / max(channels, 1)
    let stretches = zip([0] + boundaries, boundaries + [size]).map { $0..<$1 }
    let rule = GridRule(.weight, bits: bits, symmetric: symmetric, estimator: range)
    let quantizers = (0..<channels).flatMap { channel in
      stretches.map { stretch -> AffineQuantizer in
        let row = weight.values[(channel * size + stretch.lowerBound)..<(channel * size + stretch.upperBound)]
        let extremes = ValueRange(of: row) ?? ValueRange(lower: 0, upper: 0)
        let points = range.searches ? WeightedPoints(row) : WeightedPoints()
        return rule.quantizer(range.range(of: points, extremes: extremes, rule: rule))
      }
    }
    return AffineQuantizer(
      bits: bits, granularity: boundaries.isEmpty ? .perChannel : .rowSplit(boundaries: boundaries),
      scales: quantizers.map { $0.scales[0] },
      zeroPoints: quantizers.map { $0.zeroPoints[0] })
  }
}
