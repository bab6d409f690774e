import Tensors

extension Recipe {
  /// The recipe as its file says it; decoding gives the same recipe back.
  package func encode() -> ConfigurationValue {
    [
      "method": .string(method),
      "weights": weights.map { $0.encode() } ?? "float",
      "activations": activations.map { $0.encode() } ?? "float",
      "activation_tables": .string(activationTables.rawValue),
      "sampler": sampler.encode(),
      "calibration": calibration.encode(),
      "float_layers": .list(floatLayers.map { .string($0.text) }),
    ]
  }
}

extension Recipe.Weights {
  fileprivate func encode() -> ConfigurationValue {
    [
      "bits": .integer(bits), "symmetric": .bool(symmetric), "range": .string(range.rawValue),
      "rounding": rounding.encode(), "bias_correction": .bool(biasCorrection),
    ]
  }
}

extension Recipe.Rounding {
  fileprivate func encode() -> ConfigurationValue {
    switch self {
    case .nearest: "nearest"
    case .gptq(let settings):
      [
        "method": "gptq", "samples_per_step": .integer(settings.samplesPerStep), "damping": .number(settings.damping),
        "order": .string(settings.order.rawValue), "upstream": .string(settings.upstream.rawValue),
      ]
    }
  }
}

extension Recipe.Activations {
  fileprivate func encode() -> ConfigurationValue {
    [
      "bits": .integer(bits), "symmetric": .bool(symmetric), "range": .string(range.rawValue),
      "ema": average.map { ["decay": .number($0.decay), "batch": .integer($0.batch)] } ?? "none",
      "upstream": .string(upstream.rawValue),
    ]
  }
}

extension Recipe.SamplerChoice {
  fileprivate func encode() -> ConfigurationValue {
    switch self {
    case .named(let name): .string(name)
    case .inline(let keys): keys
    }
  }
}

extension Recipe.Calibration {
  package func encode() -> ConfigurationValue {
    var entries: [ConfigurationValue.Entry]
    switch distribution {
    case .uniform(let every):
      entries = [.init("distribution", "uniform"), .init("every", .integer(every))]
    case .ndtc(let mean, let std, let pairing):
      entries = [
        .init("distribution", "ndtc"), .init("mean", .number(mean)), .init("std", .number(std)),
        .init("pairing", .string(pairing.rawValue)),
      ]
    }
    entries += [.init("trajectories", .integer(trajectories)), .init("seed", .integer(seed))]
    switch labels {
    case .balanced: entries.append(.init("labels", "balanced"))
    case .cycled(let classes): entries.append(.init("labels", .list(classes.map { .integer($0) })))
    }
    return .map(entries)
  }
}
