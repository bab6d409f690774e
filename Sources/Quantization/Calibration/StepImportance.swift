import Tensors

/// How much each sampling step deserves to be calibrated on: temporal distribution alignment (EDA-DM: Liu et al. 2024,
/// "Enhanced distribution alignment for post-training quantization of diffusion models", section 3.2, released code).
package enum StepImportance {
  /// w_k = density_k + diversity * diversity_k, both scaled to 0…1 over the steps: density counts the other steps whose
  /// features lie within `radius` (mean squared difference), diversity sums 1 - cosine to the other steps' features.
  /// - Parameter features: one vector per step, of equal length.
  package static func weights(features: [[Float]], radius: Double, diversity: Double) -> [Double] {
    let count = features.count
    var (near, far) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
    let squares = features.map { $0.reduce(0.0) { $0 + Double($1) * Double($1) } }
    for a in 0..<count {
      for b in 0..<a {
        var product = 0.0
        for (x, y) in zip(features[a], features[b]) { product += Double(x) * Double(y) }
        // |x - y|^2 = |x|^2 + |y|^2 - 2 x y
        let distance = max(squares[a] + squares[b] - 2 * product, 0) / Double(max(features[a].count, 1))
        let norm = (squares[a] * squares[b]).squareRoot()
        for step in [a, b] {
          if distance <= radius { near[step] += 1 }
          far[step] += 1 - (norm > 0 ? product / norm : 0)
        }
      }
    }
    return zip(scaled(near), scaled(far)).map { $0 + diversity * $1 }
  }

  /// (x - min) / (max - min); all equal values become 0.
  private static func scaled(_ values: [Double]) -> [Double] {
    let (lowest, highest) = (values.min() ?? 0, values.max() ?? 0)
    return values.map { highest > lowest ? ($0 - lowest) / (highest - lowest) : 0 }
  }

  /// `total` in proportion to the weights, in whole numbers by largest remainders; the first of equals. Weights that are
  /// all zero count alike.
  package static func allocation(of total: Int, weights: [Double]) -> [Int] {
    let sum = weights.reduce(0, +)
    let exact = weights.map { Double(total) * (sum > 0 ? $0 / sum : 1 / Double(weights.count)) }
    var shares = exact.map { Int($0.rounded(.down)) }
    let byRemainder = exact.indices.sorted {
      (Double(shares[$0]) - exact[$0], $0) < (Double(shares[$1]) - exact[$1], $1)
    }
    for step in byRemainder.prefix(total - shares.reduce(0, +)) { shares[step] += 1 }
    return shares
  }
}
