import Formats
import Foundation
import Graphs
import Networks
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct RecipeDecodingTests {
  private static func drawn(_ distribution: [ConfigurationValue.Entry]) -> ConfigurationValue {
    Recipe.plainValue.setting(
      "calibration",
      .map(distribution + [.init("trajectories", 8), .init("seed", 0), .init("labels", "balanced")]))
  }

  @Test(
    "a recipe survives being written",
    arguments: [
      Recipe.plainValue,
      Recipe.plainValue.setting("weights", "float"),
      Recipe.plainValue.setting("weights.rounding", Recipe.gptqValue).setting("weights.bias_correction", true),
      Recipe.plainValue.setting("activations", "float"),
      Recipe.plainValue.setting("activations.ema", ["decay": 0.95, "batch": 16]),
      Recipe.plainValue.setting("adaptive_ranges", ["ranges": ["min_max", "l24_80"], "samples": 4])
        .setting("activations.ema", ["decay": 0.95, "batch": 4]),
      Recipe.plainValue.setting("sampler", ["sampler": "ddim", "steps": 10]),
      Recipe.plainValue.setting("calibration.labels", [1, 3]),
      Recipe.plainValue.setting("float_layers", ["conv_in", "time_embedding.**:input"]),
      Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue),
      Recipe.plainValue.setting(
        "reconstruction",
        Recipe.reconstructionValue.setting("blocks.activations", ["learning_rate": 0.001, "drop": 0.5])
          .setting("activation_steps", Recipe.stepsValue)),
      Recipe.plainValue.setting(
        "reconstruction",
        Recipe.reconstructionValue.setting("blocks", "none").setting(
          "network", Recipe.learningValue.setting("relaxation", "straight_through").setting("loss", "relative"))),
      Recipe.plainValue.setting(
        "calibration",
        [
          "distribution": "ndtc", "mean": 0.4, "std": 0.4, "pairing": "code", "trajectories": 8, "seed": 0,
          "labels": "balanced",
        ]),
      drawn([.init("distribution", "fresh"), .init("every", 2)]),
      drawn([.init("distribution", "noise"), .init("every", 1)]),
      drawn([.init("distribution", "images"), .init("every", 1)]),
      drawn([.init("distribution", "q_sample"), .init("every", 3)]),
      drawn([.init("distribution", "one_step"), .init("at", 0.25)]),
      drawn([.init("distribution", "tdac"), .init("radius", 3), .init("diversity", 1.2)]),
      Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", ["scope": "all", "interval": 5]),
      Recipe.plainValue.setting("method", "tfmq").setting("temporal_features", ["source": "kept", "bits": 32]),
      Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", "all").setting(
        "temporal_features", ["source": "selected", "bits": 8, "disturbance": "cosine"]),
      Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue.setting("order", "definition")),
      Recipe.plainValue.setting("split_inputs", "shortcuts").setting("smoothing", ["samples_per_step": 4]),
      Recipe.plainValue.setting("correction", ["method": "ptqd", "samples_per_step": 4]),
      Recipe.plainValue.setting("method", "mixed").setting(
        "mixed_precision",
        [
          "budget": "bytes", "share": 0.14, "weight_bits": [8, 4, 3], "activation_bits": [32, 8], "samples": 8,
        ]),
    ]) func roundTrip(value: ConfigurationValue) throws
  {
    let recipe = try Recipe(value, file: "a.yaml")
    #expect(try Recipe(recipe.encode(), file: "b.yaml") == recipe)
  }

  /// Each change to a sound recipe, and all that is said about it.
  @Test(
    "what is wrong is said exactly",
    arguments: [
      (
        Recipe.plainValue.setting("method", "rtm"),
        "a.yaml: method: expected one of rtn, ptq4dm, tfmq, qdiffusion, qdrop, gptq, mixed, halftone, found \"rtm\" (did you mean \"rtn\"?)"
      ),
      (Recipe.plainValue.setting("method", nil), "a.yaml: method: missing; expected a string"),
      (Recipe.plainValue.setting("weights", nil), "a.yaml: weights: missing; expected a map or \"float\""),
      (Recipe.plainValue.setting("weights", 8), "a.yaml: weights: expected a map or \"float\", found 8"),
      (Recipe.plainValue.setting("weights.bits", 9), "a.yaml: weights.bits: expected an integer from 2 to 8, found 9"),
      (Recipe.plainValue.setting("weights.bitts", 8), "a.yaml: weights.bitts: unknown key (did you mean \"bits\"?)"),
      (
        Recipe.plainValue.setting("weights.symmetric", nil),
        "a.yaml: weights.symmetric: missing; expected true or false"
      ),
      (
        Recipe.plainValue.setting("weights.range", "l24_8"),
        "a.yaml: weights.range: expected one of min_max, l24_80, l24_100, l1_80, l2_80, l4_80, cosine_80, kl_50, percentile, found \"l24_8\" (did you mean \"l24_80\"?)"
      ),
      (
        Recipe.plainValue.setting("weights.symmetric", false).setting("weights.range", "l24_100"),
        "a.yaml: weights.range: l24_100 is PTQ4DM's symmetric search; asymmetric weights take another"
      ),
      (
        Recipe.plainValue.setting("activations.range", "l24_100").setting(
          "activations.ema", ["decay": 0.9, "batch": 4]),
        "a.yaml: activations.range: l24_100 is PTQ4DM's symmetric search; asymmetric activations take another"
      ),
      (
        Recipe.plainValue.setting("weights.rounding", nil),
        "a.yaml: weights.rounding: missing; expected a map or \"nearest\""
      ),
      (
        Recipe.plainValue.setting("weights.rounding", "gptq"),
        "a.yaml: weights.rounding: expected a map or \"nearest\", found \"gptq\""
      ),
      (
        Recipe.plainValue.setting("weights.rounding", Recipe.gptqValue.setting("method", "gptk")),
        "a.yaml: weights.rounding.method: expected one of gptq, found \"gptk\" (did you mean \"gptq\"?)"
      ),
      (
        Recipe.plainValue.setting("weights.rounding", Recipe.gptqValue.setting("damping", 0)),
        "a.yaml: weights.rounding.damping: expected a number from 1e-06 to 1.0, found 0"
      ),
      (
        Recipe.plainValue.setting("weights.rounding", Recipe.gptqValue.setting("order", nil)),
        "a.yaml: weights.rounding.order: missing; expected one of natural, activity"
      ),
      (
        Recipe.plainValue.setting("weights.rounding", Recipe.gptqValue.setting("upstream", "quantized")),
        "a.yaml: weights.rounding.upstream: expected one of float, quantized_weights, found \"quantized\""
      ),
      (
        Recipe.plainValue.setting("weights.bias_correction", nil),
        "a.yaml: weights.bias_correction: missing; expected true or false"
      ),
      (
        Recipe.plainValue.setting("reconstruction", nil),
        "a.yaml: reconstruction: missing; expected a map or \"none\""
      ),
      (
        Recipe.plainValue.setting("weights", "float").setting("reconstruction", Recipe.reconstructionValue),
        "a.yaml: reconstruction: learns the rounding of weights, and weights are float"
      ),
      (
        Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue.setting("blocks", "none")),
        "a.yaml: reconstruction: nothing is learned; give temporal_block, blocks, network or activation_steps, or set reconstruction to none"
      ),
      (
        Recipe.plainValue.setting(
          "reconstruction", Recipe.reconstructionValue.setting("blocks.relaxation", "straight")),
        "a.yaml: reconstruction.blocks.relaxation: expected one of rectified_sigmoid, straight_through, found \"straight\""
      ),
      (
        Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue.setting("blocks.exponent", nil)),
        "a.yaml: reconstruction.blocks.exponent: missing; expected a map"
      ),
      (
        Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue.setting("blocks.activations", nil)),
        "a.yaml: reconstruction.blocks.activations: missing; expected a map or \"float\""
      ),
      (
        Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue.setting("activation_steps", nil)),
        "a.yaml: reconstruction.activation_steps: missing; expected a map or \"none\""
      ),
      (
        Recipe.plainValue.setting(
          "reconstruction", Recipe.reconstructionValue.setting("activation_steps", Recipe.stepsValue.setting("drop", 2))
        ),
        "a.yaml: reconstruction.activation_steps.drop: expected a number from 0.0 to 1.0, found 2"
      ),
      (
        Recipe.plainValue.setting("activations", "float").setting(
          "reconstruction", Recipe.reconstructionValue.setting("activation_steps", Recipe.stepsValue)),
        "a.yaml: reconstruction: learns the steps of activations, and activations are float"
      ),
      (
        Recipe.plainValue.setting(
          "reconstruction",
          Recipe.reconstructionValue.setting(
            "temporal_block", Recipe.learningValue.setting("activations", ["learning_rate": 0.001, "drop": 0.5]))),
        "a.yaml: reconstruction.temporal_block: its features are learned with float activations; set activations to float"
      ),
      (
        Recipe.plainValue.setting("method", "qdrop").setting("reconstruction", Recipe.reconstructionValue),
        "a.yaml: method qdrop learns activations with the weights of each block; give reconstruction.blocks.activations a map"
      ),
      (
        Recipe.plainValue.setting("method", "gptq").setting("weights.rounding", Recipe.gptqValue)
          .setting("reconstruction", Recipe.reconstructionValue),
        "a.yaml: method gptq learns nothing by gradients; set reconstruction to none, or method to halftone or rtn"
      ),
      (
        Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue.setting("order", "module")),
        "a.yaml: reconstruction.order: expected one of execution, definition, found \"module\""
      ),
      (
        Recipe.plainValue.setting("activations", "float").setting(
          "adaptive_ranges", ["ranges": ["min_max"], "samples": 4]),
        "a.yaml: adaptive_ranges.ranges: expected two or more different ranges to choose from"
      ),
      (
        Recipe.plainValue.setting("activations", "float").setting(
          "adaptive_ranges", ["ranges": ["min_max", "l3"], "samples": 4]),
        "a.yaml: adaptive_ranges.ranges[1]: expected one of min_max, l24_80, l24_100, l1_80, l2_80, l4_80, cosine_80, kl_50, percentile, found \"l3\""
      ),
      (
        Recipe.plainValue.setting("adaptive_ranges", ["ranges": ["min_max", "l24_80"], "samples": 4]),
        "a.yaml: adaptive_ranges.ranges: searches batch by batch; give activations.ema decay and batch"
      ),
      (
        Recipe.plainValue.setting("temporal_features", nil),
        "a.yaml: temporal_features: missing; expected a map or \"computed\""
      ),
      (
        Recipe.plainValue.setting("temporal_features", ["source": "kept", "bits": 8]),
        "a.yaml: temporal_features: keeping them is TFMQ-DM's; set temporal_features to computed, or method to tfmq or halftone"
      ),
      (
        Recipe.plainValue.setting("method", "tfmq").setting("temporal_features", ["source": "kept", "bits": 16]),
        "a.yaml: temporal_features.bits: expected 2 to 8, or 32 for float, found 16"
      ),
      (
        Recipe.plainValue.setting("method", "tfmq").setting(
          "temporal_features", ["source": "kept", "bits": 8, "disturbance": "cosine"]),
        "a.yaml: temporal_features.disturbance: belongs to source selected, and this recipe says kept"
      ),
      (
        Recipe.plainValue.setting("method", "tfmq").setting(
          "temporal_features", ["source": "selected", "bits": 8, "disturbance": "cosine"]),
        "a.yaml: temporal_features: selected chooses between kept features and finite set calibration; set activation_tables to temporal_block or all"
      ),
      (
        Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", "all").setting(
          "temporal_features", ["source": "selected", "bits": 8]),
        "a.yaml: temporal_features.disturbance: missing; expected one of relative_error, cosine"
      ),
      (
        Recipe.plainValue.setting("activations.range", "l24_80"),
        "a.yaml: activations.ema: l24_80 searches batch by batch; give decay and batch"
      ),
      (
        Recipe.plainValue.setting("activations.ema", ["decay": 1.5, "batch": 4]),
        "a.yaml: activations.ema.decay: expected a number from 0.0 to 1.0, found 1.5"
      ),
      (
        Recipe.plainValue.setting("activation_tables", "per_step"),
        "a.yaml: activation_tables: expected one of shared, temporal_block, all, found \"per_step\""
      ),
      (
        Recipe.plainValue.setting("activation_tables", "all"),
        "a.yaml: method rtn has one range per activation for all steps; set activation_tables to shared, or method to tfmq or halftone"
      ),
      (
        Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", "all").setting("calibration.every", 2),
        "a.yaml: activation_tables: one range per step needs samples of every step; set calibration.every to 1"
      ),
      (
        Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", "all").setting(
          "calibration",
          [
            "distribution": "ndtc", "mean": 0.4, "std": 0.4, "pairing": "paper", "trajectories": 8, "seed": 0,
            "labels": "balanced",
          ]),
        "a.yaml: activation_tables: one range per step needs samples of every step, and calibration.distribution ndtc chooses steps; use distribution uniform or activation_tables shared"
      ),
      (
        Recipe.plainValue.setting("sampler", 50),
        "a.yaml: sampler: expected the name of a preset or a sampler's keys, found 50"
      ),
      (
        Recipe.plainValue.setting("calibration.mean", 0.4),
        "a.yaml: calibration.mean: belongs to distribution ndtc, and this recipe says uniform"
      ),
      (
        drawn([.init("distribution", "one_step"), .init("at", 2)]),
        "a.yaml: calibration.at: expected a number from 0.0 to 1.0, found 2"
      ),
      (
        Recipe.plainValue.setting("calibration.distribution", "noise").setting("calibration.radius", 1),
        "a.yaml: calibration.radius: belongs to distribution tdac, and this recipe says noise"
      ),
      (
        Recipe.plainValue.setting("calibration.distribution", "tdak"),
        "a.yaml: calibration.distribution: expected one of uniform, fresh, noise, images, q_sample, one_step, ndtc, tdac, found \"tdak\" (did you mean \"tdac\"?)"
      ),
      (
        Recipe.plainValue.setting("method", "tfmq").setting(
          "activation_tables", ["scope": "temporal_block", "interval": 5]),
        "a.yaml: activation_tables.interval: only tables of scope all share rows between steps"
      ),
      (
        Recipe.plainValue.setting("calibration.trajectories", 0),
        "a.yaml: calibration.trajectories: expected an integer from 1 to 1048576, found 0"
      ),
      (
        Recipe.plainValue.setting("calibration.labels", []),
        "a.yaml: calibration.labels: expected balanced or a list of classes, found an empty list"
      ),
      (
        Recipe.plainValue.setting("float_layers", ["conv_in:output_"]),
        "a.yaml: float_layers[0]: expected a layer pattern such as conv_in or time_embedding.**:input, found \"conv_in:output_\""
      ),
      (Recipe.plainValue.setting("float_layers", nil), "a.yaml: float_layers: missing; expected a list"),
      (Recipe.plainValue.setting("effort", "fast"), "a.yaml: effort: unknown key"),
    ]) func refusals(value: ConfigurationValue, message: String)
  {
    let error = thrownError { _ = try Recipe(value, file: "a.yaml") } as? ConfigurationError
    #expect(error?.message == message)
  }

  @Test("all problems come together") func together() {
    let value = Recipe.plainValue.setting("weights.bits", 1).setting("calibration.seed", -1).setting("extra", 1)
    let error = thrownError { _ = try Recipe(value, file: "a.yaml") } as? ConfigurationError
    #expect(error?.problems.count == 3)
  }
}

