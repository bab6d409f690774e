import Tensors

/// Peak signal-to-noise ratio of images made from equal seeds, image by image and over all.
///
/// Two averages are in use, and they differ: the mean of the images' dB (SVDQuant's tables), and the dB of the mean
/// squared error over all images. Both are given. The first leaves identical pairs out, which have no dB, and says how
/// many they were; the second counts them as zero error, so it is the one to compare where some pairs are identical.
package struct PairedQuality: Sendable, Equatable {
  /// The largest possible difference: 255 for 8-bit images, 2 for values in [-1, 1].
  package let peak: Double
  /// One per image, in order.
  package let images: [Decibels]
  /// Mean of the dB of the pairs that differ; nil when none does.
  package let meanDecibels: Double?
  /// dB of the mean squared error over all pairs.
  package let pooled: Decibels

  package init(_ pairs: [SignalToNoise], peak: Double) {
    self.peak = peak
    images = pairs.map { $0.peakRatio(peak: peak) }
    let numbers = images.compactMap(\.number)
    meanDecibels = numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
    pooled = pairs.reduce(SignalToNoise(), +).peakRatio(peak: peak)
  }

  package var identicalCount: Int { images.count { $0 == .identical } }

  /// Of 8-bit images, N H W C. - Throws: `EvaluationError.pairShapes`.
  package init(reference: [UInt8], other: [UInt8], shape: ImageShape) throws(EvaluationError) {
    self.init(try SignalToNoise.perImage(reference: reference, other: other, shape: shape), peak: 255)
  }

  /// Of images in [-1, 1], N C H W. - Throws: `EvaluationError.pairShapes`.
  package init(reference: Tensor, other: Tensor) throws(EvaluationError) {
    self.init(try SignalToNoise.perImage(reference: reference, other: other), peak: 2)
  }
}
