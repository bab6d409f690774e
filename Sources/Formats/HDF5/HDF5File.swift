import Synchronization
import Tensors

/// An HDF5 file, read by a child process (docs/formats/containers.md says what such files may hold): libhdf5 can be crashed by a
/// malformed file, and then it is the child that dies, and the file that is refused.
package final class HDF5File: Sendable {
  package struct Dataset: Sendable, Equatable {
    /// With the groups it stands in, without a leading slash.
    package let name: String
    package let type: ElementType
    package let dims: [Int]
    package let attributes: [String: String]

    package init(name: String, type: ElementType, dims: [Int], attributes: [String: String]) {
      self.name = name
      self.type = type
      self.dims = dims
      self.attributes = attributes
    }
  }

  private struct Connection: ~Copyable {
    let child: ChildProcess
  }

  package let path: String
  /// Sorted by name.
  package let datasets: [Dataset]
  package let attributes: [String: String]
  private let positions: [String: Int]
  private let seconds: Int
  private let connection: Mutex<Connection>

  /// - Parameters:
  ///   - reader: the program that is started.
  ///   - seconds: how long the child may think before it says something.
  /// - Throws: `E-H5-READER` where no program is named, for a file that is HDF5 by its first bytes.
  package init(_ path: String, reader: HDF5Reader, seconds: Int = 30) throws {
    let start = try InputFile(path)
    let found = try start.read(at: 0, count: min(FirstBytes.count, start.size))
    guard found.starts(with: [0x89] + Array("HDF\r\n\u{1a}\n".utf8)) else {
      throw FormatError.hdf5(path, .signature(found: FirstBytes(found)))
    }
    do throws(HDF5Problem) {
      guard let program = reader.program else { throw .noReader }
      let child = try ChildProcess(program, [HDF5Child.command, path])
      let reply = try Self.ask(.list, child, expected: nil, seconds: seconds)
      let listing = try HDF5Messages.Listing(reply)
      self.path = path
      self.seconds = seconds
      datasets = listing.datasets
      positions = Dictionary(
        datasets.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
      attributes = listing.attributes
      connection = Mutex(Connection(child: child))
    } catch {
      throw FormatError.hdf5(path, error)
    }
  }

  package func dataset(_ name: String) throws -> Dataset { datasets[try index(name)] }

  private func index(_ name: String) throws -> Int {
    guard let index = positions[name] else {
      throw FormatError.hdf5(path, .missing(name, has: datasets.map(\.name)))
    }
    return index
  }

  /// Rows `range` of the first axis.
  package func rows(_ name: String, _ range: Range<Int>) throws -> StoredTensor {
    let index = try index(name)
    let dataset = datasets[index]
    guard range.lowerBound >= 0, range.upperBound <= dataset.dims[0] else {
      throw FormatError.hdf5(path, .rows(name: name, asked: range, has: dataset.dims[0]))
    }
    let dims = [range.count] + dataset.dims.dropFirst()
    let size = dims.reduce(dataset.type.byteCount, *)
    try checkMemory(size, path)
    do {
      let bytes = try connection.withLock { connection in
        try Self.ask(.init(rowsOf: index, range), connection.child, expected: size, seconds: seconds)
      }
      return StoredTensor(type: dataset.type, dims: dims, bytes: bytes)
    } catch let problem as HDF5Problem {
      throw FormatError.hdf5(path, problem)
    }
  }

  package func tensor(_ name: String) throws -> StoredTensor { try rows(name, 0..<dataset(name).dims[0]) }

  /// The answer to one request, its pieces joined.
  /// - Parameter expected: its exact length; nil: at most the limit of a listing.
  private static func ask(
    _ request: HDF5Messages.Request, _ child: ChildProcess, expected: Int?, seconds: Int
  ) throws(HDF5Problem) -> [UInt8] {
    try child.send(request.bytes)
    var answer: [UInt8] = []
    answer.reserveCapacity(expected ?? 0)
    while true {
      let header = try child.receive(5, seconds: seconds)
      let length = Int(header.little(UInt32.self, at: 1))
      guard length <= (expected ?? HDF5Messages.listLimit) - answer.count || header[0] == 1 && length <= 4096 else {
        throw .reply("\(length) bytes that were not asked for")
      }
      let piece = try child.receive(length, seconds: seconds)
      switch header[0] {
      case 0 where length > 0: answer += piece
      case 0:
        guard expected ?? answer.count == answer.count else { throw .reply("\(answer.count) bytes of \(expected!)") }
        return answer
      case 1: throw refusal(piece)
      default: throw .reply("an unknown kind of message")
      }
    }
  }

  private static func refusal(_ bytes: [UInt8]) -> HDF5Problem {
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    let id = String(decoding: parts[0], as: UTF8.self)
    let legal = id.hasPrefix("E-H5-") && id.utf8.allSatisfy { $0 == UInt8(ascii: "-") || (0x30...0x5a).contains($0) }
    guard parts.count == 2, legal, id.utf8.count < 32 else { return .reply("a refusal without a reason") }
    return .relayed(id: id, text: String(decoding: parts[1], as: UTF8.self))
  }
}
