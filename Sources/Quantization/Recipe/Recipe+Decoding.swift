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
    method = reader.string("method")
    if !method.isEmpty, !Catalog.names.contains(method) {
      let near = nearest(method, in: Catalog.names).map { " (did you mean \"\($0)\"?)" } ?? ""
      reader.report(
        "method", "expected one of \(Catalog.names.joined(separator: ", ")), found \"\(printable(method))\"\(near)")
    }
    weights = reader.section("weights", or: "float").map(Weights.init)
    activations = reader.section("activations", or: "float").map(Activations.init)
    activationTables = reader.choice("activation_tables")
    sampler = SamplerChoice(reader)
    calibration = reader.section("calibration").map(Calibration.init) ?? .standIn
    floatLayers = reader.strings("float_layers").enumerated().compactMap { position, text in
      let pattern = SitePattern(text)
      if pattern == nil {
        reader.report(
          "float_layers[\(position)]",
          "expected a layer pattern such as conv_in or time_embedding.**:input, found \"\(printable(text))\"")
      }
      return pattern
    }
    for text in Catalog.method(named: method)?.contradictions(in: self) ?? [] { reader.report(nil, text) }
    if activationTables != .shared, case .ndtc = calibration.distribution {
      reader.report(
        "activation_tables",
        "one range per step needs samples of every step, and calibration.distribution ndtc draws steps at random; use distribution uniform or activation_tables shared"
      )
    }
    if activationTables != .shared, case .uniform(let every) = calibration.distribution, every != 1 {
      reader.report("activation_tables", "one range per step needs samples of every step; set calibration.every to 1")
    }
  }
}

extension ConfigurationReader {
  /// The map under a key that must be there, or nil where the text `alternative` stands instead of the map.
  fileprivate func section(_ key: String, or alternative: String? = nil) -> ConfigurationReader? {
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

  /// Refuses keys that mean something only under another choice.
  fileprivate func refuse(_ keys: [String], because reason: String) {
    for key in keys where value(key) != nil { report(key, reason) }
  }
}

extension Recipe.Weights {
  fileprivate init(_ reader: ConfigurationReader) {
    bits = reader.int("bits", in: 2...8)
    symmetric = reader.bool("symmetric")
    range = reader.choice("range")
    if range == .l24Thresholds, !symmetric {
      reader.report("range", "l24_100 is PTQ4DM's symmetric search; asymmetric weights take min_max or l24_80")
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
    if range == .l24Thresholds, !symmetric {
      reader.report("range", "l24_100 is PTQ4DM's symmetric search; asymmetric activations take min_max or l24_80")
    }
    if range != .minMax, average == nil, reader.value("ema") == .string("none") {
      reader.report("ema", "\(range.rawValue) searches batch by batch; give decay and batch")
    }
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

extension Recipe.Calibration {
  /// What a reader that has recorded a problem goes on with.
  fileprivate static let standIn = Self(distribution: .uniform(every: 1), trajectories: 1, seed: 0, labels: .balanced)

  private enum Kind: String, CaseIterable { case uniform, ndtc }

  init(_ reader: ConfigurationReader) {
    let kind: Kind = reader.choice("distribution")
    switch kind {
    case .uniform:
      reader.refuse(["mean", "std", "pairing"], because: "belongs to distribution ndtc, and this recipe says uniform")
      distribution = .uniform(every: reader.int("every", in: 1...65536))
    case .ndtc:
      reader.refuse(["every"], because: "belongs to distribution uniform, and this recipe says ndtc")
      distribution = .ndtc(
        mean: reader.double("mean", in: 0...1), std: reader.double("std", in: 0...10), pairing: reader.choice("pairing")
      )
    }
    trajectories = reader.int("trajectories", in: 1...Recipe.largestTrajectoryCount)
    seed = reader.int("seed", in: 0...Int.max)
    if reader.value("labels") == .string("balanced") {
      labels = .balanced
    } else {
      let list = reader.ints("labels", in: 0...1_000_000)
      if list.isEmpty, case .list = reader.value("labels") {
        reader.report("labels", "expected balanced or a list of classes, found an empty list")
      }
      labels = .cycled(list)
    }
  }
}
