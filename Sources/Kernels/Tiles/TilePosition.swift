import CKernels

/// Walks over the output pixels of rows [row_begin, row_end), row by row.
struct TilePosition {
  private(set) var remaining: Int
  /// Element offset of the pixel's first input element.
  private(set) var input: Int
  /// Element offset of the pixel's first output element.
  private(set) var output: Int
  private var x = 0
  private let width: Int
  private let inputStep: Int, outputStep: Int
  /// From a row's last pixel to the next row's first.
  private let inputTurn: Int, outputTurn: Int

  @inline(__always) init(_ a: ht_convolution) {
    let row = Int(a.row_begin)
    width = Int(a.width)
    remaining = (Int(a.row_end) &- row) &* width
    (inputStep, outputStep) = (Int(a.input_pixel_stride), Int(a.output_pixel_stride))
    inputTurn = Int(a.input_row_stride) &- (width &- 1) &* inputStep
    outputTurn = Int(a.output_row_stride) &- (width &- 1) &* outputStep
    input = row &* Int(a.input_row_stride)
    output = row &* Int(a.output_row_stride)
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
      input &+= inputTurn
      output &+= outputTurn
    } else {
      input &+= inputStep
      output &+= outputStep
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
  let offset = position.output &+ channel
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
