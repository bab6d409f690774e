import Execution
import Graphs
import Quantization
import Synchronization
import Tensors
import TestSupport
import Testing

/// Networks that cannot be calibrated are refused before any stage runs.
@Suite struct BadNetworkTests {
  private func refusal(_ change: (inout [String: Tensor]) -> Void) throws -> (any Error)? {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    var parameters = tiny.model.parameters
    change(&parameters)
    let task = try QuantizationTask(
      model: Model(graph: tiny.model.graph, parameters: parameters), recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { _ in Issue.record("a stage was begun") })
    return thrownError { _ = try task.run() }
  }

  @Test("an input that is zero throughout is noted, and has a grid that holds zero") func dead() throws {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    var parameters = tiny.model.parameters
    // A norm without scale or shift leaves zeros for the convolution behind it.
    for name in ["weight", "bias"] {
      let full = "down_blocks.0.resnets.0.norm2.\(name)"
      parameters[full] = Tensor(parameters[full]!.dims)
    }
    let notes = Mutex<[String]>([])
    let task = try QuantizationTask(
      model: Model(graph: tiny.model.graph, parameters: parameters), recipe: recipe,
      set: try tiny.calibrationSet(recipe.calibration, steps: 2),
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { _ in }, note: { note in notes.withLock { $0.append(note) } })
    let network = try task.run()
    #expect(
      notes.withLock { $0 } == [
        "note: 1 inputs are one value throughout, as those of a pruned block are, and say nothing about their range: "
          + "down_blocks.0.resnets.0.conv2:input"
      ])
    let rows = try #require(
      network.table.activations[Site(node: "down_blocks.0.resnets.0.conv2", role: .input)]?.rows)
    var zero: [Float] = [0]
    rows[0].simulate(&zero, channelStride: 1, channelCount: 1)
    #expect(zero == [0])
  }

  @Test("values that are not finite are named with their step") func broken() throws {
    let error =
      try refusal { parameters in
        let name = "up_blocks.1.resnets.1.norm2.bias"
        parameters[name] = Tensor(parameters[name]!.dims, [Float](repeating: .nan, count: parameters[name]!.count))
      } as? QuantizationError
    #expect(error?.id == "E-QUANT-ACTIVATION")
    #expect(
      error?.message == """
        NaN or infinite activations at sampling step 0 while the network was tried:
          conv_out:input
          up_blocks.1.resnets.1.conv2:input
        """)
  }
}
