/// Bytes that are read once, from front to back, and whose number is known.
protocol ByteStream: AnyObject {
  /// Bytes not read yet.
  var remaining: Int { get }
  /// The next `count` bytes. Reading the last one also verifies whatever the container can verify.
  /// - Precondition: `count` is at most `remaining`.
  func read(_ count: Int) throws -> [UInt8]
}

/// A range of a file as a stream.
final class FileStream: ByteStream {
  private let file: InputFile
  private var position: Int
  private let end: Int

  init(_ file: InputFile, range: Range<Int>? = nil) {
    self.file = file
    position = range?.lowerBound ?? 0
    end = range?.upperBound ?? file.size
  }

  var remaining: Int { end - position }
  /// Where the next byte stands in the file.
  var offset: Int { position }

  func read(_ count: Int) throws -> [UInt8] {
    precondition(count <= remaining)
    defer { position += count }
    return try file.read(at: position, count: count)
  }
}
