import Tensors

extension Recipe {
  /// Where the temporal features come from (Huang et al. 2024, "Temporal feature matters").
  package enum TemporalFeatures: Sendable, Equatable {
    /// From the quantised temporal block.
    case computed
    /// All are kept for every sampling step, at so many bits; 32 is float.
    case kept(bits: Int)
    /// Each from where it is disturbed less.
    case selected(bits: Int, by: Disturbance)

    fileprivate enum Source: String, CaseIterable { case kept, selected }
  }

  /// How far a temporal feature is from the float network's.
  package enum Disturbance: String, Sendable, CaseIterable {
    /// |e - e^|^2 / |e|^2.
    case relativeError = "relative_error"
    /// 1 - cos(e, e^).
    case cosine
  }
}

extension Recipe.TemporalFeatures {
  init(_ reader: ConfigurationReader) {
    guard let section = reader.section("temporal_features", or: "computed") else {
      self = .computed
      return
    }
    let source: Source = section.choice("source")
    let bits = section.int("bits", in: 2...32)
    if bits > 8, bits != 32 { section.report("bits", "expected 2 to 8, or 32 for float, found \(bits)") }
    switch source {
    case .kept:
      self = .kept(bits: bits)
      if section.value("disturbance") != nil {
        section.report("disturbance", "belongs to source selected, and this recipe says kept")
      }
    case .selected: self = .selected(bits: bits, by: section.choice("disturbance"))
    }
  }

  func encode() -> ConfigurationValue {
    switch self {
    case .computed: "computed"
    case .kept(let bits): ["source": .string(Source.kept.rawValue), "bits": .integer(bits)]
    case .selected(let bits, let measure):
      [
        "source": .string(Source.selected.rawValue), "bits": .integer(bits),
        "disturbance": .string(measure.rawValue),
      ]
    }
  }
}
