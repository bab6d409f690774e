import CKernels

/// Convolution of bfloat16 inputs and weights, summed in Float. See `ht_convolution`.
///
/// Each sum starts at the bias and takes two input channels at a time, in the order of taps and channels, whatever the tile: so
/// batch and threads change no bit. Other processors with the instruction may round its inner sum otherwise.
package func convolveBF16(_ arguments: UnsafePointer<ht_convolution>) {
  let a = arguments.pointee
  let weights = a.weights.assumingMemoryBound(to: UInt16.self)
  var channel = Int(a.block_begin) &* 32
  let channelEnd = min(Int(a.block_end) &* 32, Int(a.output_channels))
  while channel < channelEnd {
    let columns = weights + channel &* Int(a.taps) &* Int(a.input_channels)
    var position = TilePosition(a)
    while position.remaining > 0 {
      if position.remaining > smallTilePixels {
        bfloat16Tile(a, &position, columns, channel)
      } else {
        smallBFloat16Tile(a, &position, columns, channel)
      }
    }
    channel &+= 2 &* laneCount
  }
}

/// The sums of two pixels, two vectors of output channels each.
private struct BFloat16Pair {
  private let first: UnsafePointer<UInt16>
  private let second: UnsafePointer<UInt16>
  private var low0: FloatLanes, high0: FloatLanes
  private var low1: FloatLanes, high1: FloatLanes

  /// Takes the next two pixels of `position`.
  @inline(__always) init(_ a: ht_convolution, _ position: inout TilePosition, _ low: FloatLanes, _ high: FloatLanes) {
    let input = a.input.assumingMemoryBound(to: UInt16.self)
    first = input + position.input
    position.advance()
    second = input + position.input
    position.advance()
    (low0, low1) = (low, low)
    (high0, high1) = (high, high)
  }

  /// Two input channels from `k` on.
  @inline(__always) mutating func accumulate(_ k: Int, _ low: IntegerLanes, _ high: IntegerLanes) {
    let x0 = IntegerLanes(repeating: ht_four_bytes(first + k))
    low0 = ht_dot_bfloats16(low0, x0, low)
    high0 = ht_dot_bfloats16(high0, x0, high)
    let x1 = IntegerLanes(repeating: ht_four_bytes(second + k))
    low1 = ht_dot_bfloats16(low1, x1, low)
    high1 = ht_dot_bfloats16(high1, x1, high)
  }

  @inline(__always) func finish(_ a: ht_convolution, _ position: inout TilePosition, _ channel: Int) {
    store(a, &position, channel, low0, high0)
    store(a, &position, channel, low1, high1)
  }
}

/// So many pairs of pixels, 2 or 6. The number is known where this is compiled, and pairs beyond it leave nothing behind.
@inline(__always) private func sumBFloat16(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt16>, _ channel: Int, pairs: Int
) {
  let (low, high) = (load(a.bias + channel), load(a.bias + channel + laneCount))
  var output = position
  var p0 = BFloat16Pair(a, &position, low, high)
  var p1 = BFloat16Pair(a, &position, low, high)
  var p2 = pairs > 2 ? BFloat16Pair(a, &position, low, high) : p1
  var p3 = pairs > 2 ? BFloat16Pair(a, &position, low, high) : p1
  var p4 = pairs > 2 ? BFloat16Pair(a, &position, low, high) : p1
  var p5 = pairs > 2 ? BFloat16Pair(a, &position, low, high) : p1
  var w = UnsafeRawPointer(weights)
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (ht_load_ints16(w), ht_load_ints16(w + 64))
      prefetchColumn(w + 1024)
      p0.accumulate(k, low, high)
      p1.accumulate(k, low, high)
      if pairs > 2 {
        p2.accumulate(k, low, high)
        p3.accumulate(k, low, high)
        p4.accumulate(k, low, high)
        p5.accumulate(k, low, high)
      }
      w += 128
      k &+= 2
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  if pairs > 2 {
    p2.finish(a, &output, channel)
    p3.finish(a, &output, channel)
    p4.finish(a, &output, channel)
    p5.finish(a, &output, channel)
  }
}

/// Twelve pixels: 24 of the 32 vector registers hold sums.
@inline(never) private func bfloat16Tile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt16>, _ channel: Int
) {
  sumBFloat16(a, &position, weights, channel, pairs: 6)
}

/// Four pixels.
@inline(never) private func smallBFloat16Tile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt16>, _ channel: Int
) {
  sumBFloat16(a, &position, weights, channel, pairs: 2)
}
