import ArgumentParser
import Formats
import Foundation
import Tensors
import Workbench

@main enum Program {
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    do { try ProcessSetup.run() } catch { leave(report(error).rawValue) }
    // Started by itself to read an HDF5 file: no other part of the program runs then.
    if arguments.first == HDF5Child.command { leave(HDF5Child.main(Array(arguments.dropFirst()))) }
    Signals.install()
    leave(run(arguments).rawValue)
  }

  /// Ends the process without the exit handlers of libraries: everything is written and closed by now, and a library that
  /// got no memory or no threads when it was loaded may wait for them for ever (OpenBLAS).
  private static func leave(_ status: Int32) -> Never { _exit(status) }

  /// Runs one command line. Every way it can end maps to a documented exit status (docs/cli.md).
  private static func run(_ arguments: [String]) -> ExitStatus {
    do {
      var command = try Halftone.parseAsRoot(arguments)
      try command.run()
      return .success
    } catch {
      return report(error)
    }
  }

  private static func report(_ error: any Error) -> ExitStatus {
    switch error {
    case let error as any HalftoneError:
      Console.standardError("\(error)\n")
      return error.exit
    case is GateFailed: return .gateFailed
    default: return reportForeign(error)
    }
  }

  /// Errors that are not ours: help and version requests, usage errors, and what should not happen.
  private static func reportForeign(_ error: any Error) -> ExitStatus {
    switch Halftone.exitCode(for: error) {
    case .success:
      do { try Console().result(Halftone.fullMessage(for: error)) } catch { return report(error) }
      return .success
    case .validationFailure:
      // The parser's full message is "Error: …", then usage, then where help is.
      let lines = Halftone.fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false)
      let rest = lines.drop { !$0.hasPrefix("Usage:") }.map { $0.trimmingCharacters(in: .whitespaces) }
      Console.standardError("error[E-USAGE]: \(ExpectedValues.completed(Halftone.message(for: error)))\n")
      if !rest.isEmpty { Console.standardError("hint: " + rest.joined(separator: "\n  ") + "\n") }
      return .usage
    default:
      Console.standardError("error[E-INTERNAL]: \(error)\nhint: this is a defect of Halftone; please report it\n")
      return .internalError
    }
  }
}
