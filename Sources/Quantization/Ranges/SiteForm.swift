import Execution
import Graphs
import Tensors

/// How a site's values are taken apart before ranges are looked for, and what grid a range becomes: channels divided by
/// their smoothing scales, and stretches of channels with ranges of their own.
package struct SiteForm: Sendable, Equatable {
  package let rule: GridRule
  /// Channels at which a new stretch begins, ascending.
  package let boundaries: [Int]
  /// Per channel; nil: ones.
  package let inverseScales: [Float]?
  /// Where the channels of the site's values lie.
  private let layout: ChannelLayout

  package init(_ rule: GridRule, _ shape: Shape, boundaries: [Int] = [], inverseScales: [Float]? = nil) {
    self.rule = rule
    layout = ChannelLayout(shape)
    self.boundaries = boundaries
    self.inverseScales = inverseScales
  }

  /// The values of each stretch. - Parameter value: N x the site's dims.
  package func parts(of value: Tensor) -> [[Float]] {
    if boundaries.isEmpty, inverseScales == nil { return [value.values] }
    var parts = [[Float]](repeating: [], count: boundaries.count + 1)
    for start in stride(from: 0, to: value.count, by: layout.stride) {
      let channel = start / layout.stride % layout.count
      let part = boundaries.count { $0 <= channel }
      let run = value.values[start..<min(start + layout.stride, value.count)]
      if let factor = inverseScales?[channel], factor != 1 {
        parts[part] += run.map { $0 * factor }
      } else {
        parts[part] += run
      }
    }
    return parts
  }

  /// The range of each stretch. - Parameter extremes: finite ones of the site.
  package func parts(of extremes: SiteExtremes) -> [ValueRange] {
    var parts = [ValueRange](
      repeating: ValueRange(lower: .infinity, upper: -.infinity), count: boundaries.count + 1)
    for (channel, ends) in zip(extremes.lower, extremes.upper).enumerated() {
      let part = boundaries.count { $0 <= channel }
      // Scales are positive, so that a product's extremes are the extremes' products.
      let factor = inverseScales?[channel] ?? 1
      parts[part] = parts[part].union(ValueRange(lower: Double(ends.0 * factor), upper: Double(ends.1 * factor)))
    }
    return parts
  }

  /// The quantiser of a site whose stretches have these ranges.
  package func quantizer(_ ranges: [ValueRange]) -> AffineQuantizer {
    let parts = ranges.map(rule.quantizer)
    if parts.count == 1 { return parts[0] }
    return AffineQuantizer(
      bits: parts[0].bits, granularity: .split(boundaries: boundaries), scales: parts.map { $0.scales[0] },
      zeroPoints: parts.map { $0.zeroPoints[0] })
  }
}

extension Recipe {
  /// Channels at which the input of `node` is split.
  func boundaries(of node: Node, in graph: Graph) -> [Int] {
    switch splitInputs {
    case .none: []
    case .shortcuts: graph.concatenationBoundaries(ofInputTo: node, direct: true)
    case .all: graph.concatenationBoundaries(ofInputTo: node, direct: false)
    }
  }

  /// How activation sites are taken apart, and their grids; none where activations are float.
  /// - Parameter inputScales: smoothing scales of a layer's input channels.
  func forms(
    of sites: [Site], in graph: Graph, inputScales: (_ layer: String) -> [Float]? = { _ in nil }
  ) -> [Site: SiteForm] {
    guard let activations else { return [:] }
    var forms: [Site: SiteForm] = [:]
    for site in sites {
      guard let node = graph.place(of: site)?.node, let shape = graph.shape(at: site) else { continue }
      if case .operand(let position) = site.role {
        forms[site] = SiteForm(position == 0 ? activations.rule : activations.rightOperandRule, shape)
      } else {
        forms[site] = SiteForm(
          activations.rule, shape, boundaries: boundaries(of: node, in: graph),
          inverseScales: inputScales(site.node)?.map { 1 / $0 })
      }
    }
    return forms
  }
}

extension Graph {
  /// Quantisers of attention probabilities: they are between 0 and 1 whatever the model, so that nothing is measured. Eight
  /// bits at any width of the rest, as Q-Diffusion's code has them. Their numerators are between 0 and 1, too.
  func probabilityQuantizers(
    of sites: [Site], _ form: Recipe.Probabilities
  ) -> [Site: ActivationQuantizers] {
    var quantizers: [Site: ActivationQuantizers] = [:]
    for site in sites where place(of: site)?.tensor == .probabilities {
      let keys = shape(at: site)?.channels ?? 0
      quantizers[site] = ActivationQuantizers(
        shared: AffineQuantizer(bits: 8, scale: 1 / 255, zeroPoint: 0), areNumerators: form.areNumerators(of: keys))
    }
    return quantizers
  }
}

extension Recipe.Activations {
  var rule: GridRule { GridRule(.activation, bits: bits, symmetric: symmetric, estimator: range) }

  /// Of keys and values, which integer execution multiplies as signed bytes: always symmetric.
  fileprivate var rightOperandRule: GridRule {
    GridRule(.attention, bits: bits, symmetric: true, estimator: range)
  }
}
