import Graphs
import Tensors

/// A stretch of the arena that one value occupies while it is alive.
struct BufferID: Hashable, Sendable {
  let index: Int
}

/// How a pass reads its source: which buffers, normalised and activated how. One pass of `transform` kernels executes it,
/// writing Float or codes, dense or inside a halo.
///
/// value = activation((groupNorm(x)) * (1 + s) + t), each part optional; then each pixel doubled when `upsamples`.
struct Preparation: Sendable {
  /// One source, or the operands of a concatenation that is never written.
  struct Segment: Sendable {
    let buffer: BufferID
    let channels: Int
  }
  struct Norm: Sendable {
    let scale: [Float]
    let shift: [Float]
    let groups: Int
    let epsilon: Float
  }
  /// A function of each row's channels together, which stands alone in its preparation.
  enum RowFunction: Sendable {
    case layerNorm(scale: [Float], shift: [Float], epsilon: Float)
    /// Halves the channels.
    case geglu
  }
  var segments: [Segment]
  /// Of the source, before upsampling.
  var height: Int
  var width: Int
  var norm: Norm?
  /// Temporal node whose vector [2C] holds s and t.
  var scaleShift: Int?
  var activation: Activation?
  var upsamples = false
  var rowFunction: RowFunction?

  /// Of the result.
  var channels: Int {
    let source = segments.reduce(0) { $0 + $1.channels }
    if case .geglu = rowFunction { return source / 2 }
    return source
  }
  /// Channels of one segment that are transformed alike.
  struct Piece {
    let segment: Segment
    /// In the segment.
    let firstChannel: Int
    let channels: Int
    /// In the whole.
    let offset: Int
    /// Of the quantiser: how many of its boundaries lie at or before `offset`.
    let granule: Int

    /// What of it lies in blocks of 32 channels of the whole; nil for nothing.
    func part(inBlocks blocks: Range<Int>) -> Piece? {
      let width = PackedWeights.blockWidth
      let own = (offset..<(offset + channels)).clamped(to: (blocks.lowerBound * width)..<(blocks.upperBound * width))
      if own.isEmpty { return nil }
      return Piece(
        segment: segment, firstChannel: firstChannel + own.lowerBound - offset, channels: own.count,
        offset: own.lowerBound, granule: granule)
    }
  }

  /// The segments, cut where a quantiser's granules end.
  func pieces(splitAt boundaries: [Int]) -> [Piece] {
    var pieces: [Piece] = []
    var offset = 0
    for segment in segments {
      let end = offset + segment.channels
      let cuts = [offset] + boundaries.filter { $0 > offset && $0 < end } + [end]
      for (from, to) in zip(cuts, cuts.dropFirst()) {
        pieces.append(
          Piece(
            segment: segment, firstChannel: from - offset, channels: to - from, offset: from,
            granule: boundaries.count { $0 <= from }))
      }
      offset = end
    }
    return pieces
  }

  var isIdentity: Bool {
    norm == nil && scaleShift == nil && activation == nil && !upsamples && rowFunction == nil
  }
}

/// Where a convolution's taps read: a buffer with the padding inside it.
struct Halo: Sendable, Equatable {
  /// Of the padded buffer.
  let height: Int
  let width: Int
  let padding: Convolution.Padding
  /// Elements from pixel to pixel.
  let pixelStride: Int

  /// Offsets of a kernel's taps, row by row.
  func tapOffsets(_ kernel: (height: Int, width: Int)) -> [Int32] {
    (0..<kernel.height).flatMap { y in (0..<kernel.width).map { x in Int32((y * width + x) * pixelStride) } }
  }

  var isBare: Bool { padding == Convolution.Padding(leading: 0, trailing: 0) }
  /// Where the first pixel's elements begin.
  var firstElement: Int { (padding.top * width + padding.left) * pixelStride }
  var count: Int { height * width * pixelStride }
}

