import Diffusion
import Tensors

extension QuantizationTable {
  /// Every entry that has no place in the graph: layer weights of another shape, sites that do not exist, scales and rows
  /// that are not as many as the place has channels and labels. Empty when the table fits.
  package func problems(for graph: Graph) -> [String] {
    var problems: [String] = []
    for path in weights.keys.sorted() {
      let site = Site(node: path, role: .weight)
      guard let node = graph.place(of: site)?.node, let dims = graph.parameterDims(of: node) else {
        problems.append("\(site): no such layer")
        continue
      }
      let weight = weights[path]!
      if weight.dims != dims { problems.append("\(site): expected shape \(dims), found \(weight.dims)") }
      if let problem = weight.quantizer.problem(channels: dims[0], rowLength: dims.dropFirst().reduce(1, *)) {
        problems.append("\(site): \(problem)")
      }
    }
    for site in activations.keys.sorted() {
      guard let channels = graph.shape(at: site)?.channels else {
        problems.append("\(site): no such site")
        continue
      }
      let quantizers = activations[site]!
      if let problem = quantizers.rows.lazy.compactMap({ $0.problem(channels: channels) }).first {
        problems.append("\(site): \(problem)")
      }
      if quantizers.areNumerators {
        if graph.place(of: site)?.tensor != .probabilities {
          problems.append("\(site): only attention's probabilities have numerators")
        } else if quantizers.rows.contains(where: { $0.granularity != .perTensor || $0.zeroPoints[0] != 0 }) {
          problems.append("\(site): numerators are not negative, so their zero point is 0")
        }
      }
      if quantizers.key != .shared, let node = graph.place(of: site)?.node, graph.phase(of: node.index) == .context {
        problems.append(
          "\(site): one quantiser per sampling step or branch, but its values depend on the context alone")
      }
      if case .stepAndLabel(let classes) = quantizers.key,
        classes != graph.classCount || quantizers.rows.count % classes != 0
      {
        problems.append(
          "\(site): \(quantizers.rows.count) rows for \(classes) classes, the network has \(graph.classCount ?? 0)")
      }
      let branches = GuidanceBranch.allCases.count
      if quantizers.key == .branch && quantizers.rows.count != branches
        || quantizers.key == .stepAndBranch && quantizers.rows.count % branches != 0
      {
        problems.append("\(site): \(quantizers.rows.count) rows for \(branches) branches of guidance")
      }
    }
    for path in features.keys.sorted() {
      if let problem = graph.problem(of: features[path]!, at: path) { problems.append("\(path): \(problem)") }
    }
    return problems
  }
}
