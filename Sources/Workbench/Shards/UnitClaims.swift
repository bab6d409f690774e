import Formats
import Platform
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

  /// Who says that it is at work on the unit; nil for nobody.
  private func holder(_ unit: Int) -> LockHolder? {
    (try? InputFile.contents(of: path(unit), limit: 512)).flatMap {
      LockHolder(text: String(decoding: $0, as: UTF8.self))
    }
  }

  /// Whether another process that may be running says so.
  private func isTaken(_ unit: Int) -> Bool {
    holder(unit).map { $0 != .current && $0.mayBeRunning } ?? false
  }

  /// All claims of processes that may be running, by unit.
  var holders: [Int: LockHolder] {
    let units = ((try? Folder.names(in: folder)) ?? []).compactMap(Shard.number)
    return Dictionary(units.compactMap { unit in holder(unit).map { (unit, $0) } }) { $1 }.filter(\.value.mayBeRunning)
  }

  private func take(_ unit: Int) {
    guard (try? Folder.create(folder, inside: parentFolder(of: folder))) != nil else { return }
    try? AtomicFile.write(LockHolder.current.text, to: path(unit))
  }

  private func release(_ unit: Int) { unlink(path(unit)) }

  /// Works on units one after another, those that another process is at work on last.
  /// - Parameter body: must find out by itself whether there is anything to do.
  func forEach(_ units: WorkUnits, _ body: (WorkUnit) throws -> Void) rethrows {
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
