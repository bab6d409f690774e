import Tensors

/// Pairs of 8-bit images made from equal seeds: how far apart each is, and which are the worst.
package struct PairedComparison: Sendable, Equatable {
  package let shape: ImageShape
  /// Structural similarity of each pair, in order.
  package private(set) var similarities: [Double] = []
  private var errors: [SignalToNoise] = []

  package init(shape: ImageShape) { self.shape = shape }

  /// Adds one pair, H W C each.
  /// - Throws: `EvaluationError.pairShapes` when one is no image of the shape.
  package mutating func add(reference: [UInt8], other: [UInt8]) throws(EvaluationError) {
    guard reference.count == shape.count, other.count == shape.count else {
      throw .pairShapes([reference.count], [other.count])
    }
    errors += try SignalToNoise.perImage(reference: reference, other: other, shape: shape)
    similarities.append(StructuralSimilarity.mean(reference: reference, other: other, shape: shape))
  }

  /// Peak signal-to-noise ratios.
  package var quality: PairedQuality { PairedQuality(errors, peak: 255) }

  /// nil without pairs.
  package var meanSimilarity: Double? {
    similarities.isEmpty ? nil : similarities.reduce(0, +) / Double(similarities.count)
  }

  /// Positions of the pairs, the least similar first; equal ones in order.
  package var worstFirst: [Int] {
    similarities.indices.sorted { (similarities[$0], $0) < (similarities[$1], $1) }
  }
}
