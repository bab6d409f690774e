import Graphs
import Tensors

extension ModelSource {
  /// The share of an image's multiplications at one step that the model leaves in Float: those of layers, and of attention's
  /// products, of which not both operands have quantisers. 1 for a float model.
  var floatShare: Double {
    guard let table = quantized?.table else { return 1 }
    let contractions = GraphSummary(model.graph).contractions
    func isInteger(_ path: String) -> Bool {
      func has(_ role: Site.Role) -> Bool { table.activations[Site(node: path, role: role)] != nil }
      return table.weights[path] == nil ? has(.operand(0)) && has(.operand(1)) : has(.input)
    }
    let float = contractions.reduce(0.0) { $0 + (isInteger($1.path) ? 0 : Double($1.multiplyAccumulates)) }
    return float / max(contractions.reduce(0.0) { $0 + Double($1.multiplyAccumulates) }, 1)
  }
}
