import Tensors

extension Recipe {
  /// The recipe as its file says it; decoding gives the same recipe back.
  package func encode() -> ConfigurationValue {
    [
      "method": .string(method),
      "weights": weights.map { $0.encode() } ?? "float",
      "activations": activations.map { $0.encode() } ?? "float",
      "adaptive_ranges": adaptiveRanges?.encode() ?? "none",
      "activation_tables": encodedTables,
      "temporal_features": temporalFeatures.encode(),
      "split_inputs": .string(splitInputs.rawValue),
      "smoothing": smoothing.map { ["samples_per_step": .integer($0.samplesPerStep)] } ?? "none",
      "reconstruction": reconstruction.map { $0.encode() } ?? "none",
      "mixed_precision": mixedPrecision?.encode() ?? "none",
      "correction": correction?.encode() ?? "none",
      "sampler": sampler.encode(),
      "calibration": calibration.encode(),
      "float_layers": .list(floatLayers.map { .string($0.text) }),
    ]
  }

  private var encodedTables: ConfigurationValue {
    if tableInterval == 1, branches == .shared { return .string(activationTables.rawValue) }
    let tables: ConfigurationValue = [
      "scope": .string(activationTables.rawValue), "interval": .integer(tableInterval),
    ]
    return branches == .shared ? tables : tables.setting("branches", .string(branches.rawValue))
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
    let entries: ConfigurationValue = [
      "bits": .integer(bits), "symmetric": .bool(symmetric), "range": .string(range.rawValue),
      "ema": average.map { ["decay": .number($0.decay), "batch": .integer($0.batch)] } ?? "none",
      "upstream": .string(upstream.rawValue), "attention_products": .string(attentionProducts.rawValue),
    ]
    // Artefacts made before this was a choice do not have the key.
    return probabilities == .normalized
      ? entries : entries.setting("probabilities", .string(probabilities.rawValue))
  }
}

extension Recipe.Correction {
  package func encode() -> ConfigurationValue {
    ["method": "ptqd", "samples_per_step": .integer(samplesPerStep)]
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
