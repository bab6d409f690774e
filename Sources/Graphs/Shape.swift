import Tensors

/// What kind of tensor a value is, and how large it is for one image: never guessed from the number of axes.
package enum Shape: Sendable, Hashable, CustomStringConvertible {
  /// One number: a timestep, a class index.
  case scalar
  /// A vector of so many values: [C].
  case vector(Int)
  /// A sequence of vectors: [T, C].
  case tokens(count: Int, width: Int)
  /// Channels of pixels: [C, H, W].
  case image(ImageShape)
  /// Attention's matrix of one number for each head, query and key: [heads, T, S].
  case scores(heads: Int, queries: Int, keys: Int)

  /// The axes of a tensor of this shape, without the batch.
  package var dims: [Int] {
    switch self {
    case .scalar: []
    case .vector(let count): [count]
    case .tokens(let count, let width): [count, width]
    case .image(let image): image.dims
    case .scores(let heads, let queries, let keys): [heads, queries, keys]
    }
  }

  /// The number of values.
  package var count: Int { dims.reduce(1, *) }

  /// The size of the axis that layers mix: channels of an image, the width of tokens, the length of a vector, the keys of
  /// scores.
  package var channels: Int {
    switch self {
    case .scalar: 1
    case .vector(let count): count
    case .tokens(_, let width): width
    case .image(let image): image.channels
    case .scores(_, _, let keys): keys
    }
  }

  /// How often the channels repeat: pixels of an image, tokens, rows of scores; 1 for vectors.
  package var positions: Int { count / max(channels, 1) }

  /// The image's shape, or nil for everything else.
  package var image: ImageShape? {
    if case .image(let image) = self { image } else { nil }
  }

  package var description: String { "\(dims)" }
}

/// Which channel each element of a row-major tensor belongs to: element i to channel (i / stride) % count. Images have
/// the channel first, everything else last.
package struct ChannelLayout: Sendable, Hashable {
  package let stride: Int
  package let count: Int

  /// The layout of an activation, without the batch.
  package init(_ shape: Shape) {
    stride = if case .image(let image) = shape { image.height * image.width } else { 1 }
    count = shape.channels
  }
}
