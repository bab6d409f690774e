import Tensors

/// The last layer of a classifier whose penultimate layer are the features: logits = W f + b.
package struct ClassifierHead: Sendable, Equatable {
  /// Classes x d.
  package let weight: Tensor
  /// One for each class; nil for none (Inception's score is defined on logits without it).
  package let bias: [Float]?

  /// - Precondition: shapes fit.
  package init(weight: Tensor, bias: [Float]?) {
    precondition(weight.rank == 2 && (bias.map { $0.count == weight.dims[0] } ?? true))
    self.weight = weight
    self.bias = bias
  }

  package var classCount: Int { weight.dims[0] }
}

/// exp of the mean divergence of each image's class distribution from their mean (Salimans et al. 2016, section 4): the
/// Inception score if the classifier is Inception, and named after its classifier everywhere.
package struct ClassifierScore: Sendable, Equatable {
  package static let splitCount = 10

  /// Mean over the splits.
  package let mean: Double
  /// Standard deviation over the splits (divisor: their number).
  package let deviation: Double
  package let splits: Int
  /// 95 % of the mean over splits for the choice of images: splits share none, so their scores are independent. nil for
  /// another number of splits than the standard one, of which Student's t is known here.
  package var interval: ClosedRange<Double>? {
    guard splits == GroupJackknife.groupCount else { return nil }
    return GroupJackknife.interval(mean, squaredErrors: [deviation * deviation / Double(splits - 1)])
  }
  package let warnings: [String]

  /// IS only for the published Inception network.
  package static func title(_ extractor: FeatureExtractorIdentity?) -> String {
    ScoreTitle.of("Inception-style score", on: extractor, published: [.pool3: "IS"])
  }

  /// The images in random order, cut into equal parts.
  /// - Throws: `EvaluationError` for fewer images than splits.
  package static func compute(
    _ features: FeatureSet, head: ClassifierHead, splits: Int = splitCount, seed: UInt64
  ) throws(EvaluationError) -> ClassifierScore {
    let order = ScoreRandom.choice(features.count, of: features.count, seed: seed, .splits, 0)
    return try compute(features, head: head, splits: splits, order: order)
  }

  /// Images that guided-diffusion's evaluator scores at a time.
  static let consecutiveCount = 5000

  /// As guided-diffusion's evaluator: the images in the order they came, 5000 a split, the last split with what is left.
  /// - Throws: `EvaluationError` for dimensions that do not fit.
  package static func computeConsecutively(
    _ features: FeatureSet, head: ClassifierHead
  ) throws(EvaluationError) -> ClassifierScore {
    let starts = Array(stride(from: 0, to: features.count, by: consecutiveCount))
    return try compute(
      features, head: head, parts: starts.map { Array($0..<min($0 + consecutiveCount, features.count)) })
  }

  /// As above, with the order given: split k is the part from k N / splits to (k + 1) N / splits, rounded down.
  package static func compute(
    _ features: FeatureSet, head: ClassifierHead, splits: Int, order: [Int]
  ) throws(EvaluationError) -> ClassifierScore {
    let count = order.count
    guard count >= splits else {
      throw .tooFewForMetric(metric: "a score of \(splits) splits", needed: splits, found: count)
    }
    return try compute(
      features, head: head,
      parts: (0..<splits).map { Array(order[($0 * count / splits)..<(($0 + 1) * count / splits)]) })
  }

  private static func compute(
    _ features: FeatureSet, head: ClassifierHead, parts: [[Int]]
  ) throws(EvaluationError) -> ClassifierScore {
    guard head.weight.dims[1] == features.dimension else {
      throw .dimensionsDiffer(head.weight.dims[1], features.dimension)
    }
    let (count, splits) = (parts.reduce(0) { $0 + $1.count }, parts.count)
    let scores = parts.map { score(features, head, $0) }
    let mean = scores.reduce(0, +) / Double(splits)
    let variance = scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(splits)
    var warnings: [String] = []
    if count < 100 * head.classCount {
      warnings.append(
        "classifier score: \(count) images for \(head.classCount) classes; the score of few images is too low")
    }
    return ClassifierScore(mean: mean, deviation: variance.squareRoot(), splits: splits, warnings: warnings)
  }

  /// exp(mean over images of sum over classes of p (ln p - ln mean p)).
  private static func score(_ features: FeatureSet, _ head: ClassifierHead, _ rows: [Int]) -> Double {
    let classes = head.classCount
    var marginal = [Double](repeating: 0, count: classes)
    var negativeEntropy = 0.0
    for row in rows {
      let logarithms = logProbabilities(features, head, row)
      for (k, logarithm) in logarithms.enumerated() {
        let p = PortableMath.exp(logarithm)
        marginal[k] += p
        negativeEntropy += p * logarithm
      }
    }
    let count = Double(rows.count)
    // sum over images of sum_k p_k ln m_k = N sum_k m_k ln m_k. Below 1e-300 a class adds nothing, and its logarithm may
    // not exist.
    var marginalTerm = 0.0
    for sum in marginal where sum / count > 1e-300 { marginalTerm += sum / count * PortableMath.log(sum / count) }
    return PortableMath.exp(negativeEntropy / count - marginalTerm)
  }

  private static func logProbabilities(_ features: FeatureSet, _ head: ClassifierHead, _ row: Int) -> [Double] {
    let width = features.dimension
    let logits = (0..<head.classCount).map { k in
      var sum = head.bias.map { Double($0[k]) } ?? 0
      for i in 0..<width { sum += Double(head.weight.values[k * width + i]) * Double(features.values[row * width + i]) }
      return sum
    }
    let largest = logits.max() ?? 0
    let normaliser = largest + PortableMath.log(logits.reduce(0) { $0 + PortableMath.exp($1 - largest) })
    return logits.map { $0 - normaliser }
  }
}