/// How a program's contractions are computed, where they and their tables allow it. What a layer came to is told by the
/// format of its packed weights.
enum Arithmetic: Sendable {
  /// In Float, tap by tap; quantised layers simulated.
  case direct
  /// In Float, 3x3 convolutions by transformed tiles; quantised layers simulated.
  case winograd
  /// On inputs and weights rounded to bfloat16, summed in Float; layers with few channels, attention's products and the temporal
  /// block in Float.
  case bfloat16
  /// Quantised layers on codes, the others directly in Float.
  case integer
}

/// A stretch of a contraction's input channels and its weights. There is one, except where the halves of a concatenated
/// input have scales of their own and are summed apart (Q-Diffusion: Li et al. 2023, section 3.3).
struct ContractionPart: Sendable {
  let channels: Range<Int>
  let weights: PackedWeights
  /// Scales of the integer weight, per output channel.
  let weightScales: [Float]
  /// Of the input's quantiser.
  let granule: Int
}

/// Scratch of a 3x3 convolution that multiplies transformed tiles (Winograd's F(4,3)).
struct WinogradTiles: Sendable {
  let rows: Int
  let columns: Int
  /// 36 planes [tiles][channels] of the input, and of the products.
  let input: BufferID
  let products: BufferID
  /// Elements from plane to plane: a vector more than they hold, so that planes do not compete for the same cache lines.
  let inputPlane: Int
  let productPlane: Int

  var count: Int { rows * columns }
}

/// A convolution or linear layer with everything fused into it: preparation of its input, bias, temporal feature,
/// residual.
struct Contraction: Sendable {
  let path: String
  /// At least one; their sums add up.
  let parts: [ContractionPart]
  /// Padded to whole blocks of 32 channels.
  let bias: [Float]
  /// Temporal node whose vector is added to the bias.
  var temporalBias: Int?
  let preparation: Preparation
  let halo: Halo
  /// Holds the prepared input; nil when the source itself is read.
  var scratch: BufferID?
  /// Whether an earlier contraction of the same input has filled it.
  let isPrepared: Bool
  /// Elements from an output pixel's first input element to each tap.
  let tapOffsets: [Int32]
  /// Present where the weights are transformed.
  var winograd: WinogradTiles?
  let stride: Int
  var residual: BufferID?
  var output: BufferID
  let outputHeight: Int
  let outputWidth: Int
  let outputChannels: Int
  /// Position in the program's table of per-call constants.
  let slot: Int
  let inputQuantizers: ActivationQuantizers?
  /// What the input's channels are divided by before they are quantised, and its inverse; nil: ones.
  let inputScales: [Float]?
  let inputFactors: [Float]?
  let outputQuantizers: ActivationQuantizers?
  /// Of the input as the graph has it, for observers.
  let inputShape: Shape

  /// Whether codes are multiplied.
  var isInteger: Bool { parts[0].weights.format == .integer }
  var isBFloat16: Bool { parts[0].weights.format == .bfloat16 }
  var blocks: Int { parts[0].weights.blocks }
  var taps: Int { parts[0].weights.taps }
}

/// One step of a compiled program.
enum ProgramStep: Sendable {
  case contraction(Contraction)
  /// Writes a preparation's value densely.
  case materialize(Preparation, into: BufferID)
  case attention(AttentionStep)
  case add(BufferID, BufferID, into: BufferID, count: Int)
  case affine(BufferID, into: BufferID, count: Int, scale: Float, offset: Float)
  /// x + v per channel, v a temporal node.
  case addPerChannel(BufferID, temporal: Int, into: BufferID, pixels: Int, channels: Int)
  case concatenate([Preparation.Segment], into: BufferID, pixels: Int)
  case averagePool(BufferID, into: BufferID, height: Int, width: Int, channels: Int)
  /// `height` and `width` are the source's.
  case pool(BufferID, into: BufferID, Pooling, height: Int, width: Int, channels: Int, rows: Int, columns: Int)
  case globalAveragePool(BufferID, into: BufferID, height: Int, width: Int, channels: Int)
  case copy(BufferID, into: BufferID, count: Int)
  /// A vector of the call's conditioning, by name.
  case vectorInput(String, into: BufferID, count: Int)
  /// A function of the timestep or label alone, computed on the spot.
  case embed(node: Int, into: BufferID)
  /// x / t.
  case divideByTimestep(BufferID, into: BufferID, count: Int)
}
