import CSystem
import Glibc

/// `halftone-sanitize`: the C shims and the worker pool, for builds with a sanitizer (`make sanitize`). It says what it ran and ends with
/// status 1 when a result is wrong; what a sanitizer finds ends it with the sanitizer's own report.
@main enum Program {
  static func main() throws {
    if CommandLine.arguments.dropFirst().first == Confinement.flag { Confinement.child() }
    var checks = Checks()
    PoolChecks.run(&checks)
    try ImageChecks.run(&checks)
    Confinement.run(&checks)
    ht_share_heap()
    print("\(checks.count) checks, \(checks.failures.count) failures")
    for failure in checks.failures { print("  \(failure)") }
    exit(checks.failures.isEmpty ? 0 : 1)
  }
}

/// Counts of what was looked at.
struct Checks {
  private(set) var count = 0
  private(set) var failures: [String] = []

  mutating func expect(_ holds: Bool, _ text: @autoclosure () -> String) {
    count += 1
    if !holds && failures.count < 20 { failures.append(text()) }
  }
}

/// A process that has given up memory, files and time (`ht_confine`), which can only be tried in one of its own.
enum Confinement {
  static let flag = "--confined"

  static func run(_ checks: inout Checks) {
    var process = pid_t()
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("halftone-sanitize"), strdup(flag), nil]
    defer { for argument in arguments { free(argument) } }
    let started = posix_spawn(&process, "/proc/self/exe", nil, nil, &arguments, environ)
    var status: Int32 = -1
    if started == 0 { while waitpid(process, &status, 0) == -1, errno == EINTR {} }
    checks.expect(started == 0 && status == 0, "a confined process ended with \(status)")
  }

  /// Status 0 when every limit holds, else the number of the one that does not.
  static func child() -> Never {
    guard ht_confine(256 << 20, 60, 16) == 0 else { _exit(1) }
    // The memory is there for none; a sanitizer's allocator would end the process instead of saying so.
    guard mmap(nil, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED else { _exit(2) }
    var opened = 0
    while opened < 32, open("/dev/null", O_RDONLY) >= 0 { opened += 1 }
    guard opened < 16 else { _exit(3) }
    _exit(0)
  }
}
