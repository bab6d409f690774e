import Formats
import Foundation
import Networks
import Tensors

/// Latents on disk, of one shape, in the denoiser's units: a run folder of `sample --latents-only` or `encode`, a folder of .npz
/// files, or one .npz whose array x holds one (C H W) or several (N C H W).
package struct LatentSet: Sendable {
  private enum Place: Sendable {
    /// One latent a file.
    case files([String])
    /// Rows of an array.
    case rows(Tensor)
  }

  package let path: String
  package let shape: ImageShape
  /// The number of each image, ascending: that in the name of a run's file, or the position.
  package let indices: [Int]
  /// What a run that decodes them is told apart by: of a run folder, its identity, so that it may be extended; else the files.
  package let digest: String
  private let place: Place

  package var count: Int { indices.count }

  package init(_ path: String, console: Console) throws {
    switch Folder.kind(of: path) {
    case .folder: self = try Self.folder(path)
    case .file: self = try Self.archive(path, console: console)
    case .other, nil: throw FirstStageError.latents(path: path, reason: "no such file or folder")
    }
  }

  private init(_ path: String, _ shape: ImageShape, _ indices: [Int], digest: String, _ place: Place) {
    (self.path, self.shape, self.indices, self.digest, self.place) = (path, shape, indices, digest, place)
  }

  // MARK: Opening

  private static func folder(_ path: String) throws -> LatentSet {
    let isRun = Folder.kind(of: joined(path, RunFolder.recordName)) == .file
    let inside = joined(path, ImageStore.latentFolderName)
    let root = Folder.kind(of: inside) == .folder ? inside : path
    var files = try archives(in: root)
    for name in try Folder.names(in: root).sorted() where Folder.kind(of: joined(root, name)) == .folder {
      files += try archives(in: joined(root, name))
    }
    guard let first = files.first else { throw FirstStageError.latents(path: path, reason: "no .npz files") }
    let numbers = files.map { Int(stem(of: $0)) }
    let named = numbers.compactMap { $0 }
    let isNumbered = named.count == files.count && Set(named).count == files.count && named.allSatisfy { $0 >= 0 }
    let indices = isNumbered ? named : Array(files.indices)
    let order = indices.indices.sorted { indices[$0] < indices[$1] }
    return LatentSet(
      path, try shape(of: first), order.map { indices[$0] },
      digest: try isRun ? identity(of: path) : digest(of: files), .files(order.map { files[$0] }))
  }

  private static func archives(in folder: String) throws -> [String] {
    try Folder.names(in: folder).filter { $0.hasSuffix(".npz") && !$0.hasPrefix(".") }.sorted()
      .map { joined(folder, $0) }.filter { Folder.kind(of: $0) == .file }
  }

  private static func identity(of folder: String) throws -> String {
    "run sha256:" + RunIdentity(try RunFolder.record(in: folder)["identity"] ?? .null).digest
  }

  private static func digest(of files: [String]) throws -> String {
    let lines = try files.map { "\(fileName(of: $0)) \(try Digest.sha256(file: $0))\n" }
    return "sha256:" + Digest.sha256(Array(lines.joined().utf8))
  }

  /// Read off the header of the file's array.
  private static func shape(of file: String) throws -> ImageShape {
    let dims = try NPZFile(file).open(ArraySample.values).header.dims
    guard dims.count == 3, dims.allSatisfy({ $0 > 0 }) else {
      throw InputArrayError.shape(file: file, name: ArraySample.values, expected: "C H W", found: dims)
    }
    return ImageShape(channels: dims[0], height: dims[1], width: dims[2])
  }

  private static func archive(_ path: String, console: Console) throws -> LatentSet {
    let arrays = try InputArrays(path)
    let dims = try NPZFile(path).open(ArraySample.values).header.dims
    guard (3...4).contains(dims.count), dims.allSatisfy({ $0 > 0 }) else {
      throw InputArrayError.shape(
        file: path, name: ArraySample.values, expected: "C H W or N C H W", found: dims)
    }
    let tail = Array(dims.suffix(3))
    let shape = ImageShape(channels: tail[0], height: tail[1], width: tail[2])
    if dims.count == 4 { arrays.noteUnused(but: ArraySample.values, console: console) }
    let x = try arrays.floats(ArraySample.values, console: console)
    let count = dims.count == 4 ? dims[0] : 1
    return LatentSet(
      path, shape, Array(0..<count), digest: "sha256:" + (try Digest.sha256(file: path)),
      .rows(x.reshaped([count] + tail)))
  }

  // MARK: Reading

  /// Latents at some positions, N C H W. - Throws: when a file holds another shape, or values that are no finite numbers.
  package func values(_ positions: Range<Int>) throws -> Tensor {
    switch place {
    case .rows(let x): return x.rows(positions)
    case .files(let files):
      return Tensor.stacked(
        try files[positions].map { file in
          let x = try ArraySample.values(file, shape: shape)
          guard x.values.allSatisfy(\.isFinite) else { throw FirstStageError.notFinite(what: file) }
          return x.reshaped([1] + shape.dims)
        })
    }
  }

  /// - Throws: when a first stage takes other channels.
  package func check(for configuration: any FirstStageConfiguration) throws(FirstStageError) {
    guard shape.channels != configuration.latentChannels else { return }
    throw .inputChannels(what: path, found: shape.channels, expected: configuration.latentChannels)
  }
}
