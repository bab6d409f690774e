import CKernels

/// The sums of three pixels, one vector of eight output channels each.
private struct NarrowTriple {
  private let first: UnsafePointer<Float>, second: UnsafePointer<Float>, third: UnsafePointer<Float>
  private var sum0: SIMD8<Float>, sum1: SIMD8<Float>, sum2: SIMD8<Float>

  /// Takes the next three pixels of `position`.
  @inline(__always) init(_ a: ht_convolution, _ position: inout TilePosition, _ bias: SIMD8<Float>) {
    let input = a.input.assumingMemoryBound(to: Float.self)
    first = input + position.input
    position.advance()
    second = input + position.input
    position.advance()
    third = input + position.input
    position.advance()
    (sum0, sum1, sum2) = (bias, bias, bias)
  }

  @inline(__always) mutating func accumulate(_ k: Int, _ weights: SIMD8<Float>) {
    sum0 = ht_fma8(SIMD8(repeating: first[k]), weights, sum0)
    sum1 = ht_fma8(SIMD8(repeating: second[k]), weights, sum1)
    sum2 = ht_fma8(SIMD8(repeating: third[k]), weights, sum2)
  }

  @inline(__always) func finish(_ a: ht_convolution, _ position: inout TilePosition, _ channel: Int) {
    storeNarrow(a, &position, channel, sum0)
    storeNarrow(a, &position, channel, sum1)
    storeNarrow(a, &position, channel, sum2)
  }
}

/// Twelve pixels times at most eight output channels, the last of the layer: convolutions back to an image have 1 or 3,
/// and whole tiles would spend most of their time on absent channels.
@inline(never) func narrowFloatTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<Float>, _ channel: Int
) {
  let bias = ht_load8(a.bias + channel)
  var output = position
  var p0 = NarrowTriple(a, &position, bias)
  var p1 = NarrowTriple(a, &position, bias)
  var p2 = NarrowTriple(a, &position, bias)
  var p3 = NarrowTriple(a, &position, bias)
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let column = ht_load8(w)
      p0.accumulate(k, column)
      p1.accumulate(k, column)
      p2.accumulate(k, column)
      p3.accumulate(k, column)
      w += 32
      k &+= 1
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  p2.finish(a, &output, channel)
  p3.finish(a, &output, channel)
}

@inline(__always) private func storeNarrow(
  _ a: ht_convolution, _ position: inout TilePosition, _ channel: Int, _ sum: SIMD8<Float>
) {
  guard position.remaining > 0 else { return }
  let offset = position.output &+ channel
  position.advance()
  let present = Int64(Int(a.output_channels) &- channel)
  var value = sum
  if let residual = a.residual { value += ht_load_first8(residual + offset, present) }
  ht_store_first8(a.output + offset, value, present)
}
