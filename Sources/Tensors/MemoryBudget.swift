import Glibc

/// What memory this process may still have: the one place that every size from a file or a flag passes before anything of
/// that size is made. A failed allocation cannot be caught in Swift, and one that the system grants on credit ends other
/// programs too.
package enum MemoryBudget {
  /// What sets the bound.
  package enum Bound: String, Sendable, CaseIterable {
    case addressSpace = "the limit on address space (ulimit -v)"
    case data = "the limit on data (ulimit -d)"
    case controlGroup = "the control group's memory limit"
    case machine = "three quarters of this machine's memory"
  }

  /// What is left under the tightest bound.
  package struct Room: Sendable, Equatable {
    package let bytes: Int
    package let bound: Bound

    package init(bytes: Int, bound: Bound) {
      self.bytes = bytes
      self.bound = bound
    }
  }

  /// Smaller requests are not looked at one by one: the reserve pays for them.
  package static let smallest = 1 << 20
  /// Kept free under hard limits, for the many small allocations that are not counted.
  private static let reserve = 24 << 20

  /// Refuses `bytes` that this process cannot have.
  /// - Parameter what: what they are for, as in "the features of 50000 images".
  package static func require(_ bytes: Int, for what: @autoclosure () -> String) throws(MemoryError) {
    if bytes < smallest { return }
    let room = room()
    if bytes > room.bytes { throw MemoryError(what: what(), needed: bytes, room: room) }
  }

  /// The product of sizes that may be anything: as large as an Int can say where it overflows.
  package static func product(_ factors: Int...) -> Int {
    factors.reduce(1) { product, factor in
      let (value, overflow) = product.multipliedReportingOverflow(by: max(factor, 0))
      return overflow ? .max : value
    }
  }

  /// The sum of sizes that may be anything.
  package static func sum(_ terms: Int...) -> Int {
    terms.reduce(0) { sum, term in
      let (value, overflow) = sum.addingReportingOverflow(max(term, 0))
      return overflow ? .max : value
    }
  }

  /// What this process may still have, under the tightest of its limits.
  package static func room() -> Room {
    let used = usage()
    var rooms = [Room(bytes: physicalMemory / 4 * 3 - used.resident, bound: .machine)]
    if let limit = limit(.addressSpace) {
      rooms.append(Room(bytes: limit - used.virtual - reserve, bound: .addressSpace))
    }
    if let limit = limit(.data) { rooms.append(Room(bytes: limit - used.data - reserve, bound: .data)) }
    if let left = ControlGroup.own.room() { rooms.append(Room(bytes: left - reserve, bound: .controlGroup)) }
    let tightest = rooms.min { $0.bytes < $1.bytes } ?? rooms[0]
    return Room(bytes: max(tightest.bytes, 0), bound: tightest.bound)
  }

  /// Whether the limits of this process itself (not the machine's or the group's) bound its address space.
  package static var isConfined: Bool { limit(.addressSpace) != nil || limit(.data) != nil }

  private static let physicalMemory = max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) &* pageSize)
  private static let pageSize = sysconf(Int32(_SC_PAGESIZE))

  /// A limit of this process (getrlimit); nil where there is none.
  private static func limit(_ bound: Bound) -> Int? {
    var found = rlimit()
    let resource = bound == .addressSpace ? RLIMIT_AS : RLIMIT_DATA
    guard getrlimit(__rlimit_resource_t(resource.rawValue), &found) == 0 else { return nil }
    return Int(exactly: found.rlim_cur)
  }

  /// Bytes in use now: /proc/self/statm counts pages of address space, resident, shared, code, libraries and data.
  private static func usage() -> (virtual: Int, resident: Int, data: Int) {
    let pages = (smallFile("/proc/self/statm") ?? "").split(separator: " ").map { Int($0) ?? 0 }
    guard pages.count >= 6 else { return (0, 0, 0) }
    return (pages[0] * pageSize, pages[1] * pageSize, pages[5] * pageSize)
  }
}

/// The memory controller of the control group this process runs in (cgroup v1 or v2): containers and batch systems set it.
private struct ControlGroup {
  /// What to read in one group's folder.
  private struct Files {
    let folder: String
    let limit: String
    let usage: String
    /// The key in memory.stat of pages that the kernel gives back when asked.
    let reclaimable: String
  }

  /// This process's group and those above it, whose limits hold too.
  private let groups: [Files]

  static let own = ControlGroup()

  private init() {
    var groups: [Files] = []
    for line in (smallFile("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let isUnified = fields[0] == "0" && fields[1].isEmpty
      guard isUnified || fields[1].split(separator: ",").contains("memory") else { continue }
      // Inside a container the path may name a folder that only the host sees; the mount's root is then the group.
      var parts = fields[2].split(separator: "/")
      while true {
        let path = (["/sys/fs/cgroup"] + (isUnified ? [] : ["memory"]) + parts.map(String.init)).joined(separator: "/")
        groups.append(
          isUnified
            ? Files(folder: path, limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file")
            : Files(
              folder: path, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
              reclaimable: "total_inactive_file"))
        if parts.isEmpty { break }
        parts.removeLast()
      }
    }
    self.groups = groups.filter { Self.limit(of: $0) != nil }
  }

  /// No limit is "max" in v2, and some number near 2^63 in v1.
  private static func limit(of group: Files) -> Int? {
    let text = smallFile("\(group.folder)/\(group.limit)")?.prefix { $0.isNumber }
    return text.flatMap { Int($0) }.flatMap { $0 < 1 << 60 ? $0 : nil }
  }

  /// What the tightest of the groups leaves; nil where none has a limit.
  func room() -> Int? {
    groups.compactMap { group in
      guard let limit = Self.limit(of: group),
        let used = smallFile("\(group.folder)/\(group.usage)").flatMap({ Int($0.prefix { $0.isNumber }) })
      else { return nil }
      return limit - used + reclaimable(in: group)
    }.min()
  }

  private func reclaimable(in group: Files) -> Int {
    let lines = (smallFile("\(group.folder)/memory.stat") ?? "").split(separator: "\n")
    let line = lines.first { $0.hasPrefix(group.reclaimable + " ") }
    return line.flatMap { Int($0.dropFirst(group.reclaimable.utf8.count + 1)) } ?? 0
  }
}

/// The first 8 KiB of a file of the kernel's; nil where it cannot be read.
private func smallFile(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  return withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 1) { buffer in
    let count = read(descriptor, buffer.baseAddress, buffer.count)
    return count >= 0 ? String(decoding: UnsafeRawBufferPointer(buffer)[..<count], as: UTF8.self) : nil
  }
}

/// Memory that this process may not have, refused before anything was made.
package struct MemoryError: HalftoneError, Equatable {
  /// What the memory was for.
  package let what: String
  package let needed: Int
  package let room: MemoryBudget.Room

  package init(what: String, needed: Int, room: MemoryBudget.Room) {
    self.what = what
    self.needed = needed
    self.room = room
  }

  package var id: String { "E-MEMORY" }
  package var exit: ExitStatus { .resource }
  package var message: String {
    "\(what) would take \(needed == .max ? "more bytes than a number holds" : "\(needed) bytes") of memory; "
      + "\(room.bytes) are left under \(room.bound.rawValue)"
  }
  package var hint: String? {
    switch room.bound {
    case .addressSpace, .data: "raise the limit, or use a smaller batch, fewer threads or a smaller input"
    case .controlGroup, .machine: "use a smaller batch, fewer threads or a smaller input"
    }
  }
}
