import Formats
import Foundation
import Tensors

/// A report on the disk: the page, and beside it the same content as JSON. Where a command has a report of its own in that
/// file, its keys stay as they are and the page's stand under `report`.
package enum ReportFile {
  static let pageEnding = ".html"
  private static let dataEnding = ".json"
  private static let key = "report"
  static let recipesKey = "recipes"
  static let sizeLimit = 256 << 20

  /// The data that belongs to a page.
  package static func dataPath(of page: String) -> String {
    (page.hasSuffix(pageEnding) ? String(page.dropLast(pageEnding.count)) : page) + dataEnding
  }

  /// Writes both files.
  /// - Parameters: recipes: of the quantised models, by name; own: the keys of the command's own report; nil keeps those that
  ///   are in the file.
  package static func write(
    _ document: ReportDocument, recipes: [(name: String, recipe: ConfigurationValue)], own: ConfigurationValue? = nil,
    page: String
  ) throws {
    let path = dataPath(of: page)
    var entries: [ConfigurationValue.Entry] = []
    let before = try? JSON.read(path, limit: sizeLimit)
    if case .map(let found)? = own ?? before { entries = found.filter { $0.key != key && $0.key != recipesKey } }
    if entries.isEmpty { entries = [.init("schema", .integer(ReportDocument.currentSchema))] }
    // Of a model that is not at hand any more, what was known of it.
    let known = document.variants.compactMap { variant -> ConfigurationValue.Entry? in
      let recipe = recipes.first { $0.name == variant.name }?.recipe ?? before?[recipesKey]?[variant.name]
      return recipe.map { .init(variant.name, $0) }
    }
    entries.append(.init(recipesKey, .map(known)))
    entries.append(.init(key, try value(of: document)))
    try AtomicFile.write(JSONWriter.pretty(.map(entries)), to: path)
    try AtomicFile.write(ReportPage(document).html(dataFile: fileName(of: path)), to: page)
  }

  /// The document as JSON holds it.
  package static func value(of document: ReportDocument) throws -> ConfigurationValue {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    return try JSON.parse(Array(encoder.encode(document)), file: key)
  }

  /// The document of a data file; nil where the file is absent or holds none that this version wrote: it is then made again.
  package static func read(_ path: String) -> ReportDocument? {
    guard Folder.kind(of: path) == .file, let value = try? JSON.read(path, limit: sizeLimit) else { return nil }
    return try? document(in: value, file: path)
  }

  /// - Throws: `E-REPORT-FILE` where the value is no report's data, or another version's; it names the first place that does
  ///   not fit.
  package static func document(in value: ConfigurationValue, file: String) throws(ReportError) -> ReportDocument {
    guard let found = value[key] else { throw .notAReport(path: file, problem: "it lacks the key \(key)") }
    if case .integer(let schema)? = found["schema"], schema != ReportDocument.currentSchema {
      throw .notAReport(
        path: file, problem: "its schema is \(schema); this version knows schema \(ReportDocument.currentSchema)")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let document: ReportDocument
    do {
      document = try decoder.decode(ReportDocument.self, from: Data(JSONWriter.compact(found).utf8))
    } catch {
      throw .notAReport(path: file, problem: problem(error))
    }
    let problems = document.problems
    if !problems.isEmpty { throw .notAReport(path: file, problem: listed(problems.map { printable($0) })) }
    return document
  }

  private static func problem(_ error: any Error) -> String {
    let (context, what): (DecodingError.Context, String)
    switch error as? DecodingError {
    case .keyNotFound(let missing, let found):
      (context, what) = (found, "the key \(printable(missing.stringValue)) is missing")
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found):
      (context, what) = (found, "another kind of value is expected")
    case .some, nil: return "it cannot be read"
    }
    let place = context.codingPath.reduce(key) { place, part in
      place + (part.intValue.map { "[\($0)]" } ?? ".\(printable(part.stringValue))")
    }
    return "\(place): \(what)"
  }
}
