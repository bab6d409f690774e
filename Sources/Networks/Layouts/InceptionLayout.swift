import Graphs

/// The names of pytorch-fid's and torch-fidelity's weight files for `InceptionV3`: each convolution without bias, and the batch
/// normalisation behind it, epsilon 1e-3, beside it. What the network does not use (auxiliary logits, batch counters) is left out.
package struct InceptionLayout: WeightLayout {
  package let name = "inception"

  private static let epsilon = 1e-3

  package init() {}

  package func expressions(for parameter: Parameter) -> [WeightExpression] {
    for suffix in [".conv.weight", ".conv.bias"] where parameter.name.hasSuffix(suffix) {
      let norm = FoldedNormalization(name: parameter.name.dropLast(suffix.count) + ".bn", epsilon: Self.epsilon)
      return [suffix == ".conv.weight" ? .scaled(.stored(parameter.name), by: norm) : .shift(norm)]
    }
    return [.stored(parameter.name)]
  }

  package func leavesOut(_ name: String) -> Bool {
    name.hasPrefix("AuxLogits.") || name.hasSuffix(".num_batches_tracked")
  }
}
