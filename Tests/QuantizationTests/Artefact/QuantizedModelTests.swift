import Diffusion
import Execution
import Formats
import Foundation
import Graphs
import Networks
import Quantization
import Tensors
import TestSupport
import Testing

/// A quantised tiny network: 4-bit weights, tables of all three kinds.
private func sample(bits: Int = 4) throws -> QuantizedModel {
  let tiny = try TinyModel(classes: 3)
  var recipe = try Recipe.plain()
  recipe.method = "tfmq"
  recipe.activationTables = .temporalBlock
  recipe.weights = .init(bits: bits, symmetric: bits == 8, range: .minMax, rounding: .nearest, biasCorrection: false)
  recipe.floatLayers = [SitePattern("conv_in")!]
  let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
  return try tiny.artefact(recipe, set, tiny.task(recipe, set).run())
}

@Suite struct QuantizedModelTests {
  @Test("an artefact survives its file bit for bit", arguments: [2, 3, 4, 5, 8]) func roundTrip(bits: Int) throws {
    let model = try sample(bits: bits)
    let bytes = Safetensors.encode(model.archive())
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      try Safetensors.write(model.archive(), to: path)
      let archive = try Safetensors.read(path)
      let header = try JSON.parse(Array(archive.metadata[QuantizedModel.metadataKey]!.utf8), file: path)
      let read = try QuantizedModel(tensors: archive.tensors, header: header, file: path)
      #expect(read == model)
      #expect(Safetensors.encode(read.archive()) == bytes)
    }
  }

  @Test("a file of schema version 1 is read, and written as version 2 with the same arrays") func versionOne() throws {
    let path = Fixtures.path("artefacts/schema-1.safetensors")
    let archive = try Safetensors.read(path)
    let header = try JSON.parse(Array(try #require(archive.metadata[QuantizedModel.metadataKey]).utf8), file: path)
    #expect(header["schema_version"] == 1)
    let model = try QuantizedModel(tensors: archive.tensors, header: header, file: path)
    #expect(model.sampleShape == nil && model.correction != nil && model.table.dependsOnStep)
    let graph = try UNetCatalog.decode(model.network, file: path).graph()
    let test = try #require(model.selfTest)
    let rebuilt = try model.model(graph: graph, file: path)
    let found = try IntegerExecutor(rebuilt, table: model.table).run(
      NetworkInput(x: test.x, at: model.steps[test.stepIndex], conditioning: test.conditioning))
    #expect(found == test.expected)
    let (tensors, written) = model.encode()
    #expect(written["schema_version"] == 2 && tensors == archive.tensors)
    #expect(try QuantizedModel(tensors: tensors, header: written, file: "again") == model)
  }

  @Test("the model rebuilt from an artefact runs its self-test") func selfTest() throws {
    let model = try sample()
    let graph = try TinyModel(classes: 3).model.graph
    let rebuilt = try model.model(graph: graph, file: "m.safetensors")
    let test = try #require(model.selfTest)
    let result = try ReferenceExecutor(rebuilt, simulating: model.table).run(
      NetworkInput(
        x: test.x, timesteps: [model.steps[test.stepIndex].timestep], conditioning: test.conditioning,
        stepIndex: test.stepIndex))
    #expect(result == test.expected)
    // Weights that are codes are not stored as floats too.
    #expect(model.table.weights.keys.allSatisfy { model.parameters["\($0).weight"] == nil })
    #expect(model.parameters["conv_in.weight"] != nil)
  }

  @Test("an artefact of another network is refused with everything that differs") func otherGraph() throws {
    let model = try sample()
    let graph = try TinyModel().model.graph
    let error = thrownError { _ = try model.model(graph: graph, file: "m.safetensors") } as? QuantizationError
    #expect(error?.id == "E-QM-GRAPH")
    #expect(error?.message.hasPrefix("m.safetensors: the artefact does not fit the network that it names:\n  ") == true)
    #expect(error?.message.contains("class_embedding.weight: the network has no such parameter") == true)
    #expect(error?.message.contains("self_test.labels: expected none") == true)
    var incomplete = model
    incomplete.parameters["conv_in.weight"] = Tensor([4, 1, 3, 2])
    incomplete.parameters["conv_in.bias"] = nil
    let own = try TinyModel(classes: 3).model.graph
    let other = thrownError { _ = try incomplete.model(graph: own, file: "m.safetensors") } as? QuantizationError
    #expect(
      other?.message == """
        m.safetensors: the artefact does not fit the network that it names:
          conv_in.weight: expected shape [4, 1, 3, 3], found [4, 1, 3, 2]
          conv_in.bias: missing
        """)
  }
}

