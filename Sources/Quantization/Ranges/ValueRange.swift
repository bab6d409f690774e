import Tensors

/// The smallest and largest of some values.
package struct ValueRange: Sendable, Equatable {
  package var lower: Double
  package var upper: Double
  package init(lower: Double, upper: Double) {
    self.lower = lower
    self.upper = upper
  }

  package var magnitude: Double { max(abs(lower), abs(upper)) }

  package func union(_ other: ValueRange) -> ValueRange {
    ValueRange(lower: min(lower, other.lower), upper: max(upper, other.upper))
  }

  package func scaled(by factor: Double) -> ValueRange { ValueRange(lower: lower * factor, upper: upper * factor) }

  /// decay * self + (1 - decay) * batch.
  package func averaged(with batch: ValueRange, decay: Double) -> ValueRange {
    ValueRange(
      lower: decay * lower + (1 - decay) * batch.lower, upper: decay * upper + (1 - decay) * batch.upper)
  }

  /// The extremes of `values`; nil when there are none or one of them is not finite.
  package init?(of values: some Sequence<Float>) {
    var (lower, upper, poison) = (Float.infinity, -Float.infinity, Float(0))
    let scanned: Void? = values.withContiguousStorageIfAvailable { buffer in
      // Sixteen independent minima let the loop become vector code; `poison` turns NaN on any NaN or infinity.
      var (low, high) = (SIMD16<Float>(repeating: .infinity), SIMD16<Float>(repeating: -.infinity))
      var bad = SIMD16<Float>()
      let whole = buffer.count / 16 * 16
      let raw = UnsafeRawBufferPointer(buffer)
      for start in stride(from: 0, to: whole, by: 16) {
        let chunk = raw.loadUnaligned(fromByteOffset: start * MemoryLayout<Float>.size, as: SIMD16<Float>.self)
        low.replace(with: chunk, where: chunk .< low)
        high.replace(with: chunk, where: chunk .> high)
        bad += chunk * 0
      }
      (lower, upper, poison) = (low.min(), high.max(), bad.sum())
      for value in buffer[whole...] {
        lower = value < lower ? value : lower
        upper = value > upper ? value : upper
        poison += value * 0
      }
    }
    if scanned == nil {
      for value in values {
        lower = value < lower ? value : lower
        upper = value > upper ? value : upper
        poison += value * 0
      }
    }
    guard lower <= upper, !poison.isNaN else { return nil }
    self.init(lower: Double(lower), upper: Double(upper))
  }
}
