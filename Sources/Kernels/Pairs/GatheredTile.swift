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
    input = a.input.assumingMemoryBound(to: UInt8.self) + position.input
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
  @inline(__always) mutating func widen(_ ones: IntegerLanes) {
    low = ht_widen_pairs8(low, lowPairs, ones)
    high = ht_widen_pairs8(high, highPairs, ones)
  }

  /// An entry of the first vector of output channels.
  @inline(__always) mutating func addLow(_ k: Int, _ weights: IntegerLanes, _ ones: IntegerLanes) {
    low = ht_widen_pairs8(low, ht_pairs8(IntegerLanes(repeating: ht_four_bytes(input + k)), weights), ones)
  }

  /// An entry of the second.
  @inline(__always) mutating func addHigh(_ k: Int, _ weights: IntegerLanes, _ ones: IntegerLanes) {
    high = ht_widen_pairs8(high, ht_pairs8(IntegerLanes(repeating: ht_four_bytes(input + k)), weights), ones)
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
///
/// `groups` is how many groups are gathered where the loop is written out for it: 1, or 2 of an even number; else 0.
@inline(__always) private func gatheredTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column, isWhole: Bool, groups: Int
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
      prefetchColumn(w + 1024)
      p0.begin(k, low, high)
      p1.begin(k, low, high)
      if isWhole { p2.begin(k, low, high) }
      let last = min(k &+ gathered, end)
      k &+= 4
      w += 64
      if groups == 2 {
        let (low, high) = (loadCodes(w), loadCodes(w + 32))
        prefetchColumn(w + 1024)
        p0.gather(k, low, high)
        p1.gather(k, low, high)
        p2.gather(k, low, high)
        k &+= 4
        w += 64
      }
      while groups == 0 && k < last {
        let (low, high) = (loadCodes(w), loadCodes(w + 32))
        prefetchColumn(w + 1024)
        p0.gather(k, low, high)
        p1.gather(k, low, high)
        if isWhole { p2.gather(k, low, high) }
        k &+= 4
        w += 64
      }
      let ones = ht_ones8()
      p0.widen(ones)
      p1.widen(ones)
      if isWhole { p2.widen(ones) }
    }
    tap &+= 1
  }
  let ones = ht_ones8()
  var entry = Int(column.low_begin)
  while entry < Int(column.high_begin) {
    let (k, w) = excess(a, entry)
    p0.addLow(k, w, ones)
    p1.addLow(k, w, ones)
    if isWhole { p2.addLow(k, w, ones) }
    entry &+= 1
  }
  while entry < Int(column.end) {
    let (k, w) = excess(a, entry)
    p0.addHigh(k, w, ones)
    p1.addHigh(k, w, ones)
    if isWhole { p2.addHigh(k, w, ones) }
    entry &+= 1
  }
  p0.finish(a, &output, channel)
  p1.finish(a, &output, channel)
  if isWhole { p2.finish(a, &output, channel) }
}

// What is known when the loops are compiled, and what the column says.

@inline(never) private func singleGroupTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column
) {
  gatheredTile(a, &position, weights, channel, column, isWhole: true, groups: 1)
}

@inline(never) private func twoGroupTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column
) {
  gatheredTile(a, &position, weights, channel, column, isWhole: true, groups: 2)
}

@inline(never) private func manyGroupTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column
) {
  gatheredTile(a, &position, weights, channel, column, isWhole: true, groups: 0)
}

@inline(never) private func twoPixelTile(
  _ a: ht_convolution, _ position: inout TilePosition, _ weights: UnsafePointer<UInt8>, _ channel: Int,
  _ column: ht_gathered_column
) {
  gatheredTile(a, &position, weights, channel, column, isWhole: false, groups: 0)
}

/// Weights that fit no pair sum, and attention's operands, whose codes nobody has looked at, are widened to 16 bits first.
@inline(__always) func integerColumn(_ a: ht_convolution, _ weights: UnsafePointer<UInt8>, _ channel: Int) {
  guard let columns = a.gathered_columns, columns[channel >> 4].gather > 0 else {
    return exactColumn(a, weights, channel)
  }
  let column = columns[channel >> 4]
  let isEven = a.input_channels & 7 == 0
  var position = TilePosition(a)
  while position.remaining > 0 {
    // Four pixels are twice two.
    if position.remaining < 3 || position.remaining == 4 {
      twoPixelTile(a, &position, weights, channel, column)
    } else if column.gather == 1 {
      singleGroupTile(a, &position, weights, channel, column)
    } else if column.gather == 2 && isEven {
      twoGroupTile(a, &position, weights, channel, column)
    } else {
      manyGroupTile(a, &position, weights, channel, column)
    }
  }
}

/// Where columns are not gathered the small tile is the only one: its 8 sums leave just enough registers for the widened bytes.
var integerTilePairs: Int { @inline(__always) get { 2 } }
