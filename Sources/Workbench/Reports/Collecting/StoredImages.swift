import Formats
import Tensors

/// The images that a run has left in a folder, found by their files.
struct StoredImages {
  private let folder: String
  private let isArrays: Bool

  /// nil where the folder holds no store of images.
  init?(in run: String) {
    let stores = [ImageStore.folderName, ImageStore.arrayFolderName, ImageStore.latentFolderName]
    guard let name = stores.first(where: { Folder.kind(of: joined(run, $0)) == .folder }) else { return nil }
    folder = joined(run, name)
    isArrays = name != ImageStore.folderName
  }

  private var ending: String { isArrays ? ".npz" : ".png" }

  /// The first images there are, ascending.
  func first(_ count: Int) -> [Int] {
    let folders = ((try? Folder.names(in: folder)) ?? []).filter { Int($0) != nil }.sorted()
    var found: [Int] = []
    for name in folders where found.count < count {
      let files = (try? Folder.names(in: joined(folder, name))) ?? []
      found += files.filter { $0.hasSuffix(ending) }.compactMap { Int($0.dropLast(ending.count)) }.sorted()
    }
    return Array(found.prefix(count))
  }

  /// As it is shown: samples that no image file holds as their channels side by side.
  /// - Returns: nil where the image is not there or cannot be read.
  func read(_ index: Int) -> PixelImage? {
    let path = ImageStore.path(of: index, in: folder, ending: ending)
    if !isArrays { return try? PNG.read(path) }
    guard let shape = try? ArraySample.facts(path).shape, let x = try? ArraySample.values(path, shape: shape) else {
      return nil
    }
    let image = PixelImage(x.reshaped([1] + shape.dims), image: 0)
    return PNG.channelCounts.contains(image.channels) ? image : ImageGrid.channels(of: image)
  }
}
