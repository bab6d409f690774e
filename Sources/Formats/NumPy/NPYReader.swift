import Tensors

/// One NumPy array, read at once or row by row, from a file or from a member of an archive.
package final class NPYReader {
  package let header: NPYHeader
  private let stream: any ByteStream
  private let name: String?
  private let file: String
  private var nextRow = 0

  init(_ stream: any ByteStream, name: String?, file: String) throws {
    self.stream = stream
    self.name = name
    self.file = file
    header = try NPYHeader(stream, name: name, file: file)
  }

  /// The whole array. - Precondition: nothing has been read from it.
  package func tensor() throws -> StoredTensor {
    precondition(nextRow == 0)
    var bytes = try stream.read(stream.remaining)
    if header.bigEndian { bytes.swapElements(width: header.type.byteCount) }
    if header.fortranOrder { bytes = rowMajor(bytes) }
    return StoredTensor(type: header.type, dims: header.dims, bytes: bytes)
  }

  /// The next rows along the first axis, at most `batch`; nil at the end. Memory: one batch.
  package func nextRows(_ batch: Int) throws -> StoredTensor? {
    guard let total = header.dims.first else {
      throw FormatError.numpy(file, .shape("a single number has no rows", name: name))
    }
    if header.fortranOrder && header.dims.count > 1 {
      throw FormatError.numpy(file, .fortranRows(name))
    }
    let count = min(batch, total - nextRow)
    guard count > 0 else { return nil }
    let rowSize = header.dataCount / total
    var bytes = try stream.read(count * rowSize)
    if header.bigEndian { bytes.swapElements(width: header.type.byteCount) }
    nextRow += count
    return StoredTensor(type: header.type, dims: [count] + header.dims.dropFirst(), bytes: bytes)
  }

  /// Column-major bytes reordered so that the last axis varies fastest.
  private func rowMajor(_ bytes: [UInt8]) -> [UInt8] {
    let dims = header.dims
    let size = header.type.byteCount
    guard dims.count > 1, !bytes.isEmpty else { return bytes }
    var strides = [size]
    for dim in dims.dropLast() { strides.append(strides.last! * dim) }
    return [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, initialized in
      var index = [Int](repeating: 0, count: dims.count)
      var source = 0
      for target in stride(from: 0, to: bytes.count, by: size) {
        for byte in 0..<size { buffer[target + byte] = bytes[source + byte] }
        var axis = dims.count - 1
        while axis >= 0 {
          index[axis] += 1
          source += strides[axis]
          if index[axis] < dims[axis] { break }
          source -= index[axis] * strides[axis]
          index[axis] = 0
          axis -= 1
        }
      }
      initialized = bytes.count
    }
  }
}

/// Single NumPy arrays in files of their own.
package enum NPY {
  package static func open(_ path: String) throws -> NPYReader { try open(InputFile(path)) }

  package static func open(_ file: InputFile) throws -> NPYReader {
    try NPYReader(FileStream(file), name: nil, file: file.path)
  }

  package static func read(_ path: String) throws -> StoredTensor { try open(path).tensor() }

  package static func write(_ tensor: StoredTensor, to path: String) throws {
    try AtomicFile.write(encode(tensor, file: path), to: path)
  }

  static func encode(_ tensor: StoredTensor, file: String) throws -> [UInt8] {
    guard let header = NPYHeader.encoded(type: tensor.type, dims: tensor.dims) else {
      throw FormatError.numpy(file, .elementType(tensor.type.rawValue, name: nil))
    }
    return header + tensor.bytes
  }
}
