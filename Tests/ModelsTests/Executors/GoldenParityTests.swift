import Models
import TestSupport
import Tensors
import Testing

/// An executor under the parity contract: how it is made, and the relative error it may show.
struct ParityContract: CustomTestStringConvertible, Sendable {
  let name: String
  let tolerance: Double
  let make: @Sendable (Model) throws -> any Executor
  var testDescription: String { name }

  /// Every executor that computes in Float. Tolerances are the project's promise; PyTorch's own Float rounding is about
  /// 1e-6 of the largest output in these networks.
  static let all: [ParityContract] = [
    ParityContract(name: "reference", tolerance: 1e-5) { try ReferenceExecutor($0) },
    ParityContract(name: "float", tolerance: 1e-4) { try FloatExecutor($0) },
    ParityContract(name: "winograd", tolerance: 1e-4) { try FloatExecutor($0, winograd: true) },
  ]
}

@Suite struct GoldenParityTests {
  @Test(arguments: ParityContract.all, GoldenNetwork.all)
  func agreesWithTheReferenceImplementation(_ contract: ParityContract, _ network: GoldenNetwork) throws {
    let (input, y) = try network.call()
    let found = try contract.make(network.model()).run(input)
    let error = relativeError(found, y)
    #expect(error <= contract.tolerance, "\(network.path): \(error)")
  }
}
