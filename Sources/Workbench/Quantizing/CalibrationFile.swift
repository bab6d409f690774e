import Diffusion
import Formats
import Quantization
import Tensors

/// Calibration sets as HDF5 files (docs/formats/runs.md): provenance in an attribute, a group of datasets per sampling step.
package enum CalibrationFile {
  static let provenanceAttribute = "provenance"

  static func dataset(_ name: String, step: Int) -> String {
    let digits = String(step)
    return "steps/\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits)/\(name)"
  }

  /// Creates `path` from the samples that `body` hands to the sink. Samples go to the disk as they come: what is in memory
  /// is one batch. Interrupted writing leaves nothing, so it is started again.
  package static func write(to path: String, _ body: (any CalibrationSink) throws -> Void) throws {
    try HDF5.write(to: path) { try body(Sink($0, provenanceIn: provenanceAttribute)) }
  }

  final class Sink: CalibrationSink {
    private let writer: HDF5Writer
    private let attribute: String

    /// - Parameter attribute: what the file says its provenance under.
    init(_ writer: HDF5Writer, provenanceIn attribute: String) {
      self.writer = writer
      self.attribute = attribute
    }

    func begin(_ provenance: CalibrationProvenance, counts: [Int]) throws {
      try writer.attribute(attribute, JSONWriter.compact(provenance.encode()))
      for (step, count) in counts.enumerated() where count > 0 {
        try writer.create(
          dataset("x", step: step), type: .f32, rowDims: provenance.imageShape.dims, rows: count)
        try writer.create(dataset("trajectories", step: step), type: .i64, rowDims: [], rows: count)
        if provenance.conditioning.classes != nil {
          try writer.create(dataset("labels", step: step), type: .i64, rowDims: [], rows: count)
        }
      }
    }

    func append(_ samples: CalibrationSamples) throws {
      try writer.append(dataset("x", step: samples.step), StoredTensor(samples.x))
      try writer.append(dataset("trajectories", step: samples.step), Self.stored(samples.trajectories))
      let labels = samples.conditioning.compactMap(\.label)
      if !labels.isEmpty { try writer.append(dataset("labels", step: samples.step), Self.stored(labels)) }
    }

    private static func stored(_ values: [Int]) -> StoredTensor {
      StoredTensor(dims: [values.count], values.map(Int64.init))
    }
  }

  /// A set on the disk, its samples read a batch at a time.
  package struct Reader: CalibrationSource {
    package let path: String
    package let provenance: CalibrationProvenance
    package let digest: String
    package let counts: [Int]
    private let file: HDF5File

    /// - Throws: when the file is no calibration set, or its datasets do not fit its provenance.
    package init(_ path: String, reader: HDF5Reader) throws {
      try self.init(path, provenanceIn: provenanceAttribute, reader: reader)
      try checkWhole()
    }

    /// A text that the file says of itself; nil where it does not.
    func text(_ attribute: String) -> String? { file.attributes[attribute] }

    /// - Parameter attribute: what the file says its provenance under.
    init(_ path: String, provenanceIn attribute: String, reader: HDF5Reader) throws {
      self.path = path
      digest = "sha256:" + (try Digest.sha256(file: path))
      file = try HDF5File(path, reader: reader)
      guard let text = file.attributes[attribute] else { throw QuantizationError.notASet(file: path) }
      let named = "\(path): \(attribute)"
      provenance = try CalibrationProvenance(JSON.parse(Array(text.utf8), file: named), file: named)
      counts = try Self.checkedCounts(file, provenance)
    }

    /// Rows at each step, after comparing every dataset with what the provenance announces.
    private static func checkedCounts(_ file: HDF5File, _ provenance: CalibrationProvenance) throws -> [Int] {
      var expected: [String: (type: ElementType, rowDims: [Int])] = [:]
      let names = ["x", "trajectories"] + (provenance.conditioning.classes == nil ? [] : ["labels"])
      for step in provenance.steps.indices {
        for name in names {
          expected[dataset(name, step: step)] = name == "x" ? (.f32, provenance.imageShape.dims) : (.i64, [])
        }
      }
      var problems: [String] = []
      var rows: [String: Int] = [:]
      for found in file.datasets {
        guard let form = expected[found.name] else {
          problems.append("\(printable(found.name)): not part of a calibration set")
          continue
        }
        if found.type != form.type || Array(found.dims.dropFirst()) != form.rowDims {
          problems.append(
            "\(found.name): expected \(form.type.rawValue) N + \(form.rowDims), found \(found.type.rawValue) \(found.dims)"
          )
        }
        rows[found.name] = found.dims.first ?? 0
      }
      let counts = provenance.steps.indices.map { step -> Int in
        let present = names.map { rows[dataset($0, step: step)] ?? 0 }
        if Set(present).count > 1 {
          problems.append("step \(step): \(zip(present, names).map { "\($0) \($1)" }.joined(separator: ", "))")
        }
        return present[0]
      }
      if !problems.isEmpty { throw CalibrationFileError(path: file.path, problems: problems) }
      return counts
    }

    /// Refuses a set that has not as many samples at each step as its recipe keeps.
    private func checkWhole() throws {
      let (calibration, stepCount) = (provenance.calibration, provenance.steps.count)
      try MemoryBudget.require(
        MemoryBudget.product(80, calibration.trajectories),
        for: "the plan of \(calibration.trajectories) calibration trajectories")
      var problems: [String] = []
      if let expected = CalibrationPlan.counts(of: calibration, stepCount: stepCount) {
        for (step, (found, expected)) in zip(counts, expected).enumerated() where found != expected {
          problems.append("step \(step): expected \(expected) samples, found \(found)")
        }
      } else {
        let found = counts.reduce(0, +)
        if found != calibration.trajectories {
          problems.append("expected \(calibration.trajectories) samples, found \(found)")
        }
      }
      if !problems.isEmpty { throw CalibrationFileError(path: path, problems: problems) }
    }

    package func samples(step: Int, _ range: Range<Int>) throws -> CalibrationSamples {
      let x = try file.rows(dataset("x", step: step), range)
      guard let images = x.floats() else { preconditionFailure("types are checked at opening") }
      if let bad = images.values.first(where: { !$0.isFinite }) {
        throw CalibrationFileError(
          path: path, problems: ["\(dataset("x", step: step)): expected numbers, found \(bad)"])
      }
      return CalibrationSamples(
        step: step, trajectories: try trajectories(step, range), x: images,
        conditioning: provenance.conditioning.classes == nil
          ? [] : try labels(step, range).map { Conditioning(label: $0) })
    }

    private func trajectories(_ step: Int, _ range: Range<Int>) throws -> [Int] {
      let numbers = try integers("trajectories", step, range)
      // Distribution `fresh` has trajectories of its own at each step.
      let limit = MemoryBudget.product(provenance.calibration.trajectories, provenance.steps.count)
      if let bad = numbers.first(where: { !(0..<limit).contains($0) }) {
        throw CalibrationFileError(
          path: path,
          problems: ["\(dataset("trajectories", step: step)): trajectory \(bad), expected 0 to \(limit - 1)"])
      }
      return numbers
    }

    private func labels(_ step: Int, _ range: Range<Int>) throws -> [Int] {
      let labels = try integers("labels", step, range)
      if let bad = labels.first(where: { !(0..<(provenance.conditioning.classes ?? 0)).contains($0) }) {
        throw CalibrationFileError(path: path, problems: ["\(dataset("labels", step: step)): label \(bad)"])
      }
      return labels
    }

    private func integers(_ name: String, _ step: Int, _ range: Range<Int>) throws -> [Int] {
      let stored = try file.rows(dataset(name, step: step), range)
      return (stored.integers(Int64.self) ?? []).map { Int($0) }
    }
  }
}

/// An HDF5 file that claims to be a calibration set and is not one.
package struct CalibrationFileError: HalftoneError, Equatable {
  package let path: String
  package let problems: [String]
  package var id: String { "E-CAL-FILE" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String { "\(printable(path)) is damaged:\n  " + listed(problems) }
  package var hint: String? { "make it again with 'halftone calibrate'" }
}
