import Tensors

/// The PNG and JPEG images of a folder or of a ZIP file, in the order of their relative paths' bytes, so that neither locale nor file
/// system shows. Of a run folder (one that holds run.json) only the part below images/ counts.
///
/// Images laid out as a run's (`000123/123456.png`, all of them) have the indices that their names say, so that parts of one
/// run in different folders know who they are; any other set's are numbered as they come. A set of both kinds is refused:
/// one file that was copied would silently give all others another number. Folders inside a set count when
/// they are a run's or when asked for.
package struct ImageFiles: ImageSource {
  package let path: String
  /// Of the first image.
  package let shape: ImageShape
  package let skipped: [String]
  /// Relative to the set.
  package let names: [String]

  private let load: @Sendable (_ name: String) throws -> DecodedImage
  private let options: ImageSourceOptions
  /// The indices in the names, ascending; nil where the layout is not a run's.
  private let indices: [Int]?

  package var count: Int { names.count }
  package var namesIndices: Bool { indices != nil }
  package func imageIndex(at position: Int) -> Int { indices?[position] ?? position }

  /// The images of a folder.
  package init(folder: String, options: ImageSourceOptions = .init()) throws {
    let isRun = Folder.kind(of: folder + "/run.json") == .file && Folder.kind(of: folder + "/images") == .folder
    let path = isRun ? folder + "/images" : folder
    var listing = FolderListing()
    try listing.collect(path, prefix: "", depth: 0)
    var options = options
    if isRun { options.recursive = true }
    try self.init(path: path, names: listing.names, skipped: listing.skipped, isRun: isRun, options: options) {
      try ImageFile.read("\(path)/\($0)")
    }
  }

  /// The images in a ZIP file; a folder that everything lies in is passed over.
  init(archive: ZipArchive, options: ImageSourceOptions) throws {
    let (root, holdsRecord) = Self.root(of: archive.members.map(\.name))
    var names: [String] = []
    var skipped: [String] = []
    for member in archive.members where member.name.hasPrefix(root) && !member.name.hasSuffix("/") {
      let name = String(member.name.dropFirst(root.count))
      let isHidden = name.split(separator: "/").contains { $0.hasPrefix(".") }
      if let reason = isHidden ? "hidden" : Self.reasonToSkip(name) {
        skipped.append("\(printable(name)) (\(reason))")
      } else {
        names.append(name)
      }
    }
    let members = Dictionary(uniqueKeysWithValues: archive.members.map { ($0.name, $0) })
    try self.init(path: archive.file.path, names: names, skipped: skipped, isRun: holdsRecord, options: options) {
      name in
      let file = "\(archive.file.path)/\(root)\(name)"
      guard let member = members[root + name] else { throw FormatError.zip(archive.file.path, .missing(root + name)) }
      guard member.size <= PNG.sizeLimit else {
        throw FormatError.file(file, .tooLarge(size: member.size, limit: PNG.sizeLimit))
      }
      return try ImageFile.decode(archive.stream(member).read(member.size), file: file)
    }
  }

  /// - Parameter declared: whether a run's record says that these are its images.
  private init(
    path: String, names all: [String], skipped: [String], isRun declared: Bool, options: ImageSourceOptions,
    load: @escaping @Sendable (String) throws -> DecodedImage
  ) throws {
    let sorted = all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let others = sorted.filter { Self.runIndex($0) == nil }
    let isRun = others.isEmpty && !sorted.isEmpty
    if !others.isEmpty, declared || others.count < sorted.count {
      throw FormatError.images(path, .mixedNames(others: others, run: sorted.count - others.count))
    }
    let counts = { (name: String) in options.recursive || isRun || !name.contains("/") }
    let names = sorted.filter(counts)
    let skipped = skipped + sorted.filter { !counts($0) }.map { "\(printable($0)) (in a folder of the set)" }
    guard let first = names.first else { throw FormatError.images(path, .empty(skipped: skipped)) }
    (self.path, self.names, self.skipped, self.load, self.options) = (path, names, skipped, load, options)
    shape = try load(first).image.shape
    indices = isRun ? names.compactMap(Self.runIndex) : nil
  }

  /// The folder in the archive whose content is the set, with its slash: that of a run's images, or the one that holds all.
  private static func root(of names: [String]) -> (path: String, holdsRecord: Bool) {
    var root = ""
    while case let inside = names.filter({ $0.hasPrefix(root) && $0 != root }).map({ $0.dropFirst(root.count) }),
      let top = inside.first?.split(separator: "/", omittingEmptySubsequences: false).first,
      inside.allSatisfy({ $0.hasPrefix(top + "/") }), Int(top) == nil
    {
      root += top + "/"
    }
    let holdsRecord = names.contains(root + "run.json") && names.contains { $0.hasPrefix(root + "images/") }
    return (holdsRecord ? root + "images/" : root, holdsRecord)
  }

  /// Why a file is no image of the set; nil for images.
  static func reasonToSkip(_ name: String) -> String? {
    ImageFile.isNamedAsImage(name) ? nil : "not a .png, .jpg or .jpeg file"
  }

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
    var (start, batchShape, pixels, origins) = (positions.lowerBound, shape, [UInt8](), ImageOrigins())
    func handOver(to end: Int) throws {
      if start < end { try body(ImageBatch(start: start, shape: batchShape, pixels: pixels, origins: origins)) }
      (start, pixels, origins) = (end, [], ImageOrigins())
    }
    for position in positions {
      let decoded = try load(names[position])
      let image = decoded.image
      guard image.shape == shape || options.mixedSizes else {
        throw FormatError.images(
          path, .mixedSizes(first: names[0], firstShape: shape, other: names[position], otherShape: image.shape))
      }
      if image.shape != batchShape { try handOver(to: position) }
      batchShape = image.shape
      pixels += image.pixels
      origins += decoded.origin
      if position + 1 - start == size { try handOver(to: position + 1) }
    }
    try handOver(to: positions.upperBound)
  }
}
