import Formats
import Logging

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
      let known = record(of: unit)
      let drawn = try pass.draw(unit.images, known: known)
      // What was drawn need not be what was known.
      if drawn > 0 || known?.covers(unit) != true { try record(unit) }
      left -= 1
      if left > 0, let signal = try session.stopSignal() { throw pass.stopped(signal) }
    }
    return pass.finish()
  }

  /// What is known of the unit's images; a record that cannot be read, or is another run's, is none.
  private func record(of unit: WorkUnit) -> UnitRecord? {
    let record = try? UnitRecord.read(unit.number, inRun: store.base)
    return record?.run == store.runDigest ? record : nil
  }

  /// Writes what the unit's images are.
  private func record(_ unit: WorkUnit) throws {
    let digests = try unit.images.map { image in
      let (state, content) = store.examine(image)
      guard let content else { throw ShardError.changed(path: store.path(of: image), found: state) }
      return Digest.sha256(content)
    }
    try UnitRecord(unit: unit, run: store.runDigest, digests: digests).write(inRun: store.base)
  }
}
