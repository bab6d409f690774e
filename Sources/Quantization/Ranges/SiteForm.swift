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

  /// The quantiser of a site whose stretches have these ranges.
  package func quantizer(_ ranges: [ValueRange]) -> AffineQuantizer {
    let parts = ranges.map(rule.quantizer)
    if parts.count == 1 { return parts[0] }
    return AffineQuantizer(
      bits: parts[0].bits, granularity: .split(boundaries: boundaries), scales: parts.map { $0.scales[0] },
      zeroPoints: parts.map { $0.zeroPoints[0] })
  }
}

extension QuantizationTask {
  /// Channels at which the input of `node` is split.
  func boundaries(of node: Node) -> [Int] {
    switch recipe.splitInputs {
    case .none: []
    case .shortcuts: model.graph.concatenationBoundaries(ofInputTo: node, direct: true)
    case .all: model.graph.concatenationBoundaries(ofInputTo: node, direct: false)
    }
  }

  /// How activation sites are taken apart under a network's weights, and their grids.
  func forms(
    of sites: [Site], in network: QuantizedNetwork, _ settings: Recipe.Activations
  ) -> [Site: SiteForm] {
    var forms: [Site: SiteForm] = [:]
    for site in sites {
      guard let node = model.graph.place(of: site)?.node, let shape = model.graph.shape(at: site) else { continue }
      if case .operand(let position) = site.role {
        forms[site] = SiteForm(position == 0 ? settings.rule : settings.rightOperandRule, shape)
      } else {
        forms[site] = SiteForm(
          settings.rule, shape, boundaries: boundaries(of: node),
          inverseScales: network.table.weights[site.node]?.inputScales?.map { 1 / $0 })
      }
    }
    return forms
  }

  /// Quantisers of attention probabilities: they are between 0 and 1 whatever the model, so that nothing is measured. Eight
  /// bits at any width of the rest, as Q-Diffusion's code has them.
  func probabilityQuantizers() -> [Site: ActivationQuantizers] {
    var quantizers: [Site: ActivationQuantizers] = [:]
    for site in selection.activations where model.graph.place(of: site)?.tensor == .probabilities {
      quantizers[site] = ActivationQuantizers(shared: AffineQuantizer(bits: 8, scale: 1 / 255, zeroPoint: 0))
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
