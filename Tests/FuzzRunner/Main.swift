import Foundation
import Fuzzing

/// `halftone-fuzz`: changes valid files for as long as wanted and reads them, each batch in a process with limits, so that an
/// input that kills its reader is named and kept.
@main enum Program {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == Worker.flag {
      try Worker(arguments.dropFirst().map { $0 }).run()
      return
    }
    if arguments.first == CutSweep.flag { exit(try CutSweep.run(readers: Set(arguments.dropFirst())) ? 0 : 1) }
    guard let options = Options(arguments) else {
      FileHandle.standardError.write(Data((Options.usage + "\n").utf8))
      exit(2)
    }
    exit(try Campaign(options).run() ? 0 : 1)
  }
}

/// One line on standard output, at once: a campaign is watched.
func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

/// The command line.
struct Options {
  static let usage =
    """
    usage: halftone-fuzz [--seconds S] [--seed N] [--batch N] [--readers NAME,…] [--out FOLDER]
           halftone-fuzz --cuts [NAME…]
    """

  var seconds = 60.0
  var seed: UInt64 = 1
  /// Inputs of one process.
  var batch = 500
  /// Empty: all.
  var readers: Set<String> = []
  /// Where inputs that fail are kept.
  var out = "outputs/fuzz"

  init?(_ arguments: [String]) {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      guard let value = rest.popFirst() else { return nil }
      switch name {
      case "--seconds": if let number = Double(value), number > 0 { seconds = number } else { return nil }
      case "--seed": if let number = UInt64(value) { seed = number } else { return nil }
      case "--batch": if let number = Int(value), number > 0 { batch = number } else { return nil }
      case "--readers": readers = Set(value.split(separator: ",").map(String.init))
      case "--out": out = value
      default: return nil
      }
    }
  }
}
