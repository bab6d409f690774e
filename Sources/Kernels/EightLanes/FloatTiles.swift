import CKernels

/// Six pixels: 12 of the 16 vector registers hold sums.
@inline(never) func floatTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<Float>, _ channel: Int
) {
  let (low, high) = (load(a.bias + channel), load(a.bias + channel + laneCount))
  var output = position
  var p0 = FloatPair(a, &position, low, high)
  var p1 = FloatPair(a, &position, low, high)
  var p2 = FloatPair(a, &position, low, high)
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (load(w), load(w + laneCount))
      ht_prefetch(w + 256)
      p0.accumulate(k, low, high)
      p1.accumulate(k, low, high)
      p2.accumulate(k, low, high)
      w += 32
      k &+= 1
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  p2.finish(a, &output, channel)
}
