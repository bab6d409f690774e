/// The memory of this process, its limits, and that of the machine, as the system counts them.
package enum ProcessMemory {
  /// What a limit bounds.
  package enum Resource: Sendable {
    case addressSpace, data
  }

  /// Bytes of the machine; at least 1 GiB, where the system does not say.
  package static let physical = max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) &* pageSize)
  private static let pageSize = sysconf(Int32(_SC_PAGESIZE))

  /// A limit of this process (getrlimit); nil where there is none.
  package static func limit(of resource: Resource) -> Int? {
    var found = rlimit()
    let number = resource == .addressSpace ? RLIMIT_AS : RLIMIT_DATA
    guard getrlimit(__rlimit_resource_t(number.rawValue), &found) == 0 else { return nil }
    return Int(exactly: found.rlim_cur)
  }

  /// Bytes in use now: /proc/self/statm counts pages of address space, resident, shared, code, libraries and data.
  package static func usage() -> (virtual: Int, resident: Int, data: Int) {
    let pages = (kernelFile("/proc/self/statm") ?? "").split(separator: " ").map { Int($0) ?? 0 }
    guard pages.count >= 6 else { return (0, 0, 0) }
    return (pages[0] * pageSize, pages[1] * pageSize, pages[5] * pageSize)
  }

  /// The most memory this process has had resident, bytes; nil where /proc does not say.
  package static var peak: Int? {
    let line = (kernelFile("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
    return kibibytes.map { $0 * 1024 }
  }

  /// Begins a new peak (proc(5), clear_refs). - Returns: false where the system does not let us.
  package static func resetPeak() -> Bool {
    let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return write(descriptor, "5", 1) == 1
  }
}
