import Tensors

/// The features of a set of images, held in memory: 4 N d bytes. What metrics need that look at single images.
package struct FeatureSet: Sendable {
  package let extractor: FeatureExtractorIdentity?
  package let dimension: Int
  /// N x d, row by row.
  private(set) var values: [Float] = []

  package var count: Int { values.count / dimension }

  /// - Precondition: dimension > 0.
  package init(extractor: FeatureExtractorIdentity?, dimension: Int) {
    precondition(dimension > 0)
    self.extractor = extractor
    self.dimension = dimension
  }

  /// - Parameter features: N x d.
  /// - Throws: `EvaluationError` for features that are not finite.
  package init(_ features: Tensor, extractor: FeatureExtractorIdentity?) throws(EvaluationError) {
    precondition(features.rank == 2 && features.dims[1] > 0)
    self.init(extractor: extractor, dimension: features.dims[1])
    try add(features)
  }

  /// Appends a batch, n x d. - Throws: `EvaluationError` for another d and for features that are not finite.
  package mutating func add(_ features: Tensor) throws(EvaluationError) {
    guard features.rank == 2, features.dims[1] == dimension else {
      throw .featureShape(expected: dimension, found: features.dims)
    }
    let bad = features.values.indices.filter { !features.values[$0].isFinite }
    if !bad.isEmpty {
      throw .featuresNotFinite(
        bad.map {
          FeatureLocation(image: count + $0 / dimension, feature: $0 % dimension, value: features.values[$0])
        })
    }
    values += features.values
  }

  /// Rows `rows` in Double.
  func matrix(_ rows: Range<Int>) -> DoubleMatrix {
    DoubleMatrix(
      rows: rows.count, columns: dimension,
      values[(rows.lowerBound * dimension)..<(rows.upperBound * dimension)].map(Double.init))
  }

  /// The rows at `positions`, in that order, in Double.
  func matrix(_ positions: [Int]) -> DoubleMatrix {
    DoubleMatrix(
      rows: positions.count, columns: dimension,
      positions.flatMap { values[($0 * dimension)..<(($0 + 1) * dimension)].map(Double.init) })
  }

  /// The images at `positions`, in that order.
  func subset(_ positions: [Int]) -> FeatureSet {
    var out = FeatureSet(extractor: extractor, dimension: dimension)
    out.values = positions.flatMap { values[($0 * dimension)..<(($0 + 1) * dimension)] }
    return out
  }

  /// |x|^2 of each row.
  func squaredNorms() -> [Double] {
    (0..<count).map { row in
      var sum = 0.0
      for i in (row * dimension)..<((row + 1) * dimension) { sum += Double(values[i]) * Double(values[i]) }
      return sum
    }
  }

  /// - Throws: `EvaluationError` when two sets cannot be compared.
  static func requireComparable(_ a: FeatureSet, _ b: FeatureSet) throws(EvaluationError) {
    if let first = a.extractor, let second = b.extractor, first != second { throw .extractorsDiffer(first, second) }
    guard a.dimension == b.dimension else { throw .dimensionsDiffer(a.dimension, b.dimension) }
  }
}

/// Random choices of a metric: a sequence for each (seed, purpose, number), the same on every machine.
enum ScoreRandom {
  enum Purpose: Int { case firstSubset = 1, secondSubset, generatedGroups, splits, referenceGroups }

  /// `count` different numbers below `total`, in random order: the first part of a Fisher-Yates shuffle.
  static func choice(_ count: Int, of total: Int, seed: UInt64, _ purpose: Purpose, _ number: Int) -> [Int] {
    var random = RecipeRandom(seed: seed, purpose: 1 << 56 | purpose.rawValue << 40 | number)
    var numbers = Array(0..<total)
    for i in 0..<count { numbers.swapAt(i, i + min(Int(random.uniform() * Double(total - i)), total - i - 1)) }
    return Array(numbers[..<count])
  }
}
