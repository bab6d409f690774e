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
        floatTile(a, &position, columns, channel)
      } else {
        smallFloatTile(a, &position, columns, channel)
      }
    }
    channel &+= 2 &* laneCount
  }
}
