import Formats
import Quantization
import Tensors

/// What the file of one unit of a calibration set says of itself beside its samples: which unit of how many it is, and what the
/// whole set will have.
package struct CalibrationUnitFacts: Sendable, Equatable {
  package static let schema = 1

  let unit: Int
  /// Units of the set: 64 trajectories each, in the order in which they are sampled.
  let units: Int
  /// Samples of the whole set at each step.
  let counts: [Int]
  /// SHA-256 of the unit's samples (`SampleDigest`).
  let digest: String

  init(unit: Int, units: Int, counts: [Int], digest: String) {
    self.unit = unit
    self.units = units
    self.counts = counts
    self.digest = digest
  }

  var value: ConfigurationValue {
    [
      "schema": .integer(Self.schema), "unit": .integer(unit), "units": .integer(units),
      "counts": .list(counts.map { .integer($0) }), "sha256": .string(digest),
    ]
  }

  /// - Throws: everything that is wrong with it.
  package init(_ value: ConfigurationValue, file: String) throws {
    let reader = ConfigurationReader(value, file: file)
    _ = reader.int("schema", in: 1...Self.schema)
    units = reader.int("units", in: 1...Shard.largestCount)
    unit = reader.int("unit", in: 0...max(units - 1, 0))
    counts = reader.ints("counts", in: 0...IndexRange.limit)
    digest = reader.string("sha256")
    try reader.finish()
  }
}

/// Digests the samples of a set or of a part of it, step by step, whatever batches they come in, and passes them on.
final class SampleDigest: CalibrationSink {
  private let next: (any CalibrationSink)?
  /// Of each step: trajectories with their labels, and states.
  private var steps: [(facts: Digest.Incremental, states: Digest.Incremental)] = []

  /// - Parameter next: who gets the samples; nil: nobody.
  init(_ next: (any CalibrationSink)? = nil) { self.next = next }

  func begin(_ provenance: CalibrationProvenance, counts: [Int]) throws {
    steps = counts.map { _ in (Digest.Incremental(), Digest.Incremental()) }
    try next?.begin(provenance, counts: counts)
  }

  func append(_ samples: CalibrationSamples) throws {
    let facts = zip(
      samples.trajectories, samples.conditioning.map(\.label) + Array(repeating: nil, count: samples.count)
    )
    .map { "\($0) \($1.map(String.init) ?? "-")\n" }
    steps[samples.step].facts.update(Array(facts.joined().utf8))
    steps[samples.step].states.update(StoredTensor(samples.x).bytes)
    try next?.append(samples)
  }

  /// Of everything that came.
  var value: String {
    Digest.sha256(Array(steps.map { "\($0.facts.finish()) \($0.states.finish())\n" }.joined().utf8))
  }
}
