import Formats
import Tensors

/// The images of a run: `images/000123/123456.png`, each saying in its text chunks which image of which run it is, so that
/// a file put in the wrong place, damaged or left from another run is never taken for a finished image.
package struct ImageStore: Sendable {
  package let folder: String
  package let shape: ImageShape
  private let seed: UInt64
  private let modelDigest: String
  private let runDigest: String

  /// - Parameters: folder: of the run; runDigest: of the run's identity.
  package init(folder: String, shape: ImageShape, seed: UInt64, modelDigest: String, runDigest: String) {
    self.folder = joined(folder, Self.folderName)
    self.shape = shape
    self.seed = seed
    self.modelDigest = modelDigest
    self.runDigest = runDigest
  }

  package static let folderName = "images"
  private static let imagesPerFolder = 1000

  private func subfolder(of index: Int) -> String {
    joined(folder, Self.sixDigits(index / Self.imagesPerFolder))
  }

  package func path(of index: Int) -> String { joined(subfolder(of: index), Self.sixDigits(index) + ".png") }

  private static func sixDigits(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }

  /// What stands in the text chunks of image `index`.
  package func texts(of index: Int) -> [(key: String, value: String)] {
    [
      ("halftone-index", String(index)), ("halftone-seed", String(seed)), ("halftone-model", modelDigest),
      ("halftone-run", runDigest),
    ]
  }

  /// State of one image's file.
  package enum State: Sendable, Equatable {
    case absent
    case intact(PixelImage)
    /// There, but not what this run would have written.
    case unusable(reason: String)
  }

  /// Decodes the file: a truncated or flipped file fails its checksums.
  package func state(of index: Int) -> State {
    let path = path(of: index)
    guard Folder.kind(of: path) != nil else { return .absent }
    do {
      let bytes = try InputFile.contents(of: path, limit: 1 << 30)
      let image = try PNG.decode(bytes, file: path)
      let found = try PNG.texts(of: bytes, file: path)
      if image.shape != shape { return .unusable(reason: "it is \(image.shape), expected \(shape)") }
      for (key, value) in texts(of: index) where found[key] != value {
        return .unusable(reason: "its \(key) is \(found[key].map { printable($0) } ?? "absent"), expected \(value)")
      }
      return .intact(image)
    } catch {
      return .unusable(reason: (error as? any HalftoneError)?.message ?? "\(error)")
    }
  }

  package func write(_ image: PixelImage, index: Int) throws {
    try Folder.create(subfolder(of: index))
    try PNG.write(image, texts: texts(of: index), to: path(of: index))
  }

  /// An image that is known to be there. - Throws: when it has become unreadable since.
  package func read(_ index: Int) throws -> PixelImage { try PNG.read(path(of: index)) }

  /// Writes images as diffusion code exchanges them: `arr_0`, N H W C, unsigned bytes, and with labels `arr_1`, N.
  package func writeArray(_ range: ClosedRange<Int>, labels: LabelCycle?, to path: String) throws {
    try NPZ.write(to: path) { archive in
      try archive.add("arr_0", type: .u8, dims: [range.count, shape.height, shape.width, shape.channels]) { write in
        for index in range { try write(try read(index).pixels) }
      }
      if let labels {
        let values = range.map { Int64(labels.label(of: $0)).littleEndian }
        try archive.add(
          "arr_1", StoredTensor(type: .i64, dims: [range.count], bytes: values.withUnsafeBytes { Array($0) }))
      }
    }
  }

  /// Removes what killed writers left behind. Call while holding the run's lock.
  package func removeStale() throws {
    guard Folder.kind(of: folder) == .folder else { return }
    for name in try Folder.names(in: folder) {
      let subfolder = joined(folder, name)
      if Folder.kind(of: subfolder) == .folder { try AtomicFile.removeStale(in: subfolder) }
    }
  }
}
