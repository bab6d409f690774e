import Execution
import Formats
import Foundation
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

/// Every recipe of calib/, as users get it, on a tiny network: sampler and sample counts reduced.
@Suite struct ShippedRecipeTests {
  static let folder = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent().appending(path: "calib")

  static let files =
    (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?
    .filter { $0.hasSuffix(".yaml") }.sorted() ?? []

  static func recipe(_ file: String) throws -> Recipe {
    try Recipe(YAML.read(folder.appending(path: file).path), file: file)
  }

  /// A recipe with the work that a tiny network takes.
  static func reduced(_ file: String) throws -> Recipe {
    var recipe = try recipe(file)
    recipe.calibration.trajectories = 6
    if recipe.activations?.average != nil { recipe.activations?.average?.batch = 3 }
    // A tiny network has more bytes beside its codes.
    recipe.mixedPrecision?.share = 0.9
    recipe.reconstruction?.temporalBlock?.iterations = 20
    recipe.reconstruction?.blocks?.iterations = 20
    recipe.reconstruction?.network?.iterations = 20
    return recipe
  }

  @Test("the recipes this version promises are there") func present() {
    let promised = [
      "rtn": ["w8a8", "w7a8", "w4a8", "w4a32", "w4a4"], "ptq4dm": ["w8a8", "w4a8", "w4a32", "w4a4"],
      "ptq4dm-code": ["w8a8", "w4a8"], "qdiffusion": ["w8a8", "w4a8", "w4a32", "w4a4"],
      "halftone": ["w8a8", "w7a8", "w4a8", "w4a32", "w3a8", "w2a8", "w4a4"], "tfmq": ["w8a8", "w4a8", "w4a32"],
      "tfmq-code": ["w8a8", "w4a8", "w4a32"],
      "gptq": ["w8a8", "w4a8", "w4a32", "w3a32"], "mixed": ["w8a8", "w4a8", "w4a4"],
      "qdrop": ["w8a8", "w4a8", "w4a4"], "tfmq-cache": ["w8a8", "w4a8", "w4a32"],
      "tfmq-select": ["w8a8", "w4a8", "w4a32"],
    ]
    #expect(Set(Self.files).isSuperset(of: promised.flatMap { name, bits in bits.map { "\(name)-\($0).yaml" } }))
  }

  @Test("named after method and bits, first and last convolution float, the model's own sampler", arguments: files)
  func conventions(file: String) throws {
    let recipe = try Self.recipe(file)
    let bits = "w\(recipe.weights?.bits ?? 32)a\(recipe.activations?.bits ?? 32)"
    // A search chooses the bits; its name says what it is to be compared with.
    if recipe.mixedPrecision == nil {
      let variant =
        switch recipe.temporalFeatures {
        case .computed: ["", "-code"]
        case .kept: ["-cache"]
        case .selected: ["-select"]
        }
      #expect(variant.map { "\(recipe.method)\($0)-\(bits).yaml" }.contains(file))
    } else {
      #expect(file.hasPrefix("mixed-"))
    }
    #expect(recipe.floatLayers.prefix(2).map(\.text) == ["conv_in", "conv_out"])
    #expect(recipe.sampler == .named("own"))
  }

  @Test("runs from set to artefact", arguments: files, [nil, 3]) func endToEnd(file: String, classes: Int?) throws {
    let recipe = try Self.reduced(file)
    let tiny = try TinyModel(classes: classes)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let task = try tiny.task(recipe, set)
    let network = try task.run()
    let table = network.table
    let layers = tiny.model.graph.sites.filter { $0.role == .weight && !["conv_in", "conv_out"].contains($0.node) }
    let chosen = try recipe.selection(in: tiny.model.graph)
    let allFloat = recipe.mixedPrecision?.activationBits.contains(32) ?? false
    // What a kept feature replaces is left away.
    let idle = Set(
      tiny.model.graph.idleNodes(keeping: table.features.keys).map { tiny.model.graph.nodes[$0].path })
    #expect(Set(table.weights.keys) == Set(chosen.weights).subtracting(idle))
    #expect(chosen.weights.count >= layers.count / 2)
    if !allFloat {
      #expect(Set(table.activations.keys) == Set(chosen.activations.filter { !idle.contains($0.node) }))
    }
    #expect(table.dependsOnStep == (recipe.activationTables != .shared || !table.features.isEmpty))
    if recipe.mixedPrecision == nil {
      #expect(table.weights.values.allSatisfy { $0.quantizer.bits == recipe.weights?.bits })
    }
    // Integer execution multiplies signed bytes.
    for weight in table.weights.values {
      let (zero, largest) = (weight.quantizer.zeroPoints, weight.quantizer.largestCode)
      #expect(zero.allSatisfy { -128...127 ~= -$0 && -128...127 ~= largest - $0 })
    }
    // What is left of the float output is signal: a mistake in tables or codes destroys it.
    let input = set.input(step: 2, 0..<min(4, set.counts[2]))
    let float = try ReferenceExecutor(tiny.model).run(input)
    let quantised = try ReferenceExecutor(network.model, simulating: table).run(input)
    let error = zip(float.values, quantised.values).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
    let signal = float.values.reduce(0.0) { $0 + pow(Double($1), 2) }
    // PTQ4DM's released pairing shows the network states that do not belong to their steps.
    let isMispaired = if case .ndtc(_, _, .code) = recipe.calibration.distribution { true } else { false }
    let bits = min(recipe.weights?.bits ?? 8, recipe.activations?.bits ?? 8)
    let share =
      switch (bits, isMispaired) {
      // Twenty iterations of AdaRound leave its regulariser little time.
      case (8, false) where recipe.reconstruction?.blocks != nil: 0.01
      case (8, false): 0.005
      case (8, true): 0.05
      case (4, false) where recipe.activations?.bits != 4: 0.1
      case (2, _): 0.5
      default: 0.3
      }
    #expect(error < share * signal, "\(error / signal)")
  }

  @Test(
    "everything left float quantises nothing and changes no bit",
    arguments: [
      Recipe.plainValue.setting("float_layers", ["**"]),
      Recipe.plainValue.setting("weights", "float").setting("activations", "float"),
    ]) func allFloat(value: ConfigurationValue) throws
  {
    let recipe = try Recipe(value, file: "float.yaml")
    let tiny = try TinyModel()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let table = try tiny.task(recipe, set).run().table
    #expect(table == QuantizationTable())
    let input = set.input(step: 0, 0..<2)
    #expect(try ReferenceExecutor(tiny.model).run(input) == ReferenceExecutor(tiny.model, simulating: table).run(input))
  }

  @Test("the same recipe and set give the same artefact, byte for byte, for any number of threads") func determinism()
    throws
  {
    var recipe = try Self.recipe("halftone-w4a8.yaml")
    recipe.calibration.trajectories = 16
    recipe.reconstruction?.temporalBlock?.iterations = 20
    recipe.reconstruction?.network?.iterations = 20
    let tiny = try TinyModel(classes: 3)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let artefacts = try [1, 2, 3].map { threads in
      let network = try tiny.task(recipe, set, threads: threads).run()
      return Safetensors.encode(try tiny.artefact(recipe, set, network).archive())
    }
    #expect(artefacts[0] == artefacts[1] && artefacts[1] == artefacts[2])
  }
}
