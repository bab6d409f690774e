import Formats
import Platform
import Quantization
import Tensors

/// A calibration set in the units that shards make: a file for each, `000123.h5`, in a folder beside the set. No unit is taken for
/// a set, since its provenance stands under another name.
struct CalibrationUnits {
  let folder: String
  private let program: HDF5Reader

  /// Samples that are handed on at a time.
  private static let slice = 64
  private static let provenance = "provenance_of_whole"
  private static let facts = "unit"
  static let suffix = ".units"

  /// - Parameter set: the path of the whole.
  init(beside set: String, reader: HDF5Reader) { self.init(folder: set + Self.suffix, reader: reader) }

  init(folder: String, reader: HDF5Reader) {
    self.folder = folder
    program = reader
  }

  private func path(_ unit: Int) -> String { joined(folder, sixDigits(unit) + ".h5") }

  // MARK: Making

  /// The units of a set that fall to a shard. - Returns: how many were made and how many were there.
  func make(
    _ shard: Shard, of plan: CalibrationPlan, with sampling: CalibrationSampling, session: Session
  ) throws -> (made: Int, kept: Int) {
    let provenance = try sampling.provenance(plan.calibration)
    let all = 0...(plan.trajectoryCount - 1)
    let last = all.upperBound / WorkUnit.size
    var (made, kept) = (0, 0)
    try UnitClaims(run: folder).forEach(WorkUnits(of: all, for: shard)) { unit in
      if let found = try? open(unit.number), found.reader.provenance == provenance, found.facts.counts == plan.counts,
        found.facts.unit == unit.number, found.facts.units == last + 1,
        (try? digest(of: found.reader)) == found.facts.digest
      {
        kept += 1
        return
      }
      let reporter = WorkReporter(session)
      try Folder.create(folder)
      try HDF5.write(to: path(unit.number)) { writer in
        let digest = SampleDigest(CalibrationFile.Sink(writer, provenanceIn: Self.provenance))
        try sampling.run(plan.part(unit.images), into: digest) { progress in
          try reporter.report(
            WorkProgress(
              stage: "sampling unit \(unit.number) of \(last + 1)", unit: progress.unit, done: progress.done,
              total: progress.total))
        }
        let facts = CalibrationUnitFacts(
          unit: unit.number, units: last + 1, counts: plan.counts, digest: digest.value)
        try writer.attribute(Self.facts, JSONWriter.compact(facts.value))
      }
      reporter.finish()
      made += 1
    }
    return (made, kept)
  }

  // MARK: Gathering

  /// One unit's file.
  private struct Found {
    let reader: CalibrationFile.Reader
    let facts: CalibrationUnitFacts
  }

  private func open(_ unit: Int) throws -> Found {
    let path = path(unit)
    let reader = try CalibrationFile.Reader(path, provenanceIn: Self.provenance, reader: program)
    let place = "\(path): \(Self.facts)"
    let facts = try CalibrationUnitFacts(
      JSON.parse(Array((reader.text(Self.facts) ?? "{}").utf8), file: place), file: place)
    return Found(reader: reader, facts: facts)
  }

  private func digest(of reader: CalibrationFile.Reader) throws -> String {
    let digest = SampleDigest()
    try pass(reader, to: digest)
    return digest.value
  }

  /// Whether a folder is one of units of a set.
  static func holds(_ folder: String) -> Bool {
    folder.hasSuffix(suffix) && Folder.kind(of: folder) == .folder
      && Folder.kind(of: joined(folder, RunFolder.recordName)) == nil
  }

  /// Makes the set of its units, with the bits that one process gives it.
  /// - Returns: how many units it has.
  /// - Throws: `CalibrationUnitsError` with everything that is missing, damaged or of another set.
  func gather(to path: String, session: Session) throws -> Int {
    let numbers = try Folder.names(in: folder).compactMap { name in
      name.hasSuffix(".h5") ? Shard.number(String(name.dropLast(3))) : nil
    }
    var (problems, units) = ([String](), [Int: Found]())
    for number in numbers.sorted() {
      do {
        let unit = try open(number)
        if unit.facts.unit != number {
          let reason =
            number < unit.facts.units
            ? "the file" : "unexpected, remove it; the set has \(unit.facts.units), and the file"
          problems.append("unit \(number): \(reason) is that of unit \(unit.facts.unit)")
        } else if try digest(of: unit.reader) == unit.facts.digest {
          units[number] = unit
        } else {
          problems.append("unit \(number): its samples are not those that were written")
        }
      } catch let error as any HalftoneError {
        problems.append("unit \(number): \(error.message)")
      }
    }
    guard let first = units.keys.min().flatMap({ units[$0] }) else {
      throw CalibrationUnitsError(folder: folder, problems: problems.isEmpty ? ["no units"] : problems)
    }
    for number in numbers.sorted() {
      guard let unit = units[number] else { continue }
      if unit.reader.provenance != first.reader.provenance || unit.facts.counts != first.facts.counts
        || unit.facts.units != first.facts.units
      {
        problems.append("unit \(number): of another set than unit \(first.facts.unit)")
      }
    }
    let there = Set(numbers)
    let missing = (0..<first.facts.units).filter { !there.contains($0) }
    if !missing.isEmpty {
      problems.append("missing: \(missing.count) of \(first.facts.units) units: \(listedNumbers(missing))")
    }
    if !problems.isEmpty { throw CalibrationUnitsError(folder: folder, problems: problems) }
    try CalibrationFile.write(to: path) { sink in
      try sink.begin(first.reader.provenance, counts: first.facts.counts)
      for number in 0..<first.facts.units {
        if let unit = units[number] { try append(unit.reader, to: sink) }
        if let signal = try session.stopSignal() {
          throw Stopped(signal: signal, progress: "no set", command: session.command)
        }
      }
    }
    return first.facts.units
  }

  private func pass(_ reader: CalibrationFile.Reader, to sink: any CalibrationSink) throws {
    try sink.begin(reader.provenance, counts: reader.counts)
    try append(reader, to: sink)
  }

  private func append(_ reader: CalibrationFile.Reader, to sink: any CalibrationSink) throws {
    for (step, count) in reader.counts.enumerated() {
      for start in stride(from: 0, to: count, by: Self.slice) {
        try sink.append(reader.samples(step: step, start..<min(start + Self.slice, count)))
      }
    }
  }

  private func listedNumbers(_ numbers: [Int]) -> String {
    listedLines(numbers.lazy.map(String.init)).joined(separator: ", ")
  }
}

/// Units that make no set.
package struct CalibrationUnitsError: HalftoneError, Equatable {
  package let folder: String
  package let problems: [String]
  package var id: String { "E-GATHER-UNITS" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String { "\(printable(folder)) does not make a calibration set:\n  " + listed(problems) }
  package var hint: String? { "'halftone calibrate --shard' makes what is missing or damaged" }
}
