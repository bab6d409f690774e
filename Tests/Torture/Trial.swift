import Foundation
import Glibc
import TestSupport

/// How one run of the program ended.
struct Ending {
  enum Way: Equatable {
    case exit(Int32)
    case signal(Int32)
  }

  let way: Way
  /// What it wrote to standard error.
  let errors: String
  /// Whether the interposed library disturbed a call.
  let disturbed: Bool

  var succeeded: Bool { way == .exit(0) }

  /// The identifier in the last line that says `error[E-…]` or `stopped[…]`.
  var identifier: String? {
    errors.split(separator: "\n").last { $0.hasPrefix("error[") }
      .flatMap { $0.dropFirst(6).split(separator: "]").first }.map(String.init)
  }

  /// Statuses with which a command may refuse to go on (docs/cli.md), each with an identifier that is no defect.
  var isNamedRefusal: Bool {
    guard case .exit(let status) = way, let identifier else { return false }
    return [2, 3, 4, 5].contains(status) && identifier != "E-INTERNAL"
  }

  var text: String {
    switch way {
    case .exit(let status): "exit \(status)"
    case .signal(let number): "signal \(number), \(String(cString: strsignal(number)))"
    }
  }
}

/// What disturbs a run.
struct Disturbance {
  /// Variables of Interposer/interposer.c, without their prefix; empty: the library is not loaded.
  var variables: [String: String] = [:]
  /// Options of bash's `ulimit`.
  var limits: [String] = []

  static let none = Disturbance()

  var text: String {
    (variables.sorted { $0.key < $1.key }.map { "TORTURE_\($0.key)=\($0.value)" } + limits.map { "ulimit \($0);" })
      .joined(separator: " ")
  }
}

/// Starts the program under test.
struct Starter {
  let program: String
  let interposer: String
  /// Where standard output and standard error go, and marks.
  let scratch: String

  /// - Parameter folder: the working directory.
  func start(_ arguments: [String], in folder: String, _ disturbance: Disturbance = .none) throws -> Started {
    let number = Started.next()
    let started = Started(
      output: "\(scratch)/\(number).out", errors: "\(scratch)/\(number).err", mark: "\(scratch)/\(number).mark")
    for path in [started.output, started.errors] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    let process = started.process
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    let limits = disturbance.limits.map { "ulimit \($0) || exit 99; " }.joined()
    process.executableURL = URL(fileURLWithPath: limits.isEmpty ? program : "/bin/bash")
    process.arguments = limits.isEmpty ? arguments : ["-c", limits + #"exec "$0" "$@""#, program] + arguments
    var environment = ProcessInfo.processInfo.environment
    environment["SWIFT_BACKTRACE"] = "enable=no"
    if !disturbance.variables.isEmpty {
      environment["LD_PRELOAD"] = interposer
      environment["TORTURE_PROGRAM"] = URL(fileURLWithPath: program).lastPathComponent
      environment["TORTURE_MARK"] = started.mark
      for (name, value) in disturbance.variables { environment["TORTURE_" + name] = value }
    }
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: started.output)
    process.standardError = FileHandle(forWritingAtPath: started.errors)
    try process.run()
    return started
  }

  func run(_ arguments: [String], in folder: String, _ disturbance: Disturbance = .none) throws -> Ending {
    try start(arguments, in: folder, disturbance).wait()
  }
}

/// A run at work.
final class Started {
  private nonisolated(unsafe) static var count = 0
  /// Numbers of runs; the program that asks has one thread.
  static func next() -> Int {
    count += 1
    return count
  }

  let process = Process()
  let output: String
  let errors: String
  let mark: String

  init(output: String, errors: String, mark: String) {
    (self.output, self.errors, self.mark) = (output, errors, mark)
  }

  /// Ends the program as a lost machine would.
  func kill() { Glibc.kill(process.processIdentifier, SIGKILL) }

  /// No command under test takes longer by itself.
  private static let secondsLimit = 120.0

  /// A run that hangs ends by SIGALRM, which no part of the program handles.
  func wait() -> Ending {
    let start = ContinuousClock.now
    while process.isRunning {
      if (ContinuousClock.now - start) / .seconds(1) > Self.secondsLimit {
        Glibc.kill(process.processIdentifier, SIGALRM)
        break
      }
      usleep(1000)
    }
    process.waitUntilExit()
    let text = String(decoding: FileManager.default.contents(atPath: errors) ?? Data(), as: UTF8.self)
    let disturbed = FileManager.default.fileExists(atPath: mark)
    for path in [output, errors, mark] { unlink(path) }
    let status = process.terminationStatus
    return Ending(
      way: process.terminationReason == .exit ? .exit(status) : .signal(status), errors: text, disturbed: disturbed)
  }
}
