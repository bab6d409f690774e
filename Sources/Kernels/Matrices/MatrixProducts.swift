import CKernels

/// What matrix registers multiply, and what becomes of the sums of one column, 32 output channels.
protocol MatrixProducts {
  /// Of an input channel.
  static var elementBytes: Int { get }
  /// Adds the products of the first register of pixels with both of weights.
  static func multiplyFirst()
  /// Those of the second register of pixels.
  static func multiplySecond()

  init(_ a: ht_convolution, channel: Int)
  /// One pixel's results, but for the residual, from its 32 sums.
  func values(_ sums: UnsafeRawPointer) -> (low: FloatLanes, high: FloatLanes)
}

/// Unsigned bytes times signed bytes, summed exactly, then scaled.
struct CodeProducts: MatrixProducts {
  private let start: (low: IntegerLanes, high: IntegerLanes)
  private let scale: (low: FloatLanes, high: FloatLanes)
  private let bias: (low: FloatLanes, high: FloatLanes)

  @inline(__always) static var elementBytes: Int { 1 }
  @inline(__always) static func multiplyFirst() {
    ht_multiply_codes00()
    ht_multiply_codes01()
  }
  @inline(__always) static func multiplySecond() {
    ht_multiply_codes10()
    ht_multiply_codes11()
  }

  @inline(__always) init(_ a: ht_convolution, channel: Int) {
    start = (load(a.start + channel), load(a.start + channel + laneCount))
    scale = (load(a.scale + channel), load(a.scale + channel + laneCount))
    bias = (load(a.bias + channel), load(a.bias + channel + laneCount))
  }

  @inline(__always) func values(_ sums: UnsafeRawPointer) -> (low: FloatLanes, high: FloatLanes) {
    (
      multiplyAdd(convert(ht_load_ints16(sums) &+ start.low), scale.low, bias.low),
      multiplyAdd(convert(ht_load_ints16(sums + 64) &+ start.high), scale.high, bias.high)
    )
  }
}

/// Pairs of bfloat16, summed in Float as the instruction rounds.
struct BFloat16Products: MatrixProducts {
  private let bias: (low: FloatLanes, high: FloatLanes)

  @inline(__always) static var elementBytes: Int { 2 }
  @inline(__always) static func multiplyFirst() {
    ht_multiply_bfloats00()
    ht_multiply_bfloats01()
  }
  @inline(__always) static func multiplySecond() {
    ht_multiply_bfloats10()
    ht_multiply_bfloats11()
  }

  @inline(__always) init(_ a: ht_convolution, channel: Int) {
    bias = (load(a.bias + channel), load(a.bias + channel + laneCount))
  }

  @inline(__always) func values(_ sums: UnsafeRawPointer) -> (low: FloatLanes, high: FloatLanes) {
    let sums = sums.assumingMemoryBound(to: Float.self)
    return (load(sums) + bias.low, load(sums + laneCount) + bias.high)
  }
}

/// Stores the results of `count` pixels beside each other, residual added, the first of them at element `offset` of the output.
@inline(never) func storePixels<Products: MatrixProducts>(
  _ a: ht_convolution, _ products: Products, channel: Int, _ sums: UnsafeRawPointer, at offset: Int, count: Int
) {
  let step = Int(a.output_pixel_stride)
  let present = Int(a.output_channels) &- channel
  var output = a.output! + (offset &+ channel)
  var sums = sums
  let end = sums + count &* 128
  // From an output's element to its residual's.
  let shift = a.residual.map { UnsafePointer(a.output!).distance(to: $0) }
  if present < 32 {
    let (lowCount, highCount) = (min(present, laneCount), max(present &- laneCount, 0))
    while sums < end {
      var (low, high) = products.values(sums)
      if let shift {
        low += loadFirst(output + shift, lowCount)
        high += loadFirst(output + shift + laneCount, highCount)
      }
      storeFirst(output, low, lowCount)
      storeFirst(output + laneCount, high, highCount)
      output += step
      sums += 128
    }
  } else if let shift {
    while sums < end {
      let (low, high) = products.values(sums)
      store(output, low + load(output + shift))
      store(output + laneCount, high + load(output + shift + laneCount))
      output += step
      sums += 128
    }
  } else {
    while sums < end {
      let (low, high) = products.values(sums)
      store(output, low)
      store(output + laneCount, high)
      output += step
      sums += 128
    }
  }
}
