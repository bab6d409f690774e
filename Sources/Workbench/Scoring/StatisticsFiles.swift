import Evaluation
import Formats
import Tensors

/// Statistics files, told from other archives by their entries.
enum StatisticsFiles {
  /// The entries of the statistics file at `path`; nil when it is something else.
  static func archive(_ path: String) throws -> TensorArchive? {
    // A ZIP starts with PK; whether it holds statistics or samples shows in its entries.
    guard Folder.kind(of: path) == .file else { return nil }
    let file = try InputFile(path)
    guard file.size >= 2, try file.read(at: 0, count: 2) == Array("PK".utf8) else { return nil }
    let archive = try NPZFile(file)
    return archive.names.contains("mu") ? try archive.archiveInMemory() : nil
  }

  /// The statistics file at `path`. - Throws: when it is something else.
  static func required(_ path: String) throws -> TensorArchive {
    if let archive = try archive(path) { return archive }
    return try NPZ.read(path)
  }
}
