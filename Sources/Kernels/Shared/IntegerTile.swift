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
    let (lowScale, highScale) = (load(a.scale + channel), load(a.scale + channel + laneCount))
    let (lowBias, highBias) = (load(a.bias + channel), load(a.bias + channel + laneCount))
    store(
      a, &position, channel, multiplyAdd(convert(low0), lowScale, lowBias),
      multiplyAdd(convert(high0), highScale, highBias))
    store(
      a, &position, channel, multiplyAdd(convert(low1), lowScale, lowBias),
      multiplyAdd(convert(high1), highScale, highBias))
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
      w += 128
      k &+= 4
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
}
