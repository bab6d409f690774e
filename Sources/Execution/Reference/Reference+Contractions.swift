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

  /// scale q_h k_h^T per head h (Vaswani et al. 2017, eq. 1). q: T C, k: S C, result: heads T S.
  static func attentionScores(
    _ q: [Float], _ k: [Float], _ qDims: [Int], _ kDims: [Int], heads: Int, scale: Float
  ) -> [Float] {
    let channels = qDims[1]
    let width = channels / heads
    var out: [Float] = []
    out.reserveCapacity(heads * qDims[0] * kDims[0])
    for head in 0..<heads {
      for query in 0..<qDims[0] {
        for key in 0..<kDims[0] {
          let product = dot(
            q, query * channels + head * width, 1, k, key * channels + head * width, 1, count: width)
          out.append(Float(Double(scale) * product))
        }
      }
    }
    return out
  }

  /// p_h v_h per head h, heads side by side. p: heads T S, v: S C, result: T C.
  static func attentionValues(_ p: [Float], _ v: [Float], _ vDims: [Int], heads: Int) -> [Float] {
    let (keys, channels) = (vDims[0], vDims[1])
    let width = channels / heads
    let queries = p.count / (heads * keys)
    var out = [Float](repeating: 0, count: queries * channels)
    for query in 0..<queries {
      for channel in 0..<channels {
        let head = channel / width
        out[query * channels + channel] = Float(
          dot(p, (head * queries + query) * keys, 1, v, channel, channels, count: keys))
      }
    }
    return out
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
