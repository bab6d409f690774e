import Graphs

/// Scratch of an attention product on codes (u8 times s8).
struct CodeProduct: Sendable {
  /// Both operands' codes, row after row.
  let left: BufferID
  let right: BufferID
  /// Start values, scales and zero biases of one head's outputs, padded to whole blocks.
  let constants: BufferID

  /// Whether operands quantised so can be multiplied as u8 times s8: the second one symmetric in eight bits, and no
  /// sum of `products` past Int32.
  static func allows(_ quantizers: [ActivationQuantizers?], products: Int) -> Bool {
    guard let left = quantizers[0], let right = quantizers[1] else { return false }
    let isSymmetric = right.rows.allSatisfy { $0.bits == 8 && $0.granularity == .perTensor && $0.zeroPoints[0] == 128 }
    return isSymmetric && left.rows.allSatisfy { $0.granularity == .perTensor }
      && products <= Int(Int32.max) / (255 * 128)
  }
}

/// One of attention's two products, computed head by head: rows of the left operand times the right one, which is packed like a
/// weight, so that attention has the same summation order on every instruction set and for every batch.
struct AttentionProduct: Sendable {
  let leftSite: Site
  let rightSite: Site
  /// Products summed for an output, and outputs of a row, within one head.
  let inputs: Int
  let outputs: Int
  let scale: Float
  /// The packed right operand of one head.
  let packed: BufferID
  let leftQuantizers: ActivationQuantizers?
  let rightQuantizers: ActivationQuantizers?
  /// Simulated copies of the operands, where their sites are quantised.
  let leftScratch: BufferID?
  let rightScratch: BufferID?
  /// Present where the product runs on codes.
  let codes: CodeProduct?
}

/// Attention over blocks of queries: of one head's probabilities, `rowsAtOnce` rows are held at a time.
struct AttentionStep: Sendable {
  let heads: Int
  /// Of queries, keys and values.
  let shapes: [Shape]
  let probabilitiesShape: Shape
  let rowsAtOnce: Int
  let queries: BufferID
  let keys: BufferID
  let values: BufferID
  let output: BufferID
  let probabilities: BufferID
  /// Queries times keys.
  let scores: AttentionProduct
  /// Probabilities times values.
  let mixing: AttentionProduct

  /// Whether probabilities' numerators are quantised and mix the values, whose mixtures are then divided.
  var quantizesNumerators: Bool { mixing.leftQuantizers?.areNumerators ?? false }
  var queryCount: Int { shapes[0].positions }
  var keyCount: Int { shapes[1].positions }
}
