import Diffusion
import Graphs
import Networks
import Quantization
import Tensors
import TestSupport

/// Draws recipes, samplers, noise schedules and tiny networks, each a sentence of what users may write.
struct RecipeGrammar {
  private var random: SplitMix64

  init(seed: UInt64) { random = SplitMix64(seed) }

  private mutating func one<Element>(of choices: [Element]) -> Element { choices.randomElement(using: &random)! }
  private mutating func often() -> Bool { Int.random(in: 0..<3, using: &random) > 0 }
  private mutating func seldom() -> Bool { Int.random(in: 0..<6, using: &random) == 0 }
  private mutating func integer(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  /// Numbers as people choose them: the ends, and magnitudes between.
  private mutating func number(_ choices: Double...) -> ConfigurationValue { .number(one(of: choices)) }

  // MARK: Recipes

  /// A recipe's text, most of the time without contradictions.
  mutating func recipe() -> ConfigurationValue {
    let method = one(of: Catalog.names)
    let bits = one(of: [2, 3, 4, 6, 8])
    let symmetric = often()
    let range = one(of: RangeEstimator.allCases.filter { symmetric || $0 != .l24Thresholds }.map(\.rawValue))
    let isFloat = seldom() && method != "mixed" && method != "qdrop"
    var value: ConfigurationValue = [
      "method": .string(method), "weights": weights(bits: method == "mixed" ? 8 : bits, symmetric, range, method),
      "activations": isFloat ? "float" : activations(bits: method == "mixed" ? 8 : one(of: [2, 4, 8])),
      "adaptive_ranges": "none", "activation_tables": tables(method), "temporal_features": features(method),
      "split_inputs": .string(one(of: ["none", "shortcuts", "all"])), "smoothing": "none", "reconstruction": "none",
      "mixed_precision": "none", "correction": "none", "sampler": "ddim-50", "calibration": calibration(),
      "float_layers": .list(one(of: [[], ["conv_in"], ["conv_in", "conv_out"], ["**.attentions.**"]])),
    ]
    if !isFloat, seldom() { value = value.setting("smoothing", ["samples_per_step": .integer(integer(1...4))]) }
    if method == "qdrop" || method != "gptq" && often() {
      value = value.setting("reconstruction", reconstruction(method, isFloat: isFloat))
    }
    if method == "mixed" { value = value.setting("mixed_precision", mixedPrecision()) }
    if often() {
      value = value.setting("correction", ["method": "ptqd", "samples_per_step": .integer(integer(1...8))])
    }
    return value
  }

  private mutating func weights(bits: Int, _ symmetric: Bool, _ range: String, _ method: String) -> ConfigurationValue {
    let feedback: ConfigurationValue = [
      "method": "gptq", "samples_per_step": .integer(integer(1...4)), "damping": number(1e-6, 0.01, 1),
      "order": .string(one(of: ["natural", "activity"])), "upstream": .string(one(of: ["float", "quantized_weights"])),
    ]
    return [
      "bits": .integer(bits), "symmetric": .bool(symmetric), "range": .string(range),
      "rounding": method == "gptq" || seldom() ? feedback : "nearest", "bias_correction": .bool(often()),
    ]
  }

  private mutating func activations(bits: Int) -> ConfigurationValue {
    let symmetric = seldom()
    let range = one(of: RangeEstimator.allCases.filter { symmetric || $0 != .l24Thresholds })
    let average: ConfigurationValue =
      range == .minMax && often() ? "none" : ["decay": number(0, 0.9, 1), "batch": .integer(integer(1...2))]
    return [
      "bits": .integer(bits), "symmetric": .bool(symmetric), "range": .string(range.rawValue), "ema": average,
      "upstream": .string(one(of: ["float", "quantized_weights", "quantized"])),
      "attention_products": .string(one(of: ["float", "quantized"])),
    ]
  }

  private mutating func tables(_ method: String) -> ConfigurationValue {
    guard ["tfmq", "halftone", "gptq", "qdrop"].contains(method) else { return "shared" }
    return one(of: ["shared", "temporal_block", "all", ["scope": "all", "interval": .integer(integer(1...3))]])
  }

  private mutating func features(_ method: String) -> ConfigurationValue {
    if !["tfmq", "halftone"].contains(method) || often() { return "computed" }
    let bits = ConfigurationValue.integer(one(of: [2, 8, 32]))
    return often()
      ? ["source": "kept", "bits": bits]
      : ["source": "selected", "bits": bits, "disturbance": .string(one(of: ["relative_error", "cosine"]))]
  }

  private mutating func calibration() -> ConfigurationValue {
    let distribution: [ConfigurationValue.Entry] =
      switch integer(0...6) {
      case 0: [.init("distribution", "fresh"), .init("every", 1)]
      case 1: [.init("distribution", "noise"), .init("every", 1)]
      case 2: [.init("distribution", "q_sample"), .init("every", 1)]
      case 3:
        [
          .init("distribution", "ndtc"), .init("mean", number(0, 0.4, 1)), .init("std", number(0, 0.4, 10)),
          .init("pairing", .string(one(of: ["paper", "code"]))),
        ]
      default: [.init("distribution", "uniform"), .init("every", 1)]
      }
    return .map(
      distribution + [
        .init("trajectories", .integer(integer(1...4))), .init("seed", .integer(integer(0...9))),
        .init("labels", "balanced"),
      ])
  }

  private mutating func learning(activations: Bool) -> ConfigurationValue {
    [
      "relaxation": .string(one(of: ["rectified_sigmoid", "straight_through"])), "iterations": .integer(integer(1...8)),
      "batch": .integer(integer(1...4)), "learning_rate": number(0, 0.01, 1),
      "scale_learning_rate": number(0, 0.001, 1), "bias_learning_rate": number(0, 0.001, 1),
      "penalty": number(0, 0.01, 100), "warm_up": number(0, 0.2, 1),
      "exponent": ["first": number(20, 100), "last": number(1, 2)], "start_trust": number(0, 0.5, 1),
      "upstream": .string(one(of: ["float", "quantized_weights"])), "loss": .string(one(of: ["equal", "relative"])),
      "activations": activations ? ["learning_rate": number(0, 0.01, 1), "drop": number(0, 0.5, 1)] : "float",
    ]
  }

  private mutating func reconstruction(_ method: String, isFloat: Bool) -> ConfigurationValue {
    let learns = method == "qdrop" || !isFloat && seldom()
    return [
      "samples_per_step": .integer(integer(1...4)), "memory_mib": 64,
      "order": .string(one(of: ["execution", "definition"])),
      "temporal_block": seldom() ? learning(activations: false) : "none", "blocks": learning(activations: learns),
      "network": method != "tfmq" && seldom() ? learning(activations: learns) : "none",
      "activation_steps": isFloat || often()
        ? "none"
        : [
          "scope": .string(one(of: ["blocks", "network"])), "iterations": .integer(integer(1...6)),
          "batch": .integer(integer(1...4)), "learning_rate": number(0, 0.01, 1), "drop": number(0, 1),
          "power": number(1, 2.4, 8), "loss": .string(one(of: ["equal", "relative"])),
        ],
    ]
  }

  private mutating func mixedPrecision() -> ConfigurationValue {
    [
      "budget": .string(one(of: ["bytes", "bit_operations"])), "share": number(0.05, 0.2, 0.5, 1),
      "weight_bits": one(of: [[8, 4], [8, 6, 4, 2], [32, 8, 4]]), "activation_bits": one(of: [[8], [8, 4]]),
      "samples": .integer(integer(1...4)),
    ]
  }

  // MARK: Networks and processes

  /// A tiny network whose weights may be far from usual, with what they are called.
  mutating func network() throws -> Model {
    var configuration = ModelFolderMaker.configuration(channels: one(of: [1, 1, 2, 3, 4]))
    configuration.layersPerBlock = integer(1...2)
    if seldom() { configuration.hasMidBlock = false }
    if seldom() { configuration.classEmbedding = .table(classes: 3) }
    let graph = try configuration.graph()
    var parameters = ModelFolderMaker.parameters(of: graph, seed: UInt64(integer(1...1000)))
    for name in parameters.keys.sorted() where seldom() {
      let factor = one(of: [Float(0), 0, 1e-30, 1e-6, 10, 1e4, 1e12, 1e30])
      if seldom() { parameters[name] = parameters[name].map { Tensor($0.dims, $0.values.map { $0 * factor }) } }
    }
    return Model(graph: graph, parameters: parameters)
  }

  mutating func process() throws -> DiffusionProcess {
    let curve = one(of: [BetaCurve.linear, .scaledLinear, .cosine, .sigmoid])
    let schedule = try NoiseSchedule(
      BetaSchedule(trainTimesteps: one(of: [10, 100, 1000]), curve: curve, rescaleToZeroSNR: seldom()))
    return DiffusionProcess(schedule: schedule, predictionType: one(of: PredictionType.allCases))
  }

  mutating func sampler() -> ConfigurationValue {
    let isThresholded = seldom()
    let bounds: [ConfigurationValue.Entry] = [
      .init("clip_sample", .bool(!isThresholded && often())), .init("clip_sample_range", 1.0),
      .init("thresholding", .bool(isThresholded)),
      .init("dynamic_thresholding_ratio", number(0, 0.995, 1)), .init("sample_max_value", 1.0),
    ]
    if seldom() { return solver(bounds) }
    let spacing = one(of: ["leading", "trailing", "linspace", "quadratic"])
    let selection: [ConfigurationValue.Entry] = [
      .init("steps", .integer(integer(1...4))),
      .init("timestep_spacing", .string(spacing)),
      .init("steps_offset", .integer(spacing == "leading" ? integer(0...1) : 0)), .init("previous_timestep", "list"),
    ]
    return often()
      ? .map(
        [.init("sampler", "ddim")] + selection + bounds + [
          .init("eta", number(0, 0.5, 1)), .init("recompute_epsilon", .bool(seldom())),
          .init("set_alpha_to_one", .bool(often())),
        ])
      : .map(
        [.init("sampler", "ddpm")] + selection + bounds + [
          .init("variance_type", .string(one(of: ["fixed_small", "fixed_large"]))),
          .init("noise_at_last_step", .bool(seldom())),
        ])
  }

  /// Solvers in noise levels, and PLMS: some call the network twice a step, or tell it fractions of timesteps.
  private mutating func solver(_ bounds: [ConfigurationValue.Entry]) -> ConfigurationValue {
    let levels: [ConfigurationValue.Entry] = [
      .init("steps", .integer(integer(1...3))), .init("timestep_spacing", "linspace"), .init("steps_offset", 0),
      .init("sigma_schedule", .string(one(of: ["training", "karras", "exponential"]))),
      .init("final_sigmas_type", "zero"),
    ]
    switch one(of: ["heun", "euler_ancestral", "unipc", "plms"]) {
    case "plms":
      return .map(
        [
          .init("sampler", "plms"), .init("steps", .integer(integer(1...3))), .init("timestep_spacing", "leading"),
          .init("steps_offset", .integer(integer(0...1))), .init("previous_timestep", "list"),
        ] + bounds + [.init("set_alpha_to_one", .bool(often()))])
    case "unipc":
      return .map(
        [.init("sampler", "unipc")] + levels + [
          .init("solver_order", .integer(integer(1...3))), .init("solver_type", .string(one(of: ["bh1", "bh2"]))),
          .init("predict_x0", true), .init("lower_order_final", .bool(often())),
        ] + bounds)
    case let name: return .map([.init("sampler", .string(name))] + levels + bounds)
    }
  }
}
