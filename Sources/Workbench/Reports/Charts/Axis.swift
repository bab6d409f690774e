import Foundation

/// One axis of a chart: what it shows, the values at its ends and where they lie on the drawing.
package struct Axis: Sendable {
  package let title: String
  package let values: ClosedRange<Double>
  /// Where the ends lie; the second may be smaller than the first (an axis that grows upwards).
  package let places: (Double, Double)

  /// - Parameters:
  ///   - data: what must fit; values that no drawing can show are left out.
  ///   - fits: whether the ends are the data's own, instead of the round numbers around them.
  package init(
    _ title: String, showing data: [Double], fits: Bool = false, includesZero: Bool = false,
    from first: Double, to second: Double
  ) {
    self.title = title
    places = (first, second)
    var usable = data.filter { abs($0) < Self.largest }
    if includesZero { usable.append(0) }
    guard let low = usable.min(), let high = usable.max() else {
      values = 0...1
      return
    }
    // A single value has room on both sides.
    let isWide = high - low > 1e-9 * max(abs(low), abs(high))
    let ends = isWide ? (low, high) : (low - max(abs(low) * 0.1, 0.5), high + max(abs(high) * 0.1, 0.5))
    let step = Self.step(from: ends.0, to: ends.1)
    values = fits ? ends.0...ends.1 : (ends.0 / step).rounded(.down) * step...(ends.1 / step).rounded(.up) * step
  }

  private static let largest = 1e300

  package func place(_ value: Double) -> Double {
    let share = (value - values.lowerBound) / (values.upperBound - values.lowerBound)
    return places.0 + min(max(share, 0), 1) * (places.1 - places.0)
  }

  /// Round numbers within the axis, ascending.
  package var ticks: [Double] {
    let step = Self.step(from: values.lowerBound, to: values.upperBound)
    let first = Int((values.lowerBound / step - 1e-9).rounded(.up))
    let last = Int((values.upperBound / step + 1e-9).rounded(.down))
    return first > last ? [] : (first...last).map { Double($0) * step }
  }

  /// 1, 2 or 5 times a power of ten, so that about five steps fit.
  private static func step(from low: Double, to high: Double) -> Double {
    let rough = (high - low) / 5
    guard rough > 0, rough.isFinite else { return 1 }
    let power = pow(10, log10(rough).rounded(.down))
    return ([1.0, 2, 5].first { $0 * power >= rough * 0.999 } ?? 10) * power
  }

  /// A number as an axis shows it: as many digits as its size needs.
  package static func text(_ value: Double) -> String {
    let size = abs(value)
    if value == 0 { return "0" }
    if size >= 1e6 || size < 1e-3 {
      let exponent = Int(log10(size).rounded(.down))
      let leading = trimmed(fixed(value / pow(10, Double(exponent)), 1))
      return (leading == "1" ? "" : leading + "·") + "10" + superscript(exponent)
    }
    return trimmed(fixed(value, size >= 100 ? 0 : size >= 1 ? 2 : 4))
  }

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var text = Substring(text)
    while text.hasSuffix("0") { text.removeLast() }
    return String(text.hasSuffix(".") ? text.dropLast() : text)
  }

  private static func superscript(_ exponent: Int) -> String {
    let digits: [Character] = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"]
    return (exponent < 0 ? "⁻" : "")
      + String(String(abs(exponent)).compactMap { $0.wholeNumberValue.map { digits[$0] } })
  }
}
