/// What is wrong and where, in sentences made from a report's numbers.
package struct Findings {
  /// How much of what layers cost alone the named ones make up together.
  private static let carried = 0.8
  /// A window of this share of the steps is looked for.
  private static let window = 0.2
  /// A window that is better than the rest by less than this says nothing.
  private static let noticeable = 1.0

  private let document: ReportDocument

  package init(_ document: ReportDocument) { self.document = document }

  /// Sentences about the model that deviates most, and how the others stand beside it.
  package var sentences: [String] {
    let measured = document.variants.filter { $0.isQuantized && $0.meanDecibels != nil }
    guard let worst = measured.min(by: { ($0.meanDecibels ?? 0) < ($1.meanDecibels ?? 0) }) else {
      let analysed = document.variants.first { $0.analysis != nil }
      return (analysed.map { [Self.layers(of: $0)].compactMap { $0 } } ?? []) + sizes
    }
    return standing(worst, among: measured.filter { $0.group == worst.group })
      + [Self.layers(of: worst), Self.steps(of: worst)].compactMap { $0 }
  }

  private func standing(_ worst: ReportVariant, among measured: [ReportVariant]) -> [String] {
    guard let mean = worst.meanDecibels else { return [] }
    let best = measured.max { ($0.meanDecibels ?? 0) < ($1.meanDecibels ?? 0) }
    guard measured.count > 1, let best, let top = best.meanDecibels else {
      return ["\(worst.named) predicts noise at \(fixed(mean, 1)) dB epsilon SNR, averaged over the steps."]
    }
    return [
      "\(worst.named) deviates most from the float model: \(fixed(mean, 1)) dB epsilon SNR, averaged over the steps; "
        + "the best is \(best.named) with \(fixed(top, 1)) dB."
    ]
  }

  /// "conv_out and 3 other layers make up 80 % of what the layers of … cost alone".
  package static func layers(of variant: ReportVariant) -> String? {
    guard let shares = variant.analysis?.shares, let first = shares.first else { return nil }
    var (sum, count) = (0.0, 0)
    for share in shares where sum < carried {
      sum += share.share
      count += 1
    }
    let others =
      switch count {
      case 1: ""
      case 2: " and \(shares[1].path)"
      default: " and \(count - 1) other layers"
      }
    let verb = count == 1 ? "makes" : "make"
    let cause = shares.prefix(count).reduce(0) { $0 + $1.weightShare } / sum
    let (weights, inputs) = count == 1 ? ("its weight", "its input") : ("their weights", "their inputs")
    let operand = cause > 0.75 ? ", almost all by \(weights)" : cause < 0.25 ? ", almost all by \(inputs)" : ""
    return
      "\(first.path)\(others) (of \(variant.analysis?.layers.count ?? 0)) \(verb) up \(fixed(100 * sum, 0)) % of what "
      + "the layers of \(variant.named) cost alone\(operand)."
  }

  /// "Steps 40 to 49 of 50 are worst …".
  package static func steps(of variant: ReportVariant) -> String? {
    let values = variant.stepDecibels
    guard values.count >= 5, let window = worstWindow(values) else { return nil }
    let inside = mean(values[window])
    let outside = mean(values[..<window.lowerBound] + values[window.upperBound...])
    guard let inside, let outside, outside - inside >= noticeable else { return nil }
    return
      "Steps \(window.lowerBound) to \(window.upperBound - 1) of \(values.count) are worst: \(fixed(inside, 1)) dB, "
      + "against \(fixed(outside, 1)) dB in the others."
  }

  /// The neighbouring steps with the lowest mean.
  private static func worstWindow(_ values: [Double?]) -> Range<Int>? {
    let width = max(Int(Double(values.count) * window), 1)
    let windows = (0...(values.count - width)).compactMap { start in
      mean(values[start..<(start + width)]).map { (start, $0) }
    }
    return windows.min { ($0.1, $0.0) < ($1.1, $1.0) }.map { $0.0..<($0.0 + width) }
  }

  private static func mean(_ values: some Sequence<Double?>) -> Double? {
    let numbers = values.compactMap { $0 }
    return numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
  }

  /// Where nothing was drawn: what the files hold.
  private var sizes: [String] {
    document.variants.filter(\.isQuantized).compactMap { variant in
      guard let bytes = variant.bytes, !variant.layers.isEmpty else { return nil }
      let weighted = variant.layers.filter { $0.weightCount > 0 }
      let coded = weighted.filter { $0.weightBits != nil }
      return
        "\(variant.named) is \(shown(bytes: bytes)); \(coded.count) of its \(weighted.count) layers have quantised weights"
        + (variant.floatShare.map { ", and \(fixed(100 * (1 - $0), 1)) % of its multiplications are integer" } ?? "")
        + "."
    }
  }
}

extension ReportVariant {
  /// The title as a sentence can hold it: in quotation marks where it has words of its own.
  fileprivate var named: String { title.contains(" ") ? "“\(title)”" : title }
}
