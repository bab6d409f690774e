import Evaluation
import Formats
import Tensors

/// Statistics files, told from other archives by their entries.
enum StatisticsFiles {
  /// The entries of the statistics file at `path`; nil when it is something else.
  static func archive(_ path: String) throws -> TensorArchive? {
    guard let archive = try zip(path), archive.names.contains("mu") else { return nil }
    return try archive.archiveInMemory()
  }

  /// The array `features` (images x dimension, Float) of the archive at `path`; nil when it is something else.
  static func features(_ path: String) throws -> Tensor? {
    guard let archive = try zip(path), archive.names.contains("features") else { return nil }
    let stored = try archive.tensor("features")
    guard stored.dims.count == 2, stored.dims[1] > 0, let features = stored.floats() else {
      throw ScoreError.notFeatures(path: path, dims: stored.dims, type: stored.type)
    }
    return features
  }

  /// A ZIP starts with PK; what it holds shows in its entries.
  private static func zip(_ path: String) throws -> NPZFile? {
    guard Folder.kind(of: path) == .file else { return nil }
    let file = try InputFile(path)
    guard file.size >= 2, try file.read(at: 0, count: 2) == Array("PK".utf8) else { return nil }
    return try ImageSources.holdsPNGs(file) ? nil : NPZFile(file)
  }

  /// The statistics file at `path`. - Throws: when it is something else.
  static func required(_ path: String) throws -> TensorArchive {
    if let archive = try archive(path) { return archive }
    return try NPZ.read(path)
  }
}
