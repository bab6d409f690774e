import Evaluation
import Formats
import Tensors

/// Files of statistics and of features, told from other files by their first bytes and by the names of what they hold: .npz and
/// .npy files and PyTorch's. Only what is needed is read; what else is there is named.
package enum StatisticsFiles {
  /// What such a file holds, and what a user should know about it.
  enum Content {
    /// The entries of `FeatureStatistics.entryNames`.
    case statistics(TensorArchive, notes: [String])
    /// Images x dimension.
    case features(Tensor, notes: [String])
  }

  /// Images beside statistics, as guided-diffusion's references have them, and their labels.
  private static let images = "arr_0"
  private static let labels = "arr_1"
  private static let features = "features"

  /// nil when the file at `path` is something else.
  static func content(_ path: String) throws -> Content? {
    guard Folder.kind(of: path) == .file else { return nil }
    let file = try InputFile(path)
    let start = try file.read(at: 0, count: min(6, file.size))
    if start == [0x93] + Array("NUMPY".utf8) { return try array(file) }
    guard start.starts(with: Array("PK".utf8)) else { return nil }
    switch try ZipContent(of: file) {
    case .images: return nil
    case .checkpoint: return try pytorch(file)
    case .arrays: return try archive(NPZFile(file))
    }
  }

  /// Whether the statistics file at `path` holds images too.
  static func holdsImages(_ path: String) throws -> Bool {
    let file = try InputFile(path)
    return try ZipContent(of: file) == .arrays && NPZFile(file).contains(images)
  }

  /// What follows from the exact sums of features that another program made.
  static func following<Result>(
    from features: Tensor, of path: String, _ result: (FeatureAccumulator) throws(EvaluationError) -> Result
  ) throws -> Result {
    let dimension = features.dims[1]
    // Exact sums, mean and covariance, and the decomposition of the latter.
    try MemoryBudget.require(
      MemoryBudget.product(32, dimension, dimension), for: "statistics of \(dimension) features")
    var accumulator = FeatureAccumulator(extractor: .unknown, dimension: dimension)
    do {
      try accumulator.add(features, images: 0..<features.dims[0])
      return try result(accumulator)
    } catch {
      throw EvaluationError.features(file: path, error)
    }
  }

  /// The statistics at `path`: a statistics file, or what follows from features. - Throws: when it is something else.
  package static func required(_ path: String, console: Console) throws -> TensorArchive {
    switch try content(path) {
    case .statistics(let archive, let notes)?:
      notes.forEach(console.warn)
      return archive
    case .features(let features, let notes)?:
      notes.forEach(console.warn)
      return try following(from: features, of: path) { sums throws(EvaluationError) in try sums.archive() }
    case nil:
      // Whatever it is, its own reader says what is wrong; an archive of other arrays lacks what statistics have.
      let file = try NPZFile(path)
      return TensorArchive(
        tensors: Dictionary(
          uniqueKeysWithValues: try FeatureStatistics.entryNames.filter(file.contains).map { ($0, try file.tensor($0)) }
        ))
    }
  }

  // MARK: Kinds of files

  private static func archive(_ file: NPZFile) throws -> Content? {
    try content(file.path, names: file.names, others: file.others, read: file.tensor)
  }

  private static func pytorch(_ file: InputFile) throws -> Content? {
    let checkpoint = try PyTorchFile(file)
    return try content(file.path, names: checkpoint.names, others: checkpoint.ignored, read: checkpoint.tensor)
  }

  /// A single array: features where it has two axes. Others are images, or nothing.
  private static func array(_ file: InputFile) throws -> Content? {
    let reader = try NPY.open(file)
    guard reader.header.dims.count == 2, reader.header.type != .u8 else { return nil }
    return try features(reader.tensor(), name: nil, path: file.path, notes: [])
  }

  private static func content(
    _ path: String, names: [String], others: [String], read: (String) throws -> StoredTensor
  ) throws -> Content? {
    let known = Set(FeatureStatistics.entryNames)
    let isStatistics = names.contains("mu")
    guard isStatistics || names.contains(features) else { return nil }
    let used = isStatistics ? known.union([images, labels]) : [features]
    let unused = names.filter { !used.contains($0) } + others
    let notes =
      unused.isEmpty
      ? []
      : [
        "\(path): entries that are not used: \(listedLines(unused.lazy.map { printable($0) }).joined(separator: ", "))"
      ]
    guard isStatistics else { return try features(read(features), name: features, path: path, notes: notes) }
    var archive = TensorArchive()
    for name in names where known.contains(name) { archive.tensors[name] = try read(name) }
    return .statistics(archive, notes: notes)
  }

  /// Floats as they are; Doubles, which programs keep Float features in, as the nearest Floats.
  private static func features(
    _ stored: StoredTensor, name: String?, path: String, notes: [String]
  ) throws -> Content {
    guard stored.dims.count == 2, (1...FeatureStatistics.largestDimension).contains(stored.dims[1]),
      let (features, rounded) = stored.nearestFloats()
    else {
      throw ScoreError.notFeatures(path: path, name: name, dims: stored.dims, type: stored.type)
    }
    return .features(
      features,
      notes: notes
        + (rounded > 0 ? ["\(path): \(rounded) of \(features.count) features are F64 and were rounded to F32"] : []))
  }
}
