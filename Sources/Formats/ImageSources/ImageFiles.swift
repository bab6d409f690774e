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
  package var isFiles: Bool { true }
  package func imageIndex(at position: Int) -> Int { indices?[position] ?? position }

  /// The images of a folder.
  package init(folder: String, options: ImageSourceOptions = .init()) throws {
    let isRun = Folder.kind(of: folder + "/run.json") == .file && Folder.kind(of: folder + "/images") == .folder
    let path = isRun ? folder + "/images" : folder
    var listing = FolderListing()
    try listing.collect(path, prefix: "", depth: 0)
    var inside = options
    if isRun { inside.recursive = true }
    try self.init(path: path, names: listing.names, skipped: listing.skipped, isRun: isRun, options: inside) {
      try ImageFile.read("\(path)/\($0)", options.depth)
    }
  }

  /// The images in a ZIP file; a folder that everything lies in is passed over. Hidden files, which macOS adds to every archive,
  /// are left out before that is decided.
  init(archive: ZipArchive, options: ImageSourceOptions) throws {
    let files = archive.members.map(\.name).filter { !$0.hasSuffix("/") }
    let visible = files.filter { !Self.isHidden($0) }
    let (root, holdsRecord) = Self.root(of: visible)
    var names: [String] = []
    func inside(_ file: String) -> String { file.hasPrefix(root) ? String(file.dropFirst(root.count)) : file }
    var skipped = files.filter(Self.isHidden).map { "\(printable(inside($0))) (hidden)" }
    for file in visible where file.hasPrefix(root) {
      let name = inside(file)
      if let reason = Self.reasonToSkip(name) {
        skipped.append("\(printable(name)) (\(reason))")
      } else {
        names.append(name)
      }
    }
    try self.init(path: archive.file.path, names: names, skipped: skipped, isRun: holdsRecord, options: options) {
      name in
      let file = "\(archive.file.path)/\(root)\(name)"
      let member = try archive.member(root + name)
      guard member.size <= PNG.sizeLimit else {
        throw FormatError.file(file, .tooLarge(size: member.size, limit: PNG.sizeLimit))
      }
      return try ImageFile.decode(archive.stream(member).read(member.size), file: file, options.depth)
    }
  }

  /// - Parameter declared: whether a run's record says that these are its images.
  private init(
    path: String, names all: [String], skipped: [String], isRun declared: Bool, options: ImageSourceOptions,
    load: @escaping @Sendable (String) throws -> DecodedImage
  ) throws {
    let sorted = all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let indexed = sorted.map { (name: $0, index: Self.runIndex($0)) }
    let others = indexed.filter { $0.index == nil }.map(\.name)
    let isRun = others.isEmpty && !sorted.isEmpty
    if !others.isEmpty, declared || others.count < sorted.count {
      throw FormatError.images(path, .mixedNames(others: others, run: sorted.count - others.count))
    }
    // Six digits sort as the numbers do, more do not.
    let inOrder = isRun ? indexed.sorted { $0.index ?? 0 < $1.index ?? 0 } : indexed
    let ordered = inOrder.map(\.name)
    let counts = { (name: String) in options.recursive || isRun || !name.contains("/") }
    let names = ordered.filter(counts)
    let inFolders = ordered.filter { !counts($0) }
    let skipped = skipped + inFolders.map { "\(printable($0)) (in a folder of the set)" }
    guard let first = names.first else {
      throw FormatError.images(path, .empty(skipped: skipped, inFolders: inFolders))
    }
    (self.path, self.names, self.skipped, self.load, self.options) = (path, names, skipped, load, options)
    shape = try load(first).image.shape
    indices = isRun ? inOrder.compactMap(\.index) : nil
  }

  /// The folder in the archive whose content is the set, with its slash: that of a run's images, or the one that holds all.
  /// A run's numbered folders are its layout, and stay.
  private static func root(of files: [String]) -> (path: String, holdsRecord: Bool) {
    let folders = files.lazy.map { $0.split(separator: "/", omittingEmptySubsequences: false).dropLast() }
    var shared = Array(folders.first ?? [])
    for path in folders {
      let equal = zip(shared, path).prefix { $0 == $1 }.count
      if equal < shared.count { shared.removeLast(shared.count - equal) }
    }
    let root = shared.prefix { Int($0) == nil }.map { $0 + "/" }.joined()
    let holdsRecord = files.contains(root + "run.json") && files.contains { $0.hasPrefix(root + "images/") }
    return (holdsRecord ? root + "images/" : root, holdsRecord)
  }

  /// Whether a file of an archive, or a folder above it, is hidden; `__MACOSX` holds what macOS notes about the others.
  private static func isHidden(_ file: String) -> Bool {
    file.split(separator: "/").contains { $0.hasPrefix(".") || $0 == "__MACOSX" }
  }

  /// Why a file is no image of the set; nil for images.
  static func reasonToSkip(_ name: String) -> String? {
    ImageFile.isNamedAsImage(name) ? nil : "not a .png, .jpg or .jpeg file"
  }

  /// The images in a run's folder of images that are called as none of a run's, in the order of their paths' bytes.
  package static func foreignNames(in folder: String) throws -> [String] {
    var listing = FolderListing()
    try listing.collect(folder, prefix: "", depth: 0)
    return listing.names.filter { runIndex($0) == nil }
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