@Suite struct SitePatternTests {
  private func matches(_ pattern: String, _ node: String, _ role: Site.Role = .weight) -> Bool {
    SitePattern(pattern)!.matches(Site(node: node, role: role))
  }

  @Test("globs") func globs() {
    #expect(matches("conv_in", "conv_in"))
    #expect(!matches("conv_in", "conv_in2"))
    #expect(!matches("conv_in", "a.conv_in"))
    #expect(matches("conv_*", "conv_in"))
    #expect(matches("**.conv", "up_blocks.0.upsamplers.0.conv"))
    #expect(!matches("*.conv", "up_blocks.0.upsamplers.0.conv"))
    #expect(matches("up_blocks.*.upsamplers.*.conv", "up_blocks.0.upsamplers.0.conv"))
    #expect(matches("**", "anything.at.all"))
    #expect(!matches("*", "two.parts"))
    #expect(matches("conv?", "conv1"))
    #expect(!matches("conv?", "conv12"))
  }

  @Test("parts that count from the end are those of each network") func fromTheEnd() throws {
    let graph = try TinyModel().model.graph
    func chosen(_ pattern: String) throws -> [String] {
      let value = Recipe.plainValue.setting("float_layers", [.string(pattern)])
      let kept = try Recipe(value, file: "r").selection(in: graph).weights
      return graph.layerWeights.map(\.path).filter { !kept.contains($0) }
    }
    #expect(
      try chosen("up_blocks.-1.resnets.*.conv2") == ["up_blocks.1.resnets.0.conv2", "up_blocks.1.resnets.1.conv2"])
    #expect(
      try chosen("up_blocks.*.resnets.-1.conv2:weight") == [
        "up_blocks.0.resnets.1.conv2", "up_blocks.1.resnets.1.conv2",
      ])
    #expect(try chosen("up_blocks.-2.resnets.-2.conv1") == ["up_blocks.0.resnets.0.conv1"])
    for pattern in ["up_blocks.-3.resnets.*", "conv_in.-1", "-1", "up_blocks.-9223372036854775808.resnets.0.conv1"] {
      let error = thrownError { _ = try chosen(pattern) } as? QuantizationError
      #expect(error?.id == "E-RECIPE-PATTERN", "\(pattern)")
    }
  }

  @Test("roles") func roles() {
    #expect(matches("conv_in:weight", "conv_in", .weight))
    #expect(!matches("conv_in:weight", "conv_in", .input))
    #expect(matches("conv_in", "conv_in", .input))
    #expect(SitePattern("conv_in:weigth") == nil)
    #expect(SitePattern("") == nil)
  }

  @Test("a hostile pattern is answered at once") func hostile() {
    let pattern = SitePattern(String(repeating: "*a", count: 200) + "b")!
    let site = Site(node: String(repeating: "a", count: 400), role: .weight)
    var matched = true
    let time = ContinuousClock().measure { matched = pattern.matches(site) }
    #expect(!matched && time < .seconds(1))
  }
}

