import CKernels

/// The sums of two pixels, two vectors of output channels each, in Int32: exact, so the order does not matter.
///
/// |sum| <= 255 * sum of an output channel's |weights|, which packing the weights bounds by Int32.max.
struct IntegerPair {
  private let first: UnsafePointer<UInt8>
  private let second: UnsafePointer<UInt8>
  private var low0: IntegerLanes, high0: IntegerLanes
  private var low1: IntegerLanes, high1: IntegerLanes

  /// Takes the next two pixels of `position`.
  @inline(__always) init(
    _ a: ht_convolution, _ position: inout TilePosition, _ low: IntegerLanes, _ high: IntegerLanes
  ) {
    let input = a.input.assumingMemoryBound(to: UInt8.self)
    first = input + position.input(a)
    position.advance()
    second = input + position.input(a)
    position.advance()
    (low0, low1) = (low, low)
    (high0, high1) = (high, high)
  }

  /// Four input channels from `k` on.
  @inline(__always) mutating func accumulate(_ k: Int, _ low: IntegerLanes, _ high: IntegerLanes) {
    let x0 = IntegerLanes(repeating: ht_four_bytes(first + k))
    low0 = dot(low0, x0, low)
    high0 = dot(high0, x0, high)
    let x1 = IntegerLanes(repeating: ht_four_bytes(second + k))
    low1 = dot(low1, x1, low)
    high1 = dot(high1, x1, high)
  }

  @inline(__always) func finish(_ a: ht_convolution, _ position: inout TilePosition, _ channel: Int) {
    storeScaled(a, &position, channel, low0, high0)
    storeScaled(a, &position, channel, low1, high1)
  }
}

/// Scales the sums of one pixel, adds bias and residual, and stores them. Takes `position` on.
@inline(__always) func storeScaled(
  _ a: ht_convolution, _ position: inout TilePosition, _ channel: Int, _ low: IntegerLanes, _ high: IntegerLanes
) {
  store(
    a, &position, channel, multiplyAdd(convert(low), load(a.scale + channel), load(a.bias + channel)),
    multiplyAdd(convert(high), load(a.scale + channel + laneCount), load(a.bias + channel + laneCount)))
}

/// All pixels of the range, two vectors of output channels, summed in Int32 from the first product on.
@inline(__always) func exactColumn(_ a: ht_convolution, _ weights: UnsafePointer<UInt8>, _ channel: Int) {
  var position = TilePosition(a)
  while position.remaining > 0 {
    if position.remaining > smallTilePixels {
      integerTile(a, &position, weights, channel)
    } else {
      smallIntegerTile(a, &position, weights, channel)
    }
  }
}

/// Four pixels.
@inline(never) func smallIntegerTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int
) {
  let (low, high) = (load(a.start + channel), load(a.start + channel + laneCount))
  var output = position
  var p0 = IntegerPair(a, &position, low, high)
  var p1 = IntegerPair(a, &position, low, high)
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (loadCodes(w), loadCodes(w + 4 &* laneCount))
      ht_prefetch(w + 1024)
      ht_prefetch(w + 1088)
      p0.accumulate(k, low, high)
      p1.accumulate(k, low, high)
      w += 8 &* laneCount
      k &+= 4
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
}
