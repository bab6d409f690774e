import Tensors

extension Recipe {
  /// Ranges whose metric is chosen by the error of the network's output (DetPTQ: Niu et al. 2023).
  package struct AdaptiveRanges: Sendable, Equatable {
    /// What each weight and each activation chooses from.
    package var ranges: [RangeEstimator]
    /// Calibration samples that the output's error is measured on, spread over the steps.
    package var samples: Int
  }
}

extension Recipe.AdaptiveRanges {
  init(_ reader: ConfigurationReader, weights: Recipe.Weights?, activations: Recipe.Activations?) {
    samples = reader.int("samples", in: 1...65536)
    let names = reader.strings("ranges")
    ranges = names.enumerated().compactMap { position, name in
      let found = RangeEstimator(rawValue: name)
      if found == nil {
        reader.report(
          "ranges[\(position)]",
          "expected one of \(RangeEstimator.allCases.map(\.rawValue).joined(separator: ", ")), found \"\(printable(name))\""
        )
      }
      return found
    }
    if Set(ranges).count != ranges.count || ranges.count < 2, reader.isSound("ranges") {
      reader.report("ranges", "expected two or more different ranges to choose from")
    }
    if ranges.contains(.l24Thresholds), weights?.symmetric == false || activations?.symmetric == false {
      reader.report("ranges", "l24_100 is PTQ4DM's symmetric search, and weights or activations are asymmetric")
    }
    if let activations, activations.average == nil, ranges.contains(where: \.searches) {
      reader.report("ranges", "searches batch by batch; give activations.ema decay and batch")
    }
  }

  func encode() -> ConfigurationValue {
    ["ranges": .list(ranges.map { .string($0.rawValue) }), "samples": .integer(samples)]
  }
}
