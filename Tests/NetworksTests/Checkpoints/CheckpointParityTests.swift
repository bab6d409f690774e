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
  @Test(arguments: ["f1-ddim-cifar", "f2-guided-legacy-updown-class", "f3-ldm-cin256", "f5-sd1"])
  func epsilonsAreTheOriginals(_ folder: String) throws {
    let checkpoint = try GoldenCheckpoint.named(folder)
    // Normalisations and tables of all programs.
    let kept = ["in_layers.0.", "out_layers.0.", "norm", "label_emb."]
    let model = try checkpoint.model { name, tensor in
      guard !kept.contains(where: name.contains), !name.hasPrefix("out.0."), var values = tensor.floats() else {
        return tensor
      }
      for i in values.values.indices { values.values[i] /= 64 }
      return StoredTensor(values)
    }
    let (input, expected) = try checkpoint.call("io_eps.npz")
    #expect(relativeError(try FloatExecutor(model).run(input), expected) < 1e-4)
    #expect(relativeError(try ReferenceExecutor(model).run(input), expected) < 1e-4)
  }

  /// A training checkpoint holds both sets of weights; each gives its own result.
  @Test(arguments: [("f1-ddim-trainlist", "y_raw"), ("f3-ldm4-uncond", "out_raw")])
  func averagedAndRawWeightsAreTwoNetworks(_ folder: String, _ key: String) throws {
    let checkpoint = try GoldenCheckpoint.named(folder)
    let (input, averaged) = try checkpoint.call()
    let raw = try checkpoint.call(result: key).result
    let found = try FloatExecutor(checkpoint.model(.raw)).run(input)
    #expect(relativeError(found, raw) < 5e-5)
    #expect(relativeError(found, averaged) > 0.1)
  }

  /// The other order of queries, keys and values, and other heads, are far off: the tests above can tell them.
  @Test func anotherOrderOrOtherHeadsShow() throws {
    let checkpoint = try GoldenCheckpoint.named("f2-guided-neworder")
    let (input, expected) = try checkpoint.call()
    for options in [CheckpointOptions(qkvOrder: .legacy), CheckpointOptions(heads: 8)] {
      let reading = try CheckpointCatalog.read(
        checkpoint.contents(), document: CheckpointDocument(file: "flags.json", value: checkpoint.settings()),
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
