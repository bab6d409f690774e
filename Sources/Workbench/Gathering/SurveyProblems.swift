import Evaluation
import Tensors

/// What is wrong with gathered images, by kind, each kind reported together.
struct SurveyProblems {
  private var missing = ImageRuns()
  private var others: [String] = []
  private var details: [String] = []

  mutating func add(missing image: Int) { missing.append(image) }

  mutating func add(damaged image: Int, in folder: String, _ reason: String) {
    details.append("damaged: image \(image) in \(printable(folder)): \(reason)")
  }

  mutating func add(changed image: Int, in folder: String) {
    details.append("changed: image \(image) in \(printable(folder)) is not what its unit's record says")
  }

  mutating func add(contradictory image: Int, _ folder: String, _ other: String) {
    details.append("contradictory: image \(image) differs between \(printable(folder)) and \(printable(other))")
  }

  /// Images beyond those that are expected, and files among them that no image of a run is called as.
  mutating func add(unexpected part: RunParts.Part, beyond expected: ClosedRange<Int>) {
    let outside = part.images.outside(expected)
    if !outside.isEmpty { add(unexpected: ImageIndexSet.text(outside), in: part.folder) }
    if !part.foreign.isEmpty {
      add(unexpected: listedLines(part.foreign.lazy.map { printable($0) }).joined(separator: ", "), in: part.folder)
    }
  }

  private mutating func add(unexpected what: String, in folder: String) {
    others.append("unexpected: \(what) in \(printable(folder))")
  }

  /// The record of a unit; nil where there is none, or none that can be used, which is a problem of its own.
  mutating func record(of unit: Int, in folder: String, run: String?) -> UnitRecord? {
    do {
      guard let record = try UnitRecord.read(unit, inRun: folder) else { return nil }
      if record.run == run { return record }
      details.append("record: that of unit \(unit) in \(printable(folder)) belongs to another run")
    } catch {
      details.append("record: \((error as? any HalftoneError)?.message ?? "\(error)")")
    }
    return nil
  }

  /// nil when nothing is wrong.
  var lines: [String]? {
    var lines: [String] = []
    if !missing.isEmpty {
      lines.append("missing: \(ImageIndexSet.text(missing.ranges)) (\(missing.count) in all)")
    }
    lines += others + listedLines(details)
    return lines.isEmpty ? nil : lines
  }
}
