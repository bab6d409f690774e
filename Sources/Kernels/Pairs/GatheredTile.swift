import CKernels

// The integer tiles of plain AVX2. Its fastest product sums pairs of bytes in 16 bits and saturates there, so it is exact only
// for weights that keep within 16 bits. Packing looks at the weights and says for each column of 16 output channels how many
// groups of four inputs may be gathered in 16 bits before they are widened; what weights have beyond that stands apart, as
// further groups. See `ht_gathered_column`.

/// The sums of one pixel, two vectors of output channels: in Int32, and what is gathered in 16 bits.
private struct GatheredPixel {
  private let input: UnsafePointer<UInt8>
  private var low: IntegerLanes, high: IntegerLanes
  private var lowPairs: IntegerLanes, highPairs: IntegerLanes

  /// Takes the next pixel of `position`.
  @inline(__always) init(
    _ a: ht_convolution, _ position: inout TilePosition, _ low: IntegerLanes, _ high: IntegerLanes
  ) {
    input = a.input.assumingMemoryBound(to: UInt8.self) + position.input(a)
    position.advance()
    (self.low, self.high) = (low, high)
    (lowPairs, highPairs) = (low, high)
  }

  /// Four input channels from `k` on, the first that are gathered.
  @inline(__always) mutating func begin(_ k: Int, _ low: IntegerLanes, _ high: IntegerLanes) {
    let x = IntegerLanes(repeating: ht_four_bytes(input + k))
    lowPairs = ht_pairs8(x, low)
    highPairs = ht_pairs8(x, high)
  }

  /// Four more.
  @inline(__always) mutating func gather(_ k: Int, _ low: IntegerLanes, _ high: IntegerLanes) {
    let x = IntegerLanes(repeating: ht_four_bytes(input + k))
    lowPairs = ht_add_pairs8(lowPairs, ht_pairs8(x, low))
    highPairs = ht_add_pairs8(highPairs, ht_pairs8(x, high))
  }

  /// Adds what was gathered.
  @inline(__always) mutating func widen() {
    low = ht_widen_pairs8(low, lowPairs)
    high = ht_widen_pairs8(high, highPairs)
  }

  /// An entry of the first vector of output channels.
  @inline(__always) mutating func addLow(_ k: Int, _ weights: IntegerLanes) {
    low = ht_widen_pairs8(low, ht_pairs8(IntegerLanes(repeating: ht_four_bytes(input + k)), weights))
  }

  /// An entry of the second.
  @inline(__always) mutating func addHigh(_ k: Int, _ weights: IntegerLanes) {
    high = ht_widen_pairs8(high, ht_pairs8(IntegerLanes(repeating: ht_four_bytes(input + k)), weights))
  }

  @inline(__always) func finish(_ a: ht_convolution, _ position: inout TilePosition, _ channel: Int) {
    storeScaled(a, &position, channel, low, high)
  }
}

/// Where an entry's inputs are, and its weights.
@inline(__always) private func excess(_ a: ht_convolution, _ entry: Int) -> (Int, IntegerLanes) {
  let offset = a.tap_offsets[Int(a.excess_places[2 &* entry])] &+ a.excess_places[2 &* entry &+ 1]
  return (Int(offset), loadCodes(a.excess_weights.assumingMemoryBound(to: UInt8.self) + 32 &* entry))
}

/// Three pixels, or two where `isWhole` is false: 6 registers hold sums, 6 what is gathered.
@inline(__always) private func gatheredTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column, isWhole: Bool
) {
  let (low, high) = (load(a.start + channel), load(a.start + channel + laneCount))
  var output = position
  var p0 = GatheredPixel(a, &position, low, high)
  var p1 = GatheredPixel(a, &position, low, high)
  var p2 = isWhole ? GatheredPixel(a, &position, low, high) : p1
  let gathered = 4 &* Int(column.gather)
  var w = weights
  var tap = 0
  while tap < Int(a.taps) {
    var k = Int(a.tap_offsets[tap])
    let end = k &+ Int(a.input_channels)
    while k < end {
      let (low, high) = (loadCodes(w), loadCodes(w + 32))
      ht_prefetch(w + 512)
      p0.begin(k, low, high)
      p1.begin(k, low, high)
      if isWhole { p2.begin(k, low, high) }
      let last = min(k &+ gathered, end)
      k &+= 4
      w += 64
      while k < last {
        let (low, high) = (loadCodes(w), loadCodes(w + 32))
        ht_prefetch(w + 512)
        p0.gather(k, low, high)
        p1.gather(k, low, high)
        if isWhole { p2.gather(k, low, high) }
        k &+= 4
        w += 64
      }
      p0.widen()
      p1.widen()
      if isWhole { p2.widen() }
    }
    tap &+= 1
  }
  var entry = Int(column.low_begin)
  while entry < Int(column.high_begin) {
    let (k, w) = excess(a, entry)
    p0.addLow(k, w)
    p1.addLow(k, w)
    if isWhole { p2.addLow(k, w) }
    entry &+= 1
  }
  while entry < Int(column.end) {
    let (k, w) = excess(a, entry)
    p0.addHigh(k, w)
    p1.addHigh(k, w)
    if isWhole { p2.addHigh(k, w) }
    entry &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  if isWhole { p2.finish(a, &output, channel) }
}

@inline(never) private func threePixelTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column
) {
  gatheredTile(a, &position, weights, channel, column, isWhole: true)
}

@inline(never) private func twoPixelTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column
) {
  gatheredTile(a, &position, weights, channel, column, isWhole: false)
}

/// Weights that fit no pair sum, and attention's operands, whose codes nobody has looked at, are widened to 16 bits first.
@inline(__always) func integerColumn(_ a: ht_convolution, _ weights: UnsafePointer<UInt8>, _ channel: Int) {
  guard let columns = a.gathered_columns, columns[channel >> 4].gather > 0 else {
    return exactColumn(a, weights, channel)
  }
  let column = columns[channel >> 4]
  var position = TilePosition(a)
  while position.remaining > 0 {
    // Four pixels are twice two.
    if position.remaining == 3 || position.remaining > 4 {
      threePixelTile(a, &position, weights, channel, column)
    } else {
      twoPixelTile(a, &position, weights, channel, column)
    }
  }
}

/// The small tile is the only one: its 8 sums leave just enough registers for the widened bytes.
@inline(__always) func integerTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int
) {
  smallIntegerTile(a, &position, weights, channel)
}
