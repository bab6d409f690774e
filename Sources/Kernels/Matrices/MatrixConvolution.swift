import CKernels

// Convolutions by the matrix registers of AMX. See `ht_convolution` and `MatrixTiles.h`.

/// Convolution of u8 codes with s8 codes, its sums exact: the bits are those of every other kernel.
/// - Returns: false where vectors are faster. Nothing has been written then.
package func convolveU8S8(_ arguments: UnsafePointer<ht_convolution>) -> Bool {
  let a = arguments.pointee
  let plan = MatrixPlan(a, elementBytes: CodeProducts.elementBytes)
  guard plan.pays(a) else { return false }
  convolve(a, plan, CodeProducts.self)
  return true
}

/// Convolution of bfloat16 inputs and weights, summed in Float. A sum takes its products in one order for every batch and number of
/// threads; the order, and so the bits, are not those of vectors.
package func convolveBF16(_ arguments: UnsafePointer<ht_convolution>) {
  let a = arguments.pointee
  convolve(a, MatrixPlan(a, elementBytes: BFloat16Products.elementBytes), BFloat16Products.self)
}

@inline(__always) private func convolve<Products: MatrixProducts>(
  _ a: ht_convolution, _ plan: MatrixPlan, _ kind: Products.Type
) {
  withUnsafeTemporaryAllocation(byteCount: 32 * 32 * 4, alignment: 64) { sums in
    ht_tiles_begin(Int32(plan.pixels), Int32(plan.bytes))
    var channel = Int(a.block_begin) &* 32
    let channelEnd = min(Int(a.block_end) &* 32, Int(a.output_channels))
    while channel < channelEnd {
      convolveColumn(a, plan, channel, Products(a, channel: channel), sums.baseAddress!)
      channel &+= 32
    }
    ht_tiles_end()
  }
}

/// All pixels of 32 output channels, two registers at a time.
@inline(__always) private func convolveColumn<Products: MatrixProducts>(
  _ a: ht_convolution, _ plan: MatrixPlan, _ channel: Int, _ products: Products, _ sums: UnsafeMutableRawPointer
) {
  var weights = WeightStream(a, plan, channel, elementBytes: Products.elementBytes)
  var place = PixelPlace(x: 0, output: Int(a.row_begin) &* Int(a.output_row_stride))
  let pixelBytes = Int64(a.input_pixel_stride) &* Int64(Products.elementBytes)
  var registers = PixelRegisters(a, plan, elementBytes: Products.elementBytes)
  while registers.remaining > 0 {
    let first = registers.take(plan)
    if registers.remaining > 0 {
      let second = registers.take(plan)
      sum(a, plan, first.input, and: second.input, pixelBytes, &weights, Products.self)
      ht_store_sums0(sums)
      ht_store_sums1(sums + 2048)
      storeRegister(a, plan, products, channel, first, sums, &place)
      storeRegister(a, plan, products, channel, second, sums + 2048, &place)
    } else {
      sum(a, plan, first.input, and: nil, pixelBytes, &weights, Products.self)
      ht_store_sums0(sums)
      storeRegister(a, plan, products, channel, first, sums, &place)
    }
  }
}

/// A register of pixels.
private struct PixelRegister {
  /// The input of its first pixel.
  let input: UnsafeRawPointer
  /// So many of its first pixels stand in the register before it, too.
  let repeated: Int
  let pixels: Int
}

/// The registers of a call, in the order of pixels.
private struct PixelRegisters {
  private(set) var remaining: Int
  private var range: UnsafeRawPointer
  private var next = 0
  private let rangeBytes: Int, pixelBytes: Int

  @inline(__always) init(_ a: ht_convolution, _ plan: MatrixPlan, elementBytes: Int) {
    remaining = plan.registers
    rangeBytes = Int(a.input_row_stride) &* elementBytes
    pixelBytes = Int(a.input_pixel_stride) &* elementBytes
    range = a.input + Int(a.row_begin) &* rangeBytes
  }

  /// The last register of a range begins early enough to end with it.
  @inline(__always) mutating func take(_ plan: MatrixPlan) -> PixelRegister {
    let end = min(next &+ plan.pixels, plan.length)
    let first = end &- plan.pixels
    let register = PixelRegister(
      input: range + first &* pixelBytes, repeated: next &- first, pixels: plan.pixels)
    remaining &-= 1
    next = end
    if end == plan.length {
      next = 0
      range += rangeBytes
    }
    return register
  }
}

/// Where the next pixel goes: its place in a row, and the output element of the row's first pixel.
private struct PixelPlace {
  var x: Int
  var output: Int
}

/// Stores a register's sums, but for those that are stored already and those between two rows.
@inline(__always) private func storeRegister<Products: MatrixProducts>(
  _ a: ht_convolution, _ plan: MatrixPlan, _ products: Products, _ channel: Int, _ register: PixelRegister,
  _ sums: UnsafeRawPointer, _ place: inout PixelPlace
) {
  var pixel = register.repeated
  while pixel < register.pixels {
    let present = min(plan.width &- place.x, register.pixels &- pixel)
    if present > 0 {
      storePixels(
        a, products, channel: channel, sums + pixel &* 128,
        at: place.output &+ place.x &* Int(a.output_pixel_stride), count: present)
    }
    let passed = min(plan.period &- place.x, register.pixels &- pixel)
    pixel &+= passed
    place.x &+= passed
    if place.x == plan.period { place = PixelPlace(x: 0, output: place.output &+ Int(a.output_row_stride)) }
  }
}

/// A column's weights, and the next column's, which are brought nearer meanwhile, a part with each step: memory is as slow as products
/// are fast.
private struct WeightStream {
  let column: UnsafeRawPointer
  private var next: UnsafeRawPointer
  /// Cache lines of a part.
  private let lines: Int

  @inline(__always) init(_ a: ht_convolution, _ plan: MatrixPlan, _ channel: Int, elementBytes: Int) {
    let bytes = Int(a.taps) &* Int(a.input_channels) &* elementBytes
    column = a.weights + channel &* bytes
    next = column + 32 &* bytes
    let passes = (plan.registers &+ 1) / 2
    lines = (plan.bytes / 2 &+ passes &- 1) / passes
  }

  /// Behind all weights nothing happens.
  @inline(__always) mutating func fetch() {
    let end = next + lines &* 64
    while next < end {
      ht_prefetch_far(next)
      next += 64
    }
  }
}

/// The sums of two registers of pixels, or of the first alone, with 32 output channels.
@inline(__always) private func sum<Products: MatrixProducts>(
  _ a: ht_convolution, _ plan: MatrixPlan, _ first: UnsafeRawPointer, and second: UnsafeRawPointer?,
  _ pixelBytes: Int64,
  _ weights: inout WeightStream, _ kind: Products.Type
) {
  ht_zero_sums()
  var w = weights.column
  var run = 0
  while run < plan.runs {
    var offset = Int(a.tap_offsets[run &* plan.runTaps]) &* Products.elementBytes
    let end = offset &+ plan.steps &* plan.bytes
    while offset < end {
      ht_load_pixels0(first + offset, pixelBytes)
      ht_load_weights0(w)
      ht_load_weights1(w)
      Products.multiplyFirst()
      if let second {
        ht_load_pixels1(second + offset, pixelBytes)
        Products.multiplySecond()
      }
      weights.fetch()
      offset &+= plan.bytes
      w += plan.bytes &* 32
    }
    run &+= 1
  }
}
