import Formats
import Glibc
import Tensors

/// Who is at work on which unit of a run that several processes share: files `claims/000123` of one line, host and process.
///
/// Claims are hints. They decide in which order a process takes its units, never whether a unit is done: a claimed unit is
/// left for last, looked at again, and drawn where it is still missing. So a claim that a killed process left, one that was
/// not seen in time, or none at all costs repeated work at the most, and repeated work puts equal bytes in the place of
/// equal bytes. That is why nothing here is locked, nothing expires, and a claim that cannot be written stops nobody.
struct UnitClaims {
  let folder: String

  /// - Parameter run: the run's folder.
  init(run: String) { folder = joined(run, "claims") }

  private func path(_ unit: Int) -> String { joined(folder, sixDigits(unit)) }

  /// Whether another process that may be running says that it is at work on the unit.
  private func isTaken(_ unit: Int) -> Bool {
    guard let bytes = try? InputFile.contents(of: path(unit), limit: 512),
      let holder = LockHolder(text: String(decoding: bytes, as: UTF8.self))
    else { return false }
    return holder != .current && holder.mayBeRunning
  }

  private func take(_ unit: Int) {
    try? Folder.create(folder)
    try? AtomicFile.write(LockHolder.current.text, to: path(unit))
  }

  private func release(_ unit: Int) { unlink(path(unit)) }

  /// Works on units one after another, those that another process is at work on last.
  /// - Parameter body: must find out by itself whether there is anything to do.
  func forEach(_ units: [WorkUnit], _ body: (WorkUnit) throws -> Void) rethrows {
    var later: [WorkUnit] = []
    func work(_ unit: WorkUnit) throws {
      take(unit.number)
      defer { release(unit.number) }
      try body(unit)
    }
    for unit in units {
      if isTaken(unit.number) { later.append(unit) } else { try work(unit) }
    }
    for unit in later { try work(unit) }
    // Where no claim is left.
    rmdir(folder)
  }
}

/// `000123`; longer numbers as they are.
func sixDigits(_ number: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
}
