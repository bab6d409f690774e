import Tensors

/// The PNG images of a folder and of the folders inside it, in the order of their relative paths' bytes, so that neither
/// locale nor file system shows. Of a run folder (one that holds run.json) only the part below images/ counts.
///
/// Images laid out as a run's (`000123/123456.png`, all of them) have the indices that their names say, so that parts of one
/// run in different folders know who they are; any other folder's are numbered as they come.
package struct PNGFolder: ImageSource {
  package let path: String
  package let shape: ImageShape
  package let skipped: [String]
  /// Relative to `path`.
  package let names: [String]

  /// The indices in the names, ascending; nil where the layout is not a run's.
  private let indices: [Int]?

  package var count: Int { names.count }

  package init(_ path: String) throws {
    let isRun = Folder.kind(of: path + "/run.json") == .file && Folder.kind(of: path + "/images") == .folder
    self.path = isRun ? path + "/images" : path
    var listing = Listing()
    try listing.collect(self.path, prefix: "", depth: 0)
    (names, skipped) = (listing.names, listing.skipped)
    guard let first = names.first else { throw FormatError.images(path, .empty(skipped: skipped)) }
    shape = try PNG.read("\(self.path)/\(first)").shape
    let numbers = names.map(Self.runIndex)
    indices = numbers.contains(nil) ? nil : numbers.compactMap { $0 }
  }

  package var namesIndices: Bool { indices != nil }
  package func imageIndex(at position: Int) -> Int { indices?[position] ?? position }

  /// The index in `000123/123456.png`; nil for names of any other form.
  private static func runIndex(_ name: String) -> Int? {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].hasSuffix(".png") else { return nil }
    let digits = [parts[0], parts[1].dropLast(4)]
    // Six digits, or more without leading zeros: every index is written in one way.
    let isCanonical = digits.allSatisfy {
      (6...18).contains($0.utf8.count) && ($0.utf8.count == 6 || $0.utf8.first != 48)
        && $0.utf8.allSatisfy { (48...57).contains($0) }
    }
    guard isCanonical, let group = Int(digits[0]), let index = Int(digits[1]), index / 1000 == group else { return nil }
    return index
  }

  package func forEachBatch(
    of size: Int, in positions: Range<Int>, _ body: (ImageBatch) throws -> Void
  ) throws {
    precondition(size > 0 && positions.lowerBound >= 0 && positions.upperBound <= count)
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: size) {
      var pixels: [UInt8] = []
      for name in names[start..<min(start + size, positions.upperBound)] {
        let image = try PNG.read("\(path)/\(name)")
        guard image.shape == shape else {
          throw FormatError.images(
            path, .mixedSizes(first: names[0], firstShape: shape, other: name, otherShape: image.shape))
        }
        pixels += image.pixels
      }
      try body(ImageBatch(start: start, shape: shape, pixels: pixels))
    }
  }

  private struct Listing {
    var names: [String] = []
    var skipped: [String] = []

    /// Links to folders are passed over, so that no loop of links can be entered.
    mutating func collect(_ folder: String, prefix: String, depth: Int) throws {
      // Folders sort as their paths do: "a/b" against "a.png" compares "/" with ".".
      let entries = try Folder.names(in: folder).map { name in
        let kind = Folder.kind(of: "\(folder)/\(name)")
        return (name: name, kind: kind, key: kind == .folder ? name + "/" : name)
      }
      for entry in entries.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
        let relative = prefix + entry.name
        let full = "\(folder)/\(entry.name)"
        switch entry.kind {
        case _ where entry.name.hasPrefix("."): skip(relative, "hidden")
        case .folder where Folder.isLink(full): skip(relative, "a link to a folder")
        case .folder where depth == 8: skip(relative, "nested too deep")
        case .folder: try collect(full, prefix: relative + "/", depth: depth + 1)
        case .file where entry.name.utf8.count > 4 && entry.name.suffix(4).lowercased() == ".png":
          names.append(relative)
        case .file: skip(relative, "not a .png file")
        case .other: skip(relative, "not a regular file")
        case nil: skip(relative, "a link that leads nowhere")
        }
      }
    }

    private mutating func skip(_ name: String, _ reason: String) { skipped.append("\(printable(name)) (\(reason))") }
  }
}
