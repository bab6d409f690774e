import Evaluation
import Formats
import Platform
import Tensors

/// Features on disk, so that a stopped run goes on and another command need not compute them again: one file for each leaf, a
/// run of consecutive images. A leaf is found by what it holds (extractor, preparation, weights, pixels), never by where it
/// was read, so stale files cannot be taken for others.
struct KeptFeatures {
  let folder: String
  /// Whether they are for going on after a stop only: a set of one leaf then leaves nothing.
  let isTemporary: Bool

  private static let bytesPerLeaf = 32 << 20

  /// Images of a leaf: the same for every set of images of this size. A unit of work, a few seconds of Inception on two cores, or
  /// the half of it, a quarter and so on, so that leaves do not depend on where a shard's images begin.
  static func leafSize(_ shape: ImageShape) -> Int {
    var size = WorkUnit.size
    while size > 1, size > bytesPerLeaf / shape.count { size /= 2 }
    return size
  }

  static func key(_ images: ImageBatch, _ extractor: FeatureExtractorIdentity) -> String {
    let texts = [extractor.name, extractor.mode, extractor.digest, "\(images.shape)"]
    return Digest.sha256(Array(texts.joined(separator: "\n").utf8) + [0] + images.pixels)
  }

  private func path(_ key: String) -> String { joined(folder, "\(key).npz") }

  /// nil where the leaf is not there, damaged, or lacks what is wanted.
  func read(_ key: String, count: Int, _ extractor: any FeatureExtractor, spatial: Bool) -> (Tensor, Tensor?)? {
    guard Folder.kind(of: path(key)) == .file, let archive = try? NPZ.read(path(key)) else { return nil }
    guard let features = archive.tensors["features"]?.floats(), features.dims == [count, extractor.dimension] else {
      return nil
    }
    guard spatial, let kind = extractor.spatial else { return (features, nil) }
    guard let found = archive.tensors["spatial"]?.floats(), found.dims == [count, kind.dimension] else { return nil }
    return (features, found)
  }

  var exists: Bool { Folder.kind(of: folder) == .folder }

  /// Removes the leaves, and the folder if nothing else is in it.
  func discard() {
    guard exists, let names = try? Folder.names(in: folder) else { return }
    for name in names where name.hasSuffix(".npz") && name.utf8.count == 68 { unlink(joined(folder, name)) }
    rmdir(folder)
  }

  func write(_ key: String, _ features: Tensor, _ spatial: Tensor?) throws {
    var archive = TensorArchive()
    archive.tensors["features"] = StoredTensor(features)
    archive.tensors["spatial"] = spatial.map { StoredTensor($0) }
    try Folder.create(folder)
    try NPZ.write(archive, to: path(key))
  }
}
