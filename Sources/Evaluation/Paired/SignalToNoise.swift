import Foundation
import Tensors

/// Energies of a reference signal and of another's deviation from it: what signal-to-noise ratios, trajectory drift and
/// peak signal-to-noise ratios are made of. Energies add up, decibels do not.
package struct SignalToNoise: Sendable, Equatable {
  /// Sum of a^2 over the reference's elements.
  package private(set) var signal: Double
  /// Sum of (b - a)^2.
  package private(set) var noise: Double
  /// Number of elements.
  package private(set) var count: Int

  package init(signal: Double = 0, noise: Double = 0, count: Int = 0) {
    self.signal = signal
    self.noise = noise
    self.count = count
  }

  /// 10 log10(sum a^2 / sum (b - a)^2), in dB.
  package var ratio: Decibels { Decibels(signal: signal, noise: noise) }

  /// sum (b - a)^2 / sum a^2: the drift of a trajectory at one step. nil where it is no number (see `Decibels`).
  package var relativeSquaredError: Double? {
    switch ratio {
    case .identical: 0
    case .value: noise / signal
    case .undefined: nil
    }
  }

  package var meanSquaredError: Double { count == 0 ? 0 : noise / Double(count) }

  /// 10 log10(peak^2 / mean squared error), in dB. - Parameter peak: the largest possible difference of two values.
  package func peakRatio(peak: Double) -> Decibels { Decibels(signal: peak * peak, noise: meanSquaredError) }

  package static func + (a: SignalToNoise, b: SignalToNoise) -> SignalToNoise {
    SignalToNoise(signal: a.signal + b.signal, noise: a.noise + b.noise, count: a.count + b.count)
  }

  /// One value per row of the first axis (image), summed in Double in the order of the elements, so that an image's
  /// figures do not depend on its batch.
  /// - Parameters: reference, other: N x …, of equal dims.
  /// - Throws: `EvaluationError.pairShapes`.
  package static func perImage(reference: Tensor, other: Tensor) throws(EvaluationError) -> [SignalToNoise] {
    guard reference.dims == other.dims, let images = reference.dims.first else {
      throw .pairShapes(reference.dims, other.dims)
    }
    return perRow(reference.values, other.values, rows: images) { Double($0) }
  }

  /// As above, of 8-bit images; peak 255. - Precondition: whole images of `shape`.
  package static func perImage(
    reference: [UInt8], other: [UInt8], shape: ImageShape
  ) throws(EvaluationError) -> [SignalToNoise] {
    guard reference.count == other.count else {
      throw .pairShapes(
        [reference.count / shape.count] + shape.dims, [other.count / shape.count] + shape.dims)
    }
    precondition(reference.count % shape.count == 0)
    return perRow(reference, other, rows: reference.count / shape.count) { Double($0) }
  }

  private static func perRow<Element>(
    _ reference: [Element], _ other: [Element], rows: Int, _ value: (Element) -> Double
  ) -> [SignalToNoise] {
    let width = rows == 0 ? 0 : reference.count / rows
    return (0..<rows).map { row in
      var (signal, noise) = (0.0, 0.0)
      for i in (row * width)..<((row + 1) * width) {
        let (a, b) = (value(reference[i]), value(other[i]))
        signal += a * a
        noise += (b - a) * (b - a)
      }
      return SignalToNoise(signal: signal, noise: noise, count: width)
    }
  }
}

/// A ratio of energies on the logarithmic scale. What is no number is a case of its own: infinities survive neither JSON
/// nor a mean.
package enum Decibels: Sendable, Equatable {
  /// No deviation at all.
  case identical
  case value(Double)
  /// The reference is zero throughout, or a value is not finite.
  case undefined

  init(signal: Double, noise: Double) {
    let ratio = 10 * log10(signal / noise)
    self = noise == 0 ? .identical : ratio.isFinite ? .value(ratio) : .undefined
  }

  /// nil when identical or undefined.
  package var number: Double? {
    switch self {
    case .identical, .undefined: nil
    case .value(let number): number
    }
  }
}
