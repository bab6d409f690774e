import Foundation
internal import Tensors

/// Why something could not be done. Every function of this module throws either this or `CancellationError`.
///
/// The text says what failed, where, what was expected and what was found; it is that of the command line, and
/// `identifier` is stable, so that a program may tell one error from another.
public struct PipelineError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Whose matter an error is.
  public enum Kind: Sendable, Equatable {
    /// An argument that is unknown or cannot be used, or arguments that exclude each other.
    case usage
    /// A file that is malformed, unsupported, or over a limit.
    case refusedInput
    /// Another process works in the same place, or something else stands there.
    case conflict
    /// Disk, memory, processes or descriptors ran out.
    case resource
    /// A defect of this package.
    case internalError
  }

  /// A stable name, such as `E-NOT-FOUND`.
  public let identifier: String
  public let kind: Kind
  /// One or more lines: what failed, where, what was expected and what was found.
  public let message: String
  /// One line that says what to do, where there is something to do. Options are called as on the command line.
  public let remedy: String?

  public var description: String {
    let first = "error[\(identifier)]: \(message)"
    return remedy.map { "\(first)\nhint: \($0)" } ?? first
  }
}

extension PipelineError: LocalizedError {
  public var errorDescription: String? { message }
  public var recoverySuggestion: String? { remedy }
}

extension PipelineError {
  init(_ error: any HalftoneError) {
    identifier = error.id
    message = error.message
    remedy = error.hint
    kind =
      switch error.exit {
      case .usage: .usage
      case .refusedInput: .refusedInput
      case .conflict: .conflict
      case .resource: .resource
      case .success, .gateFailed, .internalError, .resumable, .hungUp, .interrupted, .terminated: .internalError
      }
  }

  /// What a caller sees of an error: cancellation as it is, everything else as one of these.
  static func translated(_ error: any Error) -> any Error {
    switch error {
    case is CancellationError, is PipelineError: error
    case let error as any HalftoneError: PipelineError(error)
    default: PipelineError(unexpected: error)
    }
  }

  private init(unexpected error: any Error) {
    identifier = "E-INTERNAL"
    kind = .internalError
    message = "\(error)"
    remedy = "this is a defect of Halftone; please report it"
  }
}

/// An argument outside of what is possible.
struct ArgumentError: HalftoneError, Equatable {
  let name: String
  let found: String
  let expected: String
  var id: String { "E-USAGE" }
  var exit: ExitStatus { .usage }
  var message: String { "\(name) is \(found), expected \(expected)" }

  /// Refuses a number outside of a range.
  static func require<Number: Comparable>(_ value: Number?, in range: ClosedRange<Number>, _ name: String) throws {
    guard let value, !range.contains(value) else { return }
    throw ArgumentError(name: name, found: "\(value)", expected: "\(range.lowerBound) to \(range.upperBound)")
  }
}
