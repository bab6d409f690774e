import Graphs

extension Shape {
  /// Height, width and channels of a value where channels come last: tokens are a column of pixels, a vector is one pixel.
  var pixels: (height: Int, width: Int, channels: Int) {
    switch self {
    case .image(let image): (image.height, image.width, image.channels)
    case .tokens(let count, let width): (count, 1, width)
    case .vector(let count): (1, 1, count)
    case .scalar: (1, 1, 1)
    case .scores(let heads, let queries, let keys): (heads * queries, 1, keys)
    }
  }
}
