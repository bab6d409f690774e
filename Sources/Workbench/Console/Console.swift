import Foundation
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

  package init(quiet: Bool = false) { self.isQuiet = quiet }

  /// Writes one result and a line feed to standard output. A reader that has gone away (`| head`) is no error: the
  /// command goes on without it (SIGPIPE is ignored, see `ProcessSetup`).
  package func result(_ text: String) throws(ConsoleError) { try result(bytes: Array((text + "\n").utf8)) }

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

  /// One line about what is going on, on standard error.
  package func note(_ text: String) { if !isQuiet { Self.standardError(text + "\n") } }

  /// The same, one after another.
  package func notes(_ texts: [String]) { texts.forEach { note("note: \($0)") } }

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
