import CKernels

// The integer tiles of eight lanes where four products are summed into 32 bits at once: AVX-VNNI, and base, which has no such
// instruction, but the same loops.

/// Six pixels: 12 of the 16 vector registers hold sums.
@inline(never) func integerTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int
) {
  let (low, high) = (load(a.start + channel), load(a.start + channel + laneCount))
  var output = position
  var p0 = IntegerPair(a, &position, low, high)
  var p1 = IntegerPair(a, &position, low, high)
  var p2 = IntegerPair(a, &position, low, high)
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (loadCodes(w), loadCodes(w + 4 &* laneCount))
      ht_prefetch(w + 1024)
      p0.accumulate(k, low, high)
      p1.accumulate(k, low, high)
      p2.accumulate(k, low, high)
      w += 8 &* laneCount
      k &+= 4
    }
    tap &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  p2.finish(a, &output, channel)
}

/// Every column is summed alike.
@inline(__always) func integerColumn(_ a: ht_convolution, _ weights: UnsafePointer<UInt8>, _ channel: Int) {
  exactColumn(a, weights, channel)
}