/// A change to a sound artefact, and what must be said about it.
struct Damage: Sendable, CustomTestStringConvertible {
  let key: String
  let value: ConfigurationValue?
  let message: String
  init(_ key: String, _ value: ConfigurationValue?, _ message: String) {
    (self.key, self.value, self.message) = (key, value, message)
  }
  var testDescription: String { "\(key) = \(value?.shown ?? "nothing")" }
}

@Suite struct MalformedArtefactTests {
  private func refusal(of header: ConfigurationValue, _ tensors: [String: StoredTensor]) -> String? {
    thrownError { _ = try QuantizedModel(tensors: tensors, header: header, file: "m") }.map { "\($0)" }
  }

  private func refusal(header change: (ConfigurationValue) -> ConfigurationValue) throws -> String? {
    let (tensors, header) = try sample().encode()
    return refusal(of: change(header), tensors)
  }

  private func refusal(arrays change: (inout [String: StoredTensor]) -> Void) throws -> String? {
    let (sound, header) = try sample().encode()
    var tensors = sound
    change(&tensors)
    return refusal(of: header, tensors)
  }

  /// The header with one key of the first entry of one of its lists changed.
  private func refusal(firstOf list: String, _ damage: Damage) throws -> String? {
    try refusal(header: { header in
      guard case .list(var items)? = header["components"]?["denoiser"]?[list] else { return header }
      items[0] = items[0].setting(damage.key, damage.value)
      return header.setting("components.denoiser.\(list)", .list(items))
    })
  }

