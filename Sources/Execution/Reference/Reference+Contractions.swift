import Graphs

extension Reference {
  /// Cross-correlation with zero padding, as in every deep learning library. x: C H W, weight: O C K K, result: O H' W'.
  static func convolution(
    _ x: [Float], _ dims: [Int], weight: [Float], bias: [Float]?, _ convolution: Convolution, result: [Int]
  ) -> [Float] {
    let (channels, height, width) = (dims[0], dims[1], dims[2])
    let (kernelHeight, kernelWidth) = (convolution.dims[2], convolution.dims[3])
    let (stride, top, left) = (convolution.stride, convolution.padding.top, convolution.padding.left)
    let (outHeight, outWidth) = (result[1], result[2])
    var out = [Float](repeating: 0, count: result.reduce(1, *))
    var sums = [Double](repeating: 0, count: outWidth)
    for o in 0..<result[0] {
      for y in 0..<outHeight {
        for column in 0..<outWidth { sums[column] = Double(bias?[o] ?? 0) }
        for c in 0..<channels {
          for ky in 0..<kernelHeight {
            let row = y * stride + ky - top
            guard (0..<height).contains(row) else { continue }
            for kx in 0..<kernelWidth {
              let w = Double(weight[((o * channels + c) * kernelHeight + ky) * kernelWidth + kx])
              for column in 0..<outWidth {
                let source = column * stride + kx - left
                if source >= 0 && source < width { sums[column] += w * Double(x[(c * height + row) * width + source]) }
              }
            }
          }
        }
        for column in 0..<outWidth { out[(o * outHeight + y) * outWidth + column] = Float(sums[column]) }
      }
    }
    return out
  }

  /// y = x W^T + b over the last axis. x: C or T C, weight: O C.
  static func linear(_ x: [Float], weight: [Float], bias: [Float]?, out: Int) -> [Float] {
    let channels = weight.count / out
    let tokens = x.count / channels
    var y = [Float](repeating: 0, count: tokens * out)
    for token in 0..<tokens {
      for o in 0..<out {
        y[token * out + o] = Float(
          dot(x, token * channels, 1, weight, o * channels, 1, count: channels) + Double(bias?[o] ?? 0))
      }
    }
    return y
  }

  /// softmax(scale q_h k_h^T) of one head h for a block of queries (Vaswani et al. 2017, eq. 1), scores rounded once.
  /// q: T C, k: S C, result: block x S; its numerators alone where these are quantised.
  static func probabilities(
    _ q: [Float], _ k: [Float], _ attention: Attention, _ shape: Shape, keys: Int, head: Int, block: Range<Int>,
    numerators: Bool
  ) -> [Float] {
    let channels = shape.channels
    let width = channels / attention.heads
    var scores: [Float] = []
    scores.reserveCapacity(block.count * keys)
    for query in block {
      for key in 0..<keys {
        let product = dot(q, query * channels + head * width, 1, k, key * channels + head * width, 1, count: width)
        scores.append(Float(Double(attention.scale) * product))
      }
    }
    return softmax(scores, columns: keys, numerators: numerators)
  }

  /// Divides each row by its sum; a row of zeros stays one.
  static func normalize(_ p: inout [Float], columns: Int) {
    for start in stride(from: 0, to: p.count, by: columns) {
      let sum = p[start..<(start + columns)].reduce(0.0) { $0 + Double($1) }
      for i in start..<(start + columns) where sum > 0 { p[i] = Float(Double(p[i]) / sum) }
    }
  }

  /// p_h v_h for a block of queries, written to the head's channels of these rows. p: block x S, v: S D, out: T D.
  static func mix(
    _ p: [Float], _ v: [Float], _ attention: Attention, _ shape: Shape, head: Int, block: Range<Int>,
    into out: inout [Float]
  ) {
    let (keys, channels) = (shape.positions, shape.channels)
    let width = channels / attention.heads
    for (row, query) in block.enumerated() {
      for channel in (head * width)..<((head + 1) * width) {
        out[query * channels + channel] = Float(dot(p, row * keys, 1, v, channel, channels, count: keys))
      }
    }
  }

  /// The sum of a[a0 + i sa] b[b0 + i sb] over i < count.
  private static func dot(
    _ a: [Float], _ a0: Int, _ sa: Int, _ b: [Float], _ b0: Int, _ sb: Int, count: Int
  ) -> Double {
    var sum = 0.0
    for i in 0..<count { sum += Double(a[a0 + i * sa]) * Double(b[b0 + i * sb]) }
    return sum
  }
}
