import Tensors

// What the sections of a recipe say against each other. Each section's own mistakes are its decoder's.
extension Recipe {
  /// Reports every contradiction to the reader that the sections were read by.
  func reportContradictions(to reader: ConfigurationReader) {
    checkTables(reader)
    checkSmoothing(reader)
    checkReconstruction(reader)
    checkMixedPrecision(reader)
    checkCalibration(reader)
    guard let method = Catalog.method(named: method) else { return }
    if temporalFeatures != .computed, !method.keepsFeatures {
      reader.report(
        "temporal_features",
        "keeping them is TFMQ-DM's; set temporal_features to computed, or method to tfmq or halftone")
    }
    for text in method.contradictions(self) { reader.report(nil, text) }
  }

  /// Tables of ranges per step: rows that steps share, branches of guidance, and features that are kept instead.
  private func checkTables(_ reader: ConfigurationReader) {
    if branches == .separate, tableInterval != 1 {
      reader.report(
        "activation_tables.interval", "rows of separate branches are not shared between steps; set interval to 1")
    }
    if activationTables != .all, tableInterval != 1 {
      reader.report("activation_tables.interval", "only tables of scope all share rows between steps")
    }
    if branches == .separate, reconstruction?.needsActivations ?? false {
      reader.report(
        "activation_tables",
        "what is learned of activations is learned for both branches of guidance together; set branches to shared")
    }
    if case .selected = temporalFeatures, activations != nil, activationTables == .shared {
      reader.report(
        "temporal_features",
        "selected chooses between kept features and finite set calibration; set activation_tables to temporal_block or all"
      )
    }
  }

  private func checkSmoothing(_ reader: ConfigurationReader) {
    if smoothing != nil, weights == nil || activations == nil {
      reader.report("smoothing", "balances quantised activations against quantised weights; set smoothing to none")
    }
  }

  private func checkReconstruction(_ reader: ConfigurationReader) {
    guard let reconstruction else { return }
    if reader.value("weights") == .string("float") {
      reader.report("reconstruction", "learns the rounding of weights, and weights are float")
    }
    if reconstruction.needsActivations, reader.value("activations") == .string("float") {
      reader.report("reconstruction", "learns the steps of activations, and activations are float")
    }
  }

  private func checkMixedPrecision(_ reader: ConfigurationReader) {
    if adaptiveRanges != nil, method == QuantizationMethod.mixedPrecision.name {
      reader.report(
        "adaptive_ranges", "method mixed searches widths on the ranges of its sections; set adaptive_ranges to none")
    }
    guard let mixedPrecision else { return }
    if method != QuantizationMethod.mixedPrecision.name {
      reader.report("mixed_precision", "is searched by method mixed, and this recipe says \(method)")
    }
    // Ranges are searched at the sections' bits, so that they must be the widest that are chosen from.
    for (key, bits, widths) in [
      ("weights", weights?.bits, mixedPrecision.weightBits),
      ("activations", activations?.bits, mixedPrecision.activationBits),
    ] where bits != widths.first(where: { $0 <= 8 }) {
      reader.report(
        "mixed_precision",
        "\(key).bits is \(bits.map(String.init) ?? "float"), expected the widest integer choice, \(widths.first { $0 <= 8 } ?? 8)"
      )
    }
  }

  /// What is measured or chosen for every step needs that step's samples.
  private func checkCalibration(_ reader: ConfigurationReader) {
    let distribution = calibration.distribution
    if correction != nil, distribution.every != 1 {
      reader.report(
        "correction", "each step's noise is measured on that step's samples; use distribution uniform with every 1")
    }
    if activationTables == .shared { return }
    if distribution.every == nil {
      reader.report(
        "activation_tables",
        "one range per step needs samples of every step, and calibration.distribution \(distribution.kind.rawValue) chooses steps; use distribution uniform or activation_tables shared"
      )
    } else if distribution.every != 1 {
      reader.report("activation_tables", "one range per step needs samples of every step; set calibration.every to 1")
    }
  }
}
