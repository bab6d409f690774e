extension ReportDocument {
  private static let sides = 1...65536
  /// Far above any count of a report, and small enough that sums do not overflow.
  private static let counts = 0...(1 << 53)

  /// What a file may say and no report of this program does: figures that charts could not show.
  var problems: [String] {
    var problems: [String] = []
    for (title, height, width) in galleries.map({ ($0.title, $0.height, $0.width) })
      + strips.map({ ($0.title, $0.height, $0.width) })
    where !Self.sides.contains(height) || !Self.sides.contains(width) {
      problems.append("\(title): images of \(height) x \(width)")
    }
    for variant in variants {
      let sizes = variant.layers.flatMap { [$0.weightCount, $0.weightBytes, $0.multiplyAccumulates] }
      if !(sizes + (variant.calibration?.counts ?? [])).allSatisfy(Self.counts.contains) {
        problems.append("\(variant.name): a count of a layer or of calibration samples is negative or too large")
      }
      problems += (variant.analysis?.problems ?? []).map { "\(variant.name): \($0)" }
    }
    return problems
  }
}

extension ReportAnalysis {
  fileprivate var problems: [String] {
    var problems: [String] = []
    for layer in layers {
      let counts = [layer.weight?.count, layer.activation?.count, layer.accumulated?.count].compactMap { $0 }
      if counts.contains(where: { $0 != steps.count }) {
        problems.append(
          "\(layer.path): \(counts.map(String.init).joined(separator: ", ")) errors at \(steps.count) steps")
      }
      if let negative = ((layer.weight ?? []) + (layer.activation ?? [])).first(where: { $0 < 0 }) {
        problems.append("\(layer.path): an error of \(negative)")
      }
    }
    for range in ranges {
      let grids = Set([1, range.lower.count])
      if range.lower.count != range.upper.count || range.gridLower.count != range.gridUpper.count
        || !grids.contains(range.gridLower.count)
      {
        problems.append("\(range.site): ranges and grids of other lengths")
      }
    }
    for histogram in histograms {
      if !(1...255).contains(histogram.largestCode) || !(histogram.firstCode < histogram.lastCode)
        || !histogram.counts.allSatisfy({ (0...(1 << 40)).contains($0) })
      {
        problems.append("\(histogram.site): a histogram without codes or counts")
      }
    }
    return problems
  }
}
