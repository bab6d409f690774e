import Tensors

/// Everything that can be wrong with features, statistics and scores, worded here and nowhere else.
package enum EvaluationError: HalftoneError, Equatable {
  /// NaN or infinity among the features.
  case featuresNotFinite([FeatureLocation])
  /// Features that the fixed-point sums cannot hold.
  case featuresOutOfRange([FeatureLocation], limit: Float)
  /// All features so small that the fixed-point grid would erase them.
  case featuresTooSmall(rootMeanSquare: Double, vanished: Int, smallest: Double)
  case featureShape(expected: Int, found: [Int])
  case imageCount(rows: Int, indices: Int)
  case imageIndex(Int, limit: Int)
  /// Images counted twice, as inclusive ranges of global indices.
  case imagesOverlap([ClosedRange<Int>])
  /// The same images in two files, for each such pair.
  case shardsOverlap([ShardOverlap])
  /// Images that no file holds.
  case imagesMissing([ClosedRange<Int>])
  case imagesUnexpected([ClosedRange<Int>], expected: ClosedRange<Int>)
  /// Two files that should be of the same images.
  case imagesDiffer(first: String, [ClosedRange<Int>], second: String, [ClosedRange<Int>])
  /// The same, where only the numbers of images are known.
  case countsDiffer(first: String, Int, second: String, Int)
  /// A file of features that give no statistics.
  indirect case features(file: String, EvaluationError)
  /// A statistics file of another program, which holds no exact sums.
  case notExact(file: String, purpose: String)
  case extractorsDiffer(FeatureExtractorIdentity, FeatureExtractorIdentity)
  case dimensionsDiffer(Int, Int)
  case tooFewImages(Int)
  /// A metric of sets that are too small for it.
  case tooFewForMetric(metric: String, needed: Int, found: Int)
  case statistics(file: String, problems: [StatisticsProblem])
  /// A covariance whose most negative eigenvalue is more than rounding.
  case notPositive(which: String, smallest: Double, largest: Double)
  case unknownExtractor(String, known: [String])
  /// A way of preparing pixels that the extractor does not have.
  case unknownMode(String, extractor: String, known: [String])
  case imageShape(extractor: String, expected: ImageShape, found: ImageShape)
  case pairShapes([Int], [Int])
  /// A distance beyond the range of Double.
  case notRepresentable(String, String)
  case linearAlgebra(LinearAlgebraError)

  package var id: String {
    switch self {
    case .featuresNotFinite: "E-FEATURES-NONFINITE"
    case .featuresOutOfRange: "E-FEATURES-RANGE"
    case .featuresTooSmall: "E-FEATURES-SCALE"
    case .featureShape: "E-FEATURES-SHAPE"
    case .imageCount: "E-FEATURES-COUNT"
    case .imageIndex: "E-STATS-INDEX"
    case .imagesOverlap, .shardsOverlap: "E-STATS-OVERLAP"
    case .imagesMissing: "E-STATS-GAP"
    case .imagesUnexpected: "E-STATS-RANGE"
    case .imagesDiffer, .countsDiffer: "E-STATS-IMAGES"
    case .features(_, let error): error.id
    case .notExact: "E-STATS-EXACT"
    case .extractorsDiffer: "E-STATS-EXTRACTOR"
    case .dimensionsDiffer: "E-STATS-DIMENSION"
    case .tooFewImages: "E-STATS-COUNT"
    case .tooFewForMetric: "E-SCORE-COUNT"
    case .statistics(_, let problems): problems.first?.id ?? "E-STATS-FILE"
    case .notPositive: "E-STATS-PSD"
    case .unknownExtractor: "E-FEATURES-NAME"
    case .unknownMode: "E-FEATURES-MODE"
    case .imageShape: "E-FEATURES-IMAGE"
    case .pairShapes: "E-PAIR-SHAPE"
    case .notRepresentable: "E-SCORE-RANGE"
    case .linearAlgebra(let error): error.id
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .imagesOverlap, .shardsOverlap, .imagesMissing, .imagesUnexpected, .imagesDiffer, .countsDiffer: .conflict
    case .features(_, let error): error.exit
    case .unknownExtractor, .unknownMode: .usage
    case .linearAlgebra(let error): error.exit
    case .featuresNotFinite, .featuresOutOfRange, .featuresTooSmall, .featureShape, .imageCount, .imageIndex,
      .notExact, .extractorsDiffer, .dimensionsDiffer, .tooFewImages, .tooFewForMetric, .statistics, .notPositive,
      .imageShape, .pairShapes, .notRepresentable:
      .refusedInput
    }
  }

  package var message: String {
    switch self {
    case .featuresNotFinite(let places):
      "features are not finite: \(FeatureLocation.list(places))"
    case .featuresOutOfRange(let places, let limit):
      "features reach the fixed-point limit of ±\(limit): \(FeatureLocation.list(places))"
    case .featuresTooSmall(let rootMeanSquare, let vanished, let smallest):
      "features have a root mean square of \(rootMeanSquare), expected at least \(smallest): "
        + "the fixed-point sums rounded \(vanished) of them to zero"
    case .featureShape(let expected, let found):
      "features have shape \(found), expected [N, \(expected)]"
    case .imageCount(let rows, let indices):
      "\(rows) rows of features for \(indices) image indices"
    case .imageIndex(let index, let limit):
      "image index \(index) is outside 0..<\(limit)"
    case .imagesOverlap(let ranges):
      "images would be counted twice: \(ImageIndexSet.text(ranges))"
    case .shardsOverlap(let overlaps):
      "images would be counted twice:\n  " + listed(overlaps.lazy.map(\.description))
    case .imagesMissing(let ranges):
      "images are missing: \(ImageIndexSet.text(ranges))"
    case .imagesUnexpected(let ranges, let expected):
      "images outside \(ImageIndexSet.text([expected])): \(ImageIndexSet.text(ranges))"
    case .imagesDiffer(let first, let a, let second, let b):
      "\(printable(first)) is of images \(ImageIndexSet.text(a)), \(printable(second)) of \(ImageIndexSet.text(b))"
    case .countsDiffer(let first, let a, let second, let b):
      "\(printable(first)) is of \(a) images, \(printable(second)) of \(b)"
    case .features(let file, let error): "\(printable(file)): \(error.message)"
    case .notExact(let file, let purpose):
      "\(printable(file)): mean and covariance without the exact sums, which \(purpose) needs"
    case .extractorsDiffer(let a, let b):
      "the statistics come from different feature extractors:\n  \(a)\n  \(b)"
    case .dimensionsDiffer(let a, let b):
      "the statistics have \(a) and \(b) features"
    case .tooFewImages(let count):
      "statistics of \(count) image\(count == 1 ? "" : "s"); a covariance needs at least 2"
    case .tooFewForMetric(let metric, let needed, let found):
      "\(metric) needs at least \(needed) images, found \(found)"
    case .statistics(let file, let problems):
      "\(printable(file)): " + listed(problems.lazy.map(\.message))
    case .notPositive(let which, let smallest, let largest):
      "the covariance of \(which) is not positive semi-definite: eigenvalues from \(smallest) to \(largest)"
    case .unknownExtractor(let name, let known):
      "there is no feature extractor \"\(printable(name, limit: 60))\"; known: \(known.joined(separator: ", "))"
    case .unknownMode(let mode, let extractor, let known):
      known.isEmpty
        ? "\(extractor) prepares pixels in one way only; there is no mode \"\(printable(mode, limit: 60))\""
        : "\(extractor) has no mode \"\(printable(mode, limit: 60))\"; known: \(known.joined(separator: ", "))"
    case .imageShape(let extractor, let expected, let found):
      "\(extractor) takes images of \(expected) (channels x height x width), found \(found)"
    case .pairShapes(let a, let b):
      "paired images differ in shape: \(a) and \(b)"
    case .notRepresentable(let a, let b):
      "the distance of \(printable(a)) and \(printable(b)) is beyond the range of Double: their statistics are too large"
    case .linearAlgebra(let error): error.message
    }
  }

  package var hint: String? {
    switch self {
    case .imagesOverlap, .shardsOverlap: "merge only statistics of disjoint image ranges"
    case .imagesMissing: "add the missing files, or give --allow-gaps to merge what there is"
    case .imagesUnexpected: "leave out the files that belong to another run, or correct --indices"
    case .features(_, let error): error.hint
    case .imagesDiffer, .countsDiffer:
      "compute both in one pass: halftone stats PATH --out main.npz --spatial-out spatial.npz"
    case .notExact: "compute the statistics from the images: halftone stats PATH --out stats.npz"
    case .extractorsDiffer, .dimensionsDiffer: "compute both with one extractor: halftone stats PATH --features NAME"
    case .unknownExtractor(let name, let known), .unknownMode(let name, _, let known):
      nearest(name, in: known).map { "did you mean \"\($0)\"?" }
    case .imageShape: "it never resizes or converts colours; --features inception=WEIGHTS takes images of any size"
    case .featuresNotFinite, .featuresOutOfRange, .featuresTooSmall, .featureShape, .imageCount, .imageIndex,
      .tooFewImages, .tooFewForMetric, .statistics, .notPositive, .pairShapes, .notRepresentable, .linearAlgebra:
      nil
    }
  }
}

