import Formats
import Tensors

/// What a finished unit of a run was: `units/000123.json` with the digest of each image, written when they are all there. Gathering
/// compares it with what it reads, so that an image that changed since is named.
package struct UnitRecord: Sendable, Equatable {
  package static let schema = 1
  private static let sizeLimit = 1 << 16

  package let unit: WorkUnit
  /// Of the run's identity, as the images say it.
  package let run: String
  /// Of each image in order, SHA-256 of its content: 8-bit samples H W C, or the Float32 values of an array.
  package let digests: [String]

  /// - Precondition: a digest an image.
  package init(unit: WorkUnit, run: String, digests: [String]) {
    precondition(digests.count == unit.images.count)
    self.unit = unit
    self.run = run
    self.digests = digests
  }

  /// Of an image; nil where the record does not reach it.
  package func digest(of image: Int) -> String? {
    unit.images.contains(image) ? digests[image - unit.images.lowerBound] : nil
  }

  /// Whether it reaches all of a unit's images.
  func covers(_ unit: WorkUnit) -> Bool {
    self.unit.images.lowerBound <= unit.images.lowerBound && unit.images.upperBound <= self.unit.images.upperBound
  }

  package static func path(_ unit: Int, inRun run: String) -> String {
    joined(joined(run, "units"), sixDigits(unit) + ".json")
  }

  package func write(inRun folder: String) throws {
    let value: ConfigurationValue = [
      "schema": .integer(Self.schema), "unit": .integer(unit.number),
      "first_image": .integer(unit.images.lowerBound), "run": .string(run),
      "sha256": .list(digests.map { .string($0) }),
    ]
    let path = Self.path(unit.number, inRun: folder)
    try Folder.create(parentFolder(of: path), inside: folder)
    try AtomicFile.write(JSONWriter.pretty(value), to: path)
  }

  /// The record of a unit; nil where there is none. - Throws: when the file is no record of that unit.
  package static func read(_ unit: Int, inRun folder: String) throws -> UnitRecord? {
    let path = path(unit, inRun: folder)
    let units = parentFolder(of: path)
    if let kind = Folder.kind(of: units), kind != .folder { throw FormatError.file(units, .notFolder(found: "a file")) }
    let text: [UInt8]
    do { text = try InputFile.contents(of: path, limit: sizeLimit) } catch FormatError.file(_, .notFound) { return nil }
    let reader = ConfigurationReader(try JSON.parse(text, file: path), file: path)
    _ = reader.int("schema", in: 1...schema)
    _ = reader.int("unit", in: unit...unit)
    let last = unit * WorkUnit.size + WorkUnit.size - 1
    let first = reader.int("first_image", in: unit * WorkUnit.size...last)
    let (run, digests) = (reader.string("run"), reader.strings("sha256"))
    if reader.isSound("first_image", "sha256"), !(1...last - first + 1).contains(digests.count) {
      reader.report("sha256", "expected 1 to \(last - first + 1) digests, found \(digests.count)")
    }
    try reader.finish()
    let images = first...(first + digests.count - 1)
    return UnitRecord(unit: WorkUnit(number: unit, images: images), run: run, digests: digests)
  }
}
