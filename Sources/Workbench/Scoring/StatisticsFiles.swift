import Evaluation
import Formats
import Tensors

/// Statistics files, told from other archives by their entries.
enum StatisticsFiles {
  /// Images beside statistics, as guided-diffusion's references have them, and their labels.
  private static let images = "arr_0"
  private static let labels = "arr_1"

  /// The entries of the statistics file at `path`, less images and labels; nil when it is something else.
  static func archive(_ path: String) throws -> TensorArchive? {
    guard let archive = try zip(path), archive.names.contains("mu") else { return nil }
    var out = TensorArchive()
    for name in archive.names where name != images && name != labels { out.tensors[name] = try archive.tensor(name) }
    return out
  }

  /// Whether the statistics file at `path` holds images too.
  static func holdsImages(_ path: String) throws -> Bool { try zip(path)?.names.contains(images) ?? false }

  /// The array `features` (images x dimension, Float) of the archive at `path`; nil when it is something else.
  static func features(_ path: String) throws -> Tensor? {
    guard let archive = try zip(path), archive.names.contains("features") else { return nil }
    let stored = try archive.tensor("features")
    guard stored.dims.count == 2, (1...FeatureStatistics.largestDimension).contains(stored.dims[1]),
      let features = stored.floats()
    else {
      throw ScoreError.notFeatures(path: path, dims: stored.dims, type: stored.type)
    }
    return features
  }

  /// Exact sums of features that another program made.
  static func accumulated(_ features: Tensor) throws -> FeatureAccumulator {
    let dimension = features.dims[1]
    // Exact sums, mean and covariance, and the decomposition of the latter.
    try MemoryBudget.require(
      MemoryBudget.product(32, dimension, dimension), for: "statistics of \(dimension) features")
    var accumulator = FeatureAccumulator(extractor: .unknown, dimension: dimension)
    try accumulator.add(features, images: 0..<features.dims[0])
    return accumulator
  }

  /// A ZIP starts with PK; what it holds shows in its entries.
  private static func zip(_ path: String) throws -> NPZFile? {
    guard Folder.kind(of: path) == .file else { return nil }
    let file = try InputFile(path)
    guard file.size >= 2, try file.read(at: 0, count: 2) == Array("PK".utf8) else { return nil }
    return try ImageSources.holdsImages(file) ? nil : NPZFile(file)
  }

  /// The statistics at `path`: a statistics file, or what follows from features. - Throws: when it is something else.
  static func required(_ path: String) throws -> TensorArchive {
    if let archive = try archive(path) { return archive }
    if let features = try features(path) { return try accumulated(features).archive() }
    return try NPZ.read(path)
  }
}
