import Tensors

extension Recipe {
  /// What widths a search may choose from, and what they may cost together.
  package struct MixedPrecision: Sendable, Equatable {
    package var budget: Budget
    /// Of the float network's cost.
    package var share: Double
    /// Descending; 32 is float.
    package var weightBits: [Int]
    package var activationBits: [Int]
    /// Calibration samples that errors are measured on, spread over the steps.
    package var samples: Int
  }

  /// What is counted.
  package enum Budget: String, Sendable, CaseIterable {
    /// Of the artefact's parameters, as they are stored.
    case bytes
    /// Multiply-accumulates times the bits of both operands, of one call.
    case bitOperations = "bit_operations"
    /// Multiply-accumulates, those in float counted by how much longer they take.
    case time
  }
}

extension Recipe.MixedPrecision {
  /// The width of what stays float.
  package static let float = 32

  init(_ reader: ConfigurationReader) {
    budget = reader.choice("budget")
    share = reader.double("share", in: 0...1)
    weightBits = Self.widths(reader, "weight_bits")
    activationBits = Self.widths(reader, "activation_bits")
    samples = reader.int("samples", in: 1...65536)
  }

  private static func widths(_ reader: ConfigurationReader, _ key: String) -> [Int] {
    let found = reader.ints(key, in: 2...float)
    let isSound = !found.isEmpty && Set(found).count == found.count && found.allSatisfy { $0 <= 8 || $0 == float }
    if !isSound, reader.isSound(key) {
      reader.report(key, "expected different widths from 2 to 8, or 32 for float, found \(found)")
    }
    return isSound ? found.sorted(by: >) : [8]
  }

  func encode() -> ConfigurationValue {
    [
      "budget": .string(budget.rawValue), "share": .number(share),
      "weight_bits": .list(weightBits.map { .integer($0) }),
      "activation_bits": .list(activationBits.map { .integer($0) }), "samples": .integer(samples),
    ]
  }
}
