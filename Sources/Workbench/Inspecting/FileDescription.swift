import Evaluation
import Formats
import Quantization
import Tensors

/// What `inspect` says of the files and folders that are not models: run folders, feature statistics, other NumPy
/// archives, calibration sets.
struct FileDescription {
  let entries: [ConfigurationValue.Entry]
  let text: String

  /// nil when `path` is none of these by its first bytes, or by its `run.json`.
  /// - Throws: when it is one of them and damaged.
  init?(_ path: String, reader: HDF5Reader) throws {
    switch Folder.kind(of: path) {
    case .folder:
      guard Folder.kind(of: joined(path, RunFolder.recordName)) == .file else { return nil }
      self = try Self.run(path)
    case .file:
      let file = try InputFile(path)
      switch try file.read(at: 0, count: min(file.size, 4)) {
      case Array("PK\u{3}\u{4}".utf8):
        guard let description = try Self.archive(file) else { return nil }
        self = description
      case [0x89] + Array("HDF".utf8): self = try Self.calibrationSet(path, reader)
      default: return nil
      }
    case .other, nil: return nil
    }
  }

  private init(
    _ path: String, kind: String, title: String, facts: [(key: String, value: ConfigurationValue)]
  ) {
    entries =
      [.init("path", .string(path)), .init("kind", .string(kind))] + facts.map { .init($0.key, $0.value) }
    let lines = facts.map { "\($0.key.replacing("_", with: " ")): \(Self.shown($0.value))" }
    text = (["\(path): \(title)"] + lines).joined(separator: "\n")
  }

  /// One line of text for any value; maps as dotted keys.
  private static func shown(_ value: ConfigurationValue) -> String {
    switch value {
    case .string(let text): printable(text)
    case .list(let items): items.map(shown).joined(separator: ", ")
    case .map(let entries): entries.map { "\($0.key) \(shown($0.value))" }.joined(separator: ", ")
    case .null, .bool, .integer, .number: value.shown
    }
  }

  // MARK: Kinds

  private static func run(_ path: String) throws -> FileDescription {
    let record = try RunFolder.record(in: path)
    var facts = ["halftone", "arguments", "machine"].compactMap { key in record[key].map { (key, $0) } }
    if case .map(let identity)? = record["identity"] { facts = identity.map { ($0.key, $0.value) } + facts }
    // A run of `sample` has its images at the top, others have a folder per model.
    for store in try ["."] + Folder.names(in: path) {
      guard let count = try ImageStore.count(in: joined(path, store)) else { continue }
      facts.append((store == "." ? "images" : "\(store)_images", .integer(count)))
    }
    return FileDescription(path, kind: "run", title: "run folder", facts: facts)
  }

  /// nil for PyTorch files that are no statistics.
  private static func archive(_ file: InputFile) throws -> FileDescription? {
    if case .statistics(let archive, let notes)? = try StatisticsFiles.content(file.path) {
      return try statistics(archive, notes, file.path)
    }
    if try ZipContent(of: file) == .checkpoint { return nil }
    let archive = try NPZFile(file)
    let arrays = try archive.names.map { ($0, ConfigurationValue.string(try described($0, in: archive))) }
    let others = archive.others.map { ($0, ConfigurationValue.string("no array")) }
    return FileDescription(file.path, kind: "arrays", title: "NumPy arrays", facts: arrays + others)
  }

  /// Element type and shape; arrays of a type that nothing here reads are said to be that.
  private static func described(_ name: String, in archive: NPZFile) throws -> String {
    do {
      let header = try archive.open(name).header
      return "\(header.type.rawValue) \(header.dims)"
    } catch FormatError.numpy(_, .elementType(let found, _)) {
      return "\(found), which is not read"
    }
  }

  private static func statistics(
    _ archive: TensorArchive, _ notes: [String], _ path: String
  ) throws -> FileDescription {
    let statistics = try FeatureStatistics(archive: archive, file: path)
    return FileDescription(
      path, kind: "statistics", title: "feature statistics",
      facts: [
        ("images", statistics.count.map { .integer($0) } ?? "unknown"), ("dimension", .integer(statistics.dimension)),
        ("extractor", .string(statistics.extractor?.description ?? "unknown")),
        ("mergeable", .bool(statistics.exact != nil)),
      ] + (notes.isEmpty ? [] : [("notes", .list(notes.map { .string($0) }))]))
  }

  private static func calibrationSet(_ path: String, _ reader: HDF5Reader) throws -> FileDescription {
    let set = try CalibrationFile.Reader(path, reader: reader)
    let provenance = set.provenance
    return FileDescription(
      path, kind: "calibration_set", title: "calibration set",
      facts: [
        ("digest", .string(set.digest)), ("samples", .integer(set.counts.reduce(0, +))),
        ("steps_with_samples", .string("\(set.counts.count { $0 > 0 }) of \(set.counts.count)")),
        ("image_shape", .list(provenance.imageShape.dims.map { .integer($0) })),
        ("model_digest", .string(provenance.modelDigest)), ("sampler", provenance.sampler),
        ("calibration", provenance.calibration.encode()),
      ])
  }
}