  @Test("an undamaged artefact is accepted") func sound() throws { #expect(try refusal(header: { $0 }) == nil) }

  @Test(
    "headers",
    arguments: [
      Damage(
        "schema", "other", "E-QM-KIND]: m is not a quantised model of Halftone: its metadata names no such schema"),
      Damage(
        "schema_version", 3,
        "E-SCHEMA]: m has schema version 3, this program knows version 2\nhint: open it with a newer version of Halftone"
      ),
      Damage("schema_version", 0, "E-SCHEMA]: m has schema version 0, this program knows version 2"),
      Damage(
        "schema_version", "one", "E-QM-HEADER]: m: schema_version: expected an integer from 1 to 2, found \"one\""),
      Damage(
        "components.denoiser.network", nil,
        "E-QM-HEADER]: m: components.denoiser.network: expected a map, found nothing"),
      Damage(
        "components.denoiser.sample_shape", [1, 28],
        "E-QM-HEADER]: m: components.denoiser.sample_shape: expected channels, height and width, found 2 numbers"),
      Damage(
        "components.denoisers", [:], "E-QM-HEADER]: m: components.denoisers: unknown key (did you mean \"denoiser\"?)"),
      Damage("recipe", nil, "E-QM-HEADER]: m: recipe: missing; expected a map"),
      Damage(
        "recipe.method", "sorcery",
        "E-QM-HEADER]: m: recipe.method: expected one of rtn, ptq4dm, tfmq, qdiffusion, qdrop, gptq, mixed, halftone, found \"sorcery\""
      ),
      Damage(
        "steps", ["timesteps": [], "previous": []],
        """
        E-QM-HEADER]: m: steps: expected from 1 to 65536 timesteps and as many previous, found 0 and 0
          m: self_test: names sampling step 1 of 0
        """),
      Damage("self_test.step", 2, "E-QM-HEADER]: m: self_test: names sampling step 2 of 2"),
      Damage(
        "components.denoiser.table_classes", .null,
        "E-QM-HEADER]: m: components.denoiser.table_classes: expected a class count exactly where a table is step_label"
      ),
      Damage(
        "components.denoiser.table_classes", 0,
        "E-QM-HEADER]: m: components.denoiser.table_classes: expected an integer from 1 to 1000000, found 0"),
      Damage("lineage.program", nil, "E-QM-HEADER]: m: lineage.program: missing; expected a string"),
      Damage("surprise", 1, "E-QM-HEADER]: m: surprise: unknown key"),
      Damage(
        "components.denoiser.weights", nil,
        "E-QM-HEADER]: m: components.denoiser.weights: missing; expected a list of maps"),
    ]) func headers(damage: Damage) throws
  {
    let found = try refusal(header: { $0.setting(damage.key, damage.value) })
    #expect(found == "error[" + damage.message)
  }

  @Test(
    "entries of the weights",
    arguments: [
      Damage(
        "dims", [4],
        "m: components.denoiser.weights[0].dims: expected 2 to 4 dims of at most 2147483648 values, found [4]"),
      Damage(
        "dims", [16_777_216, 16_777_216, 16_777_216],
        "m: components.denoiser.weights[0].dims: expected 2 to 4 dims of at most 2147483648 values, found [16777216, 16777216, 16777216]"
      ),
      Damage(
        "dims", [0, 4], "m: components.denoiser.weights[0].dims[0]: expected an integer from 1 to 16777216, found 0"),
      Damage("bits", 1, "m: components.denoiser.weights[0].bits: expected an integer from 2 to 8, found 1"),
      Damage(
        "granularity", "per_row",
        "m: components.denoiser.weights[0].granularity: expected per_tensor, per_channel or a split, found \"per_row\""),
      Damage(
        "granularity", ["split": [3, 2]], "m: components.denoiser.weights[0].granularity: expected ascending boundaries"
      ),
      Damage(
        "node", "mid_block.resnets.0.conv1",
        "m: components.denoiser.weights: mid_block.resnets.0.conv1 stands there twice"),
    ]) func weightEntries(damage: Damage) throws
  {
    #expect(try refusal(firstOf: "weights", damage) == "error[E-QM-HEADER]: " + damage.message)
  }

  @Test(
    "entries of the activations",
    arguments: [
      Damage(
        "site", "conv:weight",
        "m: components.denoiser.activations[0].site: expected an activation's site such as conv1:input, found \"conv:weight\""
      ),
      Damage(
        "site", "conv",
        "m: components.denoiser.activations[0].site: expected an activation's site such as conv1:input, found \"conv\""),
      Damage(
        "table", "steps",
        "m: components.denoiser.activations[0].table: expected one of shared, step, step_label, branch, step_branch, found \"steps\" (did you mean \"step\"?)"
      ),
      Damage("columns", 2, "m: components.denoiser.activations[0].columns: expected 1 for per_tensor, found 2"),
      Damage(
        "granularity", ["split": [2]],
        "m: components.denoiser.activations[0].columns: expected 2 for the split, found 1"),
    ]) func activationEntries(damage: Damage) throws
  {
    #expect(try refusal(firstOf: "activations", damage) == "error[E-QM-HEADER]: " + damage.message)
  }

  @Test("arrays that are missing, unexpected or misshapen come together") func arrays() throws {
    let found = try refusal(arrays: { arrays in
      arrays["conv_out.weight.codes"] = nil
      arrays["conv_out.weight.scales"] = StoredTensor(Tensor([2], [1, 1]))
      arrays["conv_out.weight.zero_points"] = StoredTensor(dims: [1], [UInt8(0)])
      arrays["self_test.x"] = StoredTensor(dims: [1], [Int16(0)])
      arrays["surprise"] = StoredTensor(dims: [1], [Int16(0)])
    })
    #expect(
      found == """
        error[E-QM-TENSORS]: m: the arrays do not fit the header:
          missing: conv_out.weight.codes
          unexpected: surprise
          conv_out.weight.scales: expected F32 [1], found F32 [2]
          conv_out.weight.zero_points: expected I16 [1], found U8 [1]
          self_test.x: expected F32, found I16
        """)
  }

  /// An array that replaces a sound one.
  struct Replacement: Sendable {
    let name: String
    let array: StoredTensor
    let problem: String
  }

