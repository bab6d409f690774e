import Platform

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
    let used = ProcessMemory.usage()
    var rooms = [Room(bytes: ProcessMemory.physical / 4 * 3 - used.resident, bound: .machine)]
    if let limit = ProcessMemory.limit(of: .addressSpace) {
      rooms.append(Room(bytes: limit - used.virtual - reserve, bound: .addressSpace))
    }
    if let limit = ProcessMemory.limit(of: .data) {
      rooms.append(Room(bytes: limit - used.data - reserve, bound: .data))
    }
    if let left = ControlGroup.own.room() { rooms.append(Room(bytes: left - reserve, bound: .controlGroup)) }
    let tightest = rooms.min { $0.bytes < $1.bytes } ?? rooms[0]
    return Room(bytes: max(tightest.bytes, 0), bound: tightest.bound)
  }

  /// Whether the limits of this process itself (not the machine's or the group's) bound its address space.
  package static var isConfined: Bool {
    ProcessMemory.limit(of: .addressSpace) != nil || ProcessMemory.limit(of: .data) != nil
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
