import Tensors

/// Reads entry by entry; what is wrong is recorded, and nil handed on.
struct StatisticsReader {
  private typealias Entry = StatisticsEntry

  let archive: TensorArchive
  private let isOurs: Bool
  /// The least exact of the moments read so far.
  private var precision = MomentPrecision.double
  var problems: [StatisticsProblem] = []

  static let largestDimension = 16_384
  static let longestText = 4096

  init(archive: TensorArchive) {
    self.archive = archive
    isOurs = archive.tensors[Entry.schema] != nil
  }

  mutating func statistics() -> FeatureStatistics? {
    if isOurs, let schema = scalar(Entry.schema), !(1...Entry.knownSchema).contains(schema) {
      problems = [.schema(found: schema, known: Entry.knownSchema)]
      return nil
    }
    let count = isOurs || archive.tensors[Entry.count] != nil ? readCount() : nil
    guard let mean = readMean() else { return nil }
    let covariance = readCovariance(dimension: mean.count)
    guard isOurs else {
      return covariance.map {
        FeatureStatistics(count: count, mean: mean, covariance: $0, precision: precision, extractor: nil)
      }
    }
    guard let exact = readExact(dimension: mean.count), let covariance, let count else { return nil }
    return verified(exact, count: count, mean: mean, covariance: covariance)
  }

  // MARK: Mean and covariance

