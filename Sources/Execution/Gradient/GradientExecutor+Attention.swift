import Graphs
import Tensors

// Attention's products head by head: queries q, keys k and values v are tokens x channels with the heads side by side,
// scores and probabilities heads x queries x keys.
extension GradientExecutor {
  private struct Heads {
    let count: Int
    let queries: Int
    let keys: Int
    let channels: Int
    var width: Int { channels / count }
    var square: Int { queries * keys }
  }

  func scores(_ node: Node, heads: Int, scale: Float) {
    let shape = scoreShape(node, heads)
    forEachImage { image in
      let (q, k, out) = (operand(node, 0, image), operand(node, 1, image), result(node, image))
      for head in 0..<heads {
        let column = head * shape.width
        multiply(
          FloatMatrix(q + column, stride: shape.channels),
          FloatMatrix(k + column, stride: shape.channels, transposed: true),
          rows: shape.queries, columns: shape.keys, inner: shape.width, scale: scale, accumulate: false,
          into: out + head * shape.square, stride: shape.keys)
      }
    }
  }

  /// dq = scale dS k, dk = scale dS^T q.
  func scoresGradient(_ node: Node, heads: Int, scale: Float) {
    let shape = scoreShape(node, heads)
    for position in 0..<2 {
      guard let (base, accumulate) = contribution(node, position) else { continue }
      let isKeys = position == 1
      forEachImage { image in
        let (dS, other) = (cotangent(node, image), operand(node, 1 - position, image))
        let out = base + image * elementCount(node.inputs[position])
        for head in 0..<heads {
          let column = head * shape.width
          multiply(
            FloatMatrix(dS + head * shape.square, stride: shape.keys, transposed: isKeys),
            FloatMatrix(other + column, stride: shape.channels), rows: isKeys ? shape.keys : shape.queries,
            columns: shape.width, inner: isKeys ? shape.queries : shape.keys, scale: scale, accumulate: accumulate,
            into: out + column, stride: shape.channels)
        }
      }
    }
  }

  func mix(_ node: Node, heads: Int) {
    let shape = mixShape(node, heads)
    forEachImage { image in
      let (p, v, out) = (operand(node, 0, image), operand(node, 1, image), result(node, image))
      for head in 0..<heads {
        let column = head * shape.width
        multiply(
          FloatMatrix(p + head * shape.square, stride: shape.keys), FloatMatrix(v + column, stride: shape.channels),
          rows: shape.queries, columns: shape.width, inner: shape.keys, accumulate: false, into: out + column,
          stride: shape.channels)
      }
    }
  }

  /// dp = dy v^T, dv = p^T dy.
  func mixGradient(_ node: Node, heads: Int) {
    let shape = mixShape(node, heads)
    if let (base, accumulate) = contribution(node, 0) {
      forEachImage { image in
        let (dy, v) = (cotangent(node, image), operand(node, 1, image))
        for head in 0..<heads {
          let column = head * shape.width
          multiply(
            FloatMatrix(dy + column, stride: shape.channels),
            FloatMatrix(v + column, stride: shape.channels, transposed: true), rows: shape.queries,
            columns: shape.keys, inner: shape.width, accumulate: accumulate,
            into: base + image * elementCount(node.inputs[0]) + head * shape.square, stride: shape.keys)
        }
      }
    }
    if let (base, accumulate) = contribution(node, 1) {
      forEachImage { image in
        let (dy, p) = (cotangent(node, image), operand(node, 0, image))
        for head in 0..<heads {
          let column = head * shape.width
          multiply(
            FloatMatrix(p + head * shape.square, stride: shape.keys, transposed: true),
            FloatMatrix(dy + column, stride: shape.channels), rows: shape.keys, columns: shape.width,
            inner: shape.queries, accumulate: accumulate,
            into: base + image * elementCount(node.inputs[1]) + column, stride: shape.channels)
        }
      }
    }
  }

  private func scoreShape(_ node: Node, _ heads: Int) -> Heads {
    let (q, k) = (dims(node.inputs[0]), dims(node.inputs[1]))
    return Heads(count: heads, queries: q[0], keys: k[0], channels: q[1])
  }

  private func mixShape(_ node: Node, _ heads: Int) -> Heads {
    let v = dims(node.inputs[1])
    return Heads(count: heads, queries: node.dims[0], keys: v[0], channels: v[1])
  }
}
