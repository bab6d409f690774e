import Formats
import Foundation
import Logging
import Tensors

/// Draws units of a run in a folder that other processes may share.
struct ShardedDrawing {
  let units: WorkUnits
  let sampler: ImageSampler
  let store: ImageStore

  /// Draws what is missing of the units' images; when it returns, they are all there, and each unit has a record.
  /// - Throws: `Stopped` after a stop signal; what is drawn by then is safe.
  func draw(title: String, session: Session, log: Logger) throws -> ImageSampler.Outcome {
    let total = units.images?.count ?? 0
    var pass = DrawingPass(sampler, into: store, total: total, title: title, session: session, log: log)
    var left = units.count
    try UnitClaims(run: store.base).forEach(units) { unit in
      var known = record(of: unit)
      if try removeChanged(unit, known, session, log) { known = nil }
      try pass.draw(unit.images)
      try record(unit, known)
      left -= 1
      if left > 0, let signal = try session.stopSignal() { throw pass.stopped(signal) }
    }
    return pass.finish()
  }

  /// Removes images that are whole and not what the unit's record says: either of them changed, and only drawing again tells which.
  /// - Returns: whether there were any.
  private func removeChanged(_ unit: WorkUnit, _ known: UnitRecord?, _ session: Session, _ log: Logger) throws -> Bool {
    guard let known else { return false }
    let changed = unit.images.filter { image in
      guard let digest = known.digest(of: image), let content = store.examine(image).content else { return false }
      return digest != Digest.sha256(content)
    }
    for image in changed {
      let reason = "image \(image) is not what the record of unit \(unit.number) says"
      log.warning("drawing an image again", metadata: ["image": "\(image)", "reason": "\(reason)"])
      session.console.note("\(reason); drawing it again")
      let path = store.path(of: image)
      guard unlink(path) == 0 || errno == ENOENT else {
        throw FormatError.file(path, .init(errno: errno, during: .write))
      }
    }
    return !changed.isEmpty
  }

  /// What is known of the unit's images; a record that cannot be read, or is another run's, is none.
  private func record(of unit: WorkUnit) -> UnitRecord? {
    let record = try? UnitRecord.read(unit.number, inRun: store.base)
    return record?.run == store.runDigest ? record : nil
  }

  /// Writes what the unit's images are, unless `known` says it of all of them.
  private func record(_ unit: WorkUnit, _ known: UnitRecord?) throws {
    if let known, unit.images.allSatisfy({ known.digest(of: $0) != nil }) { return }
    let digests = try unit.images.map { image in
      let (state, content) = store.examine(image)
      guard let content else { throw ShardError.changed(path: store.path(of: image), found: state) }
      return Digest.sha256(content)
    }
    try UnitRecord(unit: unit, run: store.runDigest, digests: digests).write(inRun: store.base)
  }
}
