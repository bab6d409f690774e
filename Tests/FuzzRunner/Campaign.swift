import Foundation
import Fuzzing

/// Batches of all readers in turn until the time is over.
final class Campaign {
  private let options: Options
  private let readers: [FuzzReader]
  private var next: [String: Int] = [:]
  private var findings: [String] = []

  init(_ options: Options) throws {
    self.options = options
    readers = try FuzzCatalog.readers().filter { options.readers.isEmpty || options.readers.contains($0.name) }
    guard !readers.isEmpty else {
      say("no reader of that name; there are \(try FuzzCatalog.readers().map(\.name).joined(separator: ", "))")
      exit(2)
    }
  }

  /// - Returns: whether every input was read or refused as it should.
  func run() throws -> Bool {
    let end = Date(timeIntervalSinceNow: options.seconds)
    repeat {
      for reader in readers where Date() < end || next[reader.name] == nil {
        let first = next[reader.name, default: 0]
        let count = reader.startsProcesses ? max(1, options.batch / 20) : options.batch
        try batch(reader, first..<(first + count))
        next[reader.name] = first + count
      }
    } while Date() < end
    for reader in readers { say("\(reader.name): \(next[reader.name, default: 0]) inputs") }
    say("\(next.values.reduce(0, +)) inputs with seed \(options.seed), \(findings.count) that fail")
    for finding in findings { say("  \(finding)") }
    return findings.isEmpty
  }

  /// Reads all inputs of a batch; a process that dies is followed by another for the rest.
  private func batch(_ reader: FuzzReader, _ numbers: Range<Int>) throws {
    var first = numbers.lowerBound
    while first < numbers.upperBound {
      let (lines, ending) = try work(reader, first..<numbers.upperBound)
      for line in lines where line.hasPrefix("! ") {
        let parts = line.split(separator: " ", maxSplits: 2)
        if parts.count == 3, let number = Int(parts[1]) { try keep(reader, number, String(parts[2])) }
      }
      guard let ending else { return }
      let last = lines.last { $0.hasPrefix("> ") }.flatMap { Int($0.dropFirst(2)) }
      guard let last else { throw CocoaError(.executableLoad) }
      try keep(reader, last, ending)
      first = last + 1
    }
  }

  /// - Returns: what the worker said, and how it died; nil when it did all.
  private func work(_ reader: FuzzReader, _ numbers: Range<Int>) throws -> (lines: [Substring], ending: String?) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      Worker.flag, reader.name, String(options.seed), String(numbers.lowerBound), String(numbers.count),
    ]
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SWIFT_BACKTRACE": "enable=no", "OPENBLAS_NUM_THREADS": "1"]) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let died = process.terminationReason == .uncaughtSignal
    let status = process.terminationStatus
    let ending =
      died
      ? (status == SIGALRM ? "hangs" : "signal \(status), \(String(cString: strsignal(status)))")
      : status == 0 ? nil : "exit status \(status)"
    return (output.split(separator: "\n"), ending)
  }

  private func keep(_ reader: FuzzReader, _ number: Int, _ text: String) throws {
    try FileManager.default.createDirectory(atPath: options.out, withIntermediateDirectories: true)
    let path = "\(options.out)/\(reader.name)-\(options.seed)-\(number)"
    try Data(reader.input(number, seed: options.seed)).write(to: URL(fileURLWithPath: path))
    findings.append("\(path): \(text)")
    say("\(path): \(text)")
  }
}
