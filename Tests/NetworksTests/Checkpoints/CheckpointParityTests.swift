import Execution
import Formats
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// Networks from the original programs' files compute what those programs compute.
@Suite struct CheckpointParityTests {
  @Test(arguments: GoldenCheckpoint.all)
  func resultsAreTheOriginals(_ checkpoint: GoldenCheckpoint) throws {
    let model = try checkpoint.model()
    let (input, expected) = try checkpoint.call()
    for executor in ParityContract.all {
      let found = try executor.make(model).run(input)
      try #require(found.dims == expected.dims)
      let difference = zip(found.values, expected.values).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference < (executor.name == "winograd" ? 2e-4 : 5e-5), "\(executor.name): \(difference)")
    }
  }

  /// With weights of 1/64 of their size a wrong epsilon changes a tenth of the output.
  @Test func epsilonsAreTheOriginals() throws {
    let checkpoint = try GoldenCheckpoint.named("f2-guided-legacy-updown-class")
    let norms = ["in_layers.0.", "out_layers.0.", "out.0.", ".norm.", "label_emb."]
    let model = try checkpoint.model { name, tensor in
      guard !norms.contains(where: name.contains), var values = tensor.floats() else { return tensor }
      for i in values.values.indices { values.values[i] /= 64 }
      return StoredTensor(values)
    }
    let (input, expected) = try checkpoint.call("io_eps.npz")
    #expect(relativeError(try FloatExecutor(model).run(input), expected) < 1e-4)
    #expect(relativeError(try ReferenceExecutor(model).run(input), expected) < 1e-4)
  }

  /// The other order of queries, keys and values, and other heads, are far off: the tests above can tell them.
  @Test func anotherOrderOrOtherHeadsShow() throws {
    let checkpoint = try GoldenCheckpoint.named("f2-guided-neworder")
    let (input, expected) = try checkpoint.call()
    for options in [CheckpointOptions(qkvOrder: .legacy), CheckpointOptions(heads: 8)] {
      let reading = try CheckpointCatalog.read(
        checkpoint.source(), document: CheckpointDocument(file: "flags.json", value: checkpoint.settings()),
        options: options)
      let model = try Model.load(
        graph: reading.configuration.graph(), from: checkpoint.source(), layout: reading.layout)
      #expect(relativeError(try FloatExecutor(model).run(input), expected) > 0.1)
    }
  }

  @Test(arguments: GoldenCheckpoint.all)
  func configurationsAreWrittenAndReadAgain(_ checkpoint: GoldenCheckpoint) throws {
    let configuration = try checkpoint.reading().configuration
    let text = JSONWriter.compact(configuration.encoded)
    let again = try UNetCatalog.decode(JSON.parse(Array(text.utf8), file: "again"), file: "again")
    #expect(again.encoded == configuration.encoded)
    #expect(again.plan == configuration.plan)
  }
}
