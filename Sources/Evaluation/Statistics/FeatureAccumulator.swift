import Tensors

/// Sums features image by image into exact integers. The result has the same bits for any order of images, any batch
/// size and any partition that is merged later. Memory is O(d^2): 132 KiB for 128 features, 34 MB for 2048.
package struct FeatureAccumulator: Sendable, Equatable {
  package let extractor: FeatureExtractorIdentity
  package let dimension: Int
  /// Which images have been added.
  package private(set) var images = ImageIndexSet()
  /// Sum of q_i over images, q = rint(2^24 x).
  private(set) var sums: [Int128]
  /// Sum of q_i q_j for i <= j, rows of the upper triangle one after another.
  private(set) var products: [Int128]
  /// Non-zero features that the grid rounded to zero.
  private(set) var vanished = 0

  /// - Precondition: dimension > 0.
  package init(extractor: FeatureExtractorIdentity, dimension: Int) {
    precondition(dimension > 0)
    self.extractor = extractor
    self.dimension = dimension
    sums = [Int128](repeating: 0, count: dimension)
    products = [Int128](repeating: 0, count: Self.productCount(dimension))
  }

  /// Sums read from a file, already checked.
  init(
    extractor: FeatureExtractorIdentity, images: ImageIndexSet, sums: [Int128], products: [Int128], vanished: Int
  ) {
    self.extractor = extractor
    self.dimension = sums.count
    self.images = images
    self.sums = sums
    self.products = products
    self.vanished = vanished
  }

  static func productCount(_ dimension: Int) -> Int { dimension * (dimension + 1) / 2 }

  /// Adds one batch; on an error nothing is added.
  /// - Parameters:
  ///   - features: N x d.
  ///   - indices: the global index of each row's image.
  ///   - pool: whose threads share the work; the sums are integers and do not depend on it.
  /// - Throws: `EvaluationError` for features that are not finite or out of range (naming every image), for images
  ///   that were added before, and for shapes that do not fit.
  package mutating func add(
    _ features: Tensor, images indices: some Collection<Int>, pool: WorkerPool? = nil
  ) throws(EvaluationError) {
    guard features.dims.count == 2, features.dims[1] == dimension else {
      throw .featureShape(expected: dimension, found: features.dims)
    }
    guard features.dims[0] == indices.count else {
      throw .imageCount(rows: features.dims[0], indices: indices.count)
    }
    let indices = Array(indices)
    try checkNew(indices)
    try checkValues(features, indices)
    for index in indices { images.insert(index) }
    for start in stride(from: 0, to: indices.count, by: Self.block) {
      accumulate(features.values, rows: start..<min(start + Self.block, indices.count), pool)
    }
  }

  /// Adds another accumulator's images.
  /// - Throws: `EvaluationError` when the extractors or dimensions differ, or when an image is in both.
  package mutating func merge(_ other: FeatureAccumulator) throws(EvaluationError) {
    try requireSameFeatures(as: other)
    let common = images.intersection(other.images)
    guard common.isEmpty else { throw .imagesOverlap(common.ranges) }
    images.formUnion(other.images)
    for i in sums.indices { sums[i] += other.sums[i] }
    for i in products.indices { products[i] += other.products[i] }
    vanished += other.vanished
  }

  /// - Throws: `EvaluationError` when the extractors or dimensions differ.
  func requireSameFeatures(as other: FeatureAccumulator) throws(EvaluationError) {
    guard extractor == other.extractor else { throw .extractorsDiffer(extractor, other.extractor) }
    guard dimension == other.dimension else { throw .dimensionsDiffer(dimension, other.dimension) }
  }

  /// Mean and covariance of everything added.
  /// - Throws: `EvaluationError.tooFewImages` below 2, `.featuresTooSmall` when the grid erased the features.
  package func statistics() throws(EvaluationError) -> FeatureStatistics {
    let count = images.count
    guard count >= 2 else { throw .tooFewImages(count) }
    try checkScale(count)
    var covariance = DoubleMatrix(rows: dimension, columns: dimension)
    var position = 0
    for i in 0..<dimension {
      for j in i..<dimension {
        let value = FixedPoint.covariance(product: products[position], sums[i], sums[j], count: count)
        covariance[i, j] = value
        covariance[j, i] = value
        position += 1
      }
    }
    let mean = sums.map { FixedPoint.mean(sum: $0, count: count) }
    return FeatureStatistics(
      count: count, mean: mean, covariance: covariance, extractor: extractor == .unknown ? nil : extractor,
      exact: self)
  }

  // MARK: Checks

  private func checkNew(_ indices: [Int]) throws(EvaluationError) {
    if let bad = indices.first(where: { !(0..<ImageIndexSet.limit).contains($0) }) {
      throw .imageIndex(bad, limit: ImageIndexSet.limit)
    }
    var batch = Set<Int>()
    let twice = ImageIndexSet(indices.filter { !batch.insert($0).inserted || images.contains($0) })
    guard twice.isEmpty else { throw .imagesOverlap(twice.ranges) }
  }

  private func checkValues(_ features: Tensor, _ indices: [Int]) throws(EvaluationError) {
    let bad = features.values.indices.filter { !(abs(features.values[$0]) < FixedPoint.limit) }
    if bad.isEmpty { return }
    let places = bad.map {
      FeatureLocation(image: indices[$0 / dimension], feature: $0 % dimension, value: features.values[$0])
    }
    let notFinite = places.filter { !$0.value.isFinite }
    throw notFinite.isEmpty ? .featuresOutOfRange(places, limit: FixedPoint.limit) : .featuresNotFinite(notFinite)
  }

  private func checkScale(_ count: Int) throws(EvaluationError) {
    if vanished == 0 { return }
    let squares = (0..<dimension).reduce(0.0) { $0 + Double(products[diagonalPosition($1)]) }
    let rootMeanSquare = (squares / Double(count) / Double(dimension)).squareRoot() * 0x1p-24
    if rootMeanSquare < FixedPoint.smallestRootMeanSquare {
      throw .featuresTooSmall(
        rootMeanSquare: rootMeanSquare, vanished: vanished, smallest: FixedPoint.smallestRootMeanSquare)
    }
  }

  /// Position of (i, i) in the packed triangle.
  func diagonalPosition(_ i: Int) -> Int { i * dimension - i * (i - 1) / 2 }

  // MARK: The sums

  /// Images whose codes are held feature by feature, so that a pair's sum stays in registers.
  private static let block = 64

  /// Rows of the triangle that a thread takes at a time.
  private static let strip = 32

  private mutating func accumulate(_ values: [Float], rows: Range<Int>, _ pool: WorkerPool?) {
    let (width, count) = (dimension, rows.count)
    var codes = [Int64](repeating: 0, count: width * count)
    for (b, row) in rows.enumerated() {
      for i in 0..<width {
        let (value, code) = (values[row * width + i], FixedPoint.code(values[row * width + i]))
        codes[i * count + b] = code
        if code == 0 && value != 0 { vanished += 1 }
      }
    }
    codes.withUnsafeBufferPointer { codes in
      sums.withUnsafeMutableBufferPointer { sums in
        for i in 0..<width {
          for b in 0..<count { sums[i] &+= Int128(codes[i * count + b]) }
        }
      }
      products.withUnsafeMutableBufferPointer { products in
        func addStrip(_ strip: Int) {
          for i in (strip * Self.strip)..<min((strip + 1) * Self.strip, width) {
            var position = i * width - i * (i - 1) / 2
            for j in i..<width {
              var sum: Int128 = 0
              for b in 0..<count { sum &+= Int128(codes[i * count + b]) &* Int128(codes[j * count + b]) }
              products[position] &+= sum
              position += 1
            }
          }
        }
        let strips = (width + Self.strip - 1) / Self.strip
        if let pool { pool.parallel(strips, addStrip) } else { for strip in 0..<strips { addStrip(strip) } }
      }
    }
  }
}
