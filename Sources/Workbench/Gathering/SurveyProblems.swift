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

  mutating func add(unexpected images: ImageRuns, in folder: String, beyond expected: ClosedRange<Int>) {
    let outside = images.outside(expected)
    if outside.isEmpty { return }
    others.append("unexpected: \(ImageIndexSet.text(outside)) in \(printable(folder))")
  }

  /// Files among a run's images that no image of a run is called as.
  mutating func add(foreign names: [String], in folder: String) {
    if names.isEmpty { return }
    others.append(
      "unexpected: \(listedLines(names.lazy.map { printable($0) }).joined(separator: ", ")) in \(printable(folder))")
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