@Suite struct SiteSelectionTests {
  @Test("a pattern that matches nothing is named, with what it may have meant") func idle() throws {
    var recipe = try Recipe.plain()
    recipe.floatLayers = ["conv_inn", "mid_block.attentions.*.q", "conv_out"].map { SitePattern($0)! }
    let graph = try TinyModel().model.graph
    let error = thrownError { _ = try recipe.selection(in: graph) } as? QuantizationError
    #expect(error?.id == "E-RECIPE-PATTERN")
    #expect(
      error?.message == """
        float_layers match nothing in this model:
          conv_inn (near: conv_in)
          mid_block.attentions.*.q (near: mid_block.attentions.0.to_q, mid_block.attentions.0.to_k, mid_block.attentions.0.to_v, mid_block.attentions.0.to_out.0)
        """)
    #expect(error?.hint == "list the layers with 'halftone inspect MODEL --layers'")
  }

  @Test("a kind of layer that other networks have is no mistake") func absentKinds() throws {
    var configuration = ModelFolderMaker.configuration()
    (configuration.blockOutChannels, configuration.downBlocks, configuration.upBlocks) = ([4], [.plain], [.plain])
    let graph = try configuration.graph()
    var recipe = try Recipe.plain()
    recipe.floatLayers = ["conv_in", "**.downsamplers.**:input", "**.upsamplers.**"].map { SitePattern($0)! }
    #expect(try recipe.selection(in: graph).idlePatterns == ["**.downsamplers.**:input", "**.upsamplers.**"])
    // A name is a claim, a position in a list is one, and so is a word that no U-Net has.
    for wrong in ["down_blocks.0.downsamplers.0.conv", "up_blocks.-2.upsamplers.*", "**.downsampler.**"] {
      recipe.floatLayers = [SitePattern(wrong)!]
      #expect(thrownError { _ = try recipe.selection(in: graph) } as? QuantizationError != nil, "\(wrong)")
    }
  }

  @Test("the words are those of every family's networks") func absentKindsOfAllFamilies() throws {
    var configuration = ModelFolderMaker.configuration()
    (configuration.blockOutChannels, configuration.downBlocks, configuration.upBlocks) = ([4], [.plain], [.plain])
    (configuration.hasMidBlock, configuration.classEmbedding) = (false, nil)
    let plain = try configuration.graph()
    let patterns = [
      "class_embedding.**", "**.class_embedding", "**.conv_shortcut", "**.downsamplers.**.time_emb_proj:input",
      "mid_block.**", "**.to_q", "**.attentions.**:input", "**.upsamplers.**.conv", "class_embedding.linear_*",
    ]
    var recipe = try Recipe.plain()
    // The last one is no word.
    recipe.floatLayers = patterns.dropLast().map { SitePattern($0)! }
    let idle = try recipe.selection(in: plain).idlePatterns
    #expect(idle == patterns.dropLast().filter { $0 != "**.conv_shortcut" })
    recipe.floatLayers = [SitePattern(patterns.last!)!]
    #expect(thrownError { _ = try recipe.selection(in: plain) } as? QuantizationError != nil)
    // Every word of a network with all kinds of layers, and of one whose classes are rows of a table.
    configuration = ModelFolderMaker.configuration()
    configuration.classEmbedding = .table(classes: 3)
    let graphs = [try configuration.graph(), try UNetPlan.everyKind.graph(size: SampleSize(height: 4, width: 4))]
    for site in graphs.flatMap(\.sites) where site.role != .output {
      for word in site.node.split(separator: ".") where Int(word) == nil {
        recipe.floatLayers = [SitePattern("**.\(word).none_such.**")!, SitePattern("*.*.*.*.*.*.\(word)")!]
        let error = thrownError { _ = try recipe.selection(in: plain) } as? QuantizationError
        #expect(error?.message.contains("*.*.*.\(word)") == false, "\(word)")
      }
    }
  }

  @Test("attention products are never chosen, float layers are left out") func selection() throws {
    var recipe = try Recipe.plain()
    recipe.floatLayers = [SitePattern("conv_in")!, SitePattern("conv_out:input")!]
    let graph = try TinyModel().model.graph
    let chosen = try recipe.selection(in: graph)
    let layers = graph.sites.filter { $0.role == .weight }.map(\.node)
    #expect(chosen.weights == layers.filter { $0 != "conv_in" })
    #expect(chosen.activations.map(\.node) == layers.filter { $0 != "conv_in" && $0 != "conv_out" })
    #expect(chosen.activations.allSatisfy { $0.role == .input })
  }

  @Test("float weights or activations choose nothing") func float() throws {
    let graph = try TinyModel().model.graph
    var recipe = try Recipe.plain()
    (recipe.weights, recipe.activations) = (nil, nil)
    #expect(try recipe.selection(in: graph) == SiteSelection(weights: [], activations: []))
  }
}
