import CKernels

// A tile is a few output pixels times two vectors of output channels, all of whose sums stay in registers while the
// taps and input channels pass by. Tiles run across row ends, so that small maps waste little; the last tile of a range
// repeats its last pixel and stores it once. `…Lanes.swift` says how many lanes a vector has and how many pixels a Float tile, the
// folder beside it (`Words`, `Pairs`) how columns of integers are summed.

/// Float convolution. See `ht_convolution`.
package func convolveF32(_ arguments: UnsafePointer<ht_convolution>) {
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

/// Walks over the output pixels of rows [row_begin, row_end), row by row.
struct TilePosition {
  private(set) var remaining: Int
  private var row: Int
  private var x = 0
  private let width: Int

  @inline(__always) init(_ a: ht_convolution) {
    row = Int(a.row_begin)
    width = Int(a.width)
    remaining = (Int(a.row_end) &- row) &* width
  }

  @inline(__always) func input(_ a: ht_convolution) -> Int {
    row &* Int(a.input_row_stride) &+ x &* Int(a.input_pixel_stride)
  }

  @inline(__always) func output(_ a: ht_convolution) -> Int {
    row &* Int(a.output_row_stride) &+ x &* Int(a.output_pixel_stride)
  }

  /// Goes on to the next pixel, or stays on the last one.
  @inline(__always) mutating func advance() {
    if remaining <= 1 {
      remaining = 0
      return
    }
    remaining &-= 1
    x &+= 1
    if x == width {
      x = 0
      row &+= 1
    }
  }
}

/// Fetches the two vectors of a column that lie at `p`.
@inline(__always) func prefetchColumn(_ p: UnsafeRawPointer) {
  ht_prefetch(p)
  if laneCount == 16 { ht_prefetch(p + 64) }
}

/// Adds the residual and stores two vectors of one pixel, unless the tile ran past the last pixel. Takes `position` on.
@inline(__always) func store(
  _ a: ht_convolution, _ position: inout TilePosition, _ channel: Int, _ low: FloatLanes, _ high: FloatLanes
) {
  guard position.remaining > 0 else { return }
  let offset = position.output(a) &+ channel
  position.advance()
  let present = Int(a.output_channels) &- channel
  var (low, high) = (low, high)
  if present >= 2 &* laneCount {
    if let residual = a.residual {
      low += load(residual + offset)
      high += load(residual + offset + laneCount)
    }
    store(a.output + offset, low)
    store(a.output + offset + laneCount, high)
  } else {
    let lowCount = min(present, laneCount)
    let highCount = max(present &- laneCount, 0)
    if let residual = a.residual {
      low += loadFirst(residual + offset, lowCount)
      high += loadFirst(residual + offset + laneCount, highCount)
    }
    storeFirst(a.output + offset, low, lowCount)
    storeFirst(a.output + offset + laneCount, high, highCount)
  }
}
