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
    first = input + position.input
    position.advance()
    second = input + position.input
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
    if integerTilePairs > 2 && position.remaining > smallTilePixels {
      integerTile(a, &position, weights, channel)
    } else {
      smallIntegerTile(a, &position, weights, channel)
    }
  }
}

/// So many pairs of pixels, 2 to 6, as `sumFloats`.
@inline(__always) private func sumCodes(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int, pairs: Int
) {
  let (low, high) = (load(a.start + channel), load(a.start + channel + laneCount))
  var output = position
  var p0 = IntegerPair(a, &position, low, high)
  var p1 = IntegerPair(a, &position, low, high)
  var p2 = pairs > 2 ? IntegerPair(a, &position, low, high) : p1
  var p3 = pairs > 3 ? IntegerPair(a, &position, low, high) : p1
  var p4 = pairs > 4 ? IntegerPair(a, &position, low, high) : p1
  var p5 = pairs > 5 ? IntegerPair(a, &position, low, high) : p1
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (loadCodes(w), loadCodes(w + 4 &* laneCount))
      prefetchColumn(w + 1024)
      p0.accumulate(k, low, high)
      p1.accumulate(k, low, high)
      if pairs > 2 { p2.accumulate(k, low, high) }
      if pairs > 3 { p3.accumulate(k, low, high) }
      if pairs > 4 { p4.accumulate(k, low, high) }
      if pairs > 5 { p5.accumulate(k, low, high) }
      w += 8 &* laneCount
      k &+= 4
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  if pairs > 2 { p2.finish(a, &output, channel) }
  if pairs > 3 { p3.finish(a, &output, channel) }
  if pairs > 4 { p4.finish(a, &output, channel) }
  if pairs > 5 { p5.finish(a, &output, channel) }
}

/// As many pixels as the registers hold the sums of.
@inline(never) private func integerTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int
) {
  sumCodes(a, &position, weights, channel, pairs: integerTilePairs)
}

/// Four pixels.
@inline(never) private func smallIntegerTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int
) {
  sumCodes(a, &position, weights, channel, pairs: 2)
}
