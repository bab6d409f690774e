import Foundation
import Fuzzing

/// A batch of inputs, read in this process. Standard output says which input is next, so that the parent knows which one a
/// process died of: `> N` before each, `! N TEXT` where a reader did not do as it should.
struct Worker {
  static let flag = "--worker"
  /// Address space beyond what the process has when it starts.
  private static let memoryLimit: UInt64 = 1 << 30

  private let reader: FuzzReader
  private let seed: UInt64
  private let numbers: Range<Int>

  /// - Parameter arguments: reader, seed, first number, count, as `Campaign` gives them.
  init(_ arguments: [String]) throws {
    guard arguments.count == 4, let seed = UInt64(arguments[1]), let first = Int(arguments[2]),
      let count = Int(arguments[3]), let reader = try FuzzCatalog.readers().first(where: { $0.name == arguments[0] })
    else { exit(2) }
    (self.reader, self.seed, numbers) = (reader, seed, first..<(first + count))
  }

  func run() throws {
    var limit = rlimit()
    limit.rlim_cur = rlim_t(try Self.addressSpace() + Self.memoryLimit)
    limit.rlim_max = limit.rlim_cur
    guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { exit(2) }
    signal(SIGPIPE, SIG_IGN)
    for number in numbers {
      say("> \(number)")
      // SIGALRM ends a reader that hangs; other work on the machine may slow one down.
      alarm(UInt32(FuzzReader.secondsLimit) * 6)
      if let text = reader.verdict(on: reader.input(number, seed: seed)) {
        say("! \(number) \(text.prefix(300).replacing("\n", with: " "))")
      }
    }
    alarm(0)
  }

  /// Bytes of address space in use.
  private static func addressSpace() throws -> UInt64 {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ").first
    return (pages.flatMap { UInt64($0) } ?? 0) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }
}
