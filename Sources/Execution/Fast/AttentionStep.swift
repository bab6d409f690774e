import Graphs
import Tensors

/// Scratch of an attention product on codes (u8 times s8).
struct CodeProduct: Sendable {
  /// Both operands' codes, row after row.
  let left: BufferID
  let right: BufferID
  /// The scales of one head's outputs, which all heads share, and then each head's start values; both padded to whole blocks.
  let constants: BufferID

  /// Bytes of the constants.
  static func constantBytes(outputs: Int, heads: Int) -> Int {
    4 * (1 + heads) * PackedWeights.blocks(outputs) * PackedWeights.blockWidth
  }

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
  /// The packed right operand, one head after the other.
  let packed: BufferID
  let leftQuantizers: ActivationQuantizers?
  let rightQuantizers: ActivationQuantizers?
  /// Simulated copies of the operands, where their sites are quantised and the operand is read by others, too.
  let leftScratch: BufferID?
  let rightScratch: BufferID?
  /// Present where the product runs on codes.
  let codes: CodeProduct?

  /// Blocks of one head's outputs.
  var blocks: Int { PackedWeights.blocks(outputs) }

  /// Bytes of one head's packed right operand.
  var packedBytes: Int { Self.packedBytes(outputs: outputs, inputs: inputs, isInteger: codes != nil) }

  static func packedBytes(outputs: Int, inputs: Int, isInteger: Bool) -> Int {
    isInteger
      ? PackedWeights.packedCodesByteCount(outputs: outputs, inputs: inputs)
      : PackedWeights.packedMatrixByteCount(outputs: outputs, inputs: inputs)
  }
}

/// Attention over blocks of queries: of all heads' probabilities, `rowsAtOnce` rows are held at a time.
struct AttentionStep: Sendable {
  let heads: Int
  /// Of queries, keys and values.
  let shapes: [Shape]
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

  /// Rows of probabilities below which a worker would spend its time on beginnings and ends of tiles.
  private static let fewestRows = 8

  /// Probabilities of a block, which the passes over it find in the second-level cache.
  private static let blockCount = 1 << 15

  /// How many workers share the rows that are held, and how many rows each of them holds.
  /// - Parameter isObserved: whether an observer is shown the probabilities, in the blocks in which every executor shows them.
  func lanes(workers: Int, isObserved: Bool) -> (count: Int, rows: Int) {
    if isObserved { return (1, Attention.rowsAtOnce(queries: queryCount, keys: keyCount)) }
    let count = max(1, min(workers, rowsAtOnce / Self.fewestRows))
    return (count, min(queryCount, rowsAtOnce / count, max(Self.blockCount / keyCount, Self.fewestRows)))
  }

  /// What a lane works through: blocks of one head's queries, none longer than a lane holds. Lanes have equal numbers of
  /// rows, so a head may be shared by two of them.
  func blocks(lane: Int, of lanes: (count: Int, rows: Int)) -> [(head: Int, queries: Range<Int>)] {
    let total = heads * queryCount
    let own = (total * lane / lanes.count)..<(total * (lane + 1) / lanes.count)
    var blocks: [(head: Int, queries: Range<Int>)] = []
    var row = own.lowerBound
    while row < own.upperBound {
      let (head, first) = row.quotientAndRemainder(dividingBy: queryCount)
      let end = min(first + lanes.rows, queryCount, first + own.upperBound - row)
      blocks.append((head, first..<end))
      row += end - first
    }
    return blocks
  }
}
