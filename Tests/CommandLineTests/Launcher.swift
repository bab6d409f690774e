import Foundation
import TestSupport
import Testing

/// How a run of the program ended.
struct Finished {
  /// Exit code; 128 + signal when a signal ended it.
  let status: Int32
  let output: String
  let errors: String
}

/// The program built with these tests, as a user would start it.
struct Launcher {
  var environment: [String: String] = [:]
  var workingDirectory: URL?

  static let program = URL(fileURLWithPath: BuiltProgram.path)

  static let checkout: URL = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// - Parameters: output: where standard output goes instead of into `Finished.output`; input: on standard input.
  ///   program: nil: this project's; environment: added to the launcher's.
  func start(
    _ arguments: [String], program: URL? = nil, output: FileHandle? = nil, input: String? = nil,
    environment more: [String: String] = [:]
  ) throws -> Running {
    let process = Process()
    process.executableURL = program ?? Self.program
    process.arguments = arguments
    process.currentDirectoryURL = workingDirectory
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }.merging(more) { $1 }
    let folder = try TemporaryFolder()
    let (results, errors) = (folder.file("stdout"), folder.file("stderr"))
    for file in [results, errors] { try Data().write(to: URL(fileURLWithPath: file)) }
    process.standardOutput = output ?? FileHandle(forWritingAtPath: results)
    process.standardError = FileHandle(forWritingAtPath: errors)
    process.standardInput = FileHandle.nullDevice
    if let input {
      try input.write(toFile: folder.file("stdin"), atomically: false, encoding: .utf8)
      process.standardInput = FileHandle(forReadingAtPath: folder.file("stdin"))
    }
    try process.run()
    return Running(process: process, folder: folder, outputPath: results, errorsPath: errors)
  }

  /// Runs a line of the shell in which $halftone is the program: for limits and closed descriptors, which `Process` cannot
  /// give.
  func shell(_ line: String) throws -> Running {
    try start(["-c", line], program: URL(fileURLWithPath: "/bin/bash"), environment: ["halftone": Self.program.path])
  }

  func run(_ arguments: String...) throws -> Finished { try start(arguments).wait() }
  func run(_ arguments: [String], output: FileHandle? = nil, input: String? = nil) throws -> Finished {
    try start(arguments, output: output, input: input).wait()
  }
}

/// A started program.
struct Running {
  let process: Process
  fileprivate let folder: TemporaryFolder
  fileprivate let outputPath: String
  fileprivate let errorsPath: String

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Waits until `condition` holds. - Throws: when the program ends first.
  func waitUntil(_ condition: () -> Bool) throws {
    while !condition() {
      try #require(process.isRunning, "the program ended early: \(wait().errors)")
      usleep(2000)
    }
  }

  func wait() -> Finished {
    process.waitUntilExit()
    let read = { (path: String) in String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
    let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    return Finished(status: status, output: read(outputPath), errors: read(errorsPath))
  }
}
