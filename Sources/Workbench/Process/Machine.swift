import Foundation

/// What this process runs on, for run.json and reports.
package struct Machine: Sendable {
  package let hostName: String
  package let processor: String
  package let logicalCores: Int
  package let kernel: String

  package static var current: Machine {
    var names = utsname()
    uname(&names)
    return Machine(
      hostName: text(of: names.nodename), processor: processorName() ?? text(of: names.machine),
      logicalCores: ProcessInfo.processInfo.activeProcessorCount,
      kernel: "\(text(of: names.sysname)) \(text(of: names.release))")
  }

  private static func text<Characters>(of characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  private static func processorName() -> String? {
    guard let info = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return nil }
    let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
  }
}

extension Machine {
  /// Begins a new peak (proc(5), clear_refs). - Returns: false where the system does not let us.
  package static func resetPeakMemory() -> Bool {
    guard let handle = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
    defer { try? handle.close() }
    return (try? handle.write(contentsOf: Array("5".utf8))) != nil
  }

  /// The most memory this process has had resident, bytes; nil where /proc does not say.
  package static var peakMemory: Int? {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
    return kibibytes.map { $0 * 1024 }
  }
}

/// The folder and file of the running program.
package var executablePath: String {
  (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
}

/// The command line as it would be typed again.
package func shellCommand(_ arguments: [String]) -> String {
  arguments.map { argument in
    let plain = argument.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=:,+@%".contains($0)) }
    return plain && !argument.isEmpty
      ? argument
      : "'" + argument.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }.joined(separator: " ")
}