  @Test(
    "values that no quantiser holds",
    arguments: [
      Replacement(
        name: "conv_out.weight.scales", array: StoredTensor(Tensor([1], [0])),
        problem: "scale 0.0 at index 0, scales are positive and finite"),
      Replacement(
        name: "conv_out.weight.scales", array: StoredTensor(Tensor([1], [.nan])),
        problem: "scale nan at index 0, scales are positive and finite"),
      Replacement(
        name: "conv_out.weight.scales", array: StoredTensor(Tensor([1], [-1])),
        problem: "scale -1.0 at index 0, scales are positive and finite"),
      Replacement(
        name: "conv_out.weight.scales", array: StoredTensor(Tensor([1], [1e-45])),
        problem: "scale 1e-45 at index 0, scales are positive and finite"),
      Replacement(
        name: "conv_out.weight.zero_points", array: StoredTensor(dims: [1], [Int16.min]),
        problem: "zero point -32768 at index 0, expected -32752 to 32767"),
      Replacement(
        name: "conv_in.bias", array: StoredTensor(Tensor([4], [0, .infinity, 0, 0])), problem: "inf at index 1"),
    ]) func values(replacement: Replacement) throws
  {
    let found = try refusal(arrays: { arrays in arrays[replacement.name] = replacement.array })
    #expect(
      found == """
        error[E-QM-VALUES]: m: values that no quantised model can hold:
          \(replacement.name): \(replacement.problem)
        """)
  }

  @Test("activation zero points beyond their site's codes") func zeroPoints() throws {
    let found = try refusal(arrays: { arrays in
      let shape = arrays["activations.shared.zero_points"]!.dims
      var values = [Int16](repeating: 3, count: shape.reduce(1, *))
      values[2] = 256
      arrays["activations.shared.zero_points"] = StoredTensor(dims: shape, values)
    })
    #expect(
      found == """
        error[E-QM-VALUES]: m: values that no quantised model can hold:
          activations.shared.zero_points: zero point 256 at index 2, expected 0 to 255
        """)
  }
}

@Suite struct ArtefactSizeTests {
  /// The embedded model's configuration with random weights: size depends on shapes alone, headers included.
  @Test(
    "W8A8 with tables for all of 50 steps within 0.27, W4A8 within 0.16 of the float weights",
    arguments: [(8, 0.27), (4, 0.16)])
  func sizes(bits: Int, bound: Double) throws {
    var configuration = UNet2DConfiguration()
    configuration.sampleSize = SampleSize(height: 28, width: 28)
    (configuration.inChannels, configuration.outChannels) = (1, 1)
    configuration.blockOutChannels = [32, 64, 128]
    configuration.downBlocks = [.plain, .plain, .attention]
    configuration.upBlocks = [.attention, .plain, .plain]
    (configuration.layersPerBlock, configuration.normGroups) = (1, 8)
    configuration.attentionHeadDim = nil
    let model = TinyModel.randomised(try configuration.graph(), seed: 2)
    var recipe = try Recipe.plain()
    recipe.weights = .init(bits: bits, symmetric: bits == 8, range: .minMax, rounding: .nearest, biasCorrection: false)
    recipe.floatLayers = [SitePattern("conv_in")!, SitePattern("conv_out")!]
    let process = TinyModel.process
    let steps = try TinyModel.sampler(steps: 50).steps(for: process)
    var table = QuantizationTable()
    let chosen = try recipe.selection(in: model.graph)
    for node in chosen.weights {
      table.weights[node] = recipe.weights!.roundToNearest(model.parameters["\(node).weight"]!)
    }
    for site in chosen.activations {
      table.activations[site] = ActivationQuantizers(
        key: .step, rows: (0..<50).map { AffineQuantizer(bits: 8, scale: 0.01 + Float($0), zeroPoint: $0) })
    }
    let x = Tensor([1, 1, 28, 28])
    let provenance = CalibrationProvenance(
      modelDigest: String(repeating: "0", count: 71), imageShape: model.graph.imageShape, conditioning: .unconditional,
      sampler: TinyModel.sampler(steps: 50).configuration, steps: steps, calibration: recipe.calibration)
    let artefact = QuantizedModel(
      network: configuration.encoded, sampleShape: model.graph.imageShape, process: process.configuration,
      recipe: recipe, sampler: provenance.sampler, steps: steps, table: table,
      parameters: try QuantizedModel.floatParameters(of: QuantizedNetwork(model: model, table: table)),
      lineage: .init(
        sourceDigest: provenance.modelDigest, sourceName: "fashion-mnist-ddpm",
        calibrationDigest: provenance.modelDigest, calibration: provenance, program: "0.1.0"),
      selfTest: .init(x: x, stepIndex: 25, conditioning: [], expected: x))
    let float = model.parameters.values.reduce(0) { $0 + 4 * $1.count }
    #expect(float == 10_939_780)
    let size = Safetensors.encode(artefact.archive()).count
    #expect(Double(size) <= bound * Double(float), "\(Double(size) / Double(float))")
  }
}
