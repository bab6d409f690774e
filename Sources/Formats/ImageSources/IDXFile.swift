import Tensors

/// The content of an IDX file (the format of the MNIST family: big-endian dims, then unsigned bytes), gzipped or not.
final class IDXReader {
  private enum Content {
    case plain(FileStream)
    case gzip(Inflater)
  }

  let dims: [Int]
  private let file: InputFile
  private let content: Content
  private var remaining = 0

  init(_ file: InputFile) throws {
    self.file = file
    let start = try file.read(at: 0, count: min(2, file.size))
    content =
      start == [0x1f, 0x8b] ? .gzip(try Inflater(FileStream(file), container: .gzip)) : .plain(FileStream(file))
    let magic = try Self.header(content, 4, file)
    guard magic[0] == 0, magic[1] == 0 else { throw FormatError.idx(file.path, .magic(found: Array(magic[..<2]))) }
    guard magic[2] == 8 else { throw FormatError.idx(file.path, .elementType(magic[2])) }
    let rank = Int(magic[3])
    guard (1...4).contains(rank) else { throw FormatError.idx(file.path, .rank(rank, expected: "1 to 4")) }
    let fields = try Self.header(content, 4 * rank, file)
    dims = (0..<rank).map { Int(fields.big(UInt32.self, at: 4 * $0)) }
    guard let count = byteCount(dims, elementSize: 1), count > 0 else {
      throw FormatError.idx(file.path, .shape(dims))
    }
    remaining = count
    if case .plain(let stream) = content, stream.remaining != count {
      throw FormatError.idx(file.path, .length(expected: count, found: "\(stream.remaining)"))
    }
  }

  private static func header(_ content: Content, _ count: Int, _ file: InputFile) throws -> [UInt8] {
    let bytes = try read(content, count, file)
    guard bytes.count == count else { throw FormatError.idx(file.path, .truncatedHeader) }
    return bytes
  }

  private static func read(_ content: Content, _ count: Int, _ file: InputFile) throws -> [UInt8] {
    switch content {
    case .plain(let stream): return try stream.read(min(count, stream.remaining))
    case .gzip(let inflater):
      try checkMemory(count, file.path)
      return try translating(file) {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
          initialized = try inflater.read(
            into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
        }
      }
    }
  }

  /// The next rows of the first axis, at most `batch`; empty at the end, where the file's end is verified too.
  func nextRows(_ batch: Int) throws -> [UInt8] {
    let row = dims.dropFirst().reduce(1, *)
    let count = min(batch, remaining / row) * row
    let bytes = try Self.read(content, count, file)
    guard bytes.count == count else {
      let total = dims.reduce(1, *)
      throw FormatError.idx(file.path, .length(expected: total, found: "\(total - remaining + bytes.count)"))
    }
    remaining -= count
    if remaining == 0 { try verifyEnd() }
    return bytes
  }

  private func verifyEnd() throws {
    guard case .gzip(let inflater) = content else { return }
    guard try Self.translating(file, inflater.endsHere) else {
      throw FormatError.idx(file.path, .length(expected: dims.reduce(1, *), found: "more"))
    }
    if inflater.offset != file.size { throw FormatError.gzip(file.path, .trailing(at: inflater.offset)) }
  }

  private static func translating<T>(_ file: InputFile, _ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch InflateFault.damaged(let reason, let at) {
      throw FormatError.gzip(file.path, .damaged(reason, at: at))
    } catch InflateFault.truncated {
      throw FormatError.gzip(file.path, .truncated)
    }
  }
}

/// Images of an IDX file: N H W, or N H W C with 1 or 3 channels.
package struct IDXImages: ImageSource {
  package let count: Int
  package let shape: ImageShape
  private let file: InputFile

  package var path: String { file.path }

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  init(_ file: InputFile) throws {
    let dims = try IDXReader(file).dims
    guard dims.count == 3 || dims.count == 4 else {
      throw FormatError.idx(file.path, .rank(dims.count, expected: "3 (images, height, width) or 4"))
    }
    let channels = dims.count == 4 ? dims[3] : 1
    guard channels == 1 || channels == 3, dims[1] * dims[2] <= PNG.pixelLimit else {
      throw FormatError.idx(file.path, .shape(dims))
    }
    self.file = file
    count = dims[0]
    shape = ImageShape(channels: channels, height: dims[1], width: dims[2])
  }

  package func forEachBatch(
    of size: Int, in positions: Range<Int>, _ body: (ImageBatch) throws -> Void
  ) throws {
    let reader = try IDXReader(file)
    try forEachBatch(of: size, in: positions, from: { try reader.nextRows($0) }, body)
  }
}
