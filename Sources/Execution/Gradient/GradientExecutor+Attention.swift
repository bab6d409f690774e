import CKernels
import Graphs
import Tensors

// Attention head by head, in the blocks of queries of all executors: queries q, keys k and values v are tokens x channels
// with the heads side by side. Probabilities are not kept: the walk backwards computes each block again.
extension GradientExecutor {
  /// One image's part in an attention.
  private struct Heads {
    let attention: Attention
    let queries: Int
    let keys: Int
    let channels: Int
    let valueChannels: Int
    var width: Int { channels / attention.heads }
    var valueWidth: Int { valueChannels / attention.heads }
    var blocks: [Range<Int>] { Attention.blocks(queries: queries, keys: keys) }

    init(_ attention: Attention, _ shapes: [Shape]) {
      self.attention = attention
      (queries, keys) = (shapes[0].positions, shapes[1].positions)
      (channels, valueChannels) = (shapes[0].channels, shapes[2].channels)
    }
  }

  func attend(_ node: Node, _ attention: Attention) {
    let heads = Heads(attention, node.inputs.map { graph.nodes[$0].shape })
    forEachImage { image in
      let (v, out) = (operand(node, 2, image), result(node, image))
      let (p, _) = memory.probabilityBlock(image: image)
      for head in 0..<attention.heads {
        let column = head * heads.valueWidth
        for rows in heads.blocks {
          probabilities(node, heads, head, rows, image, into: p)
          multiply(
            FloatMatrix(p, stride: heads.keys), FloatMatrix(v + column, stride: heads.valueChannels),
            rows: rows.count, columns: heads.valueWidth, inner: heads.keys, accumulate: false,
            into: out + rows.lowerBound * heads.valueChannels + column, stride: heads.valueChannels)
        }
      }
    }
  }

  /// softmax(scale q k^T) of one head for a block of queries.
  private func probabilities(
    _ node: Node, _ heads: Heads, _ head: Int, _ rows: Range<Int>, _ image: Int,
    into p: UnsafeMutablePointer<Float>
  ) {
    let column = head * heads.width
    multiply(
      FloatMatrix(operand(node, 0, image) + rows.lowerBound * heads.channels + column, stride: heads.channels),
      FloatMatrix(operand(node, 1, image) + column, stride: heads.channels, transposed: true),
      rows: rows.count, columns: heads.keys, inner: heads.width, scale: heads.attention.scale, accumulate: false,
      into: p, stride: heads.keys)
    var pass = ht_softmax(
      values: p, rows: Int64(rows.count), row_stride: Int64(heads.keys), columns: Int32(heads.keys), numerators: 0)
    kernels.softmaxRows(&pass)
  }

  /// dv = p^T dy; dp = dy v^T; dS from dp by the softmax's gradient; dq = scale dS k, dk = scale dS^T q.
  func attentionGradient(_ node: Node, _ attention: Attention) {
    let heads = Heads(attention, node.inputs.map { graph.nodes[$0].shape })
    // Values first: the order in which contributions to one slot are added.
    let dv = contribution(node, 2)
    let dq = contribution(node, 0)
    let dk = contribution(node, 1)
    if dv == nil && dq == nil && dk == nil { return }
    let blocks = heads.blocks
    // Keys and values get a sum over the blocks; where two operands share a slot, all are added to zeros.
    let isShared = blocks.count > 1 && Set(node.inputs.map { memory.slots.root($0) }).count < 3
    forEachImage { image in
      let (p, dS) = memory.probabilityBlock(image: image)
      let dy = cotangent(node, image)
      func target(
        _ contribution: (base: UnsafeMutablePointer<Float>, accumulate: Bool)?, _ position: Int
      ) -> UnsafeMutablePointer<Float>? {
        guard let contribution else { return nil }
        let size = elementCount(node.inputs[position])
        let base = contribution.base + image * size
        if isShared, !contribution.accumulate { base.update(repeating: 0, count: size) }
        return base
      }
      let (v, q, k) = (target(dv, 2), target(dq, 0), target(dk, 1))
      for head in 0..<attention.heads {
        let (column, valueColumn) = (head * heads.width, head * heads.valueWidth)
        for (number, rows) in blocks.enumerated() {
          let dyBlock = dy + rows.lowerBound * heads.valueChannels + valueColumn
          probabilities(node, heads, head, rows, image, into: p)
          if let v {
            multiply(
              FloatMatrix(p, stride: heads.keys, transposed: true), FloatMatrix(dyBlock, stride: heads.valueChannels),
              rows: heads.keys, columns: heads.valueWidth, inner: rows.count,
              accumulate: isShared || number > 0 || dv?.accumulate == true, into: v + valueColumn,
              stride: heads.valueChannels)
          }
          if q == nil && k == nil { continue }
          multiply(
            FloatMatrix(dyBlock, stride: heads.valueChannels),
            FloatMatrix(operand(node, 2, image) + valueColumn, stride: heads.valueChannels, transposed: true),
            rows: rows.count, columns: heads.keys, inner: heads.valueWidth, accumulate: false, into: dS,
            stride: heads.keys)
          var pass = ht_softmax_gradient(
            p: p, dy: dS, dx: dS, rows: Int64(rows.count), columns: Int32(heads.keys), accumulate: 0)
          kernels.softmaxGradient(&pass)
          let first = rows.lowerBound * heads.channels + column
          if let q {
            multiply(
              FloatMatrix(dS, stride: heads.keys),
              FloatMatrix(operand(node, 1, image) + column, stride: heads.channels), rows: rows.count,
              columns: heads.width, inner: heads.keys, scale: attention.scale,
              accumulate: isShared || dq?.accumulate == true, into: q + first, stride: heads.channels)
          }
          if let k {
            multiply(
              FloatMatrix(dS, stride: heads.keys, transposed: true),
              FloatMatrix(operand(node, 0, image) + first, stride: heads.channels), rows: heads.keys,
              columns: heads.width, inner: rows.count, scale: attention.scale,
              accumulate: isShared || number > 0 || dk?.accumulate == true, into: k + column, stride: heads.channels)
          }
        }
      }
    }
  }
}