/// Images that two files share.
package struct ShardOverlap: Sendable, Equatable, CustomStringConvertible {
  package let first: String
  package let second: String
  package let images: [ClosedRange<Int>]

  package var description: String {
    "\(printable(first)) and \(printable(second)): \(ImageIndexSet.text(images))"
  }
}

/// One feature of one image, for messages.
package struct FeatureLocation: Sendable, Equatable {
  package let image: Int
  package let feature: Int
  package let value: Float

  /// The first places in words; the rest as a number.
  static func list(_ places: [FeatureLocation], shown: Int = 8) -> String {
    let first = places.prefix(shown).map { "image \($0.image), feature \($0.feature): \($0.value)" }
    let rest = places.count > shown ? "; and \(places.count - shown) more" : ""
    return first.joined(separator: "; ") + rest
  }
}

/// One thing wrong with a statistics file.
package enum StatisticsProblem: Sendable, Equatable {
  case schema(found: Int, known: Int)
  case missing(String)
  case type(String, expected: ElementType, found: ElementType)
  case shape(String, expected: String, found: [Int])
  case notFinite(String, position: [Int], value: Double)
  case count(String)
  case asymmetric(row: Int, column: Int, Double, Double)
  /// A variance below zero, or a covariance larger than its two variances allow.
  case implausible(row: Int, column: Int, value: Double)
  case text(String)
  case grid(found: Int, expected: Int)
  /// The exact sums are out of bounds, or `mu` and `sigma` are not what they give.
  case sums(String)

  var id: String {
    switch self {
    case .schema: "E-STATS-SCHEMA"
    case .missing: "E-STATS-MISSING"
    case .type: "E-STATS-TYPE"
    case .shape: "E-STATS-SHAPE"
    case .notFinite: "E-STATS-NONFINITE"
    case .count: "E-STATS-COUNT"
    case .asymmetric: "E-STATS-ASYMMETRIC"
    case .implausible: "E-STATS-PSD"
    case .text: "E-STATS-TEXT"
    case .grid: "E-STATS-GRID"
    case .sums: "E-STATS-SUMS"
    }
  }

  var message: String {
    switch self {
    case .schema(let found, let known): "schema \(found), this version reads \(known)"
    case .missing(let entry): "\(entry) is missing"
    case .type(let entry, let expected, let found):
      "\(entry) has element type \(found.rawValue), expected \(expected.rawValue)"
    case .shape(let entry, let expected, let found): "\(entry) has shape \(found), expected \(expected)"
    case .notFinite(let entry, let position, let value): "\(entry)\(position) is \(value)"
    case .count(let text): text
    case .asymmetric(let row, let column, let a, let b):
      "sigma is not symmetric: [\(row), \(column)] is \(a), [\(column), \(row)] is \(b)"
    case .implausible(let row, let column, let value):
      row == column
        ? "sigma[\(row), \(column)] is \(value): a variance is not negative"
        : "sigma[\(row), \(column)] is \(value): larger than its two variances allow"
    case .text(let entry): "\(entry) is not UTF-8 text of 1 to 4096 bytes"
    case .grid(let found, let expected): "fraction_bits is \(found), this version sums on a grid of 2^-\(expected)"
    case .sums(let text): text
    }
  }
}
