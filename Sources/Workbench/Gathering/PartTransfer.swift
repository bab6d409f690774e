import Formats
import Platform
import Tensors

/// Brings the images of several folders into one run folder.
struct PartTransfer {
  let parts: RunParts
  /// Of the run that has them all.
  let folder: String

  /// Puts every image in its place there, and the record of each unit beside.
  /// - Parameter survey: of the images of `range`, in order.
  /// - Returns: the store that has them.
  func run(_ survey: RunParts.Survey, _ range: ClosedRange<Int>, session: Session) throws -> ImageStore? {
    var target: ImageStore?
    let progress = Progress("gathering", unit: "images", total: range.count, console: session.console)
    for unit in WorkUnits(of: range) {
      var digests: [String] = []
      for image in unit.images {
        let found = survey.images[image - range.lowerBound]
        digests.append(found.digest)
        guard let store = parts.parts[found.part].store else { continue }
        let place = store.moved(to: folder)
        target = place
        try put(store.path(of: image), at: place.path(of: image))
        progress.update(Double(image - range.lowerBound + 1))
      }
      if let target { try UnitRecord(unit: unit, run: target.runDigest, digests: digests).write(inRun: folder) }
      if let signal = try session.stopSignal() {
        let done = unit.images.upperBound - range.lowerBound + 1
        progress.finish(Double(done))
        throw Stopped(signal: signal, progress: "\(done) of \(range.count) images", command: session.command)
      }
    }
    progress.finish(Double(range.count))
    return target
  }

  /// A second name for the file where one file system has both places, else a copy.
  private func put(_ source: String, at path: String) throws {
    try Folder.create(parentFolder(of: path), inside: folder)
    if link(source, path) == 0 { return }
    try AtomicFile.write(InputFile.contents(of: source, limit: 1 << 30), to: path)
  }
}
