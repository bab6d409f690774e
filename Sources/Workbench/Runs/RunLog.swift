import Formats
import Foundation
import Logging
import Tensors

/// `log.jsonl` of a run folder: one JSON object a line, appended whole, so that lines of a killed process stay readable.
package struct RunLog: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var logLevel: Logger.Level = .info
  private let file: LogFile

  /// A logger that appends to `path`. Once it is open, a log that cannot be written never stops the work.
  /// - Throws: `FormatError` when `path` is no regular file or cannot be opened.
  package static func logger(appendingTo path: String) throws -> Logger {
    let handler = RunLog(file: try LogFile(path: path))
    return Logger(label: "halftone") { _ in handler }
  }

  private init(file: LogFile) { self.file = file }

  package subscript(metadataKey key: String) -> Logger.MetadataValue? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var fields: [ConfigurationValue.Entry] = [
      .init("time", .string(Date().formatted(.iso8601))), .init("level", .string(event.level.rawValue)),
      .init("event", .string("\(event.message)")),
    ]
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    fields += all.sorted { $0.key < $1.key }.map { .init($0.key, .string("\($0.value)")) }
    file.append(JSONWriter.compact(.map(fields)) + "\n")
  }
}

/// A file opened for appending.
private final class LogFile: Sendable {
  private let descriptor: Int32
  init(path: String) throws { descriptor = try PlainFile.open(path, O_WRONLY | O_CREAT | O_APPEND) }
  deinit { close(descriptor) }

  /// One `write` a line: O_APPEND keeps lines of several processes apart.
  func append(_ line: String) {
    let bytes = Array(line.utf8)
    _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
  }
}
