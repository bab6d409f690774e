import Formats
import Foundation
import Tensors

/// The images of a run, each saying which image of which run it is, so that a file put in the wrong place, damaged or left
/// from another run is never taken for a finished image.
///
/// What PNG holds (1 and 3 channels) is `images/000123/123456.png`, with the words in its text chunks; samples of any other
/// number of channels are `arrays/000123/123456.npz` with their values as they are, and the words as arrays beside them. Latents are
/// kept as arrays whatever their channels, in `latents/`.
package struct ImageStore: Sendable {
  /// What the images lie in, and the folder of the run or of one of its models, which that stands in.
  package let folder: String
  package let base: String
  package let shape: ImageShape
  /// Whether samples are kept as arrays, because no image file holds so many channels.
  package let holdsArrays: Bool
  /// nil where nothing was drawn: images of given latents.
  private let seed: UInt64?
  private let modelDigest: String
  package let runDigest: String

  /// What a sample is.
  package enum Content: Sendable {
    case image
    /// What a decoder has not seen yet.
    case latents
  }

  /// - Parameters: folder: of the run; runDigest: of the run's identity.
  package init(
    folder: String, shape: ImageShape, content: Content = .image, seed: UInt64?, modelDigest: String, runDigest: String
  ) {
    holdsArrays = content == .latents || !PNG.channelCounts.contains(shape.channels)
    let name = content == .latents ? Self.latentFolderName : holdsArrays ? Self.arrayFolderName : Self.folderName
    self.folder = joined(folder, name)
    base = folder
    self.shape = shape
    self.seed = seed
    self.modelDigest = modelDigest
    self.runDigest = runDigest
  }

  /// `other` with images in another folder.
  init(_ other: ImageStore, base: String) {
    folder = joined(base, (other.folder as NSString).lastPathComponent)
    self.base = base
    (shape, holdsArrays, seed) = (other.shape, other.holdsArrays, other.seed)
    (modelDigest, runDigest) = (other.modelDigest, other.runDigest)
  }

  package static let folderName = "images"
  package static let arrayFolderName = "arrays"
  package static let latentFolderName = "latents"
  static let imagesPerFolder = 1000

  private func subfolder(of index: Int) -> String { parentFolder(of: path(of: index)) }

  package func path(of index: Int) -> String {
    Self.path(of: index, in: folder, ending: holdsArrays ? ".npz" : ".png")
  }

  /// Where image `index` lies in a store's folder.
  static func path(of index: Int, in folder: String, ending: String) -> String {
    joined(joined(folder, sixDigits(index / imagesPerFolder)), sixDigits(index) + ending)
  }

  /// What the file of image `index` says of itself.
  package func texts(of index: Int) -> [(key: String, value: String)] {
    [("halftone-index", String(index))] + (seed.map { [("halftone-seed", String($0))] } ?? []) + [
      ("halftone-model", modelDigest), ("halftone-run", runDigest),
    ]
  }

  /// State of one image's file.
  package enum State: Sendable, Equatable {
    case absent
    case intact
    /// There, but not what this run would have written.
    case unusable(reason: String)
  }

  /// Decodes the file: a truncated or flipped file fails its checksums.
  package func state(of index: Int) -> State { examine(index).state }

  /// The same, with what an intact image holds: 8-bit samples H W C, or the values C H W of an array, as stored.
  package func examine(_ index: Int) -> (state: State, content: [UInt8]?) {
    let path = path(of: index)
    guard Folder.kind(of: path) != nil else { return (.absent, nil) }
    do {
      let found = try holdsArrays ? ArraySample.facts(path) : Self.facts(ofImage: path)
      if found.shape != shape { return (.unusable(reason: "it is \(found.shape), expected \(shape)"), nil) }
      for (key, value) in texts(of: index) where found.texts[key] != value {
        let said = found.texts[key].map { printable($0) } ?? "absent"
        return (.unusable(reason: "its \(key) is \(said), expected \(value)"), nil)
      }
      return (.intact, found.content)
    } catch {
      return (.unusable(reason: (error as? any HalftoneError)?.message ?? "\(error)"), nil)
    }
  }

  private static func facts(ofImage path: String) throws -> ArraySample.Facts {
    let bytes = try InputFile.contents(of: path, limit: 1 << 30)
    let image = try PNG.decode(bytes, file: path)
    return (try PNG.texts(of: bytes, file: path), image.shape, image.pixels)
  }

  /// Writes one image. - Parameters: samples: N C H W, in [-1, 1]; row: which of them.
  package func write(_ samples: Tensor, row: Int, index: Int) throws {
    try Folder.create(subfolder(of: index), inside: base)
    if holdsArrays {
      try ArraySample.write(
        samples.rows(row..<(row + 1)).reshaped(shape.dims), texts: texts(of: index), to: path(of: index))
    } else {
      try PNG.write(PixelImage(samples, image: row), texts: texts(of: index), to: path(of: index))
    }
  }

  /// An image that is known to be there, in 8-bit samples; arrays become samples by the rule for images.
  /// - Throws: when it has become unreadable since, or an image of another shape.
  package func read(_ index: Int) throws -> PixelImage {
    if !holdsArrays {
      let image = try PNG.read(path(of: index))
      guard image.shape == shape else {
        throw FormatError.images(path(of: index), .otherShape(expected: shape, found: image.shape))
      }
      return image
    }
    return PixelImage(try values(index), image: 0)
  }

  /// An array's values, 1 C H W.
  private func values(_ index: Int) throws -> Tensor {
    try ArraySample.values(path(of: index), shape: shape).reshaped([1] + shape.dims)
  }

  /// Images that one picture shows next to each other: as they are, or their channels side by side in grey.
  package func readShown(_ index: Int) throws -> PixelImage {
    holdsArrays ? ImageGrid.channels(of: try read(index)) : try read(index)
  }

  /// Writes images as diffusion code exchanges them: `arr_0`, N H W C, unsigned bytes (of arrays: their Floats), and with
  /// labels `arr_1`, N.
  package func writeArray(_ range: ClosedRange<Int>, labels: LabelCycle?, to path: String) throws {
    try NPZ.write(to: path) { archive in
      let dims = [range.count, shape.height, shape.width, shape.channels]
      try archive.add("arr_0", type: holdsArrays ? .f32 : .u8, dims: dims) { write in
        for index in range {
          try write(holdsArrays ? StoredTensor(channelsLast(try values(index))).bytes : try read(index).pixels)
        }
      }
      guard let labels else { return }
      try archive.add("arr_1", type: .i64, dims: [range.count]) { write in
        for index in range { try write(withUnsafeBytes(of: Int64(labels.label(of: index)).littleEndian) { Array($0) }) }
      }
    }
  }

  /// H W C of 1 C H W.
  private func channelsLast(_ x: Tensor) -> Tensor {
    let area = shape.height * shape.width
    let values = (0..<shape.count).map { x.values[$0 % shape.channels * area + $0 / shape.channels] }
    return Tensor([shape.height, shape.width, shape.channels], values)
  }

  /// Images, arrays or latents in a folder that holds a store; nil where there is none.
  package static func count(in folder: String) throws -> Int? {
    let images = joined(folder, folderName)
    if Folder.kind(of: images) == .folder { return try ImageSources.open(images).count }
    let arrays = [arrayFolderName, latentFolderName].map { joined(folder, $0) }
    guard let arrays = arrays.first(where: { Folder.kind(of: $0) == .folder }) else { return nil }
    return try Folder.names(in: arrays).map { joined(arrays, $0) }.filter { Folder.kind(of: $0) == .folder }
      .reduce(0) { try $0 + Folder.names(in: $1).count { $0.hasSuffix(".npz") } }
  }

  /// Removes what killed writers left behind. Call while holding the run's lock.
  package func removeStale() throws {
    guard Folder.kind(of: folder) == .folder else { return }
    for name in try Folder.names(in: folder) {
      let subfolder = joined(folder, name)
      if Folder.kind(of: subfolder) == .folder { try TemporaryFiles.removeStale(in: subfolder) }
    }
  }
}
