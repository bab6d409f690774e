import Tensors

/// Samples as diffusion code exchanges them: an array N H W C (or N H W) of unsigned bytes, in an .npz under the name arr_0 or
/// as its only array, or alone in an .npy.
package struct SampleArray: ImageSource {
  package let path: String
  package let count: Int
  package let shape: ImageShape
  package let skipped: [String]
  private let open: @Sendable () throws -> NPYReader

  /// What stands beside images in other programs' files: their labels, and statistics that have readers of their own.
  private static let companions: Set = ["arr_1", "n", "mu", "sigma", "mu_s", "sigma_s"]

  init(archive file: InputFile) throws {
    let archive = try NPZFile(file)
    let name = archive.names.count == 1 ? archive.names[0] : "arr_0"
    let others = archive.names.filter { $0 != name && !Self.companions.contains($0) } + archive.others
    try self.init(path: file.path, name: name, skipped: others.map { "\(printable($0)) (the images are \(name))" }) {
      try archive.open(name)
    }
  }

  init(array file: InputFile) throws {
    try self.init(path: file.path, name: AtomicFile.split(file.path).name, skipped: []) { try NPY.open(file) }
  }

  private init(path: String, name: String, skipped: [String], open: @escaping @Sendable () throws -> NPYReader) throws {
    let header = try open().header
    let dims = header.dims
    guard (3...4).contains(dims.count), dims.count == 3 || dims[3] == 1 || dims[3] == 3,
      dims[1] > 0, dims[2] > 0, dims[1].multipliedReportingOverflow(by: dims[2]).partialValue <= PNG.pixelLimit
    else { throw FormatError.images(path, .shape(dims, name: name)) }
    guard header.type == .u8 else { throw FormatError.images(path, .elementType(header.type, name: name)) }
    guard dims[0] > 0 else { throw FormatError.images(path, .empty(skipped: [], inFolders: [])) }
    self.path = path
    self.skipped = skipped
    self.open = open
    count = dims[0]
    shape = ImageShape(channels: dims.count == 4 ? dims[3] : 1, height: dims[1], width: dims[2])
  }

  package func forEachBatch(
    of size: Int, in positions: Range<Int>, _ body: (ImageBatch) throws -> Void
  ) throws {
    let reader = try open()
    try forEachBatch(of: size, in: positions, from: { try reader.nextRows($0)?.bytes ?? [] }, body)
  }
}
