import Formats
import Foundation
import Synchronization
import Tensors

/// Standard output cannot be written.
package struct ConsoleError: HalftoneError, Equatable {
  package let code: Int32
  package var id: String { "E-STDOUT" }
  package var exit: ExitStatus { .resource }
  package var message: String { "standard output cannot be written: \(String(cString: strerror(code)))" }
}

/// Where a command speaks: results on standard output, progress and notes on standard error.
package struct Console: Sendable {
  /// No progress and no notes; results and errors still appear.
  package let isQuiet: Bool

  private let notes = Notes()
  /// Who is told instead of the terminal; nil for a command.
  let listener: ConsoleListener?

  package init(quiet: Bool = false) {
    self.isQuiet = quiet
    listener = nil
  }

  /// Of a program that uses these modules: nothing is written to its standard output and standard error.
  package init(listener: ConsoleListener) {
    isQuiet = true
    self.listener = listener
  }

  /// Writes one result and a line feed to standard output. A reader that has gone away (`| head`) is no error: the
  /// command goes on without it (SIGPIPE is ignored, see `ProcessSetup`).
  package func result(_ text: String) throws(ConsoleError) {
    if let listener { return listener.note(text) }
    try result(bytes: Array((text + "\n").utf8))
  }

  /// Writes one result as JSON. Everything that was noted so far stands under `notes`, behind those that the result has there itself
  /// and but for what its `warnings` say, so that a program is told what a person is, and told it under `--quiet` too.
  package func result(json value: ConfigurationValue) throws {
    guard case .map(let entries) = value else { return try result(JSONWriter.compact(value)) }
    let own = Self.texts(value["notes"])
    let said = Set(own + Self.texts(value["warnings"]).map { Self.warningPrefix + $0 })
    let noted = notes.texts.map { $0.hasPrefix(Self.notePrefix) ? String($0.dropFirst(Self.notePrefix.count)) : $0 }
    let all = own + noted.filter { !said.contains($0) }
    let others = entries.filter { $0.key != "notes" }
    try result(JSONWriter.compact(.map(others + [.init("notes", .list(all.map { .string($0) }))])))
  }

  private static func texts(_ value: ConfigurationValue?) -> [String] {
    guard case .list(let items)? = value else { return [] }
    return items.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }

  private func result(bytes: [UInt8]) throws(ConsoleError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress! + written, $0.count - written) }
      if count >= 0 {
        written += count
      } else if errno == EPIPE {
        return
      } else if errno != EINTR {
        throw ConsoleError(code: errno)
      }
    }
  }

  /// Whether standard output leads to somebody: false where it is a pipe that is not read any more.
  static var hasReader: Bool {
    var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
    return poll(&output, 1, 0) <= 0 || output.revents & Int16(POLLERR | POLLNVAL) == 0
  }

  /// One line about what is going on, on standard error and in results printed as JSON.
  package func note(_ text: String) {
    notes.add(text)
    listener?.note(text)
    if !isQuiet { Self.standardError(text + "\n") }
  }

  private static let notePrefix = "note: "
  private static let warningPrefix = "warning: "

  /// A note about something that a result should be read with.
  package func warn(_ text: String) { note(Self.warningPrefix + text) }

  /// The same, one after another.
  package func notes(_ texts: [String]) { texts.forEach { note(Self.notePrefix + $0) } }

  /// Never fails: nobody is left to tell.
  package static func standardError(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// Whether standard error is a terminal that can redraw a line.
  package static var redrawsStandardError: Bool {
    isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  }

  /// Columns of the terminal on standard error; 80 where it does not say.
  package static var columns: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}

/// A program that wants to hear what a command would say.
package struct ConsoleListener: Sendable {
  let note: @Sendable (String) -> Void
  let progress: @Sendable (_ stage: String, _ unit: String, _ done: Double, _ total: Int) -> Void

  /// - Parameters: note: of notes, warnings and results; progress: of every change, however small.
  package init(
    note: @escaping @Sendable (String) -> Void,
    progress: @escaping @Sendable (_ stage: String, _ unit: String, _ done: Double, _ total: Int) -> Void
  ) {
    self.note = note
    self.progress = progress
  }
}

/// What a command has said beside its results, in order.
private final class Notes: Sendable {
  /// A command says a handful of things; no input makes it a million.
  private static let limit = 1000

  private let lines = Mutex<[String]>([])

  func add(_ text: String) {
    lines.withLock { lines in
      if lines.count < Self.limit { lines.append(text) }
    }
  }

  var texts: [String] { lines.withLock { $0 } }
}
