import Diffusion
import Execution
import Foundation
import Graphs
import Networks
import Quantization
import Tensors
import TestSupport

/// A U-Net small enough for the reference executor, with random weights, and a sampler for it.
struct TinyModel {
  let configuration: UNet2DConfiguration
  let model: Model

  /// - Parameter classes: nil for an unconditional network.
  init(classes: Int? = nil, seed: UInt64 = 1) throws {
    var configuration = UNet2DConfiguration()
    configuration.sampleSize = SampleSize(height: 8, width: 8)
    (configuration.inChannels, configuration.outChannels) = (1, 1)
    configuration.blockOutChannels = [4, 6]
    configuration.downBlocks = [.plain, .attention]
    configuration.upBlocks = [.attention, .plain]
    configuration.layersPerBlock = 1
    configuration.normGroups = 2
    configuration.attentionHeadDim = nil
    configuration.classEmbedding = classes.map { .table(classes: $0) }
    self.configuration = configuration
    model = Self.randomised(try configuration.graph(), seed: seed)
  }

  /// Weights uniform with variance 1 / fan-in, so that values keep their size; normalisations near the identity.
  static func randomised(_ graph: Graph, seed: UInt64) -> Model {
    var random = SplitMix64(seed)
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters {
      var values = random.floats(parameter.count)
      if parameter.dims.count > 1 {
        let bound = (3 / Float(parameter.dims.dropFirst().reduce(1, *))).squareRoot()
        values = values.map { $0 * bound }
      } else {
        let centre: Float = parameter.name.contains("norm") && parameter.name.hasSuffix("weight") ? 1 : 0
        values = values.map { centre + 0.1 * $0 }
      }
      parameters[parameter.name] = Tensor(parameter.dims, values)
    }
    return Model(graph: graph, parameters: parameters)
  }

  static let process = try! DiffusionProcess(schedule: NoiseSchedule(BetaSchedule()), predictionType: .epsilon)

  static func sampler(steps: Int) -> DDIMSampler {
    DDIMSampler(selection: TimestepSelection(steps: steps, spacing: .leading, offset: 0, previous: .list))
  }

  static let digest = "sha256:tiny"

  func sampling(steps: Int, batch: Int = 8) throws -> CalibrationSampling {
    let denoiser = try NetworkDenoiser(
      graph: model.graph, executor: ReferenceExecutor(model), predictionType: .epsilon)
    return CalibrationSampling(
      denoiser: denoiser, schedule: Self.process.schedule, sampler: Self.sampler(steps: steps),
      modelDigest: Self.digest, batch: batch)
  }

  func calibrationSet(
    _ calibration: Recipe.Calibration, steps: Int, batch: Int = 8
  ) throws -> CalibrationSet {
    let builder = CalibrationSetBuilder()
    try sampling(steps: steps, batch: batch).run(calibration, into: builder) { _ in }
    return builder.set(digest: "sha256:set")!
  }

  func task(_ recipe: Recipe, _ set: CalibrationSet, threads: Int = 1) throws -> QuantizationTask {
    try QuantizationTask(
      model: model, recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) },
      pool: WorkerPool(threads: threads), progress: { _ in })
  }
}

extension Recipe {
  /// A recipe to vary: rtn, W8A8, min-max, everything quantised.
  static func plain() throws -> Recipe { try Recipe(plainValue, file: "plain.yaml") }

  static let plainValue: ConfigurationValue = [
    "method": "rtn",
    "weights": [
      "bits": 8, "symmetric": true, "range": "min_max", "rounding": "nearest", "bias_correction": false,
    ],
    "activations": [
      "bits": 8, "symmetric": false, "range": "min_max", "ema": "none", "upstream": "float",
      "attention_products": "float",
    ],
    "adaptive_ranges": "none",
    "activation_tables": "shared",
    "temporal_features": "computed",
    "split_inputs": "none",
    "smoothing": "none",
    "reconstruction": "none",
    "mixed_precision": "none",
    "correction": "none",
    "sampler": "ddim-50",
    "calibration": ["distribution": "uniform", "every": 1, "trajectories": 4, "seed": 3, "labels": "balanced"],
    "float_layers": [],
  ]
}

extension Recipe {
  /// A `weights.rounding` to vary.
  static let gptqValue: ConfigurationValue = [
    "method": "gptq", "samples_per_step": 4, "damping": 0.01, "order": "activity", "upstream": "float",
  ]

  /// A part of `reconstruction` to vary.
  static let learningValue: ConfigurationValue = [
    "relaxation": "rectified_sigmoid", "iterations": 40, "batch": 4, "learning_rate": 0.02, "scale_learning_rate": 0,
    "bias_learning_rate": 0, "penalty": 0.01, "warm_up": 0.2, "exponent": ["first": 20, "last": 2], "start_trust": 0,
    "upstream": "quantized_weights", "loss": "equal", "activations": "float",
  ]

  static let reconstructionValue: ConfigurationValue = [
    "samples_per_step": 4, "memory_mib": 64, "order": "execution", "temporal_block": "none", "blocks": learningValue,
    "network": "none",
    "activation_steps": "none",
  ]

  /// A `reconstruction.activation_steps` to vary.
  static let stepsValue: ConfigurationValue = [
    "scope": "blocks", "iterations": 40, "batch": 4, "learning_rate": 0.01, "drop": 0, "power": 2.4, "loss": "equal",
  ]
}

extension CalibrationSet {
  /// One step's samples as a call of the network.
  func input(step: Int, _ range: Range<Int>) -> NetworkInput {
    let samples = samples(step: step, range)
    return NetworkInput(
      x: samples.x, timesteps: .init(repeating: provenance.steps[step].timestep, count: samples.count),
      conditioning: samples.conditioning, stepIndex: step)
  }
}
