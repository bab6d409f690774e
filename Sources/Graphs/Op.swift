import Platform

/// The closed set of operations. Shapes omit the batch: images are [C, H, W], tokens [T, C], vectors [C].
/// Parameters are named as in the graph's parameter table. Every executor switches over this without `default`.
package enum Op: Sendable, Hashable {
  /// An operand of the call, as the call brings it.
  case input(GraphInput)

  // Functions of one number, the operand, which is the timestep or the label
  /// Sinusoids of the operand (Vaswani et al. 2017; Ho et al. 2020): [] -> [width].
  case sinusoidalEmbedding(SinusoidalEmbedding)
  /// Random Fourier features of the operand's logarithm (Song et al. 2021): [] -> [2 * count], frequencies from `weight`.
  case fourierEmbedding(weight: String, flipSinToCos: Bool)
  /// Row number `operand` of a table: [] -> [width].
  case embedding(table: String)

  // Contractions: the operations that have quantisation sites
  case conv2d(Convolution)
  /// y = x W^T + b over the last axis: [C] -> [O] or [T, C] -> [T, O].
  case linear(weight: String, bias: String?)
  /// Scaled dot-product attention: q [T, C], k [S, C], v [S, D] -> [T, D].
  case attention(Attention)

  // Float between
  /// Group normalisation (Wu & He 2018) over groups of channels and all positions of an image, then per-channel affine.
  case groupNorm(scale: String, shift: String, groups: Int, epsilon: Float)
  /// Layer normalisation (Ba et al. 2016, section 3) of each token over its channels, then per-channel affine: [T, C] -> [T, C].
  case layerNorm(scale: String, shift: String, epsilon: Float)
  case activation(Activation)
  /// GEGLU behind its linear layer (Shazeer 2020, section 2): x [T, 2C] -> x[..<C] GELU(x[C...]), the GELU exact.
  case geglu
  case add
  /// x [C, H, W] + v [C].
  case addPerChannel
  /// x [C, H, W], v [2C] -> x * (1 + v[..<C]) + v[C...].
  case scaleShift
  /// scale * x + offset, elementwise.
  case affine(scale: Float, offset: Float)
  /// x [C, H, W] / t []: the score of Fourier-embedded models (Song et al. 2021), whose t is the noise level.
  case divideByTimestep
  /// Channels of the first operand, then of the second.
  case concatenate
  /// Each pixel repeated twice in both directions.
  case upsampleNearest
  /// Mean over 2x2 blocks, stride 2.
  case averagePool
  /// The largest value, or the mean of those inside the image, of each place of a square window.
  case pool(Pooling)
  /// [C, H, W] -> [H*W, C].
  case toTokens
  /// [H*W, C] -> [C, H, W].
  case fromTokens(height: Int, width: Int)
  /// Mean over all positions: [C, H, W] -> [C].
  case globalAveragePool
}

/// Multi-head attention (Vaswani et al. 2017, section 3.2): for each head h, softmax(scale q_h k_h^T) v_h, the heads side by
/// side. Queries and keys are as wide as each other, values may be of another width; `heads` divides both.
///
/// Executors work on blocks of queries and never hold the whole matrix of probabilities.
package struct Attention: Sendable, Hashable {
  package var heads: Int
  package var scale: Float
  /// What the product of queries and keys, and that of probabilities and values, are called in sites.
  package var scores: String
  package var values: String

  package init(heads: Int, scale: Float, scores: String, values: String) {
    self.heads = heads
    self.scale = scale
    self.scores = scores
    self.values = values
  }

  /// Numbers of one head's probabilities that are held at once: two megabytes of Float.
  private static let blockCount = 1 << 19

  /// Stretches of the queries that are worked on one after another, head by head.
  package static func blocks(queries: Int, keys: Int) -> [Range<Int>] {
    let rows = rowsAtOnce(queries: queries, keys: keys)
    return stride(from: 0, to: queries, by: rows).map { $0..<min($0 + rows, queries) }
  }

  /// Queries of the longest block.
  package static func rowsAtOnce(queries: Int, keys: Int) -> Int {
    min(max(blockCount / max(keys, 1), 1), max(queries, 1))
  }
}

package struct Convolution: Sendable, Hashable {
  package var weight: String
  package var bias: String?
  package var stride: Int
  /// Zero padding on each side (diffusers' `downsample_padding: 0` pads bottom and right only).
  package var padding: Padding
  /// Weight dims: out, in, kernel height, kernel width.
  package var dims: [Int]

  package struct Padding: Sendable, Hashable {
    package var top: Int
    package var bottom: Int
    package var left: Int
    package var right: Int

    /// Above and to the left, below and to the right.
    package init(leading: Int, trailing: Int) {
      (top, left) = (leading, leading)
      (bottom, right) = (trailing, trailing)
    }

    /// Above and below, to the left and to the right.
    package init(rows: Int, columns: Int) {
      (top, bottom) = (rows, rows)
      (left, right) = (columns, columns)
    }
  }

  package init(weight: String, bias: String?, stride: Int, padding: Padding, dims: [Int]) {
    self.weight = weight
    self.bias = bias
    self.stride = stride
    self.padding = padding
    self.dims = dims
  }
}

/// A window that slides over an image, padding around it.
package struct Pooling: Sendable, Hashable {
  package enum Kind: String, Sendable, Hashable {
    case maximum
    /// Of the pixels inside the image: padding counts neither as value nor in number.
    case mean
  }

  package var kind: Kind
  package var size: Int
  package var stride: Int
  /// On each side; less than the size, so that every place has a pixel.
  package var padding: Int

  package init(_ kind: Kind, size: Int, stride: Int, padding: Int) {
    self.kind = kind
    self.size = size
    self.stride = stride
    self.padding = padding
  }
}

/// Frequencies exp(-ln(10000) j / (half - frequencyShift)), j < half = width / 2; sines first unless `flipSinToCos`.
/// Evaluated in Float, in diffusers' order of operations: a Double evaluation differs by 2.6e-5 at t = 999.
package struct SinusoidalEmbedding: Sendable, Hashable {
  package var width: Int
  package var flipSinToCos: Bool
  package var frequencyShift: Float
  package init(width: Int, flipSinToCos: Bool, frequencyShift: Float) {
    self.width = width
    self.flipSinToCos = flipSinToCos
    self.frequencyShift = frequencyShift
  }

  /// What the timestep is multiplied with: one number for each sine.
  package var frequencies: [Float] {
    let half = width / 2
    let logPeriod = Float(-log(10000.0))
    let divisor = Float(Double(half) - Double(frequencyShift))
    return (0..<half).map { expf(logPeriod * Float($0) / divisor) }
  }
}

package enum Activation: String, Sendable, Hashable, CaseIterable {
  case silu, gelu, relu, mish
}
