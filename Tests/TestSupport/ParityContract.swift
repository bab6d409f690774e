import Execution
import Graphs
import Testing

/// An executor under the parity contract: how it is made, and the relative error it may show.
package struct ParityContract: CustomTestStringConvertible, Sendable {
  package let name: String
  package let tolerance: Double
  package let make: @Sendable (Model) throws -> any Executor
  package var testDescription: String { name }

  /// Every executor that computes in Float. Tolerances are the project's promise; PyTorch's own Float rounding is about
  /// 1e-6 of the largest output in these networks.
  package static let all: [ParityContract] = [
    ParityContract(name: "reference", tolerance: 1e-5) { try ReferenceExecutor($0) },
    ParityContract(name: "float", tolerance: 1e-4) { try FloatExecutor($0) },
    ParityContract(name: "winograd", tolerance: 1e-4) { try FloatExecutor($0, winograd: true) },
  ]
}
