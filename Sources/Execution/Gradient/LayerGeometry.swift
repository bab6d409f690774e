import Graphs

/// Where a convolution's values lie while its gradients are formed. A linear layer is a 1x1 convolution over one line of
/// tokens.
///
/// Input and cotangent are copied into zeroed grids of one pitch, the cotangent spread out by the stride. Then the
/// input's gradient is a convolution of the cotangent's grid with the flipped kernel (Dumoulin & Visin 2016, "A guide to
/// convolution arithmetic", section 4), and the weight's gradient at tap (y, x) is the product of the two grids, one of
/// them shifted: every difference of positions in one grid is the same in the other.
struct LayerGeometry {
  let channels: Int
  let outputChannels: Int
  let height: Int
  let width: Int
  let outputHeight: Int
  let outputWidth: Int
  let kernelHeight: Int
  let kernelWidth: Int
  let stride: Int
  let top: Int
  let left: Int
  /// Pixels from line to line of both grids.
  let pitch: Int
  let inputGridHeight: Int
  let cotangentGridHeight: Int

  /// nil where the padding exceeds the kernel's reach, which no network of ours has.
  init?(_ convolution: Convolution, input: [Int], output: [Int]) {
    let padding = convolution.padding
    (channels, height, width) = (input[0], input[1], input[2])
    (outputChannels, outputHeight, outputWidth) = (output[0], output[1], output[2])
    (kernelHeight, kernelWidth) = (convolution.dims[2], convolution.dims[3])
    stride = convolution.stride
    (top, left) = (padding.top, padding.left)
    guard max(top, padding.bottom) < kernelHeight, max(left, padding.right) < kernelWidth else { return nil }
    pitch = width + max(kernelWidth - 1, left + padding.right)
    inputGridHeight = height + max(kernelHeight - 1, top + padding.bottom)
    cotangentGridHeight = height + kernelHeight - 1
  }

  init(linear channels: Int, outputs: Int, tokens: Int) {
    self.channels = channels
    outputChannels = outputs
    (height, outputHeight, inputGridHeight, cotangentGridHeight) = (1, 1, 1, 1)
    (width, outputWidth, pitch) = (tokens, tokens, tokens)
    (kernelHeight, kernelWidth, stride, top, left) = (1, 1, 1, 0, 0)
  }

  var taps: Int { kernelHeight * kernelWidth }
  /// Whether the grids are the dense values themselves.
  var isPointwise: Bool { taps == 1 && stride == 1 }
  var inputGridCount: Int { inputGridHeight * pitch * channels }
  var cotangentGridCount: Int { cotangentGridHeight * pitch * outputChannels }
  /// Pixel of the cotangent's grid that holds the first output pixel's cotangent.
  var cotangentOrigin: Int { (kernelHeight - 1 - top) * pitch + kernelWidth - 1 - left }
  /// Grid pixels from the first output pixel to the last.
  var span: Int { (outputHeight - 1) * stride * pitch + (outputWidth - 1) * stride + 1 }

  /// Offsets of the taps in elements, for a grid of pixels of `channels` elements.
  func tapOffsets(channels: Int) -> [Int32] {
    (0..<kernelHeight).flatMap { y in (0..<kernelWidth).map { x in Int32((y * pitch + x) * channels) } }
  }
}
