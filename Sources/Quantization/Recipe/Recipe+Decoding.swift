import Tensors

extension Recipe {
  package static let largestTrajectoryCount = 1 << 20

  /// Strict decoding: every key must be present, unknown keys and contradictions are refused, all problems at once.
  /// - Parameter file: what messages name, usually the file's path.
  package init(_ value: ConfigurationValue, file: String) throws(ConfigurationError) {
    let reader = ConfigurationReader(value, file: file)
    self.init(reader)
    try reader.finish()
  }

  init(_ reader: ConfigurationReader) {
    method = Self.method(reader)
    weights = reader.section("weights", or: "float").map(Weights.init)
    activations = reader.section("activations", or: "float").map(Activations.init)
    let ranged = (weights, activations)
    adaptiveRanges = reader.section("adaptive_ranges", or: "none").map {
      AdaptiveRanges($0, weights: ranged.0, activations: ranged.1)
    }
    if case .map? = reader.value("activation_tables"), let tables = reader.map("activation_tables") {
      activationTables = tables.choice("scope")
      tableInterval = tables.int("interval", in: 1...65536)
      if tables.value("branches") != nil { branches = tables.choice("branches") }
    } else {
      activationTables = reader.choice("activation_tables")
      tableInterval = 1
    }
    temporalFeatures = TemporalFeatures(reader)
    splitInputs = reader.choice("split_inputs")
    smoothing = reader.section("smoothing", or: "none").map {
      .init(samplesPerStep: $0.int("samples_per_step", in: 1...65536))
    }
    reconstruction = reader.section("reconstruction", or: "none").map(Reconstruction.init)
    mixedPrecision = reader.section("mixed_precision", or: "none").map(MixedPrecision.init)
    correction = reader.section("correction", or: "none").map(Recipe.Correction.init)
    sampler = SamplerChoice(reader)
    calibration = reader.section("calibration").map(Calibration.init) ?? .standIn
    floatLayers = Self.floatLayers(reader)
    reportContradictions(to: reader)
  }

  private static func method(_ reader: ConfigurationReader) -> String {
    let method = reader.string("method")
    if reader.isSound("method"), !Catalog.names.contains(method) {
      let near = nearest(method, in: Catalog.names).map { " (did you mean \"\($0)\"?)" } ?? ""
      reader.report(
        "method", "expected one of \(Catalog.names.joined(separator: ", ")), found \"\(printable(method))\"\(near)")
    }
    return method
  }

  private static func floatLayers(_ reader: ConfigurationReader) -> [SitePattern] {
    let patterns = reader.strings("float_layers")
    if patterns.count > SitePattern.mostPatterns {
      reader.report("float_layers", "\(patterns.count) patterns, over the limit of \(SitePattern.mostPatterns)")
    }
    return patterns.prefix(SitePattern.mostPatterns).enumerated().compactMap { position, text in
      let pattern = SitePattern(text)
      if pattern == nil {
        reader.report(
          "float_layers[\(position)]",
          "expected a layer pattern such as conv_in or time_embedding.**:input, found \"\(printable(text))\"")
      }
      return pattern
    }
  }
}

extension ConfigurationReader {
  /// The map under a key that must be there, or nil where the text `alternative` stands instead of the map.
  func section(_ key: String, or alternative: String? = nil) -> ConfigurationReader? {
    let raw = value(key)
    if let alternative, raw == .string(alternative) { return nil }
    let wanted = alternative.map { "a map or \"\($0)\"" } ?? "a map"
    switch raw {
    case nil, .null: report(key, "missing; expected \(wanted)")
    case .map: return map(key)
    case .some(let other): report(key, "expected \(wanted), found \(other.shown)")
    }
    return nil
  }
}

extension Recipe.Weights {
  fileprivate init(_ reader: ConfigurationReader) {
    bits = reader.int("bits", in: 2...8)
    symmetric = reader.bool("symmetric")
    range = reader.choice("range")
    if range == .l24Thresholds, !symmetric {
      reader.report("range", "l24_100 is PTQ4DM's symmetric search; asymmetric weights take another")
    }
    rounding = reader.section("rounding", or: "nearest").map { .gptq(.init($0)) } ?? .nearest
    biasCorrection = reader.bool("bias_correction")
  }
}

extension Recipe.ErrorCompensation {
  private enum Method: String, CaseIterable { case gptq }

  fileprivate init(_ reader: ConfigurationReader) {
    let _: Method = reader.choice("method")
    samplesPerStep = reader.int("samples_per_step", in: 1...65536)
    damping = reader.double("damping", in: 1e-6...1)
    order = reader.choice("order")
    upstream = reader.choice("upstream")
  }
}

extension Recipe.Activations {
  fileprivate init(_ reader: ConfigurationReader) {
    bits = reader.int("bits", in: 2...8)
    symmetric = reader.bool("symmetric")
    range = reader.choice("range")
    average = reader.section("ema", or: "none").map { ema in
      .init(decay: ema.double("decay", in: 0...1), batch: ema.int("batch", in: 1...65536))
    }
    upstream = reader.choice("upstream")
    attentionProducts = reader.choice("attention_products")
    if reader.value("probabilities") != nil {
      probabilities = reader.choice("probabilities")
      if attentionProducts == .float, reader.isSound("attention_products") {
        reader.report("probabilities", "attention_products are float; leave this key out, or quantise them")
      }
    }
    if range == .l24Thresholds, !symmetric {
      reader.report("range", "l24_100 is PTQ4DM's symmetric search; asymmetric activations take another")
    }
    if range != .minMax, average == nil, reader.value("ema") == .string("none") {
      reader.report("ema", "\(range.rawValue) searches batch by batch; give decay and batch")
    }
  }
}

extension Recipe.Correction {
  private enum Method: String, CaseIterable { case ptqd }

  fileprivate init(_ reader: ConfigurationReader) {
    let _: Method = reader.choice("method")
    samplesPerStep = reader.int("samples_per_step", in: 1...65536)
  }
}

extension Recipe.SamplerChoice {
  fileprivate init(_ reader: ConfigurationReader) {
    switch reader.value("sampler") {
    case .string(let name) where !name.isEmpty: self = .named(name)
    case .some(let map) where map.isMap: self = .inline(map)
    case nil, .null:
      reader.report("sampler", "missing; expected the name of a preset or a sampler's keys")
      self = .named("")
    case .some(let other):
      reader.report("sampler", "expected the name of a preset or a sampler's keys, found \(other.shown)")
      self = .named("")
    }
  }
}

extension ConfigurationValue {
  fileprivate var isMap: Bool { if case .map = self { true } else { false } }
}
