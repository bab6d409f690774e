/// Float32 values in row-major order with dims as in the checkpoints (images: N C H W). A value: copy on write.
package struct Tensor: Sendable, Equatable {
  package private(set) var dims: [Int]
  package var values: [Float]

  /// - Precondition: every dim is non-negative and `values.count` is their product.
  package init(_ dims: [Int], _ values: [Float]) {
    precondition(
      dims.allSatisfy { $0 >= 0 } && dims.reduce(1, *) == values.count, "dims \(dims), \(values.count) values")
    self.dims = dims
    self.values = values
  }

  package init(_ dims: [Int], repeating value: Float = 0) {
    self.init(dims, [Float](repeating: value, count: dims.reduce(1, *)))
  }

  package var count: Int { values.count }
  package var rank: Int { dims.count }

  /// The same values under other dims of equal product.
  package func reshaped(_ newDims: [Int]) -> Tensor { Tensor(newDims, values) }

  /// Rows `range` of the first axis.
  package func rows(_ range: Range<Int>) -> Tensor {
    let row = dims.dropFirst().reduce(1, *)
    return Tensor([range.count] + dims.dropFirst(), Array(values[(range.lowerBound * row)..<(range.upperBound * row)]))
  }

  /// Tensors of equal trailing dims joined along the first axis. - Precondition: at least one.
  package static func stacked(_ parts: [Tensor]) -> Tensor {
    let tail = Array(parts[0].dims.dropFirst())
    precondition(parts.allSatisfy { Array($0.dims.dropFirst()) == tail }, "stacked tensors differ in shape")
    return Tensor([parts.reduce(0) { $0 + $1.dims[0] }] + tail, parts.flatMap(\.values))
  }
}

/// Channels, height and width of one image.
package struct ImageShape: Hashable, Sendable, CustomStringConvertible {
  package var channels: Int
  package var height: Int
  package var width: Int
  package init(channels: Int, height: Int, width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }
  package var count: Int { channels * height * width }
  package var dims: [Int] { [channels, height, width] }
  package var description: String { "\(channels)x\(height)x\(width)" }
}

/// Round half to even: the one rounding rule of quantisation and of pixel conversion.
@inline(__always) package func roundHalfToEven(_ x: Float) -> Float { x.rounded(.toNearestOrEven) }
@inline(__always) package func roundHalfToEven(_ x: Double) -> Double { x.rounded(.toNearestOrEven) }
