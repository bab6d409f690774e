import Evaluation
import Formats
import Tensors

/// `stats merge`: the statistics of a run's parts as one, bit for bit what one pass over all images gives.
package struct StatsMergeCommand: Sendable {
  package var parts: [String]
  /// The image indices that must be there; nil: all from 0 to the largest.
  package var expected: ClosedRange<Int>?
  package var allowsGaps: Bool
  package var out: String

  package init(parts: [String], expected: ClosedRange<Int>?, allowsGaps: Bool, out: String) {
    self.parts = parts
    self.expected = expected
    self.allowsGaps = allowsGaps
    self.out = out
  }

  package func run(_ session: Session) throws {
    try OutputPlace.check([out], inputs: parts)
    var merger = StatisticsMerger()
    for path in parts {
      let statistics = try FeatureStatistics(
        archive: StatisticsFiles.required(path, console: session.console), file: path)
      guard let exact = statistics.exact else { throw EvaluationError.notExact(file: path, purpose: "merging") }
      try merger.add(exact, name: path)
    }
    let merged = try merger.merged(expecting: expected, allowsGaps: allowsGaps)
    let missing = merged.images.missing(from: expected)
    if !missing.isEmpty { session.console.warn("images are missing: \(ImageIndexSet.text(missing))") }
    try NPZ.write(merged.archive(), to: out)
    for warning in try merged.statistics().warnings(name: out) { session.console.warn("\(warning)") }
    try session.console.result(
      "\(out): \(merged.images.count) images (\(ImageIndexSet.text(merged.images.ranges))) of \(parts.count) files, "
        + "\(merged.extractor.name) features")
  }
}
