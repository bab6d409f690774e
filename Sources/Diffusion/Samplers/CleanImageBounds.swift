import Tensors

/// How a sampler keeps its prediction of x_0 inside the range of images: its `clip_sample`, `clip_sample_range`,
/// `thresholding`, `dynamic_thresholding_ratio` and `sample_max_value` keys. Thresholding replaces clipping, as in diffusers.
package struct CleanImageBounds: Sendable, Equatable {
  /// Limit x_0 to [-clipRange, clipRange] (Ho et al. 2020, released code).
  package var clip: Bool
  package var clipRange: Double
  /// Dynamic thresholding (Saharia et al. 2022, section 2.3).
  package var thresholding: Bool
  /// The quantile of |x_0| that thresholding takes, p.
  package var thresholdingRatio: Double
  /// Upper limit of the threshold.
  package var thresholdLimit: Double

  package init(
    clip: Bool = true, clipRange: Double = 1, thresholding: Bool = false, thresholdingRatio: Double = 0.995,
    thresholdLimit: Double = 1
  ) {
    self.clip = clip
    self.clipRange = clipRange
    self.thresholding = thresholding
    self.thresholdingRatio = thresholdingRatio
    self.thresholdLimit = thresholdLimit
  }

  var changesNothing: Bool { !clip && !thresholding }

  /// - Parameter x0: predictions, N C H W. Each image has its own threshold.
  package func applied(to x0: Tensor) -> Tensor {
    if thresholding {
      guard x0.count > 0 else { return x0 }
      return .stacked((0..<x0.dims[0]).map { thresholded(x0.rows($0..<$0 + 1)) })
    }
    return clip ? x0.clamped(to: Float(clipRange)) : x0
  }

  /// Saharia et al. 2022, section 2.3: s is the p-quantile of |x_0|, at least 1; x_0 is limited to [-s, s] and divided by s.
  private func thresholded(_ image: Tensor) -> Tensor {
    let quantile = Self.quantile(thresholdingRatio, of: image.values.map { abs($0) })
    let threshold = Float(min(max(quantile, 1), thresholdLimit))
    let limited = image.clamped(to: threshold)
    return Tensor(limited.dims, limited.values.map { $0 / threshold })
  }

  /// The p-quantile with linear interpolation between order statistics (numpy's and PyTorch's default).
  private static func quantile(_ p: Double, of values: [Float]) -> Double {
    let sorted = values.sorted()
    let rank = p * Double(sorted.count - 1)
    let below = Int(rank)
    let lower = Double(sorted[below])
    let upper = Double(sorted[min(below + 1, sorted.count - 1)])
    return lower + (rank - Double(below)) * (upper - lower)
  }
}

extension CleanImageBounds {
  /// Bounds above 0; the upper limit keeps them finite as Float.
  static let boundRange = 1e-6...1e30

  init(reading reader: ConfigurationReader, default standard: CleanImageBounds? = nil) {
    clip = reader.bool("clip_sample", default: standard?.clip)
    clipRange = reader.double("clip_sample_range", default: standard?.clipRange, in: Self.boundRange)
    thresholding = reader.bool("thresholding", default: standard?.thresholding)
    thresholdingRatio = reader.double("dynamic_thresholding_ratio", default: standard?.thresholdingRatio, in: 0...1)
    thresholdLimit = reader.double("sample_max_value", default: standard?.thresholdLimit, in: Self.boundRange)
  }

  var entries: [ConfigurationValue.Entry] {
    [
      .init("clip_sample", .bool(clip)),
      .init("clip_sample_range", .number(clipRange)),
      .init("thresholding", .bool(thresholding)),
      .init("dynamic_thresholding_ratio", .number(thresholdingRatio)),
      .init("sample_max_value", .number(thresholdLimit)),
    ]
  }
}
