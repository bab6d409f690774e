import Foundation
import Platform

/// What this process runs on, for run.json and reports.
package struct Machine: Sendable {
  package let hostName: String
  package let processor: String
  package let logicalCores: Int
  package let kernel: String

  /// Asked for once: every lock and every claim names the host.
  package static let current: Machine = {
    let names = SystemFacts.names
    return Machine(
      hostName: names.host, processor: SystemFacts.processor ?? names.machine,
      logicalCores: ProcessInfo.processInfo.activeProcessorCount, kernel: names.kernel)
  }()
}

/// The folder and file of the running program.
package var executablePath: String {
  SystemFacts.executablePath ?? CommandLine.arguments[0]
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
