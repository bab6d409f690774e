/// A temporal feature, one result of the temporal information block, that is looked up instead of computed (Huang et al.
/// 2024, "Temporal feature matters", cache-based maintenance): a row per sampling step, or per step and class label.
package struct KeptFeature: Sendable, Equatable {
  package enum Rows: Sendable, Equatable {
    /// Row after row.
    case floats([Float])
    /// Codes row after row, with a quantiser for each row.
    case codes([UInt8], [AffineQuantizer])
  }

  package let key: ActivationQuantizers.Key
  /// Elements of a row.
  package let width: Int
  package let rows: Rows

  package init(key: ActivationQuantizers.Key, width: Int, rows: Rows) {
    precondition(key != .shared && width > 0)
    self.key = key
    self.width = width
    self.rows = rows
  }

  package var rowCount: Int {
    switch rows {
    case .floats(let values): values.count / width
    case .codes(_, let quantizers): quantizers.count
    }
  }

  /// Of a value as it is kept; 32 is float.
  package var bits: Int {
    switch rows {
    case .floats: 32
    case .codes(_, let quantizers): quantizers.first?.bits ?? 8
    }
  }

  /// The feature of a call.
  package func values(stepIndex: Int, label: Int?) -> [Float] {
    values(ofRow: key.row(stepIndex: stepIndex, label: label))
  }

  /// One row, as Floats. - Precondition: there is such a row.
  package func values(ofRow row: Int) -> [Float] {
    let range = (row * width)..<((row + 1) * width)
    switch rows {
    case .floats(let values): return Array(values[range])
    case .codes(let codes, let quantizers):
      return quantizers[row].dequantized(Array(codes[range]), channelStride: 1, channelCount: width)
    }
  }
}

extension Graph {
  /// The temporal features: results of the temporal block that something outside it reads, by node.
  package var temporalFeatures: [Int] { segment(nodes.indices.filter { isTemporal[$0] }).outputs }

  /// The temporal nodes that nobody needs where some temporal features are kept.
  package func idleNodes(keeping features: some Collection<String>) -> Set<Int> {
    let kept = Set(features)
    var isComputed = isTemporal.map { !$0 }
    for node in nodes.reversed() where isTemporal[node.index] {
      isComputed[node.index] =
        !kept.contains(node.path) && (node.index == output || consumers[node.index].contains { isComputed[$0] })
    }
    return Set(nodes.indices.filter { !isComputed[$0] })
  }

  /// Parameters that only idle nodes read.
  package func idleParameters(keeping features: some Collection<String>) -> Set<String> {
    let idle = idleNodes(keeping: features)
    let read = Set(nodes.filter { !idle.contains($0.index) }.flatMap(\.op.parameters))
    return Set(parameters.map(\.name)).subtracting(read)
  }

  /// What keeps a feature from being used; nil: nothing.
  func problem(of feature: KeptFeature, at path: String) -> String? {
    guard let node = node(at: path), temporalFeatures.contains(node.index) else { return "no such temporal feature" }
    if feature.width != node.count { return "\(feature.width) values, the feature has \(node.count)" }
    switch feature.key {
    case .shared, .step:
      return labelDependentPaths.contains(path) ? "depends on the class label, and has no rows for labels" : nil
    case .stepAndLabel(let classes):
      return classes == classCount && feature.rowCount % classes == 0
        ? nil : "\(feature.rowCount) rows for \(classes) classes, the network has \(classCount ?? 0)"
    case .branch, .stepAndBranch: return "does not depend on the branch of guidance"
    }
  }
}
