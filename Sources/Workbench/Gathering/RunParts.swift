import Evaluation
import Formats
import Tensors

/// The folders that the shards of one run wrote, taken together.
package struct RunParts {
  /// One folder.
  struct Part {
    let folder: String
    let store: ImageStore?
    let images: ImageRuns
    /// Files among them that are called as no image of a run is.
    let foreign: [String]

    /// Lists what the store holds; no file is opened.
    init(folder: String, store: ImageStore?) throws {
      self.folder = folder
      self.store = store
      let place = store.flatMap { Folder.kind(of: $0.folder) == .folder ? $0 : nil }
      images = ImageRuns(try place.map { try ImageStore.indices(in: $0.folder) } ?? [])
      foreign = try place.map { $0.holdsArrays ? [] : try ImageFiles.foreignNames(in: $0.folder) } ?? []
    }
  }

  package let identity: RunIdentity
  let parts: [Part]

  /// - Throws: `GatherError` when the folders are not parts of one run of `sample`; `RunError` when one is no run folder.
  package init(_ folders: [String]) throws {
    var (first, parts) = (RunIdentity?.none, [Part]())
    for folder in folders {
      let identity = RunIdentity(try RunFolder.record(in: folder)["identity"] ?? .null)
      if let first {
        let differences = first.differences(inFolder: identity)
        if !differences.isEmpty {
          throw GatherError.differs(folder: folders[0], other: folder, differences: differences)
        }
      } else {
        guard case .string("sample")? = identity.value["command"] else {
          let found = if case .string(let name)? = identity.value["command"] { name } else { "an unknown command" }
          throw GatherError.command(folder: folder, found: found)
        }
        first = identity
      }
      parts.append(try Part(folder: folder, store: ImageStore.recorded(in: folder, identity: identity)))
    }
    guard let first, parts.contains(where: { $0.store != nil }) else { throw GatherError.noImages(folders: folders) }
    self.identity = first
    self.parts = parts
  }

  /// From image 0 to the last one that is there: what is expected where nothing says it.
  package var range: ClosedRange<Int> {
    0...(parts.compactMap { $0.images.ranges.last?.upperBound }.max() ?? 0)
  }

  /// Where an image is taken from, and what it holds.
  struct Checked {
    let part: Int
    let digest: String
  }

  /// What a look at every image found.
  struct Survey {
    /// One an image of the range, in order.
    var images: [Checked] = []
    /// Images that more than one folder holds, equally.
    var repeated = ImageRuns()
    /// How many were compared with the record of their unit.
    var verified = 0

    /// SHA-256 of the images' digests in order: equal for equal images, whoever drew them and wherever they lie.
    var digest: String { "sha256:" + Digest.sha256(Array(images.map { $0.digest + "\n" }.joined().utf8)) }
  }

  /// Reads every image, compares it with the record of its unit and with its copies in other folders.
  /// - Throws: `GatherError.images` with everything that keeps the images from being exactly `expected`; `Stopped`.
  func survey(_ expected: ClosedRange<Int>, session: Session) throws -> Survey {
    var problems = SurveyProblems()
    for part in parts {
      problems.add(unexpected: part, beyond: expected)
      try part.store?.removeStale()
    }
    var survey = Survey()
    let progress = Progress("checking", unit: "images", total: expected.count, console: session.console)
    for unit in WorkUnits(of: expected) {
      let records = parts.map { part in problems.record(of: unit.number, in: part.folder, run: part.store?.runDigest) }
      for image in unit.images {
        check(image, records, &survey, &problems)
        progress.update(Double(image - expected.lowerBound + 1))
      }
      if let signal = try session.stopSignal() {
        progress.finish(Double(unit.images.upperBound - expected.lowerBound + 1))
        throw Stopped(signal: signal, progress: "no images", command: session.command)
      }
    }
    progress.finish(Double(expected.count))
    if let lines = problems.lines { throw GatherError.images(expected: expected, problems: lines) }
    return survey
  }

  private func check(
    _ image: Int, _ records: [UnitRecord?], _ survey: inout Survey, _ problems: inout SurveyProblems
  ) {
    var found: [Checked] = []
    var isDamaged = false
    for (position, part) in parts.enumerated() {
      guard let store = part.store, part.images.contains(image) else { continue }
      let (state, content) = store.examine(image)
      guard let content else {
        if case .unusable(let reason) = state { problems.add(damaged: image, in: part.folder, reason) }
        isDamaged = true
        continue
      }
      let digest = Digest.sha256(content)
      if let recorded = records[position]?.digest(of: image) {
        if recorded == digest { survey.verified += 1 } else { problems.add(changed: image, in: part.folder) }
      }
      found.append(Checked(part: position, digest: digest))
    }
    guard let first = found.first else {
      if !isDamaged { problems.add(missing: image) }
      return
    }
    if found.count > 1 { survey.repeated.append(image) }
    for other in found.dropFirst() where other.digest != first.digest {
      problems.add(contradictory: image, parts[first.part].folder, parts[other.part].folder)
    }
    survey.images.append(first)
  }
}