  private mutating func readMean() -> [Double]? {
    guard let stored = moments(Entry.mean) else { return nil }
    let values = stored.doubles()
    guard stored.dims.count == 1, (1...Self.largestDimension).contains(values.count) else {
      problems.append(
        .shape(Entry.mean, expected: "[d] with 1 to \(Self.largestDimension) features", found: stored.dims))
      return nil
    }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      problems.append(.notFinite(Entry.mean, position: [bad], value: values[bad]))
    }
    return values
  }

  private mutating func readCovariance(dimension: Int) -> DoubleMatrix? {
    guard let stored = moments(Entry.covariance) else { return nil }
    guard stored.dims == [dimension, dimension] else {
      problems.append(.shape(Entry.covariance, expected: "[\(dimension), \(dimension)] to fit mu", found: stored.dims))
      return nil
    }
    let values = stored.doubles()
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      problems.append(
        .notFinite(Entry.covariance, position: [bad / dimension, bad % dimension], value: values[bad]))
      return nil
    }
    return plausible(DoubleMatrix(rows: dimension, columns: dimension, values))
  }

  /// The matrix made exactly symmetric, or the first thing no covariance can have. Whether all eigenvalues are
  /// non-negative is seen when the distance computes them.
  private mutating func plausible(_ matrix: DoubleMatrix) -> DoubleMatrix? {
    let slack = precision.symmetry * matrix.largestMagnitude
    let deviations = (0..<matrix.rows).map { max(matrix[$0, $0], 0).squareRoot() }
    var out = matrix
    for i in 0..<matrix.rows {
      for j in i..<matrix.rows {
        let (a, b) = (matrix[i, j], matrix[j, i])
        if abs(a - b) > slack {
          problems.append(.asymmetric(row: i, column: j, a, b))
          return nil
        }
        if i == j ? a < 0 : abs(a) > (1 + precision.correlation) * deviations[i] * deviations[j] + slack {
          problems.append(.implausible(row: i, column: j, value: a))
          return nil
        }
        if a != b {
          out[i, j] = a + (b - a) / 2
          out[j, i] = out[i, j]
        }
      }
    }
    return out
  }

  // MARK: Exact sums

  private mutating func readExact(dimension: Int) -> FeatureAccumulator? {
    let (name, mode, digest) = (text(Entry.extractor), text(Entry.mode), text(Entry.digest))
    let (fractionBits, vanished) = (scalar(Entry.fractionBits), scalar(Entry.vanished))
    let sums = integers(Entry.sums, count: dimension)
    let products = integers(Entry.products, count: FeatureAccumulator.productCount(dimension))
    let images = readImages()
    if let fractionBits, fractionBits != FixedPoint.fractionBits {
      problems.append(.grid(found: fractionBits, expected: FixedPoint.fractionBits))
    }
    guard let name, let mode, let digest, let vanished, let sums, let products, let images else { return nil }
    let limit = Int128(images.count)
    let sumLimit = limit << Int128(FixedPoint.magnitudeBits)
    let productLimit = limit << Int128(2 * FixedPoint.magnitudeBits)
    if let bad = sums.firstIndex(where: { $0.magnitude > sumLimit.magnitude }) {
      problems.append(.sums("sums[\(bad)] is larger than \(images.count) images can give"))
    }
    if let bad = products.firstIndex(where: { $0.magnitude > productLimit.magnitude }) {
      problems.append(.sums("products[\(bad)] is larger than \(images.count) images can give"))
    }
    let (values, overflow) = images.count.multipliedReportingOverflow(by: dimension)
    if overflow || !(0...values).contains(vanished) {
      problems.append(.sums("\(Entry.vanished) is \(vanished), of \(values) features"))
    }
    let extractor = FeatureExtractorIdentity(name: name, mode: mode, digest: digest)
    return FeatureAccumulator(
      extractor: extractor, images: images, sums: sums, products: products, vanished: vanished)
  }

  /// The statistics that the sums give, if those are the file's.
  private mutating func verified(
    _ exact: FeatureAccumulator, count: Int, mean: [Double], covariance: DoubleMatrix
  ) -> FeatureStatistics? {
    if !problems.isEmpty { return nil }
    if exact.images.count != count {
      problems.append(.count("n is \(count), but images holds \(exact.images.count) indices"))
      return nil
    }
    guard let computed = try? exact.statistics() else {
      problems.append(.sums("the exact sums give no statistics"))
      return nil
    }
    if let bad = mean.indices.first(where: { computed.mean[$0] != mean[$0] }) {
      problems.append(.sums("mu[\(bad)] is \(mean[bad]), but the exact sums give \(computed.mean[bad])"))
    }
    if let bad = covariance.values.indices.first(where: { computed.covariance.values[$0] != covariance.values[$0] }) {
      let (row, column) = (bad / mean.count, bad % mean.count)
      problems.append(
        .sums(
          "sigma[\(row), \(column)] is \(covariance.values[bad]), but the exact sums give "
            + "\(computed.covariance.values[bad])"))
    }
    return computed
  }

  // MARK: Entries

  private mutating func entry(_ name: String, _ type: ElementType) -> StoredTensor? {
    guard let stored = archive.tensors[name] else {
      problems.append(.missing(name))
      return nil
    }
    guard stored.type == type else {
      problems.append(.type(name, expected: type, found: stored.type))
      return nil
    }
    return stored
  }

  /// Doubles; in other programs' files Floats and halves too (guided-diffusion's evaluator stores its means so).
  private mutating func moments(_ name: String) -> StoredTensor? {
    guard !isOurs, let stored = archive.tensors[name], let found = MomentPrecision(rawValue: stored.type.rawValue)
    else {
      return entry(name, .f64)
    }
    if found.eigenvalue > precision.eigenvalue { precision = found }
    return stored
  }

  private mutating func scalar(_ name: String) -> Int? {
    guard let stored = entry(name, .i64), let values = stored.integers(Int64.self) else { return nil }
    guard stored.dims == [] || stored.dims == [1] else {
      problems.append(.shape(name, expected: "one number", found: stored.dims))
      return nil
    }
    return Int(values[0])
  }

  /// Other programs may store the number of images as any kind of number.
  private mutating func readCount() -> Int? {
    let foreign =
      isOurs ? nil : archive.tensors[Entry.count].flatMap { $0.count == 1 ? Int(exactly: $0.doubles()[0]) : nil }
    guard let count = foreign ?? scalar(Entry.count) else { return nil }
    if count < 2 { problems.append(.count("n is \(count); a covariance needs at least 2 images")) }
    return count
  }

  private mutating func text(_ name: String) -> String? {
    guard let stored = entry(name, .u8) else { return nil }
    guard stored.dims.count == 1, (1...Self.longestText).contains(stored.bytes.count),
      let text = String(validating: stored.bytes, as: UTF8.self)
    else {
      problems.append(.text(name))
      return nil
    }
    return text
  }

  private mutating func readImages() -> ImageIndexSet? {
    guard let stored = entry(Entry.images, .u8) else { return nil }
    guard stored.dims.count == 1, let images = ImageIndexSet(bytes: stored.bytes) else {
      problems.append(
        .shape(Entry.images, expected: "a bitmap of at most \(ImageIndexSet.limit / 8) bytes", found: stored.dims))
      return nil
    }
    return images
  }

  private mutating func integers(_ name: String, count: Int) -> [Int128]? {
    guard let stored = entry(name, .i64) else { return nil }
    guard stored.dims == [count, 2], let limbs = stored.integers(Int64.self) else {
      problems.append(.shape(name, expected: "[\(count), 2] to fit mu", found: stored.dims))
      return nil
    }
    return (0..<count).map { Int128(limbs[2 * $0 + 1]) << 64 | Int128(UInt64(bitPattern: limbs[2 * $0])) }
  }
}
