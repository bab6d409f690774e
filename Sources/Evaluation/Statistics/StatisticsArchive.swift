import Tensors

// The statistics file (docs/formats/statistics.md): `mu` and `sigma` as pytorch-fid reads them, and what they were made from.
// Text entries are UTF-8 bytes, so that numpy reads every entry: bytes(z["extractor"]).decode().

/// Names of the file's entries.
enum StatisticsEntry {
  static let mean = "mu"
  static let covariance = "sigma"
  static let count = "n"
  static let schema = "halftone_schema"
  static let extractor = "extractor"
  static let mode = "extractor_mode"
  static let digest = "extractor_digest"
  static let fractionBits = "fraction_bits"
  static let vanished = "rounded_to_zero"
  static let images = "images"
  static let sums = "sums"
  static let products = "products"

  /// Of spatial features, in guided-diffusion's files.
  static let spatialMean = "mu_s"
  static let spatialCovariance = "sigma_s"

  /// All of them.
  static let all = [
    mean, covariance, count, schema, extractor, mode, digest, fractionBits, vanished, images, sums, products,
    spatialMean,
    spatialCovariance,
  ]

  /// The schema written, and the newest one read.
  static let knownSchema = 1
}

extension FeatureAccumulator {
  /// The statistics file's entries: mean, covariance and the exact sums.
  /// - Throws: as `statistics()`.
  package func archive() throws(EvaluationError) -> TensorArchive {
    let statistics = try statistics()
    return TensorArchive(tensors: [
      StatisticsEntry.mean: StoredTensor(dims: [dimension], statistics.mean),
      StatisticsEntry.covariance: StoredTensor(dims: [dimension, dimension], statistics.covariance.values),
      StatisticsEntry.count: Self.scalar(images.count),
      StatisticsEntry.schema: Self.scalar(StatisticsEntry.knownSchema),
      StatisticsEntry.extractor: Self.text(extractor.name),
      StatisticsEntry.mode: Self.text(extractor.mode),
      StatisticsEntry.digest: Self.text(extractor.digest),
      StatisticsEntry.fractionBits: Self.scalar(FixedPoint.fractionBits),
      StatisticsEntry.vanished: Self.scalar(vanished),
      StatisticsEntry.images: Self.byteArray(images.bytes),
      StatisticsEntry.sums: StoredTensor(dims: [sums.count, 2], Self.limbs(sums)),
      StatisticsEntry.products: StoredTensor(dims: [products.count, 2], Self.limbs(products)),
    ])
  }

  private static func scalar(_ value: Int) -> StoredTensor { StoredTensor(dims: [], [Int64(value)]) }
  private static func text(_ value: String) -> StoredTensor { byteArray(Array(value.utf8)) }
  private static func byteArray(_ bytes: [UInt8]) -> StoredTensor { StoredTensor(dims: [bytes.count], bytes) }

  /// Low 64 bits (as they are), then high 64 bits (signed) of each integer.
  private static func limbs(_ values: [Int128]) -> [Int64] {
    values.flatMap { [Int64(truncatingIfNeeded: $0), Int64($0 >> 64)] }
  }
}

extension FeatureStatistics {
  /// Names of the entries that a file of statistics may have; nothing else in it is read.
  package static let entryNames = StatisticsEntry.all

  /// Statistics from a file's entries. Files without `halftone_schema` are other programs': `mu`, `sigma` and perhaps
  /// `n` are read and the rest is ignored.
  /// - Parameter file: how messages call it.
  /// - Throws: `EvaluationError.statistics` with everything that is wrong.
  package init(archive: TensorArchive, file: String) throws(EvaluationError) {
    var reader = StatisticsReader(archive: archive)
    guard let statistics = reader.statistics(), reader.problems.isEmpty else {
      throw .statistics(file: file, problems: reader.problems)
    }
    self = statistics
  }
}
