import Formats
import Tensors

extension ImageStore {
  /// The store of a run whose record is all that is known of it; nil where it has no image yet.
  /// - Parameters: folder: of the run; identity: from its record.
  /// - Throws: when the first image is unreadable, so that nothing says the shape of the others.
  package static func recorded(in folder: String, identity: RunIdentity) throws -> ImageStore? {
    let kinds = [folderName, arrayFolderName, latentFolderName]
    guard let kind = kinds.first(where: { Folder.kind(of: joined(folder, $0)) == .folder }) else { return nil }
    guard let first = try indices(in: joined(folder, kind)).first else { return nil }
    let configuration = identity.value["configuration"] ?? .null
    let seed: UInt64? =
      switch configuration["seed"] {
      case .integer(let seed)?: UInt64(exactly: seed)
      case .string(let seed)?: UInt64(seed)
      default: nil
      }
    let model = if case .string(let digest)? = configuration["model"] { digest } else { "" }
    func store(_ shape: ImageShape) -> ImageStore {
      ImageStore(
        folder: folder, shape: shape, content: kind == latentFolderName ? .latents : .image, seed: seed,
        modelDigest: model, runDigest: "sha256:" + identity.digest)
    }
    // Where an image lies depends on whether arrays are kept, which a shape of one channel or four decides.
    let path = store(ImageShape(channels: kind == folderName ? 1 : 4, height: 1, width: 1)).path(of: first)
    return store(try kind == folderName ? PNG.read(path).shape : ArraySample.facts(path).shape)
  }

  /// The indices that the names of files in a store's folder say, ascending; no file is opened.
  package static func indices(in folder: String) throws -> [Int] {
    guard Folder.kind(of: folder) == .folder else { return [] }
    var indices: [Int] = []
    for name in try Folder.names(in: folder) {
      guard let thousand = Shard.number(name), Folder.kind(of: joined(folder, name)) == .folder else { continue }
      for file in try Folder.names(in: joined(folder, name)) where file.hasSuffix(".png") || file.hasSuffix(".npz") {
        guard let index = Shard.number(String(file.dropLast(4))), index / imagesPerFolder == thousand else { continue }
        indices.append(index)
      }
    }
    return indices.sorted()
  }

  /// The store of the same run in another folder.
  func moved(to folder: String) -> ImageStore { ImageStore(self, base: folder) }
}
