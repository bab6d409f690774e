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

/// How far another network's steps deviate from a reference's, step by step in execution order.
///
/// With predictions on the reference's own states this is the epsilon SNR (teacher forced: errors do not build up); with
/// states of two runs from equal noise it is the drift of the trajectory. Images are pooled by energy: a step's figure is
/// 10 log10(sum over images of |a|^2 / sum over images of |b - a|^2).
package struct StepwiseDeviation: Sendable, Equatable {
  /// One per step, in execution order.
  package private(set) var steps: [SignalToNoise] = []

  package init() {}

  /// Adds a batch's tensors of one step. Batches of the same step may come one after another, in any number.
  /// - Parameters: index: the step's position in execution order; reference, other: N x …, of equal dims.
  /// - Throws: `EvaluationError.pairShapes`.
  package mutating func add(index: Int, reference: Tensor, other: Tensor) throws(EvaluationError) {
    precondition(index >= 0)
    let images = try SignalToNoise.perImage(reference: reference, other: other)
    while steps.count <= index { steps.append(SignalToNoise()) }
    // Image by image, so that the bits do not depend on the batches.
    for image in images { steps[index] = steps[index] + image }
  }
}
