import Graphs
import Tensors

/// How the values at a layer's input become the vectors that each row of its weight is multiplied with: patches of an
/// image in the order of the weight's row [I][kh][kw], zeros beyond the border, or tokens.
///
/// Layers that read the same node in the same way are equal here, so that their statistics are gathered once.
package struct LayerVectors: Sendable, Hashable {
  private enum Form: Sendable, Hashable {
    case tokens
    case patches(kernel: [Int], stride: Int, padding: Convolution.Padding, image: [Int], out: [Int])
  }
  private let source: Int
  private let form: Form
  /// Elements of a vector: a row of the weight.
  package let width: Int
  /// Vectors that an accumulator's block holds; whole lines of an image.
  package let blockCapacity: Int

  private static let usualCapacity = 512

  /// nil where the node is neither a convolution nor a linear layer.
  package init?(of node: Node, in graph: Graph) {
    guard node.op.facts.isLayer, let input = node.inputs.first.map({ graph.nodes[$0].shape }) else { return nil }
    switch node.op {
    case .linear:
      source = node.inputs[0]
      form = .tokens
      width = input.channels
      blockCapacity = Self.usualCapacity
    case .conv2d(let convolution):
      source = node.inputs[0]
      form = .patches(
        kernel: Array(convolution.dims[2...]), stride: convolution.stride, padding: convolution.padding,
        image: input.dims, out: Array(node.dims[1...]))
      width = convolution.dims[1...].reduce(1, *)
      blockCapacity = max(1, Self.usualCapacity / node.dims[2]) * node.dims[2]
    default: preconditionFailure("\(node.path) is no layer")
    }
  }

  package func sums(products: Bool) -> GramAccumulator {
    GramAccumulator(width: width, capacity: blockCapacity, gram: products)
  }

  /// Bytes that `sums` takes.
  func statisticsBytes(products: Bool) -> Int {
    GramAccumulator.byteCount(width: width, capacity: blockCapacity, gram: products)
  }

  /// Adds every vector of a batch of inputs.
  /// - Parameter value: N C H W for patches, N T C or N C for tokens.
  package func add(_ value: Tensor, to sums: inout GramAccumulator) {
    value.values.withUnsafeBufferPointer { values in
      switch form {
      case .tokens: addTokens(values, to: &sums)
      case .patches(let kernel, let stride, let padding, let image, let out):
        let size = image.reduce(1, *)
        for start in Swift.stride(from: 0, to: values.count, by: size) {
          let pixels = UnsafeBufferPointer(rebasing: values[start..<(start + size)])
          var line = 0
          while line < out[0] {
            let lines = line..<min(line + sums.room / out[1], out[0])
            sums.add(lines.count * out[1]) { base, rowStride in
              Self.writePatches(
                pixels, image, kernel, stride, padding, lines: lines, lineWidth: out[1], to: base, rowStride)
            }
            line = lines.upperBound
          }
        }
      }
    }
  }

  private func addTokens(_ values: UnsafeBufferPointer<Float>, to sums: inout GramAccumulator) {
    let count = values.count / width
    var token = 0
    while token < count {
      let added = min(sums.room, count - token)
      sums.add(added) { base, stride in
        for i in 0..<width {
          for j in 0..<added { base[i * stride + j] = values[(token + j) * width + i] }
        }
      }
      token += added
    }
  }

  /// Some lines of a convolution's output as columns of patches (im2col).
  private static func writePatches(
    _ pixels: UnsafeBufferPointer<Float>, _ image: [Int], _ kernel: [Int], _ stride: Int,
    _ padding: Convolution.Padding,
    lines: Range<Int>, lineWidth: Int, to base: UnsafeMutablePointer<Float>, _ rowStride: Int
  ) {
    let (channels, height, width) = (image[0], image[1], image[2])
    let (kernelHeight, kernelWidth) = (kernel[0], kernel[1])
    for c in 0..<channels {
      for ky in 0..<kernelHeight {
        for kx in 0..<kernelWidth {
          let row = base + ((c * kernelHeight + ky) * kernelWidth + kx) * rowStride
          // Output columns whose source lies inside the image.
          let first = min(max(0, (padding.left - kx + stride - 1) / stride), lineWidth)
          let last = width - 1 + padding.left - kx
          let end = last < 0 ? first : max(first, min(lineWidth, last / stride + 1))
          for line in lines {
            let target = row + (line - lines.lowerBound) * lineWidth
            let y = line * stride + ky - padding.top
            guard y >= 0, y < height else {
              target.update(repeating: 0, count: lineWidth)
              continue
            }
            let source = pixels.baseAddress! + (c * height + y) * width + kx - padding.left
            for x in 0..<first { target[x] = 0 }
            for x in first..<end { target[x] = source[x * stride] }
            for x in end..<lineWidth { target[x] = 0 }
          }
        }
      }
    }
  }
}
