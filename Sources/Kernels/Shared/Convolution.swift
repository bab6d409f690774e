import CKernels

// A tile is a few output pixels times two vectors of output channels, all of whose sums stay in registers while the
// taps and input channels pass by. Tiles run across row ends, so that small maps waste little; the last tile of a range
// repeats its last pixel and stores it once. `…Lanes.swift` says how many lanes a vector has and how many pixels a Float tile, the
// folder beside it (`Words`, `Pairs`) how columns of integers are summed.

/// Float convolution. See `ht_convolution`.
func convolveF32(_ arguments: UnsafePointer<ht_convolution>) {
  let a = arguments.pointee
  let weights = a.weights.assumingMemoryBound(to: Float.self)
  let blockStride = Int(a.taps) &* Int(a.input_channels) &* 32
  var channel = Int(a.block_begin) &* 32
  let channelEnd = min(Int(a.block_end) &* 32, Int(a.output_channels))
  while channel < channelEnd {
    let columns = weights + (channel >> 5) &* blockStride + channel & 31
    var position = TilePosition(a)
    while position.remaining > 0 {
      if Int(a.output_channels) &- channel <= 8 {
        narrowFloatTile(a, &position, columns, channel)
      } else if position.remaining > smallTilePixels {
        floatTile(a, &position, columns, channel)
      } else {
        smallFloatTile(a, &position, columns, channel)
      }
    }
    channel &+= 2 &* laneCount
  }
}

/// Integer convolution: u8 codes times s8 codes. See `ht_convolution`.
package func convolveU8S8(_ arguments: UnsafePointer<ht_convolution>) {
  let a = arguments.pointee
  let weights = a.weights.assumingMemoryBound(to: UInt8.self)
  var channel = Int(a.block_begin) &* 32
  let channelEnd = min(Int(a.block_end) &* 32, Int(a.output_channels))
  while channel < channelEnd {
    integerColumn(a, weights + channel &* Int(a.taps) &* Int(a.input_channels), channel)
    channel &+= 2 &* laneCount
  }
}
