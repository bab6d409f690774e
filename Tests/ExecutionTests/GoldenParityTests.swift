import Tensors
import TestSupport
import Testing

@Suite struct GoldenParityTests {
  @Test(arguments: ParityContract.all, GoldenNetwork.all)
  func agreesWithTheReferenceImplementation(_ contract: ParityContract, _ network: GoldenNetwork) throws {
    let (input, y) = try network.call()
    let found = try contract.make(network.model()).run(input)
    let error = relativeError(found, y)
    #expect(error <= contract.tolerance, "\(network.path): \(error)")
  }
}
