/// How the process ends. Values are documented in docs/cli.md; scripts depend on them.
package enum ExitStatus: Int32, Sendable {
  /// Done, outputs verified.
  case success = 0
  /// Completed, but a requested gate failed (`--require-…`, a failing self-test).
  case gateFailed = 1
  /// Unknown option or name, impossible combination.
  case usage = 2
  /// An input was refused: malformed, unsupported or over a limit.
  case refusedInput = 3
  /// The run folder belongs to another configuration or another process.
  case conflict = 4
  /// Disk, memory or descriptors ran out.
  case resource = 5
  /// A defect of Halftone itself; never used for bad input.
  case internalError = 70
  /// Stopped at a safe point; running the same command again goes on.
  case resumable = 75
  /// Stopped by SIGHUP, SIGINT or SIGTERM at a safe point (128 + signal, as shells report it); resumable as well.
  case hungUp = 129, interrupted = 130, terminated = 143
}

/// An error a user can cause or meet: what failed, where, what was expected and found, what to do.
///
/// Each module has one error enum whose cases carry data; the wording stands in that enum's `message` and `hint`, nowhere else.
package protocol HalftoneError: Error, Sendable, CustomStringConvertible {
  /// Stable identifier such as `E-ST-OVERLAP`, for scripts and for the malformed-input corpus.
  var id: String { get }
  var exit: ExitStatus { get }
  /// One or more lines: what failed, where, expected and found.
  var message: String { get }
  /// One line that says what to do, where there is something to do.
  var hint: String? { get }
}

extension HalftoneError {
  package var hint: String? { nil }
  package var description: String {
    let first = "error[\(id)]: \(message)"
    return hint.map { "\(first)\nhint: \($0)" } ?? first
  }
}

/// How many problems of one kind a message shows.
package let listedLimit = 20

/// Problems or names one below the other: the first `listedLimit`, and how many more there are, so that no input decides how
/// long a message is.
package func listed(_ lines: some Collection<String>) -> String { listedLines(lines).joined(separator: "\n  ") }

/// The first `listedLimit` of `lines`, and a line that counts the rest.
package func listedLines(_ lines: some Collection<String>) -> [String] {
  Array(lines.prefix(listedLimit)) + (lines.count > listedLimit ? ["… and \(lines.count - listedLimit) more"] : [])
}

/// Bytes of a name that is not UTF-8, made safe to print: ASCII as it is, other bytes as \xE9, long names shortened.
package func printable(bytes: [UInt8], limit: Int = 200) -> String {
  let text = bytes.prefix(limit).map { byte in
    (0x20..<0x7f).contains(byte)
      ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
  }
  return text.joined() + (bytes.count > limit ? "…" : "")
}

/// Text from a file or the command line made safe to print: control characters escaped, long text shortened.
package func printable(_ text: String, limit: Int = 200) -> String {
  var out = ""
  for (position, scalar) in text.unicodeScalars.enumerated() {
    if position == limit { return out + "…" }
    if scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029 {
      out += "\\u{" + String(scalar.value, radix: 16) + "}"
    } else {
      out.unicodeScalars.append(scalar)
    }
  }
  return out
}
