import CKernels

/// The sums of two pixels, two vectors of output channels each, in Float.
///
/// Each sum starts at the bias and takes the products of taps and input channels in their order, in every tile shape. What is
/// multiplied, and how many input channels at once, is said by `FloatInput.swift` or `BFloat16Input.swift`.
struct FloatPair {
  private let first: UnsafePointer<TileInput>
  private let second: UnsafePointer<TileInput>
  private var low0: FloatLanes, high0: FloatLanes
  private var low1: FloatLanes, high1: FloatLanes

  /// Takes the next two pixels of `position`.
  @inline(__always) init(_ a: ht_convolution, _ position: inout TilePosition, _ low: FloatLanes, _ high: FloatLanes) {
    let input = a.input.assumingMemoryBound(to: TileInput.self)
    first = input + position.input
    position.advance()
    second = input + position.input
    position.advance()
    (low0, low1) = (low, low)
    (high0, high1) = (high, high)
  }

  /// The input channels from `k` on that are multiplied at once.
  @inline(__always) mutating func accumulate(_ k: Int, _ low: TileOperand, _ high: TileOperand) {
    let x0 = inputOperand(first + k)
    low0 = addProducts(x0, low, low0)
    high0 = addProducts(x0, high, high0)
    let x1 = inputOperand(second + k)
    low1 = addProducts(x1, low, low1)
    high1 = addProducts(x1, high, high1)
  }

  @inline(__always) func finish(_ a: ht_convolution, _ position: inout TilePosition, _ channel: Int) {
    store(a, &position, channel, low0, high0)
    store(a, &position, channel, low1, high1)
  }
}

/// So many pairs of pixels, 2 to 6. The number is known where this is compiled, and pairs beyond it leave nothing behind.
@inline(__always) private func sumFloats(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<TileInput>, _ channel: Int, pairs: Int
) {
  let (low, high) = (load(a.bias + channel), load(a.bias + channel + laneCount))
  var output = position
  var p0 = FloatPair(a, &position, low, high)
  var p1 = FloatPair(a, &position, low, high)
  var p2 = pairs > 2 ? FloatPair(a, &position, low, high) : p1
  var p3 = pairs > 3 ? FloatPair(a, &position, low, high) : p1
  var p4 = pairs > 4 ? FloatPair(a, &position, low, high) : p1
  var p5 = pairs > 5 ? FloatPair(a, &position, low, high) : p1
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (weightOperand(w), weightOperand(w + laneCount &* inputsAtOnce))
      prefetchColumn(UnsafeRawPointer(w) + 1024)
      p0.accumulate(k, low, high)
      p1.accumulate(k, low, high)
      if pairs > 2 { p2.accumulate(k, low, high) }
      if pairs > 3 { p3.accumulate(k, low, high) }
      if pairs > 4 { p4.accumulate(k, low, high) }
      if pairs > 5 { p5.accumulate(k, low, high) }
      w += 32 &* inputsAtOnce
      k &+= inputsAtOnce
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
@inline(never) func floatTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<TileInput>, _ channel: Int
) {
  sumFloats(a, &position, weights, channel, pairs: floatTilePairs)
}

/// Four pixels.
@inline(never) func smallFloatTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<TileInput>, _ channel: Int
) {
  sumFloats(a, &position, weights, channel, pairs: 2)
}
