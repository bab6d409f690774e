import Execution
import Formats
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct ConvClassifierTests {
  private func file(_ name: String) -> String { Fixtures.path("../../models/fashion-mnist-classifier/\(name)") }

  @Test(arguments: ParityContract.all)
  func featuresAndLogitsAreTheReferenceImplementations(_ contract: ParityContract) throws {
    let io = try NPZ.read(file("io.npz"))
    let stored = try #require(io.tensors["images"])
    let pixels = try #require(stored.integers(UInt8.self))
    let x = Tensor([stored.dims[0], 1, 28, 28], pixels.map { Float($0) / 127.5 - 1 })
    let weights = try Safetensors.read(file("model.safetensors"))
    let whole = try Model.load(graph: ConvClassifier.graph(.logits), archive: weights)
    for (output, name) in [(ConvClassifier.Output.features, "features"), (.logits, "logits")] {
      let model = whole.part(ConvClassifier.graph(output))
      let found = try contract.make(model).run(NetworkInput(images: x))
      let expected = try #require(io.tensors[name]?.floats())
      #expect(relativeError(found, expected) <= contract.tolerance, "\(name)")
    }
    #expect(
      ConvClassifier.graph(.features).nodes[ConvClassifier.graph(.features).output].dims == [
        ConvClassifier.featureCount
      ])
  }

  @Test func nothingInItDependsOnTime() {
    let graph = ConvClassifier.graph(.logits)
    #expect(graph.inputs.map(\.meaning) == [.sample])
    #expect(GraphSummary(graph).temporalMembers.isEmpty)
  }
}
