import Tensors

/// Everything that keeps a checkpoint from fitting a network.
package struct WeightsError: HalftoneError, Equatable {
  package enum Problem: Sendable, Equatable {
    case missing(name: String, dims: [Int])
    case unexpected(name: String, dims: [Int])
    case shape(name: String, expected: [Int], found: [Int])
    case elementType(name: String, found: ElementType)
    case notFinite(name: String, value: Float, position: Int, count: Int)

    var text: String {
      switch self {
      case .missing(let name, let dims): "missing: \(name) \(dims)"
      case .unexpected(let name, let dims): "unexpected: \(printable(name)) \(dims)"
      case .shape(let name, let expected, let found): "\(name): expected shape \(expected), found \(found)"
      case .elementType(let name, let found): "\(name): expected F64, F32, F16 or BF16, found \(found.rawValue)"
      case .notFinite(let name, let value, let position, let count):
        "\(name): \(count == 1 ? "1 value is" : "\(count) values are") not finite, first \(value) at index \(position)"
      }
    }
  }

  package let file: String
  package let problems: [Problem]

  package var id: String { "E-WEIGHTS" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String {
    "\(printable(file)) does not fit the network:\n  " + listed(problems.lazy.map(\.text))
  }
  package var hint: String? {
    "check that the configuration and the weights belong together and that the file is complete"
  }
}
