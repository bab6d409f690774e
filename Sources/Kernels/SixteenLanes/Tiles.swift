import CKernels

/// Twelve pixels: 24 of the 32 vector registers hold sums.
@inline(never) func floatTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<Float>, _ channel: Int
) {
  let (low, high) = (load(a.bias + channel), load(a.bias + channel + laneCount))
  var output = position
  var p0 = FloatPair(a, &position, low, high)
  var p1 = FloatPair(a, &position, low, high)
  var p2 = FloatPair(a, &position, low, high)
  var p3 = FloatPair(a, &position, low, high)
  var p4 = FloatPair(a, &position, low, high)
  var p5 = FloatPair(a, &position, low, high)
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (load(w), load(w + laneCount))
      ht_prefetch(w + 256)
      ht_prefetch(w + 272)
      p0.accumulate(k, low, high)
      p1.accumulate(k, low, high)
      p2.accumulate(k, low, high)
      p3.accumulate(k, low, high)
      p4.accumulate(k, low, high)
      p5.accumulate(k, low, high)
      w += 32
      k &+= 1
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  p2.finish(a, &output, channel)
  p3.finish(a, &output, channel)
  p4.finish(a, &output, channel)
  p5.finish(a, &output, channel)
}

/// Twelve pixels: 24 of the 32 vector registers hold sums.
@inline(never) func integerTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int
) {
  let (low, high) = (load(a.start + channel), load(a.start + channel + laneCount))
  var output = position
  var p0 = IntegerPair(a, &position, low, high)
  var p1 = IntegerPair(a, &position, low, high)
  var p2 = IntegerPair(a, &position, low, high)
  var p3 = IntegerPair(a, &position, low, high)
  var p4 = IntegerPair(a, &position, low, high)
  var p5 = IntegerPair(a, &position, low, high)
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
      p2.accumulate(k, low, high)
      p3.accumulate(k, low, high)
      p4.accumulate(k, low, high)
      p5.accumulate(k, low, high)
      w += 8 &* laneCount
      k &+= 4
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  p2.finish(a, &output, channel)
  p3.finish(a, &output, channel)
  p4.finish(a, &output, channel)
  p5.finish(a, &output, channel)
}

/// Every column is summed alike.
@inline(__always) func integerColumn(_ a: ht_convolution, _ weights: UnsafePointer<UInt8>, _ channel: Int) {
  exactColumn(a, weights, channel)
}
