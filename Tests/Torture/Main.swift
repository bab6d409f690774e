import Foundation
import TestSupport

/// `halftone-torture`: commands of the program beside this one, killed, refused by the system, out of room, two at a time. Every run must end with
/// the bits of the undisturbed run or with a named refusal, and go on to those bits when it is started again.
@main enum Program {
  static func main() {
    guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
      FileHandle.standardError.write(Data((Options.usage + "\n").utf8))
      exit(2)
    }
    do {
      exit(try run(options) ? 0 : 1)
    } catch {
      FileHandle.standardError.write(Data("\(error)\n".utf8))
      exit(3)
    }
  }

  /// - Returns: whether nothing went wrong.
  private static func run(_ options: Options) throws -> Bool {
    let temporary = try TemporaryFolder()
    let root = temporary.url.resolvingSymlinksInPath().path
    let workshop = try Workshop(root, program: options.program, commands: options.commands)
    var benches: [TrialBench] = []
    for subject in workshop.subjects where options.commands.isEmpty || options.commands.contains(subject.name) {
      let bench = try TrialBench(subject, in: workshop, seed: options.seed)
      say("\(subject.name): \(bench.undisturbed.results.count) results, \(bench.seconds) s alone")
      benches.append(bench)
      for (name, body) in cases where options.cases.isEmpty || options.cases.contains(name) {
        try body(bench, options.extent)
      }
    }
    guard !benches.isEmpty else {
      throw Failure("no such command: \(options.commands.sorted().joined(separator: ", "))")
    }
    let defects = benches.flatMap(\.defects)
    say("\n" + table(benches))
    for defect in defects { say(defect) }
    let runs = benches.flatMap(\.rows).map(\.disturbed).reduce(0, +)
    say("\(runs) disturbed runs with seed \(options.seed), \(defects.count) defects")
    if !defects.isEmpty { say("kept: \(keep(temporary))") }
    return defects.isEmpty
  }

  /// The kinds of disturbance, by name.
  static let cases: [(name: String, body: @Sendable (TrialBench, Extent) throws -> Void)] = [
    ("kills", { try $0.kills($1) }),
    (
      "calls",
      { bench, extent in
        try bench.calls("open", "fail", errors: [EIO, EMFILE, ENOSPC, EACCES], extent)
        try bench.calls("write", "fail", errors: [ENOSPC, EIO, EDQUOT], extent)
        try bench.calls("write", "fail-on", errors: [ENOSPC, EIO], extent)
        try bench.calls("write", "short", extent)
        try bench.calls("fsync", "fail", errors: [EIO, ENOSPC], extent)
        try bench.calls("rename", "fail", errors: [EIO, ENOSPC, EACCES], extent)
        try bench.calls("unlink", "fail", extent)
        try bench.calls("mkdir", "fail", errors: [ENOSPC, EACCES], extent)
        try bench.calls("read", "fail", extent)
      }
    ),
    (
      "killed-calls",
      { bench, extent in
        for family in ["open", "write", "fsync", "rename", "unlink"] { try bench.calls(family, "kill", extent) }
        try bench.calls("write", "tear", extent)
      }
    ),
    ("memory", { try $0.allocations($1) }),
    ("limits", { try $0.limits($1) }),
    ("disk", { try $0.fullDisk($1) }),
    ("writers", { try $0.twoWriters($1) }),
    ("clock", { try $0.clockJumps($1) }),
    ("moves", { try $0.moves($1) }),
  ]

  /// A table in Markdown, a row for each command and disturbance.
  private static func table(_ benches: [TrialBench]) -> String {
    var lines = [
      "| command | disturbance | disturbed | went through | refused by name | killed | aborted | resumed to equal bits |",
      "|---|---|---|---|---|---|---|---|",
    ]
    for bench in benches {
      for row in bench.rows {
        let refused = row.refused.values.reduce(0, +)
        lines.append(
          row.skipped.map { "| \(bench.subject.name) | \(row.kind) | skipped: \($0) | | | | | |" }
            ?? ("| \(bench.subject.name) | \(row.kind) | \(row.disturbed)\(row.of.map { " of \($0)" } ?? "") | \(row.unharmed) | \(refused) | \(row.killed) "
              + "| \(row.aborted) | \(row.resumed) |"))
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Lets a folder outlive this process. - Returns: its path.
  private static func keep(_ folder: TemporaryFolder) -> String {
    _ = Unmanaged.passRetained(folder)
    return folder.path
  }
}

/// The command line.
struct Options {
  static let usage = """
    usage: halftone-torture [--kills N] [--calls N] [--points N] [--seed N] [--commands NAME,…] [--cases NAME,…] [--program PATH]
    cases: \(Program.cases.map(\.name).joined(separator: ", "))
    """

  var extent = Extent()
  var seed: UInt64 = 1
  /// Empty: all.
  var commands: Set<String> = []
  var cases: Set<String> = []
  /// The program under test stands beside this one.
  var program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appending(path: "halftone").path

  init?(_ arguments: [String]) {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      guard let value = rest.popFirst() else { return nil }
      switch name {
      case "--kills": if let number = Int(value), number >= 0 { extent.kills = number } else { return nil }
      case "--calls": if let number = Int(value), number > 0 { extent.calls = number } else { return nil }
      case "--points": if let number = Int(value), number > 0 { extent.points = number } else { return nil }
      case "--seed": if let number = UInt64(value) { seed = number } else { return nil }
      case "--commands": commands = Set(value.split(separator: ",").map(String.init))
      case "--cases":
        cases = Set(value.split(separator: ",").map(String.init))
        guard cases.isSubset(of: Program.cases.map(\.name)) else { return nil }
      case "--program": program = value
      default: return nil
      }
    }
  }
}
