import CFuzzer
import Foundation
import Fuzzing
import Synchronization
import TestSupport

/// `halftone-fuzz-coverage`: the readers of the fuzz catalogue under libFuzzer, which changes inputs by what code they reach.
///
///     halftone-fuzz-coverage --list                 names of readers, those that start a process for each input apart
///     halftone-fuzz-coverage --seeds READER FOLDER  writes the reader's valid files there, and inputs that were once found
///     halftone-fuzz-coverage READER OPTIONS…        libFuzzer, with its own options and corpora
@main enum Program {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    switch arguments.first {
    case "--list":
      for reader in try FuzzCatalog.readers() where !reader.startsProcesses { print(reader.name) }
    case "--seeds" where arguments.count == 3:
      try writeSeeds(of: reader(arguments[1]), to: arguments[2])
    case let name?:
      let reader = try reader(name)
      CurrentReader.set(reader)
      try run(reader, Array(arguments.dropFirst()))
    case nil: throw UnknownReader(name: "")
    }
  }

  private static func writeSeeds(of reader: FuzzReader, to folder: String) throws {
    for (number, seed) in reader.seeds.enumerated() {
      try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(number)"))
    }
    for (name, input) in try found(by: reader) {
      try input.write(to: URL(fileURLWithPath: "\(folder)/found-\(name)"))
    }
  }

  private static func found(by reader: FuzzReader) throws -> [(name: String, input: Data)] {
    let folder = Fixtures.path("fuzz/found/\(reader.name)")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return try names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))) }
  }

  private static func reader(_ name: String) throws -> FuzzReader {
    guard let found = try FuzzCatalog.readers().first(where: { $0.name == name }) else {
      throw UnknownReader(name: name)
    }
    return found
  }

  /// libFuzzer sees the command line without the reader's name, and the reader's longest input.
  private static func run(_ reader: FuzzReader, _ options: [String]) throws {
    // Long inputs reach little that short ones do not and take most of the time: seeds may double, deep nesting has room.
    let longest = try max(
      1 << 12, 2 * (reader.seeds.map(\.count).max() ?? 0), found(by: reader).map(\.input.count).max() ?? 0)
    let arguments = [CommandLine.arguments[0], "-max_len=\(longest)"] + options
    var strings: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    var count = CInt(strings.count)
    strings.append(nil)
    strings.withUnsafeMutableBufferPointer { buffer in
      var arguments = buffer.baseAddress
      exit(
        LLVMFuzzerRunDriver(&count, &arguments) { bytes, size in
          CurrentReader.read(Array(UnsafeBufferPointer(start: bytes, count: size)))
          return 0
        })
    }
  }
}

struct UnknownReader: Error {
  let name: String
}

/// The reader that inputs go to: libFuzzer's callback takes no context.
enum CurrentReader {
  private static let reader = Mutex<FuzzReader?>(nil)

  static func set(_ reader: FuzzReader) { Self.reader.withLock { $0 = reader } }

  /// A change of `input` that keeps the form of the reader's files: lengths and checksums around what changed are right again.
  static func change(_ input: [UInt8], seed: UInt64) -> [UInt8]? {
    reader.withLock { $0 }.map { $0.change(input, seed: seed) }
  }

  /// Ends the process, so that libFuzzer keeps the input, when a reader does neither read it nor refuse it as a user would see.
  static func read(_ input: [UInt8]) {
    guard let verdict = reader.withLock({ $0 })?.verdict(on: input) else { return }
    FileHandle.standardError.write(Data("verdict: \(verdict.prefix(1000))\n".utf8))
    abort()
  }
}

/// libFuzzer's hook for changes of one's own: every second one knows the format, the others are libFuzzer's.
@_cdecl("LLVMFuzzerCustomMutator")
public func customMutator(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ maxSize: Int, _ seed: UInt32) -> Int {
  guard seed % 2 == 0, size > 0,
    let changed = CurrentReader.change(Array(UnsafeBufferPointer(start: data, count: size)), seed: UInt64(seed)),
    !changed.isEmpty, changed.count <= maxSize
  else { return LLVMFuzzerMutate(data, size, maxSize) }
  changed.withUnsafeBufferPointer { data.update(from: $0.baseAddress!, count: $0.count) }
  return changed.count
}
