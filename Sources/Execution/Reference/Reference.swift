import Graphs
import Platform

/// The operations of `ReferenceExecutor`, one image at a time: plain loops, every sum in Double and rounded once.
enum Reference {}

// MARK: Normalisation and activations

extension Reference {
  /// Group normalisation (Wu & He 2018): per group of channels, (x - mean) / sqrt(variance + epsilon), biased variance,
  /// then scale and shift per channel. x: C H W.
  static func groupNorm(
    _ x: [Float], channels: Int, groups: Int, epsilon: Float, scale: [Float], shift: [Float]
  ) -> [Float] {
    let perGroup = x.count / groups
    let pixels = x.count / channels
    var out = [Float](repeating: 0, count: x.count)
    for group in 0..<groups {
      let range = (group * perGroup)..<((group + 1) * perGroup)
      let mean = x[range].reduce(0.0) { $0 + Double($1) } / Double(perGroup)
      let variance = x[range].reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(perGroup)
      let inverse = 1 / (variance + Double(epsilon)).squareRoot()
      for i in range {
        let channel = i / pixels
        out[i] = Float((Double(x[i]) - mean) * inverse * Double(scale[channel]) + Double(shift[channel]))
      }
    }
    return out
  }

  /// Layer normalisation (Ba et al. 2016): per token, (x - mean) / sqrt(variance + epsilon) over its channels, biased variance,
  /// then scale and shift per channel. x: T C.
  static func layerNorm(_ x: [Float], epsilon: Float, scale: [Float], shift: [Float]) -> [Float] {
    let channels = scale.count
    var out = [Float](repeating: 0, count: x.count)
    for start in stride(from: 0, to: x.count, by: channels) {
      let row = x[start..<(start + channels)]
      let mean = row.reduce(0.0) { $0 + Double($1) } / Double(channels)
      let variance = row.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(channels)
      let inverse = 1 / (variance + Double(epsilon)).squareRoot()
      for c in 0..<channels {
        out[start + c] = Float((Double(x[start + c]) - mean) * inverse * Double(scale[c]) + Double(shift[c]))
      }
    }
    return out
  }

  /// GEGLU (Shazeer 2020): of each token the first half of its channels, each times the GELU of its partner in the second.
  /// x: T 2C, result: T C.
  static func geglu(_ x: [Float], channels: Int) -> [Float] {
    stride(from: 0, to: x.count, by: 2 * channels).flatMap { start in
      (start..<(start + channels)).map { x[$0] * activation(.gelu, x[$0 + channels]) }
    }
  }

  /// SiLU x sigmoid(x); GELU x Phi(x), exact; ReLU; Mish x tanh(ln(1 + e^x)) (Misra 2019).
  static func activation(_ kind: Activation, _ x: Float) -> Float {
    let x = Double(x)
    switch kind {
    case .silu: return Float(x / (1 + exp(-x)))
    case .gelu: return Float(0.5 * x * (1 + erf(x * 0.5.squareRoot())))
    case .relu: return Float(max(x, 0))
    // Above 30 the soft plus is x to the last bit, and exp would overflow long after.
    case .mish: return Float(x * tanh(x > 30 ? x : log1p(exp(x))))
    }
  }

  /// Softmax over rows of `columns` values, with the row's largest value subtracted first.
  /// - Parameter numerators: whether the powers are not divided by their sum.
  static func softmax(_ x: [Float], columns: Int, numerators: Bool = false) -> [Float] {
    var out = x
    for start in stride(from: 0, to: x.count, by: columns) {
      let row = x[start..<(start + columns)]
      let largest = Double(row.max() ?? 0)
      let powers = row.map { exp(Double($0) - largest) }
      let sum = numerators ? 1 : powers.reduce(0, +)
      for (i, power) in powers.enumerated() { out[start + i] = Float(power / sum) }
    }
    return out
  }
}

// MARK: Resampling and layout. Images are C H W.

extension Reference {
  static func upsampleNearest(_ x: [Float], _ dims: [Int]) -> [Float] {
    let (channels, height, width) = (dims[0], dims[1], dims[2])
    var out: [Float] = []
    out.reserveCapacity(4 * x.count)
    for channel in 0..<channels {
      for y in 0..<(2 * height) {
        for column in 0..<(2 * width) { out.append(x[(channel * height + y / 2) * width + column / 2]) }
      }
    }
    return out
  }

  static func averagePool(_ x: [Float], _ dims: [Int]) -> [Float] {
    let (channels, height, width) = (dims[0], dims[1], dims[2])
    var out: [Float] = []
    out.reserveCapacity(x.count / 4)
    for channel in 0..<channels {
      for y in 0..<(height / 2) {
        for column in 0..<(width / 2) {
          let corner = (channel * height + 2 * y) * width + 2 * column
          let sum = [0, 1, width, width + 1].reduce(0.0) { $0 + Double(x[corner + $1]) }
          out.append(Float(sum / 4))
        }
      }
    }
    return out
  }

  /// The largest value or the mean of the window's pixels inside the image, for each place.
  static func pool(_ x: [Float], _ dims: [Int], _ pooling: Pooling, result: [Int]) -> [Float] {
    let (height, width) = (dims[1], dims[2])
    func inside(_ place: Int, _ size: Int) -> Range<Int> {
      let start = place * pooling.stride - pooling.padding
      return max(start, 0)..<min(start + pooling.size, size)
    }
    var out: [Float] = []
    out.reserveCapacity(result.reduce(1, *))
    for channel in 0..<result[0] {
      for y in 0..<result[1] {
        for column in 0..<result[2] {
          let values = inside(y, height).flatMap { row in
            inside(column, width).map { x[(channel * height + row) * width + $0] }
          }
          switch pooling.kind {
          case .maximum: out.append(values.max() ?? 0)
          case .mean: out.append(Float(values.reduce(0.0) { $0 + Double($1) } / Double(values.count)))
          }
        }
      }
    }
    return out
  }

  static func globalAveragePool(_ x: [Float], _ dims: [Int]) -> [Float] {
    let pixels = dims[1] * dims[2]
    return (0..<dims[0]).map { channel in
      Float(x[(channel * pixels)..<((channel + 1) * pixels)].reduce(0.0) { $0 + Double($1) } / Double(pixels))
    }
  }

  /// The transpose of a row-major matrix.
  static func transposed(_ x: [Float], rows: Int, columns: Int) -> [Float] {
    var out = [Float](repeating: 0, count: x.count)
    for row in 0..<rows {
      for column in 0..<columns { out[column * rows + row] = x[row * columns + column] }
    }
    return out
  }
}
