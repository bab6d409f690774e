import Tensors

/// What keeps a file of weights from being a network that is known here.
package enum CheckpointError: HalftoneError, Equatable {
  /// The family that comes nearest.
  package struct Partial: Sendable, Equatable {
    package let family: String
    package let found: [String]
    package let missing: [String]
  }

  case unknown(file: String, families: [String], nearest: Partial?, examples: [String], count: Int)
  /// A kind of model that is recognised and not supported.
  case unsupported(file: String, kind: String)
  /// Names that follow a family's style but make no network of it.
  case structure(file: String, family: String, problems: [String])
  /// Contradictions, and hyper-parameters that nobody tells.
  case hyperparameters(file: String, family: String, problems: [String])

  package var id: String {
    switch self {
    case .unknown: "E-CHECKPOINT-FAMILY"
    case .unsupported: "E-CHECKPOINT-KIND"
    case .structure: "E-CHECKPOINT-STRUCTURE"
    case .hyperparameters: "E-CHECKPOINT-CONFIG"
    }
  }

  package var exit: ExitStatus { .refusedInput }

  package var message: String {
    switch self {
    case .unknown(let file, let families, let nearest, let examples, let count):
      "\(printable(file)) holds no network that is known here"
        + (nearest.map {
          "\n  nearest: \($0.family), which it has \($0.found.joined(separator: ", ")) of, but not "
            + $0.missing.joined(separator: ", ")
        } ?? "")
        + "\n  found: \(count) arrays, \(examples.map { printable($0) }.joined(separator: ", "))\(count > examples.count ? ", …" : "")"
        + "\n  known: \(families.joined(separator: ", "))"
    case .unsupported(let file, let kind): "\(printable(file)) holds \(kind)"
    case .structure(let file, let family, let problems):
      "\(printable(file)) looks like \(family), but:\n  " + problems.joined(separator: "\n  ")
    case .hyperparameters(let file, let family, let problems):
      "\(printable(file)) (\(family)):\n  " + problems.joined(separator: "\n  ")
    }
  }

  package var hint: String? {
    switch self {
    case .unknown, .unsupported: "docs/checkpoints.md lists the files that load"
    case .structure: "check that the file is complete"
    case .hyperparameters: "the configuration must be the one that the weights were trained with"
    }
  }
}
